"""OutOfFoldTransformer: predictions of a classifier as features for another estimator."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, TransformerMixin, clone
from sklearn.model_selection import check_cv, cross_val_predict
from sklearn.utils import get_tags, indexable
from sklearn.utils.validation import check_is_fitted

from sklstm._confidence import check_single_label
from sklstm._sklearn import HasMethods, StrOptions, copy_input_attributes, fit_context, num_samples
from sklstm._validation import Labels

if TYPE_CHECKING:
    from sklearn.utils import Tags

__all__ = ["OutOfFoldTransformer"]

_PREFIXES = {"predict_proba": "probability", "decision_function": "score"}


class OutOfFoldTransformer(TransformerMixin, MetaEstimatorMixin, BaseEstimator):
    """Transformer that returns the predictions of a classifier, out-of-fold in training.

    In `fit_transform`, each document is predicted by a clone that was not fitted to it, as in
    stacked generalization [1]_. The next step of the pipeline therefore learns how reliable the
    predictions are on new documents. In `transform`, the classifier that was fitted to all
    documents predicts. Use it in a ``ColumnTransformer`` to combine a text with numbers and
    categories.

    Parameters
    ----------
    estimator : classifier or Pipeline
        Classifier of one class per document.
    cv : int, cross-validation splitter or iterable, default=5
        Folds of the out-of-fold predictions; for an int, stratified folds. Each document must be in
        exactly one test set. To keep groups together, pass
        ``list(GroupKFold().split(X, y, groups))``.
    method : {"predict_proba", "decision_function"}, default="predict_proba"
        Method of `estimator` that returns the features.
    n_jobs : int or None, default=None
        Number of folds that are fitted at the same time, as in joblib. `LSTMTextClassifier` uses
        all cores for a single fit.

    Attributes
    ----------
    estimator_ : classifier
        The classifier fitted to all documents.
    classes_ : ndarray of shape (n_classes,)
        The classes.
    n_features_in_ : int
        Number of features; only if `estimator_` has this attribute.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Names of the features; only if `estimator_` has this attribute.

    See Also
    --------
    sklearn.ensemble.StackingClassifier : Combines classifiers of the same X.
    LSTMTextClassifier.transform : Document vectors, for documents that the classifier was not
        fitted to.

    Notes
    -----
    Two classes have one feature, that of the second class, because the other one is redundant.

    ``fit(X, y).transform(X)`` differs from ``fit_transform(X, y)``: its predictions are too
    confident, because the classifier was fitted to the same documents. A pipeline calls
    `fit_transform`.

    There is no method for document vectors: the networks of two folds use different directions for
    the same meaning, so that vectors of different folds cannot be compared.

    References
    ----------
    .. [1] D. H. Wolpert (1992). `Stacked Generalization
           <https://doi.org/10.1016/S0893-6080(05)80023-1>`_. Neural Networks 5(2), 241-259.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.compose import ColumnTransformer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklstm import OutOfFoldTransformer, make_text_classifier
    >>> X = pd.DataFrame({"text": ["a fine film", "a dull film"] * 10, "minutes": range(20)})
    >>> y = ["good", "bad"] * 10
    >>> text = OutOfFoldTransformer(make_text_classifier("fast", random_state=0), cv=2)
    >>> numbers = ("numbers", "passthrough", ["minutes"])
    >>> features = ColumnTransformer([("text", text, "text"), numbers])
    >>> model = make_pipeline(features, LogisticRegression()).fit(X, y)
    >>> model[0].get_feature_names_out().tolist()
    ['text__probability_good', 'numbers__minutes']
    >>> model.predict(X[:2]).tolist()
    ['good', 'bad']
    >>> out_of_fold = text.fit_transform(X["text"], y)
    >>> out_of_fold.shape == text.transform(X["text"]).shape == (20, 1)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "cv": ["cv_object"],
        "method": [StrOptions(set(_PREFIXES))],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        estimator: BaseEstimator,
        *,
        cv: Any = 5,
        method: str = "predict_proba",
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.cv = cv
        self.method = method
        self.n_jobs = n_jobs

    @fit_context
    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit the classifier to all documents.

        Parameters
        ----------
        X : array-like of shape (n_documents,) or (n_documents, n_features)
            Documents in a form that `estimator` accepts.
        y : array-like of shape (n_documents,)
            Classes.

        Returns
        -------
        self : OutOfFoldTransformer
            The fitted transformer.

        Raises
        ------
        ValueError
            If a parameter is not valid, y is a label indicator, or `estimator` rejects the
            documents.
        TypeError
            If `estimator` does not have the method.
        """
        self._fit(*self._check(X, y))
        return self

    @fit_context
    def fit_transform(self, X: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Fit the classifier to all documents, and return out-of-fold predictions of them.

        Parameters
        ----------
        X : array-like of shape (n_documents,) or (n_documents, n_features)
            Documents in a form that `estimator` accepts.
        y : array-like of shape (n_documents,)
            Classes.

        Returns
        -------
        features : ndarray of float64 of shape (n_documents, n_classes) or (n_documents, 1)
            Predictions of clones that were not fitted to the document.

        Raises
        ------
        ValueError
            As `fit`, or if a document is not in exactly one test set of `cv`.
        TypeError
            As `fit`.
        """
        X, labels = self._check(X, y)
        folds = list(check_cv(self.cv, labels, classifier=True).split(X, labels))
        n_test_sets = np.zeros(len(labels), dtype=np.int64)
        for _, test in folds:
            n_test_sets[test] += 1
        if not (n_test_sets == 1).all():
            raise ValueError(
                f"cv={self.cv!r} must put each document in exactly one test set; pass an int, or a "
                "splitter such as StratifiedKFold."
            )
        predictions = cross_val_predict(
            self.estimator, X, labels, cv=folds, method=self.method, n_jobs=self.n_jobs
        )
        # Last, so that an error or Ctrl-C in a fold leaves the transformer as it was.
        self._fit(X, labels)
        return self._as_features(predictions)

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the predictions of the classifier that was fitted to all documents.

        Parameters
        ----------
        X : array-like of shape (n_documents,) or (n_documents, n_features)
            Documents that the classifier was not fitted to.

        Returns
        -------
        features : ndarray of float64 of shape (n_documents, n_classes) or (n_documents, 1)
            Predictions.

        Raises
        ------
        NotFittedError
            If the transformer is not fitted.
        """
        check_is_fitted(self)
        return self._as_features(getattr(self.estimator_, self.method)(X))

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Return the names of the features, such as "probability_good".

        Parameters
        ----------
        input_features : object
            Ignored.

        Returns
        -------
        names : ndarray of str of shape (n_features_out,)
            The names.

        Raises
        ------
        NotFittedError
            If the transformer is not fitted.
        """
        check_is_fitted(self)
        shown = self.classes_[1:] if len(self.classes_) == 2 else self.classes_
        prefix = _PREFIXES[self.method]
        return np.array([f"{prefix}_{name}" for name in shown], dtype=object)

    def _check(self, X: Any, y: Any) -> tuple[Any, Labels]:
        """Return X and y as arrays that can be indexed.

        Raises
        ------
        ValueError
            If y is not one class per document.
        TypeError
            If `estimator` does not have the method.
        """
        labels = check_single_label(y, num_samples(X))
        if not hasattr(self.estimator, self.method):
            name = type(self.estimator).__name__
            raise TypeError(
                f"method={self.method!r}, but {name} has no such method; pass another method, or "
                "wrap the classifier in sklearn.calibration.CalibratedClassifierCV."
            )
        checked: tuple[Any, Labels] = indexable(X, labels)
        return checked

    def _fit(self, X: Any, labels: Labels) -> None:
        """Fit the classifier to all documents."""
        self.estimator_ = clone(self.estimator).fit(X, labels)
        self.classes_ = self.estimator_.classes_
        copy_input_attributes(self.estimator_, self)

    def _as_features(self, predictions: ArrayLike) -> NDArray[np.float64]:
        """Return predictions as columns; those of two classes as one column.

        Raises
        ------
        ValueError
            If there is not one column per class.
        """
        columns, n_classes = np.asarray(predictions, dtype=np.float64), len(self.classes_)
        if columns.ndim == 1:
            return columns[:, None]
        if columns.shape[1] != n_classes:
            raise ValueError(
                f"{self.method} of the estimator returns {columns.shape[1]} columns for "
                f"{n_classes} classes; with SVC, set decision_function_shape='ovr'."
            )
        return columns[:, 1:] if n_classes == 2 else columns

    def __sklearn_tags__(self) -> Tags:
        """Return the tags of the input of `estimator`."""
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        tags.target_tags.required = True
        return tags

"""SelectiveClassifier: predict only if the confidence reaches a threshold."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.model_selection import check_cv
from sklearn.utils import get_tags, indexable
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from sklstm._confidence import (
    check_single_label,
    class_probabilities,
    coverage_curve,
    evaluate,
    predict_with_confidence,
)
from sklstm._sklearn import (
    HasMethods,
    Interval,
    StrOptions,
    copy_input_attributes,
    fit_context,
    num_samples,
    safe_indexing,
)
from sklstm._validation import Labels

if TYPE_CHECKING:
    from sklearn.utils import Tags

__all__ = ["SelectiveClassifier"]

# Labels of rejected documents, if no class has this label.
_REJECTED_TEXT, _REJECTED_NUMBER = "unsure", -1


class SelectiveClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Classifier that rejects documents for which its confidence is too low.

    The confidence is the probability of the predicted class. The threshold is the smallest one with
    which the accepted documents reach the required accuracy, measured by cross-validation or on a
    validation set. This is known as selective classification [1]_, or as a reject option [2]_.

    Parameters
    ----------
    estimator : classifier or Pipeline
        Classifier with `predict_proba`, of one class per document.
    accuracy : float, default=0.95
        Required accuracy of the accepted documents, from 0 to 1.
    cv : int, cross-validation splitter, iterable or "prefit", default=5
        Folds that measure the accuracy for each threshold; for an int, stratified folds. To keep
        groups together, pass ``list(GroupKFold().split(X, y, groups))``. The estimator is then
        fitted to all documents. With "prefit", `estimator` is fitted already, and `fit` only
        chooses the threshold: pass documents that the estimator was not fitted to.
    reject_label : object, default=None
        Label of rejected documents. None stands for "unsure" or, if the classes are numbers, for -1
        or a number below all classes.
    n_jobs : int or None, default=None
        Number of folds that are fitted at the same time, as in joblib. `LSTMTextClassifier` uses
        all cores for a single fit.

    Attributes
    ----------
    estimator_ : classifier
        The classifier fitted to all documents; with ``cv="prefit"``, `estimator`.
    classes_ : ndarray of shape (n_classes,)
        The classes, without the label of rejected documents.
    threshold_ : float
        Minimum confidence of an accepted document. Infinity if no threshold reaches the accuracy.
    coverage_ : float
        Proportion of the documents that were accepted when the threshold was chosen.
    accuracy_ : float
        Their accuracy; NaN if there are none.
    reject_label_ : object
        The label of rejected documents.
    n_features_in_ : int
        Number of features; only if `estimator_` has this attribute.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Names of the features; only if `estimator_` has this attribute.

    See Also
    --------
    ConfidenceDisplay : Plots accuracy against coverage.
    sklearn.model_selection.TunedThresholdClassifierCV : Tunes the threshold of two classes.

    Notes
    -----
    `score` counts a rejected document as an error. Scorers such as "accuracy" do so too, but they
    need a `reject_label` of the type of the classes; for classes of bool, -1. To compare
    classifiers with and without rejection, look at coverage and accuracy: see the user guide,
    "Confidence".

    The accuracy holds for documents from the same source as those of `fit`. On other documents, the
    probabilities may be wrong, and so may the accuracy.

    References
    ----------
    .. [1] R. El-Yaniv and Y. Wiener (2010). `On the Foundations of Noise-free Selective
           Classification <https://www.jmlr.org/papers/v11/el-yaniv10a.html>`_. JMLR 11, 1605-1641.
    .. [2] C. K. Chow (1970). `On Optimum Recognition Error and Reject Tradeoff
           <https://doi.org/10.1109/TIT.1970.1054406>`_. IEEE Transactions on Information Theory
           16(1), 41-46.

    Examples
    --------
    >>> from sklstm import SelectiveClassifier, make_text_classifier
    >>> texts = ["a fine film", "a dull film", "a long film", "a long film"] * 10
    >>> labels = ["good", "bad", "good", "bad"] * 10
    >>> model = SelectiveClassifier(make_text_classifier("fast", random_state=0), cv=2)
    >>> model = model.fit(texts, labels)
    >>> model.predict(["a fine film", "a long film"]).tolist()
    ['good', 'unsure']
    >>> model.coverage_
    0.5
    >>> model.score(texts, labels)
    0.5
    >>> model.predict_proba(["a fine film"]).shape
    (1, 2)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "accuracy": [Interval(Real, 0, 1, closed="both")],
        "cv": ["cv_object", StrOptions({"prefit"})],
        "reject_label": "no_validation",
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        estimator: BaseEstimator,
        *,
        accuracy: float = 0.95,
        cv: Any = 5,
        reject_label: object = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.accuracy = accuracy
        self.cv = cv
        self.reject_label = reject_label
        self.n_jobs = n_jobs

    @fit_context
    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit the classifier, and choose the threshold.

        Parameters
        ----------
        X : array-like of shape (n_documents,) or (n_documents, n_features)
            Documents in a form that `estimator` accepts.
        y : array-like of shape (n_documents,)
            Classes.

        Returns
        -------
        self : SelectiveClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If a parameter is not valid, y is a label indicator, `reject_label` is a class or not a
            single label, or `estimator` does not accept the documents.
        TypeError
            If `estimator` has no `predict_proba`.
        NotFittedError
            If `cv` is "prefit" and `estimator` is not fitted.

        Warns
        -----
        UserWarning
            If no threshold reaches the accuracy. All documents are then rejected.
        """
        labels = check_single_label(y, num_samples(X))
        X, labels = indexable(X, labels)
        if isinstance(self.cv, str):
            fitted = self.estimator
            check_is_fitted(fitted)
            reject_label = self._choose_reject_label(fitted.classes_)
            predictions = [evaluate(fitted, X, labels)]
        else:
            reject_label = self._choose_reject_label(np.unique(labels))
            folds = check_cv(self.cv, labels, classifier=True).split(X, labels)
            predictions = Parallel(n_jobs=self.n_jobs)(
                delayed(_predict_fold)(self.estimator, X, labels, *fold) for fold in folds
            )
            if not predictions:
                raise ValueError(f"cv={self.cv!r} has no folds; pass an int or a splitter.")
            fitted = clone(self.estimator).fit(X, labels)
        true, predicted, confidence = map(np.concatenate, zip(*predictions, strict=True))
        curve = coverage_curve(confidence, predicted == true)
        best = curve.best(self.accuracy)
        if best is None:
            warnings.warn(
                f"No threshold reaches accuracy={self.accuracy}: the largest accuracy is "
                f"{curve.accuracy.max():.3f}. All documents will be rejected; reduce accuracy.",
                stacklevel=3,
            )
        self.estimator_ = fitted
        self.classes_ = fitted.classes_
        copy_input_attributes(fitted, self)
        self.reject_label_ = reject_label
        self.coverage_ = 0.0 if best is None else float(curve.coverage[best])
        self.threshold_ = np.inf if best is None else float(curve.thresholds[best])
        if self.coverage_ == 1:
            # Nothing speaks against a lower confidence.
            self.threshold_ = 0.0
        self.accuracy_ = np.nan if best is None else float(curve.accuracy[best])
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the class of each document, or `reject_label_`.

        Parameters
        ----------
        X : array-like of shape (n_documents,) or (n_documents, n_features)
            Documents in a form that `estimator` accepts.

        Returns
        -------
        labels : ndarray of shape (n_documents,)
            Classes, and `reject_label_` where the confidence is below `threshold_`.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        """
        check_is_fitted(self)
        labels, confidence = predict_with_confidence(self.estimator_, X)
        reject_label = np.asarray(self.reject_label_)
        kinds = {reject_label.dtype.kind, labels.dtype.kind}
        if len(kinds) > 1 and not kinds <= set("biuf"):
            # NumPy would convert numbers to strings.
            labels, reject_label = labels.astype(object), reject_label.astype(object)
        elif kinds == {"i", "u"} and self.classes_.max() <= np.iinfo(np.int64).max:
            # NumPy's common type of int64 and uint64 is float64.
            labels = labels.astype(np.int64)
        return np.where(confidence >= self.threshold_, labels, reject_label)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probabilities of the classes, of rejected documents too.

        Parameters
        ----------
        X : array-like of shape (n_documents,) or (n_documents, n_features)
            Documents in a form that `estimator` accepts.

        Returns
        -------
        probabilities : ndarray of float64 of shape (n_documents, n_classes)
            Probabilities in the order of `classes_`.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        """
        check_is_fitted(self)
        return class_probabilities(self.estimator_, X)

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the accuracy, with rejected documents as errors.

        Parameters
        ----------
        X : array-like of shape (n_documents,) or (n_documents, n_features)
            Documents in a form that `estimator` accepts.
        y : array-like of shape (n_documents,)
            Classes.
        sample_weight : array-like of shape (n_documents,) or None, default=None
            Weights of the documents.

        Returns
        -------
        accuracy : float
            Proportion of the documents whose predicted label is their class.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        """
        # accuracy_score does not accept labels of several types, such as False and "unsure".
        predicted = self.predict(X)
        is_correct = predicted == check_single_label(y, len(predicted))
        weights = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        return float(np.average(is_correct, weights=weights))

    def _choose_reject_label(self, classes: Labels) -> object:
        """Return the label of rejected documents.

        Raises
        ------
        ValueError
            If it is a class, or not a single label.
        """
        label = self.reject_label
        if np.asarray(label, dtype=object).ndim or label != label:
            raise ValueError(f"reject_label={label!r} is not a single label; pass a str or number.")
        if label is None:
            is_number = np.asarray(classes).dtype.kind in "iuf"
            label = min(_REJECTED_NUMBER, int(min(classes)) - 1) if is_number else _REJECTED_TEXT
        if label in classes.tolist():
            raise ValueError(f"reject_label={label!r} is a class; choose another reject_label.")
        return label

    def __sklearn_tags__(self) -> Tags:
        """Return the tags of `estimator`, without support of several labels."""
        tags = super().__sklearn_tags__()
        of_estimator = get_tags(self.estimator)
        tags.input_tags = of_estimator.input_tags
        tags.classifier_tags.multi_class = getattr(
            of_estimator.classifier_tags, "multi_class", True
        )
        return tags


def _predict_fold(
    estimator: BaseEstimator, X: Any, y: Labels, train: NDArray[np.intp], test: NDArray[np.intp]
) -> tuple[Labels, Labels, NDArray[np.float64]]:
    """Fit a clone to one part; return true classes, predictions and confidences of the other."""
    fitted = clone(estimator).fit(safe_indexing(X, train), y[train])
    return y[test], *predict_with_confidence(fitted, safe_indexing(X, test))

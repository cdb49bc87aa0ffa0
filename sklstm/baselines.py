"""Classic text classifiers to measure an LSTM against: linear models, naive Bayes, a forest."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, binarize, label_binarize
from sklearn.svm import LinearSVC
from sklearn.utils import check_random_state
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.sparsefuncs import inplace_column_scale
from sklearn.utils.validation import check_is_fitted, check_non_negative, validate_data

from sklstm._naive_bayes import log_count_ratio
from sklstm._sklearn import Interval, fit_context
from sklstm._tokens import read_texts
from sklstm.sequencer import TextSequencer

__all__ = ["NBSVMClassifier", "classic_baselines"]


def classic_baselines(
    random_state: int | np.random.RandomState | None = None, *, min_df: float = 2
) -> dict[str, Any]:
    r"""Give the classic text classifiers, ready to be fitted on the texts an LSTM is fitted on.

    Every one is a pipeline of three steps, "texts", "vectorizer" and "classifier", so that one loop
    can set, for example, ``vectorizer__stop_words`` or ``classifier__n_jobs`` where it exists.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        Seed of the forest and of the linear support vector machines.
    min_df : int or float in [0, 1], default=2
        Terms in fewer documents than this are dropped, as in ``CountVectorizer``: an int is a
        number of documents, a float a proportion of them. Pass 1 for a corpus of a few sentences,
        where hardly a term occurs twice.

    Returns
    -------
    baselines : dict of str to Pipeline
        Unfitted pipelines, new at each call:

        - "linear_svc": tf-idf and ``LinearSVC``;
        - "logistic_regression": tf-idf and ``LogisticRegression`` with ``C=10``;
        - "naive_bayes": tf-idf and ``MultinomialNB`` with ``alpha=0.1``;
        - "nb_svm": the presence of terms and `NBSVMClassifier` with ``beta=0.5``;
        - "random_forest": tf-idf and ``RandomForestClassifier`` with 100 trees.

    See Also
    --------
    NBSVMClassifier : The classifier of "nb_svm".
    sklstm.sequencer.TextSequencer : Takes the same X, and cuts it into the same words.

    Notes
    -----
    X is what `TextSequencer` takes: a list, Series or array of texts, or a DataFrame of text
    columns, which are joined by a space; a missing text is an empty one. Words are cut with the
    pattern of `TextSequencer` and lower-cased, so that a comparison is one of models, not of
    tokenizers. Terms are single words and pairs of adjacent words, and tf-idf takes the logarithm
    of the counts (``sublinear_tf``).

    Terms of a single training document say little about other documents, and most pairs of words
    are such terms, so `min_df` is 2. Where it would leave no term, `fit` raises a ``ValueError``
    that says so, rather than to count differently on a small corpus than on a large one. To save
    time, leaves of the forest hold at least 2 of 10,000 documents (``min_samples_leaf=2e-4``),
    which has no effect up to 5,000 documents. NB-SVM's ``beta`` is 0.5 here, not its paper's 0.25:
    it trusts the support vector machine more.

    No pipeline uses more than one core by itself, as ``cross_validate`` and ``GridSearchCV`` can
    run several at a time. For a single forest, ``set_params(classifier__n_jobs=-1)``.

    Examples
    --------
    >>> from sklstm.baselines import classic_baselines
    >>> texts = ["a fine film", "what a fine story", "a dull film", "what a dull story"]
    >>> labels = ["good", "good", "bad", "bad"]
    >>> for name, model in classic_baselines(random_state=0).items():
    ...     print(f"{name:20}", *model.fit(texts, labels).predict(["a fine play", "dull"]))
    linear_svc           good bad
    logistic_regression  good bad
    naive_bayes          good bad
    nb_svm               good bad
    random_forest        good bad
    """
    classifiers: dict[str, Any] = {
        "linear_svc": LinearSVC(random_state=random_state),
        "logistic_regression": LogisticRegression(C=10.0, max_iter=1000),
        "naive_bayes": MultinomialNB(alpha=0.1),
        "nb_svm": NBSVMClassifier(beta=0.5, random_state=random_state),
        "random_forest": RandomForestClassifier(min_samples_leaf=2e-4, random_state=random_state),
    }
    return {
        name: Pipeline(
            [
                ("texts", FunctionTransformer(_as_texts)),
                ("vectorizer", _vectorizer(min_df, tfidf=name != "nb_svm")),
                ("classifier", classifier),
            ]
        )
        for name, classifier in classifiers.items()
    }


def _as_texts(X: Any) -> list[str]:
    return read_texts(X, TextSequencer().separator)[0]


def _vectorizer(min_df: float, *, tfidf: bool) -> CountVectorizer:
    shared = {
        "ngram_range": (1, 2),
        "min_df": min_df,
        "token_pattern": TextSequencer().token_pattern,
    }
    if tfidf:
        return TfidfVectorizer(sublinear_tf=True, **shared)
    return CountVectorizer(binary=True, **shared)


class NBSVMClassifier(ClassifierMixin, BaseEstimator):
    r"""Linear support vector machine on naive Bayes log-count ratios (NB-SVM).

    With the presence of a feature in a sample as 0 or 1 and :math:`p` and :math:`q` as the smoothed
    numbers of samples of a class and of all others that have each feature, a linear support vector
    machine is fitted on the features times :math:`r = \log(p / |p|_1) - \log(q / |q|_1)`. Its
    weights :math:`w` are then drawn towards their mean magnitude :math:`\bar{w} = |w|_1 / n`, that
    is towards naive Bayes: :math:`w' = (1 - \beta) \bar{w} + \beta w`. With two classes this
    is the method of [1]_; with more, each class is told from the others.

    Parameters
    ----------
    C : float, default=1.0
        Inverse strength of the support vector machine's regularisation, as in ``LinearSVC``.
    alpha : float, default=1.0
        Added to the counts of every feature before their ratio is taken; in samples.
    beta : float in [0, 1], default=0.25
        Trust in the support vector machine: 1 takes its weights as they are, 0 leaves only their
        mean magnitude, a naive Bayes classifier but for its intercept.
    max_iter : int, default=1000
        Most iterations of the solver for each support vector machine.
    random_state : int, RandomState instance or None, default=None
        Seed of the solver's order of samples.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels.
    log_count_ratio_ : ndarray of float64, shape (1, n_features) or (n_classes, n_features)
        :math:`r` of ``classes_[1]`` for two classes, else of each class against the others.
    coef_ : ndarray of float64, shape (1, n_features) or (n_classes, n_features)
        Weight of each feature's presence: `log_count_ratio_` times :math:`w'`.
    intercept_ : ndarray of float64, shape (1,) or (n_classes,)
        Intercept of each support vector machine.
    n_iter_ : int
        Most iterations that the solver made for a class.
    n_features_in_ : int
        Number of features of X in `fit`.
    feature_names_in_ : ndarray of str objects, shape (n_features_in_,)
        Names of the features in `fit`. Only there if all of X's names are strings.

    See Also
    --------
    sklearn.svm.LinearSVC : The support vector machine underneath.
    sklearn.naive_bayes.BernoulliNB : Naive Bayes on the presence of features.
    classic_baselines : NB-SVM and others as pipelines that take texts.

    Notes
    -----
    Any value above zero counts as presence. As in ``LinearSVC``, whose solver is used, the
    intercept is regularised together with the weights.

    References
    ----------
    .. [1] S. Wang and C. D. Manning (2012). `Baselines and Bigrams: Simple, Good Sentiment and
           Topic Classification <https://aclanthology.org/P12-2018/>`_. ACL, 90-94.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklstm.baselines import NBSVMClassifier
    >>> model = make_pipeline(CountVectorizer(), NBSVMClassifier(random_state=0))
    >>> texts = ["a fine film", "what a fine story", "a dull film", "what a dull story"]
    >>> model.fit(texts, ["good", "good", "bad", "bad"]).predict(["a fine play"])
    array(['good'], dtype='<U4')
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "C": [Interval(Real, 0, None, closed="neither")],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "beta": [Interval(Real, 0, 1, closed="both")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        C: float = 1.0,
        alpha: float = 1.0,
        beta: float = 0.25,
        max_iter: int = 1000,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.C = C
        self.alpha = alpha
        self.beta = beta
        self.max_iter = max_iter
        self.random_state = random_state

    @fit_context
    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Fit one support vector machine for two classes, else one for each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Counts, presences or other non-negative values, as `CountVectorizer` gives.
        y : array-like of shape (n_samples,)
            Class labels.

        Returns
        -------
        self : NBSVMClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If a value of X is negative, y has fewer than two classes, or a parameter is invalid.
        """
        X, y = validate_data(self, X, y, accept_sparse="csr", accept_large_sparse=False)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError(
                "NBSVMClassifier needs samples of at least 2 classes; y has only one class: "
                f"{self.classes_.tolist()[0]!r}."
            )
        presence = self._presence(X)
        is_member = label_binarize(y, classes=self.classes_).T.astype(bool)
        random_state = check_random_state(self.random_state)

        self.log_count_ratio_ = np.array(
            [log_count_ratio(presence, members, ~members, self.alpha) for members in is_member]
        )
        machines = [
            LinearSVC(C=self.C, max_iter=self.max_iter, random_state=random_state).fit(
                _scale_columns(presence, ratio), members
            )
            for ratio, members in zip(self.log_count_ratio_, is_member, strict=True)
        ]
        weights = np.concatenate([machine.coef_ for machine in machines])
        mean_magnitude = np.abs(weights).mean(axis=1, keepdims=True)
        weights = (1 - self.beta) * mean_magnitude + self.beta * weights
        self.coef_ = self.log_count_ratio_ * weights
        self.intercept_ = np.concatenate([machine.intercept_ for machine in machines])
        self.n_iter_ = max(machine.n_iter_ for machine in machines)
        return self

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Score the classes of each sample.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples, as in `fit`.

        Returns
        -------
        scores : ndarray of float64, shape (n_samples,) or (n_samples, n_classes)
            With two classes one score, above zero for ``classes_[1]``; else one for each class.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If X has another number of features than in `fit`, or a negative value.

        Examples
        --------
        >>> from sklstm import NBSVMClassifier
        >>> classifier = NBSVMClassifier().fit([[1, 0], [0, 1]], ["bad", "good"])
        >>> (classifier.decision_function([[1, 0], [0, 1]]) > 0).tolist()
        [False, True]
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", reset=False)
        scores = safe_sparse_dot(self._presence(X), self.coef_.T, dense_output=True)
        scores += self.intercept_
        return scores.ravel() if scores.shape[1] == 1 else scores

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the class label of each sample.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples, as in `fit`.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            The label of the highest score.

        Raises
        ------
        NotFittedError, ValueError
            As `decision_function`.
        """
        scores = self.decision_function(X)
        best = scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0).astype(int)
        return self.classes_[best]

    def _presence(self, X: Any) -> Any:
        check_non_negative(X, "NBSVMClassifier (input X)")
        return binarize(X).astype(np.float64)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        # Continuous blobs, on which the estimator checks measure, lose their meaning as 0 and 1;
        # scikit-learn's own naive Bayes classifiers for counts say the same of themselves.
        tags.classifier_tags.poor_score = True
        return tags


def _scale_columns(X: Any, scale: NDArray[np.float64]) -> Any:
    if isinstance(X, np.ndarray):
        return X * scale
    X = X.copy()
    inplace_column_scale(X, scale)
    return X

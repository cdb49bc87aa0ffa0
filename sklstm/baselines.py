"""Classic text classifiers as baselines: linear models, naive Bayes, random forest, soft voting."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, csr_matrix
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, binarize, label_binarize
from sklearn.svm import LinearSVC
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, check_non_negative, validate_data

from sklstm._multilabel import as_indicator
from sklstm._network.linear_model import log_count_ratio
from sklstm._sklearn import Interval, fit_context
from sklstm._tokens import normalize_words, read_texts, words
from sklstm._validation import check_no_tags

if TYPE_CHECKING:
    from sklearn.utils import Tags

__all__ = ["NBSVMClassifier", "classic_baselines"]

# One row per sample and one column per feature.
Features: TypeAlias = NDArray[np.float64] | csr_array | csr_matrix


def classic_baselines(
    random_state: int | np.random.RandomState | None = None,
    *,
    min_df: float = 2,
    multilabel: bool = False,
    soft_voting: bool = False,
) -> dict[str, Pipeline]:
    r"""Return classic text classifiers that take the same texts as an LSTM pipeline.

    Each classifier is a pipeline with the steps "texts", "vectorizer" and "classifier", so that a
    parameter such as ``vectorizer__max_features`` can be set for all of them in a loop.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        Seed of the random forest and of the linear support vector machines.
    min_df : int or float in [0, 1], default=2
        Ignore terms that occur in fewer documents than this number (int) or proportion (float), as
        in ``CountVectorizer``. Use 1 for a corpus of a few sentences.
    multilabel : bool, default=False
        Whether y is a label indicator. The classifiers are then fitted one-vs-rest, with
        ``OneVsRestClassifier``, except for the random forest, which supports several labels. A
        parameter such as C is then named ``classifier__estimator__C``.
    soft_voting : bool, default=False
        Whether to add "soft_voting", which takes longer to fit and is often the most accurate. It
        does not support several labels.

    Returns
    -------
    baselines : dict of str to Pipeline
        New, unfitted pipelines:

        - "char_svc": tf-idf of character n-grams and ``LinearSVC``;
        - "linear_svc": tf-idf and ``LinearSVC``;
        - "logistic_regression": tf-idf and ``LogisticRegression`` with ``C=10``;
        - "naive_bayes": tf-idf and ``MultinomialNB`` with ``alpha=0.1``;
        - "nb_svm": binary term features and `NBSVMClassifier` with ``beta=0.5``;
        - "random_forest": tf-idf and ``RandomForestClassifier`` with 100 trees;
        - "soft_voting", only with ``soft_voting=True``: mean of the calibrated probabilities of
          "char_svc" and "nb_svm".

    Raises
    ------
    ValueError
        If both `multilabel` and `soft_voting` are true.

    See Also
    --------
    NBSVMClassifier : The classifier of "nb_svm".
    sklstm.sequencer.TextSequencer : Takes the same X and produces the same word tokens.

    Notes
    -----
    The pipelines take the same X as `TextSequencer`: a list, Series or array of texts, or a
    DataFrame of text columns, which are joined with a space. Missing texts are treated as empty.
    Texts are converted to lower case. Except for "char_svc", they are tokenized with the default
    pattern of `TextSequencer`, so that all models use the same tokens, and terms are unigrams and
    bigrams. The terms of "char_svc" are the sequences of 2 to 5 characters within a word
    (``analyzer="char_wb"``), which are robust to inflection and typing errors and need no word
    segmentation. tf-idf uses the logarithm of the counts (``sublinear_tf``).

    The default of `min_df` is 2, because most bigrams occur in only one training document and do
    not help to classify other documents. `fit` raises a ``ValueError`` if no terms remain. To save
    time, the leaves of the random forest contain at least a proportion of 0.0002 of the documents
    (``min_samples_leaf=2e-4``), which has no effect up to 5,000 documents. ``beta`` of NB-SVM is
    0.5 instead of 0.25 as in the paper, which gives more weight to the support vector machine.

    "soft_voting" has only the steps "texts" and "classifier". The latter is a ``VotingClassifier``
    of two pipelines, "char_svc" and "nb_svm", each with the steps "vectorizer" and "classifier".
    ``CalibratedClassifierCV`` fits each classifier five times on a part of the documents to
    calibrate its probabilities, and once on all of them. `fit` therefore needs at least five
    documents per class. For rare classes, reduce ``classifier__char_svc__classifier__cv`` and
    ``classifier__nb_svm__classifier__cv``.

    Each pipeline uses one core, because ``cross_validate`` and ``GridSearchCV`` can run several
    pipelines in parallel. To fit a single random forest on all cores, use
    ``set_params(classifier__n_jobs=-1)``.

    Examples
    --------
    >>> from sklstm.baselines import classic_baselines
    >>> texts = ["a fine film", "what a fine story", "a dull film", "what a dull story"]
    >>> labels = ["good", "good", "bad", "bad"]
    >>> for name, model in classic_baselines(random_state=0).items():
    ...     print(f"{name:20}", *model.fit(texts, labels).predict(["a fine play", "dull"]))
    char_svc             good bad
    linear_svc           good bad
    logistic_regression  good bad
    naive_bayes          good bad
    nb_svm               good bad
    random_forest        good bad

    Several labels for each text:

    >>> labels = [[1, 0], [1, 1], [0, 0], [0, 1]]  # good, with a story
    >>> model = classic_baselines(random_state=0, multilabel=True)["linear_svc"]
    >>> model.fit(texts, labels).predict(["a fine play", "a dull story"])
    array([[1, 0],
           [0, 1]])
    """
    if multilabel and soft_voting:
        raise ValueError(
            "soft_voting=True does not support multilabel=True, because VotingClassifier needs one "
            "class per document; choose one of them."
        )
    char_ngrams = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 5), min_df=min_df, sublinear_tf=True
    )
    terms = {"ngram_range": (1, 2), "min_df": min_df, "tokenizer": words, "token_pattern": None}
    tfidf = TfidfVectorizer(sublinear_tf=True, **terms)
    presence = CountVectorizer(binary=True, **terms)
    svc = LinearSVC(random_state=random_state)
    forest = RandomForestClassifier(min_samples_leaf=2e-4, random_state=random_state)
    steps = {
        "char_svc": (char_ngrams, svc),
        "linear_svc": (tfidf, svc),
        "logistic_regression": (tfidf, LogisticRegression(C=10.0, max_iter=1000)),
        "naive_bayes": (tfidf, MultinomialNB(alpha=0.1)),
        "nb_svm": (presence, NBSVMClassifier(beta=0.5, random_state=random_state)),
        "random_forest": (tfidf, forest),
    }
    pipelines = {}
    for name, (vectorizer, classifier) in steps.items():
        if multilabel and name != "random_forest":
            classifier = OneVsRestClassifier(classifier)
        pipelines[name] = _text_pipeline(vectorizer=vectorizer, classifier=classifier)
    if soft_voting:
        members = [(name, _calibrated(*steps[name])) for name in ("char_svc", "nb_svm")]
        voting = VotingClassifier(members, voting="soft")
        pipelines["soft_voting"] = _text_pipeline(classifier=voting)
    return pipelines


def _text_pipeline(**steps: BaseEstimator) -> Pipeline:
    """Return a pipeline of texts; `steps` are cloned."""
    texts = FunctionTransformer(_as_texts)
    return Pipeline([("texts", texts), *((name, clone(step)) for name, step in steps.items())])


def _calibrated(vectorizer: BaseEstimator, classifier: BaseEstimator) -> Pipeline:
    # The vectorizer does not use the labels and need not be fitted again for each inner fold.
    calibrated = CalibratedClassifierCV(classifier, ensemble=False)
    return Pipeline([("vectorizer", vectorizer), ("classifier", calibrated)])


def _as_texts(X: object) -> list[str]:
    return list(map(normalize_words, read_texts(X, " ")[0]))


class NBSVMClassifier(ClassifierMixin, BaseEstimator):
    r"""Linear support vector machine on naive Bayes log-count ratios (NB-SVM).

    Let :math:`p` and :math:`q` be vectors that contain, for each feature, the smoothed number of
    samples with the feature in a class and in all other classes. A linear support vector machine is
    fitted on the binary features (0 or 1), multiplied by
    :math:`r = \log(p / |p|_1) - \log(q / |q|_1)`. Its weights :math:`w` are then interpolated with
    their mean magnitude :math:`\bar{w} = |w|_1 / n`, which corresponds to naive Bayes:
    :math:`w' = (1 - \beta) \bar{w} + \beta w`. For two classes this is the method of [1]_; more
    classes are handled one-vs-rest.

    Parameters
    ----------
    C : float, default=1.0
        Inverse of the regularization strength, as in ``LinearSVC``.
    alpha : float, default=1.0
        Additive (Laplace) smoothing of the counts of each feature, in samples.
    beta : float in [0, 1], default=0.25
        Interpolation between naive Bayes (0) and the support vector machine (1): with 1, the
        weights of the support vector machine are used unchanged; with 0, only their mean magnitude.
    max_iter : int, default=1000
        Maximum number of iterations of the solver for each support vector machine.
    random_state : int, RandomState instance or None, default=None
        Seed of the order in which the solver visits the samples.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    log_count_ratio_ : ndarray of float64, shape (1, n_features) or (n_classes, n_features)
        The vector :math:`r` of ``classes_[1]`` for two classes, otherwise of each class versus the
        rest.
    coef_ : ndarray of float64, shape (1, n_features) or (n_classes, n_features)
        Weights of the features: `log_count_ratio_` times :math:`w'`.
    intercept_ : ndarray of float64, shape (1,) or (n_classes,)
        Intercept of each support vector machine.
    n_iter_ : int
        Maximum number of iterations of the solver over the classes.
    n_features_in_ : int
        Number of features of X in `fit`.
    feature_names_in_ : ndarray of str objects, shape (n_features_in_,)
        Names of the features in `fit`. Defined only if X has names that are all strings.

    See Also
    --------
    sklearn.svm.LinearSVC : The underlying support vector machine.
    sklearn.naive_bayes.BernoulliNB : Naive Bayes for binary features.
    classic_baselines : Pipelines that take texts, with NB-SVM and other classifiers.

    Notes
    -----
    Values of X are binarized: any value greater than zero becomes 1. The intercept is regularized
    like the weights, as in ``LinearSVC``.

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

    _parameter_constraints: ClassVar[dict[str, list[object]]] = {
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
    def fit(self, X: ArrayLike | Features, y: ArrayLike) -> Self:
        """Fit one support vector machine for two classes, or one per class for more classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Non-negative values, such as the counts of ``CountVectorizer``.
        y : array-like of shape (n_samples,)
            Class labels.

        Returns
        -------
        self : NBSVMClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If a value of X is negative, y has fewer than two classes or is a label indicator, or a
            parameter is invalid.
        """
        check_no_tags(y)
        if as_indicator(y) is not None:
            raise ValueError(
                "y is a label indicator, and NBSVMClassifier needs one class per sample. Use "
                "OneVsRestClassifier(NBSVMClassifier()) of sklearn.multiclass; "
                "classic_baselines(multilabel=True) returns such pipelines."
            )
        X, y = validate_data(self, X, y, accept_sparse="csr", accept_large_sparse=False)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            found = f"y has only one class: {self.classes_.tolist()[0]!r}"
            raise ValueError(f"NBSVMClassifier needs samples of at least 2 classes; {found}.")
        presence = self._presence(X)
        is_member = label_binarize(y, classes=self.classes_).T.astype(bool)
        random_state = check_random_state(self.random_state)

        ratios, machines = [], []
        for members in is_member:
            ratios.append(log_count_ratio(presence, members, ~members, self.alpha))
            machine = LinearSVC(C=self.C, max_iter=self.max_iter, random_state=random_state)
            machines.append(machine.fit(_scale_columns(presence, ratios[-1]), members))
        self.log_count_ratio_ = np.array(ratios)
        weights = np.concatenate([machine.coef_ for machine in machines])
        mean_magnitude = np.abs(weights).mean(axis=1, keepdims=True)
        weights = (1 - self.beta) * mean_magnitude + self.beta * weights
        self.coef_ = self.log_count_ratio_ * weights
        self.intercept_ = np.concatenate([machine.intercept_ for machine in machines])
        self.n_iter_ = max(machine.n_iter_ for machine in machines)
        return self

    def decision_function(self, X: ArrayLike | Features) -> NDArray[np.float64]:
        """Return the scores of the classes for each sample.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples, as in `fit`.

        Returns
        -------
        scores : ndarray of float64, shape (n_samples,) or (n_samples, n_classes)
            For two classes, one score per sample, which is positive for ``classes_[1]``. For more
            classes, one score per class.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If X has a different number of features than in `fit`, or a negative value.

        Examples
        --------
        >>> from sklstm import NBSVMClassifier
        >>> classifier = NBSVMClassifier().fit([[1, 0], [0, 1]], ["bad", "good"])
        >>> (classifier.decision_function([[1, 0], [0, 1]]) > 0).tolist()
        [False, True]
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", reset=False)
        scores = self._presence(X) @ self.coef_.T + self.intercept_
        return scores.ravel() if scores.shape[1] == 1 else scores

    def predict(self, X: ArrayLike | Features) -> NDArray[Any]:
        """Predict the class label of each sample.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples, as in `fit`.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Predicted class label of each sample.

        Raises
        ------
        NotFittedError, ValueError
            As `decision_function`.
        """
        scores = self.decision_function(X)
        best = scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0).astype(int)
        return self.classes_[best]

    def _presence(self, X: Features) -> Features:
        check_non_negative(X, "NBSVMClassifier (input X)")
        return binarize(X).astype(np.float64)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        # The estimator checks evaluate the accuracy on continuous data, which loses its information
        # when binarized. scikit-learn's naive Bayes classifiers for counts have the same tag.
        tags.classifier_tags.poor_score = True
        return tags


def _scale_columns(X: Features, scale: NDArray[np.float64]) -> Features:
    return X * scale if isinstance(X, np.ndarray) else X.multiply(scale).tocsr()

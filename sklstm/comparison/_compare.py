"""compare(): cross-validate classifiers on the same folds."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral

import joblib
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.base import BaseEstimator, clone, is_regressor
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import check_scoring
from sklearn.utils.multiclass import check_classification_targets

from sklstm._dataframes import to_pandas
from sklstm._multilabel import as_dense, as_indicator
from sklstm._sklearn import num_samples
from sklstm._validation import check_no_tags
from sklstm.comparison import _folds, _results
from sklstm.comparison._folds import CrossValidation, RandomState, Scoring
from sklstm.comparison._results import Comparison
from sklstm.comparison._scorers import LABEL_SCORERS
from sklstm.comparison._statistics import check_rope

# Scores of `scoring="auto"`.
_SCORES = ("accuracy", "f1_macro")
_MULTILABEL_SCORES = ("f1_micro", "f1_macro", *LABEL_SCORERS)
# Part of the error of scikit-learn's classifiers that need class labels.
_REFUSED_INDICATOR = "y should be a 1d array"


def compare(
    classifiers: Mapping[str, BaseEstimator],
    X: ArrayLike,
    y: ArrayLike,
    *,
    cv: CrossValidation = 5,
    scoring: str | Iterable[str] | Callable[..., float] | Scoring = "auto",
    rope: float = 0.01,
    groups: ArrayLike | None = None,
    return_probabilities: bool = False,
    n_jobs: int | None = None,
    verbose: int = 0,
    memory: str | os.PathLike[str] | joblib.Memory | None = None,
    random_state: RandomState = 0,
) -> Comparison:
    """Compare classifiers by cross-validation on the same folds.

    Parameters
    ----------
    classifiers : dict of str to classifier
        Unfitted classifiers by name, for example
        ``{"lstm": pipeline, **classic_baselines()}``. They are cloned and not changed.
    X : array-like of shape (n_documents,) or (n_documents, n_columns)
        Documents in a form that all classifiers accept, such as texts for `classic_baselines` and
        for pipelines that begin with `TextSequencer`.
    y : array-like of shape (n_documents,) or (n_documents, n_labels)
        Class labels, or a multilabel indicator matrix.
    cv : int, splitter, iterable of (train, test) or None, default=5
        An int is the number of folds, which are shuffled and stratified. Other values are as in
        `sklearn.model_selection.cross_validate`; use ``RepeatedStratifiedKFold`` for repeated
        cross-validation. Multilabel data are stratified by the rarest label of each document.
    scoring : str, sequence of str, callable or dict, default="auto"
        As in `sklearn.model_selection.cross_validate`; greater scores are better. The first score
        determines the order of the table. A callable ``scorer(classifier, X, y)`` returns one
        number, and its score is named "score"; a dict maps names to scorers. For multilabel data,
        there are also "label_ranking_average_precision" and "precision_at_1". "auto" is
        ``("accuracy", "f1_macro")``, and for multilabel data ``("f1_micro", "f1_macro",
        "label_ranking_average_precision", "precision_at_1")``.
    rope : float, default=0.01
        Half width of the region of practical equivalence, in units of the score: two classifiers
        are practically equal if their mean scores differ by at most `rope`. 0.01 is one percentage
        point of accuracy; choose another value for scores of another range.
        `Comparison.differences` has the probability of practical equivalence.
    groups : array-like of shape (n_documents,) or None, default=None
        Group labels of the documents, for a `cv` such as ``StratifiedGroupKFold``.
    return_probabilities : bool, default=False
        Whether to return the out-of-fold probabilities of the classes as
        ``comparison.probabilities``, for example for calibration plots. Classifiers without
        ``predict_proba``, such as ``LinearSVC``, have none. Each fold then predicts twice; the
        second prediction is not part of the measured times.
    n_jobs : int or None, default=None
        Number of folds that run in parallel, as in joblib. Folds that run in parallel slow each
        other down, which increases the measured times.
    verbose : int, default=0
        If positive, print one line per finished fold with an estimate of the remaining time.
    memory : str, path, joblib.Memory or None, default=None
        Folder in which the result of each finished fold is cached. After an interruption, the same
        call continues with the remaining folds. If classifiers are added or changed, only these are
        run.
    random_state : int, RandomState instance or None, default=0
        Seed of the folds if `cv` is an int. None draws different folds at each call.

    Returns
    -------
    comparison : Comparison
        Table of means, fold scores, tests of the differences, predictions, probabilities, and plot.

    Raises
    ------
    TypeError
        If `classifiers` is not a dict of classifiers, X is a single text, `rope` is not a number,
        or `memory` is not a folder.
    ValueError
        If a name, `scoring`, `rope`, `cv` or `y` is invalid, if X and y differ in length, or if
        `memory` is given and the folds, a classifier or a scorer would differ in another call.

    Warns
    -----
    FitFailedWarning
        If a classifier raises an error. This classifier is not run on the remaining folds; the
        other classifiers are.

    See Also
    --------
    classic_baselines : Classifiers to compare an LSTM with.
    sklearn.model_selection.cross_validate : Scores of a single classifier.

    Notes
    -----
    "precision_at_1" is the proportion of documents whose label with the greatest score is correct,
    and "label_ranking_average_precision" that of
    `sklearn.metrics.label_ranking_average_precision_score`. Both are computed from
    ``decision_function``, or else ``predict_proba``, and do not depend on thresholds. A document
    without labels counts 0 in the first and 1 in the second score.

    The key of a cached result consists of the name and parameters of the classifier, the rows of
    the split, X, y, `scoring`, `return_probabilities`, and the versions of sklstm, scikit-learn and
    Keras. It does not include the code of your own functions and classes: empty the folder after
    changing the code. The files are pickles, so use only a folder that you trust. A cached result
    is also reused for a classifier without `random_state`.

    Examples
    --------
    >>> from sklstm import classic_baselines, compare
    >>> texts = ["a fine film", "a dull film", "fine and moving", "dull and slow"] * 5
    >>> labels = ["good", "bad", "good", "bad"] * 5
    >>> baselines = classic_baselines(random_state=0)
    >>> models = {name: baselines[name] for name in ("linear_svc", "naive_bayes", "nb_svm")}
    >>> comparison = compare(models, texts, labels, cv=2)
    >>> comparison.table[["accuracy", "accuracy_std"]]
                 accuracy  accuracy_std
    linear_svc        1.0           0.0
    naive_bayes       1.0           0.0
    nb_svm            1.0           0.0
    >>> pairs = comparison.differences()
    >>> pairs[["first", "second", "difference", "p_adjusted", "practically_equal"]].head(2)
            first       second  difference  p_adjusted  practically_equal
    0  linear_svc  naive_bayes         0.0         1.0               True
    1  linear_svc       nb_svm         0.0         1.0               True

    Out-of-fold probabilities of the classifiers that have ``predict_proba``:

    >>> one = {"naive_bayes": models["naive_bayes"]}
    >>> comparison = compare(one, texts, labels, cv=2, return_probabilities=True)
    >>> comparison.probabilities["naive_bayes"].head(2).round(2)
        bad  good
    0  0.23  0.77
    1  0.97  0.03

    Multilabel data, with baselines for them:

    >>> tags = [[1, 0], [0, 1], [1, 1], [0, 0]] * 5
    >>> texts = ["a fine film", "a dull play", "a film of the play", "a book"] * 5
    >>> baselines = classic_baselines(random_state=0, multilabel=True)
    >>> two = {name: baselines[name] for name in ("linear_svc", "nb_svm")}
    >>> compare(two, texts, tags, cv=2).table[["f1_micro", "precision_at_1"]]
                f1_micro  precision_at_1
    linear_svc       1.0            0.75
    nb_svm           1.0            0.75
    """
    X, y, groups = to_pandas(X), to_pandas(y), to_pandas(groups)
    models = _check_classifiers(classifiers)
    _check_data(X, y, groups)
    y = as_dense(y) if sparse.issparse(y) else y  # A random forest takes no sparse indicator.
    is_multilabel = as_indicator(y) is not None
    scorers = _check_scoring(scoring, next(iter(models.values())), is_multilabel)
    rope = check_rope(rope)
    cache = _check_memory(memory)
    if cache.location is not None:
        _folds.check_hashable(models, scorers)
        _check_reproducible(cv, random_state)
    splits = _folds.make_splits(cv, X, y, groups, random_state)
    results, errors = _folds.run_folds(
        models,
        X,
        y,
        splits,
        scorers,
        return_probabilities=return_probabilities,
        memory=cache,
        n_jobs=n_jobs,
        verbose=verbose,
    )
    if errors:
        failed = "; ".join(f"{name}: {text.splitlines()[0]}" for name, text in errors.items())
        summary = f"{len(errors)} of {len(models)} classifiers failed"
        message = f"{summary}; `errors` of the comparison has the tracebacks. {failed}"
        if is_multilabel:
            message += _multilabel_remedy(errors)
        warnings.warn(message, FitFailedWarning, stacklevel=2)
    probabilities = {}
    if return_probabilities:
        probabilities = _results.probability_frames(results, splits, X, y)
    return Comparison(
        classifiers=tuple(models),
        scoring=tuple(scorers),
        scores=_results.scores_frame(results, splits, tuple(scorers)),
        predictions=_results.predictions_frame(results, splits, X, y),
        errors=errors,
        rope=rope,
        probabilities=probabilities,
    )


def _check_classifiers(classifiers: object) -> dict[str, BaseEstimator]:
    if not isinstance(classifiers, Mapping):
        kind = type(classifiers).__name__
        raise TypeError(f"classifiers must be a dict such as {{'lstm': pipeline}}, not {kind}.")
    if not classifiers:
        raise ValueError("classifiers is empty; pass at least one, such as {'lstm': pipeline}.")
    for name, model in classifiers.items():
        if not isinstance(name, str):
            raise TypeError(f"classifiers has the name {name!r}; names must be of type str.")
        if name in _results.RESERVED_NAMES:
            problem = f"classifiers has the name {name!r}, which is a column of the predictions"
            raise ValueError(f"{problem}; choose another name.")
        if isinstance(model, type) or not (hasattr(model, "fit") and hasattr(model, "predict")):
            required = "an instance of a classifier, with methods fit and predict"
            raise TypeError(f"classifiers[{name!r}] is {model!r}; it must be {required}.")
        if hasattr(model, "__sklearn_tags__") and is_regressor(model):
            kind = type(model).__name__
            raise TypeError(f"classifiers[{name!r}] is a regressor, {kind}; pass a classifier.")
    return {name: clone(model) for name, model in classifiers.items()}


def _check_data(X: object, y: object, groups: object) -> None:
    if isinstance(X, str):
        raise TypeError("X is a single text; pass a list, array or Series of texts.")
    for name, values in {"y": y, "groups": groups}.items():
        if values is not None and num_samples(values) != num_samples(X):
            found = f"X has {num_samples(X)} documents, {name} has {num_samples(values)} entries"
            raise ValueError(f"{found}; they must have the same length.")
    check_no_tags(y)
    check_classification_targets(y)


def _multilabel_remedy(errors: Mapping[str, str]) -> str:
    """Return the remedy for classifiers that refused a label indicator, or an empty string."""
    refused = ", ".join(name for name, text in errors.items() if _REFUSED_INDICATOR in text)
    if not refused:
        return ""
    return (
        f" y is a label indicator, and {refused} takes class labels: use "
        "classic_baselines(multilabel=True), or sklearn.multiclass.OneVsRestClassifier."
    )


def _check_scoring(scoring: object, model: BaseEstimator, is_multilabel: bool) -> Scoring:
    if isinstance(scoring, str) and scoring == "auto":
        scoring = _MULTILABEL_SCORES if is_multilabel else _SCORES
    if isinstance(scoring, str):
        scoring = [scoring]
    if callable(scoring):
        scoring = {"score": scoring}
    elif not isinstance(scoring, Iterable):
        expected = "the name of a score, a sequence of names, a callable, or a dict"
        raise TypeError(f"scoring={scoring!r} must be {expected}.")
    elif not isinstance(scoring, Mapping):
        names = list(scoring)
        if not all(isinstance(name, str) for name in names):
            raise ValueError(f"scoring={names!r} must be names of scores; for others, use a dict.")
        scoring = {name: name for name in names}
    if not scoring:
        raise ValueError("scoring is empty; name at least one score, such as 'accuracy'.")
    if taken := _results.RESERVED_SCORES & scoring.keys():
        problem = f"scoring has the name {min(taken)!r}, which is another column of the scores"
        raise ValueError(f"{problem}; choose another name.")
    named = {name: scorer for name, scorer in scoring.items() if isinstance(scorer, str)}
    if not is_multilabel and (used := LABEL_SCORERS.keys() & named.values()):
        problem = f"scoring={min(used)!r} ranks the labels of multilabel data"
        raise ValueError(f"{problem}, and y has class labels; choose another score.")
    scoring = dict(scoring) | {
        name: LABEL_SCORERS.get(scorer, scorer) for name, scorer in named.items()
    }
    check_scoring(model, scoring=scoring)
    return scoring


def _check_memory(memory: object) -> joblib.Memory:
    if isinstance(memory, joblib.Memory):
        return memory
    if memory is None or isinstance(memory, str | os.PathLike):
        return joblib.Memory(None if memory is None else os.fspath(memory), verbose=0)
    raise TypeError(f"memory={memory!r} must be a folder (str, path or joblib.Memory) or None.")


def _check_reproducible(cv: CrossValidation, random_state: RandomState) -> None:
    """Raise an error for folds that differ in each call, because no result could be reused."""
    if hasattr(cv, "split"):
        unseeded = getattr(cv, "random_state", 0) is None and getattr(cv, "shuffle", True)
        parameter = f"cv={cv!r}"
    else:
        unseeded = random_state is None and (cv is None or isinstance(cv, Integral))
        parameter = "random_state=None"
    if unseeded:
        problem = f"memory= cannot resume with {parameter}, which draws new folds at each call"
        raise ValueError(f"{problem}; seed it with an int.")

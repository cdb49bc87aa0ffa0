"""Run classifiers on the folds of a cross-validation: fit, score and predict."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from numbers import Integral, Real
from time import perf_counter
from typing import NamedTuple, TypeAlias

import joblib
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import check_scoring, make_scorer
from sklearn.model_selection import (
    BaseCrossValidator,
    KFold,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    check_cv,
)
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.parallel import Parallel, delayed

from sklstm._multilabel import as_indicator, label_probabilities, rarest_labels
from sklstm._persistence import VERSION
from sklstm._progress import duration
from sklstm._sklearn import num_samples, safe_indexing

#: Scorers by name: names of scikit-learn's scorers, or ``scorer(classifier, X, y)``.
Scoring = Mapping[str, str | Callable[..., float]]
CrossValidation: TypeAlias = int | BaseCrossValidator | Iterable[tuple[ArrayLike, ArrayLike]] | None
RandomState = int | np.random.RandomState | None

# Splitters that take one class per document.
_STRATIFIED = (
    StratifiedKFold,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
    StratifiedShuffleSplit,
)
# Name of the scorer that records predictions.
_PREDICTIONS = "__predictions__"


class Split(NamedTuple):
    """Rows of a training set and a test set; repeat and fold are counted from 1."""

    repeat: int
    fold: int
    train: NDArray[np.intp]
    test: NDArray[np.intp]


class FoldResult(NamedTuple):
    """Scores, times in seconds, and test predictions of a classifier on one split."""

    scores: dict[str, float]
    fit_time: float
    score_time: float
    predictions: NDArray[np.generic]
    # One column per class of the training set or per label; None if they were not requested.
    probabilities: pd.DataFrame | None


class _Outcome(NamedTuple):
    name: str
    number: int
    result: FoldResult | None
    error: str
    from_memory: bool


def make_splits(
    cv: CrossValidation, X: object, y: object, groups: object, random_state: RandomState
) -> list[Split]:
    """Draw all splits once, so that all classifiers are evaluated on the same splits.

    A repeat is a sequence of consecutive splits with disjoint test sets. This definition identifies
    the repeats of any splitter, and no document has two predictions within a repeat. Multilabel
    data are stratified by the rarest label of each document.
    """
    indicator = as_indicator(y)
    if cv is None or (isinstance(cv, Integral) and not isinstance(cv, bool)):
        has_classes = type_of_target(y, input_name="y") in ("binary", "multiclass")
        splitter = StratifiedKFold if has_classes or indicator is not None else KFold
        cv = splitter(5 if cv is None else cv, shuffle=True, random_state=random_state)
    strata = y
    if indicator is not None and isinstance(cv, _STRATIFIED):
        # The number of folds of a repeated cross-validation is in `cvargs`.
        n_folds = getattr(cv, "cvargs", {}).get("n_splits", cv.get_n_splits())
        strata = rarest_labels(indicator, min_size=n_folds)
    splits: list[Split] = []
    all_rows = np.arange(num_samples(y))
    repeat, fold, tested = 1, 0, np.zeros(len(all_rows), bool)
    for train, test in check_cv(cv).split(X, strata, groups):
        # Convert boolean masks to row indices.
        train, test = all_rows[train], all_rows[test]
        fold += 1
        if tested[test].any():
            repeat, fold = repeat + 1, 1
            tested[:] = False
        tested[test] = True
        splits.append(Split(repeat, fold, train, test))
    if not splits:
        raise ValueError(f"cv={cv!r} gives no split; pass a number of folds, such as 5.")
    return splits


def run_folds(
    models: Mapping[str, BaseEstimator],
    X: object,
    y: object,
    splits: list[Split],
    scoring: Scoring,
    *,
    return_probabilities: bool,
    memory: joblib.Memory,
    n_jobs: int | None,
    verbose: int,
) -> tuple[dict[str, list[FoldResult]], dict[str, str]]:
    """Run every model on every split.

    Returns
    -------
    results : dict of str to list of FoldResult
        Results in the order of `splits` for each model that did not fail.
    errors : dict of str to str
        Error in one line, and traceback, for each model that failed.
    """
    run = memory.cache(_run_fold, ignore=["X", "y"])
    data_key = "" if memory.location is None else _hash_data(X) + _hash_data(y)
    versions = (VERSION, version("scikit-learn"), version("keras"))
    results: dict[str, dict[int, FoldResult]] = {name: {} for name in models}
    errors: dict[str, str] = {}

    def tasks() -> Iterator[object]:
        for number, split in enumerate(splits):
            for name, model in models.items():
                if name not in errors:  # A failed model is not run on the other folds.
                    settings = scoring, return_probabilities, split, data_key, versions
                    arguments = (name, model, *settings, X, y)
                    yield delayed(_try_fold)(run, name, number, arguments)

    start, n_run = perf_counter(), 0
    outcomes = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(tasks())
    for outcome in outcomes:
        if outcome.name in errors:
            continue
        if outcome.result is None:
            errors[outcome.name] = outcome.error
            del results[outcome.name]
        else:
            results[outcome.name][outcome.number] = outcome.result
        n_run += not outcome.from_memory
        if verbose:
            n_left = sum(len(splits) - len(finished) for finished in results.values())
            seconds = (perf_counter() - start) / n_run * n_left if n_run else None
            print(_format_progress(outcome, splits, n_left, seconds), flush=True)
    in_order = {name: [folds[i] for i in range(len(splits))] for name, folds in results.items()}
    return in_order, {name: errors[name] for name in models if name in errors}


def check_hashable(models: Mapping[str, BaseEstimator], scoring: Scoring) -> None:
    """Raise an error for a model or scorer that has no reproducible hash."""
    named = {f"classifier {name!r}": model for name, model in models.items()}
    named |= {f"scoring {name!r}": scorer for name, scorer in scoring.items()}
    for name, value in named.items():
        try:
            joblib.hash(value)
        except Exception as error:
            problem = f"memory= cannot identify {name} in another process: {error}"
            remedy = "Replace lambdas and nested functions by functions of a module."
            raise ValueError(f"{problem} {remedy}") from error


def _try_fold(
    run: joblib.memory.MemorizedFunc, name: str, number: int, arguments: tuple[object, ...]
) -> _Outcome:
    try:
        from_memory = run.check_call_in_cache(*arguments)
        return _Outcome(name, number, run(*arguments), "", from_memory)
    except Exception as error:
        lines = str(error).strip().splitlines()
        summary = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
        return _Outcome(name, number, None, f"{summary}\n\n{traceback.format_exc()}", False)


def _run_fold(
    name: str,  # Distinguishes unseeded copies of a classifier in the cache.
    model: BaseEstimator,
    scoring: Scoring,
    return_probabilities: bool,
    split: Split,
    data_key: str,
    versions: tuple[str, ...],
    X: object,
    y: object,
) -> FoldResult:
    """Fit a clone, score and predict; the cache key is all arguments except X and y."""
    model = clone(model)
    X_train, y_train = safe_indexing(X, split.train), safe_indexing(y, split.train)
    X_test, y_test = safe_indexing(X, split.test), safe_indexing(y, split.test)
    predictions = np.empty(0)

    def record(y_true: object, y_pred: ArrayLike) -> float:
        nonlocal predictions
        predictions = np.asarray(y_pred.toarray() if hasattr(y_pred, "toarray") else y_pred)
        return 0.0

    start = perf_counter()
    model.fit(X_train, y_train)
    fitted = perf_counter()
    # With a single `check_scoring`, all scorers use the same call of `predict`.
    scorers = {**scoring, _PREDICTIONS: make_scorer(record)}
    scores = check_scoring(model, scoring=scorers)(model, X_test, y_test)
    scored = perf_counter()

    if predictions.shape[:1] != split.test.shape:
        found = f"an array of shape {predictions.shape} for {len(split.test)} documents"
        raise ValueError(f"predict returned {found}; it must return one label per document.")
    for key in scoring:
        if not isinstance(scores[key], Real):
            remedy = "return one number from it; for several scores, pass a dict of scorers"
            raise TypeError(f"scoring {key!r} returned {scores[key]!r}; {remedy}.")
    numbers = {key: float(scores[key]) for key in scoring}
    probabilities = _predict_proba(model, X_test, y_train) if return_probabilities else None
    return FoldResult(numbers, fitted - start, scored - fitted, predictions, probabilities)


def _predict_proba(model: BaseEstimator, X: object, y_train: object) -> pd.DataFrame | None:
    """Return the probability of each class or label, or None if the model has none."""
    try:
        probabilities = model.predict_proba(X)
    except AttributeError:
        # OneVsRestClassifier seems to have predict_proba if its first label is constant.
        return None
    if as_indicator(y_train) is not None:
        return pd.DataFrame(label_probabilities(probabilities, model))
    if isinstance(probabilities, list):  # Several targets, each with its own classes.
        return None
    classes = getattr(model, "classes_", None)
    if classes is None:
        classes = np.unique(np.asarray(y_train))
    return pd.DataFrame(np.asarray(probabilities, np.float64), columns=pd.Index(classes))


def _hash_data(data: object) -> str:
    """Hash data once by its content, instead of once per fold."""
    if isinstance(data, pd.Series | pd.DataFrame):
        # Two Series with equal values can have different pickles, and so different hashes.
        columns = list(data.columns) if isinstance(data, pd.DataFrame) else []
        data = columns, pd.util.hash_pandas_object(data, index=False).to_numpy()
    return joblib.hash(data)


def _format_progress(
    outcome: _Outcome, splits: list[Split], n_left: int, seconds: float | None
) -> str:
    """Format the result of a fold, the number of folds left and the estimated time for them."""
    split = splits[outcome.number]
    n_repeats = splits[-1].repeat
    n_folds = sum(other.repeat == split.repeat for other in splits)
    place = f"repeat {split.repeat} of {n_repeats}, " if n_repeats > 1 else ""
    place += f"fold {split.fold} of {n_folds}"
    if outcome.result is None:
        summary = f"failed, {outcome.error.splitlines()[0]}"
    else:
        scores = (f"{name} {score:.3f}" for name, score in outcome.result.scores.items())
        summary = ", ".join(scores) + f", fitted in {outcome.result.fit_time:.1f} s"
    source = "from memory, " if outcome.from_memory else ""
    estimate = f", about {duration(seconds)}" if n_left and seconds is not None else ""
    return f"{outcome.name}, {place}: {summary} ({source}{n_left} left{estimate})"

"""The folds of a comparison: which documents are learned from, and what comes of it."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from numbers import Integral, Real
from time import perf_counter
from typing import Any, NamedTuple

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.metrics import check_scoring
from sklearn.model_selection import KFold, StratifiedKFold, check_cv
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.parallel import Parallel, delayed

from sklstm._progress import duration
from sklstm._sklearn import num_samples, safe_indexing

Scoring = dict[str, str | Callable[..., float]]


class Split(NamedTuple):
    """Rows to learn from and rows to test on; repeat and fold are counted from 1."""

    repeat: int
    fold: int
    train: NDArray[np.intp]
    test: NDArray[np.intp]


class FoldResult(NamedTuple):
    """What a classifier did on one split; times in seconds."""

    scores: dict[str, float]
    fit_time: float
    score_time: float
    predictions: NDArray[Any]


class _Outcome(NamedTuple):
    name: str
    number: int
    result: FoldResult | None
    error: str
    from_memory: bool


def make_splits(cv: Any, X: Any, y: Any, groups: Any, random_state: Any) -> list[Split]:
    """Draw all splits once, so that every classifier gets the same.

    A repeat is a run of splits whose test parts do not overlap. So the folds of a repeated
    cross-validation are told apart whatever its splitter is called, and within a repeat no
    document has two predictions.
    """
    if cv is None or (isinstance(cv, Integral) and not isinstance(cv, bool)):
        stratified = type_of_target(y, input_name="y") in ("binary", "multiclass")
        splitter = StratifiedKFold if stratified else KFold
        cv = splitter(5 if cv is None else cv, shuffle=True, random_state=random_state)
    splits: list[Split] = []
    repeat, fold, tested = 1, 0, np.zeros(num_samples(y), bool)
    for train, test in check_cv(cv).split(X, y, groups):
        train, test = _positions(train), _positions(test)
        fold += 1
        if tested[test].any():
            repeat, fold = repeat + 1, 1
            tested[:] = False
        tested[test] = True
        splits.append(Split(repeat, fold, train, test))
    if not splits:
        raise ValueError(f"cv={cv!r} gives no split; pass a number of folds, such as 5.")
    return splits


def _positions(rows: Any) -> NDArray[np.intp]:
    rows = np.asarray(rows)
    return np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.intp)


def run_folds(
    models: Mapping[str, Any],
    X: Any,
    y: Any,
    splits: list[Split],
    scoring: Scoring,
    *,
    memory: joblib.Memory,
    n_jobs: int | None,
    verbose: int,
) -> tuple[dict[str, list[FoldResult]], dict[str, str]]:
    """Run every model on every split, fold by fold.

    Returns
    -------
    results : dict of str to list of FoldResult
        In the order of `splits`, for each model that did not fail.
    errors : dict of str to str
        For each model that failed, what happened: a line that says it, and the traceback.
    """
    run = memory.cache(_run_fold, ignore=["X", "y"])
    data_key = "" if memory.location is None else _digest(X) + _digest(y)
    results: dict[tuple[str, int], FoldResult] = {}
    errors: dict[str, str] = {}
    pending = {(name, number) for number in range(len(splits)) for name in models}

    def tasks() -> Iterator[Any]:
        for number, split in enumerate(splits):
            for name, model in models.items():
                if name not in errors:  # What failed once is not tried on the other folds.
                    arguments = (name, model, scoring, split, data_key, _versions(), X, y)
                    yield delayed(_try_fold)(run, number, arguments)

    start, n_run = perf_counter(), 0
    outcomes = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(tasks())
    for outcome in outcomes:
        if outcome.name in errors:
            continue
        if outcome.result is None:
            errors[outcome.name] = outcome.error
            pending = {task for task in pending if task[0] != outcome.name}
        else:
            results[outcome.name, outcome.number] = outcome.result
            pending.remove((outcome.name, outcome.number))
        n_run += not outcome.from_memory
        if verbose:
            seconds = (perf_counter() - start) / n_run * len(pending) if n_run else None
            print(_progress(outcome, splits, len(pending), seconds), flush=True)
    finished = {
        name: [results[name, number] for number in range(len(splits))]
        for name in models
        if name not in errors
    }
    return finished, {name: errors[name] for name in models if name in errors}


def check_hashable(models: Mapping[str, Any], scoring: Scoring) -> None:
    """Refuse what a memory could not recognise in another process."""
    named = {f"classifier {name!r}": model for name, model in models.items()}
    named |= {f"scoring {name!r}": scorer for name, scorer in scoring.items()}
    for name, thing in named.items():
        try:
            joblib.hash(thing)
        except Exception as error:
            raise ValueError(
                f"memory= cannot recognise {name} in another run: {error} Replace lambdas and "
                "nested functions by functions of a module, or leave memory=None."
            ) from error


def _try_fold(run: Any, number: int, arguments: tuple[Any, ...]) -> _Outcome:
    name = arguments[0]
    try:
        from_memory = run.check_call_in_cache(*arguments)
        return _Outcome(name, number, run(*arguments), "", from_memory)
    except Exception as error:
        lines = str(error).strip().splitlines()
        what = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
        return _Outcome(name, number, None, f"{what}\n\n{traceback.format_exc()}", False)


def _run_fold(
    name: str,  # Two unseeded copies of a classifier are two samples, not one kept twice.
    model: Any,
    scoring: Scoring,
    split: Split,
    data_key: str,
    versions: tuple[str, ...],
    X: Any,
    y: Any,
) -> FoldResult:
    """Fit a clone, then score and predict; everything but X and y is the key in a memory."""
    model = clone(model)
    X_train, y_train = safe_indexing(X, split.train), safe_indexing(y, split.train)
    X_test, y_test = safe_indexing(X, split.test), safe_indexing(y, split.test)

    start = perf_counter()
    model.fit(X_train, y_train)
    fitted = perf_counter()
    _remember_responses(model, X_test)
    scores = check_scoring(model, scoring=scoring)(model, X_test, y_test)
    scored = perf_counter()

    predicted = model.predict(X_test)
    predictions = np.asarray(predicted.toarray() if issparse(predicted) else predicted)
    if predictions.shape[:1] != split.test.shape:
        raise ValueError(
            f"predict gave an array of shape {predictions.shape} for {len(split.test)} documents."
        )
    scores = {key: _number(key, value) for key, value in scores.items()}
    return FoldResult(scores, fitted - start, scored - fitted, predictions)


def _remember_responses(model: Any, X: Any) -> None:
    """Let scorers and the out-of-fold predictions share one call of `predict` on X."""
    for name in ("predict", "predict_proba", "decision_function"):
        if hasattr(model, name):
            setattr(model, name, _remembering(getattr(model, name), X))


def _remembering(method: Callable[..., Any], X: Any) -> Callable[..., Any]:
    kept: list[Any] = []

    @functools.wraps(method)
    def respond(data: Any, *args: Any, **kwargs: Any) -> Any:
        if data is not X or args or kwargs:
            return method(data, *args, **kwargs)
        if not kept:
            kept.append(method(data))
        return kept[0]

    return respond


def _number(name: str, score: Any) -> float:
    if not isinstance(score, Real):
        raise TypeError(
            f"scoring {name!r} gave {score!r}, and must give one number; for several scores, pass "
            "a dict of scorers."
        )
    return float(score)


def _digest(data: Any) -> str:
    """Name data by its content, once, so that big data are not hashed again for every fold."""
    if isinstance(data, pd.Series | pd.DataFrame):
        # The bytes of a pickled Series depend on more than its values.
        columns = list(data.columns) if isinstance(data, pd.DataFrame) else []
        data = columns, pd.util.hash_pandas_object(data, index=False).to_numpy()
    return joblib.hash(data)


def _versions() -> tuple[str, ...]:
    from sklstm import __version__

    return (__version__, *(version(package) for package in ("scikit-learn", "keras")))


def _progress(outcome: _Outcome, splits: list[Split], left: int, seconds: float | None) -> str:
    """Return a line about a fold, and how many are left, in about how many seconds."""
    split = splits[outcome.number]
    repeats = splits[-1].repeat
    folds = sum(other.repeat == split.repeat for other in splits)
    place = f"repeat {split.repeat} of {repeats}, " if repeats > 1 else ""
    place += f"fold {split.fold} of {folds}"
    if outcome.result is None:
        said = f"failed, {outcome.error.splitlines()[0]}"
    else:
        scores = (f"{name} {score:.3f}" for name, score in outcome.result.scores.items())
        said = ", ".join(scores) + f", fitted in {outcome.result.fit_time:.1f} s"
    kept = "from memory, " if outcome.from_memory else ""
    when = f", about {duration(seconds)}" if left and seconds is not None else ""
    return f"{outcome.name}, {place}: {said} ({kept}{left} left{when})"

"""What `compare` accepts, and what it says about the rest."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

import joblib
from sklearn.base import clone, is_regressor
from sklearn.metrics import check_scoring as check_scorers
from sklearn.utils.multiclass import check_classification_targets

from sklstm._comparison.folds import Scoring
from sklstm._comparison.frames import RESERVED_NAMES, RESERVED_SCORES
from sklstm._sklearn import num_samples


def check_classifiers(classifiers: Any) -> dict[str, Any]:
    if not isinstance(classifiers, Mapping):
        raise TypeError(
            "classifiers must be a dict of names and classifiers, such as {'lstm': pipeline}, but "
            f"is of type {type(classifiers).__name__}."
        )
    if not classifiers:
        raise ValueError("classifiers is empty; give at least one, such as {'lstm': pipeline}.")
    models = {}
    for name, model in classifiers.items():
        if not isinstance(name, str):
            raise TypeError(f"classifiers has the name {name!r}; names must be of type str.")
        if name in RESERVED_NAMES:
            raise ValueError(
                f"classifiers has the name {name!r}, which is a column of the predictions; choose "
                "another name."
            )
        if isinstance(model, type) or not (hasattr(model, "fit") and hasattr(model, "predict")):
            raise TypeError(
                f"classifiers[{name!r}] is {model!r}; it must be an instance of a classifier, with "
                "methods fit and predict."
            )
        if hasattr(model, "__sklearn_tags__") and is_regressor(model):
            raise TypeError(
                f"classifiers[{name!r}] is a regressor, {type(model).__name__}; give a classifier."
            )
        models[name] = clone(model)
    return models


def check_data(X: Any, y: Any, groups: Any) -> None:
    if isinstance(X, str):
        raise TypeError("X is a single text; give a list, array or Series of texts.")
    for name, values in {"y": y, "groups": groups}.items():
        if values is not None and num_samples(values) != num_samples(X):
            raise ValueError(
                f"X has {num_samples(X)} documents, and {name} has {num_samples(values)} "
                "entries; they must be as many."
            )
    check_classification_targets(y)


def check_scoring(scoring: Any, model: Any) -> Scoring:
    if isinstance(scoring, str):
        scoring = {scoring: scoring}
    elif callable(scoring):
        scoring = {"score": scoring}
    elif isinstance(scoring, Mapping):
        scoring = dict(scoring)
    elif isinstance(scoring, Iterable):
        scoring = list(scoring)
        if not all(isinstance(name, str) for name in scoring):
            raise ValueError(
                f"scoring={scoring!r} must be names of scores; for others, use a dict."
            )
        scoring = {name: name for name in scoring}
    else:
        raise TypeError(
            f"scoring={scoring!r} must be the name of a score, a sequence of names, a callable, or "
            "a dict."
        )
    if not scoring:
        raise ValueError("scoring is empty; name at least one score, such as 'accuracy'.")
    if taken := RESERVED_SCORES & scoring.keys():
        raise ValueError(
            f"scoring has the name {min(taken)!r}, which is another column of the scores; choose "
            "another name."
        )
    check_scorers(model, scoring=scoring)
    return scoring


def check_memory(memory: Any) -> joblib.Memory:
    if isinstance(memory, joblib.Memory):
        return memory
    if memory is None or isinstance(memory, str | os.PathLike):
        return joblib.Memory(None if memory is None else os.fspath(memory), verbose=0)
    raise TypeError(
        f"memory={memory!r} must be a folder, given as str, path or joblib.Memory, or None."
    )


def check_repeatable(cv: Any, random_state: Any) -> None:
    """Refuse folds that another call would draw anew: a memory could never be used again."""
    if hasattr(cv, "split"):
        unseeded = getattr(cv, "random_state", 0) is None and getattr(cv, "shuffle", True)
        what = f"cv={cv!r}"
    else:
        unseeded = random_state is None and (cv is None or isinstance(cv, Integral))
        what = "random_state=None"
    if unseeded:
        raise ValueError(
            f"memory= cannot go on with {what}, which draws other folds at each call; seed it with "
            "an int."
        )


def check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha={alpha!r} must lie between 0 and 1.")

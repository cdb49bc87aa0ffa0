"""Property-based tests with generated examples: few by default, many if slow.

`pytest -m slow --no-cov -k properties` runs many examples. They are the same in every run, unless
`--hypothesis-seed` is set to "random" or a number.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

#: What the methods of both estimators may raise, whatever they are given. NotFittedError is a
#: ValueError too.
DOCUMENTED = (ValueError, TypeError)
#: How many examples the slow run of each property has.
MANY: list[int] = []

# How Python and numpy begin what they say of a type or a shape that nobody has checked.
_BY_ACCIDENT = re.compile(
    r"$|'|object of type|unhashable|unsupported|ufunc|cannot unpack|too many values|len\(\)|"
    "operands|iteration over|argument |expected |only |index |list indices"
)


def holds(
    few: int, many: int, *, is_slow: bool = False, **examples: st.SearchStrategy[Any]
) -> Callable[..., Any]:
    """Make a test of a function that hypothesis calls with examples, by their names.

    One that `is_slow` is not called again and again for the smallest example that fails.
    """
    phases = [phase for phase in Phase if not (is_slow and phase is Phase.shrink)]

    def decorate(check: Callable[..., None]) -> Callable[..., None]:
        MANY.append(many)
        sizes = [pytest.param(few, id="few"), pytest.param(many, id="many", marks=pytest.mark.slow)]

        # A warning is an error too, but for those that scikit-learn gives about the data.
        @pytest.mark.filterwarnings("ignore::UserWarning")
        @pytest.mark.parametrize("n_examples", sizes)
        def test(n_examples, record_property, pytestconfig):
            n_held = 0

            @functools.wraps(check)
            def counted(**example):
                nonlocal n_held
                check(**example)
                n_held += 1

            is_seeded = pytestconfig.getoption("--hypothesis-seed", None) is not None
            settings(
                max_examples=n_examples,
                derandomize=not is_seeded,
                database=None,
                deadline=None,
                phases=phases,
                suppress_health_check=list(HealthCheck),
            )(given(**examples)(counted))()
            assert n_held >= n_examples
            record_property("examples", n_held)

        return test

    return decorate


def attempt(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """Return what a call gives, or the documented error that it raises on purpose."""
    try:
        return function(*arguments, **keywords)
    except DOCUMENTED as error:
        if isinstance(error, UnicodeError) or _BY_ACCIDENT.match(str(error)):
            raise
        return error


def is_refused(outcome: Any) -> bool:
    return isinstance(outcome, DOCUMENTED)


def content(value: Any) -> Any:
    """Return something that is equal for equal values: to show that they were not changed."""
    if isinstance(value, pd.Series | pd.DataFrame | pd.Index):
        return str(type(value)), content(value.to_numpy(dtype=object))
    try:
        return joblib.hash(value)
    except Exception:  # Not to be pickled, such as a generator.
        return id(value)


def state(estimator: Any) -> dict[str, Any]:
    """Return the content of all attributes, but for what draws random numbers."""
    return {
        name: content(value)
        for name, value in vars(estimator).items()
        if not isinstance(value, np.random.RandomState)
    }


def some_of(strategies: dict[str, st.SearchStrategy[Any]], most: int) -> st.SearchStrategy[Any]:
    """Return a strategy for values of some parameters, by their names."""
    names = st.lists(st.sampled_from(sorted(strategies)), max_size=most, unique=True)
    return names.flatmap(
        lambda chosen: st.fixed_dictionaries({name: strategies[name] for name in chosen})
    )

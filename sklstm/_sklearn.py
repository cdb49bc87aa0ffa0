"""Imports of private and experimental parts of scikit-learn.

All other modules import these from here, so that a change in scikit-learn affects only this file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn import utils
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.model_selection._search import BaseSearchCV as BaseSearchCV
from sklearn.utils import _param_validation, validation
from sklearn.utils._param_validation import HasMethods as HasMethods
from sklearn.utils._param_validation import Interval as Interval
from sklearn.utils._param_validation import Options as Options
from sklearn.utils._param_validation import RealNotInt as RealNotInt
from sklearn.utils._param_validation import StrOptions as StrOptions

from sklstm._dataframes import to_pandas

try:
    from sklearn.callback import CallbackSupportMixin as CallbackSupportMixin
except ImportError:  # scikit-learn before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Placeholder for releases of scikit-learn without callbacks."""


check_sample_weight = validation._check_sample_weight
estimator_has = validation._estimator_has
num_samples = validation._num_samples
safe_indexing = utils._safe_indexing
validate_parameter_constraints = _param_validation.validate_parameter_constraints

#: Validates the parameters before `fit`, as scikit-learn's own estimators do.
fit_context = _fit_context(prefer_skip_nested_validation=True)

Estimator = TypeVar("Estimator", bound=BaseEstimator)

# Attributes that scikit-learn sets while it notifies callbacks.
_WHILE_FITTING = ("_callback_fit_ctx", "_skl_callbacks_to_teardown")


def clone_without_callbacks(estimator: Estimator) -> Estimator:
    """Clone an estimator, without the callbacks of scikit-learn that are registered on it."""
    cloned = clone(estimator)
    cloned.__dict__.pop("_skl_callbacks", None)
    return cloned


def copy_input_attributes(source: BaseEstimator, target: BaseEstimator) -> None:
    """Copy the number and the names of the features from an estimator to its meta-estimator.

    Attributes that `source` does not have are removed, because they stem from an earlier fit.
    """
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(source, name):
            setattr(target, name, getattr(source, name))
        else:
            vars(target).pop(name, None)


@contextmanager
def rollback_on_error(estimator: BaseEstimator, discard: Collection[str] = ()) -> Iterator[None]:
    """Restore the attributes of an estimator if an error or Ctrl-C ends the block.

    The contents of mutable attributes are not restored, so the block must replace such objects
    instead of modifying them. The attributes that scikit-learn needs to tear down its callbacks are
    kept.

    Parameters
    ----------
    estimator : estimator
        The estimator that the block fits.
    discard : collection of str
        Attributes that are removed instead of restored, because the block may modify their content.
    """
    before = {name: value for name, value in vars(estimator).items() if name not in discard}
    try:
        yield
    except BaseException:
        kept = {n: v for n, v in vars(estimator).items() if n in _WHILE_FITTING}
        estimator.__dict__ = before | kept
        raise


@contextmanager
def fit_task(estimator: BaseEstimator, X: object, y: object) -> Iterator[None]:
    """Notify scikit-learn's callbacks of the fit in the block, which has no subtasks."""
    tasks = FitTasks(estimator, 0, X, y)
    yield
    tasks.end({})


class FitTasks:
    """Notifies scikit-learn's callbacks (1.9, experimental) of a fit and of each of its epochs.

    Does nothing if scikit-learn has no callbacks.

    Parameters
    ----------
    estimator : estimator
        The estimator, which inherits from `CallbackSupportMixin`.
    max_epochs : int
        Maximum number of epochs.
    X, y : array-like
        The arguments of `fit`.
    sample_weight : array-like or None
        The argument of `fit`.
    rows : ndarray of int or None
        Rows of X that are trained on; None for all.
    """

    def __init__(
        self,
        estimator: BaseEstimator,
        max_epochs: int,
        X: object,
        y: object,
        sample_weight: object = None,
        rows: NDArray[np.intp] | None = None,
    ) -> None:
        self._context = None
        if not hasattr(estimator, "_init_callback_context"):
            return

        def take(array: object) -> object:
            return array if rows is None else safe_indexing(to_pandas(array), rows)

        metadata = {} if sample_weight is None else {"sample_weight": take(sample_weight)}
        data = {"X": take(X), "y": take(y), "metadata": metadata}
        self._arguments = {"estimator": estimator, **data}
        self._context = estimator._init_callback_context(max_subtasks=max_epochs)
        self._context.call_on_fit_task_begin(**self._arguments)

    def begin_epoch(self) -> None:
        """Notify the callbacks that an epoch begins."""
        if self._context is not None:
            self._epoch = self._context.subcontext(task_name="epoch")
            self._epoch.call_on_fit_task_begin(**self._arguments)

    def end_epoch(self, attributes: Callable[[], dict[str, object]]) -> bool:
        """Notify the callbacks that an epoch has ended; return whether training should stop.

        Parameters
        ----------
        attributes : callable
            Returns the fitted attributes after the epoch. Called only if a callback asks for them.
        """
        if self._context is None:
            return False
        end = self._epoch.call_on_fit_task_end
        return bool(end(**self._arguments, reconstruction_attributes=attributes))

    def end(self, attributes: dict[str, object]) -> None:
        """Notify the callbacks that the fit has ended.

        Parameters
        ----------
        attributes : dict of str to object
            The fitted attributes that are not yet set on the estimator.
        """
        if self._context is not None:
            end = self._context.call_on_fit_task_end
            end(**self._arguments, reconstruction_attributes=attributes)

"""Tell the callbacks of scikit-learn (1.9, experimental) what an estimator does while it fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray
from sklearn.utils import _safe_indexing

try:
    from sklearn.callback import CallbackSupportMixin as CallbackSupportMixin
except ImportError:  # scikit-learn before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands where there are no callbacks yet."""


# What scikit-learn sets on an estimator from its first to its last word to the callbacks.
_WHILE_FITTING = ("_callback_fit_ctx", "_skl_callbacks_to_teardown")


def callbacks_to_end(estimator: Any) -> dict[str, Any]:
    """Return the attributes by which scikit-learn ends the callbacks of a fit, failed or not."""
    return {name: value for name, value in vars(estimator).items() if name in _WHILE_FITTING}


@contextmanager
def fit_task(estimator: Any, X: Any, y: Any) -> Iterator[None]:
    """Tell callbacks of a fit that has no parts: that it begins, and that it has come to its end.

    Parameters
    ----------
    estimator : object
        Fitted within the context.
    X, y : object
        As `fit` has them.
    """
    tasks = FitTasks(estimator, 0, X, y)
    yield
    tasks.end({})


class FitTasks:
    """The tasks of a fit that callbacks hear of: the whole, and each epoch.

    Parameters
    ----------
    estimator : object
        With `CallbackSupportMixin`.
    n_epochs : int
        How many there are at most.
    X, y : array-like
        What `fit` was given.
    sample_weight : array-like or None
        The same.
    rows : ndarray of int or None
        Those of X that are trained on; None for all.
    """

    def __init__(
        self,
        estimator: Any,
        n_epochs: int,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        rows: NDArray[Any] | None = None,
    ) -> None:
        self._context = None
        if not hasattr(estimator, "_init_callback_context"):
            return
        documents = {"X": X, "y": y}
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        self._arguments = {
            "estimator": estimator,
            **_rows_of(documents, rows),
            "metadata": _rows_of(metadata, rows),
        }
        self._context = estimator._init_callback_context(max_subtasks=n_epochs)
        self._context.call_on_fit_task_begin(**self._arguments)

    def begin_epoch(self) -> None:
        """Tell that an epoch begins."""
        if self._context is not None:
            self._epoch = self._context.subcontext(task_name="epoch")
            self._epoch.call_on_fit_task_begin(**self._arguments)

    def end_epoch(self, attributes: Callable[[], dict[str, Any]]) -> bool:
        """Tell that an epoch is over, and return whether a callback wants to stop here.

        Parameters
        ----------
        attributes : callable
            Gives the fitted attributes as they are after the epoch; called if somebody asks.
        """
        if self._context is None:
            return False
        return bool(
            self._epoch.call_on_fit_task_end(
                **self._arguments, reconstruction_attributes=attributes
            )
        )

    def end(self, attributes: dict[str, Any]) -> None:
        """Tell that the fit is over.

        Parameters
        ----------
        attributes : dict of str to object
            The fitted attributes, unless they are set already.
        """
        if self._context is not None:
            self._context.call_on_fit_task_end(
                **self._arguments, reconstruction_attributes=attributes
            )


def _rows_of(arrays: dict[str, Any], rows: NDArray[Any] | None) -> dict[str, Any]:
    if rows is None:
        return arrays
    return {name: _safe_indexing(array, rows) for name, array in arrays.items()}

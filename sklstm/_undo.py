"""Leave an estimator as it was where fitting it fails or is interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sklstm._callbacks import callbacks_to_end


@contextmanager
def undone_on_error(estimator: Any) -> Iterator[None]:
    """Undo what the block sets on an estimator, if an error or Ctrl-C ends it.

    Attributes are put back as a whole. The objects that they hold are not: the block must make new
    ones instead of changing them. What scikit-learn needs to end its callbacks stays.

    Parameters
    ----------
    estimator : object
        With a ``__dict__``.
    """
    before = estimator.__dict__.copy()
    try:
        yield
    except BaseException:
        estimator.__dict__ = before | callbacks_to_end(estimator)
        raise

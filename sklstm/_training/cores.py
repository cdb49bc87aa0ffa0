"""Use the cores that there are, and no more than are left to this worker."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import joblib
from joblib.parallel import get_active_backend


def available_cores() -> int:
    """Return how many cores this thread may keep busy.

    One in a worker of joblib, whose siblings use the others. Elsewhere all that the process has,
    or as many as ``OMP_NUM_THREADS`` says.
    """
    backend, _ = get_active_backend()
    if getattr(backend, "nesting_level", 0):
        return 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    cores = int(joblib.cpu_count())
    return min(cores, max(1, int(limit))) if limit.isdecimal() else cores


@contextmanager
def worker_threads(n_most: int) -> Iterator[Callable[..., Any]]:
    """Give a `map` that runs up to `n_most` calls at once, as far as there are cores."""
    # Asking for the cores takes longer than many a prediction of one document.
    n_threads = min(n_most, available_cores()) if n_most > 1 else 1
    if n_threads == 1:
        yield map
        return
    with ThreadPoolExecutor(n_threads, thread_name_prefix="sklstm") as pool:
        yield pool.map

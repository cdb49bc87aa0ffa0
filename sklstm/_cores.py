"""Use the cores that there are, and no more than are left to this worker."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
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
    return 1 if getattr(backend, "nesting_level", 0) else cores_of_process()


def cores_of_process() -> int:
    """Return how many cores all threads of this process may keep busy."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    cores = int(joblib.cpu_count())
    return min(cores, max(1, int(limit))) if limit.isdecimal() else cores


@contextmanager
def worker_threads(n_most: int) -> Iterator[Callable[..., Any]]:
    """Give a function that works on items in up to `n_most` threads, as far as there are cores.

    Yields
    ------
    run_all : callable
        From a function and items to the list of ``function(worker, item)``. The workers, numbered
        from 0, take the items in turn. Number 0 is the thread that calls.
    """
    # Asking for the cores takes longer than many a prediction of one document.
    n_threads = min(n_most, available_cores()) if n_most > 1 else 1
    if n_threads == 1:
        yield lambda function, items: [function(0, item) for item in items]
        return
    with ThreadPoolExecutor(n_threads - 1, thread_name_prefix="sklstm") as pool:

        def run_all(function: Callable[[int, Any], Any], items: Iterable[Any]) -> list[Any]:
            items = list(items)

            def work(worker: int) -> list[Any]:
                return [function(worker, item) for item in items[worker::n_threads]]

            others = [pool.submit(work, worker) for worker in range(1, n_threads)]
            results = [None] * len(items)
            results[::n_threads] = work(0)
            for worker, other in enumerate(others, start=1):
                results[worker::n_threads] = other.result()
            return results

        yield run_all

"""Speed and core usage of a grid search with several workers.

Runs `GridSearchCV` with 4 learning rates and 3 folds plus the final fit: 13 fits of the network of
common tutorials on IMDB film reviews. There are three configurations, each in its own process, in
turns: "one worker" uses one core (OMP_NUM_THREADS=1), like a joblib worker; "no workers" is
n_jobs=1, where every fit uses all cores; "2 workers" is n_jobs=2. The time is that of
`GridSearchCV.fit`, including the start, imports and compilation of the workers.

"Cores busy" is the processor time of the process and its workers divided by the elapsed time. "Busy
threads" are threads that use more than half a second of processor time in a second; more of them
than cores would compete for the cores. Threads that are running or ready to run are counted ten
times per second; a thread that passes work to another is in this state for a moment. All values are
read from /proc, so the script runs only on Linux.

    python benchmarks/parallel_search.py                       # about ten minutes
    python benchmarks/parallel_search.py --documents 400 --repeats 1
"""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event, Thread
from time import perf_counter
from typing import Any

import numpy as np
from _common import TUTORIAL, Report, options_parser, paired_ratio, reviews, spread, token_ids
from _peers import Network
from _process import Worker

GRID = {"learning_rate": [0.0005, 0.001, 0.002, 0.004]}
FOLDS = 3
TICKS = os.sysconf("SC_CLK_TCK")  # Per second.
ONE = "one worker"


def main() -> None:
    parser = options_parser(__doc__, documents=6_000, repeats=3)
    parser.add_argument(
        "--workers", type=int, default=2, help="workers of the last configuration (2)"
    )
    parser.add_argument("--epochs", type=int, default=2, help="epochs of each fit (2)")
    parser.add_argument("--max-len", type=int, default=500, help="words of a review (500)")
    parser.add_argument(
        "--limit", type=float, default=1_800, help="time limit of a search in seconds (1,800)"
    )
    options = parser.parse_args()
    report = Report(options)
    documents = reviews(options.documents)
    ids, y = token_ids(documents["text"], max_len=options.max_len), documents["label"].to_numpy()
    ways: dict[str, tuple[int, dict[str, str]]] = {
        ONE: (1, {"OMP_NUM_THREADS": "1"}),
        "no workers": (1, {}),
        f"{options.workers} workers": (options.workers, {}),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    watched: dict[str, dict[str, float]] = {}
    for _ in range(options.repeats):
        for name, (n_jobs, environment) in ways.items():
            worker = Worker("parallel_search:Search", environment, has_children=True)
            try:
                worker.call("prepare", ids, y, options.epochs, limit=options.limit)
                with Watch(worker.pid) as watch:
                    _, taken = worker.call("run", n_jobs, limit=options.limit)
                worker.call("end_workers", limit=options.limit)
            finally:
                worker.stop()
            seconds[name].append(taken)
            watched[name] = watch.metrics()
    report.table(
        f"GridSearchCV on {len(ids):,} film reviews, {options.epochs} epochs a fit",
        [
            {"way": name}
            | spread(taken, "seconds")
            | {"times as fast as one worker": paired_ratio(seconds[ONE], taken)}
            | watched[name]
            for name, taken in seconds.items()
        ],
    )


class Search:
    """One search, in its own process."""

    def prepare(self, ids: np.ndarray, y: np.ndarray, epochs: int) -> None:
        from sklearn.model_selection import GridSearchCV

        from sklstm import LSTMTextClassifier
        from sklstm._runtime import keras  # noqa: F401  (exclude imports from the measurement)

        network = Network()
        classifier = LSTMTextClassifier(
            **TUTORIAL,
            units=network.units,
            embedding_dim=network.embedding_dim,
            vocab_size=network.vocab_size,
            batch_size=network.batch_size,
            epochs=epochs,
            random_state=0,
        )
        self.search = GridSearchCV(classifier, GRID, cv=FOLDS, error_score="raise")
        self.data = ids, y

    def run(self, n_jobs: int) -> float:
        """Return the seconds of the search."""
        start = perf_counter()
        self.search.set_params(n_jobs=n_jobs).fit(*self.data)
        return perf_counter() - start

    def end_workers(self) -> None:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True)


class Watch:
    """Samples the threads of a process and its children from a background thread.

    Parameters
    ----------
    pid : int
        Process id.
    every : float, default=0.1
        Seconds between two samples.
    """

    def __init__(self, pid: int, every: float = 0.1) -> None:
        self.pid = pid
        self.every = every
        self._counts: list[int] = []
        self._n_busy: list[int] = []
        self._over = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._start = perf_counter()
        _, self._ticks_before, self._ticks_of_threads = self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self._thread.join()
        self._seconds = perf_counter() - self._start
        self._ticks = self._look()[1] - self._ticks_before

    def metrics(self) -> dict[str, float]:
        """Return columns of the table."""
        return {
            "cores busy": self._ticks / TICKS / self._seconds,
            # Empty for a run shorter than a second.
            "busy threads: mean": float(np.mean(self._n_busy or [0])),
            "most": max(self._n_busy, default=0),
            "threads ready: mean": float(np.mean(self._counts)),
            "95 % of the time at most": int(np.percentile(self._counts, 95)),
        }

    def _run(self) -> None:
        since = perf_counter()
        while not self._over.wait(self.every):
            n_ready, _, ticks = self._look()
            self._counts.append(n_ready)
            if perf_counter() - since >= 1.0:
                enough = (perf_counter() - since) * TICKS / 2
                before = self._ticks_of_threads
                self._n_busy.append(sum(n - before.get(t, 0) > enough for t, n in ticks.items()))
                self._ticks_of_threads, since = ticks, perf_counter()

    def _look(self) -> tuple[int, int, dict[str, int]]:
        """Return the number of running or ready threads, and the processor time so far.

        The processor time is that of all threads, including ended ones, and that of each thread, in
        clock ticks.
        """
        n_ready = n_ticks = 0
        ticks = {}
        for pid in family(self.pid):
            for task in entries(Path(f"/proc/{pid}/task")):
                values = status(task)
                n_ready += values[:1] == ["R"]
                ticks[task.name] = sum(map(int, values[11:13]))
            n_ticks += sum(map(int, status(Path(f"/proc/{pid}"))[11:13]))
        return n_ready, n_ticks, ticks


def family(pid: int) -> list[int]:
    """Return the ids of a process and its descendants."""
    found = [pid]
    for parent in found:
        for task in entries(Path(f"/proc/{parent}/task")):
            try:
                found += map(int, (task / "children").read_text().split())
            except OSError:  # It has ended in the meantime.
                continue
    return found


def entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def status(task: Path) -> list[str]:
    """Return the fields of a `stat` file from the state on; empty if the task has ended."""
    try:
        return (task / "stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return []


if __name__ == "__main__":
    main()

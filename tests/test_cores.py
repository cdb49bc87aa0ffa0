"""How many cores a fit may use."""

from __future__ import annotations

import threading

import joblib
import pytest

from sklstm._training.cores import available_cores, worker_threads


def test_all_cores_of_the_process_outside_of_workers(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert available_cores() == joblib.cpu_count()


@pytest.mark.parametrize(("limit", "n"), [("1", 1), ("0", 1), ("1000", None), ("many", None)])
def test_no_more_than_the_environment_allows(monkeypatch, limit, n):
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert available_cores() == (n or joblib.cpu_count())


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_one_core_in_a_worker_of_joblib(backend):
    parallel = joblib.Parallel(n_jobs=2, backend=backend)
    assert parallel(joblib.delayed(available_cores)() for _ in range(2)) == [1, 1]


def test_calls_run_at_once_and_results_stay_in_order(monkeypatch):
    monkeypatch.setattr("sklstm._training.cores.available_cores", lambda: 3)
    # Passed only by three threads that wait for each other.
    barrier = threading.Barrier(3, timeout=10)

    def wait(number):
        barrier.wait()
        return number

    with worker_threads(5) as run_all:
        assert list(run_all(wait, range(3))) == [0, 1, 2]


@pytest.mark.parametrize(("n_most", "n_cores"), [(1, 8), (8, 1)])
def test_one_call_at_a_time_needs_no_threads(monkeypatch, n_most, n_cores):
    monkeypatch.setattr("sklstm._training.cores.available_cores", lambda: n_cores)
    with worker_threads(n_most) as run_all:
        assert set(run_all(lambda _: threading.current_thread(), range(4))) == {
            threading.current_thread()
        }

"""The number of cores that a fit uses."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from sklstm import _runtime
from sklstm._network.spec import initial_weights
from sklstm._runtime import available_cores, one_blas_thread, return_free_memory, worker_threads


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
    monkeypatch.setattr("sklstm._runtime.available_cores", lambda: 3)
    # Passed only by three threads that wait for each other.
    barrier = threading.Barrier(3, timeout=10)

    def wait(worker, number):
        barrier.wait()
        return worker, number

    with worker_threads(5) as parallel_map:
        assert parallel_map(wait, range(7, 10)) == [(0, 7), (1, 8), (2, 9)]


@pytest.mark.parametrize(("n_most", "n_cores"), [(1, 8), (8, 1)])
def test_one_call_at_a_time_needs_no_threads(monkeypatch, n_most, n_cores):
    monkeypatch.setattr("sklstm._runtime.available_cores", lambda: n_cores)
    with worker_threads(n_most) as parallel_map:
        calls = parallel_map(
            lambda worker, item: (worker, item, threading.current_thread()), range(4)
        )
        assert calls == [(0, item, threading.current_thread()) for item in range(4)]


def test_workers_take_items_in_turn_and_the_caller_is_one_of_them(monkeypatch):
    monkeypatch.setattr("sklstm._runtime.available_cores", lambda: 2)
    with worker_threads(2) as parallel_map:
        calls = parallel_map(
            lambda worker, item: (worker, item, threading.current_thread()), "abcde"
        )
    assert [call[:2] for call in calls] == [(0, "a"), (1, "b"), (0, "c"), (1, "d"), (0, "e")]
    assert {thread for worker, _, thread in calls if worker == 0} == {threading.current_thread()}
    assert len({thread for worker, _, thread in calls if worker == 1}) == 1


@pytest.mark.parametrize(("n_users", "n_threads"), [(1, 4), (2, 2), (3, 1), (9, 1)])
def test_threads_of_python_share_the_cores(monkeypatch, n_users, n_threads):
    monkeypatch.setattr("sklstm._runtime.available_cores", lambda: 4)
    with ExitStack() as others:
        for _ in range(n_users - 1):
            others.enter_context(worker_threads(8))
        with worker_threads(8) as parallel_map:
            assert len(set(parallel_map(lambda worker, _: worker, range(8)))) == n_threads
    with worker_threads(8) as parallel_map:
        assert len(set(parallel_map(lambda worker, _: worker, range(8)))) == 4


def test_an_error_in_any_worker_reaches_the_caller(monkeypatch):
    monkeypatch.setattr("sklstm._runtime.available_cores", lambda: 2)
    with worker_threads(2) as parallel_map, pytest.raises(ZeroDivisionError):
        parallel_map(lambda _, item: 1 / item, [1, 0])


def test_the_environment_is_restored_if_jax_cannot_start(monkeypatch):
    jax = pytest.importorskip("jax")
    from sklstm._network.jax_compile import platform

    def fail():
        assert os.environ["PJRT_NPROC"]
        raise RuntimeError("no device")

    monkeypatch.delenv("PJRT_NPROC", raising=False)
    monkeypatch.setattr(jax, "default_backend", fail)
    with pytest.raises(RuntimeError, match="no device"):
        platform.__wrapped__()  # Without its cache.
    assert "PJRT_NPROC" not in os.environ


THREADS_OF_XLA = """
import os
from pathlib import Path
from types import SimpleNamespace
from conftest import make_ids, small_classifier
small_classifier().fit(*make_ids())
names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
assert "PJRT_NPROC" not in os.environ
print(names.count("tf_XLAEigen"))
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux shows threads there")
@pytest.mark.parametrize("limit", [1, 3])
def test_xla_has_no_more_threads_than_the_process_may_use(limit):
    pytest.importorskip("jax")
    done = subprocess.run(
        [sys.executable, "-c", THREADS_OF_XLA],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=Path(__file__).parents[1],
        env=os.environ | {"KERAS_BACKEND": "jax", "OMP_NUM_THREADS": str(limit)},
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= min(limit, joblib.cpu_count())


@pytest.mark.parametrize("library", [SimpleNamespace(), None])
def test_memory_is_returned_where_the_c_library_can(library, monkeypatch):
    def load(name):
        if library is None:
            raise TypeError("Windows needs a name")
        return library

    return_free_memory()
    _runtime._malloc_trim.cache_clear()
    monkeypatch.setattr(_runtime.ctypes, "CDLL", load)
    return_free_memory()
    assert _runtime._malloc_trim() is None
    _runtime._malloc_trim.cache_clear()


def blas_threads():
    return {info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}


def test_the_limit_on_blas_threads_is_restored():
    with threadpool_limits(3, user_api="blas"):
        with one_blas_thread():
            assert blas_threads() == {1}
        with pytest.raises(KeyError), one_blas_thread():
            raise KeyError
        assert blas_threads() == {3}


def test_initial_weights_do_not_depend_on_the_threads_of_blas():
    shapes = {"lstm/recurrent_kernel": (300, 1200)}
    drawn = []
    for n_threads in (1, 4):
        with threadpool_limits(n_threads, user_api="blas"):
            drawn.append(initial_weights(shapes, np.random.default_rng(0)))
    np.testing.assert_array_equal(*(weights["lstm/recurrent_kernel"] for weights in drawn))

"""Choose the Keras backend, check for forks, count the available cores, run threads."""

from __future__ import annotations

import ctypes
import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import joblib
from joblib.parallel import get_active_backend
from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    import keras as keras
    import numpy as np
    from numpy.typing import NDArray

#: Keras backends in order of preference.
BACKENDS = ("jax", "tensorflow", "torch")

# Backends that need threads which a fork does not copy, so that the child would wait forever.
# PyTorch supports forks on a CPU, on which its data loaders depend.
_NOT_FORKABLE = {"jax": "JAX", "tensorflow": "TensorFlow"}
# Backends that `start_backend` has seen in this process, and those that started before a fork.
_started: set[str] = set()
_started_before_fork: set[str] = set()

T = TypeVar("T")
R = TypeVar("R")

if not TYPE_CHECKING:

    class _LazyKeras:
        """The module `keras`, imported when one of its attributes is first used."""

        def __getattr__(self, name: str) -> object:
            choose_backend()
            import keras

            return getattr(keras, name)

    keras = _LazyKeras()


def installed_backends() -> list[str]:
    """Return the backends of `BACKENDS` that are installed."""
    return [name for name in BACKENDS if find_spec(name) is not None]


def choose_backend() -> None:
    """Choose the Keras backend of this process, unless the user or Keras has already done so.

    A ``KERAS_BACKEND`` in the environment and an imported Keras are respected. Otherwise the
    backend in the user's ``keras.json`` is used if it is installed, else the first installed one of
    `BACKENDS`. The choice is written to ``KERAS_BACKEND``, so that worker processes inherit it.

    Raises
    ------
    ImportError
        If no Keras backend is installed, or ``KERAS_BACKEND`` names one that is not installed or
        cannot train.
    """
    if "keras" in sys.modules:
        return
    installed = installed_backends()
    requested = os.environ.get("KERAS_BACKEND")
    if requested in installed:
        return
    if requested:
        usable = f"one of {', '.join(installed)}" if installed else "jax, after `pip install jax`"
        problem = "is not a backend that can train. Set"
        if requested in BACKENDS:
            problem = f"is not installed. Run `pip install {requested}`, or set"
        raise ImportError(f"KERAS_BACKEND={requested!r} {problem} KERAS_BACKEND to {usable}.")
    if not installed:
        raise ImportError("Keras needs a backend, and none is installed. Run `pip install jax`.")
    configured = _configured_backend()
    os.environ["KERAS_BACKEND"] = configured if configured in installed else installed[0]


def _configured_backend() -> str | None:
    """Return the backend set in the user's ``keras.json``, if any.

    On its first import, Keras writes ``"tensorflow"`` to this file, even if TensorFlow is not
    installed. This value is therefore not treated as the user's choice.
    """
    name = _read_keras_json().get("backend")
    return name if name in BACKENDS and name != "tensorflow" else None


def _read_keras_json() -> dict[str, Any]:
    """Return the content of the user's ``keras.json``, or nothing if it is not valid."""
    home = Path(os.environ.get("KERAS_HOME", Path("~").expanduser() / ".keras"))
    try:
        content = json.loads((home / "keras.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def check_fork() -> None:
    """Raise an error if the Keras backend cannot be used because this process is a fork.

    Raises
    ------
    RuntimeError
        If the process was forked from one in which JAX or TensorFlow had started, in this package
        or elsewhere. A fork before that is no problem.
    """
    if not _started_before_fork:
        return
    backend = backend_name()
    if backend in _started_before_fork:
        name = _NOT_FORKABLE[backend]
        raise RuntimeError(
            f"This process was forked after {name} had started in its parent, and {name} would "
            "wait forever for threads that a fork does not copy. Start processes with "
            "multiprocessing.get_context('spawn') or 'forkserver', or with joblib's default "
            "backend; or fork first, and call fit or predict only in the children."
        )


def start_backend() -> None:
    """Call `check_fork`, and remember that the backend is used in this process from now on."""
    check_fork()
    _started.add(backend_name())


def backend_name() -> str:
    """Return the name of the Keras backend of this process, without importing Keras."""
    if "keras" in sys.modules:
        return keras.backend.backend()
    if os.environ.get("KERAS_BACKEND") not in _started:  # To look for packages takes a while.
        choose_backend()
    return os.environ["KERAS_BACKEND"]


def keras_settings() -> dict[str, object]:
    """Return the settings of Keras that affect all networks, without importing Keras."""
    if "keras" in sys.modules:
        config = keras.config
        policy = config.dtype_policy().name
        return {"floatx": config.floatx(), "epsilon": config.epsilon(), "dtype_policy": policy}
    configured = _read_keras_json()
    floatx = configured.get("floatx", "float32")
    epsilon = configured.get("epsilon", 1e-7)
    return {"floatx": floatx, "epsilon": epsilon, "dtype_policy": floatx}


def _remember_fork() -> None:
    """Remember in a forked process which backends had started in its parent."""
    # JAX may also have been started by an optimizer that the user created, or by other code.
    is_started = getattr(
        sys.modules.get("jax._src.xla_bridge"), "backends_are_initialized", lambda: False
    )
    started = _started | {"jax"} if is_started() else _started
    _started_before_fork.update(started & _NOT_FORKABLE.keys())


if hasattr(os, "register_at_fork"):  # Windows has no fork.
    os.register_at_fork(after_in_child=_remember_fork)


@contextmanager
def ignore_copy_warning() -> Iterator[None]:
    """Ignore the DeprecationWarning of numpy about Keras variables, which callbacks of Keras cause.

    The filter is added and removed by itself, because `warnings.catch_warnings` would also undo the
    filters that other threads set in the meantime.
    """
    message = re.compile("__array__ implementation doesn't accept a copy keyword")
    ignore = ("ignore", message, DeprecationWarning, re.compile(r"keras\."), 0)
    warnings.filters.insert(0, ignore)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        # Absent if another thread has left `warnings.catch_warnings` in the meantime.
        with suppress(ValueError):
            warnings.filters.remove(ignore)  # type: ignore[attr-defined]


def to_device(array: NDArray[np.generic]) -> object:
    """Convert an array to a type that Keras accepts without compilation.

    For JAX, Keras converts numpy arrays with a function that is compiled for each shape. The result
    may share memory with `array`; JAX never writes to this memory, even if the buffer is donated.
    """
    if backend_name() != "jax":
        return array
    import jax

    return jax.device_put(array)


@cache
def _malloc_trim() -> Callable[[int], object] | None:
    """Return the function of glibc that returns free memory; None for other C libraries."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # Windows does not accept None.
        return None


def return_free_memory() -> None:
    """Return free memory to the operating system, which glibc does not do by itself.

    Otherwise, a process that loads many compiled functions, one after the other, would need several
    times their memory.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


def available_cores() -> int:
    """Return the number of cores that the calling thread may use.

    This is one in a joblib worker, because the other workers use the other cores. Otherwise it is
    the result of `process_cores`.
    """
    backend, _ = get_active_backend()
    return 1 if getattr(backend, "nesting_level", 0) else process_cores()


def process_cores() -> int:
    """Return the number of cores that the process may use, limited by ``OMP_NUM_THREADS``."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    cores = int(joblib.cpu_count())
    return min(cores, max(1, int(limit))) if limit.isdecimal() else cores


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread.

    After a call, the threads of OpenBLAS wait actively for about 0.1 seconds and take the cores
    from the threads of JAX. The results of large problems also depend on the number of threads. The
    limit has no effect while another thread of Python controls OpenBLAS; see threadpoolctl.
    """
    with _blas().limit(limits=1):
        yield


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


class ParallelMap(Protocol):
    """A function that maps ``function(worker, item)`` over items; see `worker_threads`."""

    def __call__(self, function: Callable[[int, T], R], items: Iterable[T]) -> list[R]:
        """Return the results in the order of the items."""


def _serial_map(function: Callable[[int, T], R], items: Iterable[T]) -> list[R]:
    return [function(0, item) for item in items]


# One element per current use of `worker_threads`. Unlike numbers, a list can be changed by several
# threads without a lock.
_users: list[None] = []


@contextmanager
def worker_threads(max_threads: int) -> Iterator[ParallelMap]:
    """Provide a map that runs in up to `max_threads` threads, at most one per available core.

    If several threads of Python use such maps at the same time, for example in a web server, they
    share the cores.

    Yields
    ------
    parallel_map : callable
        Maps a function and items to the list of ``function(worker, item)``. The workers are
        numbered from 0, and worker 0 is the calling thread. Items are assigned to them in turn.
    """
    _users.append(None)
    try:
        # Counting the cores takes longer than predicting one document.
        n_cores = available_cores() // len(_users) if max_threads > 1 else 1
        with _parallel_map(max(1, min(max_threads, n_cores))) as parallel_map:
            yield parallel_map
    finally:
        _users.pop()


@contextmanager
def _parallel_map(n_threads: int) -> Iterator[ParallelMap]:
    """Provide the map of `worker_threads`."""
    if n_threads == 1:
        yield _serial_map
        return
    with ThreadPoolExecutor(n_threads - 1, thread_name_prefix="sklstm") as pool:

        def parallel_map(function: Callable[[int, T], R], items: Iterable[T]) -> list[R]:
            items = list(items)

            def work(worker: int) -> list[R]:
                return [function(worker, item) for item in items[worker::n_threads]]

            futures = [pool.submit(work, worker) for worker in range(1, n_threads)]
            by_worker = [work(0), *(future.result() for future in futures)]
            return [by_worker[i % n_threads][i // n_threads] for i in range(len(items))]

        yield parallel_map

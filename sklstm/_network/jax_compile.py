"""Compile functions with JAX, or load them from the cache on disk."""

from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any

import jax
import numpy as np
from jax.experimental import serialize_executable
from jax.stages import Compiled

from sklstm._compile_cache import CompileCache, make_key, open_cache, source_digest
from sklstm._runtime import keras_settings, process_cores

Shape = tuple[int, ...]
JaxFunction = Callable[..., Any]

# Settings of JAX that do not affect the code of a function. Those of Pallas, which the functions do
# not use, exist only after its import, which Keras may cause.
_IRRELEVANT = re.compile(
    "jax_(compilation_cache|persistent_cache|enable_compilation_cache|raise_persistent|log|debug_log"
    "|explain|traceback|tracer_error|include_full_tracebacks|dump|pprint|hlo_source|source_url"
    "|pallas|mosaic)"
)
# Settings of JAX for debugging. Compiled functions would ignore them.
_DEBUGGING = ("jax_disable_jit", "jax_debug_nans", "jax_debug_infs", "jax_check_tracer_leaks")


class CompiledFunction:
    """A function that is compiled once for each shape of its arguments, or loaded from the cache.

    Parameters
    ----------
    make : callable
        Returns the function for `jax.jit`. It is called only if the function must be compiled.
    identity : tuple
        Everything besides the arguments that determines the function; equal values of ``repr``
        mean equal functions.
    tracing : threading.Lock
        Held during compilation, because only one thread at a time may trace Keras layers.
    donate : tuple of int
        Positions of the arguments whose memory the results may reuse.
    one_core : bool
        Whether the function runs on a single core.
    """

    def __init__(
        self,
        make: Callable[[], JaxFunction],
        identity: tuple[object, ...],
        tracing: Lock,
        donate: tuple[int, ...] = (),
        *,
        one_core: bool,
    ) -> None:
        self._make = make
        self._identity = *identity, donate, one_core
        self._tracing = tracing
        self._donate = donate
        self._one_core = one_core
        self._by_shape: dict[Shape, JaxFunction] = {}

    def __call__(self, shape: Shape, *arguments: object) -> Any:
        """Call the function. Arguments of other shapes must come with another value of `shape`."""
        function = self._by_shape.get(shape)
        if function is None:
            with self._tracing:
                function = self._by_shape.get(shape) or self._obtain(arguments)
                self._by_shape[shape] = function
        return function(*arguments)

    def release(self) -> None:
        """Release the memory of the compiled functions. A later call loads or compiles them."""
        self._by_shape.clear()

    def _obtain(self, arguments: tuple[object, ...]) -> JaxFunction:
        """Load the function for arguments of these shapes from the cache, or compile it."""
        if any(getattr(jax.config, name, False) for name in _DEBUGGING):
            return self._jit()
        stored = _usable_cache()
        if stored is None:
            return self._jit().lower(*arguments).compile()
        key = make_key([*_environment(), *self._identity, *_describe(arguments)])
        content = stored.load(key)
        if content is not None:
            try:
                return _unpack(content)
            except Exception:  # It depends on what is wrong with the file.
                stored.discard(key)
        compiled = self._jit().lower(*arguments).compile()
        content = _pack(compiled)
        if content is not None:
            stored.store(key, content)
        return compiled

    def _jit(self) -> Any:
        options = compiler_options(one_core=self._one_core)
        return jax.jit(self._make(), donate_argnums=self._donate, compiler_options=options)


def recall(make: Callable[[], Any], *identity: object) -> Any:
    """Return a value that consists of JSON types from the cache, or make and store it.

    Parameters
    ----------
    make : callable
        Returns the value. Tuples in it may come back as lists.
    *identity : object
        Everything that determines the value.
    """
    stored = _usable_cache()
    if stored is None:
        return make()
    key = make_key([*_environment(), *identity])
    content = stored.load(key)
    if content is None:
        content = json.dumps(make()).encode()
        stored.store(key, content)
    return json.loads(content)


def _usable_cache() -> CompileCache | None:
    """Return the cache; None if it is turned off, if JAX runs on a GPU, or if JAX has its own.

    JAX cannot store a function that it has loaded from its own cache.
    """
    settings = jax.config.values
    has_own = settings["jax_enable_compilation_cache"] and settings["jax_compilation_cache_dir"]
    return None if has_own or platform() != "cpu" else open_cache()


def _pack(compiled: Compiled) -> bytes | None:
    """Return a compiled function as bytes, or None if JAX does not support this."""
    try:
        return pickle.dumps(serialize_executable.serialize(compiled))
    except (ValueError, NotImplementedError, jax.errors.JaxRuntimeError):
        return None


def _unpack(content: bytes) -> Compiled:
    """Load a compiled function from the result of `_pack`."""
    device = jax.local_devices()[0]
    serialized, in_tree, out_tree = pickle.loads(content)
    return serialize_executable.deserialize_and_load(
        serialized, in_tree, out_tree, device.client, [device]
    )


def _environment() -> list[object]:
    """Return what determines the code of all functions: versions, settings and number of cores."""
    settings = [
        (name, getattr(jax.config, name, value))  # The attribute may be set for this thread only.
        for name, value in sorted(jax.config.values.items())
        if not _IRRELEVANT.match(name)
    ]
    return [
        _versions(),
        source_digest(Path(__file__).parent),
        settings,
        os.environ.get("XLA_FLAGS", ""),
        os.environ.get("PJRT_NPROC", process_cores()),
        os.environ.get("KERAS_NNX_ENABLED", ""),
        keras_settings(),
    ]


@cache
def _versions() -> list[str]:
    return [version(name) for name in ("jax", "jaxlib", "keras", "numpy")]


def _describe(arguments: object) -> list[object]:
    """Return the structure of the arguments of a function, and shape and type of each array."""
    leaves, structure = jax.tree.flatten(arguments)
    return [str(structure), *((np.shape(leaf), str(leaf.dtype)) for leaf in leaves)]


@cache
def platform() -> str:
    """Initialize JAX with one thread per core of the process, and return its platform.

    By default, XLA starts one thread per core of the machine, and ignores ``OMP_NUM_THREADS``,
    which joblib, dask, Ray and Spark set for their workers. If JAX is already initialized, its
    threads do not change. A ``PJRT_NPROC`` set by the user is respected.
    """
    if "PJRT_NPROC" in os.environ:
        return jax.default_backend()
    os.environ["PJRT_NPROC"] = str(process_cores())
    try:
        return jax.default_backend()
    finally:
        os.environ.pop("PJRT_NPROC", None)


@cache
def compiler_options(*, one_core: bool) -> dict[str, Any]:
    """Return options for XLA's CPU compiler.

    They reduce the compilation time, and the functions are not slower. A function that computes a
    micro-batch runs on one core, because the other cores compute other micro-batches, and its
    operations are too small for several threads: waiting for one another takes longer than they
    save. Options that the user sets in ``XLA_FLAGS`` are respected. The options are internal to
    XLA; those that a release does not accept are left out.
    """
    if platform() != "cpu":
        return {}
    fast = {"xla_backend_optimization_level": 1, "xla_llvm_disable_expensive_passes": True}
    serial = {
        "xla_cpu_experimental_ynn_fusion_type": "",
        "xla_cpu_multi_thread_eigen": False,
        "xla_disable_hlo_passes": "cpu-parallel-task-assigner",
    }
    options: dict[str, Any] = fast | serial if one_core else fast
    set_by_user = re.findall(r"--(\w+)", os.environ.get("XLA_FLAGS", ""))
    options = {name: value for name, value in options.items() if name not in set_by_user}
    if _accepts(options):
        return options
    return {name: value for name, value in options.items() if _accepts({name: value})}


def _accepts(options: dict[str, Any]) -> bool:
    """Return whether this release of XLA supports options."""
    try:
        jax.jit(lambda x: x, compiler_options=options).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True

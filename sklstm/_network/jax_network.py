"""A network on JAX: compiled functions of our own in place of Keras's loops.

On a CPU a batch is computed in parts of some rows, which fit the processor's cache and can run on
several cores at once. Their gradients are summed in the order of the parts, so that the result
does not depend on the number of cores.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from math import prod
from threading import Lock
from typing import Any

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from sklstm._network.initial import Weights
from sklstm._network.jax_embedding import add_rows
from sklstm._network.jax_lstm import scratch_shapes
from sklstm._network.jax_steps import (
    gradient_function,
    moved_towards,
    score_function,
    update_function,
)
from sklstm._network.lstm import FastLSTM
from sklstm._network.network import (
    EMBEDDINGS,
    Network,
    Part,
    Scorer,
    named_weights,
    with_rows,
)
from sklstm._network.spec import NetworkSpec, TrainingSpec
from sklstm._runtime import keras, process_cores

# Rows of a part. Of long documents more of them gain little, and parts of fewer rows keep several
# cores busy to the end of a step; of short ones the calls would cost too much.
_ROWS_OF_SHORT = 32
_ROWS_OF_LONG = 16
# Mean tokens of documents that count as long.
_LONG = 64
# A layer draws from its dropout state at most this often in one pass over a part.
_DRAWS_A_PART = 16
# Scratch that is kept from part to part; more goes back to the operating system.
_MOST_SCRATCH_BYTES = 2**28

# Of the scratch arrays of each layer.
_Shapes = tuple[tuple[tuple[int, ...], ...], ...]


class JaxNetwork(Network):
    """A `Network` that trains and scores by functions that JAX compiles."""

    scores_purely = True

    def __init__(self, spec: NetworkSpec) -> None:
        _platform()
        super().__init__(spec)
        # Layers of Keras are not made for being traced by two threads at once.
        self._tracing = Lock()
        self._score_functions = {}
        self._n_rows = {}
        for kind in ("logits", "document_vectors"):
            model = self._part_of_model(kind)
            function = score_function(model)
            self._score_functions[kind] = self._compiled(function, one_core=True)
            self._n_rows[kind] = {name: v.shape[0] for name, v in named_weights(model).items()}
        layers = _lstm_layers(self.model)
        has_fast_loop = all(layer.has_fast_loop for layer in layers)
        self.skips_padding = has_fast_loop and spec.mask_padding and spec.width is None
        self._layer_sizes = [
            (layer.cell.kernel.shape[0], layer.units) for layer in layers if has_fast_loop
        ]
        self._scratch = _ScratchPool()
        self._scratch_shapes = cache(self._shapes_of_scratch)
        # Keras walks through all layers to find them.
        self._n_trainable = len(self.model.trainable_variables)
        self._not_trained = self.model.non_trainable_variables
        self._n_parts_trained = 0
        # Gradients by the embeddings, if they are trained, are added up on their own.
        self._embeddings_at = self._place_of_embeddings()
        self._by_embeddings: Array | None = None
        # Weights and state of the optimizer, while the model does not have them.
        self._ahead: list[Array] | None = None
        self._add_rows = self._compiled(add_rows, (0,), one_core=False)
        self._means: list[Array] = []
        self._move_means = self._compiled(moved_towards, (0,), one_core=False)

    def prepare_training(
        self, training_spec: TrainingSpec, learning_rate: float, dropout_seed: int
    ) -> None:
        """Put optimizer and dropout into the state of a network never trained before."""
        super().prepare_training(training_spec, learning_rate, dropout_seed)
        self._n_parts_trained = 0
        if self._embeddings_at is not None:
            embeddings = self.model.trainable_variables[self._embeddings_at]
            self._by_embeddings = jax.device_put(np.zeros(embeddings.shape, np.float32))

    def part_rows(self, mean_length: float) -> int | None:
        """Return how many rows the parts of a batch are to have; None if it is computed whole."""
        if _platform() != "cpu":
            return None
        return _ROWS_OF_LONG if mean_length >= _LONG else _ROWS_OF_SHORT

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the step size of the optimizer, from the next step on."""
        if self._ahead is None:
            super().set_learning_rate(learning_rate)
        else:
            self._ahead[self._learning_rate_at] = jax.device_put(np.float32(learning_rate))

    def train_on_batch(
        self, parts: Sequence[Part], n_documents: int, parallel_map: Callable[..., Any]
    ) -> Callable[[], tuple[float, float]]:
        """Have one optimizer step computed, on the sum of the gradients of the parts."""
        values = self._values()
        trainable, state = values[: self._n_trainable], values[self._n_trainable :]

        def gradients(worker: int, numbered: tuple[int, Part]) -> tuple[Any, Any, Any]:
            number, (ids, targets, weights) = numbered
            shapes = self._scratch_shapes(*ids.shape)
            fixed = self._fixed_values(self._n_parts_trained + number)
            scratch, found, by_weights, by_vectors = self._gradients(
                ids.shape,
                trainable,
                self._scratch.take(worker, shapes),
                fixed,
                ids,
                targets,
                weights * np.float32(1 / n_documents),
            )
            self._scratch.give(worker, shapes, scratch)
            return found, by_weights, by_vectors

        found, by_weights, by_vectors = zip(*parallel_map(gradients, enumerate(parts)), strict=True)
        self._n_parts_trained += len(parts)
        for shape, *looked_up in _of_one_shape(by_vectors):
            self._by_embeddings = self._add_rows(shape, self._by_embeddings, *looked_up)
        self._ahead, self._by_embeddings = self._update(
            (len(parts),), trainable, state, self._by_embeddings, by_weights
        )

        def result() -> tuple[float, float]:
            total_weight = sum(float(weights.sum()) for _, _, weights in parts) / n_documents
            losses, n_right = zip(*(map(float, pair) for pair in found), strict=True)
            return sum(losses), sum(n_right) / total_weight if total_weight else 0.0

        return result

    def update_model(self) -> None:
        """Give `model` the state after the last step."""
        # Too slow to be done at each step.
        for variable, value in zip(self._updated, self._ahead or [], strict=False):
            variable.assign(value)
        self._ahead = None

    def add_to_mean(self, n_before: int) -> None:
        """Take the weights after the last step into their mean."""
        trainable = self._values()[: self._n_trainable]
        if not n_before:
            self._means = [jax.device_put(np.zeros(value.shape, np.float32)) for value in trainable]
        self._means = self._move_means((), self._means, trainable, np.float32(1 / (n_before + 1)))

    def mean_weights(self) -> Weights:
        """Return the mean that `add_to_mean` has made."""
        trainable = self.model.trainable_variables
        means = {id(v): np.array(mean) for v, mean in zip(trainable, self._means, strict=True)}
        return {
            name: means.get(id(self._variables[name]), weight)[: len(weight)]
            for name, weight in self.weights().items()
        }

    def finish_training(self) -> None:
        """Let go of memory that only training needs."""
        super().finish_training()
        self._means = []
        self._scratch = _ScratchPool()
        self._by_embeddings = None

    def scorer(self, kind: str, weights: Mapping[str, NDArray[np.float32]]) -> Scorer:
        """Return a function that applies the network with given weights."""
        function = self._score_functions[kind]
        arrays = jax.device_put(
            {name: with_rows(weights[name], n) for name, n in self._n_rows[kind].items()}
        )
        return lambda ids: np.asarray(function(ids.shape, arrays, ids))

    def _values(self) -> list[Array]:
        """Return weights and state of the optimizer after the last step."""
        return self._ahead or [variable.value for variable in self._updated]

    def _compile(self, training_spec: TrainingSpec) -> None:
        before = self.training_spec
        super()._compile(training_spec)
        if before is None or before.label_smoothing != training_spec.label_smoothing:
            loss = self._loss(training_spec, "sum")
            function = gradient_function(
                self.model, self.spec, self._embeddings_at, loss, self._is_right
            )
            self._gradients = self._compiled(function, (1,), one_core=True)
        optimizer = self.model.optimizer
        self._updated = [*self.model.trainable_variables, *optimizer.variables]
        # The attribute of the optimizer is the value of the variable.
        names = [variable.name for variable in self._updated]
        self._learning_rate_at = names.index("learning_rate")
        function = update_function(optimizer, self._embeddings_at)
        self._update = self._compiled(function, (0, 1, 2), one_core=False)

    def _compiled(
        self, function: Callable[..., Any], donate: tuple[int, ...] = (), *, one_core: bool
    ) -> _Compiled:
        options = _compiler_options(one_core=one_core)
        jitted = jax.jit(function, donate_argnums=donate, compiler_options=options)
        return _Compiled(jitted, self._tracing)

    def _place_of_embeddings(self) -> int | None:
        embeddings = named_weights(self.model)[EMBEDDINGS]
        places = [i for i, v in enumerate(self.model.trainable_variables) if v is embeddings]
        return places[0] if places else None

    def _shapes_of_scratch(self, n_rows: int, width: int) -> _Shapes:
        return tuple(scratch_shapes(width, n_rows, *sizes) for sizes in self._layer_sizes)

    def _fixed_values(self, n_parts_before: int) -> list[Any]:
        """Return what is not trained: frozen weights, and a dropout state for each part."""
        seeds = {
            id(variable): np.array([seed, n_parts_before * _DRAWS_A_PART], dtype=variable.dtype)
            for variable, seed in zip(self._dropout_states, self._dropout_seeds, strict=True)
        }
        return [seeds.get(id(v), v.value) for v in self._not_trained]


class _Compiled:
    """A function of `jax.jit`, which one thread at a time traces and compiles.

    Parameters
    ----------
    function : callable
        From `jax.jit`.
    tracing : threading.Lock
        Held while it compiles.
    """

    def __init__(self, function: Callable[..., Any], tracing: Lock) -> None:
        self._function = function
        self._tracing = tracing
        self._shapes: set[tuple[int, ...]] = set()

    def __call__(self, shape: tuple[int, ...], *arguments: Any) -> Any:
        """Call the function; `shape` tells what it is compiled for."""
        if shape in self._shapes:
            return self._function(*arguments)
        with self._tracing:
            result = self._function(*arguments)
            self._shapes.add(shape)
        return result


class _ScratchPool:
    """Arrays that the LSTM layers have written to, for the next part of the same shape.

    Each worker has its own, because JAX would let one that takes arrays still being written to
    wait for the other.
    """

    def __init__(self) -> None:
        self._free: dict[tuple[int, _Shapes], Any] = {}
        self._n_bytes = 0
        self._lock = Lock()

    def take(self, worker: int, shapes: _Shapes) -> Any:
        """Return arrays of given shapes for each layer."""
        with self._lock:
            free = self._free.pop((worker, shapes), None)
            if free is not None:
                self._n_bytes -= _n_bytes(shapes)
                return free
        # Not by jax.numpy, which would compile a function for each shape.
        return [
            tuple(jax.device_put(np.empty(shape, np.float32)) for shape in layer)
            for layer in shapes
        ]

    def give(self, worker: int, shapes: _Shapes, scratch: Any) -> None:
        """Keep arrays for later, unless there are enough."""
        with self._lock:
            if self._n_bytes + _n_bytes(shapes) <= _MOST_SCRATCH_BYTES:
                self._n_bytes += _n_bytes(shapes)
                self._free[worker, shapes] = scratch


@cache
def _platform() -> str:
    """Return where JAX computes, having started it with as many threads as the process may use.

    XLA starts a thread for each core of the machine, whatever ``OMP_NUM_THREADS`` says, which
    joblib, dask, Ray and Spark set for their workers. If JAX has been started before, it stays as
    it is, and so does a ``PJRT_NPROC`` of the user.
    """
    if "PJRT_NPROC" in os.environ:
        return jax.default_backend()
    os.environ["PJRT_NPROC"] = str(process_cores())
    try:
        return jax.default_backend()
    finally:
        os.environ.pop("PJRT_NPROC", None)


@cache
def _compiler_options(*, one_core: bool) -> dict[str, Any]:
    """Return options for XLA's CPU compiler.

    Less optimization compiles sooner, to functions that are no slower. What computes a part of a
    batch is to stay on one core, for other parts have the others, and its matrix products are too
    small to be worth several threads. What the user sets in ``XLA_FLAGS`` stands. The options are
    XLA's own affair: where it does not know them any more, there are none.
    """
    if _platform() != "cpu":
        return {}
    options: dict[str, Any] = {
        "xla_backend_optimization_level": 1,
        "xla_llvm_disable_expensive_passes": True,
    }
    if one_core:
        options["xla_cpu_experimental_ynn_fusion_type"] = ""
        options["xla_cpu_multi_thread_eigen"] = False
    set_by_user = re.findall(r"--(\w+)", os.environ.get("XLA_FLAGS", ""))
    options = {name: value for name, value in options.items() if name not in set_by_user}
    try:
        jax.jit(lambda x: x, compiler_options=options).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return options


@cache
def _n_bytes(shapes: _Shapes) -> int:
    return sum(4 * prod(shape) for layer in shapes for shape in layer)


def _of_one_shape(by_vectors: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Group the parts' gradients by looked-up vectors for `add_rows`.

    One call costs less than several, but there is not to be a function compiled for each mixture
    of shapes.

    Parameters
    ----------
    by_vectors : sequence of (tuple of array) or None
        Ids and gradients of each part; None without trained embeddings.

    Returns
    -------
    groups : list of tuple
        What the call is compiled for, ids, and gradients, of all parts or of each one.
    """
    pairs = [pair for pair in by_vectors if pair is not None]
    is_one = len({ids.shape for ids, _ in pairs}) == 1
    groups = [pairs] if is_one else [[pair] for pair in pairs]
    return [((len(group), *group[0][0].shape), *zip(*group, strict=True)) for group in groups]


def _lstm_layers(model: Any) -> list[FastLSTM]:
    """Return the LSTM layers of a model in the order in which they are called."""
    layers = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.Bidirectional):
            layers += [layer.forward_layer, layer.backward_layer]
        elif isinstance(layer, FastLSTM):
            layers.append(layer)
    return layers

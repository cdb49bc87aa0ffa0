"""A network on JAX: compiled functions of our own in place of Keras's loops.

On a CPU a batch is computed in parts of 32 rows, which fit the processor's cache and can run on
several cores at once. Their gradients are summed in the order of the parts, so that the result
does not depend on the number of cores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, reduce
from operator import add
from threading import Lock
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from sklstm._backend import keras
from sklstm._network.jax_lstm import lending_scratch, scratch_shapes
from sklstm._network.lstm import FastLSTM
from sklstm._network.network import Network, Part, Scorer, named_weights, with_rows
from sklstm._network.spec import NetworkSpec, TrainingSpec

_PART_ROWS = 32
# A layer draws from its dropout state at most this often in one pass over a part.
_DRAWS_A_PART = 16
# Scratch that is kept from part to part; more goes back to the operating system.
_MOST_SCRATCH_BYTES = 2**28

_Shapes = tuple[tuple[int, ...], ...]


class JaxNetwork(Network):
    """A `Network` that trains and scores by functions that JAX compiles."""

    scores_purely = True

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__(spec)
        # Layers of Keras are not made for being traced by two threads at once.
        self._tracing = Lock()
        self._score_functions = {}
        self._n_rows = {}
        for kind in ("logits", "document_vectors"):
            model = self._part_of_model(kind)
            function = _score_function(model)
            self._score_functions[kind] = self._compiled(function, compiler_options=_one_core())
            self._n_rows[kind] = {name: v.shape[0] for name, v in named_weights(model).items()}
        layers = _lstm_layers(self.model)
        has_fast_loop = all(layer.has_fast_loop for layer in layers)
        self.part_rows = _PART_ROWS if jax.default_backend() == "cpu" else None
        self.skips_padding = has_fast_loop and spec.mask_padding and spec.width is None
        self._layer_sizes = [
            (layer.cell.kernel.shape[0], layer.units) for layer in layers if has_fast_loop
        ]
        self._scratch = _ScratchPool()
        self._n_parts_trained = 0

    def prepare_training(
        self, training_spec: TrainingSpec, learning_rate: float, dropout_seed: int
    ) -> None:
        """Put optimizer and dropout into the state of a network never trained before."""
        super().prepare_training(training_spec, learning_rate, dropout_seed)
        self._n_parts_trained = 0

    def train_on_batch(
        self, parts: Sequence[Part], n_documents: int, run_all: Callable[..., Any]
    ) -> tuple[float, float]:
        """Take one optimizer step, on the sum of the gradients of the parts."""
        variables = [*self.model.trainable_variables, *self.model.optimizer.variables]
        values = [variable.value for variable in variables]
        trainable = values[: len(self.model.trainable_variables)]

        def gradients(number: int, part: Part) -> tuple[float, float, list[Array]]:
            ids, targets, weights = part
            shapes = self._scratch_shapes(ids.shape)
            fixed = self._fixed_values(self._n_parts_trained + number)
            (loss, n_right), (by_weights, scratch) = self._gradients(
                ids.shape,
                trainable,
                self._scratch.take(shapes),
                fixed,
                ids,
                targets,
                weights * np.float32(1 / n_documents),
            )
            jax.block_until_ready(by_weights)
            self._scratch.give(shapes, scratch)
            return float(loss), float(n_right), by_weights

        losses, n_right, by_weights = zip(
            *run_all(gradients, range(len(parts)), parts), strict=True
        )
        self._n_parts_trained += len(parts)
        state = values[len(trainable) :]
        updated = self._update((len(parts),), trainable, state, by_weights)
        for variable, value in zip(variables, updated, strict=True):
            variable.assign(value)
        total_weight = sum(float(weights.sum()) for _, _, weights in parts) / n_documents
        return sum(losses), sum(n_right) / total_weight if total_weight else 0.0

    def finish_training(self) -> None:
        """Let go of memory that only training needs."""
        self._scratch = _ScratchPool()

    def scorer(self, kind: str, weights: Mapping[str, NDArray[np.float32]]) -> Scorer:
        """Return a function that applies the network with given weights."""
        function = self._score_functions[kind]
        arrays = jax.device_put(
            {name: with_rows(weights[name], n) for name, n in self._n_rows[kind].items()}
        )
        return lambda ids: np.asarray(function(ids.shape, arrays, ids))

    def _compile(self, training_spec: TrainingSpec) -> None:
        before = self.training_spec
        super()._compile(training_spec)
        if before is None or before.label_smoothing != training_spec.label_smoothing:
            loss = self._loss(training_spec, "sum")
            function = _gradient_function(self.model, loss, self._is_right)
            self._gradients = self._compiled(
                function, donate_argnums=1, compiler_options=_one_core()
            )
        function = _update_function(self.model.optimizer)
        self._update = self._compiled(function, donate_argnums=(0, 1))

    def _compiled(self, function: Callable[..., Any], **options: Any) -> _Compiled:
        return _Compiled(jax.jit(function, **options), self._tracing)

    def _scratch_shapes(self, shape_of_ids: tuple[int, ...]) -> tuple[_Shapes, ...]:
        n_rows, width = shape_of_ids
        return tuple(scratch_shapes(width, n_rows, *sizes) for sizes in self._layer_sizes)

    def _fixed_values(self, n_parts_before: int) -> list[Any]:
        """Return what is not trained: frozen weights, and a dropout state for each part."""
        seeds = {
            id(variable): np.array([seed, n_parts_before * _DRAWS_A_PART], dtype=variable.dtype)
            for variable, seed in zip(self._dropout_states, self._dropout_seeds, strict=True)
        }
        return [seeds.get(id(v), v.value) for v in self.model.non_trainable_variables]


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
    """Arrays that the LSTM layers have written to, for the next part of the same shape."""

    def __init__(self) -> None:
        self._free: dict[tuple[_Shapes, ...], list[Any]] = {}
        self._n_bytes = 0
        self._lock = Lock()

    def take(self, shapes: tuple[_Shapes, ...]) -> Any:
        """Return arrays of given shapes for each layer."""
        with self._lock:
            free = self._free.get(shapes)
            if free:
                self._n_bytes -= _n_bytes(shapes)
                return free.pop()
        # Not by jax.numpy, which would compile a function for each shape.
        return [
            tuple(jax.device_put(np.empty(shape, np.float32)) for shape in layer)
            for layer in shapes
        ]

    def give(self, shapes: tuple[_Shapes, ...], scratch: Any) -> None:
        """Keep arrays for later, unless there are enough."""
        with self._lock:
            if self._n_bytes + _n_bytes(shapes) <= _MOST_SCRATCH_BYTES:
                self._n_bytes += _n_bytes(shapes)
                self._free.setdefault(shapes, []).append(scratch)


@cache
def _one_core() -> dict[str, str | bool]:
    """Return options of XLA that keep a part on one core, for other parts have the others.

    Matrix products over a part are too small to be worth several threads. The options are XLA's
    own affair: where it does not know them any more, there are none.
    """
    options: dict[str, str | bool] = {
        "xla_cpu_experimental_ynn_fusion_type": "",
        "xla_cpu_multi_thread_eigen": False,
    }
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda x: x, compiler_options=options).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return options


def _n_bytes(shapes: tuple[_Shapes, ...]) -> int:
    return sum(4 * int(np.prod(shape)) for layer in shapes for shape in layer)


def _lstm_layers(model: Any) -> list[FastLSTM]:
    """Return the LSTM layers of a model in the order in which they are called."""
    layers = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.Bidirectional):
            layers += [layer.forward_layer, layer.backward_layer]
        elif isinstance(layer, FastLSTM):
            layers.append(layer)
    return layers


def _score_function(model: Any) -> Callable[..., Array]:
    """Return a pure function of weights by name and ids, to the outputs of a model."""
    names = {id(variable): name for name, variable in named_weights(model).items()}

    def score(weights: Mapping[str, Array], ids: Array) -> Array:
        trainable = [weights[names[id(v)]] for v in model.trainable_variables]
        fixed = [
            weights[names[id(v)]] if id(v) in names else jnp.zeros(v.shape, v.dtype)
            for v in model.non_trainable_variables
        ]
        outputs, _ = model.stateless_call(trainable, fixed, ids, training=False)
        return outputs

    return score


def _gradient_function(
    model: Any, loss_function: Callable[..., Array], is_right: Callable[[Any, Any], Any]
) -> Callable[..., Any]:
    """Return a pure function to the loss of a part and its gradients."""

    def loss(
        trainable: list[Array], scratch: Any, fixed: list[Array], ids: Array, *labels: Array
    ) -> tuple[Array, Array]:
        targets, weights = labels
        with lending_scratch(scratch):
            logits, _ = model.stateless_call(trainable, fixed, ids, training=True)
        n_right = jnp.sum(weights * is_right(targets, logits))
        return loss_function(targets, logits, sample_weight=weights), n_right

    return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)


def _update_function(optimizer: Any) -> Callable[..., list[Array]]:
    """Return a pure function that takes a step of an optimizer."""

    def update(
        trainable: list[Array], state: list[Array], by_weights: Sequence[list[Array]]
    ) -> list[Array]:
        total = [reduce(add, gradients) for gradients in zip(*by_weights, strict=True)]
        trainable, state = optimizer.stateless_apply(state, total, trainable)
        return [*trainable, *state]

    return update

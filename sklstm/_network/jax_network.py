"""JaxNetwork: training step and scoring on JAX, without the training loop of Keras.

On a CPU a batch is computed in micro-batches, which fit in the cache of the processor and run in
parallel on several cores. Their gradients are summed in a fixed order, so that the result does not
depend on the number of cores.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial, reduce
from math import prod
from operator import add
from threading import Lock
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from sklstm._network import jax_kernels as kernels
from sklstm._network import network as base
from sklstm._network.layers import FastLSTM
from sklstm._network.network import Logs, MicroBatch, Network, named_weights
from sklstm._network.spec import EMBEDDINGS, Floats, Ids, NetworkSpec, TrainingSpec, Weights
from sklstm._runtime import ParallelMap, keras, process_cores

# Rows of a micro-batch. For long documents, more rows are hardly faster, and with fewer rows the
# work is distributed more evenly over the cores. For short documents, the overhead of many calls
# would be too large.
_ROWS_SHORT = 32
_ROWS_LONG = 16
# Minimum mean number of tokens per document for `_ROWS_LONG`.
_LONG = 64
# Upper bound for the draws of a layer from its dropout state in one pass over a micro-batch.
_MAX_DRAWS = 16
# Maximum workspace memory in bytes that is kept between micro-batches.
_MAX_WORKSPACE_BYTES = 2**28

Shape = tuple[int, ...]
# Shapes of the workspace buffers of each layer.
WorkspaceShapes = tuple[tuple[Shape, ...], ...]
Workspaces = list[kernels.Workspace]
Pair = tuple[Array, Array]
JaxFunction = Callable[..., Any]


class JaxNetwork(Network):
    """A `Network` that trains and scores with its own JAX-compiled functions."""

    is_thread_safe = True

    def __init__(self, spec: NetworkSpec) -> None:
        _platform()
        super().__init__(spec)
        # Keras layers must not be traced by several threads at the same time.
        self._tracing = Lock()
        self._score_functions, self._n_rows = {}, {}
        for kind, model in self._models.items():
            self._score_functions[kind] = self._jit(_score_function(model), one_core=True)
            self._n_rows[kind] = {name: v.shape[0] for name, v in named_weights(model).items()}
        self._input_gradient: _Jitted | None = None
        layers = _lstm_layers(self.model)
        has_fast_loop = all(layer.has_fast_loop for layer in layers)
        self.skips_padding = has_fast_loop and spec.mask_padding and spec.width is None
        sizes = [(layer.cell.kernel.shape[0], layer.units) for layer in layers if has_fast_loop]

        @cache
        def workspace_shapes(n_rows: int, width: int) -> WorkspaceShapes:
            return tuple(kernels.workspace_shapes(width, n_rows, *size) for size in sizes)

        self._workspaces, self._workspace_shapes = _WorkspacePool(), workspace_shapes
        # Stored, because Keras searches all layers in each access.
        self._n_trainable = len(self.model.trainable_variables)
        self._frozen = self.model.non_trainable_variables
        self._n_trained = 0
        # The gradient of trainable embeddings is accumulated separately.
        embeddings = named_weights(self.model)[EMBEDDINGS]
        places = [i for i, v in enumerate(self.model.trainable_variables) if v is embeddings]
        self._embeddings_at = places[0] if places else None
        self._by_embeddings: Array | None = None
        # Weights and optimizer state after the last step, if not yet copied to the model.
        self._pending: list[Array] | None = None
        self._add_rows = self._jit(kernels.add_rows, (0,), one_core=False)
        self._means: list[Array] = []
        self._update_means = self._jit(_update_means, (0,), one_core=False)

    def prepare_training(
        self, training_spec: TrainingSpec, learning_rate: float, dropout_seed: int
    ) -> None:
        """Reset the optimizer and dropout to the state before any training."""
        super().prepare_training(training_spec, learning_rate, dropout_seed)
        self._n_trained = 0
        if self._embeddings_at is not None:
            embeddings = self.model.trainable_variables[self._embeddings_at]
            self._by_embeddings = jax.device_put(np.zeros(embeddings.shape, np.float32))

    def micro_batch_rows(self, mean_length: float) -> int | None:
        """Return the preferred rows per micro-batch; None to compute a batch as a whole."""
        if _platform() != "cpu":
            return None
        return _ROWS_LONG if mean_length >= _LONG else _ROWS_SHORT

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the step size of the optimizer from the next step on."""
        if self._pending is None:
            super().set_learning_rate(learning_rate)
        else:
            self._pending[self._learning_rate_at] = jax.device_put(np.float32(learning_rate))

    def train_on_batch(
        self, micro_batches: Sequence[MicroBatch], n_documents: int, parallel_map: ParallelMap
    ) -> Callable[[], Logs]:
        """Start one optimizer step on the sum of the gradients of the micro-batches."""
        state = self._state()
        trainable, others = state[: self._n_trainable], state[self._n_trainable :]

        def gradients(
            worker: int, numbered: tuple[int, MicroBatch]
        ) -> tuple[Pair, list[Array], Pair | None]:
            number, (ids, targets, weights) = numbered
            shapes = self._workspace_shapes(*ids.shape)
            workspaces = self._workspaces.take(worker, shapes)
            frozen = self._frozen_values(self._n_trained + number)
            weights = weights * np.float32(1 / n_documents)
            workspaces, *results = self._gradients(
                ids.shape, trainable, workspaces, frozen, ids, targets, weights
            )
            self._workspaces.put(worker, shapes, workspaces)
            return tuple(results)

        results = parallel_map(gradients, enumerate(micro_batches))
        metrics, by_weights, by_vectors = zip(*results, strict=True)
        self._n_trained += len(micro_batches)
        for shape, *looked_up in _group_by_shape(by_vectors):
            self._by_embeddings = self._add_rows(shape, self._by_embeddings, *looked_up)
        self._pending, self._by_embeddings = self._update(
            (len(micro_batches),), trainable, others, self._by_embeddings, by_weights
        )

        def result() -> Logs:
            total = sum(float(weights.sum()) for _, _, weights in micro_batches) / n_documents
            losses, n_correct = zip(*(map(float, pair) for pair in metrics), strict=True)
            return {"loss": sum(losses), "accuracy": sum(n_correct) / total if total else 0.0}

        return result

    def update_model(self) -> None:
        """Copy the state after the last step to `model`."""
        # Too slow for every step.
        for variable, value in zip(self._updated, self._pending or [], strict=False):
            variable.assign(value)
        self._pending = None

    def add_to_mean(self, n_before: int) -> None:
        """Add the weights after the last step to their running mean."""
        trainable = self._state()[: self._n_trainable]
        if not n_before:
            self._means = [jax.device_put(np.zeros(value.shape, np.float32)) for value in trainable]
        self._means = self._update_means((), self._means, trainable, np.float32(1 / (n_before + 1)))

    def mean_weights(self) -> Weights:
        """Return the mean that `add_to_mean` has computed."""
        trainable = self.model.trainable_variables
        means = {id(v): np.array(mean) for v, mean in zip(trainable, self._means, strict=True)}
        return {
            name: means.get(id(self._variables[name]), weight)[: len(weight)]
            for name, weight in self.weights().items()
        }

    def finish_training(self) -> None:
        """Release the memory that only training needs."""
        super().finish_training()
        self._means = []
        self._workspaces = _WorkspacePool()
        self._by_embeddings = None

    def scorer(self, kind: str, weights: Mapping[str, Floats]) -> base.Scorer:
        """Return a function that applies the network with the given weights."""
        function = self._score_functions[kind]
        n_rows = self._n_rows[kind]
        arrays = jax.device_put({n: base.pad_rows(weights[n], rows) for n, rows in n_rows.items()})
        return lambda ids: np.asarray(function(ids.shape, arrays, ids))

    def input_gradient(self, weights: Mapping[str, Floats]) -> base.InputGradient:
        """Return a function that differentiates scores with respect to the embedding matrix."""
        if self._input_gradient is None:
            self._input_gradient = self._jit(_input_gradient_function(self.model), one_core=True)
        function = self._input_gradient
        others = jax.device_put({name: w for name, w in weights.items() if name != EMBEDDINGS})

        def gradient(matrix: Floats, ids: Ids, output_weights: Floats) -> tuple[Floats, Floats]:
            scores, by_matrix = function(ids.shape, others, matrix, ids, output_weights)
            return np.asarray(scores), np.asarray(by_matrix)

        return gradient

    def _state(self) -> list[Array]:
        """Return the weights and the optimizer state after the last step."""
        return self._pending or [variable.value for variable in self._updated]

    def _compile(self, training_spec: TrainingSpec) -> None:
        before = self.training_spec
        super()._compile(training_spec)
        if before is None or before.label_smoothing != training_spec.label_smoothing:
            loss = self._loss(training_spec, "sum")
            function = _gradient_function(
                self.model, self.spec, self._embeddings_at, loss, self._is_correct
            )
            self._gradients = self._jit(function, (1,), one_core=True)
        optimizer = self.model.optimizer
        self._updated = [*self.model.trainable_variables, *optimizer.variables]
        # Not from `optimizer.learning_rate`, which is the value and not the variable.
        names = [variable.name for variable in self._updated]
        self._learning_rate_at = names.index("learning_rate")
        function = _update_function(optimizer, self._embeddings_at)
        self._update = self._jit(function, (0, 1, 2), one_core=False)

    def _jit(
        self, function: JaxFunction, donate: tuple[int, ...] = (), *, one_core: bool
    ) -> _Jitted:
        options = _compiler_options(one_core=one_core)
        jitted = jax.jit(function, donate_argnums=donate, compiler_options=options)
        return _Jitted(jitted, self._tracing)

    def _frozen_values(self, n_before: int) -> list[Array]:
        """Return the frozen weights, and dropout states for one micro-batch."""
        seeds = {
            id(variable): np.array([seed, n_before * _MAX_DRAWS], dtype=variable.dtype)
            for variable, seed in zip(self._dropout_states, self._dropout_seeds, strict=True)
        }
        return [seeds.get(id(v), v.value) for v in self._frozen]


class _Jitted:
    """A function of `jax.jit` that is traced and compiled by only one thread at a time.

    Parameters
    ----------
    function : callable
        Returned by `jax.jit`.
    tracing : threading.Lock
        Held during compilation.
    """

    def __init__(self, function: JaxFunction, tracing: Lock) -> None:
        self._function = function
        self._tracing = tracing
        self._shapes: set[Shape] = set()

    def __call__(self, shape: Shape, *arguments: object) -> Any:
        """Call the function; it is compiled once for each value of `shape`."""
        if shape in self._shapes:
            return self._function(*arguments)
        with self._tracing:
            result = self._function(*arguments)
            self._shapes.add(shape)
        return result


class _WorkspacePool:
    """Workspace buffers of the LSTM layers, reused by micro-batches of the same shape.

    Each worker has its own buffers, because JAX delays a function while one of its arguments is
    still being written.
    """

    def __init__(self) -> None:
        self._free: dict[tuple[int, WorkspaceShapes], Workspaces] = {}
        self._n_bytes = 0
        self._lock = Lock()

    def take(self, worker: int, shapes: WorkspaceShapes) -> Workspaces:
        """Return buffers of the given shapes for each layer."""
        with self._lock:
            free = self._free.pop((worker, shapes), None)
            if free is not None:
                self._n_bytes -= _n_bytes(shapes)
                return free
        # Created with numpy, because jax.numpy would compile a function for each shape.
        empty = partial(np.empty, dtype=np.float32)
        return [tuple(jax.device_put(empty(shape)) for shape in layer) for layer in shapes]

    def put(self, worker: int, shapes: WorkspaceShapes, workspaces: Workspaces) -> None:
        """Keep buffers for reuse, unless the pool is full."""
        with self._lock:
            if self._n_bytes + _n_bytes(shapes) <= _MAX_WORKSPACE_BYTES:
                self._n_bytes += _n_bytes(shapes)
                self._free[worker, shapes] = workspaces


def _score_function(model: keras.Model) -> JaxFunction:
    """Return a pure function from weights by name and ids to the outputs of a model."""
    names = {id(variable): name for name, variable in named_weights(model).items()}

    def score(weights: Mapping[str, Array], ids: Array) -> Array:
        trainable = [weights[names[id(v)]] for v in model.trainable_variables]
        frozen = [
            weights[names[id(v)]] if id(v) in names else jnp.zeros(v.shape, v.dtype)
            for v in model.non_trainable_variables
        ]
        outputs, _ = model.stateless_call(trainable, frozen, ids, training=False)
        return outputs

    return score


def _input_gradient_function(model: keras.Model) -> JaxFunction:
    """Return a pure function that computes scores and their gradient by the embedding matrix."""
    logits_of = _score_function(model)

    def scores_and_gradient(
        others: Mapping[str, Array], matrix: Array, ids: Array, output_weights: Array
    ) -> Pair:
        def total(matrix: Array) -> Pair:
            scores = (logits_of({**others, EMBEDDINGS: matrix}, ids) * output_weights).sum(axis=1)
            return scores.sum(), scores

        by_matrix, scores = jax.grad(total, has_aux=True)(matrix)
        return scores, by_matrix

    return scores_and_gradient


def _gradient_function(
    model: keras.Model,
    spec: NetworkSpec,
    embeddings_at: int | None,
    loss_function: Callable[..., Array],
    is_correct: Callable[[Array, Array], Array],
) -> JaxFunction:
    """Return a pure function that computes the loss of a micro-batch and its gradients.

    Parameters
    ----------
    model : keras.Model
        Model from ids to logits.
    spec : NetworkSpec
        The architecture of the model.
    embeddings_at : int or None
        Position of the embeddings among the trainable weights; None if they are frozen.
    loss_function, is_correct : callable
        Functions of targets and logits that return the loss, and whether each row is predicted
        correctly.

    Returns
    -------
    gradients : callable
        Takes trainable weights, workspace buffers of the LSTM layers, frozen weights, ids, targets
        and document weights. Returns the workspace buffers, a tuple of the loss and the total
        weight of the correctly predicted documents, the gradients by the trainable weights except
        the embeddings, and the ids and gradients of the looked-up embeddings.
    """

    def gradients(
        trainable: list[Array],
        workspaces: Workspaces,
        frozen: list[Array],
        ids: Array,
        targets: Array,
        weights: Array,
    ) -> tuple[object, ...]:
        def loss(
            others: list[Array], workspaces: Workspaces, slot: Array
        ) -> tuple[Array, tuple[Array, Array | None]]:
            values = list(others)
            if embeddings_at is not None:
                values.insert(embeddings_at, trainable[embeddings_at])
            capture = kernels.capture_lookup_gradient(slot)
            with kernels.use_workspaces(workspaces), capture as captured:
                logits, _ = model.stateless_call(values, frozen, ids, training=True)
            n_correct = jnp.sum(weights * is_correct(targets, logits))
            return loss_function(targets, logits, sample_weight=weights), (n_correct, captured.ids)

        n_rows, width = ids.shape
        width = (spec.mask_padding and spec.width) or width
        slot = jnp.zeros((width, n_rows, spec.embedding_dim))
        others = [value for place, value in enumerate(trainable) if place != embeddings_at]
        differentiated = (0, 1) if embeddings_at is None else (0, 1, 2)
        compute = jax.value_and_grad(loss, differentiated, has_aux=True)
        (total, (n_correct, looked_up)), by = compute(others, workspaces, slot)
        by_others, workspaces, *by_vectors = by
        by_looked_up = (looked_up, *by_vectors) if by_vectors else None
        # The buffers come first, because JAX matches results to donated arguments in order.
        return workspaces, (total, n_correct), by_others, by_looked_up

    return gradients


def _update_function(optimizer: keras.Optimizer, embeddings_at: int | None) -> JaxFunction:
    """Return a pure function for one step of an optimizer.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Built for the trainable weights.
    embeddings_at : int or None
        Position of the embeddings among them; None if they are frozen.

    Returns
    -------
    update : callable
        Takes trainable weights, optimizer state, the gradient by the embeddings, and the gradients
        by the other weights of each micro-batch. Returns weights and state in one list, and zeros
        in place of the gradient by the embeddings.
    """

    def update(
        trainable: list[Array],
        state: list[Array],
        by_embeddings: Array | None,
        by_others: Sequence[list[Array]],
    ) -> tuple[list[Array], Array | None]:
        total = [reduce(add, gradients) for gradients in zip(*by_others, strict=True)]
        if embeddings_at is not None:
            total.insert(embeddings_at, by_embeddings)
        trainable, state = optimizer.stateless_apply(state, total, trainable)
        updated = [*trainable, *state]
        if embeddings_at is None:
            return updated, None
        # Zeros are computed from the updated embeddings, so that XLA can reuse the memory of the
        # gradient without a copy.
        return updated, lax.optimization_barrier(updated[embeddings_at]) * 0.0

    return update


def _update_means(means: list[Array], values: list[Array], fraction: Array) -> list[Array]:
    """Move each mean by a fraction of its distance to the value."""
    return [mean + fraction * (value - mean) for mean, value in zip(means, values, strict=True)]


@cache
def _platform() -> str:
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
def _compiler_options(*, one_core: bool) -> dict[str, Any]:
    """Return options for XLA's CPU compiler.

    A lower optimization level reduces the compilation time, and the functions are not slower. A
    function that computes a micro-batch runs on one core, because the other cores compute other
    micro-batches, and its matrix products are too small for several threads. Options that the user
    sets in ``XLA_FLAGS`` are respected. The options are internal to XLA; if a release does not
    accept them, none are used.
    """
    if _platform() != "cpu":
        return {}
    fast = {"xla_backend_optimization_level": 1, "xla_llvm_disable_expensive_passes": True}
    serial = {"xla_cpu_experimental_ynn_fusion_type": "", "xla_cpu_multi_thread_eigen": False}
    options: dict[str, Any] = fast | serial if one_core else fast
    set_by_user = re.findall(r"--(\w+)", os.environ.get("XLA_FLAGS", ""))
    options = {name: value for name, value in options.items() if name not in set_by_user}
    try:
        jax.jit(lambda x: x, compiler_options=options).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return options


@cache
def _n_bytes(shapes: WorkspaceShapes) -> int:
    return sum(4 * prod(shape) for layer in shapes for shape in layer)


def _group_by_shape(by_vectors: Sequence[Pair | None]) -> list[tuple[Any, ...]]:
    """Group the gradients of looked-up vectors by shape for `add_rows`.

    A single call is faster than several, but is used only if all shapes are equal. Otherwise a
    function would be compiled for each combination of shapes.

    Parameters
    ----------
    by_vectors : sequence of (tuple of array) or None
        Ids and gradients of each micro-batch; None with frozen embeddings.

    Returns
    -------
    groups : list of tuple
        Shape, ids and gradients of each call: one group of all micro-batches if their shapes are
        equal, otherwise one group per micro-batch.
    """
    pairs = [pair for pair in by_vectors if pair is not None]
    has_one_shape = len({ids.shape for ids, _ in pairs}) == 1
    groups = [pairs] if has_one_shape else [[pair] for pair in pairs]
    return [((len(group), *group[0][0].shape), *zip(*group, strict=True)) for group in groups]


def _lstm_layers(model: keras.Model) -> list[FastLSTM]:
    """Return the LSTM layers of a model in the order in which they are called."""
    layers = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.Bidirectional):
            layers += [layer.forward_layer, layer.backward_layer]
        elif isinstance(layer, FastLSTM):
            layers.append(layer)
    return layers

"""JaxNetwork: training step and scoring on JAX, without the training loop of Keras.

On a CPU a batch is computed in micro-batches, which fit in the cache of the processor and run in
parallel on several cores. Their gradients are summed in a fixed order, so that the result does not
depend on the number of cores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial, reduce
from math import prod
from operator import add
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from sklstm._network import jax_kernels as kernels
from sklstm._network import network as base
from sklstm._network import spec as specs
from sklstm._network.aligned import is_aligned, pad_rows
from sklstm._network.jax_compile import CompiledFunction, JaxFunction, Shape, platform, recall
from sklstm._network.network import Logs, MicroBatch, Network
from sklstm._network.spec import EMBEDDINGS, Floats, Ids, NetworkSpec, TrainingSpec, Weights
from sklstm._runtime import ParallelMap

if TYPE_CHECKING:
    import keras

    from sklstm._network.layers import FastLSTM

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

# Shapes of the workspace buffers of each layer.
WorkspaceShapes = tuple[tuple[Shape, ...], ...]
Workspaces = list[kernels.Workspace]
Pair = tuple[Array, Array]


@dataclass(frozen=True)
class _Layout:
    """What training and scoring need to know about the Keras model of a network.

    It is stored in the cache on disk, so that a network whose functions are in the cache works
    without the model.

    Attributes
    ----------
    names : list of str
        Names of all weights, in the order in which initial values are drawn.
    trainable : list of str
        Names of the trainable weights, in the order of the model.
    frozen : list of str or int
        The other variables, in the order of the model: the name of a weight, or the number of a
        dropout state.
    seed_dtype : str
        Type of the dropout states.
    loops : list of [int, int]
        Inputs and units of the LSTM layers with a fast loop.
    skips_padding : bool
        As in `BaseNetwork`.
    """

    names: list[str]
    trainable: list[str]
    frozen: list[str | int]
    seed_dtype: str
    loops: list[tuple[int, int]]
    skips_padding: bool

    @cached_property
    def embeddings_at(self) -> int | None:
        """Position of the embeddings among the trainable weights; None if they are frozen."""
        return self.trainable.index(EMBEDDINGS) if EMBEDDINGS in self.trainable else None

    @property
    def n_dropout_states(self) -> int:
        """Number of dropout states."""
        return sum(isinstance(name, int) for name in self.frozen)


class _OptimizerLayout(NamedTuple):
    """The variables of an optimizer.

    Attributes
    ----------
    initial : list of (list of int, str, float)
        Shape, dtype and initial value of the elements of each variable.
    learning_rate_at : int
        Position of the learning rate.
    """

    initial: list[tuple[list[int], str, float]]
    learning_rate_at: int


class JaxNetwork(Network):
    """A `Network` that trains and scores with its own JAX-compiled functions.

    The Keras model is built only to compile a function, and for callbacks, which may read and
    change it.
    """

    is_thread_safe = True

    def __init__(self, spec: NetworkSpec) -> None:
        platform()
        super().__init__(spec)
        # Keras layers must not be traced by several threads at the same time.
        self._tracing = Lock()
        self._functions: dict[str, CompiledFunction] = {}
        self._layout = _Layout(**recall(self._read_layout, "layout", spec))
        self.skips_padding = self._layout.skips_padding
        self._scorers = {
            kind: self._compiled(kind, spec.for_scoring, partial(self._make_score_function, kind))
            for kind in ("logits", "document_vectors")
        }
        self._input_gradient = self._compiled(
            "input_gradient",
            spec.for_scoring,
            lambda: _input_gradient_function(self._make_score_function("logits")),
        )
        sizes = self._layout.loops

        @cache
        def workspace_shapes(n_rows: int, width: int) -> WorkspaceShapes:
            return tuple(kernels.workspace_shapes(width, n_rows, *size) for size in sizes)

        self._workspaces, self._workspace_shapes = _WorkspacePool(), workspace_shapes
        self._n_trained = 0
        # Weights and optimizer state after the last step. Frozen weights come with the number of
        # each dropout state in its place.
        self._trainable: list[Array] = []
        self._frozen: list[Array | int] = []
        self._optimizer_state: list[Array] = []
        # Whether the state is in the model, where callbacks may have changed it.
        self._is_in_model = False
        self._compiled_for: TrainingSpec | None = None
        # The gradient of trainable embeddings is accumulated separately.
        self._by_embeddings: Array | None = None
        self._add_rows = self._compiled(
            "add_rows", None, lambda: kernels.add_rows, donate=(0,), one_core=False
        )
        self._means: list[Array] = []
        self._update_means = self._compiled(
            "update_means", None, lambda: _update_means, donate=(0,), one_core=False
        )

    @property
    def weight_shapes(self) -> specs.Shapes:
        """Shape of each weight by name."""
        shapes = specs.weight_shapes(replace(self.spec, vocab_size=self.vocab_size))
        return {name: shapes[name] for name in self._layout.names}

    def weights(self) -> Weights:
        """Return a copy of the weights by name."""
        self._read_model()
        layout = self._layout
        names = [*layout.trainable, *layout.frozen]
        arrays = dict(zip(names, [*self._trainable, *self._frozen], strict=True))
        weights = {name: np.array(arrays[name]) for name in layout.names}
        of_rows = specs.BY_ROW & weights.keys()
        return weights | {name: weights[name][: self.vocab_size] for name in of_rows}

    def load(self, weights: Mapping[str, Floats]) -> None:
        """Set the weights from arrays by name."""
        self._read_model()
        arrays = jax.device_put(self._padded(weights))
        self._trainable = [arrays[name] for name in self._layout.trainable]
        self._frozen = [
            name if isinstance(name, int) else arrays[name] for name in self._layout.frozen
        ]

    def prepare_training(
        self, training_spec: TrainingSpec, learning_rate: float, dropout_seed: int
    ) -> None:
        """Reset the optimizer and dropout to the state before any training."""
        self._is_in_model = False
        if training_spec != self.training_spec:
            self._set_training_spec(training_spec)
        self._optimizer_state = jax.device_put(
            [np.full(shape, value, dtype) for shape, dtype, value in self._optimizer.initial]
        )
        self.set_learning_rate(learning_rate)
        self._draw_dropout_seeds(dropout_seed, self._layout.n_dropout_states)
        self._n_trained = 0
        if self.spec.trainable_embeddings:
            shape = self.spec.vocab_size, self.spec.embedding_dim
            self._by_embeddings = jax.device_put(np.zeros(shape, np.float32))

    def micro_batch_rows(self, mean_length: float) -> int | None:
        """Return the preferred rows per micro-batch; None to compute a batch as a whole."""
        if platform() != "cpu":
            return None
        return _ROWS_LONG if mean_length >= _LONG else _ROWS_SHORT

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the step size of the optimizer from the next step on."""
        self._read_model()
        place = self._optimizer.learning_rate_at
        self._optimizer_state[place] = jax.device_put(np.float32(learning_rate))

    def optimizer_state(self) -> base.OptimizerState:
        """Return a copy of the variables of the optimizer."""
        self._read_model()
        return [np.array(value) for value in self._optimizer_state]

    def load_optimizer_state(self, state: base.OptimizerState) -> None:
        """Set the variables of the optimizer, except the learning rate."""
        self._read_model()
        learning_rate = self._optimizer_state[self._optimizer.learning_rate_at]
        self._optimizer_state = jax.device_put(
            [
                pad_rows(value, shape[0]) if shape else value
                for (shape, _, _), value in zip(self._optimizer.initial, state, strict=True)
            ]
        )
        self._optimizer_state[self._optimizer.learning_rate_at] = learning_rate

    def train_on_batch(
        self, micro_batches: Sequence[MicroBatch], n_documents: int, parallel_map: ParallelMap
    ) -> Callable[[], Logs]:
        """Start one optimizer step on the sum of the gradients of the micro-batches."""
        self._read_model()
        trainable = self._trainable

        def gradients(
            worker: int, numbered: tuple[int, MicroBatch]
        ) -> tuple[Pair, list[Array], Pair | None]:
            number, (ids, targets, weights) = numbered
            shapes = self._workspace_shapes(*ids.shape)
            workspaces = self._workspaces.take(worker, shapes)
            frozen = self._frozen_values(self._n_trained + number)
            weights = weights * np.float32(1 / n_documents)
            workspaces, *results = self._gradients(
                (*ids.shape, *targets.shape), trainable, workspaces, frozen, ids, targets, weights
            )
            self._workspaces.put(worker, shapes, workspaces)
            return tuple(results)

        results = parallel_map(gradients, enumerate(micro_batches))
        metrics, by_weights, by_vectors = zip(*results, strict=True)
        self._n_trained += len(micro_batches)
        for shape, *looked_up in _group_by_shape(by_vectors):
            self._by_embeddings = self._add_rows(shape, self._by_embeddings, *looked_up)
        updated, self._by_embeddings = self._update(
            (len(micro_batches),), trainable, self._optimizer_state, self._by_embeddings, by_weights
        )
        self._set_updated(updated)

        def result() -> Logs:
            total = sum(float(weights.sum()) for _, _, weights in micro_batches) / n_documents
            loss, n_correct = np.sum([np.asarray(pair, float) for pair in metrics], axis=0).tolist()
            return {"loss": loss, "accuracy": n_correct / total if total else 0.0}

        return result

    def update_model(self) -> None:
        """Copy the state to `model`."""
        if self._is_in_model:
            return
        values = [*self._trainable, *self._optimizer_state, *self._frozen]
        for variable, value in zip(self._compile_model(), values, strict=True):
            if not isinstance(value, int):
                variable.assign(value)
        self._is_in_model = True

    def add_to_mean(self, n_before: int) -> None:
        """Add the weights after the last step to their running mean."""
        self._read_model()
        if not n_before:
            self._means = jax.device_put(
                [np.zeros(value.shape, np.float32) for value in self._trainable]
            )
        fraction = np.float32(1 / (n_before + 1))
        self._means = self._update_means((), self._means, self._trainable, fraction)

    def mean_weights(self) -> Weights:
        """Return the mean that `add_to_mean` has computed."""
        means = dict(zip(self._layout.trainable, self._means, strict=True))
        return {
            name: np.array(means[name])[: len(weight)] if name in means else weight
            for name, weight in self.weights().items()
        }

    def finish_training(self) -> None:
        """Release the memory that only training needs."""
        super().finish_training()
        self._trainable, self._frozen, self._optimizer_state = [], [], []
        self._means = []
        self._workspaces = _WorkspacePool()
        self._by_embeddings = None
        self._is_in_model = False

    def release(self) -> None:
        """Release the memory of a network that is not kept, without waiting for the collector."""
        super().release()
        self._compiled_for = None
        for function in self._functions.values():
            function.release()

    def scorer(self, kind: str, weights: Mapping[str, Floats]) -> base.Scorer:
        """Return a function that applies the network with the given weights."""
        function = self._scorers[kind]
        # `device_put` takes longer than to pass an array that JAX reads in place.
        is_on_cpu = platform() == "cpu"
        arrays = {
            name: array if is_on_cpu and is_aligned(array) else jax.device_put(array)
            for name, array in self._padded(weights).items()
        }
        return lambda ids: np.asarray(function(ids.shape, arrays, ids))

    def input_gradient(self, weights: Mapping[str, Floats]) -> base.InputGradient:
        """Return a function that differentiates scores with respect to the embedding matrix."""
        others = jax.device_put({name: w for name, w in weights.items() if name != EMBEDDINGS})

        def gradient(matrix: Floats, ids: Ids, output_weights: Floats) -> tuple[Floats, Floats]:
            scores, by_matrix = self._input_gradient(ids.shape, others, matrix, ids, output_weights)
            return np.asarray(scores), np.asarray(by_matrix)

        return gradient

    def _padded(self, weights: Mapping[str, Floats]) -> Weights:
        """Return the weights with rows of zeros up to the size of `spec`."""
        n_rows = self.spec.vocab_size
        padded = {
            name: pad_rows(weights[name], n_rows) if name in specs.BY_ROW else weights[name]
            for name in self._layout.names
        }
        return {name: np.asarray(array, np.float32) for name, array in padded.items()}

    def _read_model(self) -> None:
        """Take over the state from the model, if callbacks may have changed it."""
        if not self._is_in_model:
            return
        self._is_in_model = False
        n_frozen = len(self._frozen)
        variables = self._compile_model()
        n_updated = len(variables) - n_frozen
        self._set_updated([variable.value for variable in variables[:n_updated]])
        self._frozen = [
            value if isinstance(value, int) else variable.value
            for variable, value in zip(variables[n_updated:], self._frozen, strict=True)
        ]

    def _set_updated(self, values: list[Array]) -> None:
        n_trainable = len(self._trainable)
        self._trainable, self._optimizer_state = values[:n_trainable], values[n_trainable:]

    def _frozen_values(self, n_before: int) -> list[Array | Ids]:
        """Return the frozen weights, and dropout states for one micro-batch."""
        dtype, n_drawn = self._layout.seed_dtype, n_before * _MAX_DRAWS
        return [
            np.array([self._dropout_seeds[value], n_drawn], dtype)
            if isinstance(value, int)
            else value
            for value in self._frozen
        ]

    def _set_training_spec(self, training_spec: TrainingSpec) -> None:
        """Choose the functions of the training step."""
        before = self.training_spec
        self.training_spec = training_spec
        self._optimizer = _OptimizerLayout(
            *recall(self._read_optimizer_layout, "optimizer", self.spec, training_spec)
        )
        smoothing = training_spec.label_smoothing
        if before is None or before.label_smoothing != smoothing:
            self._gradients = self._compiled(
                "gradients", (self.spec, smoothing), self._make_gradient_function, donate=(1,)
            )
        # Networks with the same weights share the update, even if their losses or dropout differ.
        if before is None or replace(before, label_smoothing=smoothing) != training_spec:
            self._update = self._compiled(
                "update",
                (replace(training_spec, label_smoothing=0.0), self._layout.trainable),
                self._make_update_function,
                donate=(0, 1, 2),
                one_core=False,
            )

    def _compile_model(self) -> list[keras.Variable]:
        """Compile the Keras model for `training_spec`.

        Returns
        -------
        variables : list of keras.Variable
            The trainable weights, the variables of the optimizer, and the frozen variables.
        """
        if self._compiled_for != self.training_spec and self.training_spec is not None:
            self._compile(self.training_spec)
            self._compiled_for = self.training_spec
        model, frozen = self.model, self._built.frozen
        return [*model.trainable_variables, *model.optimizer.variables, *frozen]

    def _read_layout(self) -> dict[str, Any]:
        """Return the fields of `_Layout` for the Keras model."""
        model, frozen = self.model, self._built.frozen
        names = {id(variable): name for name, variable in self._built.variables.items()}
        numbers = {id(variable): n for n, variable in enumerate(self._built.dropout_states)}
        layers = _lstm_layers(model)
        # On other devices, the fast loop neither uses workspaces nor skips padding at the start.
        is_fast = [platform() == "cpu" and layer.has_fast_loop for layer in layers]
        return {
            "names": list(self._built.variables),
            "trainable": [names[id(variable)] for variable in model.trainable_variables],
            "frozen": [names.get(id(v), numbers.get(id(v))) for v in frozen],
            "seed_dtype": next((str(v.dtype) for v in self._built.dropout_states), ""),
            "loops": [
                (int(layer.cell.kernel.shape[0]), int(layer.units))
                for layer, has_loop in zip(layers, is_fast, strict=True)
                if has_loop
            ],
            "skips_padding": all(is_fast) and self.spec.mask_padding and self.spec.width is None,
        }

    def _read_optimizer_layout(self) -> tuple[Any, ...]:
        """Return the fields of `_OptimizerLayout` for the optimizer of the Keras model."""
        self._compile_model()
        optimizer = self.model.optimizer
        initial = []
        for value in self._initial_optimizer_state:
            first = value.ravel()[:1].tolist()
            if not np.all(value == first):
                raise ValueError(f"{optimizer.name} has initial values that are not constant.")
            initial.append((list(value.shape), str(value.dtype), first[0] if first else 0.0))
        # Not from `optimizer.learning_rate`, which is the value and not the variable.
        names = [variable.name for variable in optimizer.variables]
        return initial, names.index("learning_rate")

    def _compiled(
        self,
        name: str,
        settings: object,
        make: Callable[[], JaxFunction],
        donate: tuple[int, ...] = (),
        *,
        one_core: bool = True,
    ) -> CompiledFunction:
        """Return a function that is compiled when it is needed.

        It is determined by its name, settings, and the shapes of its arguments.
        """
        function = CompiledFunction(
            make, (name, settings), self._tracing, donate, one_core=one_core
        )
        self._functions[name] = function
        return function

    def _make_score_function(self, kind: str) -> JaxFunction:
        built = self._built
        return _score_function(built.models[kind], built.variables)

    def _make_gradient_function(self) -> JaxFunction:
        assert self.training_spec is not None
        loss = self._loss(self.training_spec, "sum")
        place = self._layout.embeddings_at
        return _gradient_function(self.model, self.spec, place, loss, self._is_correct)

    def _make_update_function(self) -> JaxFunction:
        self._compile_model()
        return _update_function(self.model.optimizer, self._layout.embeddings_at)


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
        return jax.device_put([tuple(map(empty, layer)) for layer in shapes])

    def put(self, worker: int, shapes: WorkspaceShapes, workspaces: Workspaces) -> None:
        """Keep buffers for reuse, unless the pool is full."""
        with self._lock:
            if self._n_bytes + _n_bytes(shapes) <= _MAX_WORKSPACE_BYTES:
                self._n_bytes += _n_bytes(shapes)
                self._free[worker, shapes] = workspaces


def _score_function(model: keras.Model, variables: Mapping[str, keras.Variable]) -> JaxFunction:
    """Return a pure function from weights by name and ids to the outputs of a model."""
    names = {id(variable): name for name, variable in variables.items()}

    def score(weights: Mapping[str, Array], ids: Array) -> Array:
        trainable = [weights[names[id(v)]] for v in model.trainable_variables]
        frozen = [
            weights[names[id(v)]] if id(v) in names else jnp.zeros(v.shape, v.dtype)
            for v in model.non_trainable_variables
        ]
        outputs, _ = model.stateless_call(trainable, frozen, ids, training=False)
        return outputs

    return score


def _input_gradient_function(logits_of: JaxFunction) -> JaxFunction:
    """Return a pure function that computes scores and their gradient by the embedding matrix."""

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
        and document weights. Returns the workspace buffers, an array of the loss and the total
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
        return workspaces, jnp.stack([total, n_correct]), by_others, by_looked_up

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
    import keras

    from sklstm._network.layers import FastLSTM

    layers = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.Bidirectional):
            layers += [layer.forward_layer, layer.backward_layer]
        elif isinstance(layer, FastLSTM):
            layers.append(layer)
    return layers

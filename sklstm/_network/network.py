"""Network: a Keras model with the operations needed for training, prediction and inspection."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklstm._network import spec as specs
from sklstm._network.aligned import pad_rows
from sklstm._network.spec import EMBEDDINGS, Floats, Ids, NetworkSpec, TrainingSpec, Weights
from sklstm._runtime import ParallelMap, keras, to_device

if TYPE_CHECKING:
    from keras import KerasTensor

    Score = Callable[[], KerasTensor]

#: Token ids, targets and document weights of a micro-batch.
MicroBatch = tuple[Ids, Floats, Floats]
#: Values by name, such as "loss" and "accuracy".
Logs = dict[str, float]
Scorer = Callable[[Ids], Floats]
#: Maps an embedding matrix, ids and output weights to scores and their gradient by the matrix.
InputGradient = Callable[[Floats, Ids, Floats], tuple[Floats, Floats]]
OptimizerState = list[NDArray[np.generic]]


class BaseNetwork(ABC):
    """Interface of a network to the training loop and the classifiers.

    Attributes
    ----------
    skips_padding : bool
        Whether time steps that are padding in all documents take almost no time.
    is_thread_safe : bool
        Whether several threads may use `scorer` at the same time, also during training.
    divergence_remedy : str
        Advice in the error for a loss that is not finite.
    """

    skips_padding = False
    is_thread_safe = False
    divergence_remedy: str

    def __init__(self) -> None:
        self._mean_weights: Weights = {}

    @property
    @abstractmethod
    def model(self) -> keras.Model:
        """The Keras model."""

    @abstractmethod
    def weights(self) -> Weights:
        """Return a copy of the weights by name."""

    @abstractmethod
    def load(self, weights: Mapping[str, Floats]) -> None:
        """Set the weights from arrays by name."""

    @abstractmethod
    def scorer(self, kind: str, weights: Mapping[str, Floats]) -> Scorer:
        """Return a function that applies the network with the given weights to token ids."""

    @abstractmethod
    def train_on_batch(
        self, micro_batches: Sequence[MicroBatch], n_documents: int, parallel_map: ParallelMap
    ) -> Callable[[], Logs]:
        """Run one optimizer step, possibly in the background.

        Parameters
        ----------
        micro_batches : sequence of tuple of ndarray
            Ids ``(n_rows, width)``, targets ``(n_rows, n_outputs)`` and weights ``(n_rows,)`` of
            documents. Each micro-batch is filled up with rows of weight 0 after its documents.
        n_documents : int
            Number of documents in the batch, by which the sum of the losses is divided.
        parallel_map : callable
            As provided by `sklstm._runtime.worker_threads`.

        Returns
        -------
        result : callable
            Function without arguments that waits for the step, and returns the loss and metrics of
            the batch, computed before the update.
        """

    def micro_batch_rows(self, mean_length: float) -> int | None:
        """Return the preferred rows per micro-batch; None to compute a batch as a whole.

        Parameters
        ----------
        mean_length : float
            Mean tokens per document.
        """
        return None

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the step size of the optimizer from the next step on."""
        self.model.optimizer.learning_rate = learning_rate

    def optimizer_state(self) -> OptimizerState:
        """Return a copy of the variables of the optimizer."""
        return [to_numpy(variable) for variable in self.model.optimizer.variables]

    def add_to_mean(self, n_before: int) -> None:
        """Add the weights after the last step to their running mean.

        Parameters
        ----------
        n_before : int
            Number of weights in the mean so far; 0 starts a new mean.
        """
        if not n_before:
            self._mean_weights = {}
        for name, weight in self.weights().items():
            # Dropout states are integers and have no mean.
            if weight.dtype.kind == "f":
                mean = self._mean_weights.setdefault(name, np.zeros_like(weight))
                mean += (weight - mean) / (n_before + 1)

    def mean_weights(self) -> Weights:
        """Return the mean that `add_to_mean` has computed."""
        return self._mean_weights

    def update_model(self) -> None:  # noqa: B027
        """Copy the state after the last step to `model`, if it is stored elsewhere."""

    def finish_training(self) -> None:
        """Release the memory that only training needs."""
        self._mean_weights = {}


class _Built(NamedTuple):
    """A Keras model.

    Attributes
    ----------
    models : dict of str to keras.Model
        The models from ids to "logits" and to "document_vectors". Both use the same layers.
    variables : dict of str to keras.Variable
        The weights by name.
    dropout_states : list of keras.Variable
        The states of the dropout layers.
    frozen : list of keras.Variable
        The variables that are not trained, including the states of the dropout layers.
    """

    models: dict[str, keras.Model]
    variables: dict[str, keras.Variable]
    dropout_states: list[keras.Variable]
    frozen: list[keras.Variable]


class Network(BaseNetwork):
    """Network of a spec, trained and scored by Keras on any backend.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture. `model` maps ids ``(n, width)`` to logits ``(n, n_outputs)``.

    Attributes
    ----------
    vocab_size : int
        Number of rows of the embedding matrix in use, at most that of `spec`. The other rows are
        zero, are not used by any id, and are not part of `weights`.
    training_spec : TrainingSpec or None
        The settings with which `model` is compiled.
    """

    divergence_remedy = "Lower learning_rate, set clipnorm=1.0, or keep activation='tanh'."

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.spec = spec
        self.vocab_size = spec.vocab_size
        self.training_spec: TrainingSpec | None = None
        self._dropout_seeds: list[int] = []
        self._initial_optimizer_state: OptimizerState = []

    @property
    def model(self) -> keras.Model:
        """The Keras model from ids to logits."""
        return self._built.models["logits"]

    @cached_property
    def _built(self) -> _Built:
        from sklstm._network.build import build_models

        model, encoder = build_models(self.spec, stock=False)
        weights = {id(variable) for variable in model.weights}
        # The variables are determined before compiling, which adds those of the metrics.
        return _Built(
            {"logits": model, "document_vectors": encoder},
            named_weights(model),
            [variable for variable in model.variables if id(variable) not in weights],
            model.non_trainable_variables,
        )

    @property
    def weight_shapes(self) -> specs.Shapes:
        """Shape of each weight by name."""
        shapes = {name: tuple(variable.shape) for name, variable in self._built.variables.items()}
        of_rows = specs.BY_ROW & shapes.keys()
        return shapes | {name: (self.vocab_size, *shapes[name][1:]) for name in of_rows}

    def weights(self) -> Weights:
        """Return a copy of the weights by name."""
        weights = {name: to_numpy(variable) for name, variable in self._built.variables.items()}
        of_rows = specs.BY_ROW & weights.keys()
        return weights | {name: weights[name][: self.vocab_size] for name in of_rows}

    def load(self, weights: Mapping[str, Floats]) -> None:
        """Set the weights from arrays by name."""
        for name, variable in self._built.variables.items():
            variable.assign(to_device(pad_rows(weights[name], variable.shape[0])))

    def prepare_training(
        self, training_spec: TrainingSpec, learning_rate: float, dropout_seed: int
    ) -> None:
        """Reset the optimizer and dropout to the state before any training.

        Parameters
        ----------
        training_spec : TrainingSpec
            Settings of the training step. The network is compiled only if they have changed.
        learning_rate : float
            Step size of the optimizer.
        dropout_seed : int
            Seed of all dropout masks.
        """
        if training_spec != self.training_spec:
            self._compile(training_spec)
        variables = self.model.optimizer.variables
        for variable, value in zip(variables, self._initial_optimizer_state, strict=True):
            variable.assign(to_device(value))
        self.model.optimizer.learning_rate = learning_rate
        self._draw_dropout_seeds(dropout_seed, len(self._built.dropout_states))
        for variable, seed in zip(self._built.dropout_states, self._dropout_seeds, strict=True):
            variable.assign(to_device(np.array([seed, 0], dtype=variable.dtype)))
        self.model.stop_training = False

    def _draw_dropout_seeds(self, dropout_seed: int, n_states: int) -> None:
        seeds = np.random.SeedSequence(dropout_seed).generate_state(n_states)
        # Keras stores seeds in 32 bits, on torch with a sign.
        self._dropout_seeds = (seeds // 2).tolist()

    def release(self) -> None:
        """Release the memory of a network that is not kept, without waiting for the collector."""
        self.__dict__.pop("_built", None)

    def load_optimizer_state(self, state: OptimizerState) -> None:
        """Set the variables of the optimizer, except the learning rate.

        The state of a network with fewer tokens is padded with zeros.
        """
        learning_rate = float(self.model.optimizer.learning_rate)
        for variable, value in zip(self.model.optimizer.variables, state, strict=True):
            padded = pad_rows(value, variable.shape[0]) if value.ndim else value
            variable.assign(to_device(padded))
        self.model.optimizer.learning_rate = learning_rate

    def train_on_batch(
        self, micro_batches: Sequence[MicroBatch], n_documents: int, parallel_map: ParallelMap
    ) -> Callable[[], Logs]:
        """Run one optimizer step on the only micro-batch."""
        ((ids, targets, weights),) = micro_batches
        self.model.reset_metrics()
        # Keras divides by the number of rows.
        weights = weights * np.float32(len(ids) / n_documents)
        logs = self.model.train_on_batch(ids, targets, sample_weight=weights, return_dict=True)
        return lambda: as_floats(logs)

    def scorer(self, kind: str, weights: Mapping[str, Floats]) -> Scorer:
        """Return a function that applies the network with the given weights.

        Parameters
        ----------
        kind : {"logits", "document_vectors"}
            Result of the function.
        weights : mapping of str to ndarray of float32
            As in `load`.

        Returns
        -------
        function : callable
            Maps ids ``(n, width)`` to logits ``(n, n_outputs)`` or vectors ``(n, vector_size)``.
        """
        self.load(weights)
        model = self._built.models[kind]
        return lambda ids: np.asarray(model.predict_on_batch(ids))

    def input_gradient(self, weights: Mapping[str, Floats]) -> InputGradient:
        """Return a function that differentiates scores with respect to the embedding matrix.

        If each position of each document has its own row of the matrix, the gradient with respect
        to this row is the gradient with respect to the vector at this position.

        Parameters
        ----------
        weights : mapping of str to ndarray of float32
            As in `load`; the embeddings in it are ignored. The embeddings of the network must be
            trainable.

        Returns
        -------
        gradient : callable
            Maps an embedding matrix with ``spec.vocab_size`` rows, ids ``(n_rows, width)`` and the
            weights of the outputs in the score ``(n_rows, n_outputs)`` to the scores ``(n_rows,)``
            and the gradient of their sum with respect to the matrix.
        """
        self.load({**weights, EMBEDDINGS: weights[EMBEDDINGS][:0]})
        embeddings = self._built.variables[EMBEDDINGS]
        on_torch = keras.backend.backend() == "torch"
        differentiate = _torch_gradient if on_torch else _tensorflow_gradient

        def gradient(matrix: Floats, ids: Ids, output_weights: Floats) -> tuple[Floats, Floats]:
            embeddings.assign(matrix)

            def score() -> KerasTensor:
                logits = self.model(ids, training=False)
                return keras.ops.sum(logits * keras.ops.convert_to_tensor(output_weights), axis=1)

            return differentiate(score, embeddings.value)

        return gradient

    def _compile(self, training_spec: TrainingSpec) -> None:
        clipnorm, weight_decay = training_spec.clipnorm, training_spec.weight_decay or None
        config = {"clipnorm": clipnorm, "weight_decay": weight_decay}
        optimizer = keras.optimizers.get({"class_name": training_spec.optimizer, "config": config})
        if weight_decay:
            optimizer.exclude_from_weight_decay(var_names=["bias"])
        _use_numpy_zeros(optimizer)
        optimizer.build(self.model.trainable_variables)
        self._initial_optimizer_state = [to_numpy(variable) for variable in optimizer.variables]
        loss = self._loss(training_spec, "sum_over_batch_size")
        metric = keras.metrics.MeanMetricWrapper(self._is_correct, name="accuracy")
        self.model.compile(optimizer, loss=loss, weighted_metrics=[metric])
        self.training_spec = training_spec

    def _loss(self, training_spec: TrainingSpec, reduction: str) -> keras.losses.Loss:
        from sklstm._network.layers import LabelLoss, MultiHeadLoss

        smoothing = training_spec.label_smoothing
        if self.spec.output_activation == "softmax":
            loss = keras.losses.CategoricalCrossentropy(
                from_logits=True, label_smoothing=smoothing, reduction=reduction
            )
        else:
            loss = LabelLoss(smoothing, reduction)
        return MultiHeadLoss(loss) if self.spec.ngrams else loss

    def _is_correct(self, targets: KerasTensor, scores: KerasTensor) -> KerasTensor:
        """Return whether the class, or all labels, of each row are predicted correctly."""
        from sklstm._network.layers import split_heads

        ops = keras.ops
        if self.spec.ngrams:
            scores = sum(split_heads(scores))
        targets, _ = specs.split_targets(targets, self.spec.n_outputs)
        if self.spec.output_activation == "softmax":
            return ops.equal(ops.argmax(targets, axis=-1), ops.argmax(scores, axis=-1))
        return ops.all(ops.equal(targets > 0.5, scores > 0.0), axis=-1)


def named_weights(model: keras.Model) -> dict[str, keras.Variable]:
    """Return the weights of a model from `build_models` by their names in ``weights_``.

    A name is the path of the weight, such as ``"lstm_1/kernel"``.
    """

    def name(path: str) -> str:
        """Remove the parts that Keras adds to the path of a variable."""
        return re.sub(r"/(forward|backward)_\1", r"/\1", path.replace("/lstm_cell", ""))

    return {name(variable.path): variable for variable in model.weights}


def stock_model(spec: NetworkSpec, weights: Mapping[str, Floats]) -> keras.Model:
    """Return a model of standard Keras layers with the given weights, from ids to probabilities."""
    from sklstm._network.build import build_models

    model, _ = build_models(spec, stock=True, has_ngram_ids=specs.NGRAM_IDS in weights)
    for name, variable in named_weights(model).items():
        variable.assign(weights[name])
    return model


def to_numpy(variable: keras.Variable) -> NDArray[Any]:
    """Return a copy of a variable as an array."""
    # For the variable itself instead of its value, numpy would issue a DeprecationWarning.
    return np.array(keras.ops.convert_to_numpy(variable.value))


def as_floats(logs: Mapping[str, Any]) -> Logs:
    """Convert the values of logs to Python floats."""
    return {name: float(value) for name, value in logs.items()}


def _use_numpy_zeros(optimizer: keras.optimizers.Optimizer) -> None:
    """Initialize the variables of an unbuilt optimizer with `NumpyZeros`, without compilation."""
    from sklstm._network.layers import NumpyZeros

    add_variable = optimizer.add_variable_from_reference

    def add_variable_from_reference(
        reference_variable: keras.Variable, name: str | None = None, initializer: object = "zeros"
    ) -> keras.Variable:
        initializer = NumpyZeros() if initializer == "zeros" else initializer
        return add_variable(reference_variable, name=name, initializer=initializer)

    optimizer.add_variable_from_reference = add_variable_from_reference


def _tensorflow_gradient(score: Score, matrix: KerasTensor) -> tuple[Floats, Floats]:
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(matrix)
        scores = score()
        total = keras.ops.sum(scores)
    by_matrix = tf.convert_to_tensor(tape.gradient(total, matrix))
    return scores.numpy(), by_matrix.numpy()


def _torch_gradient(score: Score, matrix: KerasTensor) -> tuple[Floats, Floats]:
    import torch

    with torch.enable_grad():
        scores = score()
        (by_matrix,) = torch.autograd.grad(scores.sum(), matrix)
    return keras.ops.convert_to_numpy(scores), keras.ops.convert_to_numpy(by_matrix)

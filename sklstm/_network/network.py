"""A Keras model whose weights, optimizer and dropout can be put into any state."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklstm._network.build import NumpyZeros, build_models
from sklstm._network.initial import EMBEDDINGS as EMBEDDINGS
from sklstm._network.initial import NGRAM_IDS, Weights
from sklstm._network.ngrams import LossOfEach, kinds_of
from sklstm._network.spec import NetworkSpec, TrainingSpec
from sklstm._runtime import keras, to_device

Part = tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]
Scorer = Callable[[NDArray[np.int32]], NDArray[np.float32]]


class Network:
    """The compiled network of a spec: trains, scores, and hands out its weights as arrays.

    Training and scoring are Keras's own here, on any backend.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture.

    Attributes
    ----------
    model : keras.Model
        From ids ``(n, width)`` to logits ``(n, n_outputs)``.
    vocab_size : int
        Rows of the embedding matrix in use, at most those of `spec`. The others are zeros, which
        no id points at, and are not handed out.
    training_spec : TrainingSpec or None
        What `model` is compiled for.
    skips_padding : bool
        Whether steps at which all documents have padding cost next to nothing.
    scores_purely : bool
        Whether several threads may use `scorer` at once, and while the network is trained.
    """

    skips_padding = False
    scores_purely = False

    def __init__(self, spec: NetworkSpec) -> None:
        self.spec = spec
        self.vocab_size = spec.vocab_size
        self.training_spec: TrainingSpec | None = None
        self.model, self._encoder = build_models(spec, scores="logits", initialize=False)
        self._variables = named_weights(self.model)
        # Copied before compiling, which adds the metrics' variables.
        weights = {id(variable) for variable in self.model.weights}
        self._dropout_states = [v for v in self.model.variables if id(v) not in weights]
        self._dropout_seeds: list[int] = []
        self._initial_optimizer_state: list[NDArray[Any]] = []
        self._mean_weights: Weights = {}

    @property
    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each weight by name."""
        shapes = {name: tuple(variable.shape) for name, variable in self._variables.items()}
        return shapes | {EMBEDDINGS: (self.vocab_size, *shapes[EMBEDDINGS][1:])}

    def weights(self) -> Weights:
        """Return a copy of the weights by name."""
        weights = {name: _copied(variable) for name, variable in self._variables.items()}
        return weights | {EMBEDDINGS: weights[EMBEDDINGS][: self.vocab_size]}

    def load(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        """Set the weights from arrays by name."""
        for name, variable in self._variables.items():
            variable.assign(to_device(with_rows(weights[name], variable.shape[0])))

    def prepare_training(
        self, training_spec: TrainingSpec, learning_rate: float, dropout_seed: int
    ) -> None:
        """Put optimizer and dropout into the state of a network never trained before.

        Parameters
        ----------
        training_spec : TrainingSpec
            What the training step is compiled for; an equal one compiles nothing anew.
        learning_rate : float
            Step size of the optimizer.
        dropout_seed : int
            What all dropout masks follow from.
        """
        if training_spec != self.training_spec:
            self._compile(training_spec)
        for variable, value in zip(
            self.model.optimizer.variables, self._initial_optimizer_state, strict=True
        ):
            variable.assign(to_device(value))
        self.model.optimizer.learning_rate = learning_rate
        seeds = np.random.SeedSequence(dropout_seed).generate_state(len(self._dropout_states))
        # Keras holds them in 32 bits, on torch with a sign.
        self._dropout_seeds = (seeds // 2).tolist()
        for variable, seed in zip(self._dropout_states, self._dropout_seeds, strict=True):
            variable.assign(to_device(np.array([seed, 0], dtype=variable.dtype)))
        self.model.stop_training = False

    def optimizer_state(self) -> list[NDArray[Any]]:
        """Return a copy of the optimizer's variables."""
        return [_copied(variable) for variable in self.model.optimizer.variables]

    def load_optimizer_state(self, state: list[NDArray[Any]]) -> None:
        """Set the optimizer's variables, but for the learning rate, which stays as prepared.

        Where the state is of a network with fewer tokens, it is zero for the others.
        """
        learning_rate = float(self.model.optimizer.learning_rate)
        for variable, value in zip(self.model.optimizer.variables, state, strict=True):
            same_rows = with_rows(value, variable.shape[0]) if value.ndim else value
            variable.assign(to_device(same_rows))
        self.model.optimizer.learning_rate = learning_rate

    def part_rows(self, mean_length: float) -> int | None:
        """Return how many rows the parts of a batch are to have; None if it is computed whole.

        Parameters
        ----------
        mean_length : float
            Tokens a document.
        """
        return None

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the step size of the optimizer, from the next step on."""
        self.model.optimizer.learning_rate = learning_rate

    def train_on_batch(
        self, parts: Sequence[Part], n_documents: int, parallel_map: Callable[..., Any]
    ) -> Callable[[], tuple[float, float]]:
        """Take one optimizer step, or have it computed in the background.

        Parameters
        ----------
        parts : sequence of tuple of ndarray
            Ids ``(n_rows, width)``, targets ``(n_rows, n_outputs)`` and weights ``(n_rows,)`` of
            documents; rows of weight 0 are none.
        n_documents : int
            Documents of the batch, by which the sum of the losses is divided.
        parallel_map : callable
            As `sklstm._runtime.worker_threads` gives it.

        Returns
        -------
        result : callable
            Without arguments; gives loss and accuracy of the batch before the step. Waits for the
            gradients if they are not computed yet.
        """
        ((ids, targets, weights),) = parts
        self.model.reset_metrics()
        # Keras divides by the number of rows.
        loss, accuracy = self.model.train_on_batch(
            ids, targets, sample_weight=weights * np.float32(len(ids) / n_documents)
        )
        return lambda: (float(loss), float(accuracy))

    def add_to_mean(self, n_before: int) -> None:
        """Take the weights after the last step into their mean.

        Parameters
        ----------
        n_before : int
            How many it is the mean of so far; it begins anew at 0.
        """
        if not n_before:
            self._mean_weights = {}
        for name, weight in self.weights().items():
            mean = self._mean_weights.setdefault(name, np.zeros_like(weight))
            mean += (weight - mean) / (n_before + 1)

    def mean_weights(self) -> Weights:
        """Return the mean that `add_to_mean` has made."""
        return self._mean_weights

    def update_model(self) -> None:
        """Give `model` the state after the last step, which it need not have before."""

    def finish_training(self) -> None:
        """Let go of memory that only training needs."""
        self._mean_weights = {}

    def scorer(self, kind: str, weights: Mapping[str, NDArray[np.float32]]) -> Scorer:
        """Return a function that applies the network with given weights.

        Parameters
        ----------
        kind : {"logits", "document_vectors"}
            What it is to return.
        weights : mapping of str to ndarray of float32
            As in `load`.

        Returns
        -------
        function : callable
            From ids ``(n, width)`` to scores ``(n, n_outputs)`` or vectors ``(n, n_values)``.
        """
        self.load(weights)
        model = self._part_of_model(kind)
        return lambda ids: np.asarray(model.predict_on_batch(ids))

    def _part_of_model(self, kind: str) -> Any:
        return {"logits": self.model, "document_vectors": self._encoder}[kind]

    def _compile(self, training_spec: TrainingSpec) -> None:
        optimizer = keras.optimizers.get(
            {
                "class_name": training_spec.optimizer,
                "config": {
                    "clipnorm": training_spec.clipnorm,
                    "weight_decay": training_spec.weight_decay or None,
                },
            }
        )
        if training_spec.weight_decay:
            optimizer.exclude_from_weight_decay(var_names=["bias"])
        _let_numpy_make_zeros(optimizer)
        optimizer.build(self.model.trainable_variables)
        self._initial_optimizer_state = [_copied(variable) for variable in optimizer.variables]
        self.model.compile(
            optimizer,
            loss=self._loss(training_spec, "sum_over_batch_size"),
            weighted_metrics=[keras.metrics.MeanMetricWrapper(self._is_right, name="accuracy")],
        )
        self.training_spec = training_spec

    def _loss(self, training_spec: TrainingSpec, reduction: str) -> Any:
        is_softmax = self.spec.output_activation == "softmax"
        loss_class = "CategoricalCrossentropy" if is_softmax else "BinaryCrossentropy"
        loss = getattr(keras.losses, loss_class)(
            from_logits=True, label_smoothing=training_spec.label_smoothing, reduction=reduction
        )
        return LossOfEach(loss) if self.spec.ngrams else loss

    @property
    def _is_right(self) -> Callable[[Any, Any], Any]:
        """Function of targets and logits that tells which rows are predicted right."""
        is_softmax = self.spec.output_activation == "softmax"
        is_right = _is_right_class if is_softmax else _are_right_labels
        if not self.spec.ngrams:
            return is_right
        return lambda targets, scores: is_right(targets, sum(kinds_of(scores)))


def named_weights(model: Any) -> dict[str, Any]:
    """Return the weights of a model of ours by their names in `LSTMTextClassifier.weights_`.

    Parameters
    ----------
    model : keras.Model
        A model from `build_models`.

    Returns
    -------
    variables : dict of str to keras.Variable
        By the path of layers and weight, such as ``"lstm_1/kernel"``.
    """
    return {_weight_name(variable.path): variable for variable in model.weights}


def stock_model(spec: NetworkSpec, weights: Mapping[str, NDArray[np.float32]]) -> Any:
    """Return a keras.Model of stock layers with given weights, from ids to probabilities."""
    model, _ = build_models(
        spec, scores="probabilities", initialize=True, has_ngram_ids=NGRAM_IDS in weights
    )
    for name, variable in named_weights(model).items():
        variable.assign(weights[name])
    return model


def _weight_name(path: str) -> str:
    """Leave what Keras adds out of a variable's path."""
    return re.sub(r"/(forward|backward)_\1", r"/\1", path.replace("/lstm_cell", ""))


def with_rows(array: NDArray[np.float32], n_rows: int) -> NDArray[np.float32]:
    """Return an array as it is, or a matrix with rows of zeros added, up to `n_rows`."""
    missing = n_rows - len(array)
    return np.pad(array, ((0, missing), (0, 0))) if missing else array


def _let_numpy_make_zeros(optimizer: Any) -> None:
    """Keep an optimizer that is not built yet from compiling something for each shape."""
    add_variable = optimizer.add_variable_from_reference

    def add_variable_from_reference(
        reference_variable: Any, name: str | None = None, initializer: Any = "zeros"
    ) -> Any:
        if initializer == "zeros":
            initializer = NumpyZeros()
        return add_variable(reference_variable, name=name, initializer=initializer)

    optimizer.add_variable_from_reference = add_variable_from_reference


def _copied(variable: Any) -> NDArray[Any]:
    return np.array(keras.ops.convert_to_numpy(variable))


def _is_right_class(targets: Any, logits: Any) -> Any:
    """Tell for each row whether the class of the largest score is the true one."""
    ops = keras.ops
    return ops.equal(ops.argmax(targets, axis=-1), ops.argmax(logits, axis=-1))


def _are_right_labels(targets: Any, logits: Any) -> Any:
    """Tell for each row whether all labels are on the right side of a logit of zero."""
    ops = keras.ops
    return ops.all(ops.equal(targets > 0.5, logits > 0.0), axis=-1)

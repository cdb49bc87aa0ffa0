"""CustomNetwork: a Keras model of the user, built by scikeras from routed parameters."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from sklstm._network import network as base
from sklstm._network.network import BaseNetwork, Logs, MicroBatch, to_numpy
from sklstm._network.spec import Floats, Ids, Weights, probabilities
from sklstm._runtime import ParallelMap, ignore_copy_warning, keras, start_backend, to_device

#: Held while the global generators of Python and numpy are seeded, and during predictions, because
#: the compiled functions of Keras are not thread-safe.
LOCK = RLock()

# Probabilities closer to 0 or 1 have no finite logit in float32.
_EPSILON = float(np.finfo(np.float32).eps)


@contextmanager
def _restored_pickling() -> Iterator[None]:
    """Revert the changes to the pickling of Keras classes that importing scikeras makes."""
    patched = (keras.Model, keras.losses.Loss, keras.metrics.Metric, keras.optimizers.Optimizer)
    names = ("__reduce__", "__deepcopy__")
    before = {(owner, name): vars(owner).get(name) for owner in patched for name in names}
    try:
        yield
    finally:
        for (owner, name), method in before.items():
            if method is not None:
                setattr(owner, name, method)
            elif name in vars(owner):
                delattr(owner, name)


with _restored_pickling():
    from scikeras.wrappers import BaseWrapper as BaseWrapper


@contextmanager
def seeded_generators(seed: int) -> Iterator[None]:
    """Seed the global generators, from which Keras draws its seeds, and restore them afterwards."""
    with LOCK:
        python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002


def batch_rows(batch_size: int | None, n_documents: int) -> int:
    """Return the rows of a batch: 32, as in Keras, for None, and all documents for -1."""
    return n_documents if batch_size == -1 else 32 if batch_size is None else int(batch_size)


class _Builder(BaseWrapper):
    """Builds and compiles the model of the user from the parameters of scikeras."""

    optimizer: object
    loss: object
    metrics: object

    def build(self, meta: Mapping[str, object], seed: int) -> keras.Model:
        """Build and compile the model for data with the properties `meta`; `seed` its weights."""
        self._random_state = None  # Seeds are set by this package, not by scikeras.
        self.__dict__.update(meta)
        if isinstance(self.optimizer, keras.optimizers.Optimizer):
            # An optimizer instance can be used for only one model, so create a copy.
            self.optimizer = type(self.optimizer).from_config(self.optimizer.get_config())
        is_sigmoid = meta["output_activation_"] == "sigmoid"
        if self.loss is None:
            self.loss = "binary_crossentropy" if is_sigmoid else "sparse_categorical_crossentropy"
        if self.metrics is None:
            self.metrics = ["accuracy"]
        with seeded_generators(seed):
            self.model_ = self._build_keras_model()
            if not isinstance(self.model_, keras.Model):
                problem = f"model={self.model!r} returned {self.model_!r:.80}"
                raise TypeError(f"{problem}; it must return a keras.Model.")
            self._ensure_compiled_model()
            self.model_(np.ones((1, self.n_features_in_), dtype=np.int32))
        return self.model_


class CustomNetwork(BaseNetwork):
    """A custom Keras model, with the interface of `Network`.

    Parameters
    ----------
    parameters : dict of str to object
        Parameters of scikeras's ``BaseWrapper``, including the routed ones.
    meta : dict of str to object
        Properties of the data, passed to the model function; see `KerasTextClassifier`.
    seed : int
        Seed of the initial weights and of dropout.
    """

    divergence_remedy = "Lower optimizer__learning_rate, or set optimizer__clipnorm=1.0."

    def __init__(
        self, parameters: Mapping[str, object], meta: Mapping[str, Any], seed: int
    ) -> None:
        start_backend()
        super().__init__()
        self._builder, self._meta = _Builder(**parameters), meta
        with ignore_copy_warning():  # Copying an optimizer causes it.
            self._model = self._builder.build(meta, seed)
        self._check_output()

    @property
    def model(self) -> keras.Model:
        """The compiled model of the user."""
        return self._model

    @property
    def n_outputs(self) -> int:
        """Number of outputs of the model."""
        return int(self.model.output_shape[-1])

    def weights(self) -> Weights:
        """Return a copy of all variables by path, including dropout states."""
        return {name: to_numpy(v) for name, v in self._variables()}

    def load(self, weights: Mapping[str, Floats]) -> None:
        """Set the variables from arrays, in the order of `weights`.

        The names are ignored, because Keras numbers layers differently in each model.
        """
        variables = self.model.variables
        shapes = [tuple(variable.shape) for variable in variables]
        if shapes != [array.shape for array in weights.values()]:
            raise ValueError(
                f"model={self._builder.model!r} builds weights of shapes {shapes!s:.200}; they "
                "differ from those that were saved. Load with the function used in fit."
            )
        for variable, array in zip(variables, weights.values(), strict=True):
            variable.assign(array)

    def mean_weights(self) -> Weights:
        """Return the means of the trainable weights, and the current values of the others."""
        trainable = {id(variable) for variable in self.model.trainable_variables}
        return {
            name: self._mean_weights[name] if id(v) in trainable else to_numpy(v)
            for name, v in self._variables()
        }

    def prepare_training(self) -> None:
        """Reset `stop_training`, which a callback may have set in an earlier fit."""
        self.model.stop_training = False

    def load_optimizer_state(self, state: base.OptimizerState) -> None:
        """Set the variables of the optimizer."""
        optimizer = self.model.optimizer
        optimizer.build(self.model.trainable_variables)
        for variable, array in zip(optimizer.variables, state, strict=True):
            variable.assign(array)

    def train_on_batch(
        self, micro_batches: Sequence[MicroBatch], n_documents: int, parallel_map: ParallelMap
    ) -> Callable[[], Logs]:
        """Run one optimizer step on the documents of the only micro-batch."""
        ((ids, targets, weights),) = micro_batches
        if keras.backend.backend() != "jax":  # On JAX, train_on_batch resets the metrics.
            self.model.reset_metrics()
        # Without the rows that fill up the batch, which would affect batch normalization.
        documents = (ids, self._encode(targets), weights)
        x, y, sample_weight = (to_device(array[:n_documents]) for array in documents)
        logs = self.model.train_on_batch(x, y, sample_weight=sample_weight, return_dict=True)
        return lambda: base.as_floats(logs)

    def evaluate(self, ids: Ids, targets: Floats, weights: Floats) -> Logs:
        """Return the loss and metrics on validation data, with the prefix "val_"."""
        size = batch_rows(self._builder.batch_size, len(ids))
        options = {"sample_weight": weights, "batch_size": size, "verbose": 0, "return_dict": True}
        with LOCK:
            logs = self.model.evaluate(ids, self._encode(targets), **options)
        return {f"val_{name}": value for name, value in base.as_floats(logs).items()}

    def scorer(self, kind: str, weights: Mapping[str, Floats]) -> base.Scorer:
        """Return a function that applies the network with its current weights.

        Parameters
        ----------
        kind : {"logits", "probabilities"}
            Result of the function. If the model returns probabilities, logits are computed as
            log-odds for sigmoid outputs, and as logarithms for softmax outputs.
        weights : mapping of str to ndarray
            Weights to load first; empty to keep the current ones.

        Returns
        -------
        function : callable
            Maps ids ``(n, width)`` to an array ``(n, n_outputs)``.
        """
        if weights:
            self.load(weights)
        convert = self._to_logits if kind == "logits" else self._to_probabilities
        return lambda ids: convert(self._predict(ids))

    def make_callbacks(self) -> list[keras.callbacks.Callback]:
        """Return the Keras callbacks for one call of `fit`, with a new instance for each class."""
        self._builder._initialize_callbacks()
        nested = [c if isinstance(c, list) else [c] for c in self._builder._fit_callbacks]
        return [callback for callbacks in nested for callback in callbacks]

    def _variables(self) -> list[tuple[str, keras.Variable]]:
        """Return the variables with their paths, numbered where layers share a path."""
        counts: dict[str, int] = {}
        named = []
        for variable in self.model.variables:
            number = counts[variable.path] = counts.get(variable.path, 0) + 1
            named.append((variable.path if number == 1 else f"{variable.path}_{number}", variable))
        return named

    def _predict(self, ids: Ids) -> Floats:
        size = batch_rows(self._builder.batch_size, len(ids))
        # Pad the rows, because Keras compiles a function for each number of rows.
        is_split = len(ids) > size
        n_rows = -(-len(ids) // size) * size if is_split else 1 << (len(ids) - 1).bit_length()
        padding = np.ones((n_rows - len(ids), ids.shape[1]), ids.dtype)
        with LOCK:
            outputs = self.model.predict(np.concatenate([ids, padding]), batch_size=size, verbose=0)
        return np.asarray(outputs[: len(ids)], dtype=np.float32)

    def _to_probabilities(self, outputs: Floats) -> Floats:
        if self._returns_logits:
            return probabilities(outputs, "sigmoid" if self._is_sigmoid else "softmax")
        if outputs.min() < 0 or outputs.max() > 1:
            raise ValueError(
                f"The network returns values from {outputs.min()} to {outputs.max()}, which are "
                "not probabilities. End it with activation=meta['output_activation_'], or a loss "
                "that has from_logits=True."
            )
        return outputs

    def _to_logits(self, outputs: Floats) -> Floats:
        if self._returns_logits:
            return outputs
        clipped = np.clip(self._to_probabilities(outputs), _EPSILON, 1 - _EPSILON)
        return logit(clipped) if self._is_sigmoid else np.log(clipped)

    @property
    def _is_sigmoid(self) -> bool:
        return self.n_outputs == 1 or self._meta["is_multilabel_"]

    @property
    def _returns_logits(self) -> bool:
        loss = self.model.loss
        return isinstance(loss, keras.losses.Loss) and loss.get_config().get("from_logits", False)

    def _encode(self, targets: Floats) -> Floats | NDArray[np.int64]:
        """Return one-hot targets in the form that the loss needs."""
        loss = self.model.loss
        name = loss if isinstance(loss, str) else getattr(loss, "name", None)
        is_sparse = str(name or getattr(loss, "__name__", "")).lower().startswith("sparse")
        return targets.argmax(axis=1) if is_sparse and self.n_outputs > 1 else targets

    def _check_output(self) -> None:
        """Raise an error if the output of the model does not match the classes."""
        n_classes, shape = len(self._meta["classes_"]), self.model.output_shape
        expected = {n_classes, self._meta["n_output_units_"]}
        is_matrix = not isinstance(shape, list) and len(shape) == 2
        if not is_matrix or shape[1] not in expected:
            found = f"{shape[1]} outputs" if is_matrix else f"an output of shape {shape}"
            raise ValueError(
                f"model={self._builder.model!r} builds a network with {found}, but y has "
                f"{n_classes} classes or labels. Its last layer must be Dense("
                "meta['n_output_units_'], activation=meta['output_activation_'])."
            )

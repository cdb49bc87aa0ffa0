"""Build, train and apply a Keras network of the user's own, with the routing of scikeras."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklstm import _validation
from sklstm._own_data import Documents
from sklstm._runtime import keras
from sklstm._training.batches import Ids
from sklstm._training.progress import ShowProgress
from sklstm._training.scores import probabilities

#: Held while the generators of Python and numpy are not the user's, and while Keras predicts: it
#: makes its compiled functions in ways that threads get in.
LOCK = RLock()


@contextmanager
def _pickling_left_alone() -> Iterator[None]:
    """Undo what the first import of scikeras does to how Keras's classes are pickled."""
    patched = (keras.Model, keras.losses.Loss, keras.metrics.Metric, keras.optimizers.Optimizer)
    names = ("__reduce__", "__deepcopy__")
    before = {(owner, name): vars(owner).get(name) for owner in patched for name in names}
    yield
    for (owner, name), method in before.items():
        if method is not None:
            setattr(owner, name, method)
        elif name in vars(owner):
            delattr(owner, name)


with _pickling_left_alone():
    from scikeras.wrappers import BaseWrapper as BaseWrapper


class Batches(keras.utils.PyDataset):
    """Batches of documents, in an order of our own: that of Keras is drawn from global generators.

    Parameters
    ----------
    arrays : tuple of ndarray
        Of one row a document.
    batch_size : int
        Most documents a batch.
    rng : Generator or None
        Draws the order of each epoch; None for that of the arrays.
    """

    def __init__(
        self, arrays: tuple[NDArray[Any], ...], batch_size: int, rng: np.random.Generator | None
    ) -> None:
        super().__init__()
        self._arrays, self._size, self._rng = arrays, batch_size, rng
        self._order = np.arange(len(arrays[0]))
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self._order) // self._size)

    def __getitem__(self, index: int) -> tuple[NDArray[Any], ...]:
        rows = self._order[index * self._size : (index + 1) * self._size]
        return tuple(array[rows] for array in self._arrays)

    def on_epoch_end(self) -> None:
        """Draw the order of the next epoch."""
        if self._rng is not None:
            self._rng.shuffle(self._order)


class Network:
    """A compiled Keras network, and what scikeras makes of the parameters for it.

    Parameters
    ----------
    parameters : dict of str to object
        Of scikeras's ``BaseWrapper``, routed ones included.
    meta : dict of str to object
        What a function that builds a network may know of the data; of `KerasTextClassifier`.
    seed : int
        Of initial weights and dropout.
    """

    def __init__(self, parameters: Mapping[str, Any], meta: Mapping[str, Any], seed: int) -> None:
        self._wrapper = BaseWrapper(**parameters)
        self._wrapper._random_state = None  # Ours are the generators that it would seed.
        vars(self._wrapper).update(meta)
        if isinstance(self._wrapper.optimizer, keras.optimizers.Optimizer):
            # One that has trained a network belongs to its weights.
            config = self._wrapper.optimizer.get_config()
            self._wrapper.optimizer = type(self._wrapper.optimizer).from_config(config)
        self._meta = meta
        is_sigmoid = meta["output_activation_"] == "sigmoid"
        if self._wrapper.loss is None:
            self._wrapper.loss = (
                "binary_crossentropy" if is_sigmoid else "sparse_categorical_crossentropy"
            )
        if self._wrapper.metrics is None:
            self._wrapper.metrics = ["accuracy"]
        with _generators(seed):
            self.model = self._wrapper._build_keras_model()
            if not isinstance(self.model, keras.Model):
                raise TypeError(
                    f"model={self._wrapper.model!r} returned {self.model!r:.80}; it must return a "
                    "keras.Model."
                )
            self._wrapper.model_ = self.model
            self._wrapper._ensure_compiled_model()
            self.model(np.ones((1, meta["n_features_in_"]), dtype=np.int32))
        self._check_output()

    def train(
        self,
        training: Documents,
        validation: Documents | None,
        *,
        epochs: int,
        batch_size: int | None,
        shuffle: bool,
        seed: int,
    ) -> dict[str, list[float]]:
        """Train, and return values of an epoch by the names that Keras gives them."""
        wrapper = self._wrapper
        wrapper._initialize_callbacks()
        shown = ShowProgress(1 if wrapper.verbose == "auto" else int(wrapper.verbose))
        wrapper._fit_callbacks = [*wrapper._fit_callbacks, shown]
        rng = np.random.default_rng(seed) if shuffle else None
        how: dict[str, Any] = {"validation_data": None, "shuffle": False, "batch_size": None}
        how |= {"validation_batch_size": None, "validation_split": 0.0, "verbose": 0}
        if validation is not None:
            how["validation_data"] = self._batches(validation, "y_val", batch_size, None)
        try:
            with _generators(seed):
                wrapper._fit_keras_model(
                    self._batches(training, "y", batch_size, rng),
                    None,
                    sample_weight=None,
                    warm_start=False,
                    epochs=epochs,
                    initial_epoch=0,
                    **how,
                )
        finally:
            shown.close()
            for callback in wrapper._fit_callbacks:
                for each in callback if isinstance(callback, list) else [callback]:
                    each.set_model(None)  # So that it can be copied and saved without.
        history = {name: [float(v) for v in values] for name, values in wrapper.history_.items()}
        state = [array for array in self.state() if array.dtype.kind == "f"]
        if not all(np.isfinite(array).all() for array in [np.array(history["loss"]), *state]):
            raise ValueError(
                f"The loss is {history['loss'][-1]}: training diverged. Lower "
                "optimizer__learning_rate, or set optimizer__clipnorm=1.0."
            )
        return history

    def probabilities(self, ids: Ids, batch_size: int | None) -> NDArray[np.float32]:
        """Return what the network gives for documents, as probabilities ``(n, n_outputs)``."""
        size = _size(batch_size, len(ids))
        # Each number of documents would be compiled on its own.
        if len(ids) > size:
            n_rows = -(-len(ids) // size) * size
        else:
            n_rows = 1 << (len(ids) - 1).bit_length()
        filled = np.concatenate([ids, np.ones((n_rows - len(ids), ids.shape[1]), ids.dtype)])
        with LOCK:
            outputs = self.model.predict(filled, batch_size=size, verbose=0)[: len(ids)]
        if self._gives_logits:
            is_sigmoid = self._n_outputs == 1 or self._meta["is_multilabel_"]
            return probabilities(outputs, "sigmoid" if is_sigmoid else "softmax")
        if outputs.min() < 0 or outputs.max() > 1:
            raise ValueError(
                f"The network gives numbers from {outputs.min()} to {outputs.max()}, which are no "
                "probabilities. End it with activation=meta['output_activation_'], or compile it "
                "with a loss that has from_logits=True."
            )
        return np.asarray(outputs, dtype=np.float32)

    def state(self) -> list[NDArray[Any]]:
        """Return copies of all variables: weights, and the states of dropout."""
        return _values(self.model.variables)

    def load(self, state: list[NDArray[Any]]) -> None:
        """Set the variables to what `state` returned."""
        variables = self.model.variables
        shapes = [tuple(variable.shape) for variable in variables]
        if shapes != [array.shape for array in state]:
            raise ValueError(
                f"model={self._wrapper.model!r} builds a network with weights of shapes "
                f"{shapes!s:.200}, and not those that were saved. Load with the function that the "
                "classifier was fitted with."
            )
        _assign(variables, state)

    def optimizer_state(self) -> list[NDArray[Any]]:
        """Return copies of the variables of the optimizer."""
        return _values(self.model.optimizer.variables)

    def load_optimizer_state(self, state: list[NDArray[Any]]) -> None:
        """Set the variables of the optimizer."""
        self.model.optimizer.build(self.model.trainable_variables)
        _assign(self.model.optimizer.variables, state)

    @property
    def _n_outputs(self) -> int:
        return int(self.model.output_shape[-1])

    @property
    def _gives_logits(self) -> bool:
        loss = self.model.loss
        return isinstance(loss, keras.losses.Loss) and loss.get_config().get("from_logits", False)

    def _check_output(self) -> None:
        """Refuse a network whose output does not fit the classes."""
        n_classes, shape = len(self._meta["classes_"]), self.model.output_shape
        wanted = {n_classes, self._meta["n_output_units_"]}
        is_matrix = not isinstance(shape, list) and len(shape) == 2
        if not is_matrix or shape[1] not in wanted:
            found = f"{shape[1]} outputs" if is_matrix else f"an output of shape {shape}"
            raise ValueError(
                f"model={self._wrapper.model!r} builds a network with {found}, for y of "
                f"{n_classes} classes or labels. Its last layer must be Dense("
                "meta['n_output_units_'], activation=meta['output_activation_'])."
            )

    def _batches(
        self,
        documents: Documents,
        name: str,
        batch_size: int | None,
        rng: np.random.Generator | None,
    ) -> Batches:
        classes = self._meta["classes_"]
        targets = _validation.encode_labels(documents.labels, classes, self._n_outputs, name)
        loss = self.model.loss
        loss_name = loss if isinstance(loss, str) else getattr(loss, "name", None)
        if str(loss_name or getattr(loss, "__name__", "")).lower().startswith("sparse"):
            targets = targets.argmax(axis=1) if self._n_outputs > 1 else targets
        # Keras divides by the number of documents, not by the sum of their weights.
        weights = documents.weights / documents.weights.mean()
        arrays = (documents.ids, targets, weights.astype(np.float32))
        return Batches(arrays, _size(batch_size, len(documents.ids)), rng)


def _size(batch_size: int | None, n_documents: int) -> int:
    """Return documents a batch: 32, as in Keras, if None, and all of them if -1."""
    return n_documents if batch_size == -1 else 32 if batch_size is None else int(batch_size)


@contextmanager
def _generators(seed: int) -> Iterator[None]:
    """Seed the generators that Keras draws its own seeds from, and put them back afterwards."""
    with LOCK:
        python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002


def _values(variables: list[Any]) -> list[NDArray[Any]]:
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def _assign(variables: list[Any], arrays: list[NDArray[Any]]) -> None:
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)

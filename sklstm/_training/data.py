"""Prepare training data: labels, document weights, validation split; compute metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, compute_sample_weight

from sklstm._network.spec import Floats, Ids, Lengths, Weights
from sklstm._sklearn import check_sample_weight
from sklstm._validation import Labels, check_class_weight

if TYPE_CHECKING:
    import keras

    from sklstm._network.network import BaseNetwork, Logs


@dataclass(frozen=True)
class Documents:
    """Checked documents.

    Attributes
    ----------
    ids : ndarray of int32 of shape (n_documents, width)
        Token ids, as passed to `fit`.
    labels : ndarray of shape (n_documents,) or (n_documents, n_labels)
        Class labels, or a label indicator.
    weights : ndarray of float64 of shape (n_documents,)
        Non-negative document weights.
    """

    ids: Ids
    labels: Labels
    weights: NDArray[np.float64]

    def take(self, rows: NDArray[np.intp]) -> Documents:
        """Return some of the documents."""
        return Documents(self.ids[rows], self.labels[rows], self.weights[rows])

    def normalized_weights(self, name: str) -> Floats:
        """Return the weights divided by their mean.

        Raises
        ------
        ValueError
            If all weights are zero; the message names the data by `name`.
        """
        mean = self.weights.mean()
        if mean == 0:
            raise ValueError(f"All documents of {name} have weight 0; give some a positive weight.")
        return (self.weights / mean).astype(np.float32)


@dataclass(frozen=True)
class TrainingData:
    """The data of one call of `fit` or `partial_fit`.

    Attributes
    ----------
    ids : ndarray of int32 of shape (n_documents, width)
        Token ids of all documents that were passed.
    training : Documents
        Training documents.
    validation : Documents or None
        Validation documents, if there are any.
    rows : ndarray of int or None
        Rows of X that are used for training; None for all rows.
    classes : ndarray of shape (n_classes,)
        Class labels, or the column indices of a label indicator.
    """

    ids: Ids
    training: Documents
    validation: Documents | None
    rows: NDArray[np.intp] | None
    classes: Labels

    @property
    def is_multilabel(self) -> bool:
        """Whether y is a label indicator."""
        return self.training.labels.ndim == 2

    @property
    def n_outputs(self) -> int:
        """Number of network outputs: one for two classes, otherwise one per class or label."""
        return 1 if len(self.classes) == 2 and not self.is_multilabel else len(self.classes)

    @property
    def output_activation(self) -> str:
        """Activation that converts logits to probabilities."""
        return "sigmoid" if self.n_outputs == 1 or self.is_multilabel else "softmax"


@dataclass(frozen=True)
class Examples:
    """Encoded documents for training.

    Attributes
    ----------
    ids : ndarray of int32 of shape (n, width)
        Rows of the embedding matrix. If padding is masked, zeros follow the tokens.
    targets : ndarray of float32 of shape (n, n_outputs)
        1 at the classes of each document, otherwise 0.
    weights : ndarray of float32 of shape (n,)
        Non-negative document weights with mean 1.
    lengths : ndarray of int64 of shape (n,)
        Number of leading ids of each row that the network must process.
    """

    ids: Ids
    targets: Floats
    weights: Floats
    lengths: Lengths


@dataclass(frozen=True)
class TrainingRun:
    """Data, network and functions of a subclass for one call of `fit` or `partial_fit`.

    Attributes
    ----------
    training : Examples
        Training data.
    validation : Examples or None
        Validation data.
    batch_size : int
        Maximum number of documents per step.
    peak_rate : float
        Peak of a one-cycle learning rate.
    optimizer : str
        Name of the optimizer.
    callbacks : list of keras.callbacks.Callback
        Keras callbacks.
    network : context manager
        Provides the network with its initial weights, prepared for training.
    evaluate : callable
        Returns the metrics of the network on the validation data, with the prefix "val_". With
        early stopping, they must include "val_accuracy".
    fitted_attributes : callable
        Takes the weights, which it may modify, and returns additional fitted attributes by name.
    shuffle : bool
        Whether to shuffle the documents in each epoch.
    derived_attributes : dict of str to object
        Attributes that are set after training, but not copied or saved.
    """

    training: Examples
    validation: Examples | None
    batch_size: int
    peak_rate: float
    optimizer: str
    callbacks: list[keras.callbacks.Callback]
    network: AbstractContextManager[BaseNetwork]
    evaluate: Callable[[BaseNetwork, Examples], Logs]
    fitted_attributes: Callable[[Weights], dict[str, Any]]
    shuffle: bool = True
    derived_attributes: dict[str, Any] = field(default_factory=dict)


def draw_seed(random_state: int | np.random.RandomState | None) -> int:
    """Draw a seed; for None, use entropy of the operating system, not numpy's global generator."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    return int(check_random_state(random_state).randint(2**31 - 1))


def document_weights(
    labels: Labels,
    ids: NDArray[np.generic],
    class_weight: dict[object, float] | str | None,
    sample_weight: ArrayLike | None,
) -> NDArray[np.float64]:
    """Return the product of the class weight and the sample weight of each document."""
    checked = check_sample_weight(sample_weight, ids, dtype=np.float64, ensure_non_negative=True)
    weights = _scale(checked)
    if class_weight is None:
        return weights
    check_class_weight(class_weight)
    return weights * _scale(compute_sample_weight(class_weight, labels))


def _scale(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale weights so that sums do not overflow; a power of two causes no rounding."""
    return np.ldexp(weights, -np.frexp(weights.max())[1])


def encode_labels(labels: Labels, classes: Labels, n_outputs: int, name: str = "y") -> Floats:
    """Encode labels as targets of shape ``(n, n_outputs)``: one column if binary, else one-hot.

    Raises
    ------
    ValueError
        If there are labels that are not in `classes`; the message names the data by `name`.
    """
    if labels.ndim == 2:
        if labels.shape[1] != len(classes):
            raise ValueError(f"{name} has {labels.shape[1]} labels, not {len(classes)} as in fit.")
        return labels.astype(np.float32)
    unknown = np.setdiff1d(labels, classes).tolist()
    if unknown:
        raise ValueError(
            f"{name} contains labels that are not among the classes {classes.tolist()}: {unknown}."
        )
    codes = np.searchsorted(classes, labels)
    if n_outputs == 1:
        return codes[:, None].astype(np.float32)
    return np.eye(n_outputs, dtype=np.float32)[codes]


def split_off_validation(
    labels: Labels, validation_fraction: float, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split rows into training and validation rows, stratified unless `labels` is an indicator.

    Raises
    ------
    ValueError
        If a class would have no documents in the training or validation rows.
    """
    rows = np.arange(len(labels))
    stratify = labels if labels.ndim == 1 else None
    too_small = (
        f"validation_fraction={validation_fraction} of {len(labels)} documents leaves {{}} without "
        "documents to validate or train on. Change it, pass X_val, or turn early_stopping off."
    )
    try:
        training, validation = train_test_split(
            rows, test_size=validation_fraction, random_state=seed, stratify=stratify
        )
    except ValueError as error:
        raise ValueError(too_small.format("a class")) from error
    if labels.ndim == 1:
        for part in (training, validation):
            for absent in np.setdiff1d(labels, labels[part]).tolist():
                raise ValueError(too_small.format(f"class {absent!r}"))
    return training, validation


class RunningMeans:
    """Means of the loss and metrics over the documents of an epoch so far."""

    def __init__(self) -> None:
        self.n_documents = 0
        self._sums: dict[str, float] = {}

    def add(self, n_documents: int, logs: Mapping[str, float]) -> None:
        """Add the means over further documents."""
        self.n_documents += n_documents
        for name, value in logs.items():
            self._sums[name] = self._sums.get(name, 0.0) + n_documents * value

    def logs(self) -> dict[str, float]:
        """Return the means over all documents."""
        return {name: total / self.n_documents for name, total in self._sums.items()}


def accuracy(logits: Floats, targets: Floats, weights: Floats, output_activation: str) -> float:
    """Return the weighted accuracy; for multilabel data, all labels must be correct."""
    if output_activation == "softmax":
        is_correct = logits.argmax(axis=1) == targets.argmax(axis=1)
    else:
        is_correct = ((logits > 0) == (targets > 0.5)).all(axis=1)
    return float(np.average(is_correct, weights=weights))


def mean_loss(logits: Floats, targets: Floats, weights: Floats, output_activation: str) -> float:
    """Return the weighted mean cross-entropy in nats; for multilabel data the mean over labels."""
    exact = logits.astype(np.float64)
    if output_activation == "softmax":
        losses = -(targets * log_softmax(exact, axis=1)).sum(axis=1)
    else:
        losses = (np.logaddexp(0.0, exact) - targets * exact).mean(axis=1)
    return float(np.average(losses, weights=weights))

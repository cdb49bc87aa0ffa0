"""Prepare training data: labels, document weights, validation split; compute metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, compute_sample_weight

from sklstm._multilabel import rarest_labels
from sklstm._network.spec import Floats, Ids, Lengths, Weights, split_targets
from sklstm._sklearn import check_sample_weight
from sklstm._validation import ClassWeight, Labels, check_class_weight, check_label_weight

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
        Non-negative document weights: the product of sample weight and class weight.
    sample_weight : ndarray of float64 of shape (n_documents,) or None
        Sample weights alone; None if the user passed none.
    label_weights : ndarray of float32 of shape (n_documents, n_labels) or None
        Additional weights of each label in the loss, from the class weights of multilabel data.
    """

    ids: Ids
    labels: Labels
    weights: NDArray[np.float64]
    sample_weight: NDArray[np.float64] | None = None
    label_weights: Floats | None = None

    def take(self, rows: NDArray[np.intp]) -> Documents:
        """Return some of the documents."""
        given, labeled = self.sample_weight, self.label_weights
        return Documents(
            self.ids[rows],
            self.labels[rows],
            self.weights[rows],
            None if given is None else given[rows],
            None if labeled is None else labeled[rows],
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Documents]) -> Documents:
        """Return the documents of several parts."""

        def join(name: str) -> Any:
            arrays = [getattr(part, name) for part in parts]
            return None if arrays[0] is None else np.concatenate(arrays)

        return cls(**{entry.name: join(entry.name) for entry in fields(cls)})

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
    tokens : ndarray of str objects of shape (n_tokens,), or None
        Token of each id, if X has them.
    """

    ids: Ids
    training: Documents
    validation: Documents | None
    rows: NDArray[np.intp] | None
    classes: Labels
    tokens: NDArray[np.object_] | None = None

    @property
    def all_documents(self) -> Documents:
        """The documents from which the validation documents were split off."""
        parts = self.training, self.validation
        return Documents.concatenate([part for part in parts if part is not None])

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
    targets : ndarray of float32 of shape (n, n_outputs) or (n, 2 * n_outputs)
        1 at the classes of each document, otherwise 0; followed by the weights of the labels, if
        there are any.
    weights : ndarray of float32 of shape (n,)
        Non-negative document weights with mean 1.
    lengths : ndarray of int64 of shape (n,)
        Number of leading ids of each row that the network must process.
    """

    ids: Ids
    targets: Floats
    weights: Floats
    lengths: Lengths

    @property
    def multiplicity(self) -> NDArray[np.float64]:
        """The weights as numbers of documents: the smallest positive weight is one document."""
        return self.weights.astype(np.float64) / self.weights[self.weights > 0].min()


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
    logits : callable
        Returns the logits of the network for the validation data.
    evaluate : callable
        Returns the metrics of the network on the validation data, with the prefix "val_". Takes
        also a function without arguments that returns the logits.
    fitted_attributes : callable
        Takes the weights, which it may modify, and returns additional fitted attributes by name.
    shuffle : bool
        Whether to shuffle the documents in each epoch.
    max_auto_epochs : int
        Maximum number of epochs with ``epochs="auto"``.
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
    logits: Callable[[BaseNetwork, Examples], Floats]
    evaluate: Callable[[BaseNetwork, Examples, Callable[[], Floats]], Logs]
    fitted_attributes: Callable[[Weights], dict[str, Any]]
    shuffle: bool = True
    max_auto_epochs: int = 20
    derived_attributes: dict[str, Any] = field(default_factory=dict)


def draw_seed(random_state: int | np.random.RandomState | None) -> int:
    """Draw a seed; for None, use entropy of the operating system, not numpy's global generator."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    return int(check_random_state(random_state).randint(2**31 - 1))


def weigh_documents(
    ids: Ids, labels: Labels, class_weight: ClassWeight, sample_weight: ArrayLike | None
) -> Documents:
    """Return documents with their weights: the sample weights times the class weights.

    For multilabel data, the class weights apply to the single labels instead of the documents.
    """
    checked = check_sample_weight(sample_weight, ids, dtype=np.float64, ensure_non_negative=True)
    weights, label_weights = _scale(checked), None
    if class_weight is not None and labels.ndim == 2:
        by_label = zip(check_label_weight(class_weight, labels.shape[1]), labels.T, strict=True)
        label_weights = np.stack([compute_sample_weight(*pair) for pair in by_label], axis=1)
        label_weights = label_weights.astype(np.float32)
    elif class_weight is not None:
        check_class_weight(class_weight)
        weights = weights * _scale(compute_sample_weight(class_weight, labels))
    given = None if sample_weight is None else checked
    return Documents(ids, labels, weights, given, label_weights)


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


def prior_logits(examples: Examples, n_outputs: int, output_activation: str) -> Floats:
    """Return the logits of the class frequencies, as initial biases of the output layer.

    With biases of zero, a network of many outputs learns in its first epochs only that most classes
    are rare.

    Parameters
    ----------
    examples : Examples
        Training data.
    n_outputs : int
        Number of outputs.
    output_activation : {"sigmoid", "softmax"}
        Activation that converts logits to probabilities.

    Returns
    -------
    logits : ndarray of float32 of shape (n_outputs,)
        Logarithms of the odds of each output, or of the frequency of each class, of the weighted
        documents. One document is added to each count, so that no logit is infinite.
    """
    targets, label_weights = split_targets(examples.targets, n_outputs)
    weights = examples.multiplicity[:, None]
    if label_weights is not None:
        weights = weights * label_weights
    positive = 1.0 + (weights * targets).sum(axis=0)
    if output_activation == "softmax":
        return np.log(positive / positive.sum()).astype(np.float32)
    negative = 1.0 + (weights * (1.0 - targets)).sum(axis=0)
    return np.log(positive / negative).astype(np.float32)


def split_off_validation(
    labels: Labels, validation_fraction: float, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split rows into training and validation rows, stratified by class.

    Multilabel data are stratified by the rarest label of each document, so that both parts have
    documents of rare labels.

    Raises
    ------
    ValueError
        If a class would have no documents in the training or validation rows.
    """
    rows = np.arange(len(labels))
    stratify = labels if labels.ndim == 1 else rarest_labels(labels)
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
    targets, _ = split_targets(targets, logits.shape[1])
    if output_activation == "softmax":
        is_correct = logits.argmax(axis=1) == targets.argmax(axis=1)
    else:
        is_correct = ((logits > 0) == (targets > 0.5)).all(axis=1)
    return float(np.average(is_correct, weights=weights))


def mean_loss(logits: Floats, targets: Floats, weights: Floats, output_activation: str) -> float:
    """Return the weighted mean cross-entropy in nats; for multilabel data the mean over labels."""
    exact = logits.astype(np.float64)
    targets, label_weights = split_targets(targets, logits.shape[1])
    if output_activation == "softmax":
        losses = -(targets * log_softmax(exact, axis=1)).sum(axis=1)
    else:
        losses = np.logaddexp(0.0, exact) - targets * exact
        losses = (losses if label_weights is None else losses * label_weights).mean(axis=1)
    return float(np.average(losses, weights=weights))

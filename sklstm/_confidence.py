"""Confidence of predictions: calibration error, and accuracy against coverage."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from sklstm._validation import Labels, check_labels

_Doubles = NDArray[np.float64]
_Flags = NDArray[np.bool_]


class CoverageCurve(NamedTuple):
    """Accuracy of the documents whose confidence reaches a threshold.

    Attributes
    ----------
    thresholds : ndarray of float64 of shape (n_thresholds,)
        Minimum confidence, in decreasing order.
    coverage : ndarray of float64 of shape (n_thresholds,)
        Proportion of the documents whose confidence reaches the threshold.
    accuracy : ndarray of float64 of shape (n_thresholds,)
        Proportion of correct predictions among them.
    """

    thresholds: _Doubles
    coverage: _Doubles
    accuracy: _Doubles

    def best(self, accuracy: float) -> int | None:
        """Return the place of the largest coverage with at least this accuracy; None if never."""
        reached = np.flatnonzero(self.accuracy >= accuracy)
        return int(reached[-1]) if len(reached) else None


class ReliabilityBins(NamedTuple):
    """Mean confidence and accuracy of documents of similar confidence.

    Attributes
    ----------
    confidence : ndarray of float64 of shape (n_bins,)
        Mean confidence of the documents in each bin that is not empty.
    accuracy : ndarray of float64 of shape (n_bins,)
        Proportion of correct predictions.
    n_documents : ndarray of int64 of shape (n_bins,)
        Number of documents.
    """

    confidence: _Doubles
    accuracy: _Doubles
    n_documents: NDArray[np.int64]

    @property
    def expected_calibration_error(self) -> float:
        """Mean difference of confidence and accuracy, weighted by documents."""
        gaps = np.abs(self.confidence - self.accuracy)
        return float(np.average(gaps, weights=self.n_documents))


def coverage_curve(confidence: _Doubles, is_correct: _Flags) -> CoverageCurve:
    """Return the accuracy for each number of most confident documents.

    Documents of equal confidence are accepted together.
    """
    order = np.argsort(-confidence, kind="stable")
    decreasing = confidence[order]
    n_correct = np.cumsum(is_correct[order])
    n_accepted = np.arange(1, len(order) + 1)
    is_last = np.append(decreasing[1:] != decreasing[:-1], True)
    n_correct, n_accepted = n_correct[is_last], n_accepted[is_last]
    return CoverageCurve(decreasing[is_last], n_accepted / len(confidence), n_correct / n_accepted)


def reliability_bins(confidence: _Doubles, is_correct: _Flags, n_bins: int) -> ReliabilityBins:
    """Divide the documents into bins of equal width of the confidence, from 0 to 1."""
    bins = np.minimum((confidence * n_bins).astype(np.int64), n_bins - 1)
    n_documents = np.bincount(bins, minlength=n_bins)
    shown = n_documents > 0
    sums = [np.bincount(bins, values, n_bins)[shown] for values in (confidence, is_correct)]
    counts = n_documents[shown]
    return ReliabilityBins(sums[0] / counts, sums[1] / counts, counts)


def evaluate(estimator: BaseEstimator, X: Any, y: Any) -> tuple[Labels, Labels, _Doubles]:
    """Return the true classes, the predicted classes, and the probabilities of the latter.

    Raises
    ------
    TypeError
        If the classifier has no probabilities.
    ValueError
        If the data is multilabel, or y has no label that is a class.
    """
    predicted, confidence = predict_with_confidence(estimator, X)
    true = check_single_label(y, len(predicted))
    check_known_labels(true, estimator.classes_)
    return true, predicted, confidence


def predict_with_confidence(estimator: BaseEstimator, X: Any) -> tuple[Labels, _Doubles]:
    """Return the predicted classes, and their probabilities.

    Raises
    ------
    TypeError
        If the classifier has no probabilities.
    ValueError
        If the classifier is multilabel, or predicts a label that is not in ``classes_``.
    """
    probabilities = class_probabilities(estimator, X)
    predicted, name = np.asarray(estimator.predict(X)), type(estimator).__name__
    if predicted.ndim != 1:
        raise ValueError(
            f"{name} is multilabel, but confidence is defined for one class per document; pass a "
            "classifier of a single label."
        )
    columns = {label: column for column, label in enumerate(estimator.classes_.tolist())}
    codes = [columns.get(label, -1) for label in predicted.tolist()]
    if -1 in codes:
        raise ValueError(
            f"{name} predicts {predicted.tolist()[codes.index(-1)]!r}, which is not in classes_; "
            "pass a classifier that rejects no documents, such as estimator_ of a "
            "SelectiveClassifier."
        )
    return predicted, probabilities[np.arange(len(codes)), codes]


def class_probabilities(estimator: BaseEstimator, X: Any) -> _Doubles:
    """Return the probabilities of the classes, ``(n_documents, n_classes)``.

    Raises
    ------
    TypeError
        If the classifier has no probabilities.
    """
    if not hasattr(estimator, "predict_proba"):
        raise TypeError(
            f"{type(estimator).__name__} has no predict_proba; wrap it in "
            "sklearn.calibration.CalibratedClassifierCV."
        )
    return np.asarray(estimator.predict_proba(X), dtype=np.float64)


def check_single_label(y: Any, n_documents: int, name: str = "y") -> Labels:
    """Return the class of each document.

    Raises
    ------
    ValueError
        If the data is multilabel, or as `check_labels`.
    """
    labels = check_labels(y, n_documents, name)
    if labels.ndim == 2:
        raise ValueError(
            f"{name} is a label indicator, but one class per document is needed; pass the column "
            "of a single label."
        )
    return labels


def check_known_labels(labels: Labels, classes: Labels, name: str = "y") -> None:
    """Raise an error if no label is a class, for example because its type differs.

    Raises
    ------
    ValueError
        If no label is a class.
    """
    found, known = labels.tolist(), classes.tolist()
    if set(found).isdisjoint(known):
        listed = ", ".join(map(repr, known[:10])) + (", ..." if len(known) > 10 else "")
        raise ValueError(
            f"{name} contains no class of the classifier: its first label is {found[0]!r}, and the "
            f"classes are {listed}. Pass labels of the same type and spelling."
        )

"""Decision thresholds of multilabel classifiers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import precision_recall_curve

from sklstm._network.spec import Floats

# Number of positive documents at which the threshold of a label is the mean of its own best
# threshold and the common one. The best threshold of a rare label is too uncertain to be used.
_PRIOR_POSITIVES = 100.0


def choose_thresholds(logits: Floats, indicator: NDArray[Any]) -> NDArray[np.float64]:
    """Choose the probability of each label from which on it is predicted.

    The common threshold maximizes the micro-averaged F1 score, and the threshold of a label its own
    F1 score. The result for a label is their mean in logits; the more documents have the label, the
    greater the weight of its own threshold.

    Parameters
    ----------
    logits : ndarray of float32 of shape (n_documents, n_labels)
        Logits for documents that the network was not trained on.
    indicator : ndarray of shape (n_documents, n_labels)
        1 where a document has a label, else 0.

    Returns
    -------
    thresholds : ndarray of float64 of shape (n_labels,)
        Probabilities; 0.5 if no document has any label.
    """
    has_label = np.asarray(indicator > 0)
    if not has_label.any():
        return np.full(logits.shape[1], 0.5)
    common = _best_threshold(logits.ravel(), has_label.ravel())
    thresholds = np.full(logits.shape[1], common)
    for label, n_positive in enumerate(has_label.sum(axis=0)):
        if n_positive:
            own = _best_threshold(logits[:, label], has_label[:, label])
            thresholds[label] += n_positive / (n_positive + _PRIOR_POSITIVES) * (own - common)
    return np.asarray(expit(thresholds))


def _best_threshold(scores: Floats, is_positive: NDArray[np.bool_]) -> float:
    """Return the threshold with the greatest F1 score, between two scores."""
    precision, recall, bounds = precision_recall_curve(is_positive, scores)
    f1 = 2.0 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    best = int(np.argmax(f1[:-1]))  # The last point has no threshold.
    return float(bounds[max(best - 1, 0) : best + 1].mean())

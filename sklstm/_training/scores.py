"""Logits to probabilities, loss and accuracy, in plain arrays."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_softmax, softmax

from sklstm._training.batches import Floats


def probabilities(logits: Floats, output_activation: str) -> Floats:
    """Return class probabilities ``(n, n_outputs)`` of logits ``(n, n_outputs)``."""
    scores = expit(logits) if output_activation == "sigmoid" else softmax(logits, axis=1)
    return np.asarray(scores, dtype=np.float32)


def accuracy(logits: Floats, targets: Floats, weights: Floats, output_activation: str) -> float:
    """Return the weighted share of documents whose class, or whose every label, is right."""
    if output_activation == "softmax":
        is_right = logits.argmax(axis=1) == targets.argmax(axis=1)
    else:
        is_right = ((logits > 0) == (targets > 0.5)).all(axis=1)
    return float(np.average(is_right, weights=weights))


def mean_loss(logits: Floats, targets: Floats, weights: Floats, output_activation: str) -> float:
    """Return the weighted mean cross-entropy in nats, of several labels the mean over them."""
    exact = logits.astype(np.float64)
    if output_activation == "softmax":
        losses = -(targets * log_softmax(exact, axis=1)).sum(axis=1)
    else:
        losses = (np.logaddexp(0.0, exact) - targets * exact).mean(axis=1)
    return float(np.average(losses, weights=weights))

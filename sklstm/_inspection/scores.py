"""Read documents and scores from any classifier of token ids, and choose classes to explain."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from sklstm._validation import check_ids
from sklstm.classifier import LSTMTextClassifier
from sklstm.sequencer import TextSequencer

# Probabilities closer to 0 or 1 have no log-odds that float32 could tell apart.
_SMALLEST = float(np.finfo(np.float32).eps)


def read_ids(sequencer: TextSequencer | None, classifier: Any, X: Any) -> NDArray[np.int32]:
    """Return documents as rows of token ids.

    Raises
    ------
    TypeError, ValueError
        If X is not what sequencer or classifier take.
    """
    if sequencer is not None:
        X = sequencer.transform(X)
    if isinstance(classifier, LSTMTextClassifier):
        return check_ids(classifier, X)
    return check_array(X, dtype=np.int32, input_name="X")


def tokens_of(
    sequencer: TextSequencer | None, ids: NDArray[np.int32], *, padding: bool = False
) -> list[NDArray[Any]]:
    """Return the tokens of each row, with or without padding: ids if there are no names."""
    names = getattr(sequencer, "tokens_", None)
    kept = [row if padding else row[row != 0] for row in ids]
    return kept if names is None else [names[row] for row in kept]


def class_scores(classifier: Any, ids: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the score of each class ``(n_documents, n_classes)``, a logit or log-odds."""
    if hasattr(classifier, "decision_function"):
        scores = np.asarray(classifier.decision_function(ids), dtype=np.float64)
        return np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores
    shares = np.asarray(classifier.predict_proba(ids), dtype=np.float64)
    shares = np.clip(shares, _SMALLEST, 1 - _SMALLEST)
    return np.log(shares / (1 - shares))


def choose_classes(classifier: Any, scores: NDArray[np.float64], target: Any) -> NDArray[np.int64]:
    """Return for each document the column of `target` in its scores: None for the highest.

    Raises
    ------
    ValueError
        If there is no such class.
    """
    if target is None:
        return scores.argmax(axis=1)
    labels = plain_labels(classifier)
    for code, label in enumerate(labels):
        if np.ndim(label == target) == 0 and bool(label == target):
            return np.full(len(scores), code)
    similar = get_close_matches(str(target), map(str, labels), n=1)
    meant = f"; did you mean {similar[0]!r}?" if similar else "."
    listed = ", ".join(map(repr, labels[:20])) + (", ..." if len(labels) > 20 else "")
    raise ValueError(f"target={target!r:.60} is none of the classes {listed}{meant}")


def plain_labels(classifier: Any) -> list[Any]:
    """Return the classes, as Python's own values where numpy only wraps them."""
    plain = (np.str_, np.bool_, np.number)
    return [c.item() if isinstance(c, plain) else c for c in classifier.classes_]

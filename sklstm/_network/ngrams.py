"""Scores from the n-grams of a document alone, to stand beside those of the LSTM.

Each n-gram has a weight for each class, in a table that it is hashed into [1]_; the sum over a
document, divided by the square root of its length, is a score.

References
----------
.. [1] A. Joulin, E. Grave, P. Bojanowski and T. Mikolov, "Bag of tricks for efficient text
   classification", EACL 2017.
"""

from __future__ import annotations

from typing import Any

from sklstm._network.ngram_table import GAIN, buckets_of
from sklstm._runtime import keras


def ngram_scores(ids: Any, longest: int, n_buckets: int, n_outputs: int) -> Any:
    """Return scores ``(n, n_outputs)`` by the n-grams of documents, in a Keras model.

    Parameters
    ----------
    ids : KerasTensor of int32 of shape (n, width)
        Token ids.
    longest : int
        n-grams of one token, and of up to so many, count.
    n_buckets : int
        Rows of the table.
    n_outputs : int
        Columns of the table.
    """
    ops = keras.ops
    table = keras.layers.Embedding(
        n_buckets, n_outputs, embeddings_initializer="zeros", name="ngrams"
    )
    found = [buckets_of(ids, length, n_buckets, ops) for length in range(1, longest + 1)]
    buckets, is_there = (ops.concatenate(part, axis=1) for part in zip(*found, strict=True))
    counts = ops.cast(is_there, "float32")
    n_tokens = ops.sum(ops.cast(ids > 0, "float32"), axis=1, keepdims=True)
    total = ops.sum(table(buckets) * ops.expand_dims(counts, -1), axis=1)
    # A stock layer whose weights are added to whatever scores there are.
    bias = keras.layers.Embedding(1, n_outputs, embeddings_initializer="zeros", name="ngram_bias")(
        ops.zeros_like(ids[:, 0])
    )
    return total * (GAIN / ops.sqrt(ops.maximum(n_tokens, 1.0))) + bias


class MeanOfScores(keras.layers.Layer):
    """Two kinds of scores: their mean, or while training both, ``(n, 2, n_outputs)``.

    Each kind is to fit the labels by itself. Trained on their mean, the scores that learn faster
    would leave nothing for the others to learn.
    """

    def call(self, scores: list[Any], training: bool = False) -> Any:
        """Return the mean of two arrays ``(n, n_outputs)``, or both while training."""
        both = keras.ops.stack(scores, axis=1)
        return both if training else keras.ops.mean(both, axis=1)


def kinds_of(scores: Any) -> list[Any]:
    """Return what `MeanOfScores` has given: two arrays ``(n, n_outputs)``, or their mean alone."""
    return [scores] if len(scores.shape) == 2 else [scores[:, 0], scores[:, 1]]


class LossOfEach(keras.losses.Loss):
    """The mean loss of both kinds of scores that `MeanOfScores` gives while training, or of one.

    Parameters
    ----------
    loss : keras.losses.Loss
        Of one kind.
    """

    def __init__(self, loss: Any) -> None:
        super().__init__(reduction=loss.reduction)
        self._loss = loss

    def call(self, targets: Any, scores: Any) -> Any:
        """Return the loss of each document."""
        losses = [self._loss.call(targets, kind) for kind in kinds_of(scores)]
        return sum(losses) / len(losses)

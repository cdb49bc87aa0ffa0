"""Integrated gradients of scores with respect to embedding vectors, with adaptive quadrature."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from sklstm._network.spec import (
    EMBEDDINGS,
    OF_LINEAR_MODEL,
    Floats,
    Ids,
    Lengths,
    NetworkSpec,
    Weights,
)
from sklstm._runtime import worker_threads

if TYPE_CHECKING:
    from sklstm._network.network import InputGradient

_Doubles = NDArray[np.float64]
_Ints = NDArray[np.int64]

# Rows of a batch. Each position of a batch has its own row of an embedding matrix.
_BATCH_ROWS = 32
# Maximum number of times that segments are halved.
_MAX_HALVINGS = 16
#: Tolerated error of a sum, as a fraction of the difference of the scores.
TOLERANCE = 0.01
# Differences below this many logits have the tolerance of this difference.
_MIN_DIFFERENCE = 0.1


def integrated_gradients(
    spec: NetworkSpec,
    weights: Weights,
    inputs: Ids,
    lengths: Lengths,
    output_weights: Floats,
    other_differences: _Doubles,
    n_steps: int,
    tolerance: float,
) -> tuple[_Doubles, _Doubles]:
    """Attribute the scores of the LSTM to the embedding vectors of a document.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture. Its n-grams are ignored.
    weights : dict of str to ndarray of float32
        Weights by name.
    inputs, lengths : ndarray of int of shapes (n_documents, width) and (n_documents,)
        Rows of the embedding matrix, and the number of positions of each document, as returned by
        `network_inputs`.
    output_weights : ndarray of float32 of shape (n_documents, n_outputs)
        Weight of each logit in the score.
    other_differences : ndarray of float64 of shape (n_documents,)
        Difference of the n-gram scores, which are attributed separately. The tolerance is relative
        to the total difference.
    n_steps : int
        Initial number of points of the quadrature.
    tolerance : float
        Tolerated error of the sum of a document, as a fraction of the difference of its scores.
        The default of the public functions is `TOLERANCE`.

    Returns
    -------
    values : ndarray of float64 of shape (n_documents, width)
        Contribution of the vector at each position; zero at padding.
    baselines : ndarray of float64 of shape (n_documents,)
        Scores of the LSTM for vectors of zeros.

    Warns
    -----
    ConvergenceWarning
        If the values of a document do not sum to the difference of its scores.
    """
    from sklstm._network.pool import acquire_network
    from sklstm._training.batches import prediction_widths

    # Size of the widest batch: if a network skips padding, the padded width is at least 64 ids and
    # less than twice the width of the documents.
    n_positions = _BATCH_ROWS * 2 * max(32, inputs.shape[1])
    lstm_spec = replace(
        spec, ngrams=0, ngram_buckets=0, ngram_rows=0, token_scores=False, trainable_embeddings=True
    )
    lstm_weights = {name: w for name, w in weights.items() if name not in OF_LINEAR_MODEL}
    with acquire_network(replace(lstm_spec, vocab_size=n_positions + 1)) as network:
        gradient = network.input_gradient(lstm_weights)
        widths = prediction_widths(network, inputs.shape[1])
        settings = (gradient, network.is_thread_safe, network.spec.vocab_size, widths)
        paths = _Paths(*settings, weights[EMBEDDINGS], inputs, lengths, output_weights)
        documents, zeros = np.arange(len(inputs)), np.zeros(len(inputs))
        baselines = paths.weighted_gradients(documents, zeros[:, None], np.zeros(1))[0][:, 0]
        segments = paths.integrate(documents, zeros, zeros + 1, baselines, n_steps)
        differences = segments.end_score - baselines + other_differences
        tolerated = tolerance * np.maximum(np.abs(differences), _MIN_DIFFERENCE)
        for _ in range(_MAX_HALVINGS):
            is_inaccurate = segments.are_inaccurate(tolerated)
            if not is_inaccurate.any():
                break
            halves = paths.halve(segments.take(is_inaccurate), ceil(n_steps / 2))
            segments = segments.take(~is_inaccurate).append(halves)
    values = np.zeros(inputs.shape)
    np.add.at(values, segments.document, segments.values)
    errors = np.bincount(segments.document, segments.errors)
    bad = np.flatnonzero(~(np.abs(errors) <= tolerated))
    if len(bad):
        worst = bad[np.argmax(np.abs(errors[bad]))]
        message = (
            f"The attributions of {len(bad)} of {len(inputs)} documents do not sum to the "
            f"difference of their scores: for document {worst} the error is {errors[worst]:.2g} of "
            f"{differences[worst]:.2g} logits. Raise n_steps."
        )
        # Report the line that calls the public function.
        warnings.warn(message, ConvergenceWarning, stacklevel=5)
    return values, baselines


class _Segments(NamedTuple):
    """Segments of the straight paths from baseline inputs to documents.

    Attributes
    ----------
    document : ndarray of int64 of shape (n_segments,)
        Document of each segment.
    start, end : ndarray of float64 of shape (n_segments,)
        Ends of the segment, from 0 to 1.
    start_score, end_score : ndarray of float64 of shape (n_segments,)
        Scores at the ends.
    values : ndarray of float64 of shape (n_segments, width)
        Integral of the gradients times the vectors.
    """

    document: _Ints
    start: _Doubles
    end: _Doubles
    start_score: _Doubles
    end_score: _Doubles
    values: _Doubles

    @property
    def errors(self) -> _Doubles:
        """Difference of the scores minus the sum of the values."""
        return self.end_score - self.start_score - self.values.sum(axis=1)

    def are_inaccurate(self, tolerance: _Doubles) -> NDArray[np.bool_]:
        """Return a mask of the segments to halve.

        A document is inaccurate if the sum of the absolute errors of its segments exceeds its
        tolerance. Its segments whose error is at least half of the largest error are selected.
        """
        errors = np.abs(self.errors)
        largest = np.zeros(len(tolerance))
        np.maximum.at(largest, self.document, errors)
        exceeds = np.bincount(self.document, errors, len(tolerance)) > tolerance
        return np.asarray(exceeds[self.document] & (errors >= largest[self.document] / 2))

    def take(self, mask: NDArray[np.bool_]) -> _Segments:
        """Return the segments selected by a mask."""
        return _Segments._make(column[mask] for column in self)

    def append(self, others: _Segments) -> _Segments:
        """Return these segments, followed by other segments."""
        return _Segments._make(map(np.concatenate, zip(self, others, strict=True)))


@dataclass(frozen=True)
class _Paths:
    """Straight paths from vectors of zeros to the vectors of documents.

    Attributes
    ----------
    gradient : callable
        As returned by `Network.input_gradient`.
    is_thread_safe : bool
        Whether several threads may call `gradient` at the same time.
    n_rows : int
        Number of rows of the embedding matrix that `gradient` takes.
    widths : ndarray of int64
        Increasing widths of batches.
    matrix : ndarray of float32 of shape (n_tokens, embedding_dim)
        The embeddings of the classifier.
    inputs, lengths, output_weights : ndarray
        As in `integrated_gradients`.
    """

    gradient: InputGradient
    is_thread_safe: bool
    n_rows: int
    widths: NDArray[np.int64]
    matrix: Floats
    inputs: Ids
    lengths: Lengths
    output_weights: Floats

    def halve(self, segments: _Segments, n_steps: int) -> _Segments:
        """Return twice as many segments, each integrated at `n_steps` points."""
        document, start, end, start_score, *_ = segments
        middle = (start + end) / 2
        left = self.integrate(document, start, middle, start_score, n_steps)
        return left.append(self.integrate(document, middle, end, left.end_score, n_steps))

    def integrate(
        self, document: _Ints, start: _Doubles, end: _Doubles, start_score: _Doubles, n_steps: int
    ) -> _Segments:
        """Return segments, integrated at `n_steps` points each."""
        points, weights = np.polynomial.legendre.leggauss(n_steps)
        # The additional last point computes the score at the end of the segment.
        points, weights = np.append((points + 1) / 2, 1.0), np.append(weights / 2, 0.0)
        size = (end - start)[:, None]
        scores, values = self.weighted_gradients(document, start[:, None] + size * points, weights)
        return _Segments(document, start, end, start_score, scores[:, -1], values * size)

    def weighted_gradients(
        self, documents: _Ints, points: _Doubles, weights: _Doubles
    ) -> tuple[_Doubles, _Doubles]:
        """Compute scores on paths, and weighted sums of the gradients times the vectors.

        Parameters
        ----------
        documents : ndarray of int64 of shape (n,)
            Documents of the paths.
        points : ndarray of float64 of shape (n, n_points)
            Points on each path, from 0 to 1.
        weights : ndarray of float64 of shape (n_points,)
            Weights of the gradients at the points.

        Returns
        -------
        scores : ndarray of float64 of shape (n, n_points)
        values : ndarray of float64 of shape (n, width)
        """
        by_length = np.argsort(self.lengths[documents], kind="stable")
        path = np.repeat(by_length, points.shape[1])
        point = np.tile(np.arange(points.shape[1]), len(documents))
        batches = np.array_split(np.arange(len(path)), ceil(len(path) / _BATCH_ROWS))

        def compute(_: int, batch: NDArray[np.int64]) -> tuple[_Doubles, _Doubles]:
            return self._batch_gradients(documents[path[batch]], points[path[batch], point[batch]])

        with worker_threads(len(batches) if self.is_thread_safe else 1) as parallel_map:
            results = parallel_map(compute, batches)
        scores = np.empty(points.shape)
        values = np.zeros((len(documents), self.inputs.shape[1]))
        for batch, (batch_scores, products) in zip(batches, results, strict=True):
            scores[path[batch], point[batch]] = batch_scores
            weighted = products * weights[point[batch], None]
            np.add.at(values[:, : products.shape[1]], path[batch], weighted)
        return scores, values

    def _batch_gradients(self, documents: _Ints, points: _Doubles) -> tuple[_Doubles, _Doubles]:
        """Compute scores ``(n,)``, and gradients times vectors ``(n, n_steps)``.

        There are at most `_BATCH_ROWS` documents; each is evaluated at one point of its path.
        """
        n, n_steps = len(documents), max(1, int(self.lengths[documents].max()))
        # Fill up the batch by repetition.
        documents, points = np.resize(documents, _BATCH_ROWS), np.resize(points, _BATCH_ROWS)
        width = self.widths[np.searchsorted(self.widths, n_steps)]
        rows = np.zeros((_BATCH_ROWS, width), dtype=np.int32)
        rows[:, :n_steps] = self.inputs[documents, :n_steps]
        # Padding that is not masked keeps its vector.
        ids = np.where(rows != 0, np.arange(1, rows.size + 1).reshape(rows.shape), 0)
        vectors = self.matrix[rows]
        scaled = points[:, None, None].astype(np.float32) * vectors
        matrix = np.zeros((self.n_rows, vectors.shape[2]), dtype=np.float32)
        matrix[0] = self.matrix[0]
        matrix[1 : rows.size + 1] = scaled.reshape(rows.size, -1)
        ids = ids.astype(np.int32)
        scores, by_matrix = self.gradient(matrix, ids, self.output_weights[documents])
        gradients = by_matrix[1 : rows.size + 1].reshape(vectors.shape)
        products = np.einsum("rsv,rsv->rs", gradients, vectors, dtype=np.float64) * (rows != 0)
        return scores[:n].astype(np.float64), products[:n, :n_steps]

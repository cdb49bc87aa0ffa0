"""Integrated gradients: follow the scores of documents from vectors of zeros to their own."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from sklstm._network.initial import EMBEDDINGS
from sklstm._network.spec import NetworkSpec
from sklstm._runtime import worker_threads
from sklstm._training.batches import prediction_widths

if TYPE_CHECKING:
    from sklstm._network.gradients import Gradient
    from sklstm._network.network import Network

Ids = NDArray[np.int32]
Weights = Mapping[str, NDArray[np.float32]]
Floats = NDArray[np.float64]

# Rows of a batch. Each place of it has a row of its own in an embedding matrix.
_ROWS = 32
# How often pieces of lines are halved.
_MOST_ROUNDS = 16
# What the values may lack of the difference of the scores: this share of it, or so many logits.
_SHARE, _LOGITS = 0.01, 0.001


def integrated_gradients(
    spec: NetworkSpec,
    weights: Weights,
    inputs: Ids,
    lengths: NDArray[np.int64],
    shares: NDArray[np.float32],
    others: Floats,
    n_steps: int,
) -> tuple[Floats, Floats]:
    """Return what the vector at each place adds to the score of its document by the LSTM.

    Parameters
    ----------
    spec : NetworkSpec
        The network; its scores by n-grams are left out.
    weights : mapping of str to ndarray of float32
        By name.
    inputs, lengths : ndarray of int of shapes (n_documents, width) and (n_documents,)
        Rows of the embedding matrix, and how many must be read, as `network_inputs` gives them.
    shares : ndarray of float32 of shape (n_documents, n_outputs)
        How much each logit counts in the score.
    others : ndarray of float64 of shape (n_documents,)
        What else the score of each document rises by: it counts for how exact values have to be.
    n_steps : int
        Points of the quadrature at first.

    Returns
    -------
    values : ndarray of float64 of shape (n_documents, width)
        Zero at padding.
    baselines : ndarray of float64 of shape (n_documents,)
        The scores by the LSTM of vectors of zeros.

    Warns
    -----
    ConvergenceWarning
        If values do not sum to the difference of the scores.
    """
    from sklstm._network.gradients import gradient_by_vectors
    from sklstm._network.reuse import borrowed_network

    # Networks that skip padding read up to twice the width, and at least 64 ids.
    n_places = _ROWS * 2 * max(32, inputs.shape[1])
    without_ngrams = replace(spec, ngrams=0, ngram_buckets=0, ngram_rows=0)
    of_places = replace(without_ngrams, vocab_size=n_places + 1, trainable_embeddings=True)
    weights = {name: w for name, w in weights.items() if not name.startswith("ngram")}
    with borrowed_network(of_places) as network:
        gradient = gradient_by_vectors(network, weights)
        lines = _Lines(network, gradient, weights[EMBEDDINGS], inputs, lengths, shares)
        every = np.arange(len(inputs))
        zeros = np.zeros(len(inputs))
        baselines = lines.follow(every, zeros[:, None], zeros[:1])[0][:, 0]
        pieces = lines.measured(every, zeros, zeros + 1, baselines, n_steps)
        rises = pieces.last - baselines + others
        allowed = np.maximum(_SHARE * np.abs(rises), _LOGITS)
        for _ in range(_MOST_ROUNDS):
            is_bad = pieces.worst(allowed)
            if not is_bad.any():
                break
            halves = lines.halved(pieces.where(is_bad), ceil(n_steps / 2))
            pieces = pieces.where(~is_bad).joined(halves)
    values = np.zeros(inputs.shape)
    np.add.at(values, pieces.owner, pieces.values)
    lacking = np.bincount(pieces.owner, pieces.lacking).astype(np.float64)
    _check_sums(lacking, rises, allowed)
    return values, baselines


def _check_sums(lacking: Floats, rises: Floats, allowed: Floats) -> None:
    """Warn if values do not sum to what scores rise by."""
    bad = np.flatnonzero(~(np.abs(lacking) <= allowed))
    if not len(bad):
        return
    worst = bad[np.argmax(np.abs(lacking[bad]))]
    warnings.warn(
        f"The attributions of {len(bad)} of {len(rises)} documents do not sum to the difference of "
        f"their scores: document {worst} lacks {lacking[worst]:.2g} of {rises[worst]:.2g} logits. "
        "Raise n_steps.",
        ConvergenceWarning,
        stacklevel=5,
    )


@dataclass(frozen=True)
class _Pieces:
    """Pieces of the lines from vectors of zeros to those of documents.

    Attributes
    ----------
    owner : ndarray of int of shape (n_pieces,)
        Document of each.
    low, high : ndarray of float64 of shape (n_pieces,)
        Where it begins and ends, from 0 to 1.
    first, last : ndarray of float64 of shape (n_pieces,)
        The scores there.
    values : ndarray of float64 of shape (n_pieces, width)
        Integral of the gradients times the vectors.
    """

    owner: NDArray[np.int64]
    low: Floats
    high: Floats
    first: Floats
    last: Floats
    values: Floats

    @property
    def lacking(self) -> Floats:
        """What the values lack of the rise of the score."""
        return self.last - self.first - self.values.sum(axis=1)

    def worst(self, allowed: Floats) -> NDArray[np.bool_]:
        """Tell which pieces to halve, if those of a document lack more than is allowed."""
        lacks = np.abs(self.lacking)
        most = np.zeros(len(allowed))
        np.maximum.at(most, self.owner, lacks)
        is_open = np.bincount(self.owner, lacks, len(allowed)) > allowed
        return is_open[self.owner] & (lacks >= most[self.owner] / 2)

    def where(self, is_kept: NDArray[np.bool_]) -> _Pieces:
        """Return some of the pieces."""
        return _Pieces(*(getattr(self, field.name)[is_kept] for field in fields(self)))

    def joined(self, others: _Pieces) -> _Pieces:
        """Return these and other pieces."""
        return _Pieces(
            *(
                np.concatenate([getattr(self, field.name), getattr(others, field.name)])
                for field in fields(self)
            )
        )


@dataclass(frozen=True)
class _Lines:
    """Straight lines from vectors of zeros to those of documents.

    Attributes
    ----------
    network, gradient
        A network, and its function from `gradient_by_vectors`.
    matrix : ndarray of float32 of shape (n_tokens, n_values)
        Its embeddings.
    inputs, lengths, shares : ndarray
        As in `integrated_gradients`.
    """

    network: Network
    gradient: Gradient
    matrix: NDArray[np.float32]
    inputs: Ids
    lengths: NDArray[np.int64]
    shares: NDArray[np.float32]

    def measured(
        self, owner: NDArray[np.int64], low: Floats, high: Floats, first: Floats, n_steps: int
    ) -> _Pieces:
        """Return pieces whose first scores are known, integrated at `n_steps` points of each."""
        points, weights = np.polynomial.legendre.leggauss(n_steps)
        # The last one is for the score there.
        points, weights = np.append((points + 1) / 2, 1.0), np.append(weights / 2, 0.0)
        widths = high - low
        scores, values = self.follow(owner, low[:, None] + widths[:, None] * points, weights)
        return _Pieces(owner, low, high, first, scores[:, -1], values * widths[:, None])

    def halved(self, pieces: _Pieces, n_steps: int) -> _Pieces:
        """Return twice as many pieces, each integrated at `n_steps` points."""
        owner, middle = pieces.owner, (pieces.low + pieces.high) / 2
        left = self.measured(owner, pieces.low, middle, pieces.first, n_steps)
        return left.joined(self.measured(owner, middle, pieces.high, left.last, n_steps))

    def follow(
        self, documents: NDArray[np.int64], points: Floats, weights: Floats
    ) -> tuple[Floats, Floats]:
        """Return scores at points of lines, and the weighted sum of gradients times vectors.

        Parameters
        ----------
        documents : ndarray of int of shape (n,)
            Whose lines.
        points : ndarray of float64 of shape (n, n_points)
            Of each line, from 0 to 1.
        weights : ndarray of float64 of shape (n_points,)
            Of the gradients there.

        Returns
        -------
        scores : ndarray of float64 of shape (n, n_points)
        values : ndarray of float64 of shape (n, width)
        """
        by_length = np.argsort(self.lengths[documents], kind="stable")
        lines = np.repeat(by_length, points.shape[1])
        numbers = np.tile(np.arange(points.shape[1]), len(documents))
        batches = np.array_split(np.arange(len(lines)), ceil(len(lines) / _ROWS))
        scores = np.empty(points.shape)
        values = np.zeros((len(documents), self.inputs.shape[1]))

        def at_points(_: int, batch: NDArray[np.int64]) -> tuple[Floats, Floats]:
            return self._at_points(documents[lines[batch]], points[lines[batch], numbers[batch]])

        with worker_threads(len(batches) if self.network.scores_purely else 1) as parallel_map:
            for batch, (found, rises) in zip(
                batches, parallel_map(at_points, batches), strict=True
            ):
                scores[lines[batch], numbers[batch]] = found
                weighted = rises * weights[numbers[batch], None]
                np.add.at(values[:, : rises.shape[1]], lines[batch], weighted)
        return scores, values

    def _at_points(self, documents: NDArray[np.int64], points: Floats) -> tuple[Floats, Floats]:
        """Return scores ``(n,)`` and gradients times vectors ``(n, n_steps)`` of up to `_ROWS`."""
        n_rows, n_steps = len(documents), max(1, int(self.lengths[documents].max()))
        widths = prediction_widths(self.network, self.inputs.shape[1])
        width = int(widths[np.searchsorted(widths, n_steps)])
        rows = np.zeros((_ROWS, width), dtype=np.int32)
        rows[:n_rows, :n_steps] = self.inputs[documents, :n_steps]
        # Padding that is read keeps the vector it has.
        ids = np.where(rows != 0, np.arange(1, rows.size + 1).reshape(rows.shape), 0)
        shares = np.zeros((_ROWS, self.shares.shape[1]), dtype=np.float32)
        shares[:n_rows] = self.shares[documents]
        scale = np.zeros((_ROWS, 1, 1), dtype=np.float32)
        scale[:n_rows, 0, 0] = points
        vectors = self.matrix[rows]
        table = np.zeros((self.network.spec.vocab_size, self.matrix.shape[1]), dtype=np.float32)
        table[0] = self.matrix[0]
        table[1 : rows.size + 1] = (scale * vectors).reshape(rows.size, -1)
        scores, by_table = self.gradient(table, ids.astype(np.int32), shares)
        by_place = by_table[1 : rows.size + 1].reshape(vectors.shape)
        rises = np.einsum("rsv,rsv->rs", by_place, vectors, dtype=np.float64)
        return scores[:n_rows].astype(np.float64), (rises * (rows != 0))[:n_rows, :n_steps]

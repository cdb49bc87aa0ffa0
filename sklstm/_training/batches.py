"""Cut documents into batches that carry little padding and come in few shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]
Floats = NDArray[np.float32]

# Batches whose documents are sorted by length together: enough for little padding, few enough for
# batches that differ in every epoch.
_BATCHES_A_POOL = 32
# What compiling one more shape costs, as the token positions trained in that time on a laptop.
_COMPILE_COST = 200_000
# Widths to choose buckets from: close enough to lose little, and the same for similar data sets,
# so that networks compiled for one serve the other.
_WIDTH_RATIO = 1.25
_SMALLEST_WIDTH = 8
_PREDICTION_ROWS = (1, 8, 64)


@dataclass(frozen=True)
class Examples:
    """Documents to learn from.

    Attributes
    ----------
    ids : ndarray of int32 of shape (n, width)
        Token ids. With zeros behind the tokens, if padding is masked.
    targets : ndarray of float32 of shape (n, n_outputs)
        Ones at the classes of each document.
    weights : ndarray of float32 of shape (n,)
        Non-negative, their mean 1.
    lengths : ndarray of int64 of shape (n,)
        Leading ids of each row that the network must read.
    """

    ids: Ids
    targets: Floats
    weights: Floats
    lengths: NDArray[np.int64]


def left_align(ids: Ids) -> tuple[Ids, NDArray[np.int64]]:
    """Move the zeros of each row behind its tokens.

    Parameters
    ----------
    ids : ndarray of int32 of shape (n, width)
        Token ids, 0 for padding.

    Returns
    -------
    aligned : ndarray of int32 of shape (n, width)
        The tokens of each row in their order, then zeros.
    lengths : ndarray of int64 of shape (n,)
        Tokens a row.
    """
    is_token = ids != 0
    lengths = is_token.sum(axis=1)
    aligned = np.zeros_like(ids)
    aligned[np.arange(ids.shape[1]) < lengths[:, None]] = ids[is_token]
    return aligned, lengths


def width_candidates(width: int) -> NDArray[np.int64]:
    """Return rising widths, the last one `width`, each about a quarter above the one before."""
    candidates = [width]
    while candidates[-1] > _SMALLEST_WIDTH:
        candidates.append(max(_SMALLEST_WIDTH, int(candidates[-1] / _WIDTH_RATIO)))
    return np.array(candidates[::-1])


def bucket_widths(lengths: NDArray[np.int64], width: int, n_epochs: int) -> NDArray[np.int64]:
    """Choose the widths that documents are padded to during training.

    The choice minimises padding plus the cost of compiling for each width, by dynamic
    programming over `width_candidates`.

    Parameters
    ----------
    lengths : ndarray of int64 of shape (n,)
        Tokens a document.
    width : int
        Ids a row of the whole data; no bucket is wider.
    n_epochs : int
        How often each document is read.

    Returns
    -------
    widths : ndarray of int64
        Rising; the last one holds the longest document.
    """
    candidates = width_candidates(width)
    candidates = candidates[: np.searchsorted(candidates, lengths.max()) + 1]
    counts = np.bincount(np.searchsorted(candidates, lengths), minlength=len(candidates))
    n_up_to = np.concatenate([[0], np.cumsum(counts)])
    # cost[k]: cheapest way to serve the documents of the first k candidate widths.
    cost = np.zeros(len(candidates) + 1)
    previous = np.zeros(len(candidates) + 1, dtype=int)
    for k in range(1, len(candidates) + 1):
        positions = (n_up_to[k] - n_up_to[:k]) * candidates[k - 1] * n_epochs
        costs = cost[:k] + positions + _COMPILE_COST
        previous[k] = np.argmin(costs)
        cost[k] = costs[previous[k]]
    chosen = []
    k = len(candidates)
    while k > 0:
        chosen.append(candidates[k - 1])
        k = previous[k]
    return np.array(chosen[::-1])


def shuffled_batches(
    lengths: NDArray[np.int64], batch_size: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Deal documents into batches at random, with documents of like length together.

    A permutation is cut into pools of some dozen batches; each pool is sorted by length and cut
    into batches; the batches are shuffled. All batches hold about the same number of documents.

    Parameters
    ----------
    lengths : ndarray of int64 of shape (n,)
        Tokens a document.
    batch_size : int
        Most documents in a batch.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    batches : list of ndarray of int64
        Row numbers; each row is in one batch.
    """
    n_batches = -(-len(lengths) // batch_size)
    parts = np.array_split(rng.permutation(len(lengths)), n_batches)
    batches: list[NDArray[np.int64]] = []
    for start in range(0, n_batches, _BATCHES_A_POOL):
        pooled = parts[start : start + _BATCHES_A_POOL]
        pool = np.concatenate(pooled)
        by_length = pool[np.argsort(lengths[pool], kind="stable")]
        batches += np.array_split(by_length, len(pooled))
    return [batches[i] for i in rng.permutation(n_batches)]


def training_batch(
    examples: Examples, rows: NDArray[np.int64], n_rows: int, widths: NDArray[np.int64]
) -> tuple[Ids, Floats, Floats]:
    """Return ids, targets and weights of some documents, filled up with documents of no weight.

    The weights are scaled so that their mean over all `n_rows` rows, by which Keras divides the
    loss, is that over the real ones.
    """
    ids = _cut(examples.ids, examples.lengths, rows, n_rows, widths)
    targets = np.zeros((n_rows, examples.targets.shape[1]), dtype=np.float32)
    targets[: len(rows)] = examples.targets[rows]
    weights = np.zeros(n_rows, dtype=np.float32)
    weights[: len(rows)] = examples.weights[rows] * (n_rows / len(rows))
    return ids, targets, weights


def in_batches(function: Callable[[Ids], Floats], ids: Ids, lengths: NDArray[np.int64]) -> Floats:
    """Apply a function of ids to documents in batches of like length.

    Parameters
    ----------
    function : callable
        From ids ``(n_rows, width)`` to an array ``(n_rows, n_values)``; called with few different
        shapes.
    ids : ndarray of int32 of shape (n, width)
        Token ids, as in `Examples`.
    lengths : ndarray of int64 of shape (n,)
        As in `Examples`.

    Returns
    -------
    values : ndarray of float32 of shape (n, n_values)
        In the order of the documents.
    """
    widths = width_candidates(ids.shape[1])[::-1][::2][::-1]
    by_length = np.argsort(lengths, kind="stable")
    most = _PREDICTION_ROWS[-1]
    parts = []
    for start in range(0, len(by_length), most):
        rows = by_length[start : start + most]
        n_rows = next(n for n in _PREDICTION_ROWS if n >= len(rows))
        parts.append(function(_cut(ids, lengths, rows, n_rows, widths))[: len(rows)])
    values = np.empty((len(ids), parts[0].shape[1]), dtype=np.float32)
    values[by_length] = np.concatenate(parts)
    return values


def _cut(
    ids: Ids,
    lengths: NDArray[np.int64],
    rows: NDArray[np.int64],
    n_rows: int,
    widths: NDArray[np.int64],
) -> Ids:
    """Return `rows` of `ids` in the smallest of `widths` that holds them, and rows of zeros."""
    width = widths[np.searchsorted(widths, lengths[rows].max())]
    block = np.zeros((n_rows, width), dtype=np.int32)
    block[: len(rows)] = ids[rows, :width]
    return block

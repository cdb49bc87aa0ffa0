"""Batches of documents of similar length, with little padding and few array shapes."""

from __future__ import annotations

from itertools import pairwise
from math import ceil, log2

import numpy as np
from numpy.typing import NDArray

from sklstm._network.network import BaseNetwork, MicroBatch, Scorer
from sklstm._network.spec import Floats, Ids, Lengths
from sklstm._runtime import worker_threads
from sklstm._training.data import Examples

Rows = NDArray[np.int64]
#: Widths in increasing order.
Widths = NDArray[np.int64]
#: Rows of a batch, by length bucket.
Batch = list[Rows]

# Number of batches whose documents are sorted by length together. It is large enough that there is
# little padding, and small enough that the batches differ in every epoch.
_BATCHES_PER_POOL = 32
# Length buckets per batch. With a single bucket, a batch would contain only short or only long
# documents, and training would be less stable if the length correlates with the class.
_BUCKETS_PER_BATCH = 2
# A batch with fewer rows per bucket is not split into micro-batches.
_MIN_ROWS = 16
# Cost of compiling one more shape, as the number of token positions that a laptop trains in the
# same time.
_COMPILE_COST = 400_000
# Cost of a position after the last token, in positions, for a network that skips padding.
_SKIPPED_COST = 0.2
# Ratio of consecutive candidate widths. They are close enough that there is little padding, and the
# same for similar data sets, so that compiled networks can be reused.
_WIDTH_RATIO = 1.25
_MIN_WIDTH = 8
_MIN_SKIPPING_WIDTH = 64
# Rows of the batches in prediction; the largest number is that of a micro-batch, if there is one.
_SMALL_PREDICTION_ROWS, _PREDICTION_ROWS = (1, 8), 64
# A batch of several rows takes as long per step as half as many single documents, but runs to the
# end of its longest document. A few long documents are therefore predicted one by one. Cost of a
# call, in steps of a single document:
_CALL_COST = 60
# Maximum cost of predicting one by one relative to batches. It is more than 1 because single
# documents are distributed more evenly over the cores.
_ONE_BY_ONE_FACTOR = 1.3


def width_candidates(width: int) -> Widths:
    """Return increasing widths up to `width`, each about 1.25 times the previous one."""
    candidates = [width]
    while candidates[-1] > _MIN_WIDTH:
        candidates.append(max(_MIN_WIDTH, int(candidates[-1] / _WIDTH_RATIO)))
    return np.array(candidates[::-1])


def skipping_widths(width: int) -> Widths:
    """Return increasing widths, each twice the previous one; the last one is at least `width`.

    They are used for networks that skip padding. They do not depend on the data, so that the
    compiled functions can be reused for all data sets.
    """
    n_doublings = max(0, ceil(log2(width / _MIN_SKIPPING_WIDTH)))
    return _MIN_SKIPPING_WIDTH * 2 ** np.arange(n_doublings + 1)


def bucket_widths(lengths: Lengths, width: int, n_epochs: int, *, skips_padding: bool) -> Widths:
    """Choose the widths that documents are padded to in training.

    The widths minimize the total cost of padding and compilation. They are selected from
    `width_candidates` or `skipping_widths` by dynamic programming.

    Parameters
    ----------
    lengths : ndarray of int64 of shape (n,)
        Tokens per document.
    width : int
        Ids per row of the data.
    n_epochs : int
        Number of epochs.
    skips_padding : bool
        Whether the network skips padding, which then costs little time.

    Returns
    -------
    widths : ndarray of int64
        Widths in increasing order; the last one fits the longest document.
    """
    candidates = skipping_widths(width) if skips_padding else width_candidates(width)
    candidates = candidates[: np.searchsorted(candidates, lengths.max()) + 1]
    counts = np.bincount(np.searchsorted(candidates, lengths), minlength=len(candidates))
    n_up_to = np.concatenate([[0], np.cumsum(counts)])
    cost_of_position = n_epochs * (_SKIPPED_COST if skips_padding else 1.0)
    # cost[k]: minimal cost of the documents that fit in the first k candidate widths.
    cost = np.zeros(len(candidates) + 1)
    previous = np.zeros(len(candidates) + 1, dtype=int)
    for k in range(1, len(candidates) + 1):
        positions = (n_up_to[k] - n_up_to[:k]) * candidates[k - 1]
        costs = cost[:k] + cost_of_position * positions + _COMPILE_COST
        previous[k] = np.argmin(costs)
        cost[k] = costs[previous[k]]
    chosen = []
    k = len(candidates)
    while k > 0:
        chosen.append(candidates[k - 1])
        k = previous[k]
    return np.array(chosen[::-1])


def shuffled_batches(lengths: Lengths, batch_size: int, rng: np.random.Generator) -> list[Batch]:
    """Divide documents into batches at random, in buckets of similar length.

    A permutation is divided into pools of several dozen batches. Each pool is sorted by length and
    divided into buckets of half a batch; two random buckets form a batch. All batches have about
    the same number of documents.

    Parameters
    ----------
    lengths : ndarray of int64 of shape (n,)
        Tokens per document.
    batch_size : int
        Maximum number of documents in a batch.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    batches : list of list of ndarray of int64
        Row indices by batch and bucket; each row is in exactly one batch.
    """
    n_batches = ceil(len(lengths) / batch_size)
    parts = np.array_split(rng.permutation(len(lengths)), n_batches)
    batches: list[Batch] = []
    for start in range(0, n_batches, _BATCHES_PER_POOL):
        pooled = parts[start : start + _BATCHES_PER_POOL]
        pool = np.concatenate(pooled)
        by_length = pool[np.argsort(lengths[pool], kind="stable")]
        sizes = np.array([len(b) for part in pooled for b in _split(part, _BUCKETS_PER_BATCH)])
        places = rng.permutation(len(sizes))
        buckets = np.split(by_length, np.cumsum(sizes[places])[:-1])
        shuffled = [buckets[i] for i in np.argsort(places)]
        starts = range(0, len(shuffled), _BUCKETS_PER_BATCH)
        batches += [shuffled[i : i + _BUCKETS_PER_BATCH] for i in starts]
    return batches


def ordered_batches(n_documents: int, batch_size: int) -> list[Batch]:
    """Divide documents into batches of about the same size without shuffling."""
    rows = np.arange(n_documents)
    return [[part] for part in np.array_split(rows, ceil(n_documents / batch_size))]


def micro_batch_sizes(max_documents: int, preferred_rows: int | None) -> tuple[int, int]:
    """Return the number of micro-batches per batch, and the rows of each.

    Parameters
    ----------
    max_documents : int
        Documents in the largest batch.
    preferred_rows : int or None
        Preferred rows per micro-batch; None if batches are not split.
    """
    per_bucket = ceil(max_documents / _BUCKETS_PER_BATCH)
    if preferred_rows is None or per_bucket < _MIN_ROWS:
        return 1, _round_up(max_documents)
    n_micro_batches = ceil(per_bucket / preferred_rows)
    return _BUCKETS_PER_BATCH * n_micro_batches, _round_up(per_bucket / n_micro_batches)


def make_micro_batches(
    examples: Examples, batch: Batch, n_micro_batches: int, n_rows: int, widths: Widths
) -> list[MicroBatch]:
    """Return the ids, targets and weights of the micro-batches of a batch.

    Parameters
    ----------
    examples : Examples
        All documents.
    batch : list of ndarray of int64
        Rows of the batch, from `shuffled_batches` or `ordered_batches`.
    n_micro_batches, n_rows : int
        Number of micro-batches and rows per micro-batch, from `micro_batch_sizes`. Micro-batches
        are filled up with empty documents of weight 0.
    widths : ndarray of int64
        Increasing widths; each micro-batch has the smallest width that fits its documents.
    """
    if n_micro_batches == 1:
        split = [np.concatenate(batch)]
    else:
        per_bucket = n_micro_batches // _BUCKETS_PER_BATCH
        split = [rows for bucket in batch for rows in _split(bucket, per_bucket)]
    micro_batches = []
    for rows in split:
        targets = np.zeros((n_rows, examples.targets.shape[1]), dtype=np.float32)
        targets[: len(rows)] = examples.targets[rows]
        weights = np.zeros(n_rows, dtype=np.float32)
        weights[: len(rows)] = examples.weights[rows]
        ids = _padded_block(examples.ids, examples.lengths, rows, n_rows, widths)
        micro_batches.append((ids, targets, weights))
    return micro_batches


def prediction_widths(network: BaseNetwork, width: int) -> Widths:
    """Return increasing widths to which documents of up to `width` ids are padded in prediction."""
    if network.skips_padding:
        return skipping_widths(width)
    return width_candidates(width)[::-1][::2][::-1]


def predict_in_batches(network: BaseNetwork, score: Scorer, ids: Ids, lengths: Lengths) -> Floats:
    """Apply a scorer of a network to documents, in batches of similar length and few shapes.

    Parameters
    ----------
    network : BaseNetwork
        The network that the scorer belongs to.
    score : callable
        Maps ids ``(n_rows, width)`` to an array ``(n_rows, n_outputs)``.
    ids : ndarray of int32 of shape (n, width)
        Token ids, as in `Examples`.
    lengths : ndarray of int64 of shape (n,)
        As in `Examples`.

    Returns
    -------
    values : ndarray of float32 of shape (n, n_outputs)
        Output of the scorer for each document, in the order of the documents.
    """
    widths = prediction_widths(network, ids.shape[1])
    by_length = np.argsort(lengths, kind="stable")
    preferred_rows = network.micro_batch_rows(float(lengths.mean()))
    sizes = *_SMALL_PREDICTION_ROWS, preferred_rows or _PREDICTION_ROWS
    batches = np.array_split(by_length, ceil(len(ids) / sizes[-1]))

    def padded_rows(rows: Rows) -> int:
        return next(n for n in sizes if n >= len(rows))

    if preferred_rows is not None and network.skips_padding and len(ids) > 1:
        cost = sum(_CALL_COST + padded_rows(rows) / 2 * lengths[rows[-1]] for rows in batches)
        if (_CALL_COST + lengths).sum() <= _ONE_BY_ONE_FACTOR * cost:
            batches = np.array_split(by_length, len(ids))

    def score_rows(_: int, rows: Rows) -> Floats:
        return score(_padded_block(ids, lengths, rows, padded_rows(rows), widths))[: len(rows)]

    with worker_threads(len(batches) if network.is_thread_safe else 1) as parallel_map:
        parts = parallel_map(score_rows, batches)
    values = np.empty((len(ids), parts[0].shape[1]), dtype=np.float32)
    values[by_length] = np.concatenate(parts)
    return values


def _padded_block(ids: Ids, lengths: Lengths, rows: Rows, n_rows: int, widths: Widths) -> Ids:
    """Copy rows of ids to a block of `n_rows` rows with the smallest width that fits them."""
    width = widths[np.searchsorted(widths, lengths[rows].max(initial=0))]
    block = np.zeros((n_rows, width), dtype=np.int32)
    n_columns = min(width, ids.shape[1])
    block[: len(rows), :n_columns] = ids[rows, :n_columns]
    return block


def _split(rows: Rows, n: int) -> list[Rows]:
    """Split rows into `n` segments of about the same size; `numpy.array_split` is slow."""
    bounds = [len(rows) * i // n for i in range(n + 1)]
    return [rows[start:end] for start, end in pairwise(bounds)]


def _round_up(n_rows: float) -> int:
    """Round up to a multiple of 8, so that batches of nearly the same size share a shape."""
    return ceil(n_rows / 8) * 8

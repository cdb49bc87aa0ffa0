"""Cut documents into batches that carry little padding and come in few shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, log2
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sklstm._runtime import worker_threads

if TYPE_CHECKING:
    from sklstm._network.network import Network, Part, Scorer

Ids = NDArray[np.int32]
Floats = NDArray[np.float32]
# The rows of a batch.
Groups = list[NDArray[np.int64]]

# Batches whose documents are sorted by length together: enough for little padding, few enough for
# batches that differ in every epoch.
_BATCHES_A_POOL = 32
# Groups of like length that a batch is made of. With one, a batch would be all short or all long
# documents, and training less stable where length tells something about the class.
_GROUPS = 2
# A batch of fewer rows in each group is not worth cutting into parts.
_FEWEST_ROWS = 16
# What compiling one more shape costs, as the token positions trained in that time on a laptop.
_COMPILE_COST = 400_000
# What a position behind the last token of a part costs a network that skips it, in positions.
_SKIPPED_COST = 0.2
# Widths to choose buckets from: close enough to lose little, and the same for similar data sets,
# so that networks compiled for one serve the other.
_WIDTH_RATIO = 1.25
_SMALLEST_WIDTH = 8
_SMALLEST_SKIPPING_WIDTH = 64
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


def skipping_widths(width: int) -> NDArray[np.int64]:
    """Return rising widths, each twice the one before, the last one `width` or more.

    They are the same whatever `width` is: for networks that skip padding, so that all data sets
    share what was compiled.
    """
    n_doublings = max(0, ceil(log2(width / _SMALLEST_SKIPPING_WIDTH)))
    return _SMALLEST_SKIPPING_WIDTH * 2 ** np.arange(n_doublings + 1)


def bucket_widths(
    lengths: NDArray[np.int64], width: int, n_epochs: int, *, skips_padding: bool
) -> NDArray[np.int64]:
    """Choose the widths that documents are padded to during training.

    The choice minimises padding plus the cost of compiling for each width, by dynamic
    programming over `width_candidates` or `skipping_widths`.

    Parameters
    ----------
    lengths : ndarray of int64 of shape (n,)
        Tokens a document.
    width : int
        Ids a row of the whole data.
    n_epochs : int
        How often each document is read.
    skips_padding : bool
        Whether the network skips padding, which then costs little.

    Returns
    -------
    widths : ndarray of int64
        Rising; the last one holds the longest document.
    """
    candidates = skipping_widths(width) if skips_padding else width_candidates(width)
    candidates = candidates[: np.searchsorted(candidates, lengths.max()) + 1]
    counts = np.bincount(np.searchsorted(candidates, lengths), minlength=len(candidates))
    n_up_to = np.concatenate([[0], np.cumsum(counts)])
    cost_of_position = n_epochs * (_SKIPPED_COST if skips_padding else 1.0)
    # cost[k]: cheapest way to serve the documents of the first k candidate widths.
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


def shuffled_batches(
    lengths: NDArray[np.int64], batch_size: int, rng: np.random.Generator
) -> list[Groups]:
    """Deal documents into batches at random, in groups of like length.

    A permutation is cut into pools of some dozen batches. Each pool is sorted by length and cut
    into groups of half a batch; two of them, drawn at random, make a batch. All batches hold about
    the same number of documents.

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
    batches : list of list of ndarray of int64
        Row numbers, by batch and group; each row is in one batch.
    """
    n_batches = ceil(len(lengths) / batch_size)
    parts = np.array_split(rng.permutation(len(lengths)), n_batches)
    batches: list[Groups] = []
    for start in range(0, n_batches, _BATCHES_A_POOL):
        pooled = parts[start : start + _BATCHES_A_POOL]
        pool = np.concatenate(pooled)
        by_length = pool[np.argsort(lengths[pool], kind="stable")]
        sizes = np.array([len(half) for part in pooled for half in _split(part, _GROUPS)])
        places = rng.permutation(len(sizes))
        groups = np.split(by_length, np.cumsum(sizes[places])[:-1])
        dealt = [groups[i] for i in np.argsort(places)]
        batches += [dealt[i : i + _GROUPS] for i in range(0, len(dealt), _GROUPS)]
    return batches


def part_sizes(n_most: int, part_rows: int | None) -> tuple[int, int]:
    """Return into how many parts batches are cut, and how many rows each part has.

    Parameters
    ----------
    n_most : int
        Documents in the largest batch.
    part_rows : int or None
        Rows wanted in a part; None if batches are not to be cut.
    """
    in_group = ceil(n_most / _GROUPS)
    if part_rows is None or in_group < _FEWEST_ROWS:
        return 1, _rounded_up(n_most)
    parts_a_group = ceil(in_group / part_rows)
    return _GROUPS * parts_a_group, _rounded_up(in_group / parts_a_group)


def training_parts(
    examples: Examples,
    groups: Groups,
    n_parts: int,
    n_rows: int,
    widths: NDArray[np.int64],
) -> list[Part]:
    """Return ids, targets and weights of the parts of a batch.

    Parameters
    ----------
    examples : Examples
        All documents.
    groups : list of ndarray of int64
        Those of the batch, from `shuffled_batches`.
    n_parts, n_rows : int
        Parts, and rows of each, from `part_sizes`. Parts are filled up with documents of no tokens
        and no weight.
    widths : ndarray of int64
        Rising; each part has the smallest of them that holds its documents.

    Returns
    -------
    parts : list of tuple of ndarray
    """
    if n_parts == 1:
        cut = [np.concatenate(groups)]
    else:
        cut = [rows for group in groups for rows in _split(group, n_parts // _GROUPS)]
    parts = []
    for rows in cut:
        targets = np.zeros((n_rows, examples.targets.shape[1]), dtype=np.float32)
        targets[: len(rows)] = examples.targets[rows]
        weights = np.zeros(n_rows, dtype=np.float32)
        weights[: len(rows)] = examples.weights[rows]
        ids = _cut(examples.ids, examples.lengths, rows, n_rows, widths)
        parts.append((ids, targets, weights))
    return parts


def prediction_widths(network: Network, width: int) -> NDArray[np.int64]:
    """Return the few rising widths that a network reads documents of up to `width` ids in."""
    if network.skips_padding:
        return skipping_widths(width)
    return width_candidates(width)[::-1][::2][::-1]


def in_batches(network: Network, score: Scorer, ids: Ids, lengths: NDArray[np.int64]) -> Floats:
    """Apply a scorer of a network to documents, in batches of like length and of few shapes.

    Parameters
    ----------
    network : Network
        Whose scorer it is.
    score : callable
        From ids ``(n_rows, width)`` to an array ``(n_rows, n_values)``.
    ids : ndarray of int32 of shape (n, width)
        Token ids, as in `Examples`.
    lengths : ndarray of int64 of shape (n,)
        As in `Examples`.

    Returns
    -------
    values : ndarray of float32 of shape (n, n_values)
        In the order of the documents.
    """
    widths = prediction_widths(network, ids.shape[1])
    by_length = np.argsort(lengths, kind="stable")
    n_batches = ceil(len(ids) / _PREDICTION_ROWS[-1])

    def scores_of(_: int, rows: NDArray[np.int64]) -> Floats:
        n_rows = next(n for n in _PREDICTION_ROWS if n >= len(rows))
        return score(_cut(ids, lengths, rows, n_rows, widths))[: len(rows)]

    with worker_threads(n_batches if network.scores_purely else 1) as parallel_map:
        parts: Sequence[Floats] = parallel_map(scores_of, np.array_split(by_length, n_batches))
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
    width = widths[np.searchsorted(widths, lengths[rows].max(initial=0))]
    block = np.zeros((n_rows, width), dtype=np.int32)
    n_columns = min(width, ids.shape[1])
    block[: len(rows), :n_columns] = ids[rows, :n_columns]
    return block


def _split(rows: NDArray[np.int64], n: int) -> list[NDArray[np.int64]]:
    """Return `n` neighbouring pieces of about the same size; `numpy.array_split` is slow."""
    bounds = [len(rows) * i // n for i in range(n + 1)]
    return [rows[start:end] for start, end in pairwise(bounds)]


def _rounded_up(n_rows: float) -> int:
    """Return the next multiple of 8, so that batches of nearly the same size share a shape."""
    return ceil(n_rows / 8) * 8

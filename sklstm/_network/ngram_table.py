"""The weights of n-grams: which row of their table each has, and what it starts from."""

from __future__ import annotations

from math import ceil, log2
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sklstm._naive_bayes import log_count_ratio
from sklstm._vocabulary import OOV_ID

#: A weight of the table counts so many times in a score: a step of an optimizer that suits the
#: LSTM is small for a weight that stands alone.
GAIN = 3.0

#: Odd numbers without a pattern, one for each place in an n-gram; products overflow on purpose.
FACTORS = (1640531513, 1974261437, 1266122501, 1481765933, 1848586169)
#: Tokens of the longest n-grams.
MAX_LENGTH = len(FACTORS)

_FEWEST_BUCKETS, _MOST_BUCKETS = 2**10, 2**20
# An n-gram of one training document says little about others.
_FEWEST_DOCUMENTS = 2


def as_in_training(ids: Any, n_rows: int, xp: Any) -> Any:
    """Return ids of which those that training did not meet are that of the unknown token.

    They stand behind the others, wherever there is room: an n-gram hashed from them would depend on
    what else is predicted.

    Parameters
    ----------
    ids : array or KerasTensor of int32
        Rows of the embedding.
    n_rows : int
        Those that training met, the first ones; 0 for all.
    xp : module
        numpy or keras.ops.
    """
    return xp.where(ids < n_rows, ids, OOV_ID) if n_rows else ids


def buckets_of(ids: Any, length: int, n_buckets: int, xp: Any) -> tuple[Any, Any]:
    """Hash the n-gram that begins at each token of a document.

    Parameters
    ----------
    ids : array or KerasTensor of int32 of shape (n, width)
        Token ids; zeros are padding.
    length : int
        Tokens of an n-gram.
    n_buckets : int
        Rows of the table.
    xp : module
        numpy or keras.ops.

    Returns
    -------
    buckets : array of int32 of shape (n, width)
        Row of the table.
    is_there : array of bool of shape (n, width)
        Whether there is an n-gram: all its tokens are in the document.
    """
    key, is_there = ids * FACTORS[0], ids > 0
    for shift in range(1, length):
        following = xp.concatenate([ids[:, shift:], xp.zeros_like(ids[:, :shift])], axis=1)
        key = key + following * FACTORS[shift]
        is_there = xp.logical_and(is_there, following > 0)
    return xp.mod(key, n_buckets), is_there


def choose_buckets(ids: NDArray[np.int32], longest: int) -> int:
    """Return how many rows the table needs, so that n-grams of these documents seldom share one.

    A power of two, so that it is the same for similar corpora; beyond a million they do share.
    """
    is_used = np.zeros(_MOST_BUCKETS, dtype=bool)
    for length in range(1, longest + 1):
        buckets, is_there = buckets_of(ids, length, _MOST_BUCKETS, np)
        is_used[buckets[is_there]] = True
    n_doublings = ceil(log2(max(1, is_used.sum())))
    return min(_MOST_BUCKETS, max(_FEWEST_BUCKETS, 2 ** (n_doublings + 1)))


def naive_bayes(
    ids: NDArray[np.int32],
    targets: NDArray[np.float32],
    weights: NDArray[np.float32],
    longest: int,
    n_buckets: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a table and a bias with which n-grams score like naive Bayes, but for a factor.

    Parameters
    ----------
    ids : ndarray of int32 of shape (n, width)
        Token ids of the documents to learn from.
    targets : ndarray of float32 of shape (n, n_outputs)
        Ones at the classes of each document.
    weights : ndarray of float32 of shape (n,)
        Of the documents. The smallest one that is not zero counts as one document.
    longest : int
        Tokens of the longest n-grams.
    n_buckets : int
        Rows of the table.

    Returns
    -------
    table : ndarray of float32 of shape (n_buckets, n_outputs)
        The log-count ratio of each class against the others; zero for n-grams of one document.
    bias : ndarray of float32 of shape (1, n_outputs)
        The logarithm of the odds of each class.
    """
    rows = np.broadcast_to(np.arange(len(ids), dtype=np.int32)[:, None], ids.shape)
    found = [buckets_of(ids, length, n_buckets, np) for length in range(1, longest + 1)]
    documents = np.concatenate([rows[is_there] for _, is_there in found])
    columns = np.concatenate([buckets[is_there] for buckets, is_there in found])
    ones = np.ones(len(columns), dtype=np.float32)
    presence = sparse.csr_matrix((ones, (documents, columns)), shape=(len(ids), n_buckets))
    presence.data[:] = 1.0
    counts = weights / weights[weights > 0].min()
    members, others = counts[:, None] * targets, counts[:, None] * (1.0 - targets)
    ratios = [
        log_count_ratio(presence, *pair, 1.0) for pair in zip(members.T, others.T, strict=True)
    ]
    is_rare = counts @ presence < _FEWEST_DOCUMENTS
    table = np.where(is_rare[:, None], 0.0, np.stack(ratios, axis=1) / GAIN)
    bias = np.log((1.0 + members.sum(axis=0)) / (1.0 + others.sum(axis=0)))
    return table.astype(np.float32), bias[None].astype(np.float32)

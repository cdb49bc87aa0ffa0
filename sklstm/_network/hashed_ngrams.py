"""Hash n-grams of token ids into buckets, with checksums that tell n-grams apart."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from sklstm._vocabulary import OOV_ID

#: Factor of the n-gram weights in a score. It increases the effective learning rate of these
#: weights, because a learning rate that suits the LSTM is too low for them.
GAIN = 3.0

#: Random odd numbers, one for each position in an n-gram. Products are intended to overflow.
HASH_FACTORS = (1640531513, 1974261437, 1266122501, 1481765933, 1848586169)
#: Maximum supported length of n-grams.
MAX_NGRAM = len(HASH_FACTORS)
#: Number of checksums, which float32 stores exactly.
N_CHECKSUMS = 2**24
#: Checksum of a bucket that all of its n-grams share.
ANY_CHECKSUM = -1


def map_unseen_to_oov(ids: Any, n_rows: int, xp: ModuleType) -> Any:
    """Map ids unseen in training to out-of-vocabulary, for n-grams.

    The rows of unseen words are assigned in each call, after the trained rows. The hash of an
    n-gram with such a row would therefore depend on the other documents in the call.

    Parameters
    ----------
    ids : array or KerasTensor of int32
        Rows of the embedding.
    n_rows : int
        Number of leading rows seen in training; 0 for all.
    xp : module
        numpy or keras.ops.
    """
    return xp.where(ids < n_rows, ids, OOV_ID) if n_rows else ids


def hash_ngrams(ids: Any, length: int, n_buckets: int, xp: ModuleType) -> tuple[Any, Any, Any]:
    """Hash the n-gram that begins at each token of a document.

    Parameters
    ----------
    ids : array or KerasTensor of int32 of shape (n_documents, width)
        Token ids; zeros are padding.
    length : int
        Tokens of an n-gram.
    n_buckets : int
        Number of buckets.
    xp : module
        numpy or keras.ops.

    Returns
    -------
    buckets : array of int32 of shape (n_documents, width)
        Bucket of the n-gram at each position.
    checksums : array of int32 of shape (n_documents, width)
        Checksum of the n-gram at each position, less than `N_CHECKSUMS`. Different n-grams in the
        same bucket have different checksums, unless `n_buckets` is small.
    is_ngram : array of bool of shape (n_documents, width)
        Whether all tokens of the n-gram are in the document.
    """
    keys, is_ngram = hash_keys(ids, length, xp)
    return (*split_keys(keys, n_buckets, xp), is_ngram)


def hash_keys(ids: Any, length: int, xp: ModuleType) -> tuple[Any, Any]:
    """Return the 32-bit hash of the n-gram at each position, and whether there is an n-gram."""
    keys, is_ngram = ids * HASH_FACTORS[0], ids > 0
    for shift in range(1, length):
        following = xp.concatenate([ids[:, shift:], xp.zeros_like(ids[:, :shift])], axis=1)
        keys = keys + following * HASH_FACTORS[shift]
        is_ngram = xp.logical_and(is_ngram, following > 0)
    return keys, is_ngram


def split_keys(keys: Any, n_buckets: int, xp: ModuleType) -> tuple[Any, Any]:
    """Return the bucket and the checksum of each hash."""
    return xp.mod(keys, n_buckets), xp.mod(xp.floor_divide(keys, n_buckets), N_CHECKSUMS)


def has_weight(checksums: Any, of_buckets: Any, xp: ModuleType) -> Any:
    """Return whether the weights of a bucket apply to an n-gram.

    Parameters
    ----------
    checksums : array or KerasTensor of int32
        Checksums of the n-grams.
    of_buckets : array or KerasTensor of float32
        Values of `NGRAM_CHECKSUMS` for their buckets.
    xp : module
        numpy or keras.ops.
    """
    return xp.logical_or(xp.equal(checksums, of_buckets), of_buckets < 0)

"""Vectors of words from their co-occurrences: positive PMI, reduced by a truncated SVD."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from sklstm._tokens import Int32Array, Int64Array

#: Code of a token without a vector.
NO_WORD = -1
# Exponent that smooths the distribution of the context words (Levy, Goldberg and Dagan, 2015).
_CONTEXT_SMOOTHING = 0.75
# Root mean square of the components of a vector, similar to that of GloVe vectors.
_SCALE = 0.5
# Tokens per block, for whose pairs of tokens there must be memory.
_BLOCK_SIZE = 2**21


def cooccurrence_vectors(
    codes: Int32Array,
    lengths: Int64Array,
    n_words: int,
    *,
    vector_size: int,
    window: int,
    n_iter: int,
    random_state: np.random.RandomState,
) -> NDArray[np.float32]:
    """Compute vectors of words from their co-occurrences in documents.

    Parameters
    ----------
    codes : ndarray of int32 of shape (n_occurrences,)
        Number of each word of the first document, then of the second, and so on; `NO_WORD` for
        words without a vector.
    lengths : ndarray of int64 of shape (n_documents,)
        Number of words of each document.
    n_words : int
        Number of words with a vector.
    vector_size : int
        Number of components of a vector; less than `n_words`.
    window : int
        Maximum distance of words that co-occur.
    n_iter : int
        Number of power iterations of the SVD.
    random_state : RandomState
        Source of the random projection of the SVD.

    Returns
    -------
    vectors : ndarray of float32 of shape (n_words, vector_size)
        Zeros for words without positive PMI.
    """
    pmi = positive_pmi(count_cooccurrences(codes, lengths, n_words, window))
    u, singular_values, _ = randomized_svd(
        pmi, vector_size, n_iter=n_iter, random_state=random_state
    )
    vectors = u * np.sqrt(singular_values)
    rms = np.sqrt(np.mean(np.square(vectors), axis=1, keepdims=True))
    scaled = np.divide(_SCALE * vectors, rms, out=np.zeros_like(vectors), where=rms > 0)
    return scaled.astype(np.float32)


def count_cooccurrences(
    codes: Int32Array, lengths: Int64Array, n_words: int, window: int
) -> sparse.csr_array:
    """Count how often two words co-occur in a document; each pair counts as one over its distance.

    Parameters
    ----------
    codes, lengths, n_words, window
        As in `cooccurrence_vectors`.

    Returns
    -------
    counts : csr_array of float32 of shape (n_words, n_words)
        Symmetric.
    """
    shape = n_words, n_words
    counts = sparse.csr_array(shape, dtype=np.float32)
    ends = np.cumsum(lengths)
    starts = np.searchsorted(ends, np.arange(_BLOCK_SIZE, codes.size, _BLOCK_SIZE))
    for block in np.split(np.arange(lengths.size), starts):
        first = ends[block[0]] - lengths[block[0]] if block.size else 0
        of_block = codes[first : ends[block[-1]]] if block.size else codes[:0]
        documents = np.repeat(block, lengths[block])
        pairs = []
        for distance in range(1, window + 1):
            left, right = of_block[:-distance], of_block[distance:]
            is_pair = documents[:-distance] == documents[distance:]
            is_pair &= (left != NO_WORD) & (right != NO_WORD)
            weights = np.full(np.count_nonzero(is_pair), 1.0 / distance, dtype=np.float32)
            pairs.append((left[is_pair], right[is_pair], weights))
        rows, columns, weights = map(np.concatenate, zip(*pairs, strict=True))
        counts += sparse.coo_array((weights, (rows, columns)), shape=shape).tocsr()
    return counts + counts.T


def positive_pmi(counts: sparse.csr_array) -> sparse.csr_array:
    """Compute the positive pointwise mutual information (PMI) of words and context words.

    The probability of a context word is smoothed, so that rare context words do not have the
    largest values.

    Parameters
    ----------
    counts : csr_array of float32 of shape (n_words, n_words)
        Symmetric counts.

    Returns
    -------
    pmi : csr_array of float32 of shape (n_words, n_words)
        In nats; rows are words, and columns context words.
    """
    totals = counts.sum(axis=1, dtype=np.float64)
    smoothed = totals**_CONTEXT_SMOOTHING
    smoothed /= max(smoothed.sum(), np.finfo(np.float64).tiny)
    pairs = counts.tocoo()
    rows, columns = pairs.coords
    values = np.log(pairs.data / (totals[rows] * smoothed[columns])).astype(np.float32)
    is_positive = values > 0
    indices = rows[is_positive], columns[is_positive]
    return sparse.csr_array((values[is_positive], indices), shape=counts.shape)

"""Settle which token ids have a row in the embedding matrix, and what stands there at first.

With `WordVectors` these are the ids that training meets, of the hundreds of thousands that have a
vector; predicting adds rows for others that it meets. Without, every id has a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklstm._validation import check_embedding_weights
from sklstm._vocabulary import N_RESERVED, OOV_ID
from sklstm.vectors import UNIFORM_LIMIT, WordVectors

# Larger ids come of a mistake, such as dates in X, and their vectors would fill the memory.
_MOST_IDS_UNASKED = 10_000_000

Ids = NDArray[np.int32]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Embedded:
    """The rows of an embedding matrix.

    Attributes
    ----------
    ids : ndarray of int32 of shape (n_rows,)
        The token id of each row; the first two are padding and the unknown token.
    is_known : ndarray of bool of shape (n_rows,)
        Whether the id means something; others are read as the unknown token.
    vocab_size : int
        Size of the id space.
    pretrained : ndarray of float32 of shape (n_new, n_values), or None
        Vectors to start from, of the last rows: of all, unless others are trained already. None:
        they are random.
    vectors : WordVectors or None
        Where predicting finds the vectors of further ids.
    """

    ids: Ids
    is_known: NDArray[np.bool_]
    vocab_size: int
    pretrained: Floats | None
    vectors: WordVectors | None = None

    @property
    def n_trained(self) -> int:
        """How many rows, the first ones, do not start from pretrained vectors."""
        return len(self.ids) - (0 if self.pretrained is None else len(self.pretrained))

    def rows(self, ids: Ids) -> Ids:
        """Return the row of each token id, that of the unknown token where there is none."""
        known = np.flatnonzero(self.is_known)
        return _row_of_id(self.ids[known], known, self.vocab_size)[_within(ids, self.vocab_size)]


def embed(
    estimator: Any, ids: Ids, training: Ids, held_out: Ids | None, *, goes_on: bool, seed: int
) -> Embedded:
    """Settle the rows of the embedding matrix for training.

    Parameters
    ----------
    estimator : LSTMTextClassifier
        Whose parameters, and fitted attributes if `goes_on`, are used.
    ids : ndarray of int32
        Token ids passed to `fit`.
    training, held_out : ndarray of int32
        Token ids of the documents to train on, and to validate on, if any.
    goes_on : bool
        Whether to start from the estimator's weights.
    seed : int
        Of vectors for words that `WordVectors` lack.

    Returns
    -------
    embedded : Embedded

    Raises
    ------
    ValueError
        If `embedding_weights` has not the shape that `vocab_size` and the ids ask for, or the ids
        are so large that `vocab_size` should be given.
    """
    given, vocab_size, largest = estimator.embedding_weights, estimator.vocab_size, int(ids.max())
    if isinstance(given, WordVectors):
        held_out = training[:0] if held_out is None else held_out
        return _embed_words_met(estimator, given, largest, training, held_out, goes_on, seed)
    if given is not None:
        given = check_embedding_weights(given, vocab_size, largest)
        vocab_size = len(given)
    elif vocab_size is None:
        vocab_size = estimator.vocab_size_ if goes_on else max(N_RESERVED, _size_for(largest))
    # Pretrained vectors mean something before any document was seen.
    is_known = np.full(vocab_size, given is not None)
    is_known[:N_RESERVED] = True
    is_known[training[training < vocab_size]] = True
    if goes_on and len(estimator._known_ids) == vocab_size:
        is_known |= estimator._known_ids
    pretrained = given[:0] if goes_on and given is not None else given
    return Embedded(np.arange(vocab_size, dtype=np.int32), is_known, int(vocab_size), pretrained)


def _embed_words_met(
    estimator: Any,
    vectors: WordVectors,
    largest: int,
    training: Ids,
    held_out: Ids,
    goes_on: bool,
    seed: int,
) -> Embedded:
    n_ids, vocab_size = N_RESERVED + len(vectors), estimator.vocab_size
    if vocab_size is None:
        vocab_size = max(n_ids, _size_for(largest), estimator.vocab_size_ if goes_on else 0)
    met = np.unique(np.concatenate([training.ravel(), held_out[held_out < n_ids]]))
    before = estimator.embedding_ids_ if goes_on else np.empty(0, np.int32)
    wanted = np.append(
        np.arange(N_RESERVED, dtype=np.int32), met[(met >= N_RESERVED) & (met < vocab_size)]
    )
    new = wanted[~np.isin(wanted, before)]
    is_random = new >= n_ids
    pretrained = vectors.rows(np.where(is_random, OOV_ID, new))
    random = np.random.default_rng(seed).uniform(
        -UNIFORM_LIMIT, UNIFORM_LIMIT, pretrained[is_random].shape
    )
    pretrained[is_random] = random
    every = np.concatenate([before, new])
    is_known = np.ones(len(every), dtype=bool)
    return Embedded(every, is_known, int(vocab_size), pretrained, vectors)


def _size_for(largest_id: int) -> int:
    if largest_id >= _MOST_IDS_UNASKED:
        raise ValueError(
            f"X holds the id {largest_id}, and the network would have a vector for each smaller "
            "one. If these are token ids, set vocab_size: to a larger number, or to a smaller one "
            "from which on ids are read as the unknown token."
        )
    return largest_id + 1


def with_words_met(
    ids: Ids,
    embedding_ids: Ids,
    matrix: Floats,
    vectors: WordVectors,
    vocab_size: int,
    first_new: int,
) -> tuple[Ids, Floats]:
    """Return the rows of token ids in an embedding matrix, and that matrix with rows added.

    Parameters
    ----------
    ids : ndarray of int32
        Token ids.
    embedding_ids : ndarray of int32 of shape (n_rows,)
        The id of each row of the matrix.
    matrix : ndarray of float32 of shape (n_rows, n_values)
        The trained vectors.
    vectors : WordVectors
        Those of words that training did not meet.
    vocab_size : int
        Size of the id space.
    first_new : int
        The first row to be added, behind rows of zeros if it is beyond the trained ones.
    """
    within = _within(ids, vocab_size)
    row_of_id = _row_of_id(embedding_ids, np.arange(len(matrix)), vocab_size)
    lacks_row = (row_of_id[within] == OOV_ID) & (within != OOV_ID)
    new = np.unique(within[lacks_row & (within < N_RESERVED + len(vectors))])
    if not len(new):
        return row_of_id[within], matrix
    row_of_id[new] = np.arange(first_new, first_new + len(new))
    room = np.zeros((first_new - len(matrix), matrix.shape[1]), matrix.dtype)
    return row_of_id[within], np.concatenate([matrix, room, vectors.rows(new)])


def _within(ids: Ids, vocab_size: int) -> Ids:
    return np.where(ids < vocab_size, ids, np.int32(OOV_ID))


def _row_of_id(ids: Ids, rows: NDArray[Any], vocab_size: int) -> Ids:
    table = np.full(vocab_size, OOV_ID, dtype=np.int32)
    table[ids] = rows
    return table

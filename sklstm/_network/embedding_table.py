"""Map token ids to rows of the embedding matrix, including words unseen in training.

Without `WordVectors` every id has a row. With `WordVectors`, which may have hundreds of thousands
of words, only ids seen in training have a row. At prediction, rows for other words are appended as
needed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklstm._cooccurrences import NO_WORD, cooccurrence_vectors
from sklstm._network import spec as specs
from sklstm._network.hashed_ngrams import map_unseen_to_oov
from sklstm._network.linear_model import LinearModel
from sklstm._network.prefixes import PrefixScores
from sklstm._network.spec import (
    EMBEDDINGS,
    TOKEN_SCORES,
    Floats,
    Ids,
    Lengths,
    NetworkSpec,
    Weights,
)
from sklstm._validation import check_embedding_weights
from sklstm._vocabulary import N_RESERVED, OOV_ID, PADDING_ID
from sklstm.vectors import UNIFORM_LIMIT, WordVectors

# Vectors from the training documents: minimum number of occurrences of a token, maximum distance of
# tokens that co-occur, and power iterations of the SVD.
_MIN_COUNT, _WINDOW, _POWER_ITERATIONS = 2, 5, 4
# Larger ids are usually a mistake, such as dates in X, and the embedding would not fit in memory.
_MAX_INFERRED_IDS = 10_000_000


@dataclass(frozen=True)
class EmbeddingTable:
    """The rows of an embedding matrix.

    Attributes
    ----------
    ids : ndarray of int32 of shape (n_rows,)
        Token id of each row. The first two are padding and the out-of-vocabulary token.
    is_known : ndarray of bool of shape (n_rows,)
        Whether the id was seen in training or has a pretrained vector; other ids are mapped to
        out-of-vocabulary.
    vocab_size : int
        Size of the id space.
    vectors : WordVectors or None
        Source of the vectors of further ids at prediction.
    vector_scores : ndarray of float32 of shape (vector_size + 1, n_outputs), or None
        Coefficients and intercept of the token scores of further ids, if the network has them.
    prefix_scores : PrefixScores or None
        Scores of the prefixes of their tokens, if the network has them.
    """

    ids: Ids
    is_known: NDArray[np.bool_]
    vocab_size: int
    vectors: WordVectors | None = None
    vector_scores: Floats | None = None
    prefix_scores: PrefixScores | None = None

    def rows(self, ids: Ids) -> Ids:
        """Return the row of each token id, or the out-of-vocabulary row for ids without a row."""
        known = np.flatnonzero(self.is_known)
        return _row_by_id(self.ids[known], known, self.vocab_size)[clip_ids(ids, self.vocab_size)]

    def tokens(self, by_id: NDArray[np.object_]) -> NDArray[np.object_]:
        """Return the token of each row, given that of each id; "" for rows without a known one."""
        has_token = self.is_known & (self.ids >= N_RESERVED) & (self.ids < len(by_id))
        return np.where(has_token, by_id[np.where(has_token, self.ids, PADDING_ID)], "")

    def with_scores(self, source: LinearModel | EmbeddingTable) -> EmbeddingTable:
        """Return the table with the scores of further ids, if it has vectors of further ids."""
        if self.vectors is None:
            return self
        return replace(self, vector_scores=source.vector_scores, prefix_scores=source.prefix_scores)

    def scores_of_further(self, ids: Ids, vectors: Floats) -> Floats | None:
        """Return the token scores of ids with a vector and without a row, given their vectors.

        None if the network has no token scores, or `vectors` of the table is None.
        """
        if self.vectors is None or self.vector_scores is None:
            return None
        scores = vectors @ self.vector_scores[:-1] + self.vector_scores[-1]
        if self.prefix_scores is None:
            return scores
        return scores + self.prefix_scores.of_tokens(self.vectors.tokens[ids - N_RESERVED])


def make_table(
    ids: Ids,
    training_ids: Ids,
    validation_ids: Ids | None,
    *,
    embedding_weights: WordVectors | ArrayLike | None,
    vocab_size: int | None,
    resume: EmbeddingTable | None,
    seed: int,
) -> tuple[EmbeddingTable, Floats | None]:
    """Assign token ids to the rows of the embedding matrix for training.

    Parameters
    ----------
    ids : ndarray of int32
        All token ids passed to `fit`.
    training_ids, validation_ids : ndarray of int32
        Token ids of the training documents, and of the validation documents if there are any.
    embedding_weights, vocab_size
        Parameters of `LSTMTextClassifier`.
    resume : EmbeddingTable or None
        Table of the fitted network whose training is resumed.
    seed : int
        Seed of the vectors of words that `WordVectors` lacks.

    Returns
    -------
    table : EmbeddingTable
    pretrained : ndarray of float32 of shape (n_new, vector_size), or None
        Initial vectors of the last `n_new` rows of the table. These are all rows, unless training
        is resumed. None for random vectors.

    Raises
    ------
    ValueError
        If `embedding_weights` does not have the shape that `vocab_size` and the ids require, or
        the ids are so large that `vocab_size` must be set.
    """
    max_id = int(ids.max())
    if isinstance(embedding_weights, WordVectors):
        seen = training_ids.ravel()
        if validation_ids is not None:
            has_vector = validation_ids < N_RESERVED + len(embedding_weights)
            seen = np.concatenate([seen, validation_ids[has_vector]])
        if vocab_size is None:
            n_ids = N_RESERVED + len(embedding_weights)
            vocab_size = max(n_ids, _size_for(max_id), resume.vocab_size if resume else 0)
        return _make_word_vector_table(embedding_weights, seen, int(vocab_size), resume, seed)
    pretrained = None
    if embedding_weights is not None:
        pretrained = check_embedding_weights(embedding_weights, vocab_size, max_id)
        vocab_size = len(pretrained)
    elif vocab_size is None:
        vocab_size = resume.vocab_size if resume else max(N_RESERVED, _size_for(max_id))
    # All ids with a pretrained vector are known, even if they are unseen in training.
    is_known = np.full(vocab_size, pretrained is not None)
    is_known[:N_RESERVED] = True
    is_known[training_ids[training_ids < vocab_size]] = True
    if resume is not None and len(resume.is_known) == vocab_size:
        is_known |= resume.is_known
    if resume is not None and pretrained is not None:
        pretrained = pretrained[:0]
    table = EmbeddingTable(np.arange(vocab_size, dtype=np.int32), is_known, int(vocab_size))
    return table, pretrained


def pretrained_rows(
    table: EmbeddingTable, embedding_weights: WordVectors | ArrayLike
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the pretrained vector of each row of a table, and whether the row has one."""
    ids = table.ids
    if not isinstance(embedding_weights, WordVectors):
        return np.asarray(embedding_weights, dtype=np.float32)[ids], ids >= N_RESERVED
    has_vector = (ids >= N_RESERVED) & (ids < N_RESERVED + len(embedding_weights))
    return embedding_weights.rows(np.where(has_vector, ids, OOV_ID)), has_vector


def cooccurrence_rows(
    ids: Ids, n_rows: int, vector_size: int, seed: int
) -> tuple[Floats, NDArray[np.bool_]]:
    """Compute vectors of the tokens of training documents from their co-occurrences.

    Parameters
    ----------
    ids : ndarray of int32 of shape (n_documents, width)
        Rows of the embedding matrix for the tokens of the training documents; zeros are padding.
    n_rows : int
        Number of rows.
    vector_size : int
        Number of components of a vector. With fewer tokens, the last components are zero.
    seed : int
        Seed of the SVD, and of the vectors of tokens that occur only once.

    Returns
    -------
    vectors : ndarray of float32 of shape (n_rows, vector_size)
    has_vector : ndarray of bool of shape (n_rows,)
        Whether the vector of a row is not random.
    """
    rng = np.random.RandomState(seed)
    vectors = rng.uniform(-UNIFORM_LIMIT, UNIFORM_LIMIT, (n_rows, vector_size)).astype(np.float32)
    has_vector = np.bincount(ids.ravel(), minlength=n_rows) >= _MIN_COUNT
    has_vector[:N_RESERVED] = False
    tokens = np.flatnonzero(has_vector)
    size = min(vector_size, len(tokens) - 1)
    if size < 1:
        return vectors, np.zeros(n_rows, dtype=bool)
    numbers = np.full(n_rows, NO_WORD, dtype=np.int32)
    numbers[tokens] = np.arange(len(tokens), dtype=np.int32)
    learned = cooccurrence_vectors(
        numbers[ids[ids != PADDING_ID]],
        np.count_nonzero(ids, axis=1),
        len(tokens),
        vector_size=size,
        window=_WINDOW,
        n_iter=_POWER_ITERATIONS,
        random_state=rng,
    )
    vectors[tokens] = 0
    vectors[tokens, :size] = learned
    vectors[OOV_ID] = vectors[tokens].mean(axis=0)
    return vectors, has_vector


def extend_token_scores(
    table: EmbeddingTable, vectors: Floats, has_vector: NDArray[np.bool_], scores: Floats
) -> Floats:
    """Append the token scores of the rows by which a table has grown."""
    n_new = len(vectors) - len(scores)
    rows = len(scores) + np.flatnonzero(has_vector[len(scores) :])
    of_rows = table.scores_of_further(table.ids[rows], vectors[rows])
    if of_rows is None:
        return scores
    extended = np.pad(scores, ((0, n_new), (0, 0)))
    extended[rows] = of_rows
    return extended


def _make_word_vector_table(
    vectors: WordVectors, seen: Ids, vocab_size: int, resume: EmbeddingTable | None, seed: int
) -> tuple[EmbeddingTable, Floats]:
    seen = np.unique(seen)
    seen = seen[(seen >= N_RESERVED) & (seen < vocab_size)]
    before = resume.ids if resume else np.empty(0, np.int32)
    wanted = np.append(np.arange(N_RESERVED, dtype=np.int32), seen)
    new = wanted[~np.isin(wanted, before)]
    is_random = new >= N_RESERVED + len(vectors)
    pretrained = vectors.rows(np.where(is_random, OOV_ID, new))
    shape = pretrained[is_random].shape
    rng = np.random.default_rng(seed)
    pretrained[is_random] = rng.uniform(-UNIFORM_LIMIT, UNIFORM_LIMIT, shape)
    ids = np.concatenate([before, new])
    return EmbeddingTable(ids, np.ones(len(ids), dtype=bool), vocab_size, vectors), pretrained


def _size_for(max_id: int) -> int:
    if max_id >= _MAX_INFERRED_IDS:
        raise ValueError(
            f"X contains the id {max_id}, and the network would have a vector for each smaller id. "
            "If these are token ids, set vocab_size; ids from it on count as out of vocabulary."
        )
    return max_id + 1


@dataclass(frozen=True)
class FittedNetwork:
    """The fitted state that prediction, inspection and export need.

    Attributes
    ----------
    spec : NetworkSpec
        The architecture.
    weights : dict of str to ndarray of float32
        Weights by name.
    table : EmbeddingTable
        The ids of the rows of the embeddings.
    """

    spec: NetworkSpec
    weights: Weights
    table: EmbeddingTable

    def resolve(self, ids: Ids) -> tuple[Ids, NetworkSpec, Weights]:
        """Map token ids to embedding rows, and append rows for words unseen in training.

        Parameters
        ----------
        ids : ndarray of int32
            Token ids.

        Returns
        -------
        rows : ndarray of int32
            Row of each id, of the shape of `ids`.
        spec, weights : NetworkSpec, dict
            The network with the appended rows.
        """
        table, trained = self.table, self.weights[EMBEDDINGS]
        if table.vectors is None:
            return ids, self.spec, self.weights
        # Rounded up, so that similar vocabularies use the same compiled network.
        first_new = specs.padded_size(len(trained))
        known_ids = clip_ids(ids, table.vocab_size)
        row_by_id = _row_by_id(table.ids, np.arange(len(trained)), table.vocab_size)
        lacks_row = (row_by_id[known_ids] == OOV_ID) & (known_ids != OOV_ID)
        new = np.unique(known_ids[lacks_row & (known_ids < N_RESERVED + len(table.vectors))])
        if not len(new):
            return row_by_id[known_ids], self.spec, self.weights
        row_by_id[new] = np.arange(first_new, first_new + len(new))
        vectors = table.vectors.rows(new)
        extended = {EMBEDDINGS: _append(trained, vectors, first_new)}
        scores = table.scores_of_further(new, vectors)
        if scores is not None:
            extended[TOKEN_SCORES] = _append(self.weights[TOKEN_SCORES], scores, first_new)
        spec = replace(self.spec, vocab_size=len(extended[EMBEDDINGS]))
        if spec.ngrams:
            spec = replace(spec, ngram_rows=first_new)
        return row_by_id[known_ids], spec, self.weights | extended

    def weights_by_id(self) -> Weights:
        """Return the weights of an equivalent network with one embedding row per token id.

        With word vectors and n-grams, the weights include `NGRAM_IDS`.
        """
        all_ids = np.arange(self.table.vocab_size, dtype=np.int32)
        rows, spec, weights = self.resolve(all_ids)
        of_rows = specs.BY_ROW & weights.keys()
        weights = weights | {name: weights[name][rows] for name in of_rows}
        if self.table.vectors is not None and spec.ngrams:
            ngram_ids = map_unseen_to_oov(rows, spec.ngram_rows, np)
            weights[specs.NGRAM_IDS] = ngram_ids[:, None].astype(np.float32)
        return weights


def _append(rows: Floats, new: Floats, first_new: int) -> Floats:
    """Append new rows from a given number on, with zeros between them and the other rows."""
    gap = np.zeros((first_new - len(rows), rows.shape[1]), rows.dtype)
    return np.concatenate([rows, gap, new])


def network_inputs(ids: Ids, spec: NetworkSpec) -> tuple[Ids, Lengths]:
    """Prepare ids for a network: map ids beyond the vocabulary to OOV, and left-align tokens.

    Parameters
    ----------
    ids : ndarray of int32 of shape (n_documents, width)
        Rows of the embedding matrix.
    spec : NetworkSpec
        The architecture.

    Returns
    -------
    inputs : ndarray of int32 of shape (n_documents, width)
        The ids. If padding is masked, the padding of each row follows its tokens.
    lengths : ndarray of int64 of shape (n_documents,)
        Number of leading ids of each row that the network must process.
    """
    known_ids = clip_ids(ids, spec.vocab_size).astype(np.int32)
    if spec.mask_padding:
        return left_align(known_ids)
    return known_ids, np.full(len(ids), ids.shape[1])


def left_align(ids: Ids) -> tuple[Ids, Lengths]:
    """Move the padding of each row to its end.

    Parameters
    ----------
    ids : ndarray of int32 of shape (n_documents, width)
        Token ids; 0 is padding.

    Returns
    -------
    aligned : ndarray of int32 of shape (n_documents, width)
        The tokens of each row in their order, then zeros.
    lengths : ndarray of int64 of shape (n_documents,)
        Tokens per row.
    """
    is_token = ids != 0
    lengths = is_token.sum(axis=1)
    aligned = np.zeros_like(ids)
    aligned[np.arange(ids.shape[1]) < lengths[:, None]] = ids[is_token]
    return aligned, lengths


def clip_ids(ids: Ids, vocab_size: int) -> Ids:
    """Map ids outside the vocabulary to out-of-vocabulary."""
    return np.where(ids < vocab_size, ids, np.int32(OOV_ID))


def _row_by_id(ids: Ids, rows: NDArray[np.integer], vocab_size: int) -> Ids:
    table = np.full(vocab_size, OOV_ID, dtype=np.int32)
    table[ids] = rows
    return table

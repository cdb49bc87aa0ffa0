"""The linear model beside the LSTM: logistic regression on n-grams, prefixes and token vectors."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.extmath import safe_sparse_dot

from sklstm._network.hashed_ngrams import ANY_CHECKSUM, GAIN, hash_keys, split_keys
from sklstm._network.prefixes import Prefixes, PrefixScores
from sklstm._network.spec import (
    NGRAM_BIAS,
    NGRAM_CHECKSUMS,
    NGRAM_WEIGHTS,
    TOKEN_SCORES,
    Floats,
    Ids,
    Weights,
)
from sklstm._runtime import one_blas_thread, worker_threads

# Small corpora all get the lower bound, because their folds have different numbers of n-grams.
_MIN_BUCKETS, _MAX_BUCKETS = 2**12, 2**20
# N-grams that occur in fewer training documents have no weight.
_MIN_DOCUMENTS = 2
# Inverse document frequencies are divided by a typical one, so that C of the logistic regression
# does not depend on the size of the corpus.
_TYPICAL_IDF = 6.0


class Regression(NamedTuple):
    """Settings of the logistic regression.

    Attributes
    ----------
    C : float
        Inverse of the regularization strength.
    factor : float
        Factor of the scores, and so the weight of the linear model in the mean with the LSTM.
    vector_scale : float
        Root mean square of the features from pretrained vectors. Vectors of long documents are all
        similar, and the n-grams are more informative.
    """

    C: float
    factor: float
    vector_scale: float


# Settings by the data, chosen on validation sets. The fewer and the longer the documents, the more
# accurate is the linear model in comparison with the LSTM.
_C, _C_SEVERAL, _C_LARGE = 3.0, 1.5, 10.0
_FACTOR, _FACTOR_BINARY, _FACTOR_MULTILABEL, _FACTOR_FEW = 1.0, 2.0, 2.0, 3.0
_FACTOR_LONG, _FACTOR_RARE_AND_LONG, _FACTOR_COMMON_AND_LONG = 12.0, 24.0, 6.0
_VECTOR_SCALE, _VECTOR_SCALE_LONG = 0.07, 0.03
# More classes are many, fewer documents in total are few, a class of fewer documents is rare, and
# classes of at least so many documents each are common.
_MAX_CLASSES, _MIN_TOTAL, _MIN_RAREST_CLASS, _MIN_COMMON_CLASS = 5, 1000, 500, 5000
#: Documents with more tokens on average are long.
MAX_SHORT = 100
_TOLERANCE = 1e-4
# Value of a prefix, where that of an n-gram is 1.
_PREFIX_SCALE = 0.7


@dataclass(frozen=True)
class NgramCounts:
    """The n-grams of the training documents.

    Attributes
    ----------
    counts : csr_array of float64 of shape (n_documents, n_ngrams)
        Number of occurrences, over the square root of the document length. N-grams of a single
        document are left out, because they are not informative about other documents.
    keys : ndarray of int32 of shape (n_ngrams,)
        Hash of each n-gram.
    n_documents : ndarray of float64 of shape (n_ngrams,)
        Number of documents with each n-gram.
    n_distinct : int
        Number of distinct n-grams, including those of a single document.
    """

    counts: sparse.csr_array
    keys: Ids
    n_documents: NDArray[np.float64]
    n_distinct: int


def count_ngrams(ids: Ids, max_length: int, multiplicity: NDArray[np.float64]) -> NgramCounts:
    """Count the n-grams of documents.

    Parameters
    ----------
    ids : ndarray of int32 of shape (n_documents, width)
        Rows of the embedding matrix for the tokens of the training documents.
    max_length : int
        Tokens of the longest n-grams.
    multiplicity : ndarray of float64 of shape (n_documents,)
        How many times each document counts.
    """
    rows = np.broadcast_to(np.arange(len(ids), dtype=np.int32)[:, None], ids.shape)
    hashed = [hash_keys(ids, length, np) for length in range(1, max_length + 1)]
    documents = np.concatenate([rows[is_ngram] for _, is_ngram in hashed])
    columns, keys = pd.factorize(np.concatenate([keys[is_ngram] for keys, is_ngram in hashed]))
    counts = _scaled_counts(ids, documents, columns, len(keys))
    n_documents = multiplicity @ _presence(counts)
    kept = np.flatnonzero(n_documents >= _MIN_DOCUMENTS)
    return NgramCounts(counts[:, kept], keys[kept], n_documents[kept], len(keys))


def _scaled_counts(
    ids: Ids, documents: Ids, columns: NDArray[np.integer], n_columns: int
) -> sparse.csr_array:
    """Count the occurrences in each document, and divide by the square root of its length."""
    lengths = np.maximum((ids > 0).sum(axis=1), 1)
    values = (1.0 / np.sqrt(lengths))[documents]
    indices = documents, columns.astype(np.int32)
    counts = sparse.csr_array((values, indices), shape=(len(ids), n_columns))
    counts.sum_duplicates()
    return counts


def _presence(counts: sparse.csr_array) -> sparse.csr_array:
    """Return 1 for each positive count."""
    presence = counts.copy()
    presence.data[:] = 1.0
    return presence


@dataclass(frozen=True)
class PrefixCounts:
    """The prefixes of the tokens of the training documents.

    Attributes
    ----------
    counts : csr_array of float64 of shape (n_documents, n_prefixes)
        Number of occurrences, over the square root of the document length, times a constant.
        Prefixes of a single document are left out.
    of_tokens : Prefixes
        The prefixes of the token of each row of the embedding matrix.
    n_documents : ndarray of float64 of shape (n_prefixes,)
        Number of documents with each prefix.
    """

    counts: sparse.csr_array
    of_tokens: Prefixes
    n_documents: NDArray[np.float64]

    def token_scores(self, coefficients: NDArray[np.float64]) -> Floats:
        """Return the scores of the tokens, given coefficients (n_prefixes, n_outputs)."""
        return np.asarray(self.of_tokens.matrix @ (_PREFIX_SCALE * coefficients), dtype=np.float32)

    def prefix_scores(self, coefficients: NDArray[np.float64]) -> PrefixScores:
        """Return the scores of the prefixes."""
        scores = (_PREFIX_SCALE * coefficients).astype(np.float32)
        return PrefixScores(self.of_tokens.names, scores)


def count_prefixes(ids: Ids, prefixes: Prefixes, multiplicity: NDArray[np.float64]) -> PrefixCounts:
    """Count the prefixes of the tokens of documents.

    Parameters
    ----------
    ids, multiplicity
        As in `count_ngrams`.
    prefixes : Prefixes
        The prefixes of the token of each row of the embedding matrix.
    """
    tokens = _count_tokens(ids, prefixes.matrix.shape[0])
    counts = sparse.csr_array(_PREFIX_SCALE * (tokens @ prefixes.matrix))
    n_documents = multiplicity @ _presence(counts)
    kept = np.flatnonzero(n_documents >= _MIN_DOCUMENTS)
    return PrefixCounts(counts[:, kept], prefixes.take(kept), n_documents[kept])


def _count_tokens(ids: Ids, n_rows: int) -> sparse.csr_array:
    """Count the tokens of documents, over the square root of the document length."""
    documents = np.nonzero(ids)[0].astype(np.int32)
    return _scaled_counts(ids, documents, ids[ids != 0], n_rows)


def choose_n_buckets(n_ngrams: int) -> int:
    """Return a number of buckets with which this number of n-grams rarely collide.

    The number is a power of two between ``2**12`` and ``2**20``, so that it is the same for similar
    corpora.
    """
    n_doublings = ceil(log2(max(1, n_ngrams)))
    return min(_MAX_BUCKETS, max(_MIN_BUCKETS, 2 ** (n_doublings + 3)))


@dataclass(frozen=True)
class VectorFeatures:
    """Features from token vectors that are not random: pretrained, or from co-occurrences.

    The features of a token are its centered vector, times its inverse document frequency. Those of
    a document are the sum over its tokens, divided by the square root of its length.

    Attributes
    ----------
    of_documents : ndarray of float64 of shape (n_documents, vector_size)
        The features of the training documents.
    vectors : ndarray of float32 of shape (n_rows, vector_size)
        Pretrained vector of each row of the embedding matrix.
    row_scales : ndarray of float64 of shape (n_rows,)
        Factor of the centered vector of each row; zero for tokens without a pretrained vector.
    center : ndarray of float64 of shape (vector_size,)
        Mean vector of the tokens of the training documents.
    unseen_scale : float
        Factor of the centered vectors of tokens that are not in the training documents.
    """

    of_documents: NDArray[np.float64]
    vectors: Floats
    row_scales: NDArray[np.float64]
    center: NDArray[np.float64]
    unseen_scale: float

    def token_scores(self, coefficients: NDArray[np.float64]) -> Floats:
        """Return the scores of the tokens, given coefficients (vector_size, n_outputs)."""
        scores = self.vectors @ coefficients - self.center @ coefficients
        return (self.row_scales[:, None] * scores).astype(np.float32)

    def unseen_scores(self, coefficients: NDArray[np.float64]) -> Floats:
        """Return coefficients and intercept of the scores of tokens not in the documents."""
        of_unseen = self.unseen_scale * coefficients
        return np.vstack([of_unseen, -(self.center @ of_unseen)]).astype(np.float32)


def vector_features(
    ids: Ids,
    vectors: Floats,
    has_vector: NDArray[np.bool_],
    multiplicity: NDArray[np.float64],
    *,
    scale: float,
) -> VectorFeatures:
    """Compute features from token vectors.

    Parameters
    ----------
    ids, multiplicity
        As in `count_ngrams`.
    vectors : ndarray of float32 of shape (n_rows, vector_size)
        Pretrained vectors by row of the embedding matrix.
    has_vector : ndarray of bool of shape (n_rows,)
        Whether the token of a row has a pretrained vector.
    scale : float
        Root mean square of the features of the documents.
    """
    counts = _count_tokens(ids, len(vectors))
    n_documents = multiplicity @ _presence(counts)
    idf = _inverse_document_frequencies(n_documents, multiplicity)
    # Most rows of a large matrix are not in the documents.
    seen = np.flatnonzero(has_vector & (n_documents > 0))
    of_seen = vectors[seen].astype(np.float64)
    center = of_seen.mean(axis=0) if len(seen) else np.zeros(vectors.shape[1])
    of_documents = counts[:, seen] @ (idf[seen, None] * (of_seen - center))
    scale /= max(np.sqrt(np.mean(np.square(of_documents))), 1e-12)
    unseen_idf = _inverse_document_frequencies(np.zeros(1), multiplicity)[0]
    return VectorFeatures(
        scale * of_documents,
        vectors,
        np.where(has_vector, scale * idf, 0.0),
        center,
        float(scale * unseen_idf),
    )


def _inverse_document_frequencies(
    n_documents: NDArray[np.float64], multiplicity: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.asarray(1.0 + np.log((1.0 + multiplicity.sum()) / (1.0 + n_documents)))


class LinearModel(NamedTuple):
    """A fitted linear model.

    Attributes
    ----------
    weights : dict of str to ndarray of float32
        Weights of the network by name.
    vector_scores : ndarray of float32 of shape (vector_size + 1, n_outputs), or None
        Coefficients and intercept of the scores of tokens that are not in the training documents,
        as functions of their pretrained vectors.
    prefix_scores : PrefixScores or None
        Scores of the prefixes of tokens, if they are known.
    """

    weights: Weights
    vector_scores: Floats | None
    prefix_scores: PrefixScores | None


def fit_linear_model(
    ids: Ids,
    targets: Floats,
    multiplicity: NDArray[np.float64],
    label_weights: Floats | None = None,
    *,
    max_length: int,
    is_exclusive: bool,
    pretrained: tuple[Floats, NDArray[np.bool_]] | None = None,
    prefixes: Prefixes | None = None,
    n_buckets: int = 0,
    shares_buckets: bool = False,
) -> LinearModel:
    """Fit the linear model to the training documents.

    Parameters
    ----------
    ids : ndarray of int32 of shape (n_documents, width)
        Rows of the embedding matrix for the tokens; zeros are padding.
    targets, multiplicity, label_weights
        As in `fit_features`.
    max_length : int
        Tokens of the longest n-grams.
    is_exclusive : bool
        Whether each document has exactly one of the classes; False for multilabel data.
    pretrained : tuple or None
        Pretrained vectors by row of the embedding matrix, and whether each row has one.
    prefixes : Prefixes or None
        The prefixes of the token of each row.
    n_buckets : int
        Number of buckets; 0 for a suitable number.
    shares_buckets : bool
        Whether the n-grams of a bucket share its weights, so that `partial_fit` can train weights
        of n-grams in later documents.
    """
    ngrams = count_ngrams(ids, max_length, multiplicity)
    n_expected = ngrams.n_distinct if shares_buckets else len(ngrams.keys)
    mean_length = np.count_nonzero(ids) / len(ids)
    regression = choose_regression(
        targets, mean_length, is_exclusive=is_exclusive, has_vectors=pretrained is not None
    )
    vectors = None
    if pretrained is not None:
        vectors = vector_features(ids, *pretrained, multiplicity, scale=regression.vector_scale)
    model = fit_features(
        ngrams,
        None if prefixes is None else count_prefixes(ids, prefixes, multiplicity),
        vectors,
        targets,
        multiplicity,
        label_weights,
        regression=regression,
        n_buckets=n_buckets or choose_n_buckets(n_expected),
    )
    if shares_buckets:
        model.weights[NGRAM_CHECKSUMS][:] = ANY_CHECKSUM
    return model


@one_blas_thread()
def fit_features(
    ngrams: NgramCounts,
    prefixes: PrefixCounts | None,
    vectors: VectorFeatures | None,
    targets: Floats,
    multiplicity: NDArray[np.float64],
    label_weights: Floats | None,
    *,
    regression: Regression,
    n_buckets: int,
) -> LinearModel:
    """Fit the weights of n-grams and tokens by logistic regression, each output against the others.

    The features are the counts of the n-grams and of the prefixes, multiplied by their naive Bayes
    log-count ratios, as in NB-SVM [1]_, and by their inverse document frequencies; and the features
    from pretrained vectors. With the logistic loss, the scores are log-odds. liblinear [2]_ fits
    the outputs in parallel on the available cores. Of several n-grams in the same bucket, only the
    one of most documents has a weight.

    Parameters
    ----------
    ngrams : NgramCounts
        The n-grams of the training documents.
    prefixes : PrefixCounts or None
        The prefixes of their tokens, if the tokens are known.
    vectors : VectorFeatures or None
        Features from pretrained vectors, if there are any.
    targets : ndarray of float32 of shape (n_documents, n_outputs)
        1 at the classes of each document, else 0.
    multiplicity : ndarray of float64 of shape (n_documents,)
        How many times each document counts.
    label_weights : ndarray of float32 of shape (n_documents, n_outputs) or None
        Additional weights for each output.
    regression : Regression
        Settings, as returned by `choose_regression`.
    n_buckets : int
        Number of buckets.

    References
    ----------
    .. [1] S. Wang and C. Manning, "Baselines and bigrams: simple, good sentiment and topic
       classification", ACL 2012.
    .. [2] R.-E. Fan, K.-W. Chang, C.-J. Hsieh, X.-R. Wang and C.-J. Lin, "LIBLINEAR: a library for
       large linear classification", Journal of Machine Learning Research 9, 2008.
    """
    from sklearn.linear_model import LogisticRegression

    buckets, checksums = split_keys(ngrams.keys, n_buckets, np)
    by_frequency = np.argsort(-ngrams.n_documents, kind="stable")
    buckets, first = np.unique(buckets[by_frequency], return_index=True)
    kept = by_frequency[first]
    counts, n_documents = ngrams.counts[:, kept], ngrams.n_documents[kept]
    n_ngrams = len(kept)
    if prefixes is not None:
        counts = sparse.hstack([counts, prefixes.counts], format="csr")
        n_documents = np.append(n_documents, prefixes.n_documents)
    presence, n_counts = _presence(counts), counts.shape[1]
    idf = _inverse_document_frequencies(n_documents, multiplicity)
    features = counts
    if vectors is not None:
        dense = sparse.csr_array(vectors.of_documents)
        features = sparse.hstack([counts, dense], format="csr")
    n_features = features.shape[1]

    def fit(_: int, output: int) -> tuple[NDArray[np.float64], float]:
        is_member, weight = targets[:, output] > 0.5, multiplicity
        if label_weights is not None:
            weight = weight * label_weights[:, output]
        bias = np.log((1.0 + weight[is_member].sum()) / (1.0 + weight[~is_member].sum()))
        if not weight[is_member].any() or not weight[~is_member].any() or not n_features:
            return np.zeros(n_features), bias  # Only the frequency is known.
        scale = np.ones(n_features)
        if n_counts:
            ratio = log_count_ratio(presence, weight * is_member, weight * ~is_member, 1.0)
            scale[:n_counts] = ratio * idf / _TYPICAL_IDF
        scaled = features.copy()
        scaled.data *= scale[features.indices]
        # Not the dual solver, which is faster: it draws from a generator that all threads share.
        model = LogisticRegression(
            C=regression.C, solver="liblinear", tol=_TOLERANCE, max_iter=1000
        )
        model.fit(scaled, is_member, sample_weight=weight)
        factor = regression.factor
        return factor / GAIN * scale * model.coef_[0], factor * model.intercept_[0]

    with worker_threads(targets.shape[1]) as parallel_map:
        coefficients, biases = zip(*parallel_map(fit, range(targets.shape[1])), strict=True)
    by_feature = np.stack(coefficients, axis=1)
    table = np.zeros((n_buckets, targets.shape[1]), dtype=np.float32)
    table[buckets] = by_feature[:n_ngrams]
    of_buckets = np.full((n_buckets, 1), ANY_CHECKSUM, dtype=np.float32)
    of_buckets[buckets, 0] = checksums[kept]
    bias = np.array([biases], dtype=np.float32)
    weights = {NGRAM_WEIGHTS: table, NGRAM_CHECKSUMS: of_buckets, NGRAM_BIAS: bias}
    by_prefix, by_component = by_feature[n_ngrams:n_counts], by_feature[n_counts:]
    vector_scores = prefix_scores = None
    token_scores: list[Floats] = []
    if prefixes is not None:
        token_scores.append(prefixes.token_scores(by_prefix))
        prefix_scores = prefixes.prefix_scores(by_prefix)
    if vectors is not None:
        token_scores.append(vectors.token_scores(by_component))
        vector_scores = vectors.unseen_scores(by_component)
    if token_scores:
        weights[TOKEN_SCORES] = np.sum(token_scores, axis=0)
    return LinearModel(weights, vector_scores, prefix_scores)


def choose_regression(
    targets: Floats, mean_length: float, *, is_exclusive: bool, has_vectors: bool
) -> Regression:
    """Return the settings that are suitable for the documents and classes.

    Parameters
    ----------
    targets : ndarray of float32 of shape (n_documents, n_outputs)
        1 at the classes of each document, else 0.
    mean_length : float
        Mean number of tokens of the documents.
    is_exclusive : bool
        Whether each document has exactly one of the classes; False for multilabel data.
    has_vectors : bool
        Whether token vectors are features as well.
    """
    n_documents, n_outputs = targets.shape
    counts = targets.sum(axis=0)
    rarest = counts.min() if n_outputs > 1 else min(counts[0], n_documents - counts[0])
    is_rare, is_many = rarest < _MIN_RAREST_CLASS, n_outputs > _MAX_CLASSES
    is_long = mean_length > MAX_SHORT
    vector_scale = _VECTOR_SCALE_LONG if is_long else _VECTOR_SCALE
    if not is_exclusive:
        return Regression(_C, _FACTOR_MULTILABEL, vector_scale)
    c = _C
    if is_many or is_long or not has_vectors:
        c = _C_LARGE
    elif n_outputs > 1 and not is_rare:
        c = _C_SEVERAL
    factor = _FACTOR_BINARY if n_outputs == 1 else _FACTOR
    if is_long and rarest >= _MIN_COMMON_CLASS:
        factor = _FACTOR_COMMON_AND_LONG
    elif is_long:
        factor = _FACTOR_RARE_AND_LONG if is_rare and not is_many else _FACTOR_LONG
    elif n_documents < _MIN_TOTAL:
        factor = _FACTOR_FEW
    return Regression(c, factor, vector_scale)


def log_count_ratio(
    presence: Any, members: NDArray[np.generic], others: NDArray[np.generic], alpha: float
) -> NDArray[np.float64]:
    """Compute the log-count ratio of each feature for one class (Wang and Manning, 2012).

    Parameters
    ----------
    presence : {ndarray, sparse matrix} of shape (n_samples, n_features)
        1 where a sample has a feature, else 0.
    members, others : ndarray of shape (n_samples,)
        Weight of each sample as a member of the class, and as a member of the other classes.
    alpha : float
        Smoothing term that is added to all counts.

    Returns
    -------
    ratio : ndarray of float64 of shape (n_features,)
        Logarithm of the proportion of the feature in the class over that in the other classes.
    """
    log_proportions = []
    for rows in (members, others):
        count = alpha + safe_sparse_dot(rows.astype(np.float64), presence)
        log_proportions.append(np.log(count) - np.log(count.sum()))
    return np.asarray(log_proportions[0] - log_proportions[1])

"""Hashed n-grams: buckets of n-grams, and their weights, fitted by logistic regression."""

from __future__ import annotations

from math import ceil, log2
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.extmath import safe_sparse_dot

from sklstm._network.spec import Floats, Ids
from sklstm._runtime import worker_threads
from sklstm._vocabulary import OOV_ID

#: Factor of the n-gram weights in a score. It increases the effective learning rate of these
#: weights, because a learning rate that suits the LSTM is too low for them.
GAIN = 3.0

#: Random odd numbers, one for each position in an n-gram. Products are intended to overflow.
HASH_FACTORS = (1640531513, 1974261437, 1266122501, 1481765933, 1848586169)
#: Maximum supported length of n-grams.
MAX_NGRAM = len(HASH_FACTORS)

_MIN_BUCKETS, _MAX_BUCKETS = 2**10, 2**20
# N-grams that occur in fewer training documents have a weight of zero, because they are not
# informative about other documents.
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
    """

    C: float
    factor: float


# The more classes or labels, the fewer documents of one of them, and the longer the documents, the
# more accurate is the linear model in comparison with the LSTM. These settings were chosen on
# validation sets.
_DEFAULT, _MULTILABEL = Regression(3.0, 1.0), Regression(3.0, 2.0)
_MANY_CLASSES, _FEW_OR_LONG = Regression(10.0, 4.0), Regression(3.0, 4.0)
# More classes are many, fewer documents of the rarest class are few, and documents of more tokens
# are long.
_MAX_CLASSES, _MIN_RAREST_CLASS, _MAX_MEAN_LENGTH = 5, 500, 100
_TOLERANCE = 1e-4


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


def hash_ngrams(ids: Any, length: int, n_buckets: int, xp: ModuleType) -> tuple[Any, Any]:
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
    is_ngram : array of bool of shape (n_documents, width)
        Whether all tokens of the n-gram are in the document.
    """
    key, is_ngram = ids * HASH_FACTORS[0], ids > 0
    for shift in range(1, length):
        following = xp.concatenate([ids[:, shift:], xp.zeros_like(ids[:, :shift])], axis=1)
        key = key + following * HASH_FACTORS[shift]
        is_ngram = xp.logical_and(is_ngram, following > 0)
    return xp.mod(key, n_buckets), is_ngram


def choose_n_buckets(ids: Ids, max_length: int) -> int:
    """Return a number of buckets with which the n-grams of these documents rarely collide.

    The number is a power of two, so that it is the same for similar corpora, and at most ``2**20``.
    """
    is_used = np.zeros(_MAX_BUCKETS, dtype=bool)
    for length in range(1, max_length + 1):
        buckets, is_ngram = hash_ngrams(ids, length, _MAX_BUCKETS, np)
        is_used[buckets[is_ngram]] = True
    n_doublings = ceil(log2(max(1, is_used.sum())))
    return min(_MAX_BUCKETS, max(_MIN_BUCKETS, 2 ** (n_doublings + 2)))


def fit_ngram_weights(
    ids: Ids,
    targets: Floats,
    multiplicity: NDArray[np.float64],
    label_weights: Floats | None,
    *,
    is_exclusive: bool,
    max_length: int,
    n_buckets: int,
) -> tuple[Floats, Floats]:
    """Fit the bucket weights by logistic regression, for each output against the others.

    The features are the counts of `ngram_scores`, multiplied by their naive Bayes log-count ratios,
    as in NB-SVM [1]_, and by their inverse document frequencies. With the logistic loss, the scores
    are log-odds. liblinear [2]_ fits the outputs in parallel on the available cores.

    Parameters
    ----------
    ids : ndarray of int32 of shape (n_documents, width)
        Token ids of the training documents.
    targets : ndarray of float32 of shape (n_documents, n_outputs)
        1 at the classes of each document, else 0.
    multiplicity : ndarray of float64 of shape (n_documents,)
        How many times each document counts.
    label_weights : ndarray of float32 of shape (n_documents, n_outputs) or None
        Additional weights for each output.
    is_exclusive : bool
        Whether each document has exactly one of the classes; False for multilabel data.
    max_length : int
        Tokens of the longest n-grams.
    n_buckets : int
        Number of buckets.

    Returns
    -------
    table : ndarray of float32 of shape (n_buckets, n_outputs)
        Bucket weights; zero for n-grams of one document.
    bias : ndarray of float32 of shape (1, n_outputs)
        Biases.

    References
    ----------
    .. [1] S. Wang and C. Manning, "Baselines and bigrams: simple, good sentiment and topic
       classification", ACL 2012.
    .. [2] R.-E. Fan, K.-W. Chang, C.-J. Hsieh, X.-R. Wang and C.-J. Lin, "LIBLINEAR: a library for
       large linear classification", Journal of Machine Learning Research 9, 2008.
    """
    from sklearn.linear_model import LogisticRegression

    regression = choose_regression(ids, targets, is_exclusive)
    features = _scaled_counts(ids, max_length, n_buckets)
    presence = features.copy()
    presence.data[:] = 1.0
    n_documents = multiplicity @ presence
    buckets = np.flatnonzero(n_documents >= _MIN_DOCUMENTS)
    features, presence = features[:, buckets], presence[:, buckets]
    idf = 1.0 + np.log((1.0 + multiplicity.sum()) / (1.0 + n_documents[buckets]))

    def fit(_: int, output: int) -> tuple[Floats, float]:
        is_member, weight = targets[:, output] > 0.5, multiplicity
        if label_weights is not None:
            weight = weight * label_weights[:, output]
        bias = np.log((1.0 + weight[is_member].sum()) / (1.0 + weight[~is_member].sum()))
        if not weight[is_member].any() or not weight[~is_member].any() or not len(buckets):
            return np.zeros(len(buckets), np.float32), bias  # Only the frequency is known.
        ratio = log_count_ratio(presence, weight * is_member, weight * ~is_member, 1.0)
        scale = ratio * idf / _TYPICAL_IDF
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
        fitted = parallel_map(fit, range(targets.shape[1]))
    table = np.zeros((n_buckets, targets.shape[1]), dtype=np.float32)
    for output, (coefficients, _) in enumerate(fitted):
        table[buckets, output] = coefficients
    return table, np.array([[bias for _, bias in fitted]], dtype=np.float32)


def choose_regression(ids: Ids, targets: Floats, is_exclusive: bool) -> Regression:
    """Return the settings that are suitable for the documents and classes."""
    n_documents, n_outputs = targets.shape
    if not is_exclusive:
        return _MULTILABEL
    if n_outputs > _MAX_CLASSES:
        return _MANY_CLASSES
    counts = targets.sum(axis=0)
    rarest = counts.min() if n_outputs > 1 else min(counts[0], n_documents - counts[0])
    is_long = (ids > 0).sum() > n_documents * _MAX_MEAN_LENGTH
    return _FEW_OR_LONG if rarest < _MIN_RAREST_CLASS or is_long else _DEFAULT


def _scaled_counts(ids: Ids, max_length: int, n_buckets: int) -> sparse.csr_array:
    """Return the number of n-grams per bucket, over the square root of the document length."""
    rows = np.broadcast_to(np.arange(len(ids), dtype=np.int32)[:, None], ids.shape)
    hashed = [hash_ngrams(ids, length, n_buckets, np) for length in range(1, max_length + 1)]
    documents = np.concatenate([rows[is_ngram] for _, is_ngram in hashed])
    columns = np.concatenate([buckets[is_ngram] for buckets, is_ngram in hashed])
    n_tokens = np.maximum((ids > 0).sum(axis=1), 1)
    values = (1.0 / np.sqrt(n_tokens))[documents]
    counts = sparse.csr_array((values, (documents, columns)), shape=(len(ids), n_buckets))
    counts.sum_duplicates()
    return counts


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

"""Split the scores by n-grams, which are sums, exactly among the tokens of a document."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sklstm._network.initial import NGRAM_BIAS, NGRAM_WEIGHTS
from sklstm._network.ngram_table import GAIN, as_in_training, buckets_of
from sklstm._network.spec import NetworkSpec


def ngram_shares(
    spec: NetworkSpec,
    weights: Mapping[str, NDArray[np.float32]],
    inputs: NDArray[np.int32],
    shares: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what each token adds to the score by n-grams, and that score of no n-grams at all.

    Each n-gram is split evenly among its tokens.

    Parameters
    ----------
    spec : NetworkSpec
        The network.
    weights : mapping of str to ndarray of float32
        By name.
    inputs : ndarray of int32 of shape (n_documents, width)
        Token ids, as the network takes them.
    shares : ndarray of float32 of shape (n_documents, n_outputs)
        How much each logit counts in the score.

    Returns
    -------
    values : ndarray of float64 of shape (n_documents, width)
    baselines : ndarray of float64 of shape (n_documents,)
    """
    values = np.zeros(inputs.shape)
    inputs = as_in_training(inputs, spec.ngram_rows, np)
    for length in range(1, spec.ngrams + 1):
        buckets, is_there = buckets_of(inputs, length, spec.ngram_buckets, np)
        found = np.einsum("nwo,no->nw", weights[NGRAM_WEIGHTS][buckets], shares, dtype=np.float64)
        found *= is_there / length
        for shift in range(length):
            values[:, shift:] += found[:, : found.shape[1] - shift]
    n_tokens = np.maximum((inputs > 0).sum(axis=1, keepdims=True), 1)
    return values * GAIN / np.sqrt(n_tokens), shares @ weights[NGRAM_BIAS][0].astype(np.float64)

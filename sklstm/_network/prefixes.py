"""Prefixes of tokens, as features that words with the same stem have in common."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

# Characters of the prefixes.
_LENGTHS = (3, 4, 5, 6)


class Prefixes(NamedTuple):
    """The prefixes of tokens.

    Attributes
    ----------
    matrix : csr_array of float64 of shape (n_tokens, n_prefixes)
        1 for the prefixes of each token, else 0.
    names : ndarray of str objects of shape (n_prefixes,)
        The prefixes.
    """

    matrix: sparse.csr_array
    names: NDArray[np.object_]

    def take(self, columns: NDArray[np.intp]) -> Prefixes:
        """Return some of the prefixes."""
        return Prefixes(self.matrix[:, columns], self.names[columns])


def find_prefixes(tokens: NDArray[np.object_]) -> Prefixes:
    """Return the prefixes of three to six characters that are shorter than their token.

    Parameters
    ----------
    tokens : ndarray of str objects of shape (n_tokens,)
        The tokens; "" for none.
    """
    sizes = np.fromiter(map(len, tokens), dtype=np.intp, count=len(tokens))
    rows = [np.flatnonzero(sizes > length) for length in _LENGTHS]
    found = [
        token[:length]
        for length, longer in zip(_LENGTHS, rows, strict=True)
        for token in tokens[longer]
    ]
    columns, names = pd.factorize(np.array(found, dtype=object))
    # liblinear requires indices of 32 bits.
    indices = np.concatenate(rows).astype(np.int32), columns.astype(np.int32)
    shape = len(tokens), len(names)
    return Prefixes(sparse.csr_array((np.ones(len(columns)), indices), shape=shape), names)


@dataclass(frozen=True)
class PrefixScores:
    """Scores of prefixes in a fitted linear model.

    Attributes
    ----------
    names : ndarray of str objects of shape (n_prefixes,)
        The prefixes.
    scores : ndarray of float32 of shape (n_prefixes, n_outputs)
        The score that each of them adds to the score of a token.
    """

    names: NDArray[np.object_]
    scores: NDArray[np.float32]

    @cached_property
    def _index(self) -> pd.Index:
        return pd.Index(self.names)

    def of_tokens(self, tokens: NDArray[np.object_]) -> NDArray[np.float32]:
        """Return the sums of the scores of the prefixes of each token."""
        matrix, names = find_prefixes(tokens)
        rows = self._index.get_indexer(pd.Index(names))
        is_known = rows >= 0
        sums = matrix[:, is_known] @ self.scores[rows[is_known]]
        return np.asarray(sums, dtype=np.float32)

"""Occlusion: how far a score falls when a token is hidden."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklstm._inspection.scores import class_scores
from sklstm._vocabulary import OOV_ID

# Rows scored in one call.
_MOST_ROWS = 4096


def occlude(
    classifier: Any, ids: NDArray[np.int32], codes: NDArray[np.int64]
) -> tuple[list[NDArray[np.float64]], NDArray[np.float64]]:
    """Return the fall of the score when each token becomes the unknown one.

    Parameters
    ----------
    classifier : object
        Of token ids, with `decision_function` or `predict_proba`.
    ids : ndarray of int32 of shape (n_documents, width)
        Token ids.
    codes : ndarray of int of shape (n_documents,)
        Column of the score of each document.

    Returns
    -------
    values : list of ndarray of float64 of shape (n_tokens,)
    baselines : ndarray of float64 of shape (n_documents,)
        The scores with all tokens unknown.
    """
    values, baselines = [], []
    for documents in _blocks((ids != 0).sum(axis=1)):
        variants = [_variants(row) for row in ids[documents]]
        counts = [len(rows) for rows in variants]
        scores = class_scores(classifier, np.concatenate(variants))
        of_target = scores[np.arange(len(scores)), np.repeat(codes[documents], counts)]
        for whole, hidden, *others in np.split(of_target, np.cumsum(counts)[:-1]):
            values.append(whole - np.array(others))
            baselines.append(hidden)
    return values, np.array(baselines)


def _variants(row: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return a document as it is, with all tokens unknown, and with each one unknown."""
    places = np.flatnonzero(row)
    rows = np.tile(row, (2 + len(places), 1))
    rows[1, places] = OOV_ID
    rows[np.arange(2, len(rows)), places] = OOV_ID
    return rows


def _blocks(n_tokens: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the numbers of documents that are scored together."""
    ends = np.cumsum(n_tokens + 2)
    yield from np.split(np.arange(len(ends)), np.flatnonzero(np.diff(ends // _MOST_ROWS)) + 1)

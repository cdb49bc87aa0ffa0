"""The documents that a network of one's own is trained on, and what it is told of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklstm import _validation
from sklstm._training.batches import Ids
from sklstm._vocabulary import OOV_ID


@dataclass(frozen=True)
class Documents:
    """Checked documents: ids, labels, and their weights."""

    ids: Ids
    labels: NDArray[Any]
    weights: NDArray[np.float64]

    def rows(self, rows: NDArray[Any]) -> Documents:
        """Return some of them."""
        return Documents(self.ids[rows], self.labels[rows], self.weights[rows])


def described(
    ids: Ids, labels: NDArray[Any], classes: NDArray[Any], vocab_size: int | None
) -> dict[str, Any]:
    """Return what a function that builds a network is told of the data."""
    is_multilabel = labels.ndim == 2
    has_one = not is_multilabel and len(classes) == 2
    return {
        "n_features_in_": ids.shape[1],
        "vocab_size_": vocab_size or max(int(ids.max()), OOV_ID) + 1,
        "classes_": classes,
        "is_multilabel_": is_multilabel,
        "n_output_units_": 1 if has_one else len(classes),
        "output_activation_": "sigmoid" if has_one or is_multilabel else "softmax",
    }


def split(
    documents: Documents,
    held_out: tuple[Any, ...] | None,
    share: float,
    vocab_size: int,
    seed: int,
) -> tuple[Documents, Documents | None]:
    """Return the documents to train on, and those to validate on, if any.

    Parameters
    ----------
    documents : Documents
        All that were given.
    held_out : tuple of ndarray or None
        Ids, labels and weights of documents given for validation.
    share : float
        Of `documents` to validate on, where there is no `held_out`; 0 for none.
    vocab_size : int
        Larger ids become that of the unknown token.
    seed : int
        Draws the share.

    Raises
    ------
    ValueError
        If all weights are 0, or the documents are too few to be split.
    """
    training = documents
    validation = None if held_out is None else Documents(*held_out)
    if validation is None and share:
        rows, held_out_rows = _validation.split_off_validation(
            documents.labels, share, seed, "validation_split", "set it to 0"
        )
        training, validation = documents.rows(rows), documents.rows(held_out_rows)
    trained_on = _weighty(training, vocab_size, "y")
    return trained_on, None if validation is None else _weighty(validation, vocab_size, "y_val")


def known(ids: Ids, vocab_size: int) -> Ids:
    """Return ids of which those beyond the vocabulary are that of the unknown token."""
    return np.where(ids < vocab_size, ids, OOV_ID).astype(np.int32)


def _weighty(documents: Documents, vocab_size: int, name: str) -> Documents:
    """Return the documents whose weight is not 0."""
    if not documents.weights.any():
        raise ValueError(f"All the documents of {name} have weight 0; give some a positive one.")
    kept = documents.rows(np.flatnonzero(documents.weights))
    return Documents(known(kept.ids, vocab_size), kept.labels, kept.weights)

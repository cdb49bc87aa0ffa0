"""Find tokens whose vectors in a trained embedding point in like directions."""

from __future__ import annotations

from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from sklstm._network.initial import EMBEDDINGS
from sklstm._vocabulary import N_RESERVED, OOV_ID
from sklstm.classifier import LSTMTextClassifier
from sklstm.sequencer import TextSequencer


def id_of(sequencer: TextSequencer, token: str) -> int:
    """Return the id of a token.

    Raises
    ------
    ValueError
        If it has none.
    """
    if token not in sequencer.vocabulary_:
        similar = get_close_matches(token, sequencer.vocabulary_, n=3)
        meant = f"; did you mean {' or '.join(map(repr, similar))}?" if similar else "."
        raise ValueError(
            f"token={token!r:.60} is none of the {len(sequencer.vocabulary_):,} in the vocabulary "
            f"of the TextSequencer{meant}"
        )
    return sequencer.vocabulary_[token]


def similarities(
    sequencer: TextSequencer, classifier: LSTMTextClassifier, id_: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the ids of the other tokens that have a vector, and the cosine with that of `id_`.

    Raises
    ------
    ValueError
        If `id_` has none.
    """
    tokens = sequencer.tokens_
    ids = np.arange(N_RESERVED, min(len(tokens), classifier.vocab_size_), dtype=np.int32)
    rows, _, weights = classifier._met(ids)
    matrix = weights[EMBEDDINGS]
    # Rows behind those of training hold pretrained vectors.
    is_known = np.ones(len(matrix), dtype=bool)
    is_known[: len(classifier._known_ids)] = classifier._known_ids
    has_vector = (rows != OOV_ID) & is_known[rows] & (tokens[ids] != "")
    if id_ not in ids[has_vector]:
        raise ValueError(
            f"token={tokens[id_]!r:.60} has no vector: the classifier was not trained on it, and "
            "reads it as the unknown token."
        )
    ids, vectors = ids[has_vector], matrix[rows[has_vector]].astype(np.float64)
    lengths = np.maximum(np.linalg.norm(vectors, axis=1), np.finfo(np.float64).tiny)
    directions = vectors / lengths[:, None]
    is_other = ids != id_
    return ids[is_other], directions[is_other] @ directions[~is_other][0]

"""nearest_tokens: tokens with similar vectors in a trained embedding."""

from __future__ import annotations

from difflib import get_close_matches
from numbers import Integral

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.pipeline import Pipeline
from sklearn.utils import check_scalar

from sklstm._network.embedding_table import FittedNetwork
from sklstm._network.spec import EMBEDDINGS, Ids
from sklstm._vocabulary import N_RESERVED, OOV_ID
from sklstm.pipeline import split_pipeline


def nearest_tokens(estimator: Pipeline, token: str, *, n_tokens: int = 10) -> pd.DataFrame:
    """Find the tokens with the most similar vectors in the trained embedding.

    Parameters
    ----------
    estimator : Pipeline
        Fitted pipeline of `TextSequencer` and `LSTMTextClassifier`.
    token : str
        A token of the vocabulary, in the form that `TextSequencer` produces (lowercase by default).
    n_tokens : int, default=10
        Maximum number of tokens to return.

    Returns
    -------
    tokens : DataFrame
        Columns ``token`` and ``similarity``, the cosine similarity of the two vectors, from -1 to
        1. Rows are in decreasing order of similarity.

    Raises
    ------
    TypeError
        If `estimator` is not supported, `token` is not a str, or `n_tokens` is not an integer.
    ValueError
        If `token` is not in the vocabulary or has no vector, if `n_tokens` is not positive, or if
        the `TextSequencer` has ``indexing="hash"``.
    NotFittedError
        If `estimator` is not fitted.

    See Also
    --------
    WordVectors : Pretrained vectors.

    Notes
    -----
    An embedding that is trained from scratch only separates the classes, so words that indicate the
    same class become similar even if their meanings differ. Vectors of rare tokens are still close
    to their random initialization, and tokens unseen in training have no vector. With
    `WordVectors`, all words with a pretrained vector are candidates.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklstm import LSTMTextClassifier, TextSequencer, nearest_tokens
    >>> texts = ["a fine film", "a dull film", "fine and moving", "dull and slow"]
    >>> classifier = LSTMTextClassifier(units=8, epochs=20, learning_rate=0.02, random_state=0)
    >>> model = make_pipeline(TextSequencer(), classifier)
    >>> model = model.fit(texts, ["good", "bad", "good", "bad"])
    >>> nearest_tokens(model, "dull", n_tokens=1)["token"].tolist()
    ['slow']
    """
    sequencer, classifier = split_pipeline(estimator)
    check_scalar(token, "token", str)
    check_scalar(n_tokens, "n_tokens", Integral, min_val=1)
    if sequencer is None:
        problem = "estimator is a classifier without TextSequencer, so its tokens are unknown"
        raise TypeError(f"{problem}; pass a pipeline of TextSequencer and LSTMTextClassifier.")
    if not hasattr(sequencer, "tokens_"):
        raise ValueError("indexing='hash' keeps no tokens; fit with indexing='vocabulary'.")
    tokens, vocabulary = sequencer.tokens_, sequencer.vocabulary_
    if token not in vocabulary:
        similar = get_close_matches(token, vocabulary, n=3)
        hint = f"; did you mean {' or '.join(map(repr, similar))}?" if similar else "."
        known = f"{len(vocabulary):,} tokens of the TextSequencer"
        raise ValueError(f"token={token!r:.60} is not among the {known}{hint}")
    ids, vectors = _vectors(classifier._fitted_network(), tokens)
    is_token = ids == vocabulary[token]
    if not is_token.any():
        problem = "has no vector, because it does not occur in the training texts; pass another one"
        raise ValueError(f"token={token!r:.60} {problem}.")
    similarity = cosine_similarity(vectors, vectors[is_token])[:, 0]
    order = np.argsort(-similarity, kind="stable")
    nearest = order[~is_token[order]][:n_tokens]
    return pd.DataFrame({"token": tokens[ids[nearest]], "similarity": similarity[nearest]})


def _vectors(fitted: FittedNetwork, tokens: NDArray[np.object_]) -> tuple[Ids, NDArray[np.float64]]:
    """Return the ids of the tokens that have a vector, and the vectors."""
    table = fitted.table
    ids = np.arange(N_RESERVED, min(len(tokens), table.vocab_size), dtype=np.int32)
    rows, _, weights = fitted.resolve(ids)
    matrix = weights[EMBEDDINGS]
    # The rows that follow the trained embedding are pretrained vectors.
    is_known = np.append(table.is_known, np.ones(len(matrix) - len(table.is_known), dtype=bool))
    has_vector = (rows != OOV_ID) & is_known[rows] & (tokens[ids] != "")
    return ids[has_vector], matrix[rows[has_vector]].astype(np.float64)

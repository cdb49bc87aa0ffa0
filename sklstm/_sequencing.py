"""What a TextSequencer does with texts: read them, learn from them, number their tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, validate_data

from sklstm import _texts, _tokens, _vocabulary
from sklstm.vectors import WordVectors

if TYPE_CHECKING:
    from sklstm.sequencer import TextSequencer


def read(sequencer: TextSequencer, X: Any, *, reset: bool) -> _tokens.Corpus:
    """Check X and the parameters that say how to read it, and cut it into tokens."""
    analyzer = _tokens.build_analyzer(vars(sequencer))
    texts, n_columns = _texts.read_texts(X, sequencer.separator)
    named = hasattr(X, "columns") or hasattr(sequencer, "feature_names_in_")
    # The check takes long, and would only compare the numbers of columns.
    if reset or named or n_columns != sequencer.n_features_in_:
        # To scikit-learn's check a one-dimensional X is one column without a name.
        shaped = X if hasattr(X, "columns") else np.empty((len(texts), n_columns), dtype=bool)
        validate_data(sequencer, shaped, reset=reset, skip_check_array=True)
    corpus = _tokens.tokenize(texts, analyzer)
    if sequencer.stemmer is not None and sequencer.analyzer == "word":
        corpus = _tokens.stem(corpus, sequencer.stemmer)
    has_vectors = isinstance(sequencer.vocabulary, WordVectors)
    return _tokens.respell(corpus, sequencer.vocabulary) if has_vectors else corpus


def learn(sequencer: TextSequencer, corpus: _tokens.Corpus, *, go_on: bool) -> None:
    """Set the fitted attributes, from this corpus alone or also from those before it."""
    fixed, most = sequencer.vocabulary, sequencer.max_tokens
    before = vars(sequencer) if go_on and hasattr(sequencer, "max_len_") else {}
    if not corpus.codes.size and not (before and corpus.lengths.size):
        raise ValueError(
            f"X holds no tokens, in {corpus.lengths.size} documents. Pass texts that are not "
            "empty, or change what leaves tokens out: stop_words, tokenizer, token_pattern."
        )
    longest = int(corpus.lengths.max(initial=1))
    width = max(min(longest, sequencer.max_len or longest), before.get("max_len_", 1))
    learned: dict[str, Any] = {"max_len_": width}
    limits = (sequencer.min_df, sequencer.max_df, most and most - _vocabulary.N_RESERVED)
    if sequencer.indexing == "hash":
        learned["n_tokens_"] = _vocabulary.hash_size(most, fixed)
    elif isinstance(fixed, WordVectors):
        learned |= _vocabulary.extend(fixed.tokens, corpus, before, *limits)
    elif fixed is not None:
        learned |= _vocabulary.count_fixed(corpus, fixed, before)
    else:
        learned |= _vocabulary.grow(corpus, before, *limits, go_on)
    for name in ("vocabulary_", "tokens_", "token_counts_", "_tally"):
        sequencer.__dict__.pop(name, None)
    sequencer.__dict__.update(learned)


def rows(sequencer: TextSequencer, corpus: _tokens.Corpus) -> NDArray[np.int32]:
    """Return the padded rows of token ids of a corpus."""
    if not hasattr(sequencer, "vocabulary_"):
        ids = _vocabulary.hash_ids(corpus, sequencer.n_tokens_)
    elif sequencer.vocabulary_:
        ids = _vocabulary.look_up(corpus, sequencer.vocabulary_)
    else:
        raise ValueError(
            f"No tokens remain with min_df={sequencer.min_df} and max_df={sequencer.max_df}; "
            "call partial_fit on more texts, or lower min_df or raise max_df."
        )
    width, padding = sequencer.max_len_, sequencer.padding
    padded = _texts.pad_rows(ids, corpus.lengths, width, padding, sequencer.truncating)
    padded[corpus.lengths == 0, -1 if padding == "pre" else 0] = _vocabulary.OOV_ID
    return padded


def tokens(sequencer: TextSequencer, X: Any) -> list[NDArray[np.object_]]:
    """Check that X holds ids of the vocabulary, and return the tokens of each row."""
    if not hasattr(sequencer, "tokens_"):
        raise ValueError("indexing='hash' keeps no tokens; use indexing='vocabulary'.")
    ids = check_array(X, dtype=None)
    found = f"{ids.min()} to {ids.max()}" if ids.dtype.kind in "iu" else f"{ids.dtype}"
    if ids.dtype.kind not in "iu" or ids.min() < 0 or ids.max() >= sequencer.n_tokens_:
        raise ValueError(
            f"X must hold integer ids from 0 to {sequencer.n_tokens_ - 1}, as transform gives "
            f"them; got {found}."
        )
    return [sequencer.tokens_[row[row > 0]] for row in ids]

"""What a `TextSequencer` does with a text, in values that JSON has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.feature_extraction.text import CountVectorizer

from sklstm.vectors import WordVectors

if TYPE_CHECKING:
    from sklstm.sequencer import TextSequencer

#: Of the settings; another one if a reader of these would make other ids of some texts.
FORMAT = 1

_CALLABLES = {
    "preprocessor": "set lowercase and strip_accents instead",
    "strip_accents": "pass 'ascii' or 'unicode'",
}
_CALLABLES_OF_WORDS = {
    "tokenizer": "describe a token by token_pattern",
    "stemmer": "leave words as they are, with stemmer=None",
}


def tokenizer_settings(sequencer: TextSequencer) -> dict[str, Any]:
    """Return all that another program must know to make the ids of a fitted `TextSequencer`.

    Raises
    ------
    ValueError
        If a parameter is a function, or there is a stemmer, which is one too.
    """
    is_words = sequencer.analyzer == "word"
    for name, remedy in (_CALLABLES | (_CALLABLES_OF_WORDS if is_words else {})).items():
        value = getattr(sequencer, name)
        if callable(value) or (name == "stemmer" and value is not None):
            raise ValueError(
                f"{name}={value!r:.60} needs Python code, which cannot stand beside the model. "
                f"Export the classifier alone and make its ids yourself, or {remedy} and fit anew."
            )
    settings: dict[str, Any] = {
        "format": FORMAT,
        "lowercase": bool(sequencer.lowercase),
        "strip_accents": sequencer.strip_accents,
        "analyzer": sequencer.analyzer,
        "token_pattern": sequencer.token_pattern,
        "stop_words": sorted(
            CountVectorizer(stop_words=sequencer.stop_words).get_stop_words() or ()
        ),
        "indexing": sequencer.indexing,
        "n_tokens": int(sequencer.n_tokens_),
        "max_len": int(sequencer.max_len_),
        "padding": sequencer.padding,
        "truncating": sequencer.truncating,
        "separator": sequencer.separator,
    }
    if sequencer.indexing == "vocabulary":
        settings["tokens"] = sequencer.tokens_.tolist()
        # Words to respell others by: those that have a vector, which come first.
        vectors = sequencer.vocabulary
        settings["n_vectors"] = len(vectors) if isinstance(vectors, WordVectors) else 0
    return settings

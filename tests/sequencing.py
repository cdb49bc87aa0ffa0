"""Texts and their tokens for the tests of TextSequencer."""

import re
import unicodedata

from sklearn.feature_extraction.text import CountVectorizer

from sklstm.sequencer import TextSequencer

TEXTS = [
    "The film was good, and I don't say that often.",
    "The film was bad. A very, very bad film!",
    "Good actors; a bad plot.",
    "It was 1999 and I was 7: the film is older.",
]


def tokens_of(text, **parameters):
    """Give the tokens that a text is cut into."""
    sequencer = TextSequencer(**parameters)
    return sequencer.inverse_transform(sequencer.fit_transform([text]))[0].tolist()


def reference_analyzer(**parameters):
    """Give the analyzer of CountVectorizer, which is given texts in the normal form of the docs."""
    pattern = TextSequencer().token_pattern
    vectorizer = CountVectorizer(**({"token_pattern": pattern} | parameters))
    uses_pattern = vectorizer.analyzer == "word" and vectorizer.tokenizer is None
    has_words = uses_pattern and pattern in (vectorizer.token_pattern or "")

    def normal_form(text):
        if text.isascii():
            return text
        if has_words:
            text = re.sub("[\u00b4\u02bc\u055a\u05f3\u2018\u2019\u201b\uff07]", "'", text)
            text = re.sub('([\u05d0-\u05ea])"(?=[\u05d0-\u05ea])', "\\1\u05f4", text)
        text = re.sub("[\u00ad\u061c\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]", "", text)
        return unicodedata.normalize("NFC", text)

    preprocess = vectorizer.build_preprocessor()
    strips_accents = vectorizer.strip_accents and not vectorizer.preprocessor
    vectorizer.preprocessor = lambda text: normal_form(
        preprocess(normal_form(text) if strips_accents else text)
    )
    if isinstance(vectorizer.stop_words, (list, set, tuple, frozenset)):
        vectorizer.stop_words = [normal_form(word) for word in vectorizer.stop_words]
    return vectorizer.build_analyzer()

"""Word counts and TF-IDF values in place of token ids are refused or warned about."""

from __future__ import annotations

import warnings

import custom_models
import numpy as np
import pandas as pd
import pytest
from conftest import LABELS, TEXTS, make_ids, small_classifier
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklstm import KerasTextClassifier, TextSequencer

CLASSIFIERS = {
    "LSTMTextClassifier": small_classifier(epochs=1),
    "KerasTextClassifier": KerasTextClassifier(custom_models.network, epochs=1),
}
classifiers = pytest.mark.parametrize("name", CLASSIFIERS)
LONG_TEXTS = [" ".join([text] * 2 + TEXTS[i : i + 2]) for i, text in enumerate(TEXTS)]


@classifiers
@pytest.mark.parametrize("vectorizer", [TfidfVectorizer, CountVectorizer, HashingVectorizer])
def test_a_vectorizer_in_place_of_the_sequencer_is_refused(name, vectorizer):
    message = rf"Replace the vectorizer with a TextSequencer: make_pipeline\(.*, {name}\(...\)\)"
    with pytest.raises(TypeError, match=message) as raised:
        make_pipeline(vectorizer(), CLASSIFIERS[name]).fit(TEXTS, LABELS)
    assert "toarray" not in str(raised.value)


def test_sparse_data_is_refused_in_predict_too():
    ids, y = make_ids()
    with pytest.raises(TypeError, match="Replace the vectorizer with a TextSequencer"):
        small_classifier(epochs=1).fit(ids, y).predict(sparse.csr_array(ids))


@classifiers
def test_dense_tfidf_values_are_refused(name):
    with pytest.raises(ValueError, match=r"not an integer.*takes token ids, as TextSequencer"):
        make_pipeline(
            TfidfVectorizer(), FunctionTransformer(lambda X: X.toarray()), CLASSIFIERS[name]
        ).fit(TEXTS, LABELS)


@classifiers
@pytest.mark.parametrize("texts", [TEXTS, LONG_TEXTS], ids=["short", "long"])
@pytest.mark.parametrize(
    "parameters",
    [{}, {"binary": True}, {"ngram_range": (1, 2)}, {"max_features": 30}, {"dtype": np.float32}],
    ids=str,
)
def test_dense_counts_are_warned_about(name, texts, parameters):
    counts = CountVectorizer(**parameters).fit_transform(texts).toarray()
    with pytest.warns(UserWarning, match="X looks like word counts.*TextSequencer"):
        CLASSIFIERS[name].fit(counts, LABELS)


def test_the_first_chunk_of_counts_is_warned_about_once():
    counts = CountVectorizer().fit_transform(TEXTS).toarray()
    with pytest.warns(UserWarning, match="X looks like word counts"):
        classifier = small_classifier().partial_fit(counts, LABELS, ["bad", "good"])
    classifier.partial_fit(counts, LABELS).predict(counts)


def joined(*columns, **parameters):
    """Return the ids of columns that are padded separately."""
    return np.hstack([TextSequencer(**parameters).fit_transform(column) for column in columns])


SHORT = [text.split()[0] for text in TEXTS]
TOKEN_IDS = {
    "pre": joined(TEXTS),
    "post": joined(TEXTS, padding="post"),
    "wide": np.pad(joined(TEXTS), ((0, 0), (200, 0))),
    "characters": joined(TEXTS, analyzer="char"),
    "hashed": joined(TEXTS, indexing="hash"),
    "all out of vocabulary": np.minimum(joined(TEXTS), 1),
    "joined": joined(TEXTS, TEXTS),
    "joined, mostly padding": np.hstack(
        [np.pad(joined(column), ((0, 0), (20, 0))) for column in (SHORT, TEXTS, SHORT)]
    ),
    "ids of 1 to 5 only": make_ids(60, 30, vocab_size=5)[0],
}


@pytest.mark.parametrize("kind", TOKEN_IDS)
def test_token_ids_cause_no_warning(kind):
    ids = TOKEN_IDS[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small_classifier(epochs=1).fit(ids, np.arange(len(ids)) % 2)


@classifiers
@pytest.mark.parametrize(
    "X",
    [
        pd.DataFrame({"text": TEXTS}),
        pd.DataFrame({"number": range(12), "text": TEXTS}),
        [[text] for text in TEXTS],
        np.array(TEXTS, dtype=object)[:, None],
        [None, *TEXTS[1:]],
    ],
    ids=["DataFrame", "two columns", "rows", "objects", "first is missing"],
)
def test_texts_of_any_shape_are_refused_with_the_remedy(name, X):
    with pytest.raises(ValueError, match=r"Put a TextSequencer before the classifier: make_pipe"):
        CLASSIFIERS[name].fit(X, LABELS)

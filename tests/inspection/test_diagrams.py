"""The text and HTML representations of estimators stay short, however large their vocabulary."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklstm import LSTMTextClassifier, TextSequencer, WordVectors

WORDS = [f"word{number}" for number in range(20_000)]
TEXTS = [" ".join(WORDS[start : start + 500]) for start in range(0, 20_000, 500)]
LABELS = ["good", "bad"] * 20


@pytest.fixture(scope="module")
def large_model():
    vectors = WordVectors(WORDS, np.ones((len(WORDS), 50)))
    model = make_pipeline(
        TextSequencer(vocabulary=vectors, max_len=5),
        LSTMTextClassifier(embedding_weights=vectors, units=2, epochs=1, ngrams=1, random_state=0),
    )
    return model.fit(TEXTS, LABELS)


def test_a_fitted_model_of_20_000_words_is_shown_in_short(large_model):
    assert len(large_model[0].tokens_) > 20_000
    assert len(repr(large_model)) < 1_000
    assert len(large_model._repr_html_()) < 150_000
    assert "20,000 words, vector_size=50" in large_model._repr_html_()


def test_a_vocabulary_of_20_000_words_is_shown_in_short():
    sequencer = TextSequencer(max_len=5).fit(TEXTS)
    assert len(sequencer.vocabulary_) > 19_000
    assert len(sequencer._repr_html_()) < 150_000


def test_a_search_is_shown_in_short(large_model):
    search = GridSearchCV(large_model, {"lstmtextclassifier__epochs": [1]}, cv=2)
    search.fit(TEXTS, LABELS)
    assert len(repr(search)) < 1_500
    assert len(search._repr_html_()) < 250_000

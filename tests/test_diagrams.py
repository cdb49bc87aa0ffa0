"""What a notebook and a print show of an estimator: short, and with links that lead somewhere."""

from __future__ import annotations

import re
from email.message import Message
from pathlib import Path

import numpy as np
import pytest
import sklearn
from custom_models import network
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.fixes import parse_version

import sklstm
from sklstm import (
    KerasTextClassifier,
    LSTMTextClassifier,
    NBSVMClassifier,
    TextSequencer,
    WordVectors,
    _doc_links,
)

ADDRESS = "https://docs.example/sklstm"
ESTIMATORS = [
    TextSequencer(),
    LSTMTextClassifier(),
    KerasTextClassifier(network),
    NBSVMClassifier(),
]
by_class = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)


@pytest.fixture
def published(monkeypatch):
    monkeypatch.setenv("SKLSTM_DOCS_URL", ADDRESS + "/")


@pytest.fixture
def unpublished(monkeypatch):
    monkeypatch.delenv("SKLSTM_DOCS_URL", raising=False)
    monkeypatch.setattr(_doc_links, "_published", lambda: "")


def links(estimator):
    return re.findall(r'href="([^"]*)"', estimator._repr_html_())


@by_class
def test_a_diagram_links_to_the_page_of_the_estimator(estimator, published):
    assert f"{ADDRESS}/generated/sklstm.{type(estimator).__name__}.html" in links(estimator)


@by_class
def test_a_diagram_links_to_every_parameter(estimator, published):
    if parse_version(sklearn.__version__) < parse_version("1.8"):
        pytest.skip("scikit-learn before 1.8 does not link parameters")
    page = f"{ADDRESS}/generated/sklstm.{type(estimator).__name__}.html#:~:text="
    found = {link[len(page) :].split(",")[0] for link in links(estimator) if link.startswith(page)}
    assert found == set(estimator.get_params(deep=False))


@by_class
def test_a_diagram_has_no_dead_link(estimator, unpublished):
    assert links(estimator) == []


def test_the_steps_of_a_pipeline_have_links(published):
    found = "\n".join(links(make_pipeline(TextSequencer(), LSTMTextClassifier())))
    assert "sklstm.TextSequencer.html" in found
    assert "sklstm.LSTMTextClassifier.html" in found


@by_class
def test_the_linked_page_is_one_of_the_reference(estimator):
    reference = Path(sklstm.__file__).parents[1] / "docs" / "api.rst"
    text = reference.read_text(encoding="utf-8")
    assert ".. currentmodule:: sklstm" in text
    entries = re.findall(r":toctree: generated/\n   :template: class.rst\n\n((?:   \w+\n)+)", text)
    assert type(estimator).__name__ in "".join(entries).split()


def test_the_address_is_what_the_package_was_published_with(monkeypatch):
    package = Message()
    package["Project-URL"] = "Source, https://code.example/sklstm"
    package["Project-URL"] = f"Documentation, {ADDRESS}"
    monkeypatch.delenv("SKLSTM_DOCS_URL", raising=False)
    monkeypatch.setattr(_doc_links, "metadata", lambda name: package)
    _doc_links._published.cache_clear()
    try:
        assert _doc_links.documentation_address() == ADDRESS
    finally:
        _doc_links._published.cache_clear()


def test_a_class_of_the_users_own_has_no_link_to_our_pages(published):
    class Mine(TextSequencer):
        pass

    assert links(Mine()) == []


# --- Size


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
    assert "20,000 words of 50 values" in large_model._repr_html_()


def test_a_vocabulary_of_20_000_words_is_shown_in_short():
    sequencer = TextSequencer(max_len=5).fit(TEXTS)
    assert len(sequencer.vocabulary_) > 19_000
    assert len(sequencer._repr_html_()) < 150_000


def test_a_search_is_shown_in_short(large_model):
    search = GridSearchCV(large_model, {"lstmtextclassifier__epochs": [1]}, cv=2)
    search.fit(TEXTS, LABELS)
    assert len(repr(search)) < 1_500
    assert len(search._repr_html_()) < 250_000

"""The summary of a network agrees with the Keras model, as text and as HTML."""

from __future__ import annotations

import copy
import pickle
import re
from html.parser import HTMLParser

import pytest
from conftest import make_ids, small_classifier

IDS, Y = make_ids()
NETWORKS = {
    "plain": {},
    "stacked": {"units": (4, 3), "dropout": 0.2, "dense_units": (5, 2), "dense_dropout": 0.1},
    "both directions": {"bidirectional": True, "pooling": "concat", "embedding_dropout": 0.1},
    "attention": {"pooling": "attention", "ngrams": 2, "trainable_embeddings": False},
    "flatten": {"pooling": "flatten", "mask_padding": False},
}


class Cells(HTMLParser):
    """Collects the texts of a table, row by row."""

    def __init__(self):
        super().__init__()
        self.rows = []

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])

    def handle_data(self, data):
        self.rows[-1].append(data)


def rows_of(summary):
    """Return the rows of the HTML table: layer, description, shape, weights, trained."""
    cells = Cells()
    cells.feed(summary._repr_html_())
    return cells.rows


@pytest.fixture(scope="module", params=NETWORKS.values(), ids=NETWORKS)
def classifier(request):
    return small_classifier(epochs=1, **request.param).fit(IDS, Y)


def test_layers_have_the_weights_and_shapes_of_the_keras_model(classifier):
    table = {row[0]: row for row in rows_of(classifier.summary())[1:-1]}
    for layer in classifier.to_keras().layers:
        if layer.count_params():
            _, _, shape, n_weights, trained = table[layer.name]
            assert n_weights == f"{layer.count_params():,}"
            if layer.name.startswith("ngram"):
                # Fitted before the LSTM, and then frozen.
                assert (trained, layer.trainable) == ("yes", False)
            else:
                assert trained == ("yes" if layer.trainable else "no")
                assert shape.endswith(f", {layer.output.shape[-1]})")
    n_weights = [int(row[3].replace(",", "")) for row in table.values() if row[3] != "-"]
    assert sum(n_weights) == classifier.n_parameters_


def test_the_pooled_vector_has_the_shape_that_transform_gives(classifier):
    pooling = next(row for row in rows_of(classifier.summary()) if row[0] == "pooling")
    assert pooling[2] == f"(n_documents, {classifier.transform(IDS[:2]).shape[1]})"


def test_text_and_html_have_the_same_cells(classifier):
    summary = classifier.summary()
    *rows, total = rows_of(summary)
    lines = str(summary).splitlines()
    for row, line in zip(rows, [lines[0], *lines[2:-2]], strict=True):
        for cell in row:
            assert cell in line
    assert total == [lines[-1]]


def test_the_total_includes_frozen_weights():
    classifier = small_classifier(epochs=1, trainable_embeddings=False).fit(IDS, Y)
    n_frozen = classifier.weights_["embedding/embeddings"].size
    expected = f"Total params: {classifier.n_parameters_:,}, of which not trained: {n_frozen:,}"
    assert classifier.summary().endswith(expected)


def test_the_table_has_the_colors_of_the_notebook(classifier):
    shown = classifier.summary()._repr_html_()
    assert re.findall(r"color:\s*(\w+)", shown) == ["inherit"]
    assert "background" not in shown


def test_a_summary_is_a_string_that_can_be_copied_and_pickled(classifier):
    summary = classifier.summary()
    assert isinstance(summary, str)
    for other in (copy.copy(summary), copy.deepcopy(summary), pickle.loads(pickle.dumps(summary))):
        assert other == summary
        assert other._repr_html_() == summary._repr_html_()


def test_ipython_prints_the_table_and_not_a_quoted_string(classifier):
    printed = []

    class Printer:
        text = printed.append

    classifier.summary()._repr_pretty_(Printer, False)
    assert printed == [str(classifier.summary())]

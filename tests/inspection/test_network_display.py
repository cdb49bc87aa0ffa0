"""NetworkDisplay has one box per layer, which contains all texts of the layer."""

import pytest
from conftest import make_ids, small_classifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from sklstm import NetworkDisplay

ARCHITECTURES = {
    "two layers": {"units": (5, 3), "dropout": 0.1, "embedding_dropout": 0.2},
    "attention": {"bidirectional": True, "pooling": "attention", "trainable_embeddings": False},
    "dense head, n-grams": {"dense_units": (6, 5), "pooling": "concat", "ngrams": 2},
}


@pytest.mark.parametrize("parameters", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_network_has_a_box_for_each_layer_and_all_weights(parameters, plt):
    ids, y = make_ids()
    classifier = small_classifier(epochs=1, **parameters).fit(ids, y)
    display = NetworkDisplay.from_estimator(classifier)
    texts = [text.get_text() for text in display.ax_.texts]
    in_boxes = [int(t.split()[0].replace(",", "")) for t in texts if " weights" in t]
    assert sum(in_boxes) == classifier.n_parameters_
    assert display.ax_.get_title() == f"{classifier.n_parameters_:,} weights"
    parts = ("attention_hidden", "attention_relevance", "ngram_checksums", "ngram_bias")
    layers = [layer for layer in display.layers if layer.name not in parts]
    assert texts.count("token ids") == 1
    assert len(display.ax_.patches) == len(layers) + 1
    assert {layer.name for layer in layers} <= set(texts)
    assert {layer.description for layer in layers} <= set(texts)
    assert {layer.shape_text for layer in layers} <= set(texts)
    assert any("not trained" in t for t in texts) == (not classifier.trainable_embeddings)


@pytest.mark.parametrize("is_given", [False, True], ids=["new figure", "small axes"])
def test_boxes_do_not_overlap_and_texts_lie_in_them(plt, is_given):
    ids, y = make_ids()
    classifier = small_classifier(epochs=1, ngrams=2, dense_units=5, dropout=0.5).fit(ids, y)
    ax = plt.subplots(1, 2, figsize=(6, 4), layout="constrained")[1][0] if is_given else None
    display = NetworkDisplay.from_estimator(classifier, ax=ax)
    display.figure_.canvas.draw()
    boxes = [patch.get_window_extent() for patch in display.ax_.patches]
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])
    texts = [text.get_window_extent() for text in display.ax_.texts if text.get_text()]
    assert all(
        any(
            box.x0 <= t.x0 and t.x1 <= box.x1 and box.y0 <= t.y0 and t.y1 <= box.y1 for box in boxes
        )
        for t in texts
    )
    for number, text in enumerate(texts):
        assert not any(text.overlaps(other) for other in texts[number + 1 :])


def test_dropout_looks_different_from_layers_with_weights(plt):
    ids, y = make_ids()
    display = NetworkDisplay.from_estimator(small_classifier(epochs=1, dropout=0.5).fit(ids, y))
    names = ["ids", *(layer.name for layer in display.layers)]
    boxes = dict(zip(names, display.ax_.patches, strict=True))
    assert boxes["dropout_1"].get_edgecolor() != boxes["lstm_1"].get_edgecolor()
    assert boxes["dropout_1"].get_linestyle() == "--"
    assert boxes["lstm_1"].get_linestyle() == "-"


def test_network_requires_an_lstm_classifier(plt):
    other = LogisticRegression().fit([[0], [1]], [0, 1])
    with pytest.raises(
        TypeError, match="classifier is a LogisticRegression; pass a fitted LSTMText"
    ):
        NetworkDisplay.from_estimator(other)
    with pytest.raises(NotFittedError):
        NetworkDisplay.from_estimator(small_classifier())

"""Each pooling method equals its formula, in Keras and ONNX, and has a description."""

from __future__ import annotations

import numpy as np
import pytest
from exporting import WIDTH, with_random_weights

from sklstm import NetworkDisplay, lstm_states, to_onnx
from sklstm._network.pooling import POOLINGS
from sklstm._network.spec import NetworkSpec, weight_shapes

IDS = np.random.default_rng(0).integers(1, 20, (6, WIDTH))
IDS[np.arange(WIDTH) < np.array([0, 3, 8, 5, 0, 7])[:, None]] = 0


def last(h, weights, units):
    """Return the outputs after the last token; the backward direction ends at the first one."""
    return np.concatenate([h[-1, :units], h[0, units:]])


def attention(h, weights, units):
    hidden = np.tanh(h @ weights["attention_hidden/kernel"] + weights["attention_hidden/bias"])
    relevance = np.exp(hidden @ weights["attention_relevance/kernel"])
    return (relevance / relevance.sum() * h).sum(axis=0)


# From the outputs at the tokens of a document, of shape (n_tokens, n_outputs).
REFERENCES = {
    "last": last,
    "max": lambda h, weights, units: h.max(axis=0),
    "mean": lambda h, weights, units: h.mean(axis=0),
    "attention": attention,
    "concat": lambda h, weights, units: np.concatenate(
        [last(h, weights, units), h.max(axis=0), h.mean(axis=0)]
    ),
    "flatten": lambda h, weights, units: np.pad(h, ((0, WIDTH - len(h)), (0, 0))).ravel(),
}


@pytest.fixture(params=[False, True], ids=["forward", "bidirectional"])
def make(request):
    """Return a function that makes a classifier with a given pooling."""

    def make(pooling):
        return with_random_weights(3, pooling=pooling, bidirectional=request.param)

    return make


def test_every_pooling_has_a_reference():
    assert REFERENCES.keys() == POOLINGS.keys()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_document_vectors_equal_the_formula(make, pooling):
    classifier = make(pooling)
    weights = {name: w.astype(np.float64) for name, w in classifier.weights_.items()}
    expected = [
        REFERENCES[pooling](states.hidden_state.astype(np.float64), weights, 4)
        for states in lstm_states(classifier, IDS)
    ]
    np.testing.assert_allclose(classifier.transform(IDS), expected, atol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_onnx_and_stock_keras_have_the_same_probabilities(make, pooling, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    classifier = make(pooling)
    expected = classifier.predict_proba(IDS)
    (path,) = to_onnx(classifier, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(path)
    (found,) = session.run(["probabilities"], {"ids": IDS.astype(np.int32)})
    np.testing.assert_allclose(found, expected, atol=1e-5)
    found = classifier.to_keras().predict(IDS.astype(np.int32), verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_summary_and_diagram_show_the_description_and_the_size(make, pooling, plt):
    classifier = make(pooling)
    size = classifier.transform(IDS).shape[1]
    line = next(x for x in classifier.summary().splitlines() if x.startswith("pooling "))
    assert POOLINGS[pooling].description in line
    assert f"(n_documents, {size})" in line
    texts = [text.get_text() for text in NetworkDisplay.from_estimator(classifier).ax_.texts]
    assert POOLINGS[pooling].description in texts
    assert f"(n_documents, {size})" in texts


@pytest.mark.parametrize("pooling", POOLINGS)
def test_shapes_of_weights_are_those_of_the_keras_model(pooling):
    from sklstm._network.network import Network

    width = WIDTH if POOLINGS[pooling].depends_on_width else None
    spec = NetworkSpec(20, 3, "softmax", width=width, units=(4,), pooling=pooling)
    assert weight_shapes(spec) == Network(spec).weight_shapes

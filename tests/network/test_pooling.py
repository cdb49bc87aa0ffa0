"""Each pooling method equals its formula, in Keras and ONNX, and has a description."""

from __future__ import annotations

import numpy as np
import pytest
from exporting import WIDTH, with_random_weights
from reference import POOLINGS as FORMULAS

from sklstm import NetworkDisplay, lstm_states, to_onnx
from sklstm._network.pooling import POOLINGS
from sklstm._network.spec import NetworkSpec, weight_shapes

IDS = np.random.default_rng(0).integers(1, 20, (6, WIDTH))
IDS[np.arange(WIDTH) < np.array([0, 3, 8, 5, 0, 7])[:, None]] = 0


@pytest.fixture(params=[False, True], ids=["forward", "bidirectional"])
def make(request):
    """Return a function that makes a classifier with a given pooling."""

    def make(pooling):
        return with_random_weights(3, pooling=pooling, bidirectional=request.param)

    return make


def test_every_pooling_has_a_formula():
    assert FORMULAS.keys() == POOLINGS.keys()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_document_vectors_equal_the_formula(make, pooling):
    classifier = make(pooling)
    weights = {name: w.astype(np.float64) for name, w in classifier.weights_.items()}
    expected = [
        FORMULAS[pooling](states.hidden_state.astype(np.float64), weights, 4, WIDTH)
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

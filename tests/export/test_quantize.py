"""to_onnx(quantize="int8"): 8-bit embeddings and LSTM weights, all others exact."""

import sys

import numpy as np
import pytest
from conftest import make_ids
from exporting import WIDTH, arrays_of, with_random_weights
from sklearn.pipeline import make_pipeline

from sklstm import LSTMTextClassifier, TextSequencer
from sklstm.export import to_onnx

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

IDS = make_ids(width=WIDTH, vocab_size=20, seed=1)[0].astype(np.int32)


def predict(path, ids=IDS):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["label", "probabilities"], {"ids": ids})


@pytest.mark.parametrize(
    ("n_outputs", "parameters"),
    [
        (1, {}),
        (3, {"units": (4, 3), "bidirectional": True, "pooling": "attention"}),
        ("labels", {"pooling": "max", "dense_units": (5,), "ngrams": 2}),
        (3, {"pooling": "flatten", "mask_padding": False, "activation": "relu"}),
    ],
)
def test_probabilities_are_almost_those_of_the_classifier(n_outputs, parameters, tmp_path):
    classifier = with_random_weights(n_outputs, **parameters)
    to_onnx(classifier, tmp_path / "model.onnx", quantize="int8")
    label, found = predict(tmp_path / "model.onnx")
    expected = classifier.predict_proba(IDS)
    assert 0 < np.abs(found - expected).max() < 0.05
    assert np.ptp(expected) > 0.2
    assert np.mean(label == classifier.predict(IDS)) > 0.9


def test_a_document_alone_has_almost_the_same_probabilities(tmp_path):
    # The range of the inputs of an LSTM layer, and so their rounding, is that of the whole call.
    to_onnx(with_random_weights(bidirectional=True), tmp_path / "model.onnx", quantize="int8")
    alone = [predict(tmp_path / "model.onnx", row[np.newaxis])[1][0] for row in IDS]
    np.testing.assert_allclose(alone, predict(tmp_path / "model.onnx")[1], atol=0.05)


def test_only_embeddings_and_lstm_weights_are_integers(tmp_path):
    classifier = with_random_weights(3, units=(4, 3), dense_units=(5,), ngrams=2)
    arrays = {}
    for quantize in (None, "int8"):
        to_onnx(classifier, tmp_path / "model.onnx", quantize=quantize)
        arrays[quantize] = arrays_of(tmp_path / "model.onnx")
    exact = set(arrays[None].keys() & arrays["int8"].keys())
    for name in exact:
        np.testing.assert_array_equal(arrays["int8"][name], arrays[None][name])
    replaced = {name for name in arrays[None] if name not in exact}
    lstm = [f"lstm_{n}/{kind}" for n in (1, 2) for kind in ("kernel", "recurrent_kernel")]
    assert replaced == {"embedding/embeddings", *lstm}
    for name in replaced:
        assert arrays["int8"][f"{name}_quantized"].itemsize == 1
        assert arrays["int8"][f"{name}_quantized"].size == arrays[None][name].size


def test_file_of_a_large_vocabulary_takes_a_third(tmp_path):
    classifier = with_random_weights(vocab_size=20_000)
    (full,) = to_onnx(classifier, tmp_path / "full.onnx")
    (small,) = to_onnx(classifier, tmp_path / "small.onnx", quantize="int8")
    assert small.stat().st_size < full.stat().st_size / 3


def test_properties_and_settings_are_those_of_the_exact_model(tmp_path):
    texts, labels = ["a fine film", "a dull film"] * 4, ["good", "bad"] * 4
    network = LSTMTextClassifier(units=4, embedding_dim=4, epochs=1, random_state=0)
    model = make_pipeline(TextSequencer(), network).fit(texts, labels)
    files, properties = {}, {}
    for quantize in (None, "int8"):
        files[quantize] = to_onnx(model, tmp_path / f"{quantize}.onnx", quantize=quantize)
        loaded = onnx.load(files[quantize][0])
        onnx.checker.check_model(loaded)
        assert loaded.producer_name == "sklstm"
        properties[quantize] = {entry.key: entry.value for entry in loaded.metadata_props}
    assert properties["int8"] == properties[None]
    assert properties[None].keys() == {"classes", "tokenizer_sha256"}
    assert files["int8"][1].read_bytes() == files[None][1].read_bytes()
    assert len(list(tmp_path.iterdir())) == 4
    label, _ = predict(files["int8"][0], model[0].transform(texts))
    assert set(label) <= {"good", "bad"}


@pytest.mark.parametrize("quantize", ["int4", True, 8])
def test_other_values_are_an_error(quantize, tmp_path):
    with pytest.raises(ValueError, match=f"quantize={quantize!r} must be 'int8' or None"):
        to_onnx(with_random_weights(), tmp_path / "model.onnx", quantize=quantize)
    assert not list(tmp_path.iterdir())


def test_a_missing_onnxruntime_is_named_only_where_it_is_needed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"needs onnxruntime, .*pip install .sklstm\[onnx\]"):
        to_onnx(with_random_weights(), tmp_path / "model.onnx", quantize="int8")
    assert not list(tmp_path.iterdir())
    to_onnx(with_random_weights(), tmp_path / "model.onnx")

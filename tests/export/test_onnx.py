"""The ONNX model of a classifier gives the same predictions as the classifier."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import reference
from conftest import make_ids
from exporting import WIDTH, arrays_of, with_random_weights
from scipy.special import expit
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklstm import LSTMTextClassifier, TextSequencer, export
from sklstm._network.spec import ACTIVATIONS, NGRAM_WEIGHTS
from sklstm._runtime import keras
from sklstm.export import _onnx

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

# Outputs of the network, and parameters.
ARCHITECTURES = {
    "last": (1, {}),
    "last of both directions": (3, {"units": (4, 3), "bidirectional": True}),
    "max": (1, {"pooling": "max", "dense_units": (5,)}),
    "mean, multilabel": ("labels", {"pooling": "mean", "bidirectional": True}),
    "attention": (3, {"pooling": "attention", "units": (3, 4), "dense_units": (5, 3)}),
    "concat and n-grams": (3, {"pooling": "concat", "bidirectional": True, "ngrams": 3}),
    "flatten and n-grams": (1, {"pooling": "flatten", "ngrams": 1}),
    "flatten of both directions": (1, {"pooling": "flatten", "bidirectional": True}),
    "last, unmasked": (1, {"mask_padding": False, "bidirectional": True}),
    "max, unmasked": (3, {"mask_padding": False, "pooling": "max", "units": (4, 3)}),
    "mean, unmasked": (1, {"mask_padding": False, "pooling": "mean"}),
    "attention and n-grams, unmasked": (
        "labels",
        {"mask_padding": False, "pooling": "attention", "ngrams": 2},
    ),
    "concat, unmasked": (1, {"mask_padding": False, "pooling": "concat", "bidirectional": True}),
    "flatten, unmasked": (3, {"mask_padding": False, "pooling": "flatten"}),
}


def some_ids() -> np.ndarray:
    """Return ids with padding on either side and in between, of unknown tokens, and of none."""
    ids, _ = make_ids(width=WIDTH, vocab_size=20, seed=1)
    ids[:4] = 0
    ids[0, :3] = [4, 19, 7]
    ids[1, [2, 5, 6]] = [4, 19, 7]
    ids[2, -3:] = [20, 10**6, 3]
    return ids.astype(np.int32)


def session_of(estimator, path) -> onnxruntime.InferenceSession:
    export.to_onnx(estimator, path)
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def probabilities(session, ids) -> np.ndarray:
    return session.run(["probabilities"], {"ids": np.asarray(ids, dtype=np.int32)})[0]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def exported(request, tmp_path_factory):
    """Return a classifier, the file of its network, and this opened."""
    n_outputs, parameters = ARCHITECTURES[request.param]
    classifier = with_random_weights(n_outputs, **parameters)
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    return classifier, path, session_of(classifier, path)


@pytest.fixture(scope="module")
def binary() -> LSTMTextClassifier:
    return with_random_weights(dense_units=(5,))


@pytest.fixture(scope="module")
def both_directions() -> LSTMTextClassifier:
    return with_random_weights(bidirectional=True)


def test_probabilities_and_labels_are_those_of_the_classifier(exported):
    classifier, _, session = exported
    label, proba = session.run(["label", "probabilities"], {"ids": some_ids()})
    expected = classifier.predict_proba(some_ids())
    np.testing.assert_allclose(proba, expected, atol=1e-5)
    assert proba.dtype == expected.dtype == np.float32
    assert np.ptp(proba) > 0.3
    np.testing.assert_array_equal(label, classifier.predict(some_ids()))


@pytest.mark.parametrize(("n_outputs", "thresholds"), [(1, [0.8]), ("labels", [0.2, 0.5, 0.9])])
def test_labels_are_those_of_the_thresholds(n_outputs, thresholds, tmp_path):
    classifier = with_random_weights(n_outputs)
    at_half = classifier.predict(some_ids())
    classifier.thresholds_ = np.array(thresholds)
    session = session_of(classifier, tmp_path / "model.onnx")
    label, proba = session.run(["label", "probabilities"], {"ids": some_ids()})
    assert (label != at_half).any()
    np.testing.assert_array_equal(label, classifier.predict(some_ids()))
    np.testing.assert_allclose(proba, classifier.predict_proba(some_ids()), atol=1e-5)


def test_a_document_alone_has_the_same_probabilities(exported):
    _, _, session = exported
    alone = [probabilities(session, row[np.newaxis])[0] for row in some_ids()]
    np.testing.assert_allclose(alone, probabilities(session, some_ids()), atol=1e-6)


def test_side_and_width_of_padding_do_not_change_scores(exported):
    classifier, _, session = exported
    ids = some_ids()
    expected = probabilities(session, ids)
    if not classifier.mask_padding:
        with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument):
            probabilities(session, ids[:, 1:])
        return
    wide = np.pad(ids, ((0, 0), (3, 2)))
    np.testing.assert_allclose(probabilities(session, wide), expected, atol=1e-6)
    short = ids[(ids[:, :-4] == 0).all(axis=1)]
    kept = probabilities(session, short[:, -4:])
    np.testing.assert_allclose(kept, probabilities(session, short), atol=1e-6)


def test_model_is_valid_and_has_names_for_what_is_free(exported):
    classifier, path, _ = exported
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in [*model.graph.input, *model.graph.output]
    }
    n_classes = len(classifier.classes_)
    assert shapes["ids"] == ["n_documents", "n_ids" if classifier.mask_padding else WIDTH]
    assert shapes["probabilities"] == ["n_documents", n_classes]
    assert shapes["label"] in (["n_documents"], ["n_documents", n_classes])
    assert model.producer_name == "sklstm"


def test_negative_ids_are_unknown(binary, tmp_path):
    session = session_of(binary, tmp_path / "model.onnx")
    negative = probabilities(session, [[3, -1, -20]])
    np.testing.assert_array_equal(negative, probabilities(session, [[3, 1, 1]]))


IN_LSTM = sorted(name for name, entry in ACTIVATIONS.items() if entry.onnx_lstm)


@pytest.mark.parametrize("name", IN_LSTM)
def test_lstm_has_the_activation_of_keras(name, tmp_path, monkeypatch):
    classifier = with_random_weights(activation=name, bidirectional=True)
    _assert_has_activation(classifier, name, tmp_path, monkeypatch)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_dense_layers_have_the_activation_of_keras(name, tmp_path, monkeypatch):
    classifier = with_random_weights(dense_activation=name, dense_units=(5,))
    _assert_has_activation(classifier, name, tmp_path, monkeypatch)


def _assert_has_activation(classifier, name, folder, monkeypatch):
    function = keras.activations.get(name)
    monkeypatch.setitem(
        reference.ACTIVATIONS, name, lambda x: np.asarray(function(x.astype(np.float32)))
    )
    ids = make_ids(width=WIDTH, vocab_size=20, seed=1)[0]
    expected = expit(reference.logits(ids, classifier))
    found = probabilities(session_of(classifier, folder / "model.onnx"), ids)
    np.testing.assert_allclose(found[:, 1:], expected, atol=1e-5)
    assert np.ptp(expected) > 0.01


@pytest.mark.parametrize("name", sorted(ACTIVATIONS.keys() - set(IN_LSTM)))
def test_activation_that_onnx_lacks_is_an_error(name, tmp_path):
    with pytest.raises(ValueError, match=f"activation='{name}' .* relu"):
        export.to_onnx(with_random_weights(activation=name), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_ngrams_are_hashed_as_in_32_bits(tmp_path):
    # Products of these ids overflow, and the number of buckets is no power of two.
    new = make_ids(width=WIDTH, vocab_size=50_000, seed=1)[0]
    classifier = with_random_weights(vocab_size=50_000, ngrams=5, ngram_buckets=997)
    found = probabilities(session_of(classifier, tmp_path / "model.onnx"), new)
    np.testing.assert_allclose(found, classifier.predict_proba(new), atol=1e-5)
    np.testing.assert_allclose(found[:, 1:], expit(reference.logits(new, classifier)), atol=1e-5)


def test_only_ngrams_with_a_weight_are_in_the_file(tmp_path):
    classifier = with_random_weights(3, ngrams=2)
    network = classifier._fitted_network()
    weights = network.weights[NGRAM_WEIGHTS]
    weights[1::2] = 0
    expected = classifier.predict_proba(some_ids())
    found = probabilities(session_of(classifier, tmp_path / "model.onnx"), some_ids())
    np.testing.assert_allclose(found, expected, atol=1e-5)
    arrays = arrays_of(tmp_path / "model.onnx")
    n_used = (len(weights) + 1) // 2
    # The first row stands for all buckets without weight.
    assert arrays[NGRAM_WEIGHTS].shape == (n_used + 1, 3)
    assert arrays["ngram_rows"].dtype == np.uint8
    assert np.count_nonzero(arrays["ngram_rows"]) == n_used


@pytest.mark.parametrize(
    ("classes", "kind"),
    [
        (["bad", "good"], "tensor(string)"),
        (np.array(["schlecht", "größer"], dtype=object), "tensor(string)"),
        ([-1, 1], "tensor(int64)"),
        ([False, True], "tensor(bool)"),
        ([0.5, 1.5], "tensor(double)"),
    ],
)
def test_labels_keep_their_type(tmp_path, classes, kind):
    classifier = with_random_weights()
    classifier.classes_ = np.array(classes)
    session = session_of(classifier, tmp_path / "model.onnx")
    (found,) = session.run(["label"], {"ids": some_ids()})
    assert found.tolist() == classifier.predict(some_ids()).tolist()
    assert session.get_outputs()[0].type == kind
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == list(classes)


def test_labels_of_another_type_are_an_error(tmp_path):
    classifier = with_random_weights()
    classifier.classes_ = np.array(["2026-01-01", "2026-01-02"], dtype="datetime64[D]")
    with pytest.raises(TypeError, match=r"classes_ contains .*2026.* Fit on labels that are str"):
        export.to_onnx(classifier, tmp_path / "model.onnx")


def test_a_pipeline_of_the_classifier_alone_is_the_classifier(binary, tmp_path):
    files = export.to_onnx(make_pipeline(binary), tmp_path / "model.onnx")
    assert files == [tmp_path / "model.onnx"] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (LogisticRegression(), "is a LogisticRegression; pass a fitted LSTMTextClassifier"),
        (TextSequencer(), "is a TextSequencer"),
        (GridSearchCV(LSTMTextClassifier(), {}), "is a GridSearchCV; pass"),
        (
            make_pipeline(TextSequencer(), FunctionTransformer(), LSTMTextClassifier()),
            "pipeline of TextSequencer and FunctionTransformer and LSTMTextClassifier",
        ),
    ],
)
def test_what_is_no_classifier_is_an_error(estimator, message, tmp_path):
    with pytest.raises(TypeError, match=message):
        export.to_onnx(estimator, tmp_path / "model.onnx")


def test_a_fitted_search_is_told_to_pass_its_best_estimator(binary, tmp_path):
    search = GridSearchCV(LSTMTextClassifier(), {})
    search.best_estimator_ = binary
    with pytest.raises(TypeError, match="best_estimator_"):
        export.to_onnx(search, tmp_path / "model.onnx")


def test_what_is_not_fitted_is_an_error(binary, tmp_path):
    for estimator in (LSTMTextClassifier(), make_pipeline(TextSequencer(), binary)):
        with pytest.raises(NotFittedError):
            export.to_onnx(estimator, tmp_path / "model.onnx")


def test_a_missing_package_is_named(binary, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "sklstm\[onnx\]"'):
        export.to_onnx(binary, tmp_path / "model.onnx")


def test_weights_too_large_for_a_file_are_an_error(binary, tmp_path, monkeypatch):
    monkeypatch.setattr(_onnx, "_MAX_BYTES", 500)
    with pytest.raises(ValueError, match=r"take [\d,]+ bytes, .* max_words"):
        export.to_onnx(binary, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_an_export_replaces_the_file_before(binary, both_directions, tmp_path):
    session_of(binary, tmp_path / "model.onnx")
    again = session_of(both_directions, tmp_path / "model.onnx")
    expected = both_directions.predict_proba(some_ids())
    np.testing.assert_allclose(probabilities(again, some_ids()), expected, atol=1e-5)

"""skops files preserve models, and loading them executes no code from the file."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import LABELS, TEXTS, assert_same_weights, make_ids, small_classifier
from sklearn.pipeline import make_pipeline

from sklstm import TextSequencer, WordVectors

skops_io = pytest.importorskip("skops.io")

CLASSIFIER = "sklstm.classifier.LSTMTextClassifier"
SEQUENCER = "sklstm.sequencer.TextSequencer"
VECTORS = "sklstm.vectors.WordVectors"
TRUSTED = [CLASSIFIER, SEQUENCER, VECTORS]

IDS, Y = make_ids()
WORDS = ["the", "film", "dull", "fine", "and", "warm", "bad"]
GLOVE = WordVectors(WORDS, np.linspace(-1, 1, 21).reshape(7, 3))
FRAME = pd.DataFrame({"title": ["A film"] * 12, "text": TEXTS})
TOPICS = np.arange(24).reshape(12, 2) // 3 % 2
#: Parameters of the sequencer and of the classifier, X, and y.
MODELS = {
    "str labels": ({}, {}, TEXTS, LABELS),
    "int labels": ({}, {}, TEXTS, [3, 7, 9] * 4),
    "bool labels": ({}, {}, TEXTS, [True, False] * 6),
    "object labels": ({}, {}, TEXTS, np.array(LABELS, dtype=object)),
    "multilabel": ({}, {}, TEXTS, TOPICS),
    "hashing": ({"indexing": "hash", "max_tokens": 50}, {}, TEXTS, LABELS),
    "a list of words": ({"vocabulary": WORDS}, {}, TEXTS, LABELS),
    "a mapping of words": ({"vocabulary": {"film": 2, "dull": 5}}, {}, TEXTS, LABELS),
    "word vectors": ({"vocabulary": GLOVE}, {"embedding_weights": GLOVE}, TEXTS, LABELS),
    "a matrix": ({"max_tokens": 9}, {"embedding_weights": np.eye(9, 3)}, TEXTS, LABELS),
    "columns": ({"stop_words": ["a"], "stemmer": "english"}, {}, FRAME, LABELS),
    "layers": (
        {"max_len": 8, "padding": "post"},
        {"units": (4, 3), "pooling": "flatten", "dense_units": 3, "ngrams": 2, "dropout": 0.1},
        TEXTS,
        LABELS,
    ),
}


@pytest.fixture(scope="module", params=MODELS)
def case(request):
    """Return a fitted pipeline, its training texts, and the classes that it is made of."""
    of_sequencer, of_classifier, X, y = MODELS[request.param]
    classifier = small_classifier(epochs=1, **of_classifier)
    model = make_pipeline(TextSequencer(**of_sequencer), classifier).fit(X, y)
    return model, X, TRUSTED if request.param == "word vectors" else TRUSTED[:2]


def through_skops(model):
    return skops_io.loads(skops_io.dumps(model), trusted=TRUSTED)


def test_a_file_holds_our_own_classes_and_nothing_else_to_trust(case, tmp_path):
    model, _, classes = case
    path = tmp_path / "model.skops"
    skops_io.dump(model, path)
    assert skops_io.get_untrusted_types(file=path) == sorted(classes)


def test_a_loaded_model_is_the_stored_one(case):
    model, X, _ = case
    loaded = through_skops(model)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded[-1].classes_.dtype == model[-1].classes_.dtype
    assert repr(loaded) == repr(model)
    for step, original in zip(loaded, model, strict=True):
        assert vars(step).keys() == vars(original).keys()
        fitted = [name for name in vars(step) if name.endswith("_")]
        assert {name: type(getattr(step, name)) for name in fitted} == {
            name: type(getattr(original, name)) for name in fitted
        }
    if hasattr(model[0], "vocabulary_"):
        assert loaded[0].vocabulary_ == model[0].vocabulary_
        assert loaded[0].tokens_.tolist() == model[0].tokens_.tolist()
        assert loaded[0].tokens_.dtype == object


def test_names_of_columns_are_stored():
    model = make_pipeline(TextSequencer().set_output(transform="pandas"), small_classifier())
    loaded = through_skops(model.fit(FRAME, LABELS))
    assert loaded[0].feature_names_in_.tolist() == ["title", "text"]
    assert loaded[1].feature_names_in_.tolist() == model[1].feature_names_in_.tolist()
    np.testing.assert_array_equal(loaded.predict_proba(FRAME), model.predict_proba(FRAME))


def test_unfitted_estimators_can_be_stored():
    model = make_pipeline(TextSequencer(max_len=7), small_classifier(units=(5, 6)))
    data = skops_io.dumps(model)
    assert skops_io.get_untrusted_types(data=data) == TRUSTED[:2]
    assert repr(skops_io.loads(data, trusted=TRUSTED)) == repr(model)


def test_partial_fit_resumes_from_a_file():
    sequencer, classifier = TextSequencer(max_tokens=9), small_classifier(vocab_size=20)
    sequencer.partial_fit(TEXTS[:6])
    classifier.partial_fit(IDS[:30], Y[:30], classes=[0, 1])
    again = through_skops([sequencer, classifier])
    for one, other in ((sequencer, classifier), again):
        one.partial_fit(TEXTS[6:])
        other.partial_fit(IDS[30:], Y[30:])
    assert again[0].vocabulary_ == sequencer.vocabulary_
    assert_same_weights(again[1].weights_, classifier.weights_)


def test_warm_start_resumes_from_a_file():
    classifier = small_classifier(warm_start=True).fit(IDS, Y)
    again = through_skops(classifier)
    assert_same_weights(again.fit(IDS, Y).weights_, classifier.fit(IDS, Y).weights_)


def test_vectors_of_several_steps_are_stored_and_loaded_once():
    sequencer = TextSequencer(vocabulary=GLOVE)
    classifier = small_classifier(embedding_weights=GLOVE)
    data = skops_io.dumps(make_pipeline(sequencer, classifier).fit(TEXTS, LABELS))
    loaded = skops_io.loads(data, trusted=TRUSTED)
    assert loaded[0].vocabulary is loaded[1].embedding_weights is loaded[1]._vectors
    arrays = [np.load(io.BytesIO(file)) for name, file in files_of(data).items() if ".npy" in name]
    assert sum(array.shape == GLOVE.matrix.shape for array in arrays) == 1


def test_a_vocabulary_takes_little_more_space_than_its_tokens():
    words = [f"{number:06d}" for number in range(5_000)]
    sequencer = TextSequencer(max_tokens=None).fit([" ".join(words)])
    n_counts = 2  # Occurrences and documents, 8 bytes each.
    assert len(skops_io.dumps(sequencer)) < 5_000 * (6 + 8 * n_counts) * 1.5


@pytest.fixture(scope="module")
def data():
    """Return what a file of a small model holds."""
    return skops_io.dumps(make_pipeline(TextSequencer(), small_classifier()).fit(TEXTS, LABELS))


def files_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def file_of(files, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def with_array(data, shape, content):
    """Return `data` with other content of the array of this shape."""
    files = files_of(data)
    arrays = {name: np.load(io.BytesIO(files[name])) for name in files if name.endswith(".npy")}
    name = next(name for name, array in arrays.items() if array.shape == shape)
    return file_of(files | {name: content})


def with_value(data, step, name, value):
    """Return `data` with another value of an attribute of a step."""
    files = files_of(data)
    schema = json.loads(files["schema.json"])
    steps = schema["content"]["content"]["steps"]["content"]
    steps[step]["content"][1]["content"]["content"][name] = value
    return file_of(files | {"schema.json": json.dumps(schema).encode()})


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_nothing_is_loaded_without_trust(data):
    with pytest.raises(TypeError, match=r"Untrusted types.*LSTMTextClassifier.*TextSequencer"):
        skops_io.loads(data)


def test_a_function_in_a_file_is_named_and_not_called(data):
    function = {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode"}
    altered = with_value(data, 0, "tokenizer", function)
    assert skops_io.get_untrusted_types(data=altered) == sorted([*TRUSTED[:2], "os.system"])
    with pytest.raises(TypeError, match=r"Untrusted types.*os\.system"):
        skops_io.loads(altered, trusted=TRUSTED)


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_in_an_array_is_not_run(data, tmp_path):
    witness = tmp_path / "witness"
    smuggled = npy(np.array([Touch(witness)], dtype=object))
    pickle.loads(pickle.dumps(Touch(witness)))
    assert witness.exists()
    witness.unlink()
    with pytest.raises(ValueError, match="allow_pickle=False"):
        skops_io.loads(with_array(data, (3, 16), smuggled), trusted=TRUSTED)
    assert not witness.exists()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (npy(np.zeros((3, 12), np.float32)), r"float32 and shape \(3, 12\), not .* \(3, 16\)"),
        (npy(np.zeros((3, 16), np.int32)), "has dtype int32"),
        (npy(np.zeros((3, 16), ">f4")), "has dtype >f4"),
        (npy(np.full((3, 16), np.nan, np.float32)), "values that are not finite"),
        (npy(np.zeros((3, 16), np.float32))[:-1], "EOF|cannot reshape"),
    ],
)
def test_other_weights_are_refused(data, content, problem):
    with pytest.raises(ValueError, match=problem):
        skops_io.loads(with_array(data, (3, 16), content), trusted=TRUSTED)


def test_weights_of_absurd_shapes_are_refused(data):
    content = npy(np.zeros((3, 16), np.float32)).replace(b"(3, 16)", b"(%d, 16)" % 10**12)
    with pytest.raises((MemoryError, ValueError)):
        skops_io.loads(with_array(data, (3, 16), content), trusted=TRUSTED)


def test_values_of_another_type_are_refused(data):
    empty = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": []}
    with pytest.raises(ValueError, match=r"'weights_' .* must be an instance of 'dict'"):
        skops_io.loads(with_value(data, 1, "weights_", empty), trusted=TRUSTED)
    with pytest.raises(ValueError, match="tokens_ is of type list, not an array"):
        skops_io.loads(with_value(data, 0, "tokens_", empty), trusted=TRUSTED)


def test_a_file_of_a_newer_format_says_what_to_update(data):
    number = {
        "__class__": "str",
        "__module__": "builtins",
        "__loader__": "JsonNode",
        "content": "99",
        "is_json": True,
    }
    for step, name in enumerate(["TextSequencer", "LSTMTextClassifier"]):
        with pytest.raises(ValueError, match=f"{name} was saved by a newer.*install --upgrade"):
            skops_io.loads(with_value(data, step, "_sklstm_format", number), trusted=TRUSTED)


def test_a_damaged_file_is_refused(data):
    for cut in (b"", data[:100], data[: len(data) // 2], data[:-1]):
        with pytest.raises(zipfile.BadZipFile):
            skops_io.loads(cut, trusted=TRUSTED)
    place = data.index(b"\x93NUMPY") + 100
    changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    with pytest.raises(zipfile.BadZipFile, match="Bad CRC"):
        skops_io.loads(changed, trusted=TRUSTED)


def test_an_incomplete_file_is_refused(data):
    files = files_of(data)
    for name in files:
        rest = {other: content for other, content in files.items() if other != name}
        with pytest.raises(KeyError, match=name):
            skops_io.loads(file_of(rest), trusted=TRUSTED)
    files["schema.json"] = files["schema.json"][:-100]
    with pytest.raises(json.JSONDecodeError):
        skops_io.loads(file_of(files), trusted=TRUSTED)


def test_a_compressed_file_is_smaller_and_loads(data):
    packed = file_of(files_of(data), zipfile.ZIP_DEFLATED)
    assert len(packed) < len(data) / 2
    assert repr(skops_io.loads(packed, trusted=TRUSTED)) == repr(
        skops_io.loads(data, trusted=TRUSTED)
    )

"""An exported pipeline classifies texts without sklstm, scikit-learn and Keras."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import joblib
import numpy as np
import pytest
from conftest import LABELS, TEXTS, small_classifier
from exporting import with_random_weights
from sklearn.pipeline import Pipeline, make_pipeline

from sklstm import TextSequencer, WordVectors
from sklstm.export import _onnx, to_onnx

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

EXAMPLES = Path(__file__).parents[2] / "examples"
MOST_IDS = 150
NEW_TEXTS = [
    *TEXTS,
    "",
    "?!",
    "I don't think it's GOOD; isn\u2019t it? They'd've said so.",
    "na\u00efve caf\u00e9 \u2013 \u00dcn\u00eft\u00e9d \u00c5NGSTR\u00d6M e\u0301migre\u0301",
    "\u6f22\u5b57 \u30c6\u30b9\u30c8 123 \U0001f600",
    "a fine,\n\n dull  film\tby O'Hara",
    "a_b \ud800 odd",
    "\u092e\u0948\u0902 \u0916\u0941\u0936 \u0645\u06cc\u200c\u0631",
    "cafe\u0301 don\u2018t don\u02bct",
    '\ufefffi\u00adlm \u05e6\u05d4"\u05dc \u05e6\u05d4\u05f4\u05dc "film"',
    "col\u00b7lega ISN\uff07T \u0130\u0307",
    "the best film of the year " * 20 + "was dull",
]
WORDS = ["a", "film", "the", "fine", "do", "is", "n't", "'s", "it", "good", "awful", "cast", "DULL"]
VECTORS = WordVectors(WORDS, np.random.default_rng(0).normal(size=(len(WORDS), 3)))
# Parameters of the sequencer and of the classifier.
SETTINGS = {
    "default": ({}, {}),
    "other sides": ({"padding": "post", "truncating": "post", "max_len": 5}, {}),
    "unmasked": ({"padding": "post"}, {"mask_padding": False}),
    "ascii and stop words": ({"strip_accents": "ascii", "stop_words": "english"}, {}),
    "unicode and stop words": ({"strip_accents": "unicode", "stop_words": ["the", "cafe"]}, {}),
    "upper case and a group": ({"lowercase": False, "token_pattern": r"(\w)\w*"}, {}),
    "characters": ({"analyzer": "char", "stop_words": ["a"], "token_pattern": None}, {}),
    "hash": ({"indexing": "hash"}, {}),
    "stop words and other pattern": ({"stop_words": ["don\u2019t"], "token_pattern": r"\S+"}, {}),
    "vocabulary with gaps": ({"vocabulary": {"film": 9, "dull": 2, "don't": 4}}, {}),
}
# What the loader imports beside these is there wherever Python is.
SCORE = """
import json, sys
for name in ("sklstm", "sklearn", "scipy", "pandas", "keras", "jax", "torch", "tensorflow"):
    sys.modules[name] = None
sys.path.insert(0, sys.argv[1])
from onnx_loader import OnnxTextClassifier
texts = json.loads(sys.stdin.read())
found = {}
for path in sys.argv[2:]:
    model = OnnxTextClassifier(path)
    found[path] = {
        "ids": model.token_ids(texts).tolist(),
        "probabilities": model.predict_proba(texts).tolist(),
        "labels": model.predict(texts).tolist(),
        "classes": model.classes,
    }
print(json.dumps(found))
"""


def pipeline_of(sequencer, classifier) -> Pipeline:
    """Return a pipeline of a fitted sequencer, and of a classifier as if it were fitted."""
    ids_of = TextSequencer(**({"max_tokens": MOST_IDS} | sequencer)).fit(TEXTS)
    classifier = with_random_weights(vocab_size=MOST_IDS, width=ids_of.max_len_, **classifier)
    classifier.classes_ = np.array(["bad", "good"])
    return make_pipeline(ids_of, classifier)


def trained_pipeline(**classifier) -> Pipeline:
    """Return a fitted pipeline with word vectors."""
    model = make_pipeline(
        TextSequencer(vocabulary=VECTORS, max_len=12),
        small_classifier(embedding_weights=VECTORS, epochs=1, **classifier),
    )
    model.fit(TEXTS, LABELS)
    # Of small weights any ids would make nearly the same scores.
    model[1].weights_ = {name: 3 * weight for name, weight in model[1].weights_.items()}
    return model


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Return a pipeline for each setting, and what the loader makes of its files elsewhere."""
    folder = tmp_path_factory.mktemp("exported")
    models = {folder / f"{name}.onnx": pipeline_of(*SETTINGS[name]) for name in SETTINGS}
    models[folder / "vectors.onnx"] = trained_pipeline()
    for path, model in models.items():
        to_onnx(model, path)
    command = [sys.executable, "-c", SCORE, str(EXAMPLES), *map(str, models)]
    done = subprocess.run(command, input=json.dumps(NEW_TEXTS), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return {path.stem: (model, found[str(path)]) for path, model in models.items()}


@pytest.mark.parametrize("name", [*SETTINGS, "vectors"])
def test_loader_gives_what_the_pipeline_gives(scored, name):
    model, found = scored[name]
    np.testing.assert_array_equal(found["ids"], model[0].transform(NEW_TEXTS))
    np.testing.assert_allclose(found["probabilities"], model.predict_proba(NEW_TEXTS), atol=1e-5)
    assert np.ptp(found["probabilities"]) > 0.01
    assert found["labels"] == model.predict(NEW_TEXTS).tolist()
    assert found["classes"] == model.classes_.tolist() == ["bad", "good"]


def test_words_that_training_lacks_have_their_vectors(scored):
    model, _ = scored["vectors"]
    assert "awful" not in " ".join(TEXTS)
    awful = model[0].transform(["awful"])
    unknown = np.where(awful == model[0].vocabulary_["awful"], 1, awful)
    _, (with_vector, without) = scored["vectors"], model[1].decision_function([*awful, *unknown])
    assert with_vector != without


@pytest.fixture(scope="module")
def model() -> Pipeline:
    return pipeline_of({}, {})


def loader():
    spec = spec_from_file_location("onnx_loader", EXAMPLES / "onnx_loader.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_ngrams_beside_vectors_are_those_of_training(tmp_path):
    both = trained_pipeline(ngrams=2)
    to_onnx(both, tmp_path / "model.onnx")
    # "splendid" has a vector, and is in no training text.
    texts = [*TEXTS, "a splendid film"]
    found = loader().OnnxTextClassifier(tmp_path / "model.onnx").predict_proba(texts)
    np.testing.assert_allclose(found, both.predict_proba(texts), atol=1e-5)


def test_example_runs_from_the_command_line(model, tmp_path):
    to_onnx(model, tmp_path / "model.onnx")
    command = [sys.executable, EXAMPLES / "onnx_loader.py", tmp_path / "model.onnx", *TEXTS[:2]]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    labels = [line.partition(" ")[0] for line in printed.splitlines()]
    assert labels == model.predict(TEXTS[:2]).tolist()


def test_files_of_two_exports_do_not_go_together(model, tmp_path):
    other = pipeline_of({"max_len": 4}, {})
    for name, pipeline in (("one", model), ("other", other)):
        to_onnx(pipeline, tmp_path / f"{name}.onnx")
    (tmp_path / "other.tokenizer.json").replace(tmp_path / "one.tokenizer.json")
    with pytest.raises(ValueError, match="not written together"):
        loader().OnnxTextClassifier(tmp_path / "one.onnx")


def test_loader_refuses_settings_of_a_later_format(model, tmp_path, monkeypatch):
    monkeypatch.setattr(_onnx, "SETTINGS_FORMAT", 2)
    to_onnx(model, tmp_path / "model.onnx")
    with pytest.raises(ValueError, match="newer"):
        loader().OnnxTextClassifier(tmp_path / "model.onnx")


def test_loader_refuses_a_single_text(model, tmp_path):
    to_onnx(model, tmp_path / "model.onnx")
    with pytest.raises(TypeError, match="list of texts"):
        loader().OnnxTextClassifier(tmp_path / "model.onnx").predict("a fine film")


@pytest.mark.parametrize(
    "parameters",
    [
        {"preprocessor": str.lower},
        {"strip_accents": str.lower},
        {"tokenizer": str.split, "token_pattern": None},
        {"stemmer": "english"},
        {"stemmer": str.lower},
    ],
    ids=lambda parameters: next(iter(parameters)),
)
def test_code_of_python_is_an_error_and_nothing_is_written(model, parameters, tmp_path):
    pipeline = make_pipeline(TextSequencer(**parameters).fit(TEXTS), model[1])
    with pytest.raises(ValueError, match=f"^{next(iter(parameters))}=.* needs Python code"):
        to_onnx(pipeline, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
    assert len(to_onnx(pipeline[1], tmp_path / "model.onnx")) == 1


def test_what_does_not_apply_to_characters_is_no_error(model, tmp_path):
    sequencer = TextSequencer(analyzer="char", stemmer="english").fit(TEXTS)
    assert len(to_onnx(make_pipeline(sequencer, model[1]), tmp_path / "model.onnx")) == 2


def test_both_files_are_written_or_none(model, tmp_path):
    (tmp_path / "model.tokenizer.json").mkdir()
    with pytest.raises(IsADirectoryError):
        to_onnx(model, tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.tokenizer.json"]


def test_an_unfitted_sequencer_is_an_error(model, tmp_path):
    with pytest.raises(ValueError, match="TextSequencer instance is not fitted"):
        to_onnx(make_pipeline(TextSequencer(), model[1]), tmp_path / "model.onnx")


def test_exporting_a_loaded_model_does_not_import_keras(tmp_path):
    model = make_pipeline(TextSequencer(), small_classifier(epochs=1)).fit(TEXTS, LABELS)
    joblib.dump(model, tmp_path / "model.joblib")
    code = (
        "import sys, joblib; from sklstm.export import to_onnx;"
        "to_onnx(joblib.load(sys.argv[1]), sys.argv[2]);"
        "print({'jax', 'keras', 'tensorflow', 'torch'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", code, tmp_path / "model.joblib", tmp_path / "model.onnx"]
    assert subprocess.run(command, capture_output=True, text=True).stdout.strip() == "set()"

"""A model trained with one backend gives the same scores with all other backends."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import joblib
import numpy as np
import pytest
from conftest import LABELS, TEXTS, small_classifier
from sklearn.pipeline import make_pipeline

from sklstm import TextSequencer, WordVectors
from sklstm._runtime import BACKENDS

NEW_TEXTS = ["a fine and moving film", "dull", "the worst ending of the year", "lovely", ""]
THREE = ["good", "bad", "neither"] * 4
SEVERAL = np.array([[i % 2, i % 3 == 0] for i in range(len(TEXTS))], dtype=int)
VECTORS = WordVectors(
    ["a", "fine", "film", "dull", "the", "worst", "lovely"],
    np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32),
)

# Of each part of a network there is one.
ARCHITECTURES = {
    "one layer": ({}, LABELS),
    "two layers, both directions": ({"units": (4, 3), "bidirectional": True}, THREE),
    "attention": ({"pooling": "attention", "dense_units": 3}, SEVERAL),
    "last, max and mean": ({"pooling": "concat", "dropout": 0.2}, THREE),
    "flat, padding read": ({"pooling": "flatten", "mask_padding": False}, LABELS),
    "n-grams": ({"pooling": "max", "ngrams": 2}, THREE),
    "another activation": ({"activation": "relu", "recurrent_dropout": 0.2}, LABELS),
    "pretrained vectors": ({"embedding_weights": VECTORS}, LABELS),
}


def models():
    """Return an unfitted pipeline and labels for each architecture."""
    for name, (parameters, labels) in ARCHITECTURES.items():
        vocabulary = parameters.get("embedding_weights")
        sequencer = TextSequencer(max_len=12, vocabulary=vocabulary)
        yield name, make_pipeline(sequencer, small_classifier(**parameters)), labels


# Run in a process of each backend, in which Keras does nothing but what this asks for.
TRAIN = """
import sys, joblib, test_backends
from test_backends import NEW_TEXTS, TEXTS
fitted = {name: model.fit(TEXTS, labels) for name, model, labels in test_backends.models()}
scores = {name: model.predict_proba(NEW_TEXTS) for name, model in fitted.items()}
joblib.dump((fitted, scores), sys.argv[1])
"""
SCORE = """
import sys, joblib
from test_backends import NEW_TEXTS
fitted, _ = joblib.load(sys.argv[1])
from sklstm._runtime import keras
scores = {name: model.predict_proba(NEW_TEXTS) for name, model in fitted.items()}
joblib.dump((keras.backend.backend(), scores), sys.argv[2])
"""
EXPLAIN = """
import sys, joblib
from test_backends import NEW_TEXTS
fitted, _ = joblib.load(sys.argv[1])
from sklstm import lstm_states, token_attributions
found = {
    name: [
        (states.cell_state, attributions.values, attributions.baseline_score)
        for states, attributions in zip(
            lstm_states(model, NEW_TEXTS), token_attributions(model, NEW_TEXTS, target=target)
        )
    ]
    for name, model in fitted.items() for target in model[1].classes_[:1]
}
joblib.dump(found, sys.argv[2])
"""


def run(backend, code, *arguments):
    environment = os.environ | {
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    finished = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a function that trains all architectures under a backend, once."""
    folder = tmp_path_factory.mktemp("trained")

    def train(backend):
        path = folder / f"{backend}.joblib"
        if not path.exists():
            run(backend, TRAIN, path)
        return path

    return train


@pytest.mark.slow
@pytest.mark.parametrize("scoring", BACKENDS)
@pytest.mark.parametrize("training", BACKENDS)
def test_scores_do_not_depend_on_the_backend(training, scoring, trained, tmp_path):
    for backend in (training, scoring):
        if find_spec(backend) is None:
            pytest.skip(f"{backend} is not installed")
    path = trained(training)
    run(scoring, SCORE, path, tmp_path / "scores.joblib")
    used, scores = joblib.load(tmp_path / "scores.joblib")
    _, expected = joblib.load(path)
    assert used == scoring
    assert list(scores) == list(expected) == list(ARCHITECTURES)
    for name in scores:
        np.testing.assert_allclose(scores[name], expected[name], atol=1e-5, err_msg=name)
        assert np.ptp(expected[name][:, 0]) > 1e-3, f"{name} has learned nothing"


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_states_and_attributions_do_not_depend_on_the_backend(backend, trained, tmp_path):
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    path = trained(BACKENDS[0])
    run(BACKENDS[0], EXPLAIN, path, tmp_path / "expected.joblib")
    run(backend, EXPLAIN, path, tmp_path / "found.joblib")
    expected, found = (joblib.load(tmp_path / f"{n}.joblib") for n in ("expected", "found"))
    assert list(found) == list(ARCHITECTURES)
    for name, documents in expected.items():
        for one, other in zip(documents, found[name], strict=True):
            for array, same in zip(one, other, strict=True):
                np.testing.assert_allclose(array, same, atol=1e-4, err_msg=name)


BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"jax", "tensorflow", "torch"}:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Blocker())
import importlib.util
found = importlib.util.find_spec

def find_spec(name, package=None):
    try:
        return found(name, package)
    except ModuleNotFoundError:
        return None

importlib.util.find_spec = find_spec
from sklstm import LSTMTextClassifier
classifier = LSTMTextClassifier(epochs=1)
try:
    classifier.fit([[1, 2], [3, 4], [2, 1], [4, 3]], [0, 1, 0, 1])
except ImportError as error:
    print(error, hasattr(classifier, "weights_"))
"""


def test_without_any_backend_a_fit_says_what_to_install():
    environment = {name: v for name, v in os.environ.items() if name != "KERAS_BACKEND"}
    finished = subprocess.run(
        [sys.executable, "-c", BLOCKED], env=environment, capture_output=True, text=True, check=True
    )
    assert "pip install jax" in finished.stdout
    assert finished.stdout.split()[-1] == "False"

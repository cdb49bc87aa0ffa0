"""A saved model contains plain data and gives the same results in another process."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import joblib
import numpy as np
import pytest
from conftest import LABELS, TEXTS, assert_same_weights, make_ids, run_python, small_classifier
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sklstm import TextSequencer
from sklstm._persistence import FORMAT

IDS, Y = make_ids()
TESTS = Path(__file__).parents[1]
STORED = sorted((TESTS / "fixtures").glob("format_*.json"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a fitted pipeline and the file it was saved to."""
    model = make_pipeline(
        TextSequencer(), small_classifier(units=(4, 3), dropout=0.1, early_stopping=True)
    )
    model.set_params(lstmtextclassifier__validation_fraction=0.3).fit(TEXTS, LABELS)
    path = tmp_path_factory.mktemp("saved") / "model.joblib"
    joblib.dump(model, path)
    return model, path


def test_a_new_process_gives_the_same_probabilities_to_the_bit(saved, tmp_path):
    model, path = saved
    run_python(
        "import sys, joblib, numpy, conftest;"
        "model = joblib.load(sys.argv[1]);"
        "numpy.save(sys.argv[2], model.predict_proba(conftest.TEXTS))",
        path,
        tmp_path / "probabilities.npy",
    )
    np.testing.assert_array_equal(
        np.load(tmp_path / "probabilities.npy"), model.predict_proba(TEXTS)
    )


def test_a_new_process_trains_the_same_weights_to_the_bit(tmp_path):
    here = small_classifier(dropout=0.2, input_dropout=0.1).fit(IDS, Y)
    run_python(
        "import sys, numpy, conftest;"
        "fitted = conftest.small_classifier(dropout=0.2, input_dropout=0.1)"
        ".fit(*conftest.make_ids());"
        "numpy.savez(sys.argv[1], **fitted.weights_)",
        tmp_path / "weights.npz",
    )
    with np.load(tmp_path / "weights.npz") as there:
        assert_same_weights(here.weights_, dict(there))


WITHOUT_KERAS = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"keras", "jax", "tensorflow", "torch"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocker())
import joblib
print(*joblib.load(sys.argv[1])[-1].weights_)
"""


def test_state_loads_where_keras_cannot_be_imported(saved):
    model, path = saved
    printed = run_python(WITHOUT_KERAS, path)
    assert printed.split() == list(model[-1].weights_)


def plain_types(value):
    """Return the types of everything in a state, containers opened."""
    if isinstance(value, dict):
        return set().union(*(plain_types(v) for v in value.values()), {str})
    if isinstance(value, (list, tuple)):
        return set().union(*map(plain_types, value), {type(value)})
    return {type(value)}


def test_state_is_plain():
    classifier = small_classifier(units=(4, 3), vocab_size=20)
    classifier.partial_fit(IDS, Y, classes=[0, 1])
    allowed = {str, int, float, bool, type(None), list, tuple, np.ndarray}
    assert plain_types(classifier.__getstate__()) <= allowed
    arrays = [v for v in classifier.__getstate__().values() if isinstance(v, np.ndarray)]
    assert all(array.dtype != object for array in arrays)


def test_partial_fit_after_loading_equals_partial_fit_without_the_detour():
    direct = small_classifier(vocab_size=20, dropout=0.2)
    direct.partial_fit(IDS[:30], Y[:30], classes=[0, 1])
    loaded = pickle.loads(pickle.dumps(direct))
    for classifier in (direct, loaded):
        classifier.partial_fit(IDS[30:], Y[30:]).partial_fit(IDS, Y)
    assert_same_weights(loaded.weights_, direct.weights_)


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))]
)
def test_copies_predict_the_same(copied):
    classifier = small_classifier(epochs=1).fit(IDS, Y)
    np.testing.assert_array_equal(
        copied(classifier).predict_proba(IDS), classifier.predict_proba(IDS)
    )


def test_a_deep_copy_is_independent():
    classifier = small_classifier(epochs=1).fit(IDS, Y)
    expected = classifier.predict_proba(IDS)
    copied = copy.deepcopy(classifier)
    copied.weights_["output/bias"] += 1
    np.testing.assert_array_equal(classifier.predict_proba(IDS), expected)
    assert (copied.predict_proba(IDS)[:, 1] > expected[:, 1]).all()


def test_a_classifier_with_used_callbacks_can_be_pickled_and_cloned():
    from sklstm._runtime import keras

    classifier = small_classifier(callbacks=[keras.callbacks.TerminateOnNaN()])
    classifier.fit(IDS, Y)
    assert b"keras.src.models" not in pickle.dumps(classifier)
    again = clone(classifier).fit(IDS, Y)
    assert_same_weights(again.weights_, classifier.weights_)


def test_parameters_set_after_fit_do_not_change_predictions():
    classifier = small_classifier(epochs=1).fit(IDS, Y)
    expected = classifier.predict_proba(IDS)
    classifier.set_params(units=7, pooling="max", bidirectional=True, mask_padding=False)
    np.testing.assert_array_equal(classifier.predict_proba(IDS), expected)


def load_pickle(path):
    return make_pipeline(*pickle.loads(path.with_suffix(".pickle").read_bytes()))


def load_skops(path):
    skops_io = pytest.importorskip("skops.io")
    path = path.with_suffix(".skops")
    trusted = skops_io.get_untrusted_types(file=path)
    assert all(name.startswith("sklstm.") for name in trusted)
    return skops_io.load(path, trusted=trusted)


# A skops file holds the Pipeline as well, which says so when scikit-learn is another one.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("load", [load_pickle, load_skops])
@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_models_of_every_format_predict_what_they_did(path, load):
    model, expected = load(path), json.loads(path.read_text(encoding="utf-8"))
    probabilities = model.predict_proba(expected["texts"])
    np.testing.assert_allclose(probabilities, expected["probabilities"], atol=1e-5)
    assert model.predict(expected["texts"]).tolist() == expected["predicted"]
    # All that a model of today has: it can be shown, copied, cloned and saved again.
    assert repr(clone(model)) == repr(model)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(expected["texts"]), probabilities)


def test_models_of_every_format_are_kept():
    formats = {int(path.stem.split("_")[1]) for path in STORED}
    assert formats == set(range(1, FORMAT + 1)), "run tests/fixtures/make.py before a release"

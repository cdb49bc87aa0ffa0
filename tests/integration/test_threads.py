"""Eight concurrent threads get bit-identical results to a single thread."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import joblib
import numpy as np
import pytest
from conftest import LABELS, TEXTS, assert_same_weights, make_ids, small_classifier
from sklearn.pipeline import make_pipeline

from sklstm import TextSequencer

IDS, Y = make_ids()
ARCHITECTURES = [
    {},
    {"bidirectional": True},
    {"pooling": "max", "input_dropout": 0.2},
    {"units": (4, 3), "dropout": 0.2},
]
# Threads that meet the package for the first time, all at the same moment. scikit-learn is there
# before: its modules import each other, and Python hands out half of one to a thread that waits for
# another thread's import.
FRESH = """
import sys
from threading import Barrier, Thread
import joblib
import sklearn.pipeline
path, texts, labels = joblib.load(sys.argv[1])
barrier, results = Barrier(8), [None] * 8

def work(number):
    barrier.wait()
    if number % 2:
        from sklstm import LSTMTextClassifier, TextSequencer
        from sklearn.pipeline import make_pipeline
        classifier = LSTMTextClassifier(**joblib.load(path + ".parameters"))
        model = make_pipeline(TextSequencer(), classifier)
        results[number] = model.fit(texts, labels).predict_proba(texts)
    else:
        results[number] = joblib.load(path).predict_proba(texts)

threads = [Thread(target=work, args=(number,)) for number in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
joblib.dump(results, path + ".results")
"""


def at_once(functions):
    """Return the results of functions that threads call at the same moment."""
    barrier = Barrier(len(functions), timeout=60)

    def call(function):
        barrier.wait()
        return function()

    with ThreadPoolExecutor(len(functions)) as pool:
        return list(pool.map(call, functions))


def test_eight_threads_fit_and_predict_at_once():
    def fitted(number):
        parameters = ARCHITECTURES[number % len(ARCHITECTURES)] | {"random_state": number}
        return small_classifier(**parameters).fit(IDS, Y)

    expected = [fitted(number) for number in range(8)]
    model = expected[0]
    proba = model.predict_proba(IDS)
    for _ in range(3):
        functions = [lambda number=number: fitted(number) for number in range(4)]
        functions += [lambda: model.predict_proba(IDS)] * 4
        results = at_once(functions)
        for one, other in zip(results[:4], expected[:4], strict=True):
            assert_same_weights(one.weights_, other.weights_)
        for found in results[4:]:
            np.testing.assert_array_equal(found, proba)


def test_a_model_that_is_fitted_again_answers_with_one_of_its_states():
    model = small_classifier(epochs=5).fit(IDS, Y)
    before = model.predict_proba(IDS)
    after = small_classifier(epochs=5, random_state=1).fit(IDS, Y).predict_proba(IDS)
    model.set_params(random_state=1)

    def answers():
        return [model.predict_proba(IDS) for _ in range(20)]

    *found, _ = at_once([answers] * 7 + [lambda: model.fit(IDS, Y)])
    for answer in (answer for several in found for answer in several):
        assert any(np.array_equal(answer, state) for state in (before, after))
    np.testing.assert_array_equal(model.predict_proba(IDS), after)


def test_eight_threads_cut_texts_at_once():
    sequencer = TextSequencer().fit(TEXTS)
    expected = sequencer.transform(TEXTS)
    for found in at_once(
        [lambda: sequencer.transform(TEXTS)] * 4
        + [lambda: TextSequencer().fit_transform(TEXTS)] * 4
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
def test_eight_threads_import_load_fit_and_predict_in_a_new_process(tmp_path):
    classifier = small_classifier()
    model = make_pipeline(TextSequencer(), classifier).fit(TEXTS, LABELS)
    path = str(tmp_path / "model")
    joblib.dump(model, path)
    joblib.dump(classifier.get_params(), path + ".parameters")
    joblib.dump((path, TEXTS, LABELS), tmp_path / "arguments")
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(tmp_path / "arguments")],
        capture_output=True,
        text=True,
        timeout=200,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert "Exception" not in done.stderr
    for found in joblib.load(path + ".results"):
        np.testing.assert_array_equal(found, model.predict_proba(TEXTS))

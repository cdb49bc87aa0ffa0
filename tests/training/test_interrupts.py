"""After Ctrl-C or kill -9, no estimator is partially trained and no file is incomplete."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
from conftest import LABELS, TEXTS, assert_same_weights, make_ids, small_classifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklstm import TextSequencer

IDS, Y = make_ids()
REPOSITORY = Path(__file__).parents[2]
needs_signals = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")


def stopping_at(moment):
    """Return a Keras callback that stands for Ctrl-C at a moment such as "on_epoch_end"."""
    from sklstm._runtime import keras

    def stop(*_, **__):
        raise KeyboardInterrupt

    return type("Stop", (keras.callbacks.Callback,), {moment: stop})()


MOMENTS = [
    "on_train_begin",
    "on_epoch_begin",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_epoch_end",
    "on_train_end",
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interrupted_first_fit_leaves_nothing(moment):
    classifier = small_classifier(callbacks=[stopping_at(moment)])
    before = set(vars(classifier))
    with pytest.raises(KeyboardInterrupt):
        classifier.fit(IDS, Y)
    assert set(vars(classifier)) == before
    again = classifier.set_params(callbacks=None).fit(IDS, Y)
    assert_same_weights(again.weights_, small_classifier().fit(IDS, Y).weights_)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_an_interrupted_model_is_as_before_and_resumes(method, moment):
    classifier = small_classifier().fit(IDS, Y)
    undisturbed = small_classifier().fit(IDS, Y)
    expected = classifier.predict_proba(IDS)
    classifier.set_params(callbacks=[stopping_at(moment)])
    with pytest.raises(KeyboardInterrupt):
        getattr(classifier, method)(IDS, Y)
    np.testing.assert_array_equal(classifier.predict_proba(IDS), expected)
    classifier.set_params(callbacks=None)
    for model in (classifier, undisturbed):
        getattr(model, method)(IDS, Y)
    assert_same_weights(classifier.weights_, undisturbed.weights_)


def test_in_a_pipeline_the_sequencer_has_learned_and_the_classifier_is_as_before():
    model = make_pipeline(TextSequencer(), small_classifier()).fit(TEXTS, LABELS)
    weights = model[1].weights_
    model[1].set_params(callbacks=[stopping_at("on_epoch_end")])
    others = [f"{text} indeed" for text in TEXTS]
    with pytest.raises(KeyboardInterrupt):
        model.fit(others, LABELS)
    assert "indeed" in model[0].tokens_
    assert model[1].weights_ is weights


def test_an_interrupted_search_keeps_its_earlier_result():
    search = GridSearchCV(small_classifier(), {"learning_rate": [0.01, 0.03]}, cv=2)
    best = search.fit(IDS, Y).best_estimator_
    expected = search.predict_proba(IDS)
    search.estimator.set_params(callbacks=[stopping_at("on_epoch_end")])
    with pytest.raises(KeyboardInterrupt):
        search.fit(IDS, Y)
    assert search.best_estimator_ is best
    np.testing.assert_array_equal(search.predict_proba(IDS), expected)


@needs_signals
@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(),
    reason="signals reach the main thread only",
)
def test_ctrl_c_at_any_moment_leaves_the_old_state_or_the_new():
    parameters = {"epochs": 20, "batch_size": 8}
    old = small_classifier(**parameters).fit(IDS, Y)
    start = time.perf_counter()
    new = small_classifier(**parameters, random_state=1).fit(IDS, Y)
    duration = time.perf_counter() - start
    classifier = small_classifier(**parameters)
    n_interrupted = 0
    for share in np.linspace(0.01, 0.99, 12):
        classifier.set_params(random_state=0).fit(IDS, Y)
        classifier.set_params(random_state=1)
        timer = threading.Timer(share * duration, os.kill, (os.getpid(), signal.SIGINT))
        try:
            timer.start()
            classifier.fit(IDS, Y)
            timer.join()
            time.sleep(0.2)  # Python handles a signal between two of its instructions.
        except KeyboardInterrupt:
            n_interrupted += 1
        timer.join()
        states = [model.weights_ for model in (old, new)]
        assert any(
            all(np.array_equal(classifier.weights_[name], state[name]) for name in state)
            for state in states
        )
    assert n_interrupted == 12
    assert_same_weights(classifier.fit(IDS, Y).weights_, new.weights_)


def run_and_kill(code, *arguments, after, environment=None):
    """Run code until it has printed "ready", and kill it some seconds later."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env=os.environ | (environment or {}),
    )
    try:
        assert process.stdout.readline().strip() == "ready"
        time.sleep(after)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


def recipe():
    """Return the function on saving in the guide, as code."""
    page = (REPOSITORY / "docs" / "user_guide" / "saving.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    (found,) = [block for block in blocks if "def save" in block]
    return found.partition("\n\n\nsave(")[0]


SAVE_OVER_AND_OVER = """
import sys, joblib
from pathlib import Path
models = [joblib.load(path) for path in sys.argv[2:]]
save(models[0], Path(sys.argv[1]))
print("ready", flush=True)
while True:
    for model in models:
        save(model, Path(sys.argv[1]))
"""


@pytest.mark.slow
@needs_signals
def test_the_recipe_for_saving_survives_kill_9(tmp_path):
    rng = np.random.default_rng(0)
    ids, y = make_ids(vocab_size=20_000)
    states = []
    for seed in (0, 1):
        model = small_classifier(embedding_dim=64, epochs=1, random_state=seed).fit(ids, y)
        joblib.dump(model, tmp_path / f"given{seed}")
        states.append(model.predict_proba(ids))
    path = tmp_path / "model.joblib"
    for _ in range(6):
        run_and_kill(
            recipe() + SAVE_OVER_AND_OVER,
            path,
            tmp_path / "given0",
            tmp_path / "given1",
            after=rng.uniform(0.01, 0.15),
        )
        found = joblib.load(path).predict_proba(ids)
        assert any(np.array_equal(found, state) for state in states)


WRITE_OVER_AND_OVER = """
import sys
from pathlib import Path
from sklstm._persistence import atomic_write
print("ready", flush=True)
while True:
    for letter in "ab":
        with atomic_write(sys.argv[1]) as (aside,):
            with aside.open("w") as file:
                for _ in range(200):
                    file.write(letter * 10_000)
"""


@pytest.mark.slow
@needs_signals
def test_a_file_that_we_write_survives_kill_9(tmp_path):
    path = tmp_path / "file"
    path.write_text("a" * 2_000_000)
    rng = np.random.default_rng(0)
    for _ in range(8):
        run_and_kill(WRITE_OVER_AND_OVER, path, after=rng.uniform(0.01, 0.1))
        assert path.read_text() in ("a" * 2_000_000, "b" * 2_000_000)


COMPARE = """
import sys
from searching import SMALL, Mortal
from conftest import LABELS, TEXTS
from sklearn.pipeline import make_pipeline
from sklstm import LSTMTextClassifier, TextSequencer, compare
print("ready", flush=True)
models = {
    "first": make_pipeline(TextSequencer(), LSTMTextClassifier(**SMALL)),
    "mortal": make_pipeline(TextSequencer(), Mortal(sys.argv[2])),
}
result = compare(models, TEXTS, LABELS, cv=2, memory=sys.argv[1])
print(result.scores["accuracy"].tolist(), len(result.scores))
"""


@pytest.mark.slow
@needs_signals
def test_a_comparison_that_was_killed_resumes(tmp_path):
    tests = str(Path(__file__).parents[1])

    def run(folder):
        return subprocess.run(
            [sys.executable, "-c", COMPARE, str(folder), str(tmp_path / "victim")],
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([tests, str(REPOSITORY)])},
            timeout=200,
        )

    def kept():
        return {path: path.stat().st_mtime_ns for path in tmp_path.rglob("output.pkl")}

    assert run(tmp_path / "kept").returncode == -signal.SIGKILL
    before = kept()
    assert len(before) == 1  # The first classifier on the first fold.
    resumed = run(tmp_path / "kept")
    assert resumed.returncode == 0, resumed.stderr
    after = kept()
    assert len(after) == 4
    assert {path: after[path] for path in before} == before
    assert resumed.stdout == run(tmp_path / "other").stdout

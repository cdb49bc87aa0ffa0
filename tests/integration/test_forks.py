"""Processes that are forked from one with a fitted model predict, or fail at once; none hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")

TESTS = Path(__file__).parents[1]
# A child that hangs is killed when the script ends.
SETUP = """
import multiprocessing
import pickle
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)  # of JAX, in the parent
from conftest import LABELS, TEXTS, small_classifier
from sklearn.pipeline import make_pipeline
from sklstm import TextSequencer

model = make_pipeline(TextSequencer(max_len=8), small_classifier(epochs=1))


def custom():
    from custom_models import network
    from sklstm import KerasTextClassifier

    return make_pipeline(TextSequencer(), KerasTextClassifier(network, epochs=1, random_state=0))


def in_fork(function, *arguments, method="fork"):
    with multiprocessing.get_context(method).Pool(1) as pool:
        try:
            return pool.apply_async(function, arguments).get(timeout=60)
        except multiprocessing.TimeoutError:
            return "it hangs"
        except Exception as error:
            return f"{type(error).__name__}: {error}"

"""


def run(code, *arguments, timeout=300):
    """Run code in a process of its own, and return the lines that it prints."""
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, "-c", SETUP + code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # Also its children.
            raise
    assert process.returncode == 0, errors
    return output.splitlines()


def assert_refused(lines, backend="JAX"):
    assert lines
    for line in lines:
        assert line.startswith(f"RuntimeError: This process was forked after {backend} had started")
        assert "multiprocessing.get_context('spawn')" in line


def test_every_method_is_refused_in_a_fork_after_a_prediction():
    lines = run("""
from sklstm import fit_stream, token_attributions

model.fit(TEXTS, LABELS).predict(TEXTS)
ids = model[0].transform(TEXTS)
assert (in_fork(model[0].transform, TEXTS) == ids).all()  # It needs no backend.
for method in (model.predict, model.predict_proba, model.decision_function):
    print(in_fork(method, TEXTS))
for method in (model[-1].transform, model[-1].predict_proba):
    print(in_fork(method, ids))
print(in_fork(model.fit, TEXTS, LABELS))
print(in_fork(model[-1].partial_fit, ids, LABELS))
print(in_fork(model[-1].to_keras))
print(in_fork(token_attributions, model, TEXTS[:1]))
print(in_fork(fit_stream, model, [(TEXTS, LABELS)]))
""")
    assert_refused(lines)


def test_every_method_of_a_custom_model_is_refused_in_a_fork_after_a_prediction():
    lines = run("""
model = custom().fit(TEXTS, LABELS)
ids = model[0].transform(TEXTS)
for method in (model.predict, model.predict_proba):
    print(in_fork(method, TEXTS))
print(in_fork(model.fit, TEXTS, LABELS))
print(in_fork(model[-1].partial_fit, ids, LABELS))
print(in_fork(model[-1].initialize, ids, LABELS))
""")
    assert_refused(lines)


def test_joblib_forks_are_refused_and_its_default_backend_works():
    code = """
import joblib

model.fit(TEXTS, LABELS)
call = joblib.delayed(model.predict)
try:
    joblib.Parallel(2, backend="multiprocessing")(call(TEXTS[:n]) for n in (1, 2))
except RuntimeError as error:
    print(f"RuntimeError: {error}")
first, second = joblib.Parallel(2)(call(TEXTS[:n]) for n in (1, 2))
assert first.tolist() == model.predict(TEXTS[:1]).tolist()
assert second.tolist() == model.predict(TEXTS[:2]).tolist()
"""
    for attempt in range(3):
        try:
            lines = run(code, timeout=90)
            break
        except subprocess.TimeoutExpired:
            # After the error, joblib calls Pool.terminate of Python, which rarely waits forever for
            # its own thread. A model that hangs would do so in each attempt.
            if attempt == 2:
                raise
    assert_refused(lines)


@pytest.mark.parametrize("kind", ["model", "custom()"])
def test_a_model_loaded_before_a_fork_predicts_in_the_children(kind, tmp_path):
    path = tmp_path / "model.pickle"
    fitted = run(
        f"""
model = {kind}.fit(TEXTS, LABELS)
Path(sys.argv[1]).write_bytes(pickle.dumps(model))
print(model.predict(TEXTS).tolist())
""",
        path,
    )
    loaded = run(
        """
model = pickle.loads(Path(sys.argv[1]).read_bytes())
print(in_fork(model.predict, TEXTS).tolist())
print(model.predict(TEXTS).tolist())
""",
        path,
    )
    assert loaded == 2 * fitted


def test_a_fork_may_train_if_its_parent_has_not():
    lines = run("""
if __name__ == "__main__":
    trained = in_fork(model.fit, TEXTS, LABELS)
    print(trained.predict(TEXTS).tolist() == model.fit(TEXTS, LABELS).predict(TEXTS).tolist())
""")
    assert lines == ["True"]


def test_a_fork_of_a_fork_is_refused_too():
    lines = run("""
def inner():
    process = multiprocessing.get_context("fork").Process(target=report)
    process.start()
    process.join(60)
    return process.exitcode


def report():
    try:
        model.predict(TEXTS)
    except RuntimeError as error:
        print(f"RuntimeError: {error}", flush=True)


model.fit(TEXTS, LABELS)
process = multiprocessing.get_context("fork").Process(target=inner)
process.start()
process.join(60)
""")
    assert_refused(lines)


def test_a_fork_is_refused_if_only_the_user_has_started_jax():
    pytest.importorskip("jax")
    lines = run("""
import jax

jax.devices()
print(in_fork(model.fit, TEXTS, LABELS))
""")
    assert_refused(lines)


def test_only_backends_that_need_their_threads_refuse_a_fork(monkeypatch):
    from sklstm import _runtime

    for backend, is_refused in [("jax", True), ("tensorflow", True), ("torch", False)]:
        monkeypatch.setattr(_runtime.keras.backend, "backend", lambda name=backend: name)
        monkeypatch.setattr(_runtime, "_started", {backend})
        monkeypatch.setattr(_runtime, "_started_before_fork", set())
        monkeypatch.setitem(sys.modules, "jax._src.xla_bridge", None)
        _runtime.start_backend()
        _runtime._remember_fork()
        if is_refused:
            with pytest.raises(RuntimeError, match="was forked after"):
                _runtime.check_fork()
        else:
            _runtime.check_fork()

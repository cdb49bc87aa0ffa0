"""The choice of the Keras backend, which respects the choice of the user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from sklstm import _runtime


@pytest.fixture
def settle(monkeypatch, tmp_path):
    """Return a function that chooses the backend in a given environment."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def settle(installed, configured=None):
        if configured is not None:
            (tmp_path / "keras.json").write_text(configured, encoding="utf-8")
        monkeypatch.setattr(_runtime, "find_spec", lambda name: name in installed or None)
        _runtime.choose_backend()
        return os.environ.get("KERAS_BACKEND")

    return settle


def test_the_first_installed_backend_is_chosen(settle):
    assert settle({"torch", "tensorflow", "jax"}) == "jax"


def test_another_backend_will_do(settle):
    assert settle({"torch"}) == "torch"


def test_the_environment_decides(settle, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert settle({"tensorflow", "jax"}) == "tensorflow"


@pytest.mark.parametrize(
    ("wanted", "installed", "remedy"),
    [
        ("torch", {"jax", "tensorflow"}, "pip install torch.*one of jax, tensorflow"),
        ("torch", set(), "pip install torch.*pip install jax"),
        ("numpy", {"jax"}, "not a backend that can train.*one of jax"),
    ],
)
def test_a_backend_that_is_not_there_is_an_error_with_the_remedy(
    wanted, installed, remedy, settle, monkeypatch
):
    monkeypatch.setenv("KERAS_BACKEND", wanted)
    with pytest.raises(ImportError, match=f"KERAS_BACKEND='{wanted}'.*{remedy}"):
        settle(installed)


def test_an_imported_keras_decides(settle, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", object())
    assert settle({"torch", "jax"}) is None


def test_the_configuration_file_decides_if_what_it_names_is_there(settle):
    assert settle({"torch", "jax"}, json.dumps({"backend": "torch"})) == "torch"


@pytest.mark.parametrize(
    "configured",
    ['{"backend": "torch"}', '{"backend": "theano"}', '{"floatx": "float32"}', "[]", "{"],
)
def test_a_configuration_file_that_does_not_help_is_passed_over(settle, configured):
    assert settle({"tensorflow", "jax"}, configured) == "jax"


def test_the_backend_that_keras_itself_writes_is_no_choice(settle):
    assert settle({"tensorflow", "jax"}, json.dumps({"backend": "tensorflow"})) == "jax"


def test_no_backend_is_an_error_with_the_remedy(settle):
    with pytest.raises(ImportError, match="pip install jax"):
        settle(set())


def test_an_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'tensorflow'"):
        _runtime.tensorflow  # noqa: B018


FIT = """
import os
from sklstm import LSTMTextClassifier
classifier = LSTMTextClassifier(units=2, embedding_dim=2, epochs=1, random_state=0)
classifier.fit([[1, 2], [3, 4], [2, 1], [4, 3]], [0, 1, 0, 1]).predict([[1, 2]])
print(os.environ["KERAS_BACKEND"])
"""


@pytest.mark.parametrize("absent", ["tensorflow", "torch"])
def test_works_with_an_old_configuration_that_names_an_absent_backend(absent, tmp_path):
    if find_spec(absent):
        pytest.skip(f"{absent} is installed")
    old = json.dumps({"backend": absent})
    (tmp_path / "keras.json").write_text(old, encoding="utf-8")
    environment = {name: v for name, v in os.environ.items() if name != "KERAS_BACKEND"}
    finished = subprocess.run(
        [sys.executable, "-c", FIT],
        env=environment | {"KERAS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.strip() in _runtime.BACKENDS
    assert (tmp_path / "keras.json").read_text(encoding="utf-8") == old


def test_settings_of_keras_are_known_before_it_is_imported(monkeypatch, tmp_path):
    import keras

    with_keras = _runtime.keras_settings()
    epsilon = keras.config.epsilon()
    monkeypatch.setattr(keras.config, "epsilon", lambda: 2 * epsilon)
    assert _runtime.keras_settings() == with_keras | {"epsilon": 2 * epsilon}
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert _runtime.keras_settings() == with_keras
    (tmp_path / "keras.json").write_text('{"floatx": "float16", "epsilon": 1e-5}', encoding="utf-8")
    changed = {"floatx": "float16", "epsilon": 1e-5, "dtype_policy": "float16"}
    assert _runtime.keras_settings() == changed
    (tmp_path / "keras.json").write_text("[]", encoding="utf-8")
    assert _runtime.keras_settings() == with_keras

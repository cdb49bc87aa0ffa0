"""The code of the user guide for gunicorn, MLflow, MAPIE and cleanlab runs."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import joblib
import numpy as np
import pytest
from conftest import LABELS, TEXTS, make_ids, small_classifier
from sklearn.pipeline import make_pipeline

from sklstm import TextSequencer, make_text_classifier

GUIDE = Path(__file__).parents[2] / "docs" / "user_guide"
# Models are saved by one process and loaded by others.
pytestmark = pytest.mark.slow


def block_with(page, words):
    """Return the only block of code of a page that contains some words."""
    text = (GUIDE / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:python|\{code-block\} python)\n(.*?)^```$", text, re.M | re.S)
    (found,) = [block for block in blocks if words in block]
    return found


@pytest.fixture(scope="module")
def model():
    return make_pipeline(TextSequencer(), small_classifier(epochs=1)).fit(TEXTS, LABELS)


@pytest.mark.filterwarnings("ignore")  # Warnings of MLflow.
def test_mlflow_saves_and_loads_a_model(model, monkeypatch, tmp_path):
    pytest.importorskip("mlflow.sklearn")
    monkeypatch.chdir(tmp_path)
    exec(block_with("combining", "mlflow"), {"model": model, "texts": TEXTS})
    assert (tmp_path / "mlflow_model").is_dir()


@pytest.mark.filterwarnings("ignore")  # Warnings of MAPIE.
def test_mapie_returns_sets_that_contain_the_class():
    pytest.importorskip("mapie")
    ids, y = make_ids(n_documents=400)
    texts = [" ".join(f"w{n}" for n in row[row > 0]) for row in ids]
    fitted = make_pipeline(TextSequencer(), small_classifier()).fit(texts[:200], y[:200])
    names = {"model": fitted, "X_val": texts[200:300], "y_val": y[200:300], "X_test": texts[300:]}
    exec(block_with("confidence", "mapie"), names)
    assert len(names["names"]) == 100
    contains = [label in classes for label, classes in zip(y[300:], names["names"], strict=True)]
    assert np.mean(contains) > 0.8  # The confidence level is 0.9.


@pytest.mark.filterwarnings("ignore")  # Warnings of cleanlab.
def test_cleanlab_finds_wrong_labels():
    pytest.importorskip("cleanlab")
    right = np.array(["good", "bad"] * 60)
    wrong = set(range(0, 120, 24))
    labels = right.copy()
    labels[list(wrong)] = ["bad" if label == "good" else "good" for label in labels[list(wrong)]]
    texts = [f"a {n} film with {label} music {n % 7}" for n, label in enumerate(right)]
    model = make_text_classifier("fast", epochs=6, random_state=0)
    names = {"np": np, "model": model, "texts": texts, "labels": labels}
    exec(block_with("inspecting", "cleanlab"), names)
    assert set(names["suspicious"].tolist()) == wrong


class Service:
    """A gunicorn server with two workers in a folder, and its requests."""

    def __init__(self, folder, *options):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
        timeouts = ["--timeout", "60", "--graceful-timeout", "2"]
        command = [sys.executable, "-m", "gunicorn", "--workers", "2", "--bind", self.address]
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, *timeouts, *options, "app:application"],
                cwd=folder,
                env=os.environ | {"PYTHONPATH": path},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def predict(self, texts):
        request = urllib.request.Request(f"http://{self.address}", json.dumps(texts).encode())
        deadline = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(request, timeout=60) as response:
                    return json.load(response)
            except ConnectionError as error:
                self.wait_or_fail(deadline, error)
            except urllib.error.URLError as error:
                if not isinstance(error.reason, ConnectionError):
                    raise
                self.wait_or_fail(deadline, error)

    def wait_or_fail(self, deadline, error):
        if self.process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"{error!r}\n{self.log.read_text()}")
        time.sleep(0.2)


@pytest.fixture
def folder(model, tmp_path):
    pytest.importorskip("gunicorn")
    joblib.dump(model, tmp_path / "model.joblib")
    (tmp_path / "app.py").write_text(block_with("serving", "def application"))
    (tmp_path / "gunicorn_conf.py").write_text(block_with("serving", "def post_worker_init"))
    return tmp_path


def test_gunicorn_serves_a_model_that_is_loaded_before_the_fork(folder, model):
    with Service(folder, "--preload", "--config", "gunicorn_conf.py") as service:
        for _ in range(4):
            assert service.predict(TEXTS) == model.predict(TEXTS).tolist()


def test_a_prediction_before_the_fork_of_gunicorn_is_an_error_in_the_log(folder):
    with (folder / "app.py").open("a") as app:
        app.write("\nmodel.predict(['warm up'])\n")
    with Service(folder, "--preload") as service:
        with pytest.raises(urllib.error.HTTPError, match="500"):
            service.predict(TEXTS)
        assert "RuntimeError: This process was forked after JAX" in service.log.read_text()

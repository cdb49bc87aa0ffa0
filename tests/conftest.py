"""Data and classifiers that several test modules use."""

from __future__ import annotations

import builtins
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sklstm import LSTMTextClassifier

TEXTS = [
    "a warm and funny film with a fine cast",
    "the plot is dull and the acting is worse",
    "I loved every minute of it",
    "I wanted my money back after ten minutes",
    "a fine, moving story told with care",
    "dull, loud and far too long",
    "the best film of the year so far",
    "the worst film that I have seen this year",
    "funny, warm and never too long",
    "a story so dull that I left early",
    "the cast is fine and the music is lovely",
    "bad music, bad acting and a bad ending",
]
LABELS = ["good", "bad"] * 6


# Compilation takes most of the time of the tests, and the compiled functions run only for a moment.
# XLA therefore optimizes little. `XLA_FLAGS= pytest` tests the code that users get.
FAST_COMPILATION = " ".join(
    [
        "--xla_backend_optimization_level=0",
        "--xla_cpu_use_fusion_emitters=false",
        "--xla_cpu_parallel_codegen_split_count=1",
    ]
)


def pytest_configure(config: pytest.Config) -> None:
    """Compile fast; all test processes, and the next run, share the compiled functions."""
    os.environ.setdefault("SKLSTM_CACHE_DIR", str(Path(config.rootpath, ".pytest_cache", "sklstm")))
    # The workers of pytest-xdist, and what tests start, inherit them.
    if "XLA_FLAGS" not in os.environ:
        os.environ["XLA_FLAGS"] = FAST_COMPILATION if xla_knows(FAST_COMPILATION) else ""


def xla_knows(flags: str) -> bool:
    """Return whether XLA supports these flags; it ends a process that sets an unknown one."""
    code = "from jaxlib.xla_client import CompileOptions; CompileOptions()"
    environment = os.environ | {"XLA_FLAGS": flags}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    return done.returncode == 0


def run_python(code, *arguments):
    """Run code in a fresh interpreter, in the directory of the tests, and return its output."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
    ).stdout


@pytest.fixture
def texts() -> list[str]:
    return list(TEXTS)


@pytest.fixture
def labels() -> list[str]:
    return list(LABELS)


@pytest.fixture
def plt():
    """Give matplotlib's pyplot without a screen, and leave no figure and no setting behind."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot

    with matplotlib.rc_context():
        yield matplotlib.pyplot
    matplotlib.pyplot.close("all")


def make_ids(n_documents=60, width=9, vocab_size=20, n_classes=2, seed=0):
    """Return pre-padded ids of documents of 1 to `width` tokens, and labels they decide."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(1, vocab_size, (n_documents, width))
    lengths = rng.integers(1, width + 1, n_documents)
    ids[np.arange(width) < width - lengths[:, None]] = 0
    y = ids[:, -1] % n_classes
    ids[0, -1], ids[1, -1] = vocab_size - 1, 1
    return ids, y


#: A network of a single LSTM layer, as in the tutorials of Keras.
PLAIN = {
    "embedding_weights": None,
    "bidirectional": False,
    "pooling": "last",
    "ngrams": 0,
    "embedding_dropout": 0.0,
    "label_smoothing": 0.0,
    "learning_rate": 1e-3,
    "learning_rate_schedule": "constant",
    "epochs": 10,
    "threshold": 0.5,
}


def small_classifier(**parameters) -> LSTMTextClassifier:
    """Return a classifier that trains in a moment."""
    defaults = PLAIN | {
        "units": 4,
        "embedding_dim": 3,
        "epochs": 2,
        "batch_size": 32,
        "learning_rate": 0.02,
        "random_state": 0,
    }
    return LSTMTextClassifier(**(defaults | parameters))


def assert_same_weights(one, other, **tolerance):
    """Compare weights to the bit, or to a tolerance."""
    assert list(one) == list(other)
    for name in one:
        if tolerance:
            np.testing.assert_allclose(one[name], other[name], err_msg=name, **tolerance)
        else:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.fixture
def without_matplotlib(monkeypatch):
    """Let imports of matplotlib fail."""
    real = builtins.__import__

    def importing(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", importing)

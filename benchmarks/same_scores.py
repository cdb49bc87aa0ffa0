"""Consistency of the scores of a model across formats and backends.

Trains pipelines on JAX on sentences of film reviews, and scores other sentences in separate
processes with the joblib file loaded under JAX, PyTorch or TensorFlow, the skops file, the ONNX
file in onnxruntime (with the ids of examples/onnx_loader.py), and the model of stock Keras layers.
Prints the largest absolute difference. Formats and backends that are not installed are skipped.

    python benchmarks/same_scores.py                       # a minute
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import joblib
import numpy as np
from _common import Report, options_parser, sentences
from _process import Lost, run_afresh

from sklstm import make_text_classifier

EXAMPLES = Path(__file__).parents[1] / "examples"
LIMIT = 600.0  # Time limit of a process in seconds.

PIPELINES: dict[str, dict[str, Any]] = {
    "preset fast": {"preset": "fast"},
    "preset balanced": {"preset": "balanced", "epochs": 2},
    "two layers, attention": {
        "preset": "fast",
        "units": (32, 16),
        "pooling": "attention",
        "dense_units": 16,
        "embedding_weights": None,
        "ngrams": 0,
    },
    "padding read, no mask": {"preset": "fast", "pooling": "last", "mask_padding": False},
}


class Scores:
    """Loads a saved model in one of several ways and scores texts."""

    def joblib(self, folder: Path, texts: list[str]) -> np.ndarray:
        return joblib.load(folder / "model.joblib").predict_proba(texts)

    def skops(self, folder: Path, texts: list[str]) -> np.ndarray:
        from skops.io import get_untrusted_types, load

        path = folder / "model.skops"
        return load(path, trusted=get_untrusted_types(file=path)).predict_proba(texts)

    def keras(self, folder: Path, texts: list[str]) -> np.ndarray:
        sequencer, classifier = joblib.load(folder / "model.joblib")
        probabilities = classifier.to_keras().predict(sequencer.transform(texts), verbose=0)
        return np.hstack([1 - probabilities, probabilities])

    def onnx(self, folder: Path, texts: list[str]) -> np.ndarray:
        sys.path.insert(0, str(EXAMPLES))
        from onnx_loader import OnnxTextClassifier

        return OnnxTextClassifier(folder / "model.onnx").predict_proba(texts)


# Row of the table -> method of Scores, backend of Keras.
PLACES: dict[str, tuple[str, str]] = {
    "joblib, JAX": ("joblib", "jax"),
    "joblib, PyTorch": ("joblib", "torch"),
    "joblib, TensorFlow": ("joblib", "tensorflow"),
    "skops, JAX": ("skops", "jax"),
    "to_keras(), TensorFlow": ("keras", "tensorflow"),
    "ONNX, onnxruntime": ("onnx", "jax"),
}


class Training:
    """Trains a pipeline and saves it in all formats."""

    def save(self, parameters: dict[str, Any], X: list[str], y: list[int], folder: Path) -> None:
        from skops.io import dump

        from sklstm import to_onnx

        model = make_text_classifier(**parameters, random_state=0).fit(X, y)
        joblib.dump(model, folder / "model.joblib")
        dump(model, folder / "model.skops")
        to_onnx(model, folder / "model.onnx")


def largest_differences(
    places: list[str], folder: Path, texts: list[str], left_out: Callable[[str, Lost], None]
) -> dict[str, float]:
    """Return the largest difference from the JAX scores for each way of loading."""
    expected = None
    differences = {}
    for place in places:
        method, backend = PLACES[place]
        environment = {"KERAS_BACKEND": backend}
        try:
            _, scores = run_afresh(
                "same_scores:Scores", method, folder, texts, environment=environment, limit=LIMIT
            )
        except Lost as reason:
            left_out(place, reason)
            continue
        expected = scores if expected is None else expected
        differences[place] = float(np.abs(scores - expected).max())
    return differences


def main() -> None:
    options = options_parser(__doc__, documents=3_000, repeats=1).parse_args()
    report = Report(options)
    documents = sentences(options.documents)
    n_train = len(documents) * 2 // 3
    texts, labels = documents["text"].tolist(), documents["label"].tolist()
    rows: dict[str, dict[str, Any]] = {place: {"scored by": place} for place in PLACES}

    def left_out(place: str, reason: Lost | str) -> None:
        print(f"{place}: left out, {reason}", flush=True)

    lacking = {place: backend for place, (_, backend) in PLACES.items() if not find_spec(backend)}
    for place, backend in lacking.items():
        left_out(place, f"{backend} not installed")
    usable = [place for place in PLACES if place not in lacking]

    for name, parameters in PIPELINES.items():
        with TemporaryDirectory() as folder:
            run_afresh(
                "same_scores:Training",
                "save",
                parameters,
                texts[:n_train],
                labels[:n_train],
                Path(folder),
                environment={"KERAS_BACKEND": "jax"},
            )
            found = largest_differences(usable, Path(folder), texts[n_train:], left_out)
        for place, row in rows.items():
            row[name] = f"{found[place]:.1e}" if place in found else None
    report.table(
        f"Greatest difference of a probability from JAX, {len(texts) - n_train:,} sentences",
        list(rows.values()),
    )


if __name__ == "__main__":
    main()

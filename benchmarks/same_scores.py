"""Consistency of the scores of a model across formats and backends.

Trains pipelines on JAX on sentences of film reviews, and scores other sentences in one process per
row of the table: with the joblib file loaded under JAX, PyTorch or TensorFlow, the skops file, the
ONNX file in onnxruntime (with the ids of examples/onnx_loader.py), and the model of stock Keras
layers. Prints the largest absolute difference. Formats and backends that are not installed are
skipped.

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
    """Loads saved models in one of several ways and scores texts."""

    def all(self, method: str, folders: list[Path], texts: list[str]) -> list[np.ndarray]:
        return [getattr(self, method)(folder, texts) for folder in folders]

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
    """Trains the pipelines and saves each in all formats."""

    def save(self, X: list[str], y: list[int], folders: list[Path]) -> None:
        from skops.io import dump

        from sklstm import to_onnx

        for parameters, folder in zip(PIPELINES.values(), folders, strict=True):
            model = make_text_classifier(**parameters, random_state=0).fit(X, y)
            folder.mkdir()
            joblib.dump(model, folder / "model.joblib")
            dump(model, folder / "model.skops")
            to_onnx(model, folder / "model.onnx")


def largest_differences(
    places: list[str], folders: list[Path], texts: list[str], left_out: Callable[[str, Lost], None]
) -> dict[str, list[float]]:
    """Return the largest difference of each pipeline from JAX, for each way of loading."""
    expected = None
    differences = {}
    for place in places:
        method, backend = PLACES[place]
        try:
            _, scores = run_afresh(
                "same_scores:Scores",
                "all",
                method,
                folders,
                texts,
                environment={"KERAS_BACKEND": backend},
                limit=LIMIT,
            )
        except Lost as reason:
            left_out(place, reason)
            continue
        expected = scores if expected is None else expected
        pairs = zip(scores, expected, strict=True)
        differences[place] = [float(np.abs(found - jax).max()) for found, jax in pairs]
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

    with TemporaryDirectory() as temporary:
        folders = [Path(temporary, str(number)) for number in range(len(PIPELINES))]
        run_afresh(
            "same_scores:Training",
            "save",
            texts[:n_train],
            labels[:n_train],
            folders,
            environment={"KERAS_BACKEND": "jax"},
        )
        found = largest_differences(usable, folders, texts[n_train:], left_out)
    for place, row in rows.items():
        differences = found.get(place, [None] * len(PIPELINES))
        for name, value in zip(PIPELINES, differences, strict=True):
            row[name] = None if value is None else f"{value:.1e}"
    report.table(
        f"Greatest difference of a probability from JAX, {len(texts) - n_train:,} sentences",
        list(rows.values()),
    )


if __name__ == "__main__":
    main()

"""Prediction speed of an exported network compared with the original classifier.

Measures the documents per second of `LSTMTextClassifier.predict_proba` and of the exported file in
onnxruntime, on the same token ids of IMDB film reviews, with 1 to 1,000 documents per call. There
are two networks: that of common tutorials (an embedding of 32, an LSTM with 100 units), and the
preset "balanced" (an embedding of 64, a bidirectional LSTM with 64 units, bigrams). Each system has
its own process. They run in turns with their default number of cores. "Up to the first" includes
imports, loading, compilation and one document. The largest difference of the probabilities is
printed below each table.

    python benchmarks/onnx_speed.py                            # a few minutes on two cores
    python benchmarks/onnx_speed.py --documents 200 --sizes 1 64
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from _common import TUTORIAL, Report, options_parser, paired_ratio, reviews, spread
from _process import Turns, Worker

SKLSTM, ONNX = "sklstm (JAX)", "onnxruntime"
NETWORKS = ("tutorial", "balanced")
# The accuracy does not matter here.
TRAIN_DOCUMENTS = 256
# Maximum number of calls per round.
CALLS = 300


def main() -> None:
    parser = options_parser(__doc__, documents=5_000, repeats=3)
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=[1, 8, 64, 1_000],
        help="documents per call (1 8 64 1000)",
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument(
        "--limit", type=float, default=300, help="time limit of a step in seconds (300)"
    )
    options = parser.parse_args()
    report = Report(options)
    documents = reviews(TRAIN_DOCUMENTS + options.documents)
    for network in options.networks:
        with TemporaryDirectory() as folder:
            write_files(network, documents, Path(folder), options.limit)
            measure(network, Path(folder), options, report)


def write_files(network: str, documents: pd.DataFrame, folder: Path, limit: float) -> None:
    worker = Worker("onnx_speed:Exporter", {"KERAS_BACKEND": "jax"})
    try:
        worker.call("write", network, documents, folder, limit=limit)
    finally:
        worker.stop()


def measure(network: str, folder: Path, options: Any, report: Report) -> None:
    turns = Turns(
        {
            SKLSTM: Worker("onnx_speed:Classifier", {"KERAS_BACKEND": "jax"}, folder),
            ONNX: Worker("onnx_speed:Session", None, folder),
        }
    )
    try:
        started = turns.each("start", limit=options.limit)
        probabilities = turns.each("predict_all", limit=options.limit)
        rows = []
        for size in options.sizes:
            turns.each("answer", size, limit=options.limit)
            seconds = turns.rounds(options.repeats, "answer", size, limit=options.limit)
            n = min(options.documents, size * CALLS)
            speeds = {name: [n / taken for taken in values] for name, values in seconds.items()}
            rows += [
                {"system": f"{name}, calls of {size:,}"}
                | spread(values, "documents/s")
                | {
                    "ratio to sklstm": paired_ratio(values, speeds.get(SKLSTM)),
                    "up to the first, s": started[name][0],
                }
                for name, values in speeds.items()
            ]
        report.table(f"Probabilities of film reviews, {network} network", rows)
        if len(probabilities) == 2:
            differences = probabilities[SKLSTM][1] - probabilities[ONNX][1]
            print(f"largest difference of probabilities: {np.abs(differences).max():.1e}")
    finally:
        turns.stop()


class Exporter:
    """Trains a pipeline and saves it in both formats, with the ids of other documents."""

    def write(self, network: str, documents: pd.DataFrame, folder: Path) -> None:
        import joblib

        from sklstm.export import to_onnx

        training, others = documents[:TRAIN_DOCUMENTS], documents[TRAIN_DOCUMENTS:]
        model = build(network)
        model.fit(training["text"], training["label"])
        joblib.dump(model[1], folder / "model.joblib")
        to_onnx(model[1], folder / "model.onnx")
        np.save(folder / "ids.npy", model[0].transform(others["text"]))


def build(network: str) -> Any:
    from sklearn.pipeline import make_pipeline

    from sklstm import LSTMTextClassifier, TextSequencer, make_text_classifier

    if network == "balanced":
        return make_text_classifier("balanced", epochs=1, random_state=0)
    return make_pipeline(
        TextSequencer(max_tokens=5_000),
        LSTMTextClassifier(**TUTORIAL, units=100, embedding_dim=32, epochs=1, random_state=0),
    )


class Answerer:
    """Base class of both systems; `predict` maps ids to probabilities."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ids = np.load(folder / "ids.npy")

    def start(self) -> None:
        self.load()
        self.predict(self.ids[:1])

    def predict_all(self) -> np.ndarray:
        return self.predict(self.ids)

    def answer(self, size: int) -> None:
        n = min(len(self.ids), size * CALLS)
        for start in range(0, n, size):
            self.predict(self.ids[start : min(start + size, n)])


class Classifier(Answerer):
    def load(self) -> None:
        import joblib

        self.predict = joblib.load(self.folder / "model.joblib").predict_proba


class Session(Answerer):
    def load(self) -> None:
        import onnxruntime

        session = onnxruntime.InferenceSession(
            str(self.folder / "model.onnx"), providers=["CPUExecutionProvider"]
        )
        self.predict = lambda ids: session.run(["probabilities"], {"ids": ids})[0]


if __name__ == "__main__":
    main()

"""How quickly does an exported network answer, next to the classifier that it comes from?

Documents a second of `LSTMTextClassifier.predict_proba` and of the file of `to_onnx` in
onnxruntime, from the same token ids of film reviews of the IMDB, in calls of 1 to 1,000 documents.
Two networks: that of the well-known tutorials (an embedding of 32, an LSTM of 100 units), and the
preset "balanced" (embedding of 64, 64 units in both directions, pairs of words). Each of the two
systems has a process of its own; they take turns, and both use all cores as they do by themselves.
"Up to the first" is what starting takes: imports, loading, compiling, and one document. The largest
difference of their probabilities stands under each table.

    python benchmarks/onnx_speed.py                            # some minutes on two cores
    python benchmarks/onnx_speed.py --documents 200 --sizes 1 64
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from _common import Report, options_parser, paired_ratio, reviews, spread
from _process import Turns, Worker

SKLSTM, ONNX = "sklstm (JAX)", "onnxruntime"
NETWORKS = ("tutorial", "balanced")
# How well it is trained does not matter here.
TRAIN_DOCUMENTS = 256
# Calls a round at most.
CALLS = 300


def main() -> None:
    parser = options_parser(__doc__, documents=5_000, repeats=3)
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=[1, 8, 64, 1_000],
        help="documents of a call (1 8 64 1000)",
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--limit", type=float, default=300, help="most seconds of a step (300)")
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
        shares = turns.each("all_shares", limit=options.limit)
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
        if len(shares) == 2:
            differences = shares[SKLSTM][1] - shares[ONNX][1]
            print(f"largest difference of probabilities: {np.abs(differences).max():.1e}")
    finally:
        turns.stop()


class Exporter:
    """Trains a pipeline, and writes it in both forms, with the ids of other documents."""

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
        LSTMTextClassifier(units=100, embedding_dim=32, epochs=1, random_state=0),
    )


class Answerer:
    """What both have in common; `shares` gives probabilities of ids."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ids = np.load(folder / "ids.npy")

    def start(self) -> None:
        self.load()
        self.shares(self.ids[:1])

    def all_shares(self) -> np.ndarray:
        return self.shares(self.ids)

    def answer(self, size: int) -> None:
        n = min(len(self.ids), size * CALLS)
        for start in range(0, n, size):
            self.shares(self.ids[start : min(start + size, n)])


class Classifier(Answerer):
    def load(self) -> None:
        import joblib

        self.shares = joblib.load(self.folder / "model.joblib").predict_proba


class Session(Answerer):
    def load(self) -> None:
        import onnxruntime

        session = onnxruntime.InferenceSession(
            str(self.folder / "model.onnx"), providers=["CPUExecutionProvider"]
        )
        self.shares = lambda ids: session.run(["probabilities"], {"ids": ids})[0]


if __name__ == "__main__":
    main()

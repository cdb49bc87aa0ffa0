"""Prediction throughput and latency of trained networks.

Both tables use the network of common tutorials (5,000 words, at most 500 per text, an embedding of
32, an LSTM with 100 units) and IMDB film reviews. The first table shows the throughput in documents
per second for thousands of documents in one call, from token ids; the systems run in turns. The
second table shows the latency in milliseconds for several hundred single documents of different
lengths, as in a web service, from raw text and from token ids. All systems use the same
`TextSequencer`; stock Keras gets rows padded to 500. "Compiled" is the number of JAX compilations
during the warm-up (20 documents) and during the stream after it; each of them delays a prediction
by about a second.

    python benchmarks/predict_speed.py                         # about five minutes on two cores
    python benchmarks/predict_speed.py --systems sklstm-jax keras-jax --stream 100
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from _common import Report, options_parser, paired_ratio, reviews, spread
from _peers import SKLSTM, SYSTEMS, Network, add_systems_option, installed
from _process import Turns, Worker

PREDICTORS = (
    SKLSTM,
    "sklstm-torch",
    "sklstm-tensorflow",
    "keras-jax",
    "keras-tensorflow",
    "torch-sorted",
)
# Keras's default and its approximate optimum; sklstm chooses its own batch size.
BATCH_SIZES = {"sklstm": (None,), "keras": (32, 256), "torch": (64,)}
WARM_UP = 20
TRAIN_DOCUMENTS = 256
MAX_LEN = 500
# JAX records this event at every compilation.
COMPILED = "/jax/core/compile/backend_compile_duration"


def main() -> None:
    parser = options_parser(__doc__, documents=5_000, repeats=3)
    add_systems_option(parser, PREDICTORS)
    parser.add_argument("--stream", type=int, default=300, help="single documents (300)")
    parser.add_argument(
        "--limit", type=float, default=300, help="time limit of a step in seconds (300)"
    )
    options = parser.parse_args()
    report = Report(options)
    turns = Turns(
        {
            f"{name}{'' if size is None else f', batches of {size}'}": Worker(
                "predict_speed:Service", SYSTEMS[name].environment, name, size
            )
            for name in installed(options.systems)
            for size in BATCH_SIZES[name.partition("-")[0]]
        }
    )
    try:
        documents = reviews(TRAIN_DOCUMENTS + options.documents)
        turns.each("prepare", documents, limit=options.limit)
        batch_table(options, report, turns)
        stream_table(options, report, turns, documents["text"])
    finally:
        turns.stop()


def batch_table(options: argparse.Namespace, report: Report, turns: Turns) -> None:
    first = turns.each("score", limit=options.limit)
    seconds = turns.rounds(options.repeats, "score", limit=options.limit)
    per_second = {
        name: [options.documents / taken for taken in taken_by_round]
        for name, taken_by_round in seconds.items()
    }
    report.table(
        f"Scoring {options.documents:,} film reviews at once",
        [
            {"system": labelled(name)}
            | spread(values, "documents/s")
            | {
                "ratio to sklstm (JAX)": paired_ratio(values, per_second.get(SKLSTM)),
                "first time, s": first[name][0],
            }
            for name, values in per_second.items()
        ],
    )


def stream_table(
    options: argparse.Namespace, report: Report, turns: Turns, texts: pd.Series
) -> None:
    # The batch size does not matter for a single document.
    for name in [name for name in turns.workers if name.endswith(f" {BATCH_SIZES['keras'][1]}")]:
        turns.workers.pop(name).stop()
    stream = list(texts[-options.stream :])
    warm_up = turns.each("answer", stream[:WARM_UP], limit=options.limit)
    answers: dict[str, list[Answers]] = {name: [] for name in turns.workers}
    for part in np.array_split(np.array(stream, dtype=object), options.repeats):
        for name, (_, answered) in turns.each("answer", list(part), limit=options.limit).items():
            answers[name].append(answered)
    rows = []
    for name in turns.workers:
        from_text = np.concatenate([part.from_text for part in answers[name]])
        from_ids = np.concatenate([part.from_ids for part in answers[name]])
        rows.append(
            {
                "system": SYSTEMS[name.partition(",")[0]].label,
                "from text: median ms": 1e3 * float(np.median(from_text)),
                "p95 ms": 1e3 * float(np.percentile(from_text, 95)),
                "from ids: median ms": 1e3 * float(np.median(from_ids)),
                "their p95 ms": 1e3 * float(np.percentile(from_ids, 95)),
                "compiled in warm-up": warm_up[name][1].n_compiled,
                "compiled in stream": sum(part.n_compiled for part in answers[name]),
            }
        )
    report.table(f"Labelling {len(stream):,} film reviews one by one", rows)


def labelled(name: str) -> str:
    system, _, size = name.partition(",")
    return SYSTEMS[system].label + (f",{size}" if size else "")


@dataclass
class Answers:
    """Seconds per document of a part of the stream, and the number of JAX compilations."""

    from_text: list[float]
    from_ids: list[float]
    n_compiled: int


class Service:
    """A trained network and its sequencer, in a separate process."""

    def __init__(self, name: str, batch_size: int | None) -> None:
        module, _, kind = SYSTEMS[name].kind.partition(":")
        self.peer = getattr(import_module(module), kind)()
        self.name, self.batch_size = name, batch_size
        self.n_compiled = 0

    def prepare(self, documents: pd.DataFrame) -> None:
        from sklearn.pipeline import make_pipeline

        from sklstm import TextSequencer

        network = Network()
        self.sequencer = TextSequencer(max_tokens=network.vocab_size, max_len=MAX_LEN)
        ids = self.sequencer.fit_transform(documents["text"])
        # The accuracy does not matter here.
        y = documents["label"].to_numpy()
        self.peer.prepare(network, ids[:TRAIN_DOCUMENTS], y[:TRAIN_DOCUMENTS])
        self.peer.train()
        self.ids = ids[TRAIN_DOCUMENTS:]
        is_sklstm = SYSTEMS[self.name].kind == SYSTEMS[SKLSTM].kind
        self.pipeline = make_pipeline(self.sequencer, self.peer.classifier) if is_sklstm else None
        if "jax" in sys.modules:
            sys.modules["jax"].monitoring.register_event_duration_secs_listener(self._count)

    def score(self) -> None:
        self.peer.predict(self.ids, self.batch_size)

    def answer(self, texts: list[str]) -> Answers:
        n_before = self.n_compiled
        from_text = [timed(self._label_of_text, text) for text in texts]
        from_ids = [timed(self._label_of_ids, ids) for ids in self.sequencer.transform(texts)]
        return Answers(from_text, from_ids, self.n_compiled - n_before)

    def _label_of_text(self, text: str) -> Any:
        if self.pipeline is not None:
            return self.pipeline.predict([text])
        return self._label_of_ids(self.sequencer.transform([text])[0])

    def _label_of_ids(self, ids: np.ndarray) -> Any:
        return self.peer.predict(ids[np.newaxis], self.batch_size)[0] > 0.5

    def _count(self, event: str, *_: Any, **__: Any) -> None:
        self.n_compiled += event == COMPILED


def timed(function: Callable[[Any], Any], argument: Any) -> float:
    start = perf_counter()
    function(argument)
    return perf_counter() - start


if __name__ == "__main__":
    main()

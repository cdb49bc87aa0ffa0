"""Tokenization speed in documents per second.

Compares `TextSequencer` with scikit-learn's `CountVectorizer` (default parameters), which tokenizes
in a similar way but counts words, and with Keras's `TextVectorization`, which returns ids and needs
TensorFlow. Measures `fit_transform`, `transform`, and `transform` of single documents on IMDB film
reviews. Each system has its own process; they run in turns.

    python benchmarks/sequencer_speed.py                       # about two minutes
    python benchmarks/sequencer_speed.py --documents 1000
"""

from __future__ import annotations

from importlib.util import find_spec
from statistics import median
from time import perf_counter
from typing import Any

from _common import Report, options_parser, paired_ratio, reviews, spread
from _process import Turns, Worker

MAX_TOKENS, MAX_LEN = 20_000, 500
SINGLE_DOCUMENTS = 200
# Name in the table: class and required package.
TOKENIZERS = {
    "TextSequencer": ("Sequencer", "sklearn"),
    "CountVectorizer": ("Counter", "sklearn"),
    "TextVectorization (Keras)": ("KerasVectorization", "tensorflow"),
}
REFERENCE = "TextSequencer"


def main() -> None:
    parser = options_parser(__doc__, documents=10_000, repeats=3)
    parser.add_argument(
        "--limit", type=float, default=300, help="time limit of a step in seconds (300)"
    )
    options = parser.parse_args()
    report = Report(options)
    workers = {}
    for name, (kind, needed) in TOKENIZERS.items():
        if find_spec(needed) is None:
            print(f"{name}: skipped, {needed} not installed")
        else:
            workers[name] = Worker(f"sequencer_speed:{kind}", {"KERAS_BACKEND": "tensorflow"})
    turns = Turns(workers)
    try:
        texts = list(reviews(options.documents)["text"])
        turns.each("prepare", texts, limit=options.limit)
        for method in ("fit_transform", "transform"):
            turns.each(method, limit=options.limit)
            seconds = turns.rounds(options.repeats, method, limit=options.limit)
            report.table(f"{method} of {len(texts):,} film reviews", speeds(seconds, len(texts)))
        turns.each("one_by_one", limit=options.limit)
        single: dict[str, list[float]] = {name: [] for name in turns.workers}
        for _ in range(options.repeats):
            for name, (_, taken) in turns.each("one_by_one", limit=options.limit).items():
                single[name].append(1e3 * taken)
        report.table(
            f"transform of one film review (median of {min(SINGLE_DOCUMENTS, len(texts))})",
            [
                {"system": name}
                | spread(single[name], "ms")
                | {f"ratio to {REFERENCE}": paired_ratio(single[name], single.get(REFERENCE))}
                for name in turns.workers
            ],
        )
    finally:
        turns.stop()


def speeds(seconds: dict[str, list[float]], n: int) -> list[dict[str, Any]]:
    per_second = {name: [n / s for s in taken] for name, taken in seconds.items()}
    return [
        {"system": name}
        | spread(values, "documents/s")
        | {f"ratio to {REFERENCE}": paired_ratio(values, per_second.get(REFERENCE))}
        for name, values in per_second.items()
    ]


class Tokenizer:
    """Base class of the systems; `tokenizer` has scikit-learn's methods."""

    tokenizer: Any

    def prepare(self, texts: list[str]) -> None:
        self.texts = texts

    def fit_transform(self) -> None:
        self._onnx.fit_transform(self.texts)

    def transform(self) -> None:
        self._onnx.transform(self.texts)

    def one_by_one(self) -> float:
        """Return the median time of one document in seconds."""
        seconds = []
        for text in self.texts[:SINGLE_DOCUMENTS]:
            start = perf_counter()
            self._onnx.transform([text])
            seconds.append(perf_counter() - start)
        return median(seconds)


class Sequencer(Tokenizer):
    def __init__(self) -> None:
        from sklstm import TextSequencer

        self.tokenizer = TextSequencer(max_tokens=MAX_TOKENS, max_len=MAX_LEN)


class Counter(Tokenizer):
    def __init__(self) -> None:
        from sklearn.feature_extraction.text import CountVectorizer

        self.tokenizer = CountVectorizer()


class KerasVectorization(Tokenizer):
    def __init__(self) -> None:
        self.tokenizer = ScikitForm()


class ScikitForm:
    """Keras's layer with scikit-learn's methods; called on all texts at once, which is fastest."""

    def fit_transform(self, texts: list[str]) -> Any:
        import keras
        import tensorflow as tf

        self.layer = keras.layers.TextVectorization(
            max_tokens=MAX_TOKENS, output_sequence_length=MAX_LEN
        )
        self.layer.adapt(tf.constant(texts), batch_size=1024)
        return self.transform(texts)

    def transform(self, texts: list[str]) -> Any:
        import tensorflow as tf

        return self.layer(tf.constant(texts)).numpy()


if __name__ == "__main__":
    main()

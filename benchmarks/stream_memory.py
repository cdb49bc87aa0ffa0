"""Peak memory of training on a stream of documents and on a stream ten times as long.

The documents are generated on demand. They have 10 to 20 words drawn from a Zipf distribution, and
three opinion words, most of which match the label. One label in ten is wrong. Each stream trains
the same small network with `fit_stream` in its own process. The accuracy is measured on new
documents without wrong labels. "Before" is the memory use of the process after all imports.

    python benchmarks/stream_memory.py                                    # a few minutes
    python benchmarks/stream_memory.py --documents 50000 --shorter 5000
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from _common import TUTORIAL, Report, options_parser
from _process import run_afresh
from memory import MB, forget_peak, memory_held, most_memory_held

CHUNK = 5_000
WORDS = 200_000
OPINIONS = 200
N_TEST = 5_000


def main() -> None:
    parser = options_parser(__doc__, documents=1_000_000, repeats=1)
    parser.add_argument(
        "--shorter", type=int, default=100_000, help="documents of the shorter stream (100,000)"
    )
    parser.add_argument("--buffer", type=int, default=10_000, help="buffer_size (10,000)")
    parser.add_argument(
        "--limit", type=float, default=3_600, help="time limit of a stream in seconds (3,600)"
    )
    options = parser.parse_args()
    report = Report(options)
    rows: list[dict[str, float]] = []
    for _ in range(options.repeats):
        for n_documents in (options.shorter, options.documents):
            _, row = run_afresh(
                "stream_memory:Training", "run", n_documents, options.buffer, limit=options.limit
            )
            shorter = rows[-1] if n_documents == options.documents else row
            rows.append(row | {"peak to the shorter": row["peak, MB"] / shorter["peak, MB"]})
    report.table("Training on streams of documents", rows)


class Training:
    """One stream and the network that it trains."""

    def run(self, n_documents: int, buffer_size: int) -> dict[str, float]:
        """Return a row of the table."""
        from time import perf_counter

        from sklearn.pipeline import make_pipeline

        from sklstm import LSTMTextClassifier, TextSequencer
        from sklstm._runtime import keras  # noqa: F401  (part of the memory before)
        from sklstm.streaming import fit_stream

        model = make_pipeline(
            TextSequencer(indexing="hash", max_tokens=20_000, max_len=20),
            LSTMTextClassifier(
                **TUTORIAL | {"pooling": "max"}, units=16, embedding_dim=16, random_state=0
            ),
        )
        before = memory_held()
        forget_peak()
        start = perf_counter()
        fit_stream(
            model,
            documents(n_documents, seed=0),
            classes=[0, 1],
            buffer_size=buffer_size,
            random_state=0,
        )
        seconds = perf_counter() - start
        peak = most_memory_held()
        ((texts, labels),) = documents(N_TEST, seed=1, wrong_fraction=0.0)
        return {
            "documents": n_documents,
            "before, MB": before / MB,
            "peak, MB": peak / MB,
            "documents/s": n_documents / seconds,
            "accuracy": model.score(texts, labels),
        }


def documents(
    n_documents: int, *, seed: int, wrong_fraction: float = 0.1
) -> Iterator[tuple[list[str], np.ndarray]]:
    """Yield texts and labels (0, 1), `CHUNK` documents at a time."""
    rng = np.random.default_rng(seed)
    chances = np.cumsum(1.0 / np.arange(1, WORDS + 1))
    for start in range(0, n_documents, CHUNK):
        n = min(CHUNK, n_documents - start)
        y = rng.integers(0, 2, n)
        lengths = rng.integers(10, 21, n)
        words = np.searchsorted(chances, rng.uniform(0, chances[-1], (n, 20)))
        # Three positions per document; at least two have opinion words of its own class.
        places = rng.permuted(np.tile(np.arange(10), (n, 1)), axis=1)[:, :3]
        kinds = np.column_stack([y, y, rng.integers(0, 2, n)])
        opinions = WORDS + kinds * OPINIONS + rng.integers(0, OPINIONS, (n, 3))
        np.put_along_axis(words, places, opinions, axis=1)
        texts = [
            " ".join(f"w{word}" for word in row[:length])
            for row, length in zip(words.tolist(), lengths.tolist(), strict=True)
        ]
        yield texts, np.where(rng.uniform(size=n) < wrong_fraction, 1 - y, y)


if __name__ == "__main__":
    main()

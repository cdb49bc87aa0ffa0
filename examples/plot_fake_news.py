"""
Fake news: several columns, missing values and leakage
======================================================

This example classifies articles with a title, an author and a text, where the author is often
missing. The texts are stemmed and stop words are removed. An LSTM predicts the probability that an
article is fake, and a tuned threshold turns it into a label. The example also shows how a random
split overestimates the accuracy: the classifier learns to recognize the publishers.

All articles are synthetic. Pass a CSV file with the columns "title", "author", "text" and "label"
(1 = fake), and optionally "publisher", to use your own data:

.. code-block:: console

    python examples/plot_fake_news.py                    # 1,200 synthetic articles, half a minute
    python examples/plot_fake_news.py --data train.csv   # your own data
"""

import argparse
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import ConfusionMatrixDisplay, classification_report, fbeta_score, make_scorer
from sklearn.model_selection import (
    FixedThresholdClassifier,
    StratifiedGroupKFold,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline

from sklstm import LSTMTextClassifier, TextSequencer

parser = argparse.ArgumentParser()
parser.add_argument("--data", type=Path, help="CSV file: title, author, text, label, publisher")
path = parser.parse_args().data

# %%
# The articles
# ------------
# Each of 18 publishers has its own authors, typical words and footer. Half of the publishers print
# mostly genuine articles, and half mostly fake ones. In addition, genuine articles tend to name
# sources, and fake ones use sensational words. A classifier should learn this difference in style.

WORDS = {
    "neutral": "the a of in on and to with city council school river weather health doctors "
    "parents money food water road train people family week year plan work study house price",
    "sober": "reported confirmed according sources stated figures measured documents reviewed",
    "shouting": "shocking secretly exposed truth miracle banned hidden unbelievable cure lies",
    "syllables": "bel cor dan fer gal hun lor mar nes pol ras tor ven wil",
}
NEUTRAL, SOBER, SHOUTING, SYLLABLES = map(str.split, WORDS.values())


def make_articles(n, rng, n_publishers=18):
    """Return synthetic articles; a third have no author and a tenth have no title."""

    def name(n_syllables):
        return "".join(rng.choice(SYLLABLES, n_syllables))

    typical_words = [[name(3) for _ in range(4)] for _ in range(n_publishers)]
    footers = [names[0] for names in typical_words]
    authors = [[f"{name(2)} {name(3)}".title() for _ in range(3)] for _ in range(n_publishers)]
    fake_rate = rng.permutation(np.repeat([0.15, 0.85], n_publishers // 2))
    rows = []
    for _ in range(n):
        publisher = rng.integers(n_publishers)
        is_fake = rng.uniform() < fake_rate[publisher]
        style, other = (SHOUTING, SOBER) if is_fake else (SOBER, SHOUTING)
        words = [
            *rng.choice(NEUTRAL, rng.integers(25, 50)),
            *rng.choice(style, rng.integers(1, 4)),
            *rng.choice(other, rng.integers(0, 3)),
            *rng.choice(typical_words[publisher], 3),
        ]
        rng.shuffle(words)
        title = [*rng.choice(NEUTRAL, 4), rng.choice(style if rng.uniform() < 0.4 else NEUTRAL)]
        rows.append(
            {
                "title": " ".join(title).capitalize() if rng.uniform() < 0.9 else None,
                "author": rng.choice(authors[publisher]) if rng.uniform() < 2 / 3 else None,
                "text": f"{' '.join(words).capitalize()}. Read more at {footers[publisher]}.",
                "label": int(is_fake),
                "publisher": publisher,
            }
        )
    return pd.DataFrame(rows)


if path is None:
    articles = make_articles(1_200, np.random.default_rng(0))
else:
    articles = pd.read_csv(path).dropna(subset="label").drop_duplicates(["title", "text"])
    if "publisher" not in articles:
        # Group by author; an article without an author forms a separate group.
        singletons = pd.Series(articles.index.astype(str), articles.index)
        articles["publisher"] = articles["author"].fillna(singletons)
texts = articles[["title", "author", "text"]]
labels, names = articles["label"].astype(int), ["genuine", "fake"]
print(texts.head(5).to_string(max_colwidth=34))
print("\nMissing:", texts.isna().sum().to_dict())

# %%
# Joining the columns
# -------------------
# `TextSequencer` joins the columns of a DataFrame; missing values are treated as empty. Here it
# also removes scikit-learn's English stop words and applies the Porter stemmer.

sequencer = TextSequencer(
    stop_words="english", stemmer="porter", separator=" . ", max_tokens=10_000, max_len=300
)
model = make_pipeline(
    sequencer,
    LSTMTextClassifier(
        units=16,
        bidirectional=False,
        embedding_dim=16,
        embedding_weights=None,
        ngrams=0,
        embedding_dropout=0.2,
        learning_rate=0.01,
        learning_rate_schedule="constant",
        epochs=5,
        random_state=0,
    ),
)
tokens = sequencer.inverse_transform(sequencer.fit_transform(texts.head(1)))[0]
print(*textwrap.wrap(" ".join(tokens), 80), sep="\n")

# %%
# Leakage
# -------
# If articles of the same publisher are in both the training and the test set, their footer and
# authors reveal the label. For articles of new publishers, footers and authors are not informative.
# To estimate the accuracy on new publishers, pass the publishers as groups:

shuffled = StratifiedKFold(3, shuffle=True, random_state=0)
by_publisher = StratifiedGroupKFold(3, shuffle=True, random_state=0)
scores = {
    "shuffled": cross_val_score(model, texts, labels, cv=shuffled),
    "split by publisher": cross_val_score(
        model, texts, labels, groups=articles["publisher"], cv=by_publisher
    ),
}
print(pd.DataFrame(scores).agg(["mean", "std"]).T.round(3).add_prefix("accuracy, "))

# %%
# Threshold tuning
# ----------------
# The test set now contains a third of the publishers. By default, an article is classified as fake
# if its probability is at least 0.5. `FixedThresholdClassifier` sets any other threshold. If a
# false alarm is worse than a missed fake, use a metric that weights precision more than recall,
# such as F0.5. `TunedThresholdClassifierCV` selects the threshold that maximizes this metric in a
# cross-validation, which is also grouped by publisher here.

train, test = next(by_publisher.split(texts, labels, articles["publisher"]))
groups = articles["publisher"].iloc[train]
inner = list(StratifiedGroupKFold(3).split(texts.iloc[train], labels.iloc[train], groups))

fixed = FixedThresholdClassifier(model, threshold=0.5)
tuned = TunedThresholdClassifierCV(model, scoring=make_scorer(fbeta_score, beta=0.5), cv=inner)
for classifier in (fixed, tuned):
    classifier.fit(texts.iloc[train], labels.iloc[train])

truth, thresholds = labels.iloc[test], {0.5: fixed, tuned.best_threshold_: tuned}
for threshold, classifier in thresholds.items():
    print(f"Threshold {threshold:.2f}")
    predicted = classifier.predict(texts.iloc[test])
    print(classification_report(truth, predicted, target_names=names, digits=3))
    print(f"F0.5 of the class 'fake': {fbeta_score(truth, predicted, beta=0.5):.3f}\n")

# %%
# Confusion matrices
# ------------------

_, axes = plt.subplots(1, 2, figsize=(7.6, 3.4), layout="constrained")
for ax, (threshold, classifier) in zip(axes, thresholds.items(), strict=True):
    ConfusionMatrixDisplay.from_estimator(
        classifier,
        texts.iloc[test],
        truth,
        display_labels=names,
        ax=ax,
        cmap="Blues",
        colorbar=False,
    )
    ax.set_title(f"threshold {threshold:.2f}", fontsize="medium")
plt.show()

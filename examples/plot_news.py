"""
News of four kinds, by hashing and stacked LSTMs
================================================

Which section of a newspaper does a story belong to? Ids come from hashing, so no vocabulary is
learned or stored; two LSTM layers stand on top of each other, and every story gets a probability
for each section.

The stories are made up. A CSV file with the columns "text" and "label", such as one of AG News,
takes their place:

.. code-block:: console

    python examples/plot_news.py                    # 3,000 made-up stories, some ten seconds
    python examples/plot_news.py --data train.csv   # your own
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import classification_report, log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklstm import LSTMTextClassifier, NetworkDisplay, TextSequencer

parser = argparse.ArgumentParser()
parser.add_argument("--data", type=Path, help='CSV file with the columns "text" and "label"')
path = parser.parse_args().data

# sphinx_gallery_thumbnail_number = 2

# %%
# The stories
# -----------
# Each has some words of its section among many that could stand anywhere, and now and then a word
# of another section: a club is sold, a minister watches a match.

TOPICS = {
    "business": "shares profit merger bank oil prices dollar investors sales rates quarter market",
    "sci/tech": "software satellite virus chip internet researchers planet robot gene phone orbit",
    "sports": "match coach season goal champion stadium medal injury final league striker race",
    "world": "minister troops election border talks rebels president treaty refugees vote embassy",
}
FILLERS = (
    "the a of in on after before new old first last says said report week monday friday group "
    "leader plan deal near big small over with against more fewer expected surprise again home "
    "team country company top late early year day city people may will could has had from to"
)


def make_story(section, rng):
    """Return ten to 30 words, of which two to four tell the section."""
    words = list(rng.choice(FILLERS.split(), rng.integers(8, 25)))
    other = rng.choice([name for name in TOPICS if name != section])
    telling = [
        *rng.choice(TOPICS[section].split(), rng.integers(2, 5)),
        *rng.choice(TOPICS[other].split(), rng.integers(0, 3)),
    ]
    for word in telling:
        words.insert(rng.integers(0, len(words) + 1), word)
    return " ".join(words)


if path is None:
    rng = np.random.default_rng(0)
    sections = rng.choice(list(TOPICS), 3_000)
    news = pd.DataFrame({"text": [make_story(name, rng) for name in sections], "label": sections})
else:
    news = pd.read_csv(path)[["text", "label"]].drop_duplicates("text")
print(news.head(4).to_string(index=False, max_colwidth=80))

# %%
# Nine tenths to learn from
# -------------------------
# `stratify` keeps the shares of the sections the same on both sides.

train, test = train_test_split(news, test_size=0.1, stratify=news["label"], random_state=0)
counts = {"train": train["label"].value_counts(), "test": test["label"].value_counts()}
print(pd.DataFrame(counts).sort_index())

# %%
# Hashed ids
# ----------
# The id of a word is computed from its letters. It is the same in every process and for every
# corpus, and a word that training never met has one too. The price: two words may get the same id.
# With many more ids than words that is rare.

sequencer = TextSequencer(indexing="hash", max_tokens=2**14, max_len=100)
ids = sequencer.fit_transform(train["text"])
words = sorted({word for text in train["text"] for word in text.lower().split()})
own = pd.Series([sequencer.transform([word])[0, -1] for word in words[:400]], index=words[:400])
print(own.sample(4, random_state=0))
print(f"Of {len(own)} words, {own.duplicated(keep=False).sum()} share their id with another.")

# %%
# Two layers
# ----------
# A sequence of `units` stacks layers: the first hands the second its state after every word, and
# the second hands on what it makes of them. Four classes need four output units with a softmax,
# which follows from the labels.

model = make_pipeline(
    sequencer,
    LSTMTextClassifier(
        units=(32, 16),
        embedding_dim=32,
        dropout=0.2,
        learning_rate=0.005,
        epochs=6,
        random_state=0,
    ),
)
model.fit(train["text"], train["label"])
NetworkDisplay.from_estimator(model)

# %%
# The held-out tenth
# ------------------

predicted = model.predict(test["text"])
shares = pd.DataFrame(model.predict_proba(test["text"]), test.index, columns=model.classes_)
print(classification_report(test["label"], predicted, digits=3))
print(f"log loss {log_loss(test['label'], shares):.3f}; of a guess at random {np.log(4):.3f}")

# %%
# How sure is it?
# ---------------
# A row of `predict_proba` sums to one. Here are the three stories that the network is surest of,
# and the three that it is least sure of.

order = shares.max(axis="columns").sort_values(ascending=False).index
chosen = [*order[:3], *order[-3:]]
table = shares.loc[chosen].round(2).assign(label=test["label"], text=test["text"])
print(table.to_string(index=False, max_colwidth=60))

# %%

_, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
left = np.zeros(len(chosen))
stories = [f"{test['label'][i]}: {' '.join(test['text'][i].split()[:4])} ..." for i in chosen]
for section, color in zip(shares, ("#0072B2", "#E69F00", "#009E73", "#CC79A7"), strict=False):
    width = shares.loc[chosen, section].to_numpy()
    ax.barh(stories, width, left=left, color=color, edgecolor="white", label=section)
    left += width
ax.invert_yaxis()
ax.set(xlabel="probability", xlim=(0, 1))
ax.spines[["top", "right", "left"]].set_visible(False)
ax.tick_params(axis="y", length=0)
ax.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.35, 1.0), frameon=False)
plt.show()

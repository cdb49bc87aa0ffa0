"""
Multiclass news classification with hashing and stacked LSTM layers
===================================================================

This example predicts the section of a news story. Token ids are computed by hashing, so no
vocabulary is learned or stored. The network has two LSTM layers and predicts a probability for each
of four sections.

The stories are synthetic. Pass a CSV file with the columns "text" and "label", such as AG News, to
use your own data:

.. code-block:: console

    python examples/plot_news.py                    # 3,000 synthetic stories, about ten seconds
    python examples/plot_news.py --data train.csv   # your own data
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
# Each story contains a few words of its section, many neutral words, and sometimes words of another
# section.

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
    """Return 10 to 30 words; two to four of them are specific to the section."""
    words = list(rng.choice(FILLERS.split(), rng.integers(8, 25)))
    other = rng.choice([name for name in TOPICS if name != section])
    specific = [
        *rng.choice(TOPICS[section].split(), rng.integers(2, 5)),
        *rng.choice(TOPICS[other].split(), rng.integers(0, 3)),
    ]
    for word in specific:
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
# Train/test split
# ----------------
# `stratify` keeps the proportions of the sections the same in both sets.

train, test = train_test_split(news, test_size=0.1, stratify=news["label"], random_state=0)
counts = {"train": train["label"].value_counts(), "test": test["label"].value_counts()}
print(pd.DataFrame(counts).sort_index())

# %%
# Hashed ids
# ----------
# The id of a word is a hash of its characters. It is the same in every process and for every
# corpus, and words that are not in the training texts have ids as well. Two words can have the same
# id; this is rare if there are many more ids than words.

sequencer = TextSequencer(indexing="hash", max_tokens=2**14, max_len=100)
ids = sequencer.fit_transform(train["text"])
words = sorted({word for text in train["text"] for word in text.lower().split()})
hashed = pd.Series([sequencer.transform([word])[0, -1] for word in words[:400]], index=words[:400])
print(hashed.sample(4, random_state=0))
print(f"{hashed.duplicated(keep=False).sum()} of {len(hashed)} words have a hash collision.")

# %%
# Stacked layers
# --------------
# A tuple of `units` stacks LSTM layers: the hidden states of the first layer are the input of the
# second. The output layer, four softmax units for four classes, is inferred from the labels.

model = make_pipeline(
    sequencer,
    LSTMTextClassifier(
        units=(32, 16),
        bidirectional=False,
        pooling="last",
        embedding_dim=32,
        embedding_weights=None,
        ngrams=0,
        embedding_dropout=0.0,
        dropout=0.2,
        label_smoothing=0.0,
        learning_rate=0.005,
        learning_rate_schedule="constant",
        epochs=6,
        random_state=0,
    ),
)
model.fit(train["text"], train["label"])
NetworkDisplay.from_estimator(model)

# %%
# Test set
# --------

predicted = model.predict(test["text"])
probabilities = pd.DataFrame(model.predict_proba(test["text"]), test.index, columns=model.classes_)
print(classification_report(test["label"], predicted, digits=3))
print(f"log loss {log_loss(test['label'], probabilities):.3f} (uniform: {np.log(4):.3f})")

# %%
# Prediction confidence
# ---------------------
# Each row of `predict_proba` sums to one. These are the three stories with the highest confidence
# and the three with the lowest.

order = probabilities.max(axis="columns").sort_values(ascending=False).index
chosen = [*order[:3], *order[-3:]]
table = probabilities.loc[chosen].round(2).assign(label=test["label"], text=test["text"])
print(table.to_string(index=False, max_colwidth=60))

# %%

_, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
left = np.zeros(len(chosen))
stories = [f"{test['label'][i]}: {' '.join(test['text'][i].split()[:4])} ..." for i in chosen]
colors = ["#0072B2", "#E69F00", "#009E73", "#CC79A7"]
for section, color in zip(probabilities, colors, strict=False):
    width = probabilities.loc[chosen, section].to_numpy()
    ax.barh(stories, width, left=left, color=color, edgecolor="white", label=section)
    left += width
ax.invert_yaxis()
ax.set(xlabel="probability", xlim=(0, 1))
ax.spines[["top", "right", "left"]].set_visible(False)
ax.tick_params(axis="y", length=0)
ax.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.35, 1.0), frameon=False)
plt.show()

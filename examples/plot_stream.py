"""
Out-of-core training
====================

This example trains on a CSV file that may not fit in memory. :func:`~sklstm.fit_stream` reads the
file in chunks, shuffles the documents in a buffer and trains a pipeline on them. The model is
evaluated after each portion of the stream.

The texts are synthetic: meaningless words, one opinion word, and one "not". If the "not" stands
directly before the opinion word, it inverts the label. Only the word order shows this.

.. code-block:: console

    python examples/plot_stream.py             # 40,000 documents, less than a minute
    python examples/plot_stream.py 10000000    # any number of documents
"""

import sys
import tempfile
from itertools import islice
from math import ceil
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline

from sklstm import LSTMTextClassifier, TextSequencer
from sklstm.streaming import fit_stream

N_DOCUMENTS = int(sys.argv[1]) if len(sys.argv) > 1 else 40_000
CHUNK, PORTIONS = 1_000, 8

# %%
# Data
# ----
# The file is also written in chunks, so the script never holds all documents in memory.


def make_documents(n, rng):
    """Return a DataFrame of texts with 8 to 15 words and their labels."""
    words = np.char.add("w", rng.zipf(1.3, (n, 15)).clip(max=50_000).astype(str)).astype(object)
    opinions = np.array([["awful", "dull", "weak"], ["fine", "warm", "great"]])
    label, is_negated = rng.integers(0, 2, n), rng.uniform(size=n) < 0.25
    rows, place, other = np.arange(n), rng.integers(1, 4, n), rng.integers(5, 8, n)
    stated = np.where(is_negated, 1 - label, label)
    words[rows, place] = opinions[stated, rng.integers(0, 3, n)]
    words[rows, np.where(is_negated, place - 1, other)] = "not"
    lengths = rng.integers(8, 16, n)
    texts = [" ".join(row[:length]) for row, length in zip(words, lengths, strict=True)]
    return pd.DataFrame({"text": texts, "label": np.array(["blame", "praise"])[label]})


rng = np.random.default_rng(0)
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "documents.csv"
for start in range(0, N_DOCUMENTS, CHUNK):
    chunk = make_documents(min(CHUNK, N_DOCUMENTS - start), rng)
    chunk.to_csv(path, mode="a", header=start == 0, index=False)
test = make_documents(2_000, rng)
print(f"{path.name}: {path.stat().st_size / 2**20:,.1f} MB")
print(test.head(3).to_string(index=False))

# %%
# Models
# ------
# Both models use hashing and need no vocabulary.

models = {
    "LSTM": make_pipeline(
        TextSequencer(indexing="hash", max_tokens=20_000, max_len=20),
        LSTMTextClassifier(
            units=16, embedding_dim=16, pooling="max", learning_rate=0.005, random_state=0
        ),
    ),
    "linear model of words": make_pipeline(HashingVectorizer(), SGDClassifier(random_state=0)),
}

# %%
# Training in portions
# --------------------
# `fit_stream` continues to train a fitted model. A portion is a slice of the pandas iterator over
# the chunks of the file.

n_chunks = ceil(N_DOCUMENTS / CHUNK)
chunks_per_portion = ceil(n_chunks / PORTIONS)
curves = {}
for name, model in models.items():
    n_read, scores = [], []
    with pd.read_csv(path, chunksize=CHUNK) as reader:
        for first in range(0, n_chunks, chunks_per_portion):
            fit_stream(
                model,
                islice(reader, chunks_per_portion),
                text="text",
                label="label",
                classes=["blame", "praise"],
                buffer_size=4_000,
                random_state=first,
            )
            n_read.append(min(N_DOCUMENTS, (first + chunks_per_portion) * CHUNK))
            scores.append(model.score(test["text"], test["label"]))
    curves[name] = n_read, scores
    print(f"{name}: test accuracy {scores[-1]:.3f}")

# %%
# Results
# -------
# The linear model uses only word counts. It misclassifies the quarter of the documents in which
# "not" inverts the opinion.

_, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
styles = [("o-", "#0072B2"), ("s--", "#D55E00")]
for (name, curve), (style, color) in zip(curves.items(), styles, strict=True):
    ax.plot(*curve, style, color=color, label=name)
ax.set(xlabel="documents read", ylabel="test accuracy", ylim=(0.45, 1.02))
ax.xaxis.set_major_formatter("{x:,.0f}")
ax.legend(loc="lower right")
plt.show()

folder.cleanup()

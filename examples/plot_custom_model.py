"""
Custom Keras model: a CNN compared with the LSTM
================================================

This example wraps a custom Keras model as a scikit-learn classifier with
:class:`~sklstm.KerasTextClassifier`. The model is a convolutional network as in Kim (2014).
:func:`~sklstm.compare` evaluates it, an LSTM and a linear SVM on the same folds.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from sklstm import (
    KerasTextClassifier,
    LSTMTextClassifier,
    TextSequencer,
    classic_baselines,
    compare,
)

# %%
# Texts with meaningful word order
# --------------------------------
# Each synthetic document has about forty filler words and one opinion word. In half of the
# documents, "not" stands before the opinion word and inverts it. In the others, "not" stands before
# a filler word.

FILLERS = np.array([f"w{number}" for number in range(400)])
OPINIONS = {"blame": ["awful", "dull", "weak"], "praise": ["fine", "warm", "great"]}


def make_document(label, rng):
    words = list(rng.choice(FILLERS, rng.integers(20, 60)))
    is_negated = rng.uniform() < 0.5
    stated = label if not is_negated else ("praise" if label == "blame" else "blame")
    place = rng.integers(0, len(words) - 2)
    opinion = [*(["not"] if is_negated else []), rng.choice(OPINIONS[stated])]
    decoy = [*([] if is_negated else ["not"]), rng.choice(FILLERS)]
    words[place:place] = opinion
    elsewhere = rng.integers(0, place + 1)
    words[elsewhere:elsewhere] = decoy
    return " ".join(words)


rng = np.random.default_rng(0)
labels = rng.choice(["blame", "praise"], 1_500)
texts = [make_document(label, rng) for label in labels]

# %%
# Models
# ------
# `meta` is a dict that describes the data. The other arguments of the function are parameters of
# the classifier, with the prefix ``model__``.


def cnn(meta, filters=32, dropout=0.5):
    import keras

    layers = keras.layers
    ids = keras.Input((meta["n_features_in_"],), dtype="int32")
    vectors = layers.Embedding(meta["vocab_size_"], 32)(ids)
    maxima = [
        layers.GlobalMaxPooling1D()(
            layers.Conv1D(filters, width, padding="same", activation="relu")(vectors)
        )
        for width in (2, 3)
    ]
    document = layers.Dropout(dropout)(layers.Concatenate()(maxima))
    output = layers.Dense(meta["n_output_units_"], activation=meta["output_activation_"])
    return keras.Model(ids, output(document))


models = {
    "CNN": make_pipeline(
        TextSequencer(),
        KerasTextClassifier(
            cnn, model__dropout=0.3, epochs=12, optimizer__learning_rate=0.005, random_state=0
        ),
    ),
    "LSTM": make_pipeline(
        TextSequencer(),
        LSTMTextClassifier(
            units=32,
            embedding_dim=32,
            embedding_weights=None,
            ngrams=0,
            embedding_dropout=0.0,
            learning_rate=0.005,
            learning_rate_schedule="constant",
            epochs=12,
            random_state=0,
        ),
    ),
    "linear SVM": classic_baselines()["linear_svc"],
}

# %%
# Comparison on the same folds
# ----------------------------

comparison = compare(models, texts, labels, cv=3)
print(comparison.table.to_string(float_format="{:.3f}".format))
comparison.plot()
plt.show()

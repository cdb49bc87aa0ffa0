"""
A network of your own beside the LSTM
=====================================

:class:`~sklstm.KerasTextClassifier` takes a function that builds a Keras network. Here it is a
convolutional network in the manner of Kim (2014), and :func:`~sklstm.compare` judges it next to an
LSTM and a linear SVM, all on the same folds.
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
# Texts in which the order of words matters
# -----------------------------------------
# Some forty made-up words a document, with an opinion among them. In half of the documents "not"
# turns the opinion around; in the others a "not" stands before a word without one.

FILLERS = np.array([f"w{number}" for number in range(400)])
OPINIONS = {"blame": ["awful", "dull", "weak"], "praise": ["fine", "warm", "great"]}


def make_document(label, rng):
    words = list(rng.choice(FILLERS, rng.integers(20, 60)))
    is_turned = rng.uniform() < 0.5
    said = label if not is_turned else ("praise" if label == "blame" else "blame")
    place = rng.integers(0, len(words) - 2)
    opinion = [*(["not"] if is_turned else []), rng.choice(OPINIONS[said])]
    decoy = [*([] if is_turned else ["not"]), rng.choice(FILLERS)]
    words[place:place] = opinion
    elsewhere = rng.integers(0, place + 1)
    words[elsewhere:elsewhere] = decoy
    return " ".join(words)


rng = np.random.default_rng(0)
labels = rng.choice(["blame", "praise"], 1_500)
texts = [make_document(label, rng) for label in labels]

# %%
# The networks
# ------------
# The function gets what it must know of the data as `meta`. Its other arguments are parameters,
# with the prefix ``model__``.


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
            pooling="max",
            bidirectional=True,
            epochs=12,
            learning_rate=0.005,
            random_state=0,
        ),
    ),
    "linear SVM": classic_baselines()["linear_svc"],
}

# %%
# The same folds for all
# ----------------------

comparison = compare(models, texts, labels, cv=3)
print(comparison.table.to_string(float_format="{:.3f}".format))
comparison.plot()
plt.show()

"""
Gates and states of a small LSTM
================================

This example inspects an LSTM with four units on the texts "good day" and "not a good day". It plots
every gate and state, recomputes one time step with numpy, and explains the Keras parameters
``units``, ``return_sequences`` and ``return_state``.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from sklstm import (
    LSTMStateDisplay,
    LSTMTextClassifier,
    NetworkDisplay,
    TextSequencer,
    TrainingHistoryDisplay,
    lstm_states,
)

# sphinx_gallery_thumbnail_number = 4

# %%
# Data and model
# --------------
# The texts are about two hundred short remarks. A "not" at the beginning inverts the label.

OPINIONS = {"good": "good", "fine": "good", "bad": "bad", "sad": "bad"}
STARTS = ["", "a ", "such a ", "today is a ", "it was a ", "this is a ", "i had a "]
rows = []
for start in STARTS:
    for opinion, label in OPINIONS.items():
        for time in ("day", "morning", "evening", "night"):
            rows.append((f"{start}{opinion} {time}", label))
            rows.append((f"not {start}{opinion} {time}", {"good": "bad", "bad": "good"}[label]))
remarks = pd.DataFrame(rows, columns=["text", "label"])

model = make_pipeline(
    TextSequencer(),
    LSTMTextClassifier(
        units=4,
        bidirectional=False,
        pooling="last",
        embedding_dim=3,
        embedding_weights=None,
        ngrams=0,
        embedding_dropout=0.0,
        learning_rate=0.02,
        learning_rate_schedule="constant",
        epochs=60,
        batch_size=32,
        random_state=2,
    ),
)
model.fit(remarks["text"], remarks["label"])
sentences = ["good day", "not a good day", "bad day", "not a bad day"]
print(pd.DataFrame(model.predict_proba(sentences), sentences, model.classes_).round(2))

# %%
# Weights
# -------
# The input of each unit consists of the three values of the token vector and the previous hidden
# states of all four units. Input gate, forget gate, candidate and output gate each have their own
# weights and bias. Four units therefore have 4 x 4 x (3 + 4 + 1) = 128 weights. For 100 units and
# 32-dimensional vectors, the number is 4 x 100 x (32 + 100 + 1) = 53,200.

sequencer, classifier = model
for name, weights in classifier.weights_.items():
    print(f"{name:25} {weights.shape!s:8} {weights.size:4} weights")

# %%
# The training loss decreases to nearly zero, and the training accuracy is close to 1.

TrainingHistoryDisplay.from_estimator(model)

# %%
# The layers and their numbers of weights:

NetworkDisplay.from_estimator(model)

# %%
# Gates and states
# ----------------
# In each panel, rows are units and columns are tokens. Gates range from 0 to 1. The input gate is
# the fraction of the candidate that is added to the cell state. The forget gate is the fraction of
# the previous cell state that is kept. The output gate is the fraction of the cell state that is
# output as the hidden state. The hidden state is the input of all units at the next token and,
# after the last token, of the output layer.

LSTMStateDisplay.from_estimator(model, "good day")

# %%
# The same with a "not" at the beginning:

LSTMStateDisplay.from_estimator(model, "not a good day")

# %%
# Recomputing one time step
# -------------------------
# ``kernel`` and ``recurrent_kernel`` contain four matrices side by side, in the order of Keras:
# input gate, forget gate, candidate, output gate. At the first token, the previous states are zero.

weights = classifier.weights_
kernel, recurrent, bias = (
    weights[f"lstm_1/{name}"] for name in ("kernel", "recurrent_kernel", "bias")
)
(states,) = lstm_states(model, ["good day"])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


hidden = cell = np.zeros(4)
x = weights["embedding/embeddings"][sequencer.vocabulary_["good"]]
i, f, g, o = np.split(x @ kernel + hidden @ recurrent + bias, 4)
cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
hidden = sigmoid(o) * np.tanh(cell)
np.testing.assert_allclose(hidden, states.hidden_state[0], atol=1e-5)
print("hidden state after 'good':", hidden.round(3))

# %%
# return_sequences and return_state
# ---------------------------------
# The following code runs a Keras layer with the same weights on the same two tokens. By default it
# returns the last hidden state. With ``return_sequences=True`` it returns the hidden states of all
# tokens, as needed by a second LSTM layer or by pooling over time. With ``return_state=True`` it
# additionally returns the last hidden state and the last cell state, for example to initialize a
# decoder.


def run_keras(**options):
    import keras

    layer = keras.layers.LSTM(4, **options)
    vectors = weights["embedding/embeddings"][sequencer.transform(["good day"])[:, -2:]]
    layer.build(vectors.shape)
    layer.set_weights([kernel, recurrent, bias])
    outputs = layer(vectors)
    return [np.asarray(array) for array in (outputs if "return_state" in options else [outputs])]


(last,) = run_keras()
(sequence,) = run_keras(return_sequences=True)
with_state = run_keras(return_sequences=True, return_state=True)
shapes = {
    "LSTM(4)": [last.shape],
    "return_sequences=True": [sequence.shape],
    "return_sequences=True, return_state=True": [array.shape for array in with_state],
}
for options, returned in shapes.items():
    print(f"{options:42} {', '.join(map(str, returned))}")

np.testing.assert_allclose(sequence[0], states.hidden_state, atol=1e-5)
np.testing.assert_allclose(last, sequence[:, -1], atol=1e-5)
np.testing.assert_allclose(with_state[1][0], states.hidden_state[-1], atol=1e-5)
np.testing.assert_allclose(with_state[2][0], states.cell_state[-1], atol=1e-5)
print("All outputs match lstm_states.")

# %%
# Interpreting the units
# ----------------------
# Training does not assign a meaning to a unit. The hidden states over several sentences show what a
# unit responds to. A unit that keeps its value after "not" encodes the negation. A unit that
# responds to only one of the four sentences encodes both words. With another seed, the units have
# other roles.

_, axes = plt.subplots(1, 4, figsize=(9, 2.8), sharey=True, layout="constrained")
COLORS = {"good": "#0072B2", "bad": "#D55E00"}
for text, found in zip(sentences, lstm_states(model, sentences), strict=True):
    is_negated, opinion = "not" in text, "good" if "good" in text else "bad"
    places = range(4 - len(found.tokens), 4)
    for unit, ax in enumerate(axes):
        style = {"linestyle": "--" if is_negated else "-", "marker": "s" if is_negated else "o"}
        ax.plot(places, found.hidden_state[:, unit], color=COLORS[opinion], label=text, **style)
for unit, ax in enumerate(axes):
    ax.axhline(0, color="#bbbbbb", linewidth=0.8, zorder=0)
    ax.set(title=f"unit {unit}")
    ax.set_xticks(range(4), ["not", "a", "good,\nbad", "day"])
axes[0].set(ylabel="hidden state", ylim=(-1.05, 1.05))
axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
plt.show()

# %%
# The output layer computes a weighted sum of the last hidden states, and a sigmoid converts it to a
# probability:

weight, bias = weights["output/kernel"], weights["output/bias"]
score = float((states.hidden_state[-1] @ weight + bias)[0])
print("weights of the units:", weight[:, 0].round(2))
print(f"score {score:.2f}, probability of {model.classes_[1]!r} {sigmoid(score):.3f}")
np.testing.assert_allclose(sigmoid(score), model.predict_proba(["good day"])[0, 1], atol=1e-5)

"""
"Good day": what the gates and states of an LSTM do
===================================================

An LSTM of four units reads "good day", and "not a good day". It is small enough to look at every
gate and every state, to compute one by hand, and to see what Keras means by units,
``return_sequences`` and ``return_state``.
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
# A small world
# -------------
# Some two hundred greetings and remarks. "not" turns their meaning around, wherever it stands.

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
        embedding_dim=3,
        epochs=60,
        learning_rate=0.02,
        batch_size=32,
        random_state=2,
    ),
)
model.fit(remarks["text"], remarks["label"])
sentences = ["good day", "not a good day", "bad day", "not a bad day"]
print(pd.DataFrame(model.predict_proba(sentences), sentences, model.classes_).round(2))

# %%
# Four units, and what connects them
# ----------------------------------
# Each unit reads all three values of the token's vector, and the hidden states that all four units
# had after the last token. It does so four times over, with other weights each time: for the input
# gate, the forget gate, the candidate and the output gate. That makes 4 x 4 x (3 + 4 + 1) = 128
# weights; of 100 units that read vectors of 32 values, 4 x 100 x (32 + 100 + 1) = 53,200.

sequencer, classifier = model
for name, weights in classifier.weights_.items():
    print(f"{name:25} {weights.shape!s:8} {weights.size:4} weights")

# %%
# In training the loss fell to almost nothing, and hardly a remark is misread any more.

TrainingHistoryDisplay.from_estimator(model)

# %%
# The way from ids to a probability, and where the weights are:

NetworkDisplay.from_estimator(model)

# %%
# Gates and states
# ----------------
# A row is a unit, a column a token, read from left to right. The gates are shares from 0 to 1. The
# candidate is what a unit could note down, and the input gate how much of it is noted; the forget
# gate is how much of the old notes stays. The notes are the cell state. The output gate is how much
# of them is shown: the hidden state, which the other units read at the next token, and at last the
# output layer.

LSTMStateDisplay.from_estimator(model, "good day")

# %%
# And with a "not" at the beginning:

LSTMStateDisplay.from_estimator(model, "not a good day")

# %%
# One step by hand
# ----------------
# Four matrix products stand side by side in ``kernel`` and ``recurrent_kernel``, in the order of
# Keras: input gate, forget gate, candidate, output gate. This is the first token, so there are no
# earlier states.

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
# A Keras layer with the same weights, reading the same two tokens. By itself it returns the last
# hidden state. With ``return_sequences=True`` it returns those of all tokens, which a second layer
# or a pooling over time needs. With ``return_state=True`` it returns, besides, the last hidden
# state and the last cell state, from which another layer can go on: a decoder does.


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
print("All of them are what lstm_states shows.")

# %%
# What does a unit stand for?
# ---------------------------
# Nobody told it what to note. What it notes may be read off its course over several sentences: a
# unit that stays where "not" has put it remembers the "not", and one that rises for a single one
# of the four has found out both words. Trained again with another seed, the units share the work
# in another way.

_, axes = plt.subplots(1, 4, figsize=(9, 2.8), sharey=True, layout="constrained")
COLORS = {"good": "#0072B2", "bad": "#D55E00"}
for text, found in zip(sentences, lstm_states(model, sentences), strict=True):
    is_turned, opinion = "not" in text, "good" if "good" in text else "bad"
    places = range(4 - len(found.tokens), 4)
    for unit, ax in enumerate(axes):
        style = {"linestyle": "--" if is_turned else "-", "marker": "s" if is_turned else "o"}
        ax.plot(places, found.hidden_state[:, unit], color=COLORS[opinion], label=text, **style)
for unit, ax in enumerate(axes):
    ax.axhline(0, color="#bbbbbb", linewidth=0.8, zorder=0)
    ax.set(title=f"unit {unit}")
    ax.set_xticks(range(4), ["not", "a", "good,\nbad", "day"])
axes[0].set(ylabel="hidden state", ylim=(-1.05, 1.05))
axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
plt.show()

# %%
# The output layer weighs the last hidden states, and a sigmoid makes a probability of the sum:

weight, bias = weights["output/kernel"], weights["output/bias"]
score = float((states.hidden_state[-1] @ weight + bias)[0])
print("weights of the units:", weight[:, 0].round(2))
print(f"score {score:.2f}, probability of {model.classes_[1]!r} {sigmoid(score):.3f}")
np.testing.assert_allclose(sigmoid(score), model.predict_proba(["good day"])[0, 1], atol=1e-5)

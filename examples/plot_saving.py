"""
Saving, loading, exporting
==========================

A model that was trained in a notebook is to answer in a service. Here are four ways to take it
there, and the proof that it gives the same scores on all of them: joblib, skops, a plain Keras
model, and ONNX.
"""

import os
import tempfile
from functools import partial
from pathlib import Path
from timeit import repeat

import joblib
import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
import pandas as pd
import skops.io
from sklearn.pipeline import make_pipeline

from sklstm import LSTMTextClassifier, TextSequencer, to_onnx

# %%
# A model
# -------
# It tells requests to a help desk apart. The requests are made up.

SUBJECTS = {
    "account": ["my password", "the login", "my user name", "the account", "the sign-in page"],
    "delivery": ["my parcel", "the courier", "the delivery", "the tracking number", "my order"],
    "payment": ["the invoice", "my card", "the refund", "the payment", "the discount"],
}
TROUBLES = ["does not work", "is wrong", "is missing", "was rejected", "never came", "is too late"]
FRAMES = ["hello, {} {}", "{} {} again", "please help, {} {}", "why is it that {} {}?"]

requests = pd.DataFrame(
    [
        {"text": frame.format(subject, trouble), "label": label}
        for label, subjects in SUBJECTS.items()
        for subject in subjects
        for trouble in TROUBLES
        for frame in FRAMES
    ]
)
model = make_pipeline(
    TextSequencer(),
    LSTMTextClassifier(units=16, embedding_dim=16, learning_rate=0.01, epochs=8, random_state=0),
)
model.fit(requests["text"], requests["label"])
new_texts = ["hi, where is my parcel", "refund please!", "I forgot my password", "good morning", ""]
expected = model.predict_proba(new_texts)
print(pd.DataFrame(expected, new_texts, model.classes_).round(3))

# %%
# joblib
# ------
# The whole pipeline in one file, vocabulary included, as any other scikit-learn model. Loading it
# can run code that the file names: load only files of people whom you trust.

folder = tempfile.TemporaryDirectory()
root = Path(folder.name)
joblib.dump(model, root / "model.joblib")
loaded = {"joblib": joblib.load(root / "model.joblib").predict_proba}

# %%
# skops
# -----
# A file of arrays and JSON, which runs nothing when it is loaded. What may be made of it is a list
# that you write.

skops.io.dump(model, root / "model.skops")
trusted = ["sklstm.classifier.LSTMTextClassifier", "sklstm.sequencer.TextSequencer"]
assert skops.io.get_untrusted_types(file=root / "model.skops") == trusted
loaded["skops"] = skops.io.load(root / "model.skops", trusted=trusted).predict_proba

# %%
# A Keras model
# -------------
# ``to_keras`` gives an ordinary ``keras.Model`` of Keras's own layers, with the trained weights. It
# takes token ids, so the sequencer stays before it. Keras reads ``KERAS_BACKEND`` when it is first
# imported; sklstm sets that to a backend which is there, so import sklstm first.


def load_network(path):
    import keras

    return keras.models.load_model(path)


sequencer, classifier = model
classifier.to_keras().save(root / "model.keras")
network = load_network(root / "model.keras")
loaded["Keras"] = lambda texts: network.predict(sequencer.transform(texts), verbose=0)

# %%
# ONNX
# ----
# ``to_onnx`` writes the network for onnxruntime, which needs neither Keras nor scikit-learn, and
# beside it what makes ids from texts, as JSON. ``examples/onnx_loader.py`` reads both in a program
# without sklstm; here the sequencer makes the ids.

files = to_onnx(model, root / "model.onnx")
session = onnxruntime.InferenceSession(str(files[0]), providers=["CPUExecutionProvider"])


def run_onnx(texts):
    (probabilities,) = session.run(["probabilities"], {"ids": sequencer.transform(texts)})
    return probabilities


loaded["ONNX"] = run_onnx

# %%
# The same scores everywhere
# --------------------------
# joblib and skops give them back to the last bit. Keras and onnxruntime add up in another order,
# and differ in the seventh decimal.

paths = {
    "joblib": [root / "model.joblib"],
    "skops": [root / "model.skops"],
    "Keras": [root / "model.keras"],
    "ONNX": files,
}
rows = {}
for name, predict_proba in loaded.items():
    found = predict_proba(new_texts)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    rows[name] = {
        "largest difference": np.abs(found - expected).max(),
        "size, kB": sum(os.path.getsize(path) for path in paths[name]) / 1000,
        "five texts, ms": min(repeat(partial(predict_proba, new_texts), number=1, repeat=50))
        * 1000,
        "reads": "texts" if name in ("joblib", "skops") else "token ids",
    }
table = pd.DataFrame.from_dict(rows, orient="index")
print(table.to_string(float_format="{:.2g}".format))

# %%
# Which one to take
# -----------------
# joblib where the same Python environment loads it, skops where the file comes from elsewhere,
# Keras to go on with Keras, ONNX to answer quickly with little installed.

_, axes = plt.subplots(1, 2, figsize=(7.5, 2.6), layout="constrained", sharey=True)
for ax, column in zip(axes, ("size, kB", "five texts, ms"), strict=True):
    bars = ax.barh(table.index, table[column], color="#0072B2")
    ax.bar_label(bars, fmt="%.2g", padding=3)
    ax.set(xlabel=column)
    ax.margins(x=0.15)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
axes[0].invert_yaxis()
plt.show()

folder.cleanup()

"""
Saving, loading and exporting
=============================

This example deploys a trained model in four ways: joblib, skops, a Keras model, and ONNX. It checks
that all four give the same probabilities, and compares file size and prediction time.
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
# The model classifies synthetic help desk requests.

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
# ``joblib.dump`` saves the whole pipeline, including the vocabulary, like any scikit-learn model.
# Loading a joblib file can execute arbitrary code: load only files that you trust.

folder = tempfile.TemporaryDirectory()
root = Path(folder.name)
joblib.dump(model, root / "model.joblib")
loaded = {"joblib": joblib.load(root / "model.joblib").predict_proba}

# %%
# skops
# -----
# A skops file contains arrays and JSON. Loading it executes no code from the file and creates only
# objects of the types that you list as trusted.

skops.io.dump(model, root / "model.skops")
trusted = ["sklstm.classifier.LSTMTextClassifier", "sklstm.sequencer.TextSequencer"]
assert skops.io.get_untrusted_types(file=root / "model.skops") == trusted
loaded["skops"] = skops.io.load(root / "model.skops", trusted=trusted).predict_proba

# %%
# A Keras model
# -------------
# ``to_keras`` returns a ``keras.Model`` that consists of standard Keras layers and has the trained
# weights. It takes token ids, so the sequencer is still needed. Import sklstm before Keras: Keras
# reads ``KERAS_BACKEND`` on import, and sklstm sets it to an installed backend.


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
# ``to_onnx`` writes an ONNX model, which onnxruntime runs without Keras and scikit-learn, and a
# JSON file with the tokenizer settings. ``examples/onnx_loader.py`` uses both files and does not
# need sklstm. In this example, the sequencer computes the ids.

files = to_onnx(model, root / "model.onnx")
session = onnxruntime.InferenceSession(str(files[0]), providers=["CPUExecutionProvider"])


def run_onnx(texts):
    (probabilities,) = session.run(["probabilities"], {"ids": sequencer.transform(texts)})
    return probabilities


loaded["ONNX"] = run_onnx

# %%
# Comparison
# ----------
# joblib and skops give bit-identical probabilities. Keras and onnxruntime sum in a different order
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
# Which format to use
# -------------------
# Use joblib if the same Python environment loads the file, skops for files from other sources,
# Keras for further work in Keras, and ONNX for fast prediction with few dependencies.

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

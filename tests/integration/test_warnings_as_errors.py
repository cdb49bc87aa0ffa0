"""With ``python -W error``, a deprecation warning of Keras or JAX does not end a call."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from sklstm._runtime import ignore_copy_warning

TESTS = Path(__file__).parents[1]

SETUP = """
from conftest import LABELS, TEXTS, small_classifier
from custom_models import network
from sklearn.pipeline import make_pipeline
from sklstm import KerasTextClassifier, TextSequencer, make_text_classifier

TEXTS, LABELS = 4 * TEXTS, 4 * LABELS
sequencer = TextSequencer(max_len=8)
ids = sequencer.fit_transform(TEXTS)
"""
CALLS = {
    "LSTM": """
for parameters in (
    {"early_stopping": True, "validation_fraction": 0.3, "average_weights": True},
    {"ngrams": 2, "pooling": "attention", "learning_rate_schedule": "one_cycle"},
    {"units": (4, 3), "bidirectional": True, "recurrent_dropout": 0.1, "optimizer": "sgd"},
):
    classifier = small_classifier(epochs=1, **parameters).fit(ids, LABELS)
    classifier.predict_proba(ids), classifier.transform(ids), classifier.to_keras()
""",
    "callbacks of Keras": """
import warnings
import keras

filters = list(warnings.filters)
callbacks = [
    keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate),
    keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=0, min_delta=10.0),
    keras.callbacks.SwapEMAWeights(),
]
small_classifier(epochs=3, callbacks=callbacks[:2]).fit(ids, LABELS)
optimizer = keras.optimizers.Adam(use_ema=True)
KerasTextClassifier(network, optimizer=optimizer, epochs=3, callbacks=callbacks).fit(ids, LABELS)
assert warnings.filters == filters
""",
    "preset": """
make_text_classifier("fast", epochs=1, random_state=0).fit(TEXTS, LABELS).predict(TEXTS)
""",
    "inspection": """
from sklstm import lstm_states, nearest_tokens, token_attributions

model = make_pipeline(sequencer, small_classifier(epochs=1)).fit(TEXTS, LABELS)
lstm_states(model, TEXTS[:1]), token_attributions(model, TEXTS[:1]), nearest_tokens(model, "film")
""",
    "stream": """
from sklstm import fit_stream

fit_stream(make_pipeline(sequencer, small_classifier(epochs=1)), [(TEXTS, LABELS)])
""",
    "custom model": """
import pickle

classifier = KerasTextClassifier(
    network, epochs=1, learning_rate_schedule="one_cycle", average_weights=True, random_state=0
)
classifier.fit(ids, LABELS, X_val=ids, y_val=LABELS)
pickle.loads(pickle.dumps(classifier)).partial_fit(ids, LABELS).predict_proba(ids)
""",
}


def test_filters_that_others_set_in_the_meantime_stay():
    with warnings.catch_warnings():
        before = list(warnings.filters)
        with ignore_copy_warning(), ignore_copy_warning():
            warnings.filterwarnings("ignore", "of another thread")
        assert [entry[1].pattern for entry in warnings.filters if entry not in before] == [
            "of another thread"
        ]
        with ignore_copy_warning():
            warnings.resetwarnings()
        assert warnings.filters == []


@pytest.mark.parametrize("calls", CALLS)
def test_a_call_succeeds_if_warnings_are_errors(calls):
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-W", "error", "-c", SETUP + CALLS[calls]]
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr

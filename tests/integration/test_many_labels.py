"""Texts with one or two of 40 labels: early stopping does not end before labels are predicted."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from sklstm import make_text_classifier

pytestmark = pytest.mark.slow

N_LABELS = 40


@pytest.fixture(scope="module")
def data():
    """Return texts with one of three words for each of their labels, among other words."""
    rng = np.random.default_rng(0)
    n_documents = 1_200
    labels = np.zeros((n_documents, N_LABELS), dtype=int)
    texts = []
    for row in labels:
        topics = rng.choice(N_LABELS, rng.integers(1, 3), replace=False)
        row[topics] = 1
        words = [f"topic{topic}x{rng.integers(3)}" for topic in topics]
        words += rng.choice([f"word{i}" for i in range(100)], 6).tolist()
        texts.append(" ".join(rng.permutation(words)))
    return texts, labels


@pytest.mark.parametrize("ngrams", [0, 2])
def test_training_goes_on_while_the_loss_falls_and_labels_are_predicted(ngrams, data):
    texts, labels = data
    parameters = {"early_stopping": True, "epochs": 30, "ngrams": ngrams, "random_state": 0}
    model = make_text_classifier("balanced", **parameters).fit(texts[:900], labels[:900])
    classifier = model[-1]
    losses = classifier.history_["val_loss"]
    assert classifier.best_epoch_ == int(np.argmin(losses)) + 1
    assert classifier.best_epoch_ > 10
    predicted = model.predict(texts[900:])
    assert f1_score(labels[900:], predicted, average="micro") > 0.8
    assert 1.0 < predicted.sum(axis=1).mean() < 2.0

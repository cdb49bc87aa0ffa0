"""Vectors, a search and a classifier that kills its worker, for the tests of clusters."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
from conftest import LABELS, TEXTS
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklstm import LSTMTextClassifier, TextSequencer, WordVectors

GRID = {"classifier__learning_rate": [0.01, 0.05]}
SMALL = {"units": 3, "epochs": 2, "pooling": "max", "random_state": 0}


def make_vectors(vector_size=500):
    """Return vectors of all words of the texts, and of many others."""
    words = sorted({word for text in TEXTS for word in text.replace(",", "").lower().split()})
    words += [f"other{number}" for number in range(2_000)]
    values = np.random.default_rng(0).uniform(-0.5, 0.5, (len(words), vector_size))
    return WordVectors(words, values.astype(np.float32))


class Mortal(LSTMTextClassifier):
    """Kills the process that fits it, unless the file `victim` is there."""

    def __init__(self, victim="", learning_rate=0.01):
        super().__init__(**SMALL, learning_rate=learning_rate)
        self.victim = victim

    def fit(self, X, y):
        if self.victim and not Path(self.victim).exists():
            Path(self.victim).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(X, y)


def make_search(vectors=None, classifier=None, n_jobs=None, **parameters):
    classifier = classifier or LSTMTextClassifier(**SMALL, embedding_weights=vectors)
    model = make_pipeline(TextSequencer(vocabulary=vectors, max_len=12), classifier)
    model.steps[-1] = ("classifier", classifier)
    return GridSearchCV(
        model, GRID, cv=2, n_jobs=n_jobs, scoring="neg_log_loss", error_score="raise", **parameters
    )


def scores(search):
    """Return the scores of all fits of a search on the texts."""
    results = search.fit(TEXTS, LABELS).cv_results_
    return np.array([results[f"split{fold}_test_score"] for fold in (0, 1)])


def process_and_vectors(vectors):
    """Return which process runs this, and which object the vectors are in it."""
    return os.getpid(), id(vectors)

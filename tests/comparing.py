"""Classifiers, sentences and results for the tests of compare()."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from sklstm import Comparison

FITS: list[str] = []
# JAX warns of it. The worker is another program at once, so it does no harm.
FORKED_BY_OLD_JOBLIB = pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")


class Coin(ClassifierMixin, BaseEstimator):
    """Guesses; notes each fit, and can fail or be interrupted at one of them."""

    def __init__(self, name="coin", random_state=0, fail_at=None, interrupt_at=None):
        self.name = name
        self.random_state = random_state
        self.fail_at = fail_at
        self.interrupt_at = interrupt_at

    def fit(self, X, y):
        FITS.append(self.name)
        if FITS.count(self.name) == self.fail_at:
            raise ValueError(f"{self.name} broke\nin two lines")
        self.classes_ = np.unique(y)
        self.n_train_ = len(y)
        return self

    def predict(self, X):
        # The same text has the same guess, another seed another one.
        seeds = [[ord(letter) for letter in text] + [self.random_state] for text in X]
        return self.classes_[[np.random.default_rng(seed).integers(2) for seed in seeds]]


def words():
    return make_pipeline(CountVectorizer(), MultinomialNB())


def sentences(n=60):
    """Return sentences that a bag of words can only partly tell apart."""
    rng = np.random.default_rng(0)
    good, bad = ["fine", "warm", "funny", "moving"], ["dull", "slow", "loud", "long"]
    labels = ["good" if i % 2 else "bad" for i in range(n)]
    texts = []
    for number, label in enumerate(labels):
        own, other = (good, bad) if label == "good" else (bad, good)
        picked = [*rng.choice(own, 3), *rng.choice(other, number % 3)]
        texts.append(f"film {number} is " + " and ".join(picked))
    return texts, labels


TEXTS, LABELS = sentences()
MODELS = {"words": words(), "coin": Coin()}


def scored(*folds, names=None, n_train=80, n_test=20, **kwargs):
    """Return a comparison of classifiers that had these accuracies on the folds."""
    names = names or [f"model_{number}" for number in range(len(folds))]
    rows = [
        [name, 1, fold + 1, n_train, n_test, 1.0, 0.1, score]
        for name, scores in zip(names, folds, strict=True)
        for fold, score in enumerate(scores)
    ]
    columns = ["classifier", "repeat", "fold", "n_train", "n_test", "fit_time", "score_time"]
    errors = kwargs.get("errors", {})
    return Comparison(
        classifiers=(*names, *errors),
        scoring=("accuracy",),
        scores=pd.DataFrame(rows, columns=[*columns, "accuracy"]),
        predictions=pd.DataFrame(),
        errors=errors,
    )

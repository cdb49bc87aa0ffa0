"""N-gram scores, which are averaged with the scores of the LSTM."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from conftest import LABELS, TEXTS, make_ids, small_classifier
from reference import logits
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression

from sklstm import NBSVMClassifier, TextSequencer
from sklstm._network.hashed_ngrams import (
    choose_n_buckets,
    choose_regression,
    fit_ngram_weights,
    hash_ngrams,
)

NGRAMS = "ngrams/embeddings"
SIZE = {"is_exclusive": True, "max_length": 2, "n_buckets": 1024}


@pytest.mark.parametrize("parameters", [{"ngrams": 1}, {"ngrams": 3, "pooling": "max"}])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_scores_are_those_of_the_reference(parameters, n_classes):
    ids, y = make_ids(n_classes=n_classes)
    classifier = small_classifier(**parameters).fit(ids, y)
    scores = classifier.decision_function(ids).reshape(len(ids), -1)
    np.testing.assert_allclose(scores, logits(ids, classifier), atol=1e-5)
    model = classifier.to_keras()
    probabilities = classifier.predict_proba(ids)
    found = model.predict(ids.astype(np.int32), verbose=0)
    np.testing.assert_allclose(found, probabilities[:, -found.shape[1] :], atol=1e-5)
    assert {type(layer).__module__.partition(".")[0] for layer in model.layers} == {"keras"}


def test_unmasked_padding_is_part_of_no_ngram():
    ids, y = make_ids()
    classifier = small_classifier(ngrams=2, mask_padding=False).fit(ids, y)
    moved = np.concatenate([ids[:, 3:], np.zeros((len(ids), 3), ids.dtype)], axis=1)
    buckets, is_there = hash_ngrams(ids, 2, 64, np)
    assert is_there.sum() == np.maximum((ids > 0).sum(axis=1) - 1, 0).sum()
    assert buckets.min() >= 0
    assert buckets.max() < 64
    assert np.isfinite(classifier.decision_function(moved)).all()


def reference_fit(texts, labels):
    """Return the decision function of the same linear model, built from scikit-learn's parts."""
    vectorizer = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\w+", min_df=2)
    counts = vectorizer.fit_transform(texts).toarray()
    lengths = np.array([len(text.split()) for text in texts])
    ratio = NBSVMClassifier().fit(counts, labels).log_count_ratio_[0]
    idf = TfidfTransformer().fit(counts).idf_
    scale = ratio * idf / 6
    features = counts / np.sqrt(lengths)[:, None] * scale
    model = LogisticRegression(C=3.0, solver="liblinear", dual=True, tol=1e-6, max_iter=10_000)
    return 4 * model.fit(features, labels).decision_function(features)


def test_weights_are_those_of_logistic_regression_on_naive_bayes_features(monkeypatch):
    monkeypatch.setattr("sklstm._network.hashed_ngrams._TOLERANCE", 1e-6)
    texts = [re.sub(r"\W+", " ", text) for text in TEXTS]
    sequencer = TextSequencer(token_pattern=r"\w+")
    ids = sequencer.fit_transform(texts)
    untrained = {"learning_rate": 1e-30}
    classifier = small_classifier(ngrams=2, ngram_buckets=2**20, **untrained).fit(ids, LABELS)
    lstm = small_classifier(**untrained).fit(ids, LABELS)
    found = 2 * classifier.decision_function(ids) - lstm.decision_function(ids)
    np.testing.assert_allclose(found, reference_fit(texts, LABELS), atol=2e-3)


@pytest.mark.parametrize(
    ("class_counts", "length", "is_exclusive", "expected"),
    [
        ([500, 500], 100, True, (3.0, 1.0)),
        ([9000, 499], 100, True, (3.0, 4.0)),
        ([499, 9000], 100, True, (3.0, 4.0)),
        ([500, 500], 101, True, (3.0, 4.0)),
        ([500] * 5, 9, True, (3.0, 1.0)),
        ([500, 500, 499], 9, True, (3.0, 4.0)),
        ([5000] * 6, 9, True, (10.0, 4.0)),
        ([5000] * 6, 200, False, (3.0, 2.0)),
        ([9, 9], 9, False, (3.0, 2.0)),
    ],
)
def test_regularization_and_factor_depend_on_the_data(class_counts, length, is_exclusive, expected):
    y = np.repeat(np.arange(len(class_counts)), class_counts)
    targets = np.eye(len(class_counts), dtype=np.float32)[y]
    if is_exclusive and len(class_counts) == 2:
        targets = targets[:, 1:]
    ids = np.ones((len(y), length), np.int32)
    assert choose_regression(ids, targets, is_exclusive) == expected


def test_the_factor_is_a_factor_of_the_scores():
    ids = TextSequencer().fit_transform(TEXTS)
    targets = np.zeros((len(ids), 2), np.float32)
    targets[::2, 0] = targets[:4, 1] = 1
    weights = np.ones(len(ids), np.float32)
    quadruple, bias = fit_ngram_weights(ids, targets, weights, None, **SIZE)
    double, other = fit_ngram_weights(
        ids, targets, weights, None, **(SIZE | {"is_exclusive": False})
    )
    np.testing.assert_allclose(quadruple / 4, double / 2, rtol=1e-5)
    np.testing.assert_allclose(bias / 4, other / 2, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("labels", [[0] * 12, [1] * 12])
def test_a_label_of_no_or_all_documents_has_only_a_bias(labels):
    ids = TextSequencer().fit_transform(TEXTS)
    targets = np.stack([labels, [0, 1] * 6], axis=1).astype(np.float32)
    weights = np.ones(len(ids), np.float32)
    table, bias = fit_ngram_weights(ids, targets, weights, None, **SIZE)
    assert not table[:, 0].any()
    assert table[:, 1].any()
    assert bias[0, 0] == pytest.approx(np.log(13) if labels[0] else -np.log(13))


def test_label_weights_shift_the_bias_of_their_label():
    ids = TextSequencer().fit_transform(TEXTS)
    targets = np.repeat([[0, 0], [1, 1]], 6, axis=0).astype(np.float32)
    label_weights = np.where(targets > 0, [1.0, 10.0], 1.0).astype(np.float32)
    weights = np.ones(len(ids), np.float32)
    _, bias = fit_ngram_weights(ids, targets, weights, label_weights, **SIZE)
    assert bias[0, 1] > bias[0, 0] + 0.1


def test_only_partial_fit_trains_the_weights_of_ngrams_by_gradient_descent():
    ids, y = make_ids()
    one = small_classifier(ngrams=2, epochs=1).fit(ids, y)
    many = small_classifier(ngrams=2, epochs=9).fit(ids, y)
    np.testing.assert_array_equal(one.weights_[NGRAMS], many.weights_[NGRAMS])
    part = small_classifier(ngrams=2).partial_fit(ids, y, classes=[0, 1])
    differences = np.abs(part.weights_[NGRAMS] - one.weights_[NGRAMS])
    assert 0 < differences.max() < 0.2


def test_each_kind_of_scores_learns_by_itself():
    # The LSTM alone is trained as if there were no n-grams beside it.
    ids, y = make_ids()
    parameters = {"optimizer": "sgd", "learning_rate": 0.01, "clipnorm": None, "epochs": 3}
    beside = small_classifier(ngrams=2, **parameters).fit(ids, y)
    twice = parameters | {"learning_rate": 0.005}
    alone = small_classifier(**twice).fit(ids, y)
    for name, weight in alone.weights_.items():
        np.testing.assert_allclose(beside.weights_[name], weight, atol=1e-6)


def test_ngrams_learn_what_needs_pairs():
    # The class depends on the order of two tokens, so only bigrams can distinguish the classes.
    rng = np.random.default_rng(0)
    ids = rng.integers(4, 30, (200, 8))
    y = rng.integers(0, 2, 200)
    ids[np.arange(200), 3], ids[np.arange(200), 4] = 2 + y, 3 - y
    classifier = small_classifier(ngrams=2, epochs=1, learning_rate=1e-6).fit(ids, y)
    assert classifier.score(ids, y) > 0.95
    assert small_classifier(epochs=1, learning_rate=1e-6).fit(ids, y).score(ids, y) < 0.8


def test_buckets_are_four_times_as_many_as_ngrams():
    ids, _ = make_ids(n_documents=400, width=20, vocab_size=100)
    n_ngrams = len({(a, b) for row in ids for a, b in pairwise(row) if a})
    n_words = len(np.unique(ids)) - 1
    assert 2 * (n_ngrams + n_words) < choose_n_buckets(ids, 2) <= 8 * (n_ngrams + n_words)
    assert choose_n_buckets(ids[:1], 1) == 2**10


def test_partial_fit_resumes_from_the_weights_of_ngrams():
    ids, y = make_ids()
    classifier = small_classifier(ngrams=2).partial_fit(ids[:40], y[:40], classes=[0, 1])
    shape = classifier.weights_[NGRAMS].shape
    before = classifier.weights_[NGRAMS]
    classifier.partial_fit(ids[40:], y[40:])
    assert classifier.weights_[NGRAMS].shape == shape
    assert 0 < np.abs(classifier.weights_[NGRAMS] - before).max() < 0.1
    classifier.set_params(ngrams=0)
    with pytest.raises(ValueError, match="ngrams is 0, but the fitted weights"):
        classifier.partial_fit(ids, y)


def test_multilabel_data_has_ngram_scores():
    ids, y = make_ids()
    indicator = np.stack([y, 1 - y, ids[:, -1] % 3 == 0], axis=1).astype(int)
    classifier = small_classifier(ngrams=2, ngram_buckets=512).fit(ids, indicator)
    assert classifier.weights_[NGRAMS].shape == (512, 3)
    np.testing.assert_allclose(
        classifier.decision_function(ids), logits(ids, classifier), atol=1e-5
    )
    same = clone(classifier).fit(ids, indicator)
    np.testing.assert_array_equal(same.weights_[NGRAMS], classifier.weights_[NGRAMS])


def test_a_weight_is_a_number_of_documents(monkeypatch):
    monkeypatch.setattr("sklstm._network.hashed_ngrams._TOLERANCE", 1e-8)
    ids, y = make_ids()
    start = {"ngrams": 2, "epochs": 1, "learning_rate": 1e-9, "ngram_buckets": 512}
    weights = np.where(np.arange(len(y)) < 20, 2.0, 1.0)
    weights[40:] = 0.0
    weighted = small_classifier(**start).fit(ids, y, sample_weight=weights)
    rows = np.r_[:20, :40]
    twice = small_classifier(**start).fit(ids[rows], y[rows])
    for name in (NGRAMS, "ngram_bias/embeddings"):
        np.testing.assert_allclose(weighted.weights_[name], twice.weights_[name], atol=1e-4)

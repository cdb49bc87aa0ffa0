"""N-gram scores, which are averaged with the scores of the LSTM."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from conftest import LABELS, TEXTS, make_ids, small_classifier
from reference import logits
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer

from sklstm import NBSVMClassifier, TextSequencer
from sklstm._network.hashed_ngrams import choose_n_buckets, hash_ngrams, naive_bayes_start

NGRAMS = "ngrams/embeddings"


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


def test_weights_start_at_the_log_count_ratios_of_naive_bayes():
    vectorizer = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\w+", min_df=2)
    nb = NBSVMClassifier().fit(vectorizer.fit_transform(TEXTS), LABELS)
    sequencer = TextSequencer(token_pattern=r"\w+", padding="post")
    ids = sequencer.fit_transform(TEXTS)
    n_buckets = 2**20
    targets = (np.array(LABELS) == nb.classes_[1]).astype(np.float32)[:, None]
    weights, bias = naive_bayes_start(ids, targets, np.ones(len(ids), np.float32), 2, n_buckets)
    assert bias.tolist() == [[0.0]]
    terms = vectorizer.get_feature_names_out()
    found = []
    for term in terms:
        words = np.array([[sequencer.vocabulary_[word] for word in term.split()]], np.int32)
        buckets, _ = hash_ngrams(words, words.shape[1], n_buckets, np)
        found.append(3 * weights[buckets[0, 0], 0])
    # All n-grams count towards the proportions here, those of one document too.
    offset = np.mean(np.array(found) - nb.log_count_ratio_[0])
    np.testing.assert_allclose(found, nb.log_count_ratio_[0] + offset, atol=1e-5)
    assert np.count_nonzero(weights) == len(terms)


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


def test_buckets_are_twice_as_many_as_ngrams():
    ids, _ = make_ids(n_documents=400, width=20, vocab_size=100)
    n_ngrams = len({(a, b) for row in ids for a, b in pairwise(row) if a})
    n_words = len(np.unique(ids)) - 1
    assert n_ngrams + n_words < choose_n_buckets(ids, 2) <= 4 * (n_ngrams + n_words)
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


def test_a_weight_is_a_number_of_documents():
    ids, y = make_ids()
    start = {"ngrams": 2, "epochs": 1, "learning_rate": 1e-9, "ngram_buckets": 512}
    weights = np.where(np.arange(len(y)) < 20, 2.0, 1.0)
    weights[40:] = 0.0
    weighted = small_classifier(**start).fit(ids, y, sample_weight=weights)
    rows = np.r_[:20, :40]
    twice = small_classifier(**start).fit(ids[rows], y[rows])
    for name in (NGRAMS, "ngram_bias/embeddings"):
        np.testing.assert_allclose(weighted.weights_[name], twice.weights_[name], atol=1e-6)

"""N-gram scores, which are averaged with the scores of the LSTM."""

from __future__ import annotations

import re
from collections import Counter
from itertools import chain, pairwise

import numpy as np
import pytest
from conftest import LABELS, TEXTS, make_ids, small_classifier
from reference import logits
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression

from sklstm import NBSVMClassifier, TextSequencer, WordVectors
from sklstm._network.hashed_ngrams import ANY_CHECKSUM, hash_ngrams
from sklstm._network.linear_model import (
    Regression,
    choose_n_buckets,
    choose_regression,
    count_ngrams,
    fit_features,
    vector_features,
)

NGRAMS = "ngrams/embeddings"
CHECKSUMS = "ngram_checksums/embeddings"
BIAS = "ngram_bias/embeddings"
TOKEN_SCORES = "token_scores/embeddings"


def fit_weights(ids, targets, label_weights=None, *, n_buckets=1024, regression=(3.0, 4.0, 0.07)):
    """Return the weights of the linear model without vectors."""
    once = np.ones(len(ids))
    ngrams = count_ngrams(ids, 2, once)
    settings = {"regression": Regression(*regression), "n_buckets": n_buckets}
    return fit_features(ngrams, None, None, targets, once, label_weights, **settings).weights


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
    buckets, checksums, is_there = hash_ngrams(ids, 2, 64, np)
    assert is_there.sum() == np.maximum((ids > 0).sum(axis=1) - 1, 0).sum()
    assert buckets.min() >= 0
    assert buckets.max() < 64
    assert checksums.min() >= 0
    assert checksums.max() < 2**24
    assert np.isfinite(classifier.decision_function(moved)).all()


def prefixes(text):
    words = re.findall(r"\w+", text.lower())
    return [word[:size] for word in words for size in (3, 4, 5, 6) if size < len(word)]


def reference_fit(texts, labels, *, has_prefixes):
    """Return the decision function of the same linear model, built from scikit-learn's parts."""
    vectorizer = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\w+", min_df=2)
    counts = vectorizer.fit_transform(texts).toarray()
    if has_prefixes:
        of_prefixes = CountVectorizer(analyzer=prefixes, min_df=2).fit_transform(texts).toarray()
        counts = np.hstack([counts, 0.7 * of_prefixes])
    lengths = np.array([len(text.split()) for text in texts])
    ratio = NBSVMClassifier().fit(counts, labels).log_count_ratio_[0]
    idf = TfidfTransformer().fit(counts).idf_
    scale = ratio * idf / 6
    features = counts / np.sqrt(lengths)[:, None] * scale
    model = LogisticRegression(C=10.0, solver="liblinear", dual=True, tol=1e-6, max_iter=10_000)
    return 3 * model.fit(features, labels).decision_function(features)


@pytest.mark.parametrize("has_prefixes", [False, True])
def test_weights_are_those_of_logistic_regression_on_naive_bayes_features(
    monkeypatch, has_prefixes
):
    monkeypatch.setattr("sklstm._network.linear_model._TOLERANCE", 1e-6)
    texts = [re.sub(r"\W+", " ", text) for text in TEXTS]
    sequencer = TextSequencer(token_pattern=r"\w+")
    ids = sequencer.fit_transform(texts)
    ids = ids if has_prefixes else np.asarray(ids)
    untrained = {"learning_rate": 1e-30}
    classifier = small_classifier(ngrams=2, ngram_buckets=2**20, **untrained).fit(ids, LABELS)
    lstm = small_classifier(**untrained).fit(ids, LABELS)
    found = 2 * classifier.decision_function(ids) - lstm.decision_function(ids)
    expected = reference_fit(texts, LABELS, has_prefixes=has_prefixes)
    np.testing.assert_allclose(found, expected, atol=2e-3)


@pytest.mark.parametrize(
    ("class_counts", "length", "kind", "expected"),
    [
        ([500, 500], 100, "with vectors", (3.0, 2.0, 0.07)),
        ([500, 500], 100, "without vectors", (10.0, 2.0, 0.07)),
        ([500, 499], 100, "with vectors", (3.0, 3.0, 0.07)),
        ([9000, 499], 100, "with vectors", (3.0, 2.0, 0.07)),
        ([499, 9000], 100, "with vectors", (3.0, 2.0, 0.07)),
        ([500, 500], 101, "with vectors", (10.0, 12.0, 0.03)),
        ([9000, 9], 101, "with vectors", (10.0, 24.0, 0.03)),
        ([90, 9], 101, "without vectors", (10.0, 24.0, 0.03)),
        ([500] * 3, 9, "with vectors", (1.5, 1.0, 0.07)),
        ([500] * 5, 9, "with vectors", (1.5, 1.0, 0.07)),
        ([500] * 3, 101, "with vectors", (10.0, 12.0, 0.03)),
        ([500, 500, 499], 9, "with vectors", (3.0, 1.0, 0.07)),
        ([500, 500, 499], 101, "with vectors", (10.0, 24.0, 0.03)),
        ([500] * 3, 9, "without vectors", (10.0, 1.0, 0.07)),
        ([90] * 6, 9, "with vectors", (10.0, 3.0, 0.07)),
        ([5000] * 6, 9, "with vectors", (10.0, 1.0, 0.07)),
        ([5000] * 6, 101, "with vectors", (10.0, 6.0, 0.03)),
        ([5000, 4999], 101, "with vectors", (10.0, 12.0, 0.03)),
        ([5000, 5000], 101, "without vectors", (10.0, 6.0, 0.03)),
        ([5000] * 6, 200, "multilabel", (3.0, 2.0, 0.03)),
        ([9, 9], 9, "multilabel", (3.0, 2.0, 0.07)),
    ],
)
def test_regularization_and_factor_depend_on_the_data(class_counts, length, kind, expected):
    is_exclusive, has_vectors = kind != "multilabel", kind == "with vectors"
    y = np.repeat(np.arange(len(class_counts)), class_counts)
    targets = np.eye(len(class_counts), dtype=np.float32)[y]
    if is_exclusive and len(class_counts) == 2:
        targets = targets[:, 1:]
    settings = {"is_exclusive": is_exclusive, "has_vectors": has_vectors}
    assert choose_regression(targets, length, **settings) == expected


def test_the_factor_is_a_factor_of_the_scores():
    ids = TextSequencer().fit_transform(TEXTS)
    targets = np.zeros((len(ids), 2), np.float32)
    targets[::2, 0] = targets[:4, 1] = 1
    quadruple = fit_weights(ids, targets)
    double = fit_weights(ids, targets, regression=(3.0, 2.0, 0.07))
    for name in (NGRAMS, BIAS):
        np.testing.assert_allclose(quadruple[name] / 4, double[name] / 2, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("labels", [[0] * 12, [1] * 12])
def test_a_label_of_no_or_all_documents_has_only_a_bias(labels):
    ids = TextSequencer().fit_transform(TEXTS)
    targets = np.stack([labels, [0, 1] * 6], axis=1).astype(np.float32)
    weights = fit_weights(ids, targets)
    assert not weights[NGRAMS][:, 0].any()
    assert weights[NGRAMS][:, 1].any()
    assert weights[BIAS][0, 0] == pytest.approx(np.log(13) if labels[0] else -np.log(13))


def test_label_weights_shift_the_bias_of_their_label():
    ids = TextSequencer().fit_transform(TEXTS)
    targets = np.repeat([[0, 0], [1, 1]], 6, axis=0).astype(np.float32)
    label_weights = np.where(targets > 0, [1.0, 10.0], 1.0).astype(np.float32)
    bias = fit_weights(ids, targets, label_weights)[BIAS]
    assert bias[0, 1] > bias[0, 0] + 0.1


def test_an_ngram_that_was_not_seen_in_training_has_no_score():
    # With few buckets, most other n-grams are in the bucket of an n-gram with a weight.
    ids = np.asarray(TextSequencer().fit_transform(TEXTS))
    classifier = small_classifier(ngrams=2, ngram_buckets=8, learning_rate=1e-30)
    classifier.fit(ids, LABELS)
    lstm = small_classifier(learning_rate=1e-30).fit(ids, LABELS)
    assert (classifier.weights_[CHECKSUMS] != ANY_CHECKSUM).all()
    with_oov = np.full((1, ids.shape[1]), 1)
    linear = 2 * classifier.decision_function(with_oov) - lstm.decision_function(with_oov)
    assert linear == pytest.approx(classifier.weights_[BIAS][0], abs=1e-5)


def test_the_ngram_of_most_documents_has_the_weight_of_a_bucket():
    ids = np.array([[2, 3], [2, 4], [2, 3], [2, 4], [2, 5], [5, 5]])
    targets = np.array([[0], [1], [0], [1], [0], [1]], np.float32)
    weights = fit_weights(ids, targets, n_buckets=1)
    _, checksums, _ = hash_ngrams(np.array([[2]]), 1, 1, np)
    assert weights[CHECKSUMS].tolist() == [[checksums[0, 0]]]


def reference_vector_scores(ids, vectors, labels):
    """Return token scores by vectors and the bias, fitted without n-grams by scikit-learn."""
    n_documents = np.array([(ids == row).any(axis=1).sum() for row in range(len(vectors))])
    idf = 1 + np.log((1 + len(ids)) / (1 + n_documents))
    center = vectors[2:][n_documents[2:] > 0].mean(axis=0)
    tokens = idf[:, None] * (vectors - center)
    tokens[:2] = 0
    documents = [tokens[row[row > 0]].sum(axis=0) / np.sqrt((row > 0).sum()) for row in ids]
    scale = 0.07 / np.sqrt(np.mean(np.square(documents)))
    model = LogisticRegression(C=3.0, solver="liblinear", tol=1e-8, max_iter=10_000)
    model.fit(scale * np.array(documents), labels)
    return 4 / 3 * scale * tokens @ model.coef_[0], 4 * model.intercept_[0]


def test_token_scores_are_those_of_logistic_regression_on_vectors(monkeypatch):
    monkeypatch.setattr("sklstm._network.linear_model._TOLERANCE", 1e-8)
    rng = np.random.default_rng(0)
    vectors, ids = rng.normal(size=(30, 3)), rng.integers(2, 26, (40, 6))
    ids[:20, 4:] = 0
    labels = (vectors[ids, 0].sum(axis=1) > 0).astype(np.float32)
    # No n-gram is in two documents, so that only the vectors are features.
    once = np.ones(len(ids))
    ngrams = count_ngrams(np.arange(2, 242).reshape(40, 6), 1, once)
    features = vector_features(ids, vectors.astype(np.float32), np.arange(30) > 1, once, scale=0.07)
    model = fit_features(
        ngrams,
        None,
        features,
        labels[:, None],
        once,
        None,
        regression=Regression(3.0, 4.0, 0.07),
        n_buckets=8,
    )
    scores, bias = reference_vector_scores(ids, vectors, labels)
    np.testing.assert_allclose(model.weights[TOKEN_SCORES][:, 0], scores, atol=1e-4)
    assert model.weights[BIAS][0, 0] == pytest.approx(bias, abs=1e-4)
    # The formula for tokens that are not in the training documents is the same.
    coefficients, intercept = model.vector_scores[:-1, 0], model.vector_scores[-1, 0]
    np.testing.assert_allclose(vectors[26:] @ coefficients + intercept, scores[26:], atol=1e-4)


def word_vectors():
    words = sorted({word for text in TEXTS for word in re.findall(r"\w+", text.lower())})
    matrix = np.random.default_rng(0).normal(size=(len(words) + 2, 3))
    return WordVectors([*words, "unseen", "twin"], matrix)


@pytest.mark.parametrize("as_array", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_pretrained_vectors_give_scores_to_unseen_words(n_classes, as_array):
    vectors = word_vectors()
    sequencer = TextSequencer(vocabulary=vectors)
    ids, y = sequencer.fit_transform(TEXTS), np.arange(len(TEXTS)) % n_classes
    weights = np.asarray(vectors) if as_array else vectors
    classifier = small_classifier(ngrams=2, embedding_weights=weights).fit(ids, y)
    alone = small_classifier(ngrams=0, embedding_weights=weights)
    assert TOKEN_SCORES not in alone.fit(ids, y).weights_
    texts = ["unseen", "twin", f"{TEXTS[0]} unseen", "unknownword"]
    new = sequencer.transform(texts)
    scores = classifier.decision_function(new).reshape(len(texts), -1)
    found = classifier.to_keras().predict(new, verbose=0)
    expected = classifier.predict_proba(new)[:, -found.shape[1] :]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert len(np.unique(np.round(scores, 6), axis=0)) == len(texts)


def test_partial_fit_gives_scores_to_words_of_later_documents():
    vectors = word_vectors()
    sequencer = TextSequencer(vocabulary=vectors, max_len=5)
    first, later = sequencer.fit_transform(TEXTS[:6]), sequencer.transform(["twin unseen"] * 2)
    labels = [0, 1] * 3
    classifier = small_classifier(ngrams=1, embedding_weights=vectors)
    classifier.partial_fit(first, labels, classes=[0, 1])
    before = classifier.weights_[TOKEN_SCORES]
    fitted = classifier._fitted_network()
    rows, _, weights = fitted.resolve(later)
    expected = weights[TOKEN_SCORES][rows[0, -2:]]
    classifier.partial_fit(later, [0, 1])
    after = classifier.weights_[TOKEN_SCORES]
    np.testing.assert_array_equal(after[: len(before)], before)
    np.testing.assert_allclose(np.sort(after[len(before) :], axis=0), np.sort(expected, axis=0))


def test_only_partial_fit_trains_the_weights_of_ngrams_by_gradient_descent():
    ids, y = make_ids()
    one = small_classifier(ngrams=2, ngram_buckets=2048, epochs=1).fit(ids, y)
    many = small_classifier(ngrams=2, ngram_buckets=2048, epochs=9).fit(ids, y)
    np.testing.assert_array_equal(one.weights_[NGRAMS], many.weights_[NGRAMS])
    part = small_classifier(ngrams=2, ngram_buckets=2048).partial_fit(ids, y, classes=[0, 1])
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


def test_ngrams_of_a_single_document_are_not_counted():
    ids, _ = make_ids(n_documents=400, width=20, vocab_size=100)
    pairs = [{(a, b) for a, b in pairwise(row) if a} for row in ids]
    n_documents = Counter(chain.from_iterable(pairs)) + Counter(
        chain.from_iterable(set(row) - {0} for row in ids)
    )
    found = count_ngrams(ids, 2, np.ones(len(ids)))
    assert found.n_distinct == len(n_documents)
    expected = sorted(count for count in n_documents.values() if count > 1)
    assert sorted(found.n_documents) == expected
    twice = count_ngrams(ids, 2, np.full(len(ids), 2.0))
    assert len(twice.keys) == len(n_documents)


def test_buckets_are_eight_times_as_many_as_ngrams():
    assert choose_n_buckets(1000) == 2**13
    assert choose_n_buckets(1025) == 2**14
    assert choose_n_buckets(0) == choose_n_buckets(512) == 2**12
    assert choose_n_buckets(10**9) == 2**20


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
    monkeypatch.setattr("sklstm._network.linear_model._TOLERANCE", 1e-8)
    ids, y = make_ids()
    start = {"ngrams": 2, "epochs": 1, "learning_rate": 1e-9, "ngram_buckets": 512}
    weights = np.where(np.arange(len(y)) < 20, 2.0, 1.0)
    weights[40:] = 0.0
    weighted = small_classifier(**start).fit(ids, y, sample_weight=weights)
    rows = np.r_[:20, :40]
    twice = small_classifier(**start).fit(ids[rows], y[rows])
    for name in (NGRAMS, "ngram_bias/embeddings"):
        np.testing.assert_allclose(weighted.weights_[name], twice.weights_[name], atol=1e-4)

"""The network equals the equations, and padding has no effect."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import make_ids, small_classifier
from exporting import with_random_weights
from reference import logits as reference_logits

from sklstm._network.pooling import POOLINGS


def post_padded(ids):
    aligned = np.zeros_like(ids)
    for row, source in zip(aligned, ids, strict=True):
        tokens = source[source != 0]
        row[: len(tokens)] = tokens
    return aligned


@pytest.fixture(scope="module", params=POOLINGS)
def pooling(request):
    return request.param


@pytest.fixture(scope="module", params=[False, True], ids=["one direction", "both directions"])
def bidirectional(request):
    return request.param


@pytest.fixture(scope="module")
def classifier_and_ids(pooling, bidirectional):
    classifier = with_random_weights(
        3, units=(4, 3), bidirectional=bidirectional, pooling=pooling, dense_units=(5,)
    )
    return classifier, make_ids(n_classes=3)[0]


@pytest.mark.compiled
def test_scores_agree_with_the_numpy_reference(classifier_and_ids):
    classifier, ids = classifier_and_ids
    expected = reference_logits(ids, classifier)
    np.testing.assert_allclose(classifier.decision_function(ids), expected, atol=1e-5)


def test_scores_do_not_depend_on_batch_order_or_padding_side(classifier_and_ids):
    classifier, ids = classifier_and_ids
    expected = classifier.predict_proba(ids)
    alone = np.vstack([classifier.predict_proba(row[None]) for row in ids[:5]])
    np.testing.assert_allclose(alone, expected[:5], atol=1e-5)
    order = np.random.default_rng(1).permutation(len(ids))
    np.testing.assert_allclose(classifier.predict_proba(ids[order]), expected[order], atol=1e-5)
    np.testing.assert_allclose(classifier.predict_proba(post_padded(ids)), expected, atol=1e-5)


def test_network_gives_the_same_at_any_width(classifier_and_ids):
    classifier, ids = classifier_and_ids
    expected = classifier.predict_proba(ids)
    # Rows padded on the left, on both sides and on the right, in one batch of a greater width.
    sides = [(6, 0), (2, 4), (0, 6)]
    widened = np.vstack([np.pad(ids, ((0, 0), side)) for side in sides])
    scores = classifier.to_keras().predict_on_batch(widened)
    np.testing.assert_allclose(scores, np.vstack([expected] * 3), atol=1e-5)


def test_document_vectors_are_what_the_dense_head_reads(classifier_and_ids):
    classifier, ids = classifier_and_ids
    vectors, weights = classifier.transform(ids), classifier.weights_
    assert vectors.shape == (len(ids), len(classifier.get_feature_names_out()))
    hidden = np.maximum(vectors @ weights["dense_1/kernel"] + weights["dense_1/bias"], 0)
    scores = hidden @ weights["output/kernel"] + weights["output/bias"]
    np.testing.assert_allclose(scores, classifier.decision_function(ids), atol=1e-5)


def test_a_row_of_padding_only_has_a_document_vector_of_zeros(classifier_and_ids):
    classifier, ids = classifier_and_ids
    vectors = classifier.transform(np.vstack([ids[:50], np.zeros_like(ids[:10])]))
    assert (vectors[50:] == 0).all()
    assert (vectors[:50] != 0).any(axis=1).all()


@pytest.mark.compiled
@pytest.mark.parametrize("pooling", ["attention", "concat", "flatten"])
def test_unmasked_padding_is_read_as_a_token(pooling):
    ids, y = make_ids()
    classifier = small_classifier(pooling=pooling, mask_padding=False, bidirectional=True, epochs=1)
    classifier.fit(ids, y)
    expected = reference_logits(ids, classifier).ravel()
    np.testing.assert_allclose(classifier.decision_function(ids), expected, atol=1e-5)
    moved = classifier.decision_function(post_padded(ids))
    assert not np.allclose(moved, expected, atol=1e-4)


@pytest.mark.compiled
def test_relu_network_agrees_with_the_numpy_reference():
    ids, y = make_ids()
    classifier = small_classifier(activation="relu", dense_units=(3, 4), dense_activation="tanh")
    classifier.fit(ids, y)
    expected = reference_logits(ids, classifier).ravel()
    np.testing.assert_allclose(classifier.decision_function(ids), expected, atol=1e-5)

"""Multilabel data: decision thresholds and class weights of both classifiers."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from conftest import PLAIN, make_ids, small_classifier
from custom_models import network_that_knows_places
from scipy.special import expit, logit
from sklearn.metrics import f1_score
from sklearn.utils import compute_sample_weight

from sklstm import KerasTextClassifier, LSTMTextClassifier
from sklstm._training.thresholds import choose_thresholds

KINDS = {
    LSTMTextClassifier: PLAIN
    | {"units": 4, "embedding_dim": 4, "learning_rate": 0.02, "threshold": "auto"},
    KerasTextClassifier: {
        "model": network_that_knows_places,
        "model__dim": 8,
        "optimizer__learning_rate": 0.02,
    },
}
BOTH = pytest.mark.parametrize("kind", KINDS)


def make(kind, **parameters):
    return kind(**(KINDS[kind] | {"epochs": 3, "random_state": 0} | parameters))


@pytest.fixture(scope="module")
def data():
    """Return documents, and labels of which one is rare."""
    ids, y = make_ids(n_documents=300, n_classes=3)
    return ids, np.stack([y == 0, y > 0, (y == 2) & (ids[:, -1] > 15)], axis=1).astype(int)


def best_f1(scores, is_positive):
    """Return the greatest F1 score of all thresholds, by trying each."""
    bounds = [*np.unique(scores), np.inf]
    return max(f1_score(is_positive, scores >= bound, zero_division=0) for bound in bounds)


@pytest.mark.parametrize("seed", range(5))
def test_the_common_threshold_has_the_best_micro_averaged_f1_score(seed, monkeypatch):
    monkeypatch.setattr("sklstm._training.thresholds._PRIOR_POSITIVES", 1e12)
    rng = np.random.default_rng(seed)
    scores = np.round(rng.normal(size=(40, 3)), 1).astype(np.float32)  # With equal scores.
    y = (scores + rng.normal(size=scores.shape) > 0.5).astype(int)
    thresholds = choose_thresholds(scores, y)
    assert np.ptp(thresholds) < 1e-6
    predicted = scores > logit(thresholds)
    assert f1_score(y, predicted, average="micro") == best_f1(scores.ravel(), y.ravel())


@pytest.mark.parametrize("seed", range(5))
def test_without_shrinkage_each_threshold_has_the_best_f1_score_of_its_label(seed, monkeypatch):
    monkeypatch.setattr("sklstm._training.thresholds._PRIOR_POSITIVES", 1e-9)
    rng = np.random.default_rng(seed)
    scores = np.round(rng.normal(size=(40, 3)), 1).astype(np.float32)
    y = (scores + rng.normal(size=scores.shape) > [0.5, -1.0, 1.0]).astype(int)
    predicted = scores > logit(choose_thresholds(scores, y))
    for label in range(3):
        found = f1_score(y[:, label], predicted[:, label])
        assert found == best_f1(scores[:, label], y[:, label])


def test_the_threshold_of_a_rare_label_is_close_to_the_common_one():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(1000, 2)).astype(np.float32)
    y = np.stack([scores[:, 0] > 0, np.zeros(1000)], axis=1)
    y[np.argsort(scores[:, 1])[-2:], 1] = 1
    common, rare = logit(choose_thresholds(scores, y))
    assert abs(rare - common) < 0.1
    assert choose_thresholds(scores, 0 * y).tolist() == [0.5, 0.5]


@BOTH
def test_thresholds_are_chosen_on_documents_that_are_left_out(kind, data):
    ids, y = data
    classifier = make(kind).fit(ids, y)
    assert classifier.thresholds_.shape == (3,)
    assert (classifier.thresholds_ != 0.5).all()
    expected = classifier.predict_proba(ids) > classifier.thresholds_
    np.testing.assert_array_equal(classifier.predict(ids), expected)
    plain = make(kind, threshold=0.5).fit(ids, y)
    np.testing.assert_array_equal(plain.predict_proba(ids), classifier.predict_proba(ids))
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(again.predict(ids), classifier.predict(ids))
    assert make(kind).fit(ids, y).thresholds_.tolist() == classifier.thresholds_.tolist()


@BOTH
def test_thresholds_are_those_of_the_validation_data(kind, data):
    ids, y = data
    classifier = make(kind).fit(ids[100:], y[100:], X_val=ids[:100], y_val=y[:100])
    expected = choose_thresholds(classifier.decision_function(ids[:100]), y[:100])
    np.testing.assert_allclose(classifier.thresholds_, expected, atol=1e-6)


@BOTH
def test_the_validation_score_is_that_of_the_final_thresholds(kind, data):
    ids, y = data
    parameters = {"early_stopping": True, "scoring": "f1_micro", "epochs": 4}
    classifier = make(kind, **parameters).fit(ids[100:], y[100:], X_val=ids[:100], y_val=y[:100])
    found = f1_score(y[:100], classifier.predict(ids[:100]), average="micro")
    assert found == pytest.approx(classifier.best_validation_score_)


@BOTH
def test_labels_are_predicted_although_their_probabilities_are_low(kind):
    # Each document has one of 20 labels, of which one token narrows the choice down to four.
    rng = np.random.default_rng(0)
    ids = rng.integers(2, 12, (800, 3))
    label = (ids[:, -1] % 5) * 4 + rng.integers(0, 4, 800)
    y = np.eye(20, dtype=int)[label]
    y[0] = 0  # One label for each document would be a warning.
    classifier = make(kind, epochs=20).fit(ids, y)
    assert (classifier.predict_proba(ids) > 0.5).mean() < 0.01
    n_predicted = classifier.predict(ids).sum(axis=1)
    assert 1 <= n_predicted.mean() <= 8


@BOTH
def test_a_threshold_can_be_given(kind, data):
    ids, y = data
    classifier = make(kind, threshold=[0.2, 0.5, 0.9], epochs=1).fit(ids, y)
    expected = classifier.predict_proba(ids) > [0.2, 0.5, 0.9]
    np.testing.assert_array_equal(classifier.predict(ids), expected)
    binary = make(kind, threshold=0.3, epochs=1).fit(ids, y[:, 0])
    expected = binary.predict_proba(ids)[:, 1] > 0.3
    np.testing.assert_array_equal(binary.predict(ids), expected)


@BOTH
@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        ([0.2, 0.5], r"threshold has shape \(2,\); .* one for each of the 3 labels"),
        ([0.2, 0.5, 1.5], r"threshold=\[0.2, 0.5, 1.5\] must be between 0 and 1"),
        (0.0, "The 'threshold' parameter"),
        ("best", "The 'threshold' parameter"),
    ],
)
def test_an_invalid_threshold_is_an_error(kind, threshold, message, data):
    with pytest.raises(ValueError, match=message):
        make(kind, threshold=threshold).fit(*data)


@BOTH
def test_thresholds_of_partial_fit_and_warm_start(kind, data):
    ids, y = data
    part = make(kind).partial_fit(ids, y)
    assert part.thresholds_.tolist() == [0.5] * 3
    classifier = make(kind, warm_start=True).fit(ids, y)
    thresholds = classifier.thresholds_
    assert classifier.fit(ids, y).thresholds_.tolist() == thresholds.tolist()
    assert make(kind).fit(ids[:40], y[:40]).thresholds_.tolist() == [0.5] * 3


def reference_loss(classifier, ids, y, label_weights):
    """Return the weighted binary cross-entropy, computed from the probabilities."""
    p = classifier.predict_proba(ids).astype(np.float64)
    losses = -np.where(y == 1, np.log(p), np.log(1 - p))
    return float((losses * label_weights).mean())


def balanced(y):
    columns = [compute_sample_weight("balanced", column) for column in y.T]
    return np.stack(columns, axis=1)


CLASS_WEIGHTS = {
    "balanced": ("balanced", balanced),
    "dict of labels": ({0: 1, 2: 5}, lambda y: np.where(y == 1, [1, 1, 5], 1)),
    "list of dicts": ([{0: 2, 1: 1}, {1: 3}, {}], lambda y: np.where(y == 1, [1, 3, 1], [2, 1, 1])),
}


@pytest.mark.parametrize("name", CLASS_WEIGHTS)
@pytest.mark.parametrize("ngrams", [0, 2])
def test_class_weights_are_weights_of_labels_in_the_loss(name, ngrams, data):
    ids, y = data
    class_weight, expected = CLASS_WEIGHTS[name]
    still = {"learning_rate": 1e-30, "epochs": 1, "class_weight": class_weight}
    classifier = small_classifier(**still).fit(ids, y, X_val=ids, y_val=y)
    loss = reference_loss(classifier, ids, y, expected(y))
    assert classifier.history_["loss"][0] == pytest.approx(loss, rel=1e-4)
    assert classifier.history_["val_loss"][0] == pytest.approx(
        reference_loss(classifier, ids, y, 1.0), rel=1e-4
    )
    assert small_classifier(class_weight=class_weight, ngrams=ngrams).fit(ids, y).n_iter_ == 2


def test_a_weight_raises_the_probability_of_its_label_only(data):
    ids, y = data
    means = [
        small_classifier(class_weight=weights, epochs=3, ngrams=ngrams)
        .fit(ids, y)
        .predict_proba(ids)
        .mean(axis=0)
        for ngrams in (0, 2)
        for weights in (None, {2: 20})
    ]
    for plain, weighted in (means[:2], means[2:]):
        assert weighted[2] > 1.5 * plain[2]
        np.testing.assert_allclose(weighted[:2], plain[:2], atol=0.1)


def test_the_split_of_early_stopping_keeps_label_weights(data):
    ids, y = data
    still = {"learning_rate": 1e-30, "epochs": 1, "class_weight": {2: 50}, "early_stopping": True}
    classifier = small_classifier(**still, validation_fraction=0.4).fit(ids, y)
    weighted, validation = classifier.history_["loss"][0], classifier.history_["val_loss"][0]
    assert validation == pytest.approx(weighted, rel=0.4)


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({3: 1.0}, r"class_weight has the labels \[3\], and y has the columns 0 to 2"),
        ([{0: 1, 1: 5}], "must have a dict of the weights of 0 and 1 for each of the 3 labels"),
        ([{0: 1, 2: 5}] * 3, "must have a dict of the weights of 0 and 1"),
        ({1: -1.0}, "class_weight has the weight -1.0"),
        ([{1: np.inf}] * 3, "class_weight has the weight inf"),
    ],
)
def test_invalid_class_weights_of_labels_are_an_error(class_weight, message, data):
    with pytest.raises(ValueError, match=message):
        small_classifier(class_weight=class_weight).fit(*data)


@BOTH
def test_a_list_of_class_weights_is_for_multilabel_data(kind, data):
    ids, y = data
    with pytest.raises(ValueError, match="class_weight is a list, which is for multilabel data"):
        make(kind, class_weight=[{0: 1, 1: 2}]).fit(ids, y[:, 0])


def test_a_custom_model_cannot_weigh_labels(data):
    with pytest.raises(ValueError, match="cannot weigh the labels of multilabel data"):
        make(KerasTextClassifier, class_weight="balanced").fit(*data)


def test_probabilities_are_those_of_the_logits(data):
    ids, y = data
    classifier = small_classifier(epochs=1).fit(ids, y)
    expected = expit(classifier.decision_function(ids))
    np.testing.assert_allclose(classifier.predict_proba(ids), expected, atol=1e-6)

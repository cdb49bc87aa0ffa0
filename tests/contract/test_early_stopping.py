"""Early stopping of both classifiers: what is monitored, what is kept, and when training stops."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import PLAIN, make_ids, small_classifier
from custom_models import network_that_knows_places
from sklearn.metrics import average_precision_score, f1_score, get_scorer, make_scorer

from sklstm import KerasTextClassifier, LSTMTextClassifier, TextSequencer, make_text_classifier
from sklstm._training.loop import _BestEpoch

KINDS = {
    LSTMTextClassifier: PLAIN | {"units": 4, "embedding_dim": 4, "learning_rate": 0.02},
    KerasTextClassifier: {
        "model": network_that_knows_places,
        "model__dim": 8,
        "optimizer__learning_rate": 0.02,
    },
}
NGRAMS = "ngrams/embeddings"
BOTH = pytest.mark.parametrize("kind", KINDS)
STOPPING = {"early_stopping": True, "epochs": 12, "n_iter_no_change": 12, "random_state": 0}


def make(kind, **parameters):
    return kind(**(KINDS[kind] | STOPPING | parameters))


def rare_class(n_documents=1000, fraction=0.04, seed=0):
    """Return texts of which a few have the word "refund", which decides their class."""
    rng = np.random.default_rng(seed)
    words = np.array([f"word{i}" for i in range(300)])
    y = (rng.random(n_documents) < fraction).astype(int)
    texts = [" ".join(rng.choice(words, 8)) for _ in y]
    return [
        f"{text} refund please" if label else text for text, label in zip(texts, y, strict=True)
    ], y


@pytest.fixture(scope="module")
def data():
    texts, y = rare_class(400, 0.2)
    return TextSequencer().fit_transform(texts), y


def test_early_stopping_does_not_stop_while_the_rare_class_is_never_predicted():
    texts, y = rare_class()
    stopped = make_text_classifier("fast", early_stopping=True, epochs=30, random_state=0)
    stopped.fit(texts[:800], y[:800])
    assert f1_score(y[800:], stopped.predict(texts[800:])) >= 0.95


@BOTH
def test_the_network_alone_learns_the_rare_class_with_early_stopping(kind):
    texts, y = rare_class()
    ids = TextSequencer().fit_transform(texts)
    classifier = make(kind, epochs=30, n_iter_no_change=3, batch_size=32).fit(ids[:800], y[:800])
    assert f1_score(y[800:], classifier.predict(ids[800:])) >= 0.95


@BOTH
def test_the_default_score_is_the_negative_validation_loss(kind, data):
    classifier = make(kind).fit(*data)
    losses = classifier.history_["val_loss"]
    assert classifier.best_validation_score_ == -min(losses)
    assert classifier.best_epoch_ == int(np.argmin(losses)) + 1
    assert "val_score" not in classifier.history_


@BOTH
@pytest.mark.parametrize("scoring", ["average_precision", "f1", "neg_log_loss"])
def test_the_score_is_that_of_scikit_learn_on_the_validation_data(kind, scoring, data):
    ids, y = data
    parameters = {"scoring": scoring, "epochs": 3}
    classifier = make(kind, **parameters).fit(ids[80:], y[80:], X_val=ids[:80], y_val=y[:80])
    scores = classifier.history_["val_score"]
    assert classifier.best_validation_score_ == max(scores)
    found = get_scorer(scoring)(classifier, ids[:80], y[:80])
    assert found == pytest.approx(max(scores), abs=1e-6)


@BOTH
def test_scoring_may_be_a_function_and_labels_may_be_strings(kind, data):
    ids, y = data
    labels = np.where(y == 1, "yes", "no")
    seen = []

    def scorer(classifier, X, y_true):
        seen.append((len(X), set(y_true)))
        return average_precision_score(y_true == "yes", classifier.decision_function(X))

    classifier = make(kind, scoring=scorer, epochs=2).fit(ids, labels)
    assert seen == [(40, {"yes", "no"})] * 2
    assert classifier.best_validation_score_ == max(classifier.history_["val_score"])
    by_name = make(kind, scoring=make_scorer(f1_score, pos_label="yes"), epochs=2)
    assert len(by_name.fit(ids, labels).history_["val_score"]) == 2


@BOTH
def test_the_score_uses_the_sample_weights_of_the_validation_data(kind, data):
    ids, y = data
    weights = np.where(y == 1, 5.0, 1.0)
    seen = []

    def scorer(classifier, X, y_true, sample_weight=None):
        seen.append(sample_weight)
        return 1.0

    make(kind, scoring=scorer, epochs=1).fit(ids, y, sample_weight=weights)
    make(kind, scoring=scorer, epochs=1).fit(ids, y)
    assert set(seen[0]) == {1.0, 5.0}
    assert seen[1] is None


@BOTH
def test_validation_documents_of_weight_zero_are_not_scored(kind, data):
    ids, y = data
    weights = (np.arange(len(y)) % 2).astype(float)
    seen = []

    def scorer(classifier, X, y_true, sample_weight):
        seen.append((len(y_true), len(classifier.predict(X)), set(sample_weight)))
        return 0.0

    make(kind, scoring=scorer, epochs=1).fit(ids, y, sample_weight=weights)
    ((n_labels, n_predicted, weights_seen),) = seen
    assert n_labels == n_predicted < 40
    assert weights_seen == {1.0}


@BOTH
def test_a_score_that_is_not_a_number_is_an_error(kind, data):
    with pytest.raises(ValueError, match="gives nan on the validation data"):
        make(kind, scoring=lambda *_: np.nan).fit(*data)
    with pytest.raises(ValueError, match="The 'scoring' parameter"):
        make(kind, scoring="no score").fit(*data)


@BOTH
def test_a_validation_set_with_few_documents_of_a_class_warns(kind):
    texts, y = rare_class(200, 0.1)
    ids = TextSequencer().fit_transform(texts)
    with pytest.warns(UserWarning, match=r"fewer than 5 documents of some classes: 1 \(2\)"):
        make(kind, epochs=1).fit(ids, y)


@BOTH
def test_rare_labels_of_multilabel_data_are_in_both_parts(kind):
    rng = np.random.default_rng(0)
    ids = rng.integers(2, 40, (300, 6))
    y = np.zeros((300, 4), int)
    y[:, 0] = rng.random(300) < 0.5
    y[:6, 3] = 1
    y[6:40, 2] = 1
    seen = []

    def scorer(classifier, X, y_true):
        seen.append(y_true.sum(axis=0))
        return 0.0

    with pytest.warns(UserWarning, match="documents of some classes"):
        make(kind, scoring=scorer, epochs=1, validation_fraction=0.2).fit(ids, y)
    assert seen[0][3] in (1, 2)
    assert seen[0][2] in (6, 7)


class Recorder:
    """A network whose weights are the number of calls."""

    def __init__(self):
        self.epoch = 0

    def weights(self):
        return {"epoch": self.epoch}


def run_epochs(epochs, tol=0.1):
    """Return the best epoch, and the number of epochs without improvement after each epoch."""
    best, network, waiting = _BestEpoch(tol), Recorder(), []
    for score, loss in epochs:
        network.epoch += 1
        best.update(score, loss, network)
        waiting.append(best.n_without_improvement)
    assert best.weights == {"epoch": best.epoch}
    return best, waiting


def test_a_gain_below_tol_is_kept_but_does_not_count():
    best, waiting = run_epochs([(0.5, 1.0), (0.55, 1.0), (0.58, 1.0), (0.7, 1.0)])
    assert waiting == [0, 1, 2, 0]
    assert (best.epoch, best.score) == (4, 0.7)
    best, waiting = run_epochs([(0.5, 1.0), (0.55, 1.0), (0.54, 1.0)])
    assert waiting == [0, 1, 2]
    assert (best.epoch, best.score) == (2, 0.55)


def test_equal_scores_are_compared_by_the_loss():
    best, waiting = run_epochs([(0.0, 1.0), (0.0, 0.8), (0.0, 0.75), (0.0, 0.9), (0.0, 0.6)])
    assert waiting == [0, 0, 1, 2, 0]
    assert (best.epoch, best.loss) == (5, 0.6)
    best, waiting = run_epochs([(0.0, 1.0), (0.0, 1.0)], tol=0.0)
    assert waiting == [0, 1]
    assert best.epoch == 1


def test_a_better_score_wins_in_spite_of_a_greater_loss():
    best, waiting = run_epochs([(0.5, 0.4), (0.8, 0.9), (0.8, 1.0)])
    assert waiting == [0, 0, 1]
    assert (best.epoch, best.score, best.loss) == (2, 0.8, 0.9)


@pytest.mark.parametrize("with_vectors", [False, True])
@pytest.mark.parametrize("kind_of_labels", ["classes", "labels"])
def test_the_final_linear_model_is_fitted_to_all_documents(kind_of_labels, with_vectors):
    # All words are in the training part.
    ids, y = make_ids(n_documents=400)
    weights = np.where(np.arange(len(y)) % 3, 1.0, 2.0)
    y = y if kind_of_labels == "classes" else np.stack([y, ids[:, -1] % 2, 1 - y], axis=1)
    vectors = "cooccurrence" if with_vectors else None
    parameters = {"ngrams": 2, "ngram_buckets": 4096, "epochs": 2, "embedding_weights": vectors}
    stopped = small_classifier(**parameters, early_stopping=True).fit(ids, y, weights)
    every = small_classifier(**parameters).fit(ids, y, weights)
    part = small_classifier(**parameters).fit(ids[:-40], y[:-40], weights[:-40])
    if not with_vectors:
        np.testing.assert_allclose(stopped.weights_[NGRAMS], every.weights_[NGRAMS], atol=1e-3)
    assert np.abs(stopped.weights_[NGRAMS] - part.weights_[NGRAMS]).max() > 0.01
    assert np.isfinite(stopped.decision_function(ids)).all()


def test_the_linear_model_is_not_fitted_to_validation_data_of_the_user(data):
    ids, y = data
    parameters = {"ngrams": 2, "ngram_buckets": 4096, "epochs": 2}
    stopped = small_classifier(**parameters, early_stopping=True)
    stopped.fit(ids[80:], y[80:], X_val=ids[:80], y_val=y[:80])
    part = small_classifier(**parameters).fit(ids[80:], y[80:])
    np.testing.assert_array_equal(stopped.weights_[NGRAMS], part.weights_[NGRAMS])

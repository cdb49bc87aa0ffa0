"""Initial weights, probabilities, and reuse of compiled networks."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from conftest import assert_same_weights, make_ids, small_classifier
from scipy.special import softmax
from sklearn.metrics import accuracy_score, log_loss

from sklstm._network import pool
from sklstm._network.network import Network
from sklstm._network.spec import (
    NetworkSpec,
    TrainingSpec,
    initial_weights,
    padded_size,
    probabilities,
)
from sklstm._training import data

IDS, Y = make_ids()


@pytest.fixture(scope="module")
def weights():
    spec = NetworkSpec(500, 3, "softmax", units=(40,), embedding_dim=30, dense_units=(50,))
    return initial_weights(Network(spec).weight_shapes, np.random.default_rng(0))


def test_kernels_start_glorot_uniform(weights):
    for name in ("lstm_1/kernel", "dense_1/kernel"):
        limit = np.sqrt(6 / sum(weights[name].shape))
        assert 0.98 * limit < np.abs(weights[name]).max() <= limit
        assert weights[name].std() == pytest.approx(limit / np.sqrt(3), rel=0.05)


def test_recurrent_kernels_start_orthogonal(weights):
    kernel = weights["lstm_1/recurrent_kernel"]
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(40), atol=1e-5)


def test_biases_start_at_zero_but_for_the_forget_gate(weights):
    np.testing.assert_array_equal(
        weights["lstm_1/bias"].reshape(4, 40), np.array([0, 1, 0, 0])[:, None] * np.ones((1, 40))
    )
    assert not weights["dense_1/bias"].any()
    assert not weights["output/bias"].any()


def test_embeddings_start_uniform(weights):
    embeddings = weights["embedding/embeddings"]
    assert embeddings.min() == pytest.approx(-0.05, abs=1e-3)
    assert embeddings.max() == pytest.approx(0.05, abs=1e-3)
    assert {weight.dtype for weight in weights.values()} == {np.dtype(np.float32)}


def test_initial_values_have_the_spread_of_keras():
    from sklstm._runtime import keras

    drawn = initial_weights({"lstm_1/recurrent_kernel": (60, 240)}, np.random.default_rng(0))
    stock = keras.initializers.Orthogonal(seed=0)((60, 240))
    ours = np.sort(drawn["lstm_1/recurrent_kernel"].ravel())
    theirs = np.sort(keras.ops.convert_to_numpy(stock).ravel())
    np.testing.assert_allclose(ours[::100], theirs[::100], atol=0.02)


def test_a_weight_of_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="'lstm_1/peephole'"):
        initial_weights({"lstm_1/peephole": (3,)}, np.random.default_rng(0))


LOGITS = np.random.default_rng(0).normal(0, 3, (50, 3)).astype(np.float32)
CODES = np.random.default_rng(1).integers(0, 3, 50)
WEIGHTS = np.random.default_rng(2).uniform(0, 2, 50).astype(np.float32)


def test_softmax_scores_agree_with_scikit_learn():
    targets = np.eye(3, dtype=np.float32)[CODES]
    proba = probabilities(LOGITS, "softmax")
    np.testing.assert_allclose(proba, softmax(LOGITS, axis=1), rtol=1e-6)
    loss = data.mean_loss(LOGITS, targets, WEIGHTS, "softmax")
    assert loss == pytest.approx(log_loss(CODES, proba, sample_weight=WEIGHTS), rel=1e-5)
    right = data.accuracy(LOGITS, targets, WEIGHTS, "softmax")
    expected = accuracy_score(CODES, LOGITS.argmax(axis=1), sample_weight=WEIGHTS)
    assert right == pytest.approx(expected)


def test_sigmoid_scores_agree_with_scikit_learn():
    targets = (LOGITS + np.random.default_rng(3).normal(0, 3, LOGITS.shape) > 0).astype(np.float32)
    proba = probabilities(LOGITS, "sigmoid")
    losses = [log_loss(targets[:, k], proba[:, k], sample_weight=WEIGHTS) for k in range(3)]
    loss = data.mean_loss(LOGITS, targets, WEIGHTS, "sigmoid")
    assert loss == pytest.approx(np.mean(losses), rel=1e-5)
    right = data.accuracy(LOGITS, targets, WEIGHTS, "sigmoid")
    expected = accuracy_score(targets, LOGITS > 0, sample_weight=WEIGHTS)
    assert right == pytest.approx(expected)


def test_loss_of_a_certain_mistake_is_finite():
    logits, targets = np.array([[200.0]], np.float32), np.zeros((1, 1), np.float32)
    assert data.mean_loss(logits, targets, np.ones(1, np.float32), "sigmoid") == 200


@pytest.fixture
def empty_pool(monkeypatch):
    monkeypatch.setattr(pool, "_idle", [])


SPEC = NetworkSpec(20, 1, "sigmoid", units=(4,), embedding_dim=3)


def lent_for_training(spec=SPEC):
    return pool.acquire_network(spec, TrainingSpec())


def test_a_network_is_lent_to_one_user_at_a_time_and_then_again(empty_pool):
    with lent_for_training() as one, lent_for_training() as other:
        assert one is not other
    with lent_for_training() as again:
        assert again in (one, other)
    with lent_for_training(NetworkSpec(40, 1, "sigmoid")) as different:
        assert different not in (one, other)


def test_a_network_for_scoring_is_lent_to_several_users_at_once(empty_pool):
    with pool.acquire_network(SPEC) as one, pool.acquire_network(SPEC) as other:
        assert (one is other) == one.is_thread_safe


def test_a_network_compiled_for_the_same_training_is_preferred(empty_pool):
    adam, sgd = TrainingSpec("adam"), TrainingSpec("sgd")
    with lent_for_training() as one, lent_for_training() as other:
        one.prepare_training(adam, 1e-3, 0)
        other.prepare_training(sgd, 1e-3, 0)
    for training_spec, network in [(adam, one), (sgd, other), (adam, one)]:
        with pool.acquire_network(SPEC, training_spec) as lent:
            assert lent is network


def test_a_network_that_failed_is_not_lent_again(empty_pool):
    def fail():
        with lent_for_training():
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert pool._idle == []


def test_the_number_of_idle_networks_is_bounded(empty_pool):
    n_rows = padded_size(20)
    specs = [NetworkSpec(n_rows, 1, "sigmoid", units=(2,), embedding_dim=2 + i) for i in range(10)]
    for spec in specs:
        with lent_for_training(spec):
            pass
    assert [network.spec for network in pool._idle] == specs[-pool.MAX_IDLE :]


@pytest.mark.parametrize("optimizer", ["adam", "adagrad", "nadam"])
def test_a_network_used_again_trains_as_a_fresh_one_to_the_bit(empty_pool, optimizer):
    parameters = {"optimizer": optimizer, "dropout": 0.3, "input_dropout": 0.2}
    fresh = small_classifier(**parameters).fit(IDS, Y)
    (network,) = pool._idle
    small_classifier(**parameters, random_state=5, learning_rate=0.5).fit(IDS[::-1], Y)
    again = small_classifier(**parameters).fit(IDS, Y)
    assert pool._idle == [network]
    assert_same_weights(again.weights_, fresh.weights_)
    assert again.history_ == fresh.history_


def test_threads_that_fit_and_predict_at_once_get_the_right_scores():
    seeds = [0, 1]
    alone = {seed: small_classifier(random_state=seed).fit(IDS, Y) for seed in seeds}
    expected = {seed: alone[seed].predict_proba(IDS) for seed in seeds}
    found = {}

    def work(seed):
        fitted = small_classifier(random_state=seed).fit(IDS, Y)
        found[seed] = [fitted.predict_proba(IDS)]
        found[seed] += [alone[seed].predict_proba(IDS) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(seed,)) for seed in seeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in seeds:
        for scored in found[seed]:
            np.testing.assert_array_equal(scored, expected[seed])

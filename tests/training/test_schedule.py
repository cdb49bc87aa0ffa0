"""Number of epochs and learning rate schedule."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import assert_same_weights, make_ids, small_classifier

from sklstm._runtime import keras
from sklstm._training.loop import auto_epochs, one_cycle

IDS, Y = make_ids(n_documents=60)


class Rates(keras.callbacks.Callback):
    """Notes the learning rate of each step."""

    def __init__(self):
        super().__init__()
        self.rates = []

    def on_train_batch_begin(self, batch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))


def test_rate_rises_to_its_peak_and_falls_to_nothing():
    factors = np.array([one_cycle(x) for x in np.linspace(0, 1, 101)])
    assert factors[[0, 25, 100]].tolist() == pytest.approx([0.04, 1.0, 0.001])
    assert (np.diff(factors[:26]) > 0).all()
    assert (np.diff(factors[25:]) < 0).all()


def test_one_cycle_sets_the_rate_of_each_step():
    parameters = {"learning_rate": 0.5, "learning_rate_schedule": "one_cycle", "batch_size": 15}
    noted = Rates()
    watched = small_classifier(callbacks=[noted], epochs=2, **parameters).fit(IDS, Y)
    expected = [0.5 * one_cycle(i / 8) for i in range(8)]
    np.testing.assert_allclose(noted.rates, expected, rtol=1e-6)
    # Without a callback, steps are computed ahead; the rates must be the same.
    alone = small_classifier(epochs=2, **parameters).fit(IDS, Y)
    assert_same_weights(alone.weights_, watched.weights_)
    constant = small_classifier(learning_rate=0.5, batch_size=15, epochs=2).fit(IDS, Y)
    moved = alone.weights_["output/kernel"] - constant.weights_["output/kernel"]
    assert np.abs(moved).max() > 1e-3


def test_a_fit_after_one_cycle_has_its_own_rate():
    parameters = {"epochs": 1, "learning_rate": 0.1}
    fresh = small_classifier(**parameters).fit(IDS, Y)
    small_classifier(learning_rate_schedule="one_cycle", **parameters).fit(IDS, Y)
    assert_same_weights(small_classifier(**parameters).fit(IDS, Y).weights_, fresh.weights_)


def test_partial_fit_has_a_constant_rate():
    cycled = small_classifier(learning_rate_schedule="one_cycle").partial_fit(
        IDS, Y, classes=[0, 1]
    )
    constant = small_classifier().partial_fit(IDS, Y, classes=[0, 1])
    assert_same_weights(cycled.weights_, constant.weights_)


def test_epochs_follow_from_the_numbers_of_documents_and_outputs():
    assert auto_epochs(25_000, 64, 1, 40) == 3
    assert auto_epochs(5_120, 64, 1, 20) == 5
    assert auto_epochs(5_120, 64, 8, 20) == 5
    assert auto_epochs(5_120, 64, 16, 20) == 10
    assert auto_epochs(25_000, 64, 32, 20) == 4
    assert auto_epochs(100, 64, 1, 40) == 40
    assert auto_epochs(100, 64, 1, 20) == 20
    assert small_classifier(epochs="auto").fit(IDS, Y).n_iter_ == 20
    assert small_classifier(epochs="auto").partial_fit(IDS, Y, classes=[0, 1]).n_iter_ == 1


@pytest.mark.parametrize(
    ("embedding_weights", "width", "expected"),
    [("cooccurrence", 100, 40), ("cooccurrence", 101, 20), (None, 100, 20)],
)
def test_few_short_documents_with_vectors_are_passed_more_often(
    monkeypatch, embedding_weights, width, expected
):
    ids = np.random.default_rng(0).integers(2, 9, (4, width))
    classifier = small_classifier(epochs="auto", embedding_weights=embedding_weights, units=1)
    assert classifier.fit(ids, [0, 1, 0, 1]).n_iter_ == expected

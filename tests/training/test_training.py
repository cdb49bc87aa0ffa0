"""Training: early stopping, callbacks, averaged weights, warm start."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from conftest import assert_same_weights, make_ids, small_classifier
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split

from sklstm._network.spec import ACTIVATIONS, OPTIMIZERS

IDS, Y = make_ids(n_documents=80)
TRAIN_IDS, VAL_IDS, TRAIN_Y, VAL_Y = train_test_split(IDS, Y, stratify=Y, random_state=0)


def test_validation_documents_are_scored_after_each_epoch():
    classifier = small_classifier().fit(TRAIN_IDS, TRAIN_Y, X_val=VAL_IDS, y_val=VAL_Y)
    assert list(classifier.history_) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert classifier.loss_curve_ == classifier.history_["loss"]
    assert {len(values) for values in classifier.history_.values()} == {classifier.n_iter_} == {2}
    last_loss, last_accuracy = (classifier.history_[f"val_{n}"][-1] for n in ("loss", "accuracy"))
    expected = log_loss(VAL_Y, classifier.predict_proba(VAL_IDS))
    assert last_loss == pytest.approx(expected, rel=1e-5)
    assert last_accuracy == accuracy_score(VAL_Y, classifier.predict(VAL_IDS))


def test_validation_documents_do_not_change_training():
    alone = small_classifier().fit(TRAIN_IDS, TRAIN_Y)
    watched = small_classifier().fit(TRAIN_IDS, TRAIN_Y, X_val=VAL_IDS, y_val=VAL_Y)
    assert_same_weights(alone.weights_, watched.weights_)
    assert "val_loss" not in alone.history_


def test_early_stopping_keeps_the_weights_of_the_best_epoch():
    classifier = small_classifier(
        epochs=30, early_stopping=True, n_iter_no_change=4, tol=0.0, learning_rate=0.2
    )
    classifier.fit(TRAIN_IDS, TRAIN_Y, X_val=VAL_IDS, y_val=VAL_Y)
    losses = classifier.history_["val_loss"]
    found = log_loss(VAL_Y, classifier.predict_proba(VAL_IDS))
    assert classifier.best_validation_score_ == -min(losses) == pytest.approx(-found, rel=1e-5)
    best_epoch = int(np.argmin(losses)) + 1
    assert classifier.best_epoch_ == best_epoch
    assert classifier.n_iter_ == best_epoch + 4 < 30
    shorter = small_classifier(epochs=best_epoch, learning_rate=0.2).fit(TRAIN_IDS, TRAIN_Y)
    assert_same_weights(classifier.weights_, shorter.weights_)


def test_early_stopping_sets_a_stratified_share_aside():
    from sklstm._training.data import split_off_validation

    y = np.array([0] * 90 + [1] * 10)
    train, validation = split_off_validation(y, 0.1, seed=0)
    assert np.bincount(y[validation]).tolist() == [9, 1]
    assert sorted([*train, *validation]) == list(range(100))
    np.testing.assert_array_equal(validation, split_off_validation(y, 0.1, seed=0)[1])
    classifier = small_classifier(early_stopping=True, scoring="accuracy").fit(IDS, Y)
    n_correct = classifier.best_validation_score_ * 8
    assert n_correct == pytest.approx(round(n_correct))


def test_without_early_stopping_there_is_no_best_score():
    classifier = small_classifier(early_stopping=True, epochs=1).fit(IDS, Y)
    assert {"best_validation_score_", "best_epoch_"} <= vars(classifier).keys()
    classifier.set_params(early_stopping=False).fit(IDS, Y)
    assert not {"best_validation_score_", "best_epoch_"} & vars(classifier).keys()


def test_early_stopping_works_with_multilabel_data():
    y = np.column_stack([Y, Y])
    parameters = {"early_stopping": True, "validation_fraction": 0.2, "scoring": "accuracy"}
    classifier = small_classifier(**parameters).fit(IDS, y)
    n_correct = classifier.best_validation_score_ * 16
    assert n_correct == pytest.approx(round(n_correct))


def test_average_weights_are_the_mean_over_the_steps_of_the_last_epoch():
    from sklstm._runtime import keras

    seen = []
    epochs = []
    watcher = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: epochs.append(epoch),
        on_train_batch_end=lambda batch, logs: seen.append(
            (len(epochs), keras.ops.convert_to_numpy(watcher.model.get_layer("output").kernel))
        ),
    )
    classifier = small_classifier(average_weights=True, batch_size=16, callbacks=[watcher])
    classifier.fit(IDS, Y)
    last = [kernel for epoch, kernel in seen if epoch == 2]
    assert len(last) == 5
    np.testing.assert_allclose(
        classifier.weights_["output/kernel"], np.mean(last, axis=0), rtol=1e-5
    )
    plain = small_classifier(batch_size=16).fit(IDS, Y)
    np.testing.assert_allclose(last[-1], plain.weights_["output/kernel"], rtol=1e-6)
    unwatched = small_classifier(average_weights=True, batch_size=16).fit(IDS, Y)
    for name, weight in classifier.weights_.items():
        np.testing.assert_array_equal(unwatched.weights_[name], weight)


def test_keras_callbacks_are_called_with_the_history():
    from sklstm._runtime import keras

    class Recorder(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.events, self.logs = [], []

        def on_train_begin(self, logs=None):
            self.events.append(f"train of {self.params['epochs']} x {self.params['steps']}")

        def on_epoch_begin(self, epoch, logs=None):
            self.events.append(f"epoch {epoch}")

        def on_train_batch_end(self, batch, logs=None):
            self.events.append(f"batch {batch}")

        def on_epoch_end(self, epoch, logs=None):
            self.logs.append(dict(logs))

        def on_train_end(self, logs=None):
            self.events.append("end")

    recorder = Recorder()
    classifier = small_classifier(callbacks=[recorder]).fit(
        TRAIN_IDS, TRAIN_Y, X_val=VAL_IDS, y_val=VAL_Y
    )
    epoch = ["batch 0", "batch 1"]
    assert recorder.events == [
        "train of 2 x 2", "epoch 0", *epoch, "epoch 1", *epoch, "end"
    ]  # fmt: skip
    assert {n: [logs[n] for logs in recorder.logs] for n in recorder.logs[0]} == (
        classifier.history_
    )
    assert recorder.model is None
    pickle.dumps(classifier.history_)


def test_a_callback_can_stop_training_and_restore_weights():
    from sklstm._runtime import keras

    stopping = keras.callbacks.EarlyStopping(
        "val_loss", patience=1, restore_best_weights=True, min_delta=10.0
    )
    classifier = small_classifier(callbacks=[stopping], epochs=9)
    classifier.fit(TRAIN_IDS, TRAIN_Y, X_val=VAL_IDS, y_val=VAL_Y)
    assert classifier.n_iter_ == 2
    first = small_classifier(epochs=1).fit(TRAIN_IDS, TRAIN_Y)
    assert_same_weights(classifier.weights_, first.weights_)


def test_a_callback_can_change_the_learning_rate():
    from sklstm._runtime import keras

    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.0 if epoch else rate)
    scheduled = small_classifier(callbacks=[schedule], epochs=3).fit(IDS, Y)
    first = small_classifier(epochs=1).fit(IDS, Y)
    assert_same_weights(scheduled.weights_, first.weights_)
    # The network of a callback is not used again.
    assert_same_weights(small_classifier(epochs=1).fit(IDS, Y).weights_, first.weights_)


def test_warm_start_resumes_from_the_weights():
    classifier = small_classifier(warm_start=True, epochs=3).fit(IDS, Y)
    first = classifier.history_["loss"]
    classifier.fit(IDS, Y)
    assert classifier.n_iter_ == 3
    assert classifier.history_["loss"][-1] < first[-1]
    assert small_classifier(epochs=3).fit(IDS, Y).history_["loss"] == first


def test_without_warm_start_fit_starts_anew():
    classifier = small_classifier().fit(IDS, Y)
    weights = classifier.weights_
    assert_same_weights(classifier.fit(IDS, Y).weights_, weights)


def test_warm_start_refuses_another_network():
    classifier = small_classifier(warm_start=True, epochs=1).fit(IDS, Y)
    weights = classifier.weights_
    with pytest.raises(
        ValueError, match=r"units is \(5,\), but the fitted weights were trained with \(4,\)"
    ):
        classifier.set_params(units=5).fit(IDS, Y)
    assert classifier.weights_ is weights


def test_partial_fit_is_one_epoch_and_resumes_with_the_optimizer():
    chunks = [slice(0, 40), slice(40, 80)]
    classifier = small_classifier(vocab_size=20)
    for number, chunk in enumerate(chunks * 15):
        classifier.partial_fit(IDS[chunk], Y[chunk], classes=[0, 1] if number == 0 else None)
        assert classifier.n_iter_ == 1
    assert classifier.score(IDS, Y) > 0.9
    steps = [
        a for a in classifier._optimizer_state["values"] if a.ndim == 0 and a.dtype.kind == "i"
    ]
    assert steps[0] == 60


def test_partial_fit_may_see_classes_and_ids_later():
    late = IDS.copy()
    late[:, -1] = 19
    classifier = small_classifier(vocab_size=20)
    classifier.partial_fit(np.where(IDS == 19, 2, IDS)[Y == 0], Y[Y == 0], classes=[0, 1])
    unknown = classifier.weights_["embedding/embeddings"][1]
    np.testing.assert_array_equal(classifier.weights_["embedding/embeddings"][19], unknown)
    classifier.partial_fit(late, Y)
    embeddings = classifier.weights_["embedding/embeddings"]
    assert (embeddings[19] != embeddings[1]).any()
    assert classifier.predict_proba(IDS).shape == (80, 2)


def test_going_on_leaves_the_earlier_weights_as_they_were():
    classifier = small_classifier(vocab_size=20).partial_fit(IDS, Y, classes=[0, 1])
    earlier = classifier.weights_
    copies = {name: weight.copy() for name, weight in earlier.items()}
    classifier.partial_fit(IDS, Y)
    assert_same_weights(earlier, copies)
    assert (classifier.weights_["output/kernel"] != earlier["output/kernel"]).all()


def test_partial_fit_accepts_multilabel_data():
    y = np.column_stack([Y, 1 - Y, np.ones_like(Y)])
    classifier = small_classifier().partial_fit(IDS, y).partial_fit(IDS, y)
    assert classifier.predict(IDS).shape == y.shape


def test_fit_after_partial_fit_starts_anew():
    classifier = small_classifier(vocab_size=20).partial_fit(IDS, Y, classes=[0, 1])
    fresh = small_classifier(vocab_size=20).fit(IDS, Y)
    assert_same_weights(classifier.fit(IDS, Y).weights_, fresh.weights_)
    assert classifier._optimizer_state is None


def test_partial_fit_with_another_optimizer_starts_its_state_anew():
    classifier = small_classifier(vocab_size=20).partial_fit(IDS, Y, classes=[0, 1])
    classifier.set_params(optimizer="sgd").partial_fit(IDS, Y)
    assert np.isfinite(classifier.weights_["output/kernel"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_every_optimizer_learns(optimizer):
    rates = {"adadelta": 20.0, "adafactor": 0.1, "adagrad": 0.3, "ftrl": 5.0, "sgd": 1.0}
    classifier = small_classifier(
        optimizer=optimizer, epochs=30, learning_rate=rates.get(optimizer, 0.02), weight_decay=1e-4
    ).fit(IDS, Y)
    assert classifier.loss_curve_[-1] < 0.5 * classifier.loss_curve_[0]


def test_names_of_optimizers_and_activations_are_known_to_keras():
    from sklstm._runtime import keras

    assert {keras.optimizers.get(name).__class__.__name__.lower() for name in OPTIMIZERS} == (
        OPTIMIZERS.keys()
    )
    assert all(callable(keras.activations.get(name)) for name in ACTIVATIONS)


def test_weight_decay_shrinks_weights_but_not_biases():
    plain = small_classifier(optimizer="sgd", learning_rate=1e-3, epochs=1, batch_size=100)
    decayed = small_classifier(
        optimizer="sgd", learning_rate=1e-3, epochs=1, batch_size=100, weight_decay=0.5
    )
    plain.fit(IDS, Y)
    decayed.fit(IDS, Y)
    for name, weight in plain.weights_.items():
        if name == "embedding/embeddings":
            continue
        moved = decayed.weights_[name] - weight
        expected = 0 if name.endswith("bias") else -0.5e-3 * weight
        np.testing.assert_allclose(moved, expected, atol=2e-6)


def test_label_smoothing_keeps_scores_small():
    plain = small_classifier(epochs=20).fit(IDS, Y).decision_function(IDS)
    smoothed = small_classifier(epochs=20, label_smoothing=0.4).fit(IDS, Y)
    assert np.abs(smoothed.decision_function(IDS)).max() < np.abs(plain).max()
    # With a share s spread over two classes the best probability is 1 - s / 2.
    long = small_classifier(epochs=150, label_smoothing=0.4).fit(IDS, Y)
    right = long.predict_proba(IDS)[np.arange(len(Y)), Y]
    assert np.median(right) == pytest.approx(0.8, abs=0.05)


def test_clipnorm_bounds_the_step_of_each_weight():
    clipped = small_classifier(
        optimizer="sgd", learning_rate=1.0, clipnorm=1e-3, epochs=1, batch_size=100
    ).fit(IDS, Y)
    start = small_classifier(
        optimizer="sgd", learning_rate=1e-12, clipnorm=None, epochs=1, batch_size=100
    ).fit(IDS, Y)
    for name in ("output/kernel", "lstm_1/kernel", "lstm_1/recurrent_kernel"):
        step = np.linalg.norm(clipped.weights_[name] - start.weights_[name])
        assert 0 < step <= 1.01e-3


@pytest.mark.parametrize(
    "name", ["embedding_dropout", "input_dropout", "recurrent_dropout", "dropout", "dense_dropout"]
)
def test_dropout_acts_in_training_only(name):
    parameters = {"dense_units": 6, "epochs": 1}
    plain = small_classifier(**parameters).fit(IDS, Y)
    dropped = small_classifier(**parameters, **{name: 0.5}).fit(IDS, Y)
    assert dropped.history_["loss"] != plain.history_["loss"]
    again = dropped.predict_proba(IDS)
    np.testing.assert_array_equal(dropped.predict_proba(IDS), again)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_a_loss_that_becomes_infinite_is_an_error_and_the_classifier_stays():
    classifier = small_classifier(activation="relu", clipnorm=None).fit(IDS, Y)
    weights = classifier.weights_
    with pytest.raises(ValueError, match=r"loss became (nan|inf).*learning_rate"):
        classifier.set_params(learning_rate=1e12, optimizer="sgd", epochs=50).fit(IDS, Y)
    assert classifier.weights_ is weights
    with pytest.raises(ValueError, match=r"learning_rate=1e\+39 is too large for float32"):
        small_classifier(learning_rate=1e39).fit(IDS, Y)
    unfitted = small_classifier(
        activation="relu", clipnorm=None, learning_rate=1e12, optimizer="sgd", epochs=50
    )
    with pytest.raises(ValueError, match="loss became"):
        unfitted.fit(IDS, Y)
    assert not hasattr(unfitted, "weights_")
    assert not hasattr(unfitted, "n_features_in_")


def test_weights_that_become_infinite_in_the_last_step_are_an_error():
    large = np.random.default_rng(0).normal(0, 100, (20, 3))
    classifier = small_classifier(
        embedding_weights=large,
        activation="linear",
        optimizer="sgd",
        learning_rate=3e38,
        clipnorm=None,
        epochs=1,
        batch_size=len(Y),
    )
    with pytest.raises(ValueError, match=r"weights became infinite in epoch 1.*learning_rate"):
        classifier.fit(IDS, Y)
    assert not hasattr(classifier, "weights_")

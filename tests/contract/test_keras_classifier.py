"""KerasTextClassifier: a custom Keras model behaves like a scikit-learn classifier."""

from __future__ import annotations

import copy
import pickle
import random
import subprocess
import sys
from functools import partial

import joblib
import numpy as np
import pytest
from custom_models import (
    ALL,
    IDS,
    IDS3,
    INDICATOR,
    NAMES,
    STILL,
    Y3,
    Y,
    compiled_network,
    constant_network,
    network,
    network_that_keras_cannot_load,
    network_that_knows_places,
    network_with_dropout,
)
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.utils import compute_sample_weight

from sklstm import KerasTextClassifier, TextSequencer, compare
from sklstm._runtime import keras

FAST = {"epochs": 2, "random_state": 0}


def fitted(model=network, X=IDS, y=Y, **parameters):
    return KerasTextClassifier(model, **(FAST | parameters)).fit(X, y)


@pytest.mark.parametrize(
    ("y", "n_columns"), [(NAMES[Y3], 3), (np.array(["no", "yes"])[Y3 % 2], 2), (INDICATOR, 3)]
)
def test_labels_of_any_kind_come_back(y, n_columns):
    classifier = fitted(
        network_that_knows_places, X=IDS3, y=y, epochs=60, optimizer__learning_rate=0.1
    )
    assert classifier.predict_proba(IDS3).shape == (len(IDS3), n_columns)
    assert (classifier.predict(IDS3) == y).mean() > 0.9


def test_probabilities_are_those_of_the_keras_network():
    classifier = fitted(X=IDS3, y=NAMES[Y3])
    expected = classifier.model_.predict(IDS3.astype("int32"), verbose=0)
    np.testing.assert_allclose(classifier.predict_proba(IDS3), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "units"),
    [
        ("binary_crossentropy", 1),
        ("sparse_categorical_crossentropy", 2),
        ("categorical_crossentropy", 2),
    ],
)
def test_loss_is_that_of_scikit_learn_for_each_form_of_labels(loss, units):
    activation = "sigmoid" if units == 1 else "softmax"
    classifier = fitted(
        **STILL, model__units=units, model__activation=activation, loss=loss, metrics=[]
    )
    expected = log_loss(Y, classifier.predict_proba(IDS))
    np.testing.assert_allclose(classifier.loss_curve_, [expected], rtol=1e-5)


@pytest.mark.parametrize(("y", "units"), [(Y, 1), (Y, 2), (INDICATOR, 3)])
def test_logits_become_probabilities(y, units):
    losses = keras.losses
    loss = losses.CategoricalCrossentropy if units == 2 else losses.BinaryCrossentropy
    classifier = fitted(
        y=y, model__units=units, model__activation="linear", loss=loss, loss__from_logits=True
    )
    logits = classifier.model_.predict(IDS.astype("int32"), verbose=0)
    expected = keras.ops.softmax(logits)[:, 1] if units == 2 else keras.ops.sigmoid(logits)[:, -1]
    np.testing.assert_allclose(classifier.predict_proba(IDS)[:, -1], expected, atol=1e-6)


def test_class_and_sample_weights_are_those_of_scikit_learn():
    given = np.linspace(0, 2, len(Y))
    classifier = KerasTextClassifier(network, **STILL, metrics=[], class_weight="balanced")
    classifier.fit(IDS, Y, sample_weight=given)
    weights = given * compute_sample_weight("balanced", Y)
    expected = log_loss(Y, classifier.predict_proba(IDS), sample_weight=weights)
    np.testing.assert_allclose(classifier.loss_curve_, [expected], rtol=1e-5)


def test_weight_zero_is_leaving_out():
    weights = np.ones(len(Y))
    weights[::3] = 0
    parameters = {**ALL, "epochs": 3, "shuffle": False, "vocab_size": 20}
    one = KerasTextClassifier(network, **parameters).fit(IDS, Y, sample_weight=weights)
    kept = weights > 0
    other = KerasTextClassifier(network, **parameters).fit(IDS[kept], Y[kept])
    np.testing.assert_allclose(one.predict_proba(IDS), other.predict_proba(IDS), atol=1e-6)


def test_grid_search_routes_parameters():
    grid = {"model__dim": [2, 5], "optimizer__learning_rate": [0.0, 0.1]}
    search = GridSearchCV(KerasTextClassifier(network, **FAST), grid, cv=3).fit(IDS, Y)
    assert len(search.cv_results_["params"]) == 4
    best = search.best_estimator_
    assert best.model_.layers[0].output_dim == search.best_params_["model__dim"]
    rate = float(keras.ops.convert_to_numpy(best.model_.optimizer.learning_rate))
    assert rate == pytest.approx(search.best_params_["optimizer__learning_rate"])


def test_folds_are_stratified():
    """With plain folds of sorted labels each fold would be scored on a class it never saw."""
    order = np.argsort(Y3, kind="stable")
    proba = cross_val_predict(
        KerasTextClassifier(network, **FAST), IDS3[order], Y3[order], cv=3, method="predict_proba"
    )
    assert proba.shape == (len(Y3), 3)


def test_same_seed_gives_same_bits_and_another_one_others():
    one, same, other = fitted(), fitted(), fitted(random_state=1)
    np.testing.assert_array_equal(one.predict_proba(IDS), same.predict_proba(IDS))
    assert not np.array_equal(one.predict_proba(IDS), other.predict_proba(IDS))


def test_workers_give_the_same_bits():
    scores = [
        GridSearchCV(
            KerasTextClassifier(network, **FAST),
            {"model__dim": [2]},
            cv=2,
            n_jobs=n_jobs,
            scoring="neg_log_loss",
        )
        .fit(IDS, Y)
        .cv_results_["mean_test_score"]
        for n_jobs in (1, 2)
    ]
    np.testing.assert_array_equal(*scores)


def test_global_generators_stay_as_they_are():
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    fitted(network_with_dropout, early_stopping=True, validation_fraction=0.2).predict(IDS)
    assert random.getstate() == python_state
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state[1])  # noqa: NPY002


def test_importing_leaves_how_keras_pickles_alone():
    code = (
        "from sklstm._runtime import keras\n"
        "owners = (keras.Model, keras.losses.Loss, keras.metrics.Metric, "
        "keras.optimizers.Optimizer)\n"
        "names = ('__reduce__', '__deepcopy__')\n"
        "def seen(): return [(o, n, vars(o).get(n)) for o in owners for n in names]\n"
        "before = seen()\n"
        "from sklstm import KerasTextClassifier\n"
        "import sys; print('scikeras' in sys.modules, seen() == before)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert finished.stdout.split() == ["True", "True"]


def test_a_failed_import_of_scikeras_leaves_keras_as_it_was():
    code = (
        "from sklstm._runtime import keras\n"
        "import sys\n"
        "class Blocker:\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        if name == 'scikeras.wrappers': raise ImportError(name)\n"
        "sys.meta_path.insert(0, Blocker)\n"
        "before = vars(keras.Model).get('__reduce__'), vars(keras.Model).get('__deepcopy__')\n"
        "try:\n    from sklstm import KerasTextClassifier\n"
        "except ImportError:\n    print('failed')\n"
        "now = vars(keras.Model).get('__reduce__'), vars(keras.Model).get('__deepcopy__')\n"
        "print('scikeras' in sys.modules, now == before)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert finished.stdout.split() == ["failed", "True", "True"]


@pytest.mark.parametrize(
    "save",
    [
        lambda model, path: pickle.loads(pickle.dumps(model)),
        lambda model, path: copy.deepcopy(model),
        lambda model, path: joblib.load(joblib.dump(model, path / "model.joblib")[0]),
    ],
)
@pytest.mark.parametrize("model", [network, network_that_keras_cannot_load, network_with_dropout])
def test_saved_classifier_gives_the_same_bits(model, save, tmp_path):
    classifier = fitted(model)
    loaded = save(classifier, tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(IDS), classifier.predict_proba(IDS))
    assert loaded.get_params() == classifier.get_params()


def test_saved_state_holds_arrays_and_no_keras_object():
    state = fitted().__getstate__()
    assert "_network" not in state
    assert all(type(array) is np.ndarray for array in state["weights_"].values())
    assert b"keras" not in pickle.dumps(state).replace(b"sklstm.keras_classifier", b"")


def test_loading_with_another_function_is_refused():
    classifier = fitted(model__dim=3)
    classifier._built_with = {**classifier._built_with, "model__dim": 4}
    loaded = pickle.loads(pickle.dumps(classifier))
    with pytest.raises(ValueError, match="differ from those that were saved"):
        loaded.predict(IDS)


def test_parameters_set_after_fit_do_not_change_a_loaded_network():
    classifier = fitted(model__dim=3)
    expected = classifier.predict_proba(IDS)
    classifier.set_params(model__dim=7)
    loaded = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(loaded.predict_proba(IDS), expected)
    assert loaded.get_params()["model__dim"] == 7


def test_partial_fit_resumes_as_one_fit_does():
    whole = fitted(epochs=3, batch_size=-1, shuffle=False)
    parts = KerasTextClassifier(network, **(FAST | {"batch_size": -1, "shuffle": False}))
    for _ in range(3):
        parts.partial_fit(IDS, Y, classes=[0, 1])
        parts = pickle.loads(pickle.dumps(parts))
    np.testing.assert_allclose(parts.predict_proba(IDS), whole.predict_proba(IDS), atol=1e-6)


def test_warm_start_resumes_from_the_weights():
    classifier = fitted(warm_start=True, epochs=20)
    first = classifier.loss_curve_
    assert classifier.fit(IDS, Y).loss_curve_[0] < first[0]


class Stop(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise KeyboardInterrupt


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_interrupted_training_leaves_the_classifier_as_it_was(method):
    classifier = KerasTextClassifier(network, **FAST).partial_fit(IDS, Y, classes=[0, 1])
    before = classifier.predict_proba(IDS)
    names = set(vars(classifier)) - {"_network"}
    stopping = classifier.set_params(callbacks=[Stop()])
    if method == "partial_fit":
        # The resumed network is the one that was built before.
        classifier._built_with = {**classifier._built_with, "callbacks": [Stop()]}
        classifier = stopping = pickle.loads(pickle.dumps(classifier))
    with pytest.raises(KeyboardInterrupt):
        getattr(stopping, method)(IDS, Y)
    assert set(vars(classifier)) - {"_network"} == names
    np.testing.assert_array_equal(classifier.predict_proba(IDS), before)


def test_validation_documents_are_scored_and_not_trained_on():
    plain = fitted()
    given = KerasTextClassifier(network, **FAST).fit(IDS, Y, X_val=IDS[:9], y_val=Y[:9])
    np.testing.assert_array_equal(given.predict_proba(IDS), plain.predict_proba(IDS))
    expected = log_loss(Y[:9], given.predict_proba(IDS[:9]), labels=[0, 1])
    np.testing.assert_allclose(given.history_["val_loss"][-1], expected, rtol=1e-5)
    split = fitted(early_stopping=True, validation_fraction=0.25)
    assert len(split.history_["val_accuracy"]) == 2
    assert not np.array_equal(split.predict_proba(IDS), plain.predict_proba(IDS))


def test_callbacks_are_made_from_classes_and_stop_early():
    classifier = KerasTextClassifier(
        network,
        epochs=50,
        callbacks=keras.callbacks.EarlyStopping,
        callbacks__patience=1,
        callbacks__monitor="val_loss",
        optimizer__learning_rate=0.0,
        random_state=0,
    )
    for unfitted in (classifier, clone(classifier)):
        assert unfitted.fit(IDS, Y, X_val=IDS[:9], y_val=Y[:9]).n_iter_ == 2


def test_optimizer_that_is_an_object_serves_every_fit():
    classifier = KerasTextClassifier(network, optimizer=keras.optimizers.Adam(0.01), **FAST)
    one = classifier.fit(IDS, Y).predict_proba(IDS)
    np.testing.assert_array_equal(classifier.fit(IDS, Y).predict_proba(IDS), one)


def test_compiled_network_is_taken_as_it_is():
    classifier = fitted(partial(compiled_network, loss="mse"), batch_size=-1)
    expected = np.mean((classifier.predict_proba(IDS)[:, 1] - Y) ** 2)
    np.testing.assert_allclose(classifier.loss_curve_[-1], expected, rtol=1e-5)


def test_it_stands_in_pipelines_and_meta_estimators(texts, labels):
    pipeline = make_pipeline(TextSequencer(), KerasTextClassifier(network, **FAST))
    calibrated = CalibratedClassifierCV(pipeline, cv=2).fit(texts, labels)
    assert calibrated.predict_proba(["a fine film"]).shape == (1, 2)
    table = compare({"mine": pipeline}, texts, labels, cv=2).table
    assert table.index.tolist() == ["mine"]


def test_number_of_documents_does_not_change_a_score():
    classifier = fitted(batch_size=8)
    together = classifier.predict_proba(IDS)
    for n in (1, 3, 8, 11):
        np.testing.assert_allclose(classifier.predict_proba(IDS[:n]), together[:n], atol=1e-6)


def test_ids_that_fit_never_saw_count_as_unknown():
    classifier = fitted()
    strange, unknown = np.where(IDS == 3, 999, IDS), np.where(IDS == 3, 1, IDS)
    np.testing.assert_array_equal(
        classifier.predict_proba(strange), classifier.predict_proba(unknown)
    )


def test_initialize_builds_without_training():
    classifier = KerasTextClassifier(constant_network).initialize(IDS, Y)
    np.testing.assert_allclose(classifier.predict_proba(IDS)[:, 1], 1 / (1 + np.exp(-3)), rtol=1e-6)
    assert classifier.n_iter_ == 0


@pytest.mark.parametrize(
    ("model", "parameters", "error", "message"),
    [
        (None, {}, TypeError, "model=None must be a function"),
        (keras.Sequential(), {}, TypeError, "must be a function that returns a keras.Model"),
        (lambda: 3, {}, TypeError, "returned 3; it must return a keras.Model"),
        (network, {"model__units": 5}, ValueError, "with 5 outputs, but y has 2 classes"),
        (network, {"epochs": 0}, ValueError, "'epochs' parameter"),
        (network, {"batch_size": 0}, ValueError, "'batch_size' parameter"),
        (network, {"class_weight": {0: -1}}, ValueError, "class_weight has the weight -1 for 0"),
        (
            network,
            {"early_stopping": True, "validation_fraction": 0.01},
            ValueError,
            "validation_fraction=0.01 of 60",
        ),
        (network, {"optimizer__learning_rate": 1e38}, ValueError, "training loss became"),
        (network, {"dim": 3, "wrong": 1}, TypeError, "wrong"),
        (network, {"validation_split": 0.1}, TypeError, "validation_split is a parameter of scik"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_the_remedy(model, parameters, error, message):
    with pytest.raises(error, match=message):
        fitted(model, **parameters)


def test_output_that_is_no_probability_is_refused():
    classifier = fitted(partial(constant_network, activation="linear"), epochs=1)
    with pytest.raises(ValueError, match="which are not probabilities"):
        classifier.predict_proba(IDS)


def test_balanced_weights_of_parts_are_refused():
    with pytest.raises(ValueError, match="does not support class_weight='balanced'"):
        KerasTextClassifier(network, class_weight="balanced").partial_fit(IDS, Y, classes=[0, 1])


@pytest.mark.parametrize("verbose", [True, 2, "auto"])
def test_every_verbose_shows_the_epochs(verbose, capsys):
    parameters = FAST | {"epochs": 2, "verbose": verbose}
    KerasTextClassifier(network, **parameters).fit(IDS, Y)
    assert "Epoch 2/2: loss" in capsys.readouterr().out

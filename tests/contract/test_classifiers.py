"""Both classifiers of token ids follow the scikit-learn classifier API."""

from __future__ import annotations

import copy
import inspect
import pickle

import numpy as np
import pytest
from conftest import PLAIN, make_ids
from custom_models import network_that_knows_places
from numpydoc.docscrape import ClassDoc
from scipy.special import softmax
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import estimator_checks_generator

from sklstm import KerasTextClassifier, LSTMTextClassifier

IDS, Y = make_ids()
IDS3, Y3 = make_ids(n_classes=3)
INDICATOR = np.stack([Y3 == 0, Y3 > 0, IDS3[:, -1] > 9], axis=1).astype(int)

SMALL = {"units": 8, "embedding_dim": 8, "learning_rate": 0.03, "epochs": 10}
PARAMETERS = {
    LSTMTextClassifier: PLAIN | SMALL,
    KerasTextClassifier: {
        "model": network_that_knows_places,
        "model__dim": 8,
        "optimizer__learning_rate": 0.03,
    },
}
BOTH = pytest.mark.parametrize("kind", PARAMETERS, ids=lambda kind: kind.__name__)

# These checks ignore the tags of the estimator, and pass numbers that are not token ids. With
# invalid_ids="unknown" only the first one fails.
NOT_IDS = {
    "check_sample_weight_equivalence_on_dense_data": (
        "passes fractional numbers, and compares to 1e-7 two summation orders of float32; "
        "test_classifier.py shows the equivalence on token ids to 1e-5"
    ),
    "check_class_weight_classifiers": "passes negative and fractional numbers",
    "check_decision_proba_consistency": "passes negative and fractional numbers",
}
# Caused by scikeras, with the error that shows it.
OF_SCIKERAS = {
    "check_no_attributes_set_in_init": (
        AssertionError,
        r"should not set any attribute apart from parameters during init.*model__dim",
        "scikeras accepts routed parameters as **kwargs, so they are in no signature",
    ),
    "check_estimator_tags_renamed": (
        TypeError,
        "`_more_tags`",
        "BaseWrapper still has the tags of scikit-learn before 1.6",
    ),
}


def make(kind, **parameters):
    """Return a classifier that trains in a moment."""
    defaults = {"epochs": 10, "batch_size": 32, "random_state": 0}
    return kind(**(defaults | PARAMETERS[kind] | parameters))


def checks_of(label, classifier, expected_failures):
    """Return the checks of scikit-learn that must pass."""
    return [
        pytest.param(estimator, check, id=f"{label}-{check.func.__name__}")
        for estimator, check in estimator_checks_generator(classifier, mark=None)
        if check.func.__name__ not in expected_failures
    ]


# A small network with the other defaults, such as n-grams and one-cycle learning rates.
DEFAULTS = LSTMTextClassifier(**SMALL, batch_size=32, random_state=0)
UNKNOWN_IDS = make(LSTMTextClassifier, invalid_ids="unknown")
# Sorted, so that a classifier finds the networks that an earlier check has compiled.
CHECKS = sorted(
    checks_of("LSTMTextClassifier", DEFAULTS, NOT_IDS)
    + checks_of("LSTMTextClassifier-unknown", UNKNOWN_IDS, list(NOT_IDS)[:1])
    + checks_of("KerasTextClassifier", make(KerasTextClassifier), NOT_IDS | OF_SCIKERAS),
    key=lambda parameters: parameters.id.rpartition("-")[2],
)


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_estimator_check_passes(estimator, check):
    check(estimator)


@BOTH
@pytest.mark.parametrize("name", NOT_IDS)
def test_checks_that_ignore_the_tags_pass_numbers_that_are_not_ids(kind, name):
    with pytest.raises(ValueError, match="takes token ids"):
        getattr(estimator_checks, name)(kind.__name__, make(kind))


@BOTH
@pytest.mark.parametrize("name", list(NOT_IDS)[1:])
def test_checks_that_ignore_the_tags_pass_on_token_ids(kind, name, monkeypatch):
    """Run the check on its own data, converted to ids by scikit-learn's own rule."""
    make_blobs = estimator_checks.make_blobs

    def make_id_blobs(**parameters):
        X, y = make_blobs(**parameters)
        return estimator_checks._enforce_estimator_tags_X(make(kind), X), y

    monkeypatch.setattr(estimator_checks, "make_blobs", make_id_blobs)
    getattr(estimator_checks, name)(kind.__name__, make(kind))


@pytest.mark.parametrize("name", OF_SCIKERAS)
def test_failures_caused_by_scikeras_are_still_there(name):
    error, message, _ = OF_SCIKERAS[name]
    with pytest.raises(error, match=message):
        getattr(estimator_checks, name)("KerasTextClassifier", make(KerasTextClassifier))


def test_without_routed_parameters_the_keras_constructor_only_assigns():
    plain = KerasTextClassifier(network_that_knows_places, epochs=30)
    estimator_checks.check_no_attributes_set_in_init("KerasTextClassifier", plain)


@BOTH
def test_tags_promise_no_less_than_other_classifiers(kind):
    tags = get_tags(make(kind))
    assert is_classifier(make(kind))
    assert not tags.non_deterministic
    assert not tags.classifier_tags.poor_score
    assert tags.classifier_tags.multi_class
    assert tags.classifier_tags.multi_label
    assert tags.input_tags.categorical
    assert tags.input_tags.positive_only
    assert not tags.input_tags.sparse
    assert not tags.input_tags.allow_nan


@BOTH
def test_constructor_only_assigns(kind):
    callbacks, weights = [], {0: 1.0, 1: 2.0}
    classifier = kind(callbacks=callbacks, class_weight=weights)
    assert classifier.callbacks is callbacks
    assert classifier.class_weight is weights
    assert vars(classifier).keys() == classifier.get_params().keys()


@BOTH
def test_parameters_are_documented_in_their_order(kind):
    in_constructor = list(inspect.signature(kind).parameters)
    in_docstring = [entry.name.removeprefix("**") for entry in ClassDoc(kind)["Parameters"]]
    assert in_constructor == in_docstring
    assert kind._parameter_constraints.keys() <= set(in_constructor)


def test_the_classifiers_share_the_parameters_of_training():
    shared = {
        "average_weights",
        "batch_size",
        "callbacks",
        "class_weight",
        "early_stopping",
        "epochs",
        "invalid_ids",
        "learning_rate_schedule",
        "n_iter_no_change",
        "optimizer",
        "random_state",
        "scoring",
        "threshold",
        "tol",
        "validation_fraction",
        "verbose",
        "vocab_size",
        "warm_start",
    }
    lstm, custom = (inspect.signature(kind).parameters for kind in PARAMETERS)
    assert lstm.keys() & custom.keys() == shared
    # Those of Keras: a custom model may need another learning rate and number of epochs.
    differing = {"epochs": 10, "learning_rate_schedule": "constant"}
    defaults = {name: lstm[name].default for name in shared} | differing
    assert defaults == {name: custom[name].default for name in shared}


@BOTH
@pytest.mark.parametrize(
    ("ids", "y", "n_columns"), [(IDS, Y, 2), (IDS3, Y3, 3), (IDS3, INDICATOR, 3)]
)
def test_scores_probabilities_and_predictions_agree(kind, ids, y, n_columns):
    classifier = make(kind, epochs=3, threshold="auto").fit(ids, y)
    scores, proba = classifier.decision_function(ids), classifier.predict_proba(ids)
    assert proba.shape == (len(ids), n_columns)
    assert scores.shape == ((len(ids),) if n_columns == 2 else (len(ids), n_columns))
    predicted = classifier.predict(ids)
    if y.ndim == 2:
        np.testing.assert_allclose(proba, 1 / (1 + np.exp(-scores)), atol=1e-5)
        np.testing.assert_array_equal(predicted, proba > classifier.thresholds_)
    else:
        np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)
        np.testing.assert_array_equal(predicted, classifier.classes_[proba.argmax(axis=1)])
        if n_columns == 2:
            np.testing.assert_allclose(proba[:, 1], 1 / (1 + np.exp(-scores)), atol=1e-5)
        else:
            np.testing.assert_allclose(proba, softmax(scores, axis=1), atol=1e-5)


@BOTH
def test_early_stopping_keeps_the_weights_of_the_best_epoch(kind):
    parameters = {"early_stopping": True, "n_iter_no_change": 2, "scoring": "roc_auc"}
    stopped = make(kind, **parameters, epochs=40).fit(IDS, Y)
    scores = stopped.history_["val_score"]
    assert stopped.n_iter_ < 40
    assert stopped.best_validation_score_ == max(scores)
    assert scores[stopped.best_epoch_ - 1] == max(scores)
    again = make(kind, **parameters, epochs=stopped.best_epoch_).fit(IDS, Y)
    np.testing.assert_array_equal(again.predict_proba(IDS), stopped.predict_proba(IDS))


@BOTH
def test_tol_is_the_least_gain_that_counts(kind):
    parameters = {"early_stopping": True, "n_iter_no_change": 3, "epochs": 30}
    assert make(kind, tol=2.0, **parameters).fit(IDS, Y).n_iter_ == 4
    patient = make(kind, tol=0.0, **parameters).fit(IDS, Y)
    losses = patient.history_["val_loss"]
    improved = [i for i, loss in enumerate(losses) if loss < min(losses[:i], default=np.inf)]
    assert patient.n_iter_ == 30 or patient.n_iter_ - 1 - improved[-1] == 3


@BOTH
def test_validation_documents_are_not_trained_on(kind):
    plain = make(kind, epochs=3).fit(IDS, Y)
    given = make(kind, epochs=3).fit(IDS, Y, X_val=IDS[:9], y_val=Y[:9])
    np.testing.assert_array_equal(plain.predict_proba(IDS), given.predict_proba(IDS))
    assert given.history_["val_accuracy"][-1] == pytest.approx(given.score(IDS[:9], Y[:9]))


@BOTH
def test_averaged_weights_are_the_mean_over_the_steps_of_an_epoch(kind):
    """With one step per epoch, the mean is the weights after it."""
    one_step = {"batch_size": len(IDS), "epochs": 2}
    plain = make(kind, **one_step).fit(IDS, Y)
    averaged = make(kind, average_weights=True, **one_step).fit(IDS, Y)
    np.testing.assert_allclose(averaged.predict_proba(IDS), plain.predict_proba(IDS), atol=1e-6)
    several = make(kind, average_weights=True, batch_size=20, epochs=2).fit(IDS, Y)
    assert not np.allclose(several.predict_proba(IDS), averaged.predict_proba(IDS), atol=1e-4)


@BOTH
def test_one_cycle_ends_with_steps_of_almost_nothing(kind):
    """The last of many epochs hardly changes the loss, unlike with a constant rate."""
    changes = {}
    for schedule in ("constant", "one_cycle"):
        curve = make(kind, learning_rate_schedule=schedule, epochs=20).fit(IDS, Y).loss_curve_
        changes[schedule] = abs(curve[-1] - curve[-2]) / curve[-2]
    assert changes["one_cycle"] < changes["constant"]


@BOTH
@pytest.mark.parametrize("parameter", [{"early_stopping": True}, {"class_weight": "balanced"}])
def test_partial_fit_rejects_what_needs_all_documents(kind, parameter):
    (name,) = parameter
    with pytest.raises(ValueError, match=f"partial_fit .* does not support {name}="):
        make(kind, **parameter).partial_fit(IDS, Y, classes=[0, 1])


@BOTH
def test_partial_fit_validates_the_parameters(kind):
    with pytest.raises(ValueError, match="The 'tol' parameter"):
        make(kind, tol=-1).partial_fit(IDS, Y, classes=[0, 1])


@BOTH
def test_partial_fit_resumes_after_saving(kind):
    classifier = make(kind)
    for _ in range(2):
        classifier.partial_fit(IDS, Y, classes=[0, 1])
    loaded = pickle.loads(pickle.dumps(make(kind).partial_fit(IDS, Y, classes=[0, 1])))
    np.testing.assert_allclose(
        loaded.partial_fit(IDS, Y).predict_proba(IDS), classifier.predict_proba(IDS), atol=1e-6
    )


@BOTH
def test_copies_and_clones(kind):
    fitted = make(kind, epochs=1).fit(IDS, Y)
    expected = fitted.predict_proba(IDS)
    for copied in (copy.copy(fitted), copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_array_equal(copied.predict_proba(IDS), expected)
    with pytest.raises(NotFittedError):
        clone(fitted).predict_proba(IDS)


@BOTH
def test_a_failed_fit_leaves_the_classifier_as_it_was(kind):
    fitted = make(kind, epochs=1).fit(IDS, Y)
    expected = fitted.predict_proba(IDS)
    for method in (fitted.fit, fitted.partial_fit):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            method(IDS, Y[:-1])
        np.testing.assert_array_equal(fitted.predict_proba(IDS), expected)


class Recorder:
    """A callback of scikit-learn that keeps the copy of the classifier after each task."""

    def __init__(self):
        self.tasks, self.copies = [], []

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        self.tasks.append(context.task_name)
        self.copies.append(fitted_estimator)


@BOTH
def test_callbacks_of_scikit_learn_get_a_copy_after_each_epoch(kind):
    pytest.importorskip("sklearn.callback", reason="callbacks are new in scikit-learn 1.9")
    recorder = Recorder()
    make(kind, epochs=2).set_callbacks(recorder).fit(IDS, Y)
    assert recorder.tasks == ["epoch", "epoch", "fit"]
    for n_epochs, copied in zip((1, 2, 2), recorder.copies, strict=True):
        expected = make(kind, epochs=n_epochs).fit(IDS, Y)
        np.testing.assert_array_equal(copied.predict_proba(IDS), expected.predict_proba(IDS))
        loaded = pickle.loads(pickle.dumps(copied))
        np.testing.assert_array_equal(loaded.predict_proba(IDS), expected.predict_proba(IDS))


@BOTH
def test_verbose_shows_the_same_metrics(kind, capsys):
    make(kind, epochs=2, verbose=2).fit(IDS, Y, X_val=IDS[:9], y_val=Y[:9])
    first, last = capsys.readouterr().out.splitlines()
    for metric in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert f"{metric} " in first
    assert last.startswith("Epoch 2/2: ")

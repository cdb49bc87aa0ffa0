"""Arguments of Keras's `fit` and `predict` are refused, with the parameter to set instead."""

from __future__ import annotations

import inspect
import re

import custom_models
import pytest
import sklearn
from conftest import LABELS, TEXTS, make_ids, small_classifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import has_fit_parameter

from sklstm import KerasTextClassifier, LSTMTextClassifier, TextSequencer, make_text_classifier

IDS, Y = make_ids()
CLASSIFIERS = {
    "LSTMTextClassifier": small_classifier(),
    "KerasTextClassifier": KerasTextClassifier(custom_models.network, epochs=1),
}
classifiers = pytest.mark.parametrize("name", CLASSIFIERS)

ARGUMENTS = {
    "epochs": (3, "Set it in the constructor, {name}(epochs=3), or with set_params."),
    "batch_size": (8, "{name}(batch_size=8)"),
    "callbacks": ([], "{name}(callbacks=[])"),
    "verbose": (0, "{name}(verbose=0)"),
    "class_weight": ({0: 1}, "{name}(class_weight={{0: 1}})"),
    "validation_fraction": (0.2, "{name}(validation_fraction=0.2)"),
    "validation_data": ((IDS, Y), "has no argument validation_data; pass X_val and y_val to fit."),
    "eval_set": ([(IDS, Y)], "has no argument eval_set; pass X_val and y_val to fit."),
    "validation_split": (0.2, "set {name}(early_stopping=True, validation_fraction=0.2)."),
    "initial_epoch": (3, "{name}(warm_start=True)"),
    "steps_per_epoch": (3, "{name}(batch_size=...)"),
    "sample_weights": ([1.0] * 60, "did you mean sample_weight?"),
    "foo": (1, "has no argument foo; it has X, y, sample_weight, X_val, y_val."),
}


@classifiers
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_an_argument_of_keras_is_refused_with_the_parameter_to_set(name, argument):
    value, remedy = ARGUMENTS[argument]
    with pytest.raises(TypeError, match=re.escape(remedy.format(name=name))):
        CLASSIFIERS[name].fit(IDS, Y, **{argument: value})


@classifiers
def test_other_methods_explain_their_arguments_too(name):
    classifier = sklearn.clone(CLASSIFIERS[name]).fit(IDS, Y)
    with pytest.raises(TypeError, match=r"epochs is a parameter of .*, not of partial_fit"):
        classifier.partial_fit(IDS, Y, epochs=1)
    for method in ("predict", "predict_proba"):
        with pytest.raises(TypeError, match=f"batch_size is a parameter of .*, not of {method}"):
            getattr(classifier, method)(IDS, batch_size=8)
        with pytest.raises(TypeError, match=f"{method} of {name} has no argument steps; it has X"):
            getattr(classifier, method)(IDS, steps=1)


def test_shuffle_is_a_parameter_of_custom_models_only():
    with pytest.raises(TypeError, match=r"KerasTextClassifier\(shuffle=False\)"):
        CLASSIFIERS["KerasTextClassifier"].fit(IDS, Y, shuffle=False)
    with pytest.raises(TypeError, match="fit of LSTMTextClassifier has no argument shuffle"):
        CLASSIFIERS["LSTMTextClassifier"].fit(IDS, Y, shuffle=False)


def test_a_step_of_a_pipeline_explains_its_arguments():
    model = make_text_classifier("fast", epochs=1, random_state=0)
    # scikit-learn's pipeline asks for the name of the step.
    with pytest.raises((TypeError, ValueError), match="epochs"):
        model.fit(TEXTS, LABELS, epochs=3)
    with pytest.raises(TypeError, match=r"LSTMTextClassifier\(epochs=3\), or with set_params"):
        model.fit(TEXTS, LABELS, lstmtextclassifier__epochs=3)
    model = make_pipeline(TextSequencer(), CLASSIFIERS["KerasTextClassifier"])
    with pytest.raises(TypeError, match=r"KerasTextClassifier\(epochs=3\), or with set_params"):
        model.fit(TEXTS, LABELS, kerastextclassifier__epochs=3)


@classifiers
def test_fit_keeps_its_explicit_parameters(name):
    classifier = CLASSIFIERS[name]
    parameters = ["X", "y", "sample_weight", "X_val", "y_val"]
    assert list(inspect.signature(classifier.fit).parameters) == parameters
    assert has_fit_parameter(classifier, "sample_weight")
    with sklearn.config_context(enable_metadata_routing=True):
        routed = classifier.get_metadata_routing().fit.requests
        assert set(routed) == {"sample_weight", "X_val", "y_val"}


def test_a_subclass_with_an_argument_of_its_own_is_not_affected():
    class Doubled(LSTMTextClassifier):
        def fit(self, X, y, repeat=1):
            return super().fit([*X] * repeat, [*y] * repeat)

    assert Doubled(units=4, epochs=1).fit(IDS, Y, repeat=2).n_iter_ == 1

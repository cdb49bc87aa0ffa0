"""scikit-learn's own checks on KerasTextClassifier."""

from __future__ import annotations

import inspect

import pytest
from custom_models import network_that_knows_places as network
from sklearn.base import is_classifier
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import estimator_checks_generator

from sklstm import KerasTextClassifier

PARAMETERS = {
    "model": network,
    "epochs": 30,
    "batch_size": 32,
    "model__dim": 8,
    "optimizer__learning_rate": 0.03,
    "random_state": 0,
}

# What scikeras causes, with the error that shows it.
OF_SCIKERAS = {
    "check_no_attributes_set_in_init": (
        AssertionError,
        r"should not set any attribute apart from parameters during init.*model__dim",
        "scikeras takes routed parameters as **kwargs, so they stand in no signature",
    ),
    "check_estimator_tags_renamed": (
        TypeError,
        "`_more_tags`",
        "BaseWrapper still has the tags of scikit-learn before 1.6",
    ),
}
# What hands token ids that are none to any classifier of ids: see test_estimator_contract.py. The
# last two pass on token ids, as shown below.
OF_NUMBERS = {
    "check_sample_weight_equivalence_on_dense_data": "feeds fractional numbers",
    "check_class_weight_classifiers": "feeds negative and fractional numbers",
}


def classifier(**parameters):
    return KerasTextClassifier(**(PARAMETERS | parameters))


CHECKS = [
    pytest.param(estimator, check, id=check.func.__name__)
    for estimator, check in estimator_checks_generator(classifier(), mark=None)
    if check.func.__name__ not in OF_SCIKERAS | OF_NUMBERS
]


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_estimator_check_passes(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", OF_SCIKERAS)
def test_what_scikeras_causes_still_fails(name):
    error, message, _ = OF_SCIKERAS[name]
    with pytest.raises(error, match=message):
        getattr(estimator_checks, name)("KerasTextClassifier", classifier())


def test_without_routed_parameters_the_constructor_only_assigns():
    plain = {name: value for name, value in PARAMETERS.items() if "__" not in name}
    estimator_checks.check_no_attributes_set_in_init(
        "KerasTextClassifier", KerasTextClassifier(**plain)
    )


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_checks_that_ignore_the_tags_feed_what_is_no_id(name):
    with pytest.raises(ValueError, match="takes token ids"):
        getattr(estimator_checks, name)("KerasTextClassifier", classifier())


def test_class_weight_check_passes_on_token_ids(monkeypatch):
    make_blobs = estimator_checks.make_blobs

    def make_id_blobs(**parameters):
        X, y = make_blobs(**parameters)
        return estimator_checks._enforce_estimator_tags_X(classifier(), X), y

    monkeypatch.setattr(estimator_checks, "make_blobs", make_id_blobs)
    estimator_checks.check_class_weight_classifiers("KerasTextClassifier", classifier())


def test_tags_are_those_of_a_classifier():
    tags = get_tags(KerasTextClassifier(network))
    assert is_classifier(KerasTextClassifier(network))
    assert tags.input_tags.categorical
    assert tags.input_tags.positive_only
    assert tags.classifier_tags.multi_class
    assert tags.classifier_tags.multi_label


def test_parameters_are_in_the_order_of_the_docstring():
    from numpydoc.docscrape import ClassDoc

    in_constructor = list(inspect.signature(KerasTextClassifier).parameters)
    in_docstring = [entry.name for entry in ClassDoc(KerasTextClassifier)["Parameters"]]
    assert [*in_constructor[:-1], "**routed"] == in_docstring
    assert KerasTextClassifier._parameter_constraints.keys() <= set(in_constructor)

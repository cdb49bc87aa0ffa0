"""Validation documents and weights reach the classifier through a pipeline and a search."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from conftest import LABELS, TEXTS, assert_same_weights, small_classifier
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline

from sklstm import TextSequencer

VALIDATION = (
    ["a warm and lovely film", "a dull and boring plot", "best music"],
    ["good", "bad", "good"],
)
WEIGHTS = np.linspace(0.5, 2, len(TEXTS))


@pytest.fixture(autouse=True)
def _routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def make_model(**parameters):
    """Return a pipeline that carries validation texts to its classifier as ids."""
    classifier = small_classifier(**parameters)
    classifier.set_fit_request(X_val=True, y_val=True, sample_weight=True)
    classifier.set_score_request(sample_weight=True)
    return make_pipeline(TextSequencer(), classifier, transform_input=["X_val"])


def by_hand(**parameters):
    """Do without a pipeline what it is to do."""
    sequencer = TextSequencer().fit(TEXTS)
    X_val, y_val = VALIDATION
    return small_classifier(**parameters).fit(
        sequencer.transform(TEXTS),
        LABELS,
        sample_weight=WEIGHTS,
        X_val=sequencer.transform(X_val),
        y_val=y_val,
    )


@pytest.mark.parametrize("parameters", [{}, {"early_stopping": True, "epochs": 4}])
def test_a_pipeline_validates_on_the_texts_that_it_is_given(parameters):
    X_val, y_val = VALIDATION
    model = make_model(**parameters)
    model.fit(TEXTS, LABELS, sample_weight=WEIGHTS, X_val=X_val, y_val=y_val)
    expected = by_hand(**parameters)
    assert model[-1].history_ == expected.history_
    assert_same_weights(model[-1].weights_, expected.weights_)


def test_a_search_hands_validation_texts_to_each_fit_whole():
    """A search cuts only what has as many rows as X."""
    X_val, y_val = VALIDATION
    grid = {"lstmtextclassifier__learning_rate": [0.02]}
    search = GridSearchCV(make_model(), grid, cv=2, refit=True, error_score="raise")
    search.fit(TEXTS, LABELS, sample_weight=WEIGHTS, X_val=X_val, y_val=y_val)
    expected = by_hand()
    assert search.best_estimator_[-1].history_ == expected.history_


def test_the_vocabulary_is_of_the_training_texts_alone():
    model = make_model().fit(TEXTS, LABELS, X_val=VALIDATION[0], y_val=VALIDATION[1])
    assert "boring" not in model[0].vocabulary_


def test_weights_of_a_search_go_with_their_documents():
    train, test = np.arange(8), np.arange(8, 12)
    folds = PredefinedSplit(np.where(np.isin(np.arange(12), test), 0, -1))
    grid = {"lstmtextclassifier__learning_rate": [0.02]}
    search = GridSearchCV(make_model(), grid, cv=folds, refit=False, error_score="raise")
    search.fit(TEXTS, LABELS, sample_weight=WEIGHTS)
    alone = make_model().fit(TEXTS[:8], LABELS[:8], sample_weight=WEIGHTS[train])
    assert search.cv_results_["split0_test_score"][0] == alone.score(
        TEXTS[8:], LABELS[8:], sample_weight=WEIGHTS[test]
    )


def test_validation_data_that_nobody_asked_for_is_an_error():
    model = make_pipeline(TextSequencer(), small_classifier(), transform_input=["X_val"])
    with pytest.raises(ValueError, match=r"X_val.*set_fit_request"):
        model.fit(TEXTS, LABELS, X_val=VALIDATION[0], y_val=VALIDATION[1])


def test_texts_that_were_not_transformed_are_an_error_with_the_remedy():
    model = make_model().set_params(transform_input=None)
    with pytest.raises(ValueError, match="TextSequencer"):
        model.fit(TEXTS, LABELS, X_val=VALIDATION[0], y_val=VALIDATION[1])

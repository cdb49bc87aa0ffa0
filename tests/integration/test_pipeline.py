"""Raw texts in scikit-learn's own tools: folds, searches, calibration, ensembles."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import small_classifier
from sklearn.base import is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    check_cv,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline

from sklstm import TextSequencer, classic_baselines

WORDS = {"good": ["fine", "warm", "funny"], "bad": ["dull", "loud", "poor"]}
TEXTS = [
    f"the {noun} is {adjective} {how}"
    for how in ("indeed", "and long", "after all")
    for noun in ("film", "plot")
    for adjectives in WORDS.values()
    for adjective in adjectives
]
LABELS = np.array((["good"] * 3 + ["bad"] * 3) * 6)


def pipeline(**parameters):
    return make_pipeline(TextSequencer(), small_classifier(**parameters))


def test_pipeline_is_a_classifier_whose_folds_are_stratified():
    model = pipeline()
    assert is_classifier(model)
    folds = check_cv(5, LABELS, classifier=is_classifier(model))
    assert isinstance(folds, StratifiedKFold)
    # Sorted labels would leave folds of one class if they were not.
    order = np.argsort(LABELS)
    scores = cross_val_score(model, np.array(TEXTS)[order], LABELS[order], cv=5)
    assert scores.shape == (5,)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("kind", [list, pd.Series, np.array, lambda t: pd.DataFrame({"text": t})])
def test_pipeline_takes_every_kind_of_texts(kind):
    model = pipeline(epochs=1).fit(kind(TEXTS), LABELS)
    expected = pipeline(epochs=1).fit(TEXTS, LABELS).predict_proba(TEXTS)
    np.testing.assert_array_equal(model.predict_proba(kind(TEXTS)), expected)


GRID = {"textsequencer__max_tokens": [6, 20], "lstmtextclassifier__units": [2, (3, 2)]}


def search(n_jobs):
    found = GridSearchCV(pipeline(epochs=1), GRID, cv=2, n_jobs=n_jobs).fit(TEXTS, LABELS)
    weights = found.best_estimator_[-1].weights_
    return found.cv_results_["mean_test_score"], found.best_params_, weights


@pytest.mark.slow
def test_search_in_two_processes_equals_that_in_one_to_the_bit():
    scores, best, weights = search(n_jobs=1)
    for _ in range(2):
        other_scores, other_best, other_weights = search(n_jobs=2)
        np.testing.assert_array_equal(other_scores, scores)
        assert other_best == best
        for name, weight in weights.items():
            np.testing.assert_array_equal(other_weights[name], weight)


def test_candidates_of_a_search_keep_their_parameters():
    found = GridSearchCV(pipeline(epochs=1), GRID, cv=2, refit=False).fit(TEXTS, LABELS)
    tried = [candidate["lstmtextclassifier__units"] for candidate in found.cv_results_["params"]]
    assert tried == [2, 2, (3, 2), (3, 2)]
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()


def test_calibration_runs():
    model = CalibratedClassifierCV(pipeline(epochs=8), cv=2).fit(TEXTS, LABELS)
    np.testing.assert_allclose(model.predict_proba(TEXTS).sum(axis=1), 1)


def test_threshold_tuning_runs():
    model = TunedThresholdClassifierCV(pipeline(epochs=8), cv=2).fit(TEXTS, LABELS)
    assert set(model.predict(TEXTS)) <= {"good", "bad"}


@pytest.mark.parametrize("ensemble", [VotingClassifier, StackingClassifier])
def test_ensemble_with_a_support_vector_machine_runs(ensemble):
    members = [("lstm", pipeline(epochs=8)), ("svm", classic_baselines(0)["linear_svc"])]
    parameters = {"cv": 2} if ensemble is StackingClassifier else {}
    assert ensemble(members, **parameters).fit(TEXTS, LABELS).score(TEXTS, LABELS) > 0.9


def test_sample_weight_reaches_the_classifier_through_the_pipeline():
    weights = np.where(LABELS == "good", 10.0, 0.1)
    model = pipeline(epochs=8)
    model.fit(TEXTS, LABELS, lstmtextclassifier__sample_weight=weights)
    plain = pipeline(epochs=8).fit(TEXTS, LABELS)
    proba = [m.predict_proba(TEXTS)[:, 1].mean() for m in (model, plain)]
    assert proba[0] > proba[1] + 0.05


def test_parameters_of_both_steps_can_be_set_and_read():
    model = pipeline().set_params(textsequencer__max_len=7, lstmtextclassifier__dropout=0.25)
    assert model.get_params()["lstmtextclassifier__dropout"] == 0.25
    assert model.fit(TEXTS, LABELS)[0].max_len == 7

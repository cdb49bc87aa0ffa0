"""compare(return_probabilities=True) returns out-of-fold probabilities of the classes."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from comparing import FITS, FORKED_BY_OLD_JOBLIB, LABELS, TEXTS, Coin, words
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibrationDisplay
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    KFold,
    RepeatedStratifiedKFold,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from sklstm import compare, make_text_classifier

FOLDS = StratifiedKFold(3, shuffle=True, random_state=0)
Y = np.array([[i % 2, int(i % 3 == 0)] for i in range(60)])


def forest():
    return make_pipeline(CountVectorizer(), RandomForestClassifier(5, random_state=0))


def one_vs_rest(inner):
    return make_pipeline(CountVectorizer(), OneVsRestClassifier(inner))


def probabilities(model, X=TEXTS, y=LABELS, **kwargs):
    """Return the out-of-fold probabilities of one model."""
    result = compare({"model": model}, X, y, return_probabilities=True, **kwargs)
    return result.probabilities["model"]


@pytest.fixture(scope="module")
def comparison():
    models = {"words": words(), "coin": Coin(), "forest": forest()}
    return compare(models, TEXTS, LABELS, cv=3, return_probabilities=True)


def test_probabilities_are_those_of_cross_val_predict(comparison):
    for name, model in {"words": words(), "forest": forest()}.items():
        expected = cross_val_predict(model, TEXTS, LABELS, cv=FOLDS, method="predict_proba")
        frame = comparison.probabilities[name]
        assert_allclose(frame, expected)
        assert list(frame.columns) == ["bad", "good"]
        assert_array_equal(frame.index, range(60))
        assert_array_equal(frame.idxmax(axis=1), comparison.predictions[name])


def test_classifiers_without_predict_proba_have_none_and_do_not_fail(comparison):
    assert not comparison.errors
    assert list(comparison.probabilities) == ["words", "forest"]


def test_probabilities_are_returned_only_on_request():
    assert compare({"words": words()}, TEXTS, LABELS, cv=3).probabilities == {}


def test_probabilities_of_an_lstm_are_those_of_cross_val_predict():
    model = make_text_classifier("fast", epochs=1, random_state=0)
    expected = cross_val_predict(model, TEXTS, LABELS, cv=FOLDS, method="predict_proba")
    assert_allclose(probabilities(model, cv=3), expected, rtol=1e-6)


def test_index_of_pandas_is_kept():
    index = pd.Index([f"document {number}" for number in range(60)])
    frame = probabilities(words(), pd.Series(TEXTS, index=index), cv=3)
    assert frame.index.equals(index)


def test_columns_are_the_classes_in_sorted_order():
    numbers = np.array([30, 10, 20] * 20)
    frame = probabilities(words(), y=numbers, cv=3)
    assert frame.columns.tolist() == [10, 20, 30]
    assert_allclose(frame.sum(axis=1), 1)
    for y in (numbers == 30, pd.Series(numbers).astype(str), pd.Series(numbers).astype("category")):
        assert probabilities(words(), y=y, cv=3).columns.tolist() == np.unique(y).tolist()


def test_probabilities_of_repeated_folds_are_means():
    cv = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    total = np.zeros((60, 2))
    for train, test in cv.split(TEXTS, LABELS):
        model = words().fit([TEXTS[i] for i in train], [LABELS[i] for i in train])
        total[test] += model.predict_proba([TEXTS[i] for i in test])
    frame = probabilities(words(), cv=cv)
    assert_array_equal(frame.index, range(60))
    assert_allclose(frame, total / 2)


def test_documents_in_no_test_set_have_no_row():
    splits = [(range(10, 60), [8, 3]), (range(10, 60), [5])]
    result = compare({"words": words()}, TEXTS, LABELS, cv=splits, return_probabilities=True)
    frame = result.probabilities["words"]
    assert_array_equal(frame.index, [3, 5, 8])
    assert frame.index.equals(result.predictions.index)
    model = words().fit(TEXTS[10:], LABELS[10:])
    assert_allclose(frame, model.predict_proba([TEXTS[i] for i in (3, 5, 8)]))


def test_classes_that_are_not_in_a_training_set_have_the_probability_0():
    y = np.repeat(["a", "b", "c"], 20)
    frame = probabilities(words(), y=y, cv=KFold(3))
    assert (frame.to_numpy()[y[:, None] == ["a", "b", "c"]] == 0).all()
    assert_allclose(frame.sum(axis=1), 1)


@pytest.mark.parametrize("form", [np.asarray, csr_array])
@pytest.mark.parametrize("model", [forest(), one_vs_rest(MultinomialNB())], ids=["list", "array"])
def test_multilabel_probabilities_have_a_column_per_label(model, form):
    frame = probabilities(model, y=form(Y), cv=[(range(30), range(30, 60))])
    fitted = clone(model).fit(TEXTS[:30], Y[:30])
    expected = fitted.predict_proba(TEXTS[30:])
    if isinstance(expected, list):
        expected = np.column_stack([label[:, 1] for label in expected])
    assert_allclose(frame, expected)
    assert frame.columns.tolist() == [0, 1]


def test_labels_of_a_data_frame_are_the_columns():
    y = pd.DataFrame(Y, columns=["music", "food"])
    assert probabilities(forest(), y=y, cv=3).columns.tolist() == ["music", "food"]


def test_labels_without_training_documents_have_the_probability_0():
    y = np.column_stack([np.zeros(60, int), Y])
    with warnings.catch_warnings(action="ignore"):  # scikit-learn warns of the constant label.
        for model in (forest(), one_vs_rest(MultinomialNB())):
            assert (probabilities(model, y=y, cv=3)[0] == 0).all()
        # It seems to have predict_proba because of the constant label.
        models = {"svc": one_vs_rest(LinearSVC())}
        result = compare(models, TEXTS, y, cv=3, return_probabilities=True)
    assert not result.errors
    assert not result.probabilities


class Custom(BaseEstimator):
    """Classifier of another package, without `classes_`."""

    def __init__(self, error=None):
        self.error = error

    def fit(self, X, y):
        return self

    def predict(self, X):
        return ["bad"] * len(X)

    def predict_proba(self, X):
        if self.error:
            raise self.error
        return np.array([[0.75, 0.25]] * len(X))


def always_1(*fold):
    return 1.0


def test_classes_of_the_training_set_are_assumed_if_a_classifier_names_none():
    frame = probabilities(Custom(), cv=3, scoring=always_1)
    assert (frame["bad"] == 0.75).all()
    assert (frame["good"] == 0.25).all()


def test_an_error_of_predict_proba_is_a_failure():
    models = {"model": Custom(ValueError("no")), "words": words()}
    call = {"cv": 3, "scoring": always_1, "return_probabilities": True}
    with pytest.warns(FitFailedWarning, match="ValueError: no"):
        result = compare(models, TEXTS, LABELS, **call)
    assert list(result.probabilities) == ["words"]


def test_several_targets_with_classes_have_no_probabilities():
    y = np.array([[i % 3, i % 4] for i in range(60)])
    model = {"forest": forest()}
    result = compare(model, TEXTS, y, cv=3, scoring=always_1, return_probabilities=True)
    assert not result.errors
    assert not result.probabilities


def test_probabilities_can_be_pickled(comparison):
    copy = pickle.loads(pickle.dumps(comparison))
    assert copy.rope == comparison.rope
    assert list(copy.probabilities) == list(comparison.probabilities)
    for name, frame in comparison.probabilities.items():
        pd.testing.assert_frame_equal(copy.probabilities[name], frame)


def test_memory_keeps_probabilities_and_finds_none_that_were_not_requested(tmp_path):
    FITS.clear()
    models = {"coin": Coin(), "words": words()}
    for n_fits, requested in [(3, False), (6, True), (6, True), (6, False)]:
        result = compare(
            models, TEXTS, LABELS, cv=3, memory=tmp_path, return_probabilities=requested
        )
        assert len(FITS) == n_fits
        assert list(result.probabilities) == ["words"] * requested


@FORKED_BY_OLD_JOBLIB
def test_workers_return_probabilities(comparison):
    model = {"words": words()}
    result = compare(model, TEXTS, LABELS, cv=3, n_jobs=2, return_probabilities=True)
    expected = comparison.probabilities["words"]
    pd.testing.assert_frame_equal(result.probabilities["words"], expected)


def test_probabilities_fit_the_calibration_display(comparison, plt):
    probability = comparison.probabilities["words"]["good"]
    display = CalibrationDisplay.from_predictions(LABELS, probability, pos_label="good")
    assert_array_equal(display.y_prob, probability)


def test_logistic_regression_scored_by_log_loss_agrees_with_its_probabilities():
    model = make_pipeline(CountVectorizer(), LogisticRegression())
    result = compare(
        {"model": model}, TEXTS, LABELS, cv=3, scoring="neg_log_loss", return_probabilities=True
    )
    correct = result.probabilities["model"].to_numpy()[np.arange(60), np.equal(LABELS, "good") * 1]
    by_fold = pd.Series(np.log(correct)).groupby(result.predictions["fold"]).mean()
    assert_allclose(result.scores["neg_log_loss"], by_fold)

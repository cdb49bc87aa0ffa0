"""OutOfFoldTransformer: predictions as features, without leakage."""

import pickle

import numpy as np
import pandas as pd
import pytest
from conftest import small_classifier
from numpy.testing import assert_array_equal
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import (
    KFold,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklstm import OutOfFoldTransformer, TextSequencer

X, Y = make_classification(300, n_features=8, n_informative=4, n_classes=3, random_state=0)


def expected_failures(estimator):
    reason = "in training the predictions are out-of-fold, as in TargetEncoder"
    return dict.fromkeys(
        ["check_transformer_general", "check_transformer_data_not_an_array"], reason
    )


@parametrize_with_checks(
    [OutOfFoldTransformer(LogisticRegression(), cv=3)], expected_failed_checks=expected_failures
)
def test_estimator_check_passes(estimator, check):
    check(estimator)


@pytest.mark.parametrize("method", ["predict_proba", "decision_function"])
def test_features_are_out_of_fold_in_training_only(method):
    base, folds = LogisticRegression(), StratifiedKFold(4, shuffle=True, random_state=0)
    transformer = OutOfFoldTransformer(base, cv=folds, method=method)
    found = transformer.fit_transform(X, Y)
    assert_array_equal(found, cross_val_predict(base, X, Y, cv=folds, method=method))
    whole = LogisticRegression().fit(X, Y)
    assert_array_equal(transformer.transform(X), getattr(whole, method)(X))
    assert found.shape == (300, 3)
    assert_array_equal(transformer.fit(X, Y).transform(X), getattr(whole, method)(X))


@pytest.mark.parametrize("method", ["predict_proba", "decision_function"])
def test_two_classes_have_one_feature(method):
    y = np.array(["bad", "good"])[Y % 2]
    transformer = OutOfFoldTransformer(LogisticRegression(), method=method)
    assert transformer.fit_transform(X, y).shape == (300, 1)
    expected = getattr(LogisticRegression().fit(X, y), method)(X)
    expected = expected[:, 1] if expected.ndim == 2 else expected
    assert_array_equal(transformer.transform(X)[:, 0], expected)
    prefix = {"predict_proba": "probability", "decision_function": "score"}[method]
    assert transformer.get_feature_names_out().tolist() == [f"{prefix}_good"]


def test_names_and_pandas_output():
    transformer = OutOfFoldTransformer(LogisticRegression()).set_output(transform="pandas")
    frame = transformer.fit_transform(X, Y)
    assert frame.columns.tolist() == [f"probability_{n}" for n in range(3)]
    assert transformer.transform(X).columns.tolist() == frame.columns.tolist()


# --- Text beside numbers


def make_orders(n=240, seed=0):
    """Return texts and numbers that decide the class together, and the class."""
    rng = np.random.default_rng(seed)
    is_broken, is_late = rng.random(n) < 0.5, rng.random(n) < 0.5
    words = np.where(is_broken, "broken", "fine")
    texts = [f"the {word} parcel {n}" for word, n in zip(words, rng.integers(0, 9, n), strict=True)]
    frame = pd.DataFrame({"text": texts, "days": np.where(is_late, 9, 2) + rng.integers(0, 3, n)})
    return frame, np.where(is_broken & is_late, "angry", "content")


def joint_model(transformer, final=None):
    columns = [("text", transformer, "text"), ("days", "passthrough", ["days"])]
    final = final or DecisionTreeClassifier(min_samples_leaf=5, random_state=0)
    return make_pipeline(ColumnTransformer(columns), final)


def text_model():
    return make_pipeline(TextSequencer(), small_classifier(epochs=8, learning_rate=0.02))


def test_text_and_numbers_are_better_than_either():
    frame, y = make_orders()
    new, y_new = make_orders(seed=1)
    joint = joint_model(OutOfFoldTransformer(text_model(), cv=2)).fit(frame, y)
    of_text = text_model().fit(frame["text"], y)
    of_days = DecisionTreeClassifier(min_samples_leaf=5).fit(frame[["days"]], y)
    halves = of_text.score(new["text"], y_new), of_days.score(new[["days"]], y_new)
    assert joint.score(new, y_new) > max(halves) + 0.1
    copy = pickle.loads(pickle.dumps(joint))
    assert_array_equal(copy.predict(new), joint.predict(new))


def test_nothing_leaks_with_random_labels():
    rng = np.random.default_rng(0)
    noise, y = rng.normal(size=(400, 30)), rng.integers(0, 2, 400)
    overfitted = DecisionTreeClassifier(random_state=0)
    # In training, the features say as little about the labels as on new documents.
    features = OutOfFoldTransformer(overfitted).fit_transform(noise, y)
    assert 0.4 < (features[:, 0] == y).mean() < 0.6
    model = make_pipeline(OutOfFoldTransformer(overfitted), LogisticRegression())
    assert 0.4 < model.fit(noise, y).predict_proba(noise)[:, 1].mean() < 0.6
    assert 0.4 < cross_val_score(model, noise, y, cv=4).mean() < 0.6
    # Predictions of the documents that the classifier was fitted to would leak.
    naive = OutOfFoldTransformer(overfitted).fit(noise, y).transform(noise)
    assert (naive[:, 0] == y).all()


def test_inside_gradient_boosting_and_cross_validation():
    frame, y = make_orders()
    transformer = OutOfFoldTransformer(make_pipeline(TextSequencer(), small_classifier()), cv=2)
    model = joint_model(transformer, HistGradientBoostingClassifier(max_iter=10))
    assert (cross_val_score(model, frame, y, cv=2, error_score="raise") > 0.5).all()


def test_names_of_features_are_those_of_the_last_fit():
    frame = pd.DataFrame(X, columns=[f"x{n}" for n in range(8)])
    transformer = OutOfFoldTransformer(LogisticRegression()).fit(frame, Y)
    assert transformer.feature_names_in_.tolist() == frame.columns.tolist()
    assert not hasattr(transformer.fit(X, Y), "feature_names_in_")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_error_or_interrupt_leaves_the_transformer_as_it_was(monkeypatch, error, number):
    transformer = OutOfFoldTransformer(LogisticRegression(), cv=2).fit(X, Y)
    before, fits, fit = dict(vars(transformer)), iter(range(1, 9)), LogisticRegression.fit

    def interrupted(*arguments):
        if next(fits) == number:
            raise error
        return fit(*arguments)

    monkeypatch.setattr(LogisticRegression, "fit", interrupted)
    with pytest.raises(error):
        transformer.fit_transform(X, Y)
    assert vars(transformer) == before


# --- Errors


def test_invalid_input():
    with pytest.raises(TypeError, match="method='predict_proba', but LinearSVC has no such method"):
        OutOfFoldTransformer(LinearSVC()).fit(X, Y)
    with pytest.raises(ValueError, match="The 'method' parameter"):
        OutOfFoldTransformer(RidgeClassifier(), method="transform").fit(X, Y)
    with pytest.raises(ValueError, match="y is a label indicator"):
        OutOfFoldTransformer(LogisticRegression()).fit(X, np.eye(3, dtype=int)[Y][:, :2])
    with pytest.raises(NotFittedError):
        OutOfFoldTransformer(LogisticRegression()).transform(X)
    with pytest.raises(NotFittedError):
        OutOfFoldTransformer(LogisticRegression()).get_feature_names_out()
    with pytest.raises(ValueError, match="requires y to be passed"):
        OutOfFoldTransformer(LogisticRegression()).fit_transform(X, None)
    with pytest.raises(ValueError, match=r"cv=ShuffleSplit.* each document in exactly one test"):
        OutOfFoldTransformer(LogisticRegression(), cv=ShuffleSplit(2)).fit_transform(X, Y)
    OutOfFoldTransformer(LogisticRegression(), cv=KFold(2, shuffle=True)).fit_transform(X, Y)
    many = np.arange(300) % 5
    pairwise = SVC(decision_function_shape="ovo")
    with pytest.raises(ValueError, match="decision_function of the estimator returns 10 columns"):
        OutOfFoldTransformer(pairwise, method="decision_function").fit_transform(X, many)

"""SelectiveClassifier: rejection of documents of low confidence."""

import pickle

import numpy as np
import pandas as pd
import pytest
from conftest import make_ids, small_classifier
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    StratifiedKFold,
    cross_val_predict,
    cross_validate,
    train_test_split,
)
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklstm import SelectiveClassifier, compare, make_text_classifier

X, Y = make_classification(
    600, n_features=6, n_informative=4, n_classes=3, class_sep=1.2, flip_y=0.05, random_state=0
)


@parametrize_with_checks([SelectiveClassifier(LogisticRegression(), accuracy=0.0, cv=3)])
def test_estimator_check_passes(estimator, check):
    check(estimator)


@pytest.mark.parametrize("accuracy", [0.8, 0.9, 0.95])
def test_threshold_is_the_smallest_one_that_reaches_the_accuracy_out_of_fold(accuracy):
    base = LogisticRegression()
    model = SelectiveClassifier(base, accuracy=accuracy).fit(X, Y)
    probabilities = cross_val_predict(base, X, Y, cv=StratifiedKFold(5), method="predict_proba")
    confidence, is_correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == Y
    accepted = confidence >= model.threshold_
    assert model.coverage_ == accepted.mean()
    assert model.accuracy_ == is_correct[accepted].mean() >= accuracy
    for threshold in confidence[confidence < model.threshold_]:
        assert is_correct[confidence >= threshold].mean() < accuracy


def test_rejected_are_the_documents_below_the_threshold():
    model = SelectiveClassifier(LogisticRegression(), accuracy=0.9).fit(X, Y)
    whole = LogisticRegression().fit(X, Y)
    confidence = whole.predict_proba(X).max(axis=1)
    expected = np.where(confidence >= model.threshold_, whole.predict(X), -1)
    assert_array_equal(model.predict(X), expected)
    assert 0 < (expected == -1).mean() < 1
    assert model.predict(X).dtype == whole.predict(X).dtype
    assert_array_equal(model.predict_proba(X), whole.predict_proba(X))
    assert_array_equal(model.classes_, [0, 1, 2])


def test_prefit_chooses_the_threshold_on_other_documents():
    train, validation, y_train, y_validation = train_test_split(X, Y, random_state=0)
    fitted = LogisticRegression().fit(train, y_train)
    model = SelectiveClassifier(fitted, accuracy=0.9, cv="prefit").fit(validation, y_validation)
    assert model.estimator_ is fitted
    accepted = fitted.predict_proba(validation).max(axis=1) >= model.threshold_
    accuracy = (fitted.predict(validation) == y_validation)[accepted].mean()
    assert model.accuracy_ == accuracy >= 0.9
    assert model.coverage_ == accepted.mean()
    with pytest.raises(NotFittedError):
        SelectiveClassifier(LogisticRegression(), cv="prefit").fit(X, Y)


def test_texts_and_their_labels():
    texts = ["a fine film", "a dull film", "a long film", "a long film"] * 10
    labels = ["good", "bad", "good", "bad"] * 10
    model = SelectiveClassifier(make_text_classifier("fast", random_state=0), cv=2)
    model.fit(texts, labels)
    assert model.predict(texts[:3]).tolist() == ["good", "bad", "unsure"]
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(copy.predict(texts), model.predict(texts))
    assert clone(model).get_params()["cv"] == 2


def test_several_jobs_give_the_same():
    ids, y = make_ids()
    models = [
        SelectiveClassifier(small_classifier(epochs=2), accuracy=0.6, cv=2, n_jobs=n).fit(ids, y)
        for n in (None, 2)
    ]
    assert models[0].threshold_ == models[1].threshold_
    assert_array_equal(models[0].predict(ids), models[1].predict(ids))


def test_confidence_is_that_of_the_predicted_class():
    ids, y = make_ids()
    classifier = small_classifier(threshold=0.2).fit(ids, y)
    model = SelectiveClassifier(classifier, accuracy=0.0, cv="prefit").fit(ids, y)
    positive = classifier.predict_proba(ids)[:, 1]
    confidence = np.where(classifier.predict(ids) == 1, positive, 1 - positive)
    assert (model.threshold_, model.coverage_) == (0, 1)
    assert_array_equal(model.predict(ids), classifier.predict(ids))
    is_correct = classifier.predict(ids) == y
    accuracy = is_correct[confidence >= np.median(confidence)].mean()
    model.set_params(accuracy=accuracy).fit(ids, y)
    assert model.threshold_ <= np.median(confidence)
    assert_array_equal(model.predict(ids) == -1, confidence < model.threshold_)


def test_an_accuracy_that_is_not_reached_rejects_everything():
    noise = np.random.default_rng(0).normal(size=(200, 2))
    y = np.arange(200) % 2
    with pytest.warns(UserWarning, match=r"No threshold reaches accuracy=1\.0: the largest"):
        model = SelectiveClassifier(LogisticRegression(), accuracy=1.0).fit(noise, y)
    assert (model.predict(noise) == -1).all()
    assert (model.threshold_, model.coverage_) == (np.inf, 0.0)
    assert np.isnan(model.accuracy_)


# --- Inside scikit-learn and compare


def test_the_accuracy_is_a_parameter_of_a_search():
    search = GridSearchCV(
        SelectiveClassifier(LogisticRegression(), cv=2),
        {"accuracy": [0.5, 0.9], "estimator__C": [0.1, 1.0]},
        scoring=make_scorer(accuracy_score),
        cv=2,
    ).fit(X, Y)
    # A rejected document counts as an error.
    assert search.best_params_["accuracy"] == 0.5


def test_coverage_and_accuracy_are_scorers_of_cross_validation():
    def coverage(model, X, y):
        return np.mean(model.predict(X) != model.reject_label_)

    scores = cross_validate(
        SelectiveClassifier(LogisticRegression(), accuracy=0.9), X, Y, scoring=coverage, cv=3
    )["test_score"]
    assert ((scores > 0) & (scores < 1)).all()


def test_compare_takes_it_as_any_classifier():
    models = {
        "all": LogisticRegression(),
        "sure": SelectiveClassifier(LogisticRegression(), accuracy=0.9),
    }
    table = compare(models, X, Y, cv=3, scoring="accuracy").table
    # A rejected document counts as an error.
    assert table["accuracy"]["sure"] < table["accuracy"]["all"]


# --- Labels and errors


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (["b", "a"], "unsure"),
        ([3, 7], -1),
        ([-1, 1], -2),
        ([1.0, 2.0], -1.0),
        ([True, False], "unsure"),
    ],
)
def test_label_of_rejected_documents_by_the_type_of_the_classes(classes, expected):
    zeros, y = np.zeros((60, 1)), np.array(classes)[np.arange(60) % 2]
    with pytest.warns(UserWarning, match="No threshold reaches"):
        model = SelectiveClassifier(LogisticRegression(), accuracy=1.0).fit(zeros, y)
    assert model.reject_label_ == expected
    assert set(model.predict(zeros).tolist()) == {expected}
    model = SelectiveClassifier(LogisticRegression(), accuracy=0.0).fit(zeros, y)
    predicted = model.predict(zeros)
    assert set(predicted.tolist()) <= set(classes)
    assert type(predicted.tolist()[0]) is type(classes[0])


@pytest.mark.parametrize("kind", ["uint8", "uint64", "float64", "int8"])
def test_numbers_stay_numbers(kind):
    y = Y.astype(kind)
    model = SelectiveClassifier(LogisticRegression(), accuracy=0.9).fit(X, y)
    predicted = model.predict(X)
    assert predicted.dtype.kind == ("f" if kind == "float64" else "i")
    assert -1 in predicted
    assert accuracy_score(y, predicted) == model.score(X, y) == (predicted == y).mean()


def test_large_numbers_are_exact():
    y = Y.astype(np.uint64) + np.uint64(2**62 + 1)
    predicted = SelectiveClassifier(LogisticRegression(), accuracy=0.9).fit(X, y).predict(X)
    assert set(predicted.tolist()) == {-1, 2**62 + 1, 2**62 + 2, 2**62 + 3}


def test_score_and_search_with_labels_of_several_types():
    y = Y > 0
    model = SelectiveClassifier(LogisticRegression(), accuracy=0.95).fit(X, y)
    expected = [label == true for label, true in zip(model.predict(X), y, strict=True)]
    assert "unsure" in model.predict(X)
    assert model.score(X, y) == np.mean(expected)
    weights = np.random.default_rng(0).random(len(y))
    assert model.score(X, y, weights) == pytest.approx(np.average(expected, weights=weights))
    search = GridSearchCV(model, {"accuracy": [0.8, 0.99]}, cv=2, error_score="raise").fit(X, y)
    assert search.best_params_["accuracy"] == 0.8
    model.set_params(reject_label=-1).fit(X, y)
    assert accuracy_score(y, model.predict(X)) == model.score(X, y)


def test_names_of_features_are_those_of_the_last_fit():
    frame = pd.DataFrame(X, columns=[f"x{n}" for n in range(6)])
    model = SelectiveClassifier(LogisticRegression(), cv=2).fit(frame, Y)
    assert model.feature_names_in_.tolist() == frame.columns.tolist()
    assert not hasattr(model.fit(X, Y), "feature_names_in_")


def test_groups_are_passed_as_folds():
    folds = list(GroupKFold(3).split(X, Y, np.arange(600) // 6))
    model = SelectiveClassifier(LogisticRegression(), cv=folds, accuracy=0.9).fit(X, Y)
    assert 0 < model.coverage_ < 1


def test_own_label_of_rejected_documents():
    model = SelectiveClassifier(LogisticRegression(), accuracy=0.8, reject_label="ask").fit(X, Y)
    assert set(model.predict(X).tolist()) == {0, 1, 2, "ask"}


def test_nan_is_no_label():
    with pytest.raises(ValueError, match="reject_label=nan is not a single label"):
        SelectiveClassifier(LogisticRegression(), reject_label=np.nan).fit(X, Y)


def test_invalid_input():
    for label in ([1, 2], (1, 2), np.array([1, 2])):
        with pytest.raises(ValueError, match=r"reject_label=.* is not a single label"):
            SelectiveClassifier(LogisticRegression(), reject_label=label).fit(X, Y)
    with pytest.raises(ValueError, match=r"cv=\[\] has no folds"):
        SelectiveClassifier(LogisticRegression(), cv=[]).fit(X, Y)
    fitted = LogisticRegression().fit(X, Y)
    with pytest.raises(ValueError, match="y contains no class of the classifier"):
        SelectiveClassifier(fitted, cv="prefit").fit(X, Y.astype(str))
    with pytest.raises(ValueError, match="reject_label=1 is a class; choose another"):
        SelectiveClassifier(LogisticRegression(), reject_label=1).fit(X, Y)
    with pytest.raises(ValueError, match="The 'accuracy' parameter"):
        SelectiveClassifier(LogisticRegression(), accuracy=95).fit(X, Y)
    with pytest.raises(ValueError, match="y is a label indicator"):
        SelectiveClassifier(LogisticRegression()).fit(X, np.eye(3, dtype=int)[Y][:, :2])
    with pytest.raises(TypeError, match="LinearSVC has no predict_proba; wrap it in"):
        SelectiveClassifier(LinearSVC()).fit(X, Y)
    with pytest.raises(NotFittedError):
        SelectiveClassifier(LogisticRegression()).predict(X)

"""ConfidenceDisplay: calibration error and accuracy against coverage."""

import numpy as np
import pytest
from conftest import LABELS, TEXTS, make_ids, small_classifier
from numpy.testing import assert_allclose
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.svm import LinearSVC

from sklstm import ConfidenceDisplay, SelectiveClassifier, make_text_classifier
from sklstm._confidence import coverage_curve

RNG = np.random.default_rng(0)
CONFIDENCE = RNG.uniform(0.5, 1, 300).round(2)
IS_CORRECT = RNG.random(300) < CONFIDENCE


def test_bins_are_those_of_scikit_learn():
    display = ConfidenceDisplay(CONFIDENCE, IS_CORRECT, n_bins=7)
    accuracy, confidence = calibration_curve(IS_CORRECT, CONFIDENCE, n_bins=7)
    assert_allclose(display.bins.accuracy, accuracy)
    assert_allclose(display.bins.confidence, confidence)
    assert display.bins.n_documents.sum() == 300


def test_calibration_error_is_the_weighted_mean_over_bins():
    confidence = [0.55, 0.65, 0.95, 0.95, 1.0]
    is_correct = [True, False, True, True, False]
    expected = (1 * 0.45 + 1 * 0.65 + 3 * abs(2.9 / 3 - 2 / 3)) / 5
    display = ConfidenceDisplay(confidence, is_correct)
    assert display.expected_calibration_error == pytest.approx(expected)


def test_curve_agrees_with_counting():
    curve = coverage_curve(CONFIDENCE, IS_CORRECT)
    assert (np.diff(curve.thresholds) < 0).all()
    assert set(curve.thresholds) == set(CONFIDENCE)
    for threshold, coverage, accuracy in zip(*curve, strict=True):
        accepted = threshold <= CONFIDENCE
        assert coverage == pytest.approx(accepted.mean())
        assert accuracy == pytest.approx(IS_CORRECT[accepted].mean())


def test_coverage_is_the_largest_one_that_reaches_the_accuracy():
    display = ConfidenceDisplay(CONFIDENCE, IS_CORRECT)
    found = display.coverage_at(0.9)
    accepted = found.threshold <= CONFIDENCE
    assert found.accuracy == IS_CORRECT[accepted].mean() >= 0.9
    assert found.coverage == accepted.mean()
    for threshold in CONFIDENCE[found.threshold > CONFIDENCE]:
        assert IS_CORRECT[threshold <= CONFIDENCE].mean() < 0.9
    assert display.coverage_at(0.0).coverage == 1.0


def test_an_accuracy_that_no_threshold_reaches():
    found = ConfidenceDisplay([0.9, 0.8], [False, True]).coverage_at(0.95)
    assert (found.threshold, found.coverage) == (np.inf, 0.0)
    assert np.isnan(found.accuracy)


def test_estimator_and_its_predictions_give_the_same(plt):
    model = make_text_classifier("fast", random_state=0).fit(TEXTS, LABELS)
    display = ConfidenceDisplay.from_estimator(model, TEXTS, LABELS)
    probabilities = model.predict_proba(TEXTS)
    other = ConfidenceDisplay.from_predictions(LABELS, probabilities)
    assert_allclose(display.confidence, probabilities.max(axis=1))
    assert (display.is_correct == (model.predict(TEXTS) == LABELS)).all()
    assert_allclose(other.confidence, display.confidence)
    assert (other.is_correct == display.is_correct).all()


def test_confidence_is_the_probability_of_the_predicted_class(plt):
    ids, y = make_ids()
    classifier = small_classifier(threshold=0.2).fit(ids, y)
    display = ConfidenceDisplay.from_estimator(classifier, ids, y)
    positive = classifier.predict_proba(ids)[:, 1]
    expected = np.where(classifier.predict(ids) == 1, positive, 1 - positive)
    assert_allclose(display.confidence, expected, rtol=1e-6)


def test_out_of_fold_probabilities_of_any_classifier(plt):
    X = RNG.normal(size=(60, 2))
    y = np.array(["a", "b", "c"])[RNG.integers(0, 3, 60)]
    probabilities = cross_val_predict(LogisticRegression(), X, y, method="predict_proba")
    display = ConfidenceDisplay.from_predictions(y, probabilities, classes=["a", "b", "c"])
    assert display.is_correct.mean() == (np.array([*"abc"])[probabilities.argmax(1)] == y).mean()


def test_panels(plt):
    display = ConfidenceDisplay(CONFIDENCE, IS_CORRECT).plot(accuracy=0.9)
    reliability, coverage = display.ax_
    found = display.coverage_at(0.9)
    assert reliability.get_title() == (
        f"calibration error {display.expected_calibration_error:.3f}"
    )
    assert coverage.get_title() == f"{found.coverage:.0%} decided at accuracy 0.9"
    *_, mark = coverage.lines
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (found.coverage, found.accuracy)
    figure, axes = plt.subplots(1, 2)
    assert display.plot(accuracy=None, ax=axes).figure_ is figure
    assert display.ax_[1].get_title() == ""
    figure.canvas.draw()


@pytest.mark.parametrize("n_documents", [1, 5, 5000])
def test_any_number_of_documents_is_plotted(plt, n_documents):
    confidence = RNG.random(n_documents)
    display = ConfidenceDisplay(confidence, np.ones(n_documents, bool)).plot()
    assert 1 <= len(display.ax_[1].lines[0].get_xdata()) <= 2000
    assert display.ax_[1].get_title() == "100% decided at accuracy 0.95"


def test_invalid_input(plt):
    with pytest.raises(ValueError, match="y_true is a label indicator"):
        ConfidenceDisplay.from_predictions([[0, 1], [1, 1]], [[0.1, 0.9], [0.8, 0.2]])
    with pytest.raises(ValueError, match=r"probabilities has shape \(2, 3\), but there are 2"):
        ConfidenceDisplay.from_predictions(["a", "b"], np.full((2, 3), 1 / 3))
    with pytest.raises(ValueError, match="confidence must be from 0 to 1; pass probabilities"):
        ConfidenceDisplay([1.5], [True])
    with pytest.raises(ValueError, match="confidence must be from 0 to 1"):
        ConfidenceDisplay([np.nan], [True])
    with pytest.raises(ValueError, match="is_correct must contain booleans"):
        ConfidenceDisplay([0.5, 0.6], ["yes", "no"])
    with pytest.raises(ValueError, match="should be a 1d array"):
        ConfidenceDisplay([[0.5, 0.5]], [True])
    with pytest.raises(ValueError, match="confidence is empty"):
        ConfidenceDisplay([], [])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ConfidenceDisplay([0.5], [True, False])
    with pytest.raises(ValueError, match="n_bins == 0, must be >= 1"):
        ConfidenceDisplay([0.5], [True], n_bins=0)
    svc = LinearSVC().fit([[0], [1]], ["a", "b"])
    with pytest.raises(TypeError, match=r"LinearSVC has no predict_proba; wrap it in"):
        ConfidenceDisplay.from_estimator(svc, [[0]], ["a"])


def test_invalid_accuracy_leaves_no_figure(plt):
    display = ConfidenceDisplay([0.5], [True])
    for call in (display.coverage_at, lambda accuracy: display.plot(accuracy=accuracy)):
        with pytest.raises(ValueError, match="accuracy == 95, must be <= 1"):
            call(95)
        with pytest.raises(TypeError, match="accuracy must be an instance of"):
            call("95")
    assert plt.get_fignums() == []


def test_labels_that_are_missing_or_not_classes(plt):
    X = RNG.normal(size=(60, 2))
    model = LogisticRegression().fit(X, X[:, 0] > 0)
    with pytest.raises(ValueError, match="y contains no class of the classifier: its first label"):
        ConfidenceDisplay.from_estimator(model, X, np.full(60, "True"))
    with pytest.raises(ValueError, match="the label of row 0 is missing"):
        ConfidenceDisplay.from_estimator(model, X, [None] + [True] * 59)
    with pytest.raises(ValueError, match="y_true contains no class of the classifier"):
        ConfidenceDisplay.from_predictions(["0", "1"], np.eye(2), classes=[0, 1])
    # Some labels may be unknown.
    y = np.where(np.arange(60) < 6, 7, model.predict(X))
    assert ConfidenceDisplay.from_estimator(model, X, y).is_correct.mean() == 0.9


def test_classifiers_without_one_class_per_document(plt):
    ids, y = make_ids()
    indicator = np.column_stack([y, 1 - y, y])
    multilabel = small_classifier().fit(ids, indicator)
    with pytest.raises(ValueError, match="LSTMTextClassifier is multilabel, but confidence is"):
        ConfidenceDisplay.from_estimator(multilabel, ids, y)
    X = RNG.normal(size=(60, 2))
    labels = X[:, 0] + RNG.normal(size=60) > 0
    selective = SelectiveClassifier(LogisticRegression(), accuracy=0.95).fit(X, labels)
    assert selective.coverage_ < 1
    with pytest.raises(ValueError, match="predicts 'unsure', which is not in classes_; pass a"):
        ConfidenceDisplay.from_estimator(selective, X, labels)


def test_classes_need_not_be_sorted(plt):
    class Unsorted(LogisticRegression):
        def fit(self, X, y):
            super().fit(X, y)
            self.classes_ = self.classes_[::-1]
            return self

        def predict_proba(self, X):
            scores = self.decision_function(X)
            return np.column_stack([1 / (1 + np.exp(scores)), 1 / (1 + np.exp(-scores))])

    X = RNG.normal(size=(60, 2))
    model = Unsorted().fit(X, X[:, 0] > 0)
    display = ConfidenceDisplay.from_estimator(model, X, X[:, 0] > 0)
    assert_allclose(display.confidence, model.predict_proba(X).max(axis=1))

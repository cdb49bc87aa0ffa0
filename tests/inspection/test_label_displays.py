"""Displays of label predictions agree with scikit-learn's metrics."""

import numpy as np
import pandas as pd
import pytest
from conftest import make_ids, small_classifier
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from sklstm import MultilabelConfusionDisplay, ThresholdDisplay

RNG = np.random.default_rng(0)
Y = (RNG.random((80, 5)) < [0.1, 0.5, 0.3, 0.2, 0.4]).astype(int)
PREDICTED = np.where(RNG.random((80, 5)) < 0.8, Y, 1 - Y)
SCORES = np.clip(0.5 * Y + RNG.normal(0.3, 0.2, (80, 5)), 0.01, 0.99).round(2)
NAMES = ["sport", "$food$", "music", "a name of more than 20 characters", "art"]
IDS, CLASSES = make_ids()
INDICATOR = np.column_stack([CLASSES, IDS[:, -1] % 3 == 0, np.arange(60) % 2]).astype(int)


@pytest.fixture(scope="module")
def multilabel():
    return small_classifier(threshold=[0.4, 0.5, 0.6]).fit(IDS, INDICATOR)


def titles(display):
    return [ax.get_title().replace("\n", " ") for ax in display.ax_]


# --- Confusion matrices


def test_matrices_are_those_of_single_labels(plt):
    display = MultilabelConfusionDisplay.from_predictions(Y, PREDICTED, labels=range(5))
    for label, (ax, matrix) in enumerate(zip(display.ax_, display.confusion_matrices, strict=True)):
        expected = confusion_matrix(Y[:, label], PREDICTED[:, label])
        assert_array_equal(matrix, expected)
        texts = [text.get_text().split("\n") for text in ax.texts]
        assert [int(count) for count, _ in texts] == expected.ravel().tolist()
        proportions = expected / expected.sum(axis=1, keepdims=True)
        assert [percent for _, percent in texts] == [f"{p:.0%}" for p in proportions.ravel()]
        assert_allclose(ax.images[0].get_array(), proportions)
    assert titles(display) == ["0", "1", "2", "3", "4"]
    assert display.figure_ is display.ax_[0].figure
    assert len(display.figure_.axes) == 5  # The other places of two rows of four are empty.
    display.figure_.canvas.draw()


def test_the_most_frequent_labels_are_plotted(plt):
    counts = Y.sum(axis=0)
    assert sorted(counts, reverse=True) == [counts[i] for i in (1, 4, 2, 3, 0)]
    display = MultilabelConfusionDisplay.from_predictions(
        Y, PREDICTED, display_labels=NAMES, max_labels=3
    )
    assert titles(display) == display.display_labels == ["$food$", "art", "music"]
    assert_array_equal(display.confusion_matrices[0], confusion_matrix(Y[:, 1], PREDICTED[:, 1]))


@pytest.mark.parametrize("form", [list, csr_array, pd.DataFrame])
def test_labels_can_be_chosen_by_name_or_column(plt, form):
    y = Y.tolist() if form is list else form(Y)
    display = MultilabelConfusionDisplay.from_predictions(
        y, PREDICTED, labels=["music", 0, np.int64(3)], display_labels=NAMES
    )
    assert titles(display) == ["music", "sport", "a name of more than 20 characters"]
    assert_array_equal(display.confusion_matrices[1], confusion_matrix(Y[:, 0], PREDICTED[:, 0]))


def test_columns_of_a_data_frame_name_the_labels(plt, multilabel):
    frame = pd.DataFrame(INDICATOR, columns=["c", "a", "b"])
    for display in (
        MultilabelConfusionDisplay.from_estimator(multilabel, IDS, frame, labels=["a", "c"]),
        ThresholdDisplay.from_estimator(multilabel, IDS, frame, labels=["a", "c"]),
    ):
        assert titles(display) == ["a", "c"]


def test_matrices_of_an_estimator_are_those_of_its_predictions(plt, multilabel):
    display = MultilabelConfusionDisplay.from_estimator(multilabel, IDS, INDICATOR, labels=[2])
    predicted = multilabel.predict(IDS)[:, 2]
    assert_array_equal(display.confusion_matrices, [confusion_matrix(INDICATOR[:, 2], predicted)])
    with pytest.raises(NotFittedError):
        MultilabelConfusionDisplay.from_estimator(small_classifier(), IDS, INDICATOR)


def test_a_label_without_documents_has_a_matrix(plt):
    y = Y.copy()
    y[:, 0] = 0
    display = MultilabelConfusionDisplay.from_predictions(y, y, labels=[0])
    assert [text.get_text() for text in display.ax_[0].texts] == [
        "80\n100%",
        "0\n0%",
        "0\n0%",
        "0\n0%",
    ]


@pytest.mark.parametrize("n_labels", [1, 3, 5])
def test_panels_are_drawn_on_given_axes(plt, n_labels):
    figure, axes = plt.subplots(1, n_labels)
    shown = {"labels": range(n_labels), "ax": axes}
    display = MultilabelConfusionDisplay.from_predictions(Y, PREDICTED, **shown)
    assert display.figure_ is figure
    assert list(display.ax_) == list(np.atleast_1d(axes))
    display = ThresholdDisplay.from_predictions(Y, SCORES, **shown)
    assert list(display.ax_) == list(np.atleast_1d(axes))
    figure, (left, right) = plt.subplots(1, 2)
    inside = display.plot(ax=right)
    assert inside.figure_ is figure
    assert left not in inside.ax_
    _, two = plt.subplots(1, 2)
    with pytest.raises(ValueError, match=f"ax contains 2 Axes, and .* draws on {n_labels}"):
        MultilabelConfusionDisplay.from_predictions(Y, PREDICTED, labels=range(n_labels), ax=two)


# --- Thresholds


def test_curves_are_the_metrics_of_predictions_at_each_threshold(plt):
    display = ThresholdDisplay.from_predictions(
        Y, SCORES, labels=["micro", 0, 3], thresholds=[0.3, 0.4, 0.5, 0.6, 0.7]
    )
    assert titles(display) == ["all labels (micro-averaged)", "0", "3"]
    for curve, columns in zip(display.curves, (slice(None), [0], [3]), strict=True):
        true, scores = Y[:, columns].ravel(), SCORES[:, columns].ravel()
        assert_array_equal(curve.thresholds, np.unique(scores))
        for i, threshold in enumerate(curve.thresholds):
            predicted = scores >= threshold
            for metric, values in (
                (precision_score, curve.precision),
                (recall_score, curve.recall),
                (f1_score, curve.f1),
            ):
                assert values[i] == pytest.approx(metric(true, predicted))
    assert_array_equal(display.curves[0].chosen, [0.3, 0.4, 0.5, 0.6, 0.7])
    assert display.curves[2].chosen == [0.6]


def test_lines_have_the_value_of_the_next_score(plt):
    display = ThresholdDisplay.from_predictions(Y, SCORES, labels=[2])
    (ax,), (curve,) = display.ax_, display.curves
    drawn = {line.get_label(): line for line in ax.lines}
    assert set(drawn) == {"precision", "recall", "F1"}
    for name, values in (
        ("precision", curve.precision),
        ("recall", curve.recall),
        ("F1", curve.f1),
    ):
        assert drawn[name].get_drawstyle() == "steps-pre"
        assert_allclose(drawn[name].get_xdata(), [0, *curve.thresholds])
        assert_allclose(drawn[name].get_ydata(), [values[0], *values])
    assert ax.get_xlim() == (0, 1)
    assert ax.get_xlabel() == "threshold (probability)"


def test_thresholds_of_the_classifier_are_marked(plt, multilabel):
    display = ThresholdDisplay.from_estimator(multilabel, IDS, INDICATOR, labels=[0, 2, "micro"])
    marked = [
        [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"]
        for ax in display.ax_
    ]
    assert marked == [[0.4], [0.6], [0.4, 0.5, 0.6]]
    assert multilabel.thresholds_.tolist() == [0.4, 0.5, 0.6]
    (curve, _, _) = display.curves
    predicted = multilabel.predict(IDS)[:, 0]
    at = np.searchsorted(curve.thresholds, 0.4)
    assert curve.recall[at] == pytest.approx(recall_score(INDICATOR[:, 0], predicted))


def test_two_classes_have_one_threshold(plt):
    names = np.array(["no", "yes"])[CLASSES]
    classifier = small_classifier(threshold=0.3).fit(IDS, names)
    display = ThresholdDisplay.from_estimator(classifier, IDS, names)
    (curve,) = display.curves
    assert (curve.name, curve.chosen.tolist()) == ("yes", [0.3])
    probabilities = classifier.predict_proba(IDS)[:, 1]
    assert_allclose(curve.thresholds, np.unique(probabilities))
    at = np.searchsorted(curve.thresholds, 0.3)
    predicted = classifier.predict(IDS)
    assert curve.f1[at] == pytest.approx(f1_score(names, predicted, pos_label="yes"))
    other = ThresholdDisplay.from_predictions(names, 1 - probabilities, pos_label="no")
    assert other.curves[0].name == "no"
    assert other.curves[0].recall[0] == 1.0


def test_classifiers_without_thresholds_have_those_of_scikit_learn(plt):
    x = IDS.astype(float)
    forms = [
        (LogisticRegression(max_iter=1000), CLASSES, 0.5, "probability"),
        (LinearSVC(), CLASSES, 0.0, "score"),
        (OneVsRestClassifier(LinearSVC()), INDICATOR, 0.0, "score"),
    ]
    for classifier, y, threshold, score in forms:
        display = ThresholdDisplay.from_estimator(classifier.fit(x, y), x, y)
        assert display.curves[0].chosen.tolist() == [threshold]
        assert display.ax_[0].get_xlabel() == f"threshold ({score})"
        at = np.searchsorted(display.curves[0].thresholds, threshold, side="right")
        expected = recall_score(
            y, classifier.predict(x), average="micro" if y.ndim == 2 else "binary"
        )
        assert display.curves[0].recall[at] == pytest.approx(expected)


def test_tuned_thresholds_and_those_of_the_best_classifier_of_a_search_are_marked(plt):
    x = IDS.astype(float)
    tuned = TunedThresholdClassifierCV(LogisticRegression(max_iter=1000), scoring="f1", cv=3)
    (curve,) = ThresholdDisplay.from_estimator(tuned.fit(x, CLASSES), x, CLASSES).curves
    assert curve.chosen.tolist() == [tuned.best_threshold_] != [0.5]
    search = GridSearchCV(small_classifier(epochs=1), {"threshold": [0.3]}, cv=2)
    (curve,) = ThresholdDisplay.from_estimator(search.fit(IDS, CLASSES), IDS, CLASSES).curves
    assert curve.chosen.tolist() == [0.3]


def test_lines_of_many_documents_are_thinned(plt):
    scores = np.linspace(0, 1, 9000)
    display = ThresholdDisplay.from_predictions(np.arange(9000) % 2, scores)
    line = display.ax_[0].lines[0]
    assert len(line.get_xdata()) == 2001
    assert (line.get_xdata()[0], line.get_xdata()[-1]) == (0, 1)


# --- What is refused

BAD = {
    "classes": ({"y": Y[:, 0] + Y[:, 1]}, "label indicator"),
    "tags": ({"y": [["food"], []] * 40}, "MultiLabelBinarizer"),
    "names": ({"display_labels": ["a"]}, "display_labels has 1 names for 5 labels"),
    "label": (
        {"labels": ["art", "film"], "display_labels": np.array(NAMES)},
        r"contains 'film', which is not one of the labels 'sport', '\$food\$', ",
    ),
    "column": ({"labels": [5]}, "contains 5, which is not one of the labels 0, 1, 2, 3, 4"),
    "shape": ({"values": SCORES[:, :3]}, r"shape \(80, 3\)"),
}


@pytest.mark.parametrize("kind", [MultilabelConfusionDisplay, ThresholdDisplay])
@pytest.mark.parametrize("name", BAD)
def test_errors_name_what_is_wrong(kind, name, plt):
    change, message = BAD[name]
    values = PREDICTED if kind is MultilabelConfusionDisplay else SCORES
    call = {"y": Y, "values": values, "labels": range(5)} | change
    with pytest.raises(ValueError, match=message):
        kind.from_predictions(call.pop("y"), call.pop("values"), **call)


def test_thresholds_of_more_than_two_classes_are_refused(plt):
    ids, y = make_ids(n_classes=3)
    classifier = small_classifier(epochs=1).fit(ids, y)
    with pytest.raises(ValueError, match="y has 3 classes, and a threshold divides two"):
        ThresholdDisplay.from_estimator(classifier, ids, y)


def test_a_label_without_documents_has_no_curve(plt):
    y = Y.copy()
    y[:, 0] = 0
    with pytest.raises(ValueError, match="No document in y has the label 'sport'"):
        ThresholdDisplay.from_predictions(y, SCORES, labels=["sport"], display_labels=NAMES)

"""Plots of the predictions of labels: confusion matrices and decision thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    multilabel_confusion_matrix,
    precision_recall_curve,
)

from sklstm._multilabel import as_dense, as_indicator, label_scores
from sklstm._plotting import BLACK, BLUE, GREY, MAX_COLUMNS, VERMILION, Display, sequential, tidy
from sklstm._validation import check_no_tags
from sklstm.pipeline import final_classifier

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Black text is readable on colors up to this fraction of the color map.
_MAX_SATURATION = 0.8
# Maximum number of points of a line.
_MAX_POINTS = 2000
# Entry of `labels` that stands for all labels together.
_MICRO = "micro"


class MultilabelConfusionDisplay(Display):
    """Confusion matrices of labels: one matrix per label, with the numbers of documents.

    The color is the proportion of the documents in the row, so that rare labels can be compared
    with frequent ones.

    It is recommended to use `from_estimator` or `from_predictions` to create a display.

    Parameters
    ----------
    confusion_matrices : ndarray of int of shape (n_labels, 2, 2)
        Matrices as in `sklearn.metrics.multilabel_confusion_matrix`: rows are documents without and
        with the label, columns predictions of it.
    display_labels : sequence of str or None, default=None
        Names of the labels; None for their numbers.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes of shape (n_labels,)
        Axes of the matrices.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    ThresholdDisplay : Precision and recall of a label for all thresholds.
    sklearn.metrics.ConfusionMatrixDisplay : Confusion matrix of classes.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklstm import MultilabelConfusionDisplay
    >>> y_true, y_pred = [[1, 0], [1, 1], [0, 1]], [[1, 0], [0, 1], [0, 0]]
    >>> display = MultilabelConfusionDisplay.from_predictions(
    ...     y_true, y_pred, display_labels=["film", "book"]
    ... )
    >>> display.display_labels
    ['film', 'book']
    >>> display.confusion_matrices[0]
    array([[1, 0],
           [1, 1]])

    From a fitted classifier, on given axes:

    >>> import matplotlib.pyplot as plt
    >>> from sklstm import classic_baselines
    >>> texts = ["a fine film", "a film of a book", "a fine book"]
    >>> model = classic_baselines(multilabel=True, min_df=1)["linear_svc"].fit(texts, y_true)
    >>> figure, axes = plt.subplots(1, 2)
    >>> display = MultilabelConfusionDisplay.from_estimator(model, texts, y_true, ax=axes)
    >>> display.plot().figure_ is figure
    False
    """

    def __init__(
        self, confusion_matrices: ArrayLike, *, display_labels: Sequence[object] | None = None
    ) -> None:
        self.confusion_matrices = confusion_matrices
        self.display_labels = display_labels

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike,
        y: ArrayLike,
        *,
        labels: Sequence[object] | None = None,
        display_labels: Sequence[object] | None = None,
        max_labels: int = 8,
        ax: Axes | ArrayLike | None = None,
    ) -> Self:
        """Plot the confusion matrices of the predictions of a fitted classifier.

        Parameters
        ----------
        estimator : classifier or Pipeline
            Fitted multilabel classifier.
        X : array-like
            Documents in a form that the classifier accepts.
        y : array-like of shape (n_documents, n_labels)
            Label indicator.
        labels : sequence of str or int, or None, default=None
            Labels to plot, by name or column. None for the most frequent ones, up to `max_labels`.
        display_labels : sequence of str of shape (n_labels,) or None, default=None
            Names of the columns of y, such as ``classes_`` of `MultiLabelBinarizer`. None for the
            column names of a DataFrame, otherwise the column numbers.
        max_labels : int, default=8
            Maximum number of labels if `labels` is None.
        ax : matplotlib Axes, array of Axes or None, default=None
            One Axes to divide, one Axes per label, or None for a new figure.

        Returns
        -------
        display : MultilabelConfusionDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If y is not a label indicator, or a label does not exist.
        NotFittedError
            If `estimator` is not fitted.
        ImportError
            If matplotlib is not installed.
        """
        if display_labels is None and isinstance(y, pd.DataFrame):
            display_labels = y.columns.tolist()
        return cls.from_predictions(
            y,
            estimator.predict(X),
            labels=labels,
            display_labels=display_labels,
            max_labels=max_labels,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        labels: Sequence[object] | None = None,
        display_labels: Sequence[object] | None = None,
        max_labels: int = 8,
        ax: Axes | ArrayLike | None = None,
    ) -> Self:
        """Plot the confusion matrices of predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_documents, n_labels)
            Label indicator.
        y_pred : array-like of shape (n_documents, n_labels)
            Predicted label indicator.
        labels : sequence of str or int, or None, default=None
            Labels to plot, by name or column. None for the most frequent ones, up to `max_labels`.
        display_labels : sequence of str of shape (n_labels,) or None, default=None
            Names of the columns, such as ``classes_`` of `MultiLabelBinarizer`. None for the column
            names of a DataFrame, otherwise the column numbers.
        max_labels : int, default=8
            Maximum number of labels if `labels` is None.
        ax : matplotlib Axes, array of Axes or None, default=None
            One Axes to divide, one Axes per label, or None for a new figure.

        Returns
        -------
        display : MultilabelConfusionDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If y_true is not a label indicator, y_pred has another shape, or a label does not exist.
        ImportError
            If matplotlib is not installed.
        """
        check_no_tags(y_true, "y_true")
        true, predicted = as_indicator(y_true), as_dense(y_pred)
        if true is None:
            raise ValueError(
                "y_true is not a label indicator; for the matrix of its classes, use "
                "sklearn.metrics.ConfusionMatrixDisplay."
            )
        if predicted.shape != true.shape:
            raise ValueError(f"y_pred has shape {predicted.shape}, not {true.shape} as y_true.")
        names = _label_names(y_true, display_labels, true.shape[1])
        if labels is None:
            frequent_first = np.argsort(-true.sum(axis=0), kind="stable")
            columns = frequent_first[:max_labels].tolist()
        else:
            columns = [_column(label, names) for label in labels]
        matrices = multilabel_confusion_matrix(true, predicted)[columns]
        return cls(matrices, display_labels=[names[column] for column in columns]).plot(ax=ax)

    def plot(self, *, ax: Axes | ArrayLike | None = None) -> Self:
        """Plot one matrix per label.

        Parameters
        ----------
        ax : matplotlib Axes, array of Axes or None, default=None
            One Axes to divide, one Axes per label, or None for a new figure.

        Returns
        -------
        self : MultilabelConfusionDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If the number of Axes differs from the number of labels.
        ImportError
            If matplotlib is not installed.
        """
        matrices = np.asarray(self.confusion_matrices)
        names = range(len(matrices)) if self.display_labels is None else self.display_labels
        self.ax_ = self._panels(ax, len(matrices), (1.75, 1.9))
        n_columns = min(len(matrices), MAX_COLUMNS)
        for number, (each, matrix, name) in enumerate(zip(self.ax_, matrices, names, strict=True)):
            _plot_matrix(each, matrix, str(name))
            each.set_ylabel("" if number % n_columns else "true")
            each.set_xlabel("predicted" if number >= len(matrices) - n_columns else "")
        return self


def _plot_matrix(ax: Axes, matrix: NDArray[np.int_], name: str) -> None:
    """Plot proportions of rows as colors, and numbers of documents as text."""
    proportions = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    display = ConfusionMatrixDisplay(proportions, display_labels=["no", "yes"])
    limits = {"vmin": 0.0, "vmax": 1.0 / _MAX_SATURATION}
    display.plot(ax=ax, cmap=sequential(), colorbar=False, im_kw=limits)
    for text, count, proportion in zip(
        display.text_.flat, matrix.flat, proportions.flat, strict=True
    ):
        text.set(text=f"{count:,}\n{proportion:.0%}", color=BLACK, fontsize="small")
    ax.set_title(fill(name, 20), fontsize="medium", parse_math=False)


class ThresholdCurve(NamedTuple):
    """Precision and recall of a label for each threshold.

    Attributes
    ----------
    name : str
        Name of the label.
    thresholds : ndarray of float of shape (n_thresholds,)
        Scores from which on the label is predicted, in increasing order.
    precision : ndarray of float of shape (n_thresholds,)
        Proportion of the predicted labels that are correct.
    recall : ndarray of float of shape (n_thresholds,)
        Proportion of the correct labels that are predicted.
    chosen : ndarray of float of shape (n_chosen,)
        Thresholds of the classifier.
    """

    name: str
    thresholds: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    chosen: NDArray[np.float64]

    @property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of precision and recall; 0 if both are 0."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / np.where(total > 0, total, 1.0)


class ThresholdDisplay(Display):
    """Precision, recall and F1 score for each decision threshold.

    A dotted line marks the threshold of the classifier. It is recommended to use `from_estimator`
    or `from_predictions` to create a display.

    Parameters
    ----------
    curves : sequence of ThresholdCurve
        One curve per panel.
    score_name : str, default="probability"
        Name of the score that the thresholds are compared with.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes of shape (n_curves,)
        Axes of the panels.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    MultilabelConfusionDisplay : Predictions with the chosen thresholds.
    sklearn.metrics.PrecisionRecallDisplay : Precision against recall.
    sklearn.model_selection.TunedThresholdClassifierCV : Tunes the threshold of two classes.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklstm import ThresholdDisplay
    >>> y_true, y_score = [[1, 0], [1, 1], [0, 1]], [[0.9, 0.1], [0.3, 0.4], [0.4, 0.2]]
    >>> display = ThresholdDisplay.from_predictions(y_true, y_score, labels=[0, 1])
    >>> display.curves[0].thresholds, display.curves[0].precision
    (array([0.3, 0.4, 0.9]), array([0.66666667, 0.5       , 1.        ]))

    From a fitted classifier of two classes:

    >>> from sklstm import LSTMTextClassifier
    >>> ids, labels = [[0, 2], [3, 2], [4, 2], [5, 2]], ["no", "yes", "no", "yes"]
    >>> classifier = LSTMTextClassifier(units=4, epochs=1, threshold=0.4).fit(ids, labels)
    >>> display = ThresholdDisplay.from_estimator(classifier, ids, labels)
    >>> display.curves[0].name, display.curves[0].chosen.tolist()
    ('yes', [0.4])

    The same plot on given axes:

    >>> import matplotlib.pyplot as plt
    >>> figure, ax = plt.subplots()
    >>> display.plot(ax=ax).figure_ is figure
    True
    """

    def __init__(
        self, curves: Sequence[ThresholdCurve], *, score_name: str = "probability"
    ) -> None:
        self.curves = curves
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike,
        y: ArrayLike,
        *,
        labels: Sequence[object] | str = "micro",
        display_labels: Sequence[object] | None = None,
        ax: Axes | ArrayLike | None = None,
    ) -> Self:
        """Plot the scores of a fitted classifier, and mark its thresholds.

        The documents should not be those that the classifier was fitted to, whose probabilities are
        too extreme.

        Parameters
        ----------
        estimator : classifier or Pipeline
            Fitted multilabel or binary classifier, or search. Its thresholds are ``thresholds_`` or
            ``best_threshold_``, or else 0.5 for probabilities and 0 for the scores of a classifier
            without ``predict_proba``.
        X : array-like
            Documents in a form that the classifier accepts.
        y : array-like of shape (n_documents,) or (n_documents, n_labels)
            Labels of two classes, or a label indicator.
        labels : "micro" or sequence of str or int, default="micro"
            Labels to plot, by name or column, with one panel each. "micro" stands for all labels
            together, with the same threshold; it can also be an element of the sequence.
        display_labels : sequence of str of shape (n_labels,) or None, default=None
            Names of the columns of y, such as ``classes_`` of `MultiLabelBinarizer`. None for the
            column names of a DataFrame, otherwise the column numbers.
        ax : matplotlib Axes, array of Axes or None, default=None
            One Axes to divide, one Axes per panel, or None for a new figure.

        Returns
        -------
        display : ThresholdDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If y has more than two classes, or a label does not exist or has no documents.
        TypeError
            If the classifier has neither ``predict_proba`` nor ``decision_function``.
        NotFittedError
            If `estimator` is not fitted.
        ImportError
            If matplotlib is not installed.
        """
        classifier = final_classifier(estimator)
        scores, method = label_scores(estimator, X, "predict_proba", "decision_function")
        is_probability = method == "predict_proba"
        thresholds = _classifier_thresholds(classifier)
        if thresholds is None:
            thresholds = 0.5 if is_probability else 0.0
        pos_label = None
        if as_indicator(y) is None:
            _check_two_classes(scores.shape[1])
            scores, pos_label = scores[:, -1], classifier.classes_[-1]
        curves = _threshold_curves(y, scores, thresholds, labels, display_labels, pos_label)
        return cls(curves, score_name="probability" if is_probability else "score").plot(ax=ax)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_score: ArrayLike,
        *,
        thresholds: float | ArrayLike | None = None,
        labels: Sequence[object] | str = "micro",
        display_labels: Sequence[object] | None = None,
        pos_label: object = None,
        ax: Axes | ArrayLike | None = None,
    ) -> Self:
        """Plot scores.

        Parameters
        ----------
        y_true : array-like of shape (n_documents,) or (n_documents, n_labels)
            Labels of two classes, or a label indicator.
        y_score : array-like of float of shape (n_documents,) or (n_documents, n_labels)
            Probabilities or other scores of the positive class or of the labels.
        thresholds : float, array-like of float of shape (n_labels,) or None, default=None
            Thresholds to mark.
        labels : "micro" or sequence of str or int, default="micro"
            Labels to plot, as in `from_estimator`.
        display_labels : sequence of str of shape (n_labels,) or None, default=None
            Names of the columns, as in `from_estimator`.
        pos_label : str, int or None, default=None
            The positive class of two classes; None for the last one.
        ax : matplotlib Axes, array of Axes or None, default=None
            One Axes to divide, one Axes per panel, or None for a new figure.

        Returns
        -------
        display : ThresholdDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If y_true has more than two classes, the shapes differ, or a label does not exist or has
            no documents.
        ImportError
            If matplotlib is not installed.
        """
        scores = np.asarray(y_score, dtype=np.float64)
        marked = np.empty(0) if thresholds is None else thresholds
        curves = _threshold_curves(y_true, scores, marked, labels, display_labels, pos_label)
        return cls(curves).plot(ax=ax)

    def plot(self, *, ax: Axes | ArrayLike | None = None) -> Self:
        """Plot one panel per curve.

        Parameters
        ----------
        ax : matplotlib Axes, array of Axes or None, default=None
            One Axes to divide, one Axes per panel, or None for a new figure.

        Returns
        -------
        self : ThresholdDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If the number of Axes differs from the number of curves.
        ImportError
            If matplotlib is not installed.
        """
        size = (4.2, 3.2) if len(self.curves) == 1 else (2.6, 2.4)
        self.ax_ = self._panels(ax, len(self.curves), size)
        for each, curve in zip(self.ax_, self.curves, strict=True):
            self._plot_curve(each, curve)
        self.ax_[0].legend(fontsize="small", frameon=False)
        return self

    def _plot_curve(self, ax: Axes, curve: ThresholdCurve) -> None:
        lines = {
            "precision": (curve.precision, "--", BLUE),
            "recall": (curve.recall, "-.", VERMILION),
            "F1": (curve.f1, "-", BLACK),
        }
        n_points = len(curve.thresholds)
        shown = np.unique(np.linspace(0, n_points - 1, min(n_points, _MAX_POINTS)).astype(int))
        thresholds = curve.thresholds[shown]
        if self.score_name == "probability":
            ax.set_xlim(0, 1)
            # Below the smallest probability, all labels are predicted.
            shown, thresholds = np.append(0, shown), np.append(0.0, thresholds)
        for name, (values, style, color) in lines.items():
            (line,) = ax.step(thresholds, values[shown], style, where="pre", label=name)
            line.set(color=color, linewidth=1.3)
        for number, threshold in enumerate(curve.chosen):
            label = "" if number else "threshold" if len(curve.chosen) == 1 else "thresholds"
            width = 1.3 if len(curve.chosen) == 1 else 0.6
            ax.axvline(threshold, color=GREY, linestyle=":", linewidth=width, label=label)
        ax.set_ylim(0, 1.03)
        ax.set_xlabel(f"threshold ({self.score_name})")
        ax.set_title(fill(curve.name, 30), fontsize="medium", parse_math=False)
        tidy(ax, "both")


def _classifier_thresholds(classifier: BaseEstimator) -> Any:
    """Return the thresholds of a classifier or of the best one of a search; None if unknown."""
    while hasattr(classifier, "best_estimator_"):
        classifier = final_classifier(classifier.best_estimator_)
    tuned = getattr(classifier, "best_threshold_", None)  # Of TunedThresholdClassifierCV.
    return getattr(classifier, "thresholds_", tuned)


def _threshold_curves(
    y: ArrayLike,
    scores: NDArray[np.float64],
    thresholds: float | ArrayLike,
    labels: Sequence[object] | str,
    display_labels: Sequence[object] | None,
    pos_label: object,
) -> list[ThresholdCurve]:
    """Return the curves of labels, or of all labels together."""
    check_no_tags(y)
    indicator = as_indicator(y)
    if indicator is None:
        classes = np.asarray(y).ravel()
        found = np.unique(classes)
        _check_two_classes(len(found))
        pos_label = found[-1] if pos_label is None else pos_label
        indicator, names = (classes == pos_label)[:, None], [pos_label]
        columns: list[int | None] = [0]
    else:
        names = _label_names(y, display_labels, indicator.shape[1])
        entries = [labels] if isinstance(labels, str) else labels
        columns = [None if entry == _MICRO else _column(entry, names) for entry in entries]
    scores = scores.reshape(len(scores), -1)
    if scores.shape != indicator.shape:
        raise ValueError(f"The scores have shape {scores.shape}, and y {indicator.shape}.")
    chosen = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
    if len(chosen) == 1:
        chosen = np.repeat(chosen, len(names))
    curves = []
    for column in columns:
        name = "all labels (micro-averaged)" if column is None else str(names[column])
        part = slice(None) if column is None else slice(column, column + 1)
        is_positive = indicator[:, part].ravel()
        if not is_positive.any():
            raise ValueError(f"No document in y has the label {name!r}; choose other labels.")
        precision, recall, values = precision_recall_curve(is_positive, scores[:, part].ravel())
        # The last precision and recall belong to no threshold.
        curve = (values, precision[:-1], recall[:-1], np.unique(chosen[part]))
        curves.append(ThresholdCurve(name, *curve))
    return curves


def _check_two_classes(n_classes: int) -> None:
    if n_classes > 2:
        raise ValueError(
            f"y has {n_classes} classes, and a threshold divides two. Pass the labels of two "
            "classes, or a label indicator."
        )


def _label_names(y: Any, display_labels: Sequence[object] | None, n_labels: int) -> list[Any]:
    if display_labels is None:
        return list(y.columns) if isinstance(y, pd.DataFrame) else list(range(n_labels))
    names = np.asarray(display_labels, dtype=object).tolist()
    if len(names) != n_labels:
        raise ValueError(f"display_labels has {len(names)} names for {n_labels} labels.")
    return names


def _column(label: Any, names: list[Any]) -> int:
    """Return the column of a label, which is a name or a column number."""
    if label in names:
        return names.index(label)
    if isinstance(label, int | np.integer) and 0 <= label < len(names):
        return int(label)
    shown = ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")
    raise ValueError(f"labels contains {label!r}, which is not one of the labels {shown}.")

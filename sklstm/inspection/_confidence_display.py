"""Plot of confidence: reliability, and accuracy against coverage."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length, check_scalar, column_or_1d

from sklstm._confidence import (
    CoverageCurve,
    ReliabilityBins,
    check_known_labels,
    check_single_label,
    coverage_curve,
    evaluate,
    reliability_bins,
)
from sklstm._plotting import BLUE, GREY, VERMILION, Display, tidy
from sklstm._sklearn import num_samples

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Maximum number of points of a line.
_MAX_POINTS = 2000
# The accuracy of fewer documents is not plotted, because it varies too much.
_MIN_DOCUMENTS = 10


class Coverage(NamedTuple):
    """The documents that a classifier can decide with a required accuracy.

    Attributes
    ----------
    threshold : float
        Minimum confidence; infinity if no threshold reaches the accuracy.
    coverage : float
        Proportion of the documents whose confidence reaches the threshold.
    accuracy : float
        Proportion of correct predictions among them; NaN if there are none.
    """

    threshold: float
    coverage: float
    accuracy: float


class ConfidenceDisplay(Display):
    """Reliability of the probabilities, and accuracy of the most confident predictions.

    The confidence is the probability of the predicted class. The first panel compares it with the
    accuracy, in bins of equal width; points below the diagonal mean that the classifier is
    overconfident. The second panel shows the accuracy if only the most confident documents are
    decided, and the proportion that can be decided with a required accuracy.

    It is recommended to use `from_estimator` or `from_predictions` to create a display.

    Parameters
    ----------
    confidence : array-like of float of shape (n_documents,)
        Probability of the predicted class.
    is_correct : array-like of bool of shape (n_documents,)
        Whether the prediction is correct.
    n_bins : int, default=10
        Number of bins of the first panel.

    Attributes
    ----------
    bins : ReliabilityBins
        Mean ``confidence``, ``accuracy`` and ``n_documents`` of each bin that is not empty.
    expected_calibration_error : float
        Mean difference of confidence and accuracy over the bins, weighted by the number of
        documents [1]_.
    curve : CoverageCurve
        ``coverage`` and ``accuracy`` for all ``thresholds``.
    ax_ : ndarray of matplotlib Axes of shape (2,)
        Axes of the panels.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    SelectiveClassifier : Rejects documents of low confidence.
    sklearn.calibration.CalibratedClassifierCV : Improves the probabilities.
    sklearn.calibration.CalibrationDisplay : Reliability of the probability of one class.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger (2017). `On Calibration of Modern Neural
           Networks <https://proceedings.mlr.press/v70/guo17a.html>`_. ICML, 1321-1330.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklstm import ConfidenceDisplay
    >>> confidence, is_correct = [0.9, 0.8, 0.7, 0.6], [True, True, False, True]
    >>> display = ConfidenceDisplay(confidence, is_correct, n_bins=2)
    >>> display.coverage_at(0.95)
    Coverage(threshold=0.8, coverage=0.5, accuracy=1.0)
    >>> round(display.expected_calibration_error, 3)
    0.0
    >>> display.plot(accuracy=0.95).ax_[1].get_xlabel()
    'coverage'
    >>> probabilities = [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]
    >>> display = ConfidenceDisplay.from_predictions(["bad", "good", "good"], probabilities)
    >>> display.is_correct.tolist()
    [True, False, True]
    >>> from sklstm import make_text_classifier
    >>> texts, labels = ["a fine film", "a dull film"] * 10, ["good", "bad"] * 10
    >>> model = make_text_classifier("fast", random_state=0).fit(texts, labels)
    >>> display = ConfidenceDisplay.from_estimator(model, ["fine", "dull"], ["good", "bad"])
    >>> display.is_correct.tolist()
    [True, True]
    """

    def __init__(self, confidence: ArrayLike, is_correct: ArrayLike, *, n_bins: int = 10) -> None:
        check_scalar(n_bins, "n_bins", Integral, min_val=1)
        check_consistent_length(confidence, is_correct)
        self.confidence = column_or_1d(confidence, dtype=np.float64)
        flags = np.asarray(column_or_1d(is_correct))
        if not set(flags.tolist()) <= {False, True}:
            raise ValueError("is_correct must contain booleans; pass y_predicted == y_true.")
        self.is_correct = flags.astype(bool)
        if not len(self.confidence):
            raise ValueError("confidence is empty; pass at least one document.")
        if not ((self.confidence >= 0) & (self.confidence <= 1)).all():
            raise ValueError("confidence must be from 0 to 1; pass probabilities.")
        self.bins: ReliabilityBins = reliability_bins(self.confidence, self.is_correct, n_bins)
        self.expected_calibration_error = self.bins.expected_calibration_error
        self.curve: CoverageCurve = coverage_curve(self.confidence, self.is_correct)

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike,
        y: ArrayLike,
        *,
        n_bins: int = 10,
        accuracy: float | None = 0.95,
        ax: Axes | ArrayLike | None = None,
    ) -> Self:
        """Plot the confidence of a fitted classifier.

        The documents should not be those that the classifier was fitted to, whose probabilities are
        too extreme.

        Parameters
        ----------
        estimator : classifier or Pipeline
            Fitted classifier with `predict_proba`, of one class per document.
        X : array-like
            Documents in a form that the classifier accepts.
        y : array-like of shape (n_documents,)
            Classes.
        n_bins : int, default=10
            Number of bins of the first panel.
        accuracy : float or None, default=0.95
            Required accuracy to mark, as in `plot`.
        ax : matplotlib Axes, array of Axes or None, default=None
            One Axes to divide, two Axes, or None for a new figure.

        Returns
        -------
        display : ConfidenceDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If y is a label indicator or contains no class of the classifier, the classifier is
            multilabel or rejects documents, `n_bins` is not positive, or `accuracy` is not from 0
            to 1.
        TypeError
            If the classifier has no `predict_proba`.
        NotFittedError
            If `estimator` is not fitted.
        ImportError
            If matplotlib is not installed.
        """
        true, predicted, confidence = evaluate(estimator, X, y)
        display = cls(confidence, predicted == true, n_bins=n_bins)
        return display.plot(accuracy=accuracy, ax=ax)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        probabilities: ArrayLike,
        *,
        classes: ArrayLike | None = None,
        n_bins: int = 10,
        accuracy: float | None = 0.95,
        ax: Axes | ArrayLike | None = None,
    ) -> Self:
        """Plot the confidence of probabilities, such as those of `cross_val_predict`.

        The predicted class is the most probable one.

        Parameters
        ----------
        y_true : array-like of shape (n_documents,)
            Classes.
        probabilities : array-like of float of shape (n_documents, n_classes)
            Probabilities of the classes.
        classes : array-like of shape (n_classes,) or None, default=None
            Class of each column; None for the sorted classes in `y_true`.
        n_bins : int, default=10
            Number of bins of the first panel.
        accuracy : float or None, default=0.95
            Required accuracy to mark, as in `plot`.
        ax : matplotlib Axes, array of Axes or None, default=None
            One Axes to divide, two Axes, or None for a new figure.

        Returns
        -------
        display : ConfidenceDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If `y_true` is a label indicator or contains none of the classes, the shapes do not
            match, `n_bins` is not positive, or `accuracy` is not from 0 to 1.
        ImportError
            If matplotlib is not installed.
        """
        columns = np.asarray(probabilities, dtype=np.float64)
        true = check_single_label(y_true, num_samples(columns), "y_true")
        names = np.unique(true) if classes is None else np.asarray(classes)
        check_known_labels(true, names, "y_true")
        if columns.shape != (len(true), len(names)):
            raise ValueError(
                f"probabilities has shape {columns.shape}, but there are {len(true)} documents and "
                f"{len(names)} classes; pass a column per class, and classes= if y_true lacks one."
            )
        predicted = names[columns.argmax(axis=1)]
        display = cls(columns.max(axis=1), predicted == true, n_bins=n_bins)
        return display.plot(accuracy=accuracy, ax=ax)

    def coverage_at(self, accuracy: float) -> Coverage:
        """Return the largest coverage whose documents have at least a required accuracy.

        Parameters
        ----------
        accuracy : float
            Required accuracy, from 0 to 1.

        Returns
        -------
        coverage : Coverage
            The ``threshold``, the ``coverage`` and the ``accuracy``.

        Raises
        ------
        TypeError
            If `accuracy` is not a number.
        ValueError
            If `accuracy` is not from 0 to 1.
        """
        check_scalar(accuracy, "accuracy", Real, min_val=0, max_val=1)
        best = self.curve.best(accuracy)
        if best is None:
            return Coverage(np.inf, 0.0, np.nan)
        return Coverage(*(float(values[best]) for values in self.curve))

    def plot(self, *, accuracy: float | None = 0.95, ax: Axes | ArrayLike | None = None) -> Self:
        """Plot both panels.

        Parameters
        ----------
        accuracy : float or None, default=0.95
            Required accuracy, from 0 to 1. The largest coverage that reaches it is marked; None for
            no mark.
        ax : matplotlib Axes, array of Axes or None, default=None
            One Axes to divide, two Axes, or None for a new figure.

        Returns
        -------
        self : ConfidenceDisplay
            The plotted display.

        Raises
        ------
        TypeError
            If `accuracy` is not a number.
        ValueError
            If `accuracy` is not from 0 to 1, or the number of Axes is not 1 or 2.
        ImportError
            If matplotlib is not installed.
        """
        if accuracy is not None:
            check_scalar(accuracy, "accuracy", Real, min_val=0, max_val=1)
        self.ax_ = self._panels(ax, 2, (3.4, 3.2))
        self._plot_reliability(self.ax_[0])
        self._plot_coverage(self.ax_[1], accuracy)
        return self

    def _plot_reliability(self, ax: Axes) -> None:
        confidence, accuracy, n_documents = self.bins
        start = min(0.5, float(self.confidence.min()), float(accuracy.min()))
        ax.plot([0, 1], [0, 1], ":", color=GREY, linewidth=1.3, label="calibrated")
        sizes = 12 + 120 * n_documents / n_documents.sum()
        ax.scatter(confidence, accuracy, sizes, color=BLUE, zorder=3)
        ax.plot(confidence, accuracy, color=BLUE, linewidth=1.3, label="classifier")
        ax.set(xlabel="confidence", ylabel="accuracy")
        ax.set_xlim(max(0, start - 0.03), 1.03)
        ax.set_ylim(max(0, start - 0.03), 1.03)
        error = f"calibration error {self.expected_calibration_error:.3f}"
        ax.set_title(error, fontsize="medium")
        ax.legend(fontsize="small", frameon=False, loc="upper left")
        tidy(ax, "both")

    def _plot_coverage(self, ax: Axes, accuracy: float | None) -> None:
        _, coverage, values = self.curve
        n_documents = np.round(coverage * len(self.confidence))
        is_shown = n_documents >= min(_MIN_DOCUMENTS, len(self.confidence))
        shown = np.flatnonzero(is_shown)
        if len(shown) > _MAX_POINTS:
            shown = shown[np.linspace(0, len(shown) - 1, _MAX_POINTS).astype(int)]
        ax.plot(coverage[shown], values[shown], color=BLUE, linewidth=1.3)
        ax.set(xlabel="coverage", ylabel="accuracy of the decided documents")
        ax.set_xlim(0, 1.03)
        lowest = min(values[shown].min(), 1.0 if accuracy is None else accuracy, 0.99)
        ax.set_ylim(lowest - 0.05 * (1 - lowest), 1 + 0.05 * (1 - lowest))
        if accuracy is not None:
            found = self.coverage_at(accuracy)
            ax.axhline(accuracy, color=GREY, linestyle=":", linewidth=1.3)
            if found.coverage:
                ax.plot(found.coverage, found.accuracy, "o", color=VERMILION)
            title = f"{found.coverage:.0%} decided at accuracy {accuracy:g}"
            ax.set_title(title, fontsize="medium")
        tidy(ax, "both")

"""The course of a training: loss and scores by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from sklstm._plotting import BLACK, BLUE, GRID, VERMILION, final_step, several_axes, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_LABELS = {"loss": "cross-entropy (nats)"}
_VALIDATION = "val_"


class TrainingHistoryDisplay:
    """Loss and score of each epoch, on training and validation documents.

    Made by `from_estimator` as a rule.

    Parameters
    ----------
    history : mapping of str to sequence of float
        A value an epoch of each figure, as in ``history_``; those of validation documents begin
        with "val_".
    best_epoch : int or None, default=None
        The epoch to be marked, counted from 1.
    is_kept : bool, default=False
        Whether the weights of that epoch are those of the classifier.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes of shape (n_figures,)
        The loss first.
    figure_ : matplotlib Figure
        What they are on.
    lines_ : dict of str to matplotlib Line2D
        The line of each figure in `history`.

    See Also
    --------
    LSTMTextClassifier : Its attribute ``history_`` is what is drawn.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklstm import LSTMTextClassifier
    >>> from sklstm.displays import TrainingHistoryDisplay
    >>> classifier = LSTMTextClassifier(units=4, epochs=3).fit([[0, 2], [3, 2]], ["no", "yes"])
    >>> display = TrainingHistoryDisplay.from_estimator(classifier)
    >>> [ax.get_ylabel() for ax in display.ax_]
    ['cross-entropy (nats)', 'accuracy']

    Any history can be drawn:

    >>> display = TrainingHistoryDisplay({"loss": [0.7, 0.4], "val_loss": [0.8, 0.6]}).plot()
    >>> sorted(display.lines_)
    ['loss', 'val_loss']
    """

    def __init__(
        self,
        history: Mapping[str, Sequence[float]],
        *,
        best_epoch: int | None = None,
        is_kept: bool = False,
    ) -> None:
        self.history = history
        self.best_epoch = best_epoch
        self.is_kept = is_kept

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> Self:
        """Draw the training of a fitted classifier.

        With early stopping the epoch is marked whose weights were kept; without it, where there
        are validation documents, the one of the best validation accuracy.

        Parameters
        ----------
        estimator : LSTMTextClassifier, KerasTextClassifier or Pipeline
            Fitted; of a pipeline the last step.
        ax : matplotlib Axes, array of Axes or None, default=None
            One to be divided, one for each figure, or None for a new matplotlib figure.

        Returns
        -------
        display : TrainingHistoryDisplay
            Drawn.

        Raises
        ------
        TypeError
            If the estimator keeps no history.
        NotFittedError
            If it is not fitted.
        ImportError
            If matplotlib is not installed.
        """
        classifier = final_step(estimator)
        if not hasattr(classifier, "history_"):
            kind = type(classifier).__name__
            raise TypeError(f"A {kind} has no history_; pass a fitted LSTMTextClassifier.")
        scores = classifier.history_.get("val_accuracy")
        best = None if scores is None else int(np.argmax(scores)) + 1
        is_kept = hasattr(classifier, "best_score_")
        return cls(classifier.history_, best_epoch=best, is_kept=is_kept).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> Self:
        """Draw an axes for each figure.

        Parameters
        ----------
        ax : matplotlib Axes, array of Axes or None, default=None
            One to be divided, one for each figure, or None for a new matplotlib figure.

        Returns
        -------
        self : TrainingHistoryDisplay
            Drawn.

        Raises
        ------
        ValueError
            If there are not as many axes as figures.
        ImportError
            If matplotlib is not installed.
        """
        names = [name for name in self.history if not name.startswith(_VALIDATION)]
        size = (2.6 * len(names) + 0.4, 2.6)
        axes = several_axes(type(self).__name__, ax, 1, len(names), size).ravel()
        self.ax_: NDArray[Any] = axes
        self.figure_: Figure = axes[0].figure
        self.lines_: dict[str, Any] = {}
        for each, name in zip(axes, names, strict=True):
            self._draw(each, name)
        return self

    def _draw(self, ax: Any, name: str) -> None:
        from matplotlib.ticker import MaxNLocator

        for key, label, style, colour in (
            (name, "training", "o-", BLUE),
            (_VALIDATION + name, "validation", "s--", VERMILION),
        ):
            if key in self.history:
                values = self.history[key]
                epochs = np.arange(1, len(values) + 1)
                # Markers of many epochs run into each other.
                size = 4 if len(values) <= 30 else 0
                (line,) = ax.plot(epochs, values, style, color=colour, label=label, markersize=size)
                self.lines_[key] = line
        if self.best_epoch is not None:
            word = "kept" if self.is_kept else "best"
            label = f"{word}: epoch {self.best_epoch}"
            ax.axvline(self.best_epoch, color=BLACK, linewidth=1, linestyle=":", label=label)
        ax.set(xlabel="epoch", ylabel=_LABELS.get(name, name.replace("_", " ")))
        n_epochs = max(len(values) for values in self.history.values())
        ax.set_xlim(0.5, 0.5 + 1.02 * n_epochs)  # No tick at an epoch 0.
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
        ax.grid(color=GRID, linewidth=0.6)
        ax.set_axisbelow(True)
        ax.legend(fontsize="small", frameon=False)
        tidy(ax)

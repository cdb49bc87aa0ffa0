"""The plot of a comparison: every fold, the mean, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from textwrap import fill
from typing import TYPE_CHECKING, NamedTuple, Self

from numpy.typing import NDArray

from sklstm._plotting import BLACK, BLUE, GREY, GRID, one_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from sklstm.comparison import Comparison


class Row(NamedTuple):
    """A classifier in the plot: its scores, their mean and its interval, or its error."""

    name: str
    scores: NDArray
    mean: float = nan
    low: float = nan
    high: float = nan
    error: str = ""


class ComparisonDisplay:
    """Scores of classifiers on the same folds: each fold, the mean, and its confidence interval.

    Made by `from_comparison` as a rule, or by `Comparison.plot`.

    Parameters
    ----------
    rows : sequence of Row
        Name, scores of the folds, mean, and low and high end of the interval of each classifier, or
        its error; the first is drawn on top.
    label : str
        Name of the score.
    confidence : float, default=0.95
        Of the intervals.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn on.
    figure_ : matplotlib Figure
        What it is on.

    See Also
    --------
    compare : Makes the comparison.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklstm import compare
    >>> from sklstm.baselines import classic_baselines
    >>> from sklstm import ComparisonDisplay
    >>> baselines = classic_baselines()
    >>> models = {name: baselines[name] for name in ("linear_svc", "nb_svm")}
    >>> texts = ["a fine film", "a dull film", "fine and moving", "dull and slow"] * 5
    >>> comparison = compare(models, texts, ["good", "bad"] * 10, cv=2)
    >>> display = ComparisonDisplay.from_comparison(comparison)
    >>> display.ax_.get_xlabel()
    'accuracy'

    Drawn again, on axes of one's own:

    >>> import matplotlib.pyplot as plt
    >>> figure, (left, right) = plt.subplots(1, 2)
    >>> display.plot(ax=right).ax_ is right
    True
    """

    def __init__(self, rows: Sequence[Row], label: str, *, confidence: float = 0.95) -> None:
        self.rows = rows
        self.label = label
        self.confidence = confidence

    @classmethod
    def from_comparison(
        cls,
        comparison: Comparison,
        scoring: str | None = None,
        *,
        alpha: float = 0.05,
        ax: Axes | None = None,
    ) -> Self:
        """Draw a score of a comparison.

        Parameters
        ----------
        comparison : Comparison
            What `compare` has returned.
        scoring : str or None, default=None
            Which score; None for the first.
        alpha : float, default=0.05
            The intervals are those of ``1 - alpha`` confidence.
        ax : matplotlib Axes or None, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        display : ComparisonDisplay
            Drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `scoring` is none of the scores, or `alpha` is not between 0 and 1.
        """
        label, rows = comparison._rows_to_draw(scoring, alpha)
        return cls(rows, label, confidence=1 - alpha).plot(ax=ax)

    def plot(self, *, ax: Axes | None = None) -> Self:
        """Draw a line for each classifier.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        self : ComparisonDisplay
            Drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = one_axes(type(self).__name__, ax, (5, 1.3 + 0.38 * len(self.rows)))
        for height, row in enumerate(self.rows):
            if row.error:
                kind = row.error.partition(":")[0]
                failed = ax.text(0.02, height, f"failed: {kind}", color=GREY, fontsize="small")
                failed.set(transform=ax.get_yaxis_transform(), verticalalignment="center")
                continue
            ax.plot([row.low, row.high], [height, height], color=BLACK, linewidth=1.5, zorder=2)
            ax.plot(row.mean, height, "D", color=BLACK, markersize=5, zorder=3)
            # Below the line, where the interval does not hide them.
            below = [height + 0.22] * len(row.scores)
            ax.plot(row.scores, below, "o", color=BLUE, markersize=4.5, alpha=0.6, linewidth=0)
        names = [fill(row.name, 24) for row in self.rows]
        ax.set_yticks(range(len(names)), names, parse_math=False)
        ax.set_ylim(len(self.rows) - 0.4, -0.6)
        ax.set_xlabel(self.label)
        ax.grid(axis="x", color=GRID, linewidth=0.8)
        ax.set_axisbelow(True)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.tick_params(axis="y", length=0)
        mean = ax.plot([], [], "D-", color=BLACK, markersize=5, linewidth=1.5)[0]
        fold = ax.plot([], [], "o", color=BLUE, markersize=4.5, alpha=0.6, linewidth=0)[0]
        ax.legend(
            [fold, mean],
            ["a fold", f"mean and its {self.confidence:.0%} interval"],
            loc="lower right",
            bbox_to_anchor=(1.0, 1.0),
            borderaxespad=0.0,
            ncols=2,
            frameon=False,
            fontsize="small",
        )
        self.ax_: Axes = ax
        self.figure_: Figure | SubFigure = ax.figure
        return self


# Until the comparison package defines it.
ComparisonDisplay.__module__ = "sklstm.comparison"

"""The plot of a comparison: every fold, the mean, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from textwrap import fill
from typing import TYPE_CHECKING, NamedTuple

from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Told apart by people with any colour vision, and in print (Okabe and Ito).
_BLUE, _BLACK, _GREY = "#0072B2", "#000000", "#6b6b6b"


class Row(NamedTuple):
    """A classifier in the plot: its scores, their mean and its interval, or its error."""

    name: str
    scores: NDArray
    mean: float = nan
    low: float = nan
    high: float = nan
    error: str = ""


def dot_plot(rows: Sequence[Row], label: str, confidence: float, ax: Axes | None) -> Axes:
    """Draw a line for each classifier, the first on top."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Comparison.plot needs matplotlib, which is not installed; `pip install matplotlib`."
        ) from error
    if ax is None:
        _, ax = plt.subplots(figsize=(5, 1.3 + 0.38 * len(rows)), layout="constrained")
    for height, row in enumerate(rows):
        if row.error:
            kind = row.error.partition(":")[0]
            failed = ax.text(0.02, height, f"failed: {kind}", color=_GREY, fontsize="small")
            failed.set(transform=ax.get_yaxis_transform(), verticalalignment="center")
            continue
        ax.plot([row.low, row.high], [height, height], color=_BLACK, linewidth=1.5, zorder=2)
        ax.plot(row.mean, height, "D", color=_BLACK, markersize=5, zorder=3)
        # Below the line, where the interval does not hide them.
        below = [height + 0.22] * len(row.scores)
        ax.plot(row.scores, below, "o", color=_BLUE, markersize=4.5, alpha=0.6, linewidth=0)
    ax.set_yticks(range(len(rows)), [fill(row.name, 24) for row in rows], parse_math=False)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlabel(label)
    ax.grid(axis="x", color="#dddddd", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    mean = ax.plot([], [], "D-", color=_BLACK, markersize=5, linewidth=1.5)[0]
    fold = ax.plot([], [], "o", color=_BLUE, markersize=4.5, alpha=0.6, linewidth=0)[0]
    ax.legend(
        [fold, mean],
        ["a fold", f"mean and its {confidence:.0%} interval"],
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        borderaxespad=0.0,
        ncols=2,
        frameon=False,
        fontsize="small",
    )
    return ax

"""Colours and axes that all displays share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

#: Told apart by people with any colour vision, and in print (Okabe and Ito).
BLUE, VERMILION, BLACK, GREY = "#0072B2", "#D55E00", "#000000", "#6b6b6b"
GRID = "#dddddd"
#: Of numbers from 0 to 1.
SEQUENTIAL = "viridis"


def pyplot(what: str) -> Any:
    """Return `matplotlib.pyplot`.

    Parameters
    ----------
    what : str
        What needs it, for the error.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{what} needs matplotlib, which is not installed; `pip install matplotlib`."
        ) from error
    return plt


def diverging() -> Colormap:
    """Return the colours of numbers on both sides of 0: orange below, blue above."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("orange_blue", [VERMILION, "#ffffff", BLUE])


def one_axes(what: str, ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Return `ax`, or the axes of a new figure of `size` inches."""
    plt = pyplot(what)
    if ax is None:
        _, ax = plt.subplots(figsize=size, layout="constrained")
    return ax


def several_axes(
    what: str, ax: Any, n_rows: int, n_columns: int, size: tuple[float, float]
) -> NDArray[Any]:
    """Return axes in rows and columns.

    Parameters
    ----------
    what : str
        What needs them, for errors.
    ax : Axes, array-like of Axes or None
        One to be divided, as many as are needed, or None for a new figure of `size` inches.
    n_rows, n_columns : int
        How many are needed.
    size : tuple of float
        Width and height.

    Returns
    -------
    axes : ndarray of Axes of shape (n_rows, n_columns)

    Raises
    ------
    ValueError
        If there are not as many as are needed, or one cannot be divided.
    """
    plt = pyplot(what)
    shape = (n_rows, n_columns)
    if ax is None:
        return plt.subplots(*shape, figsize=size, layout="constrained", squeeze=False)[1]
    if isinstance(ax, plt.Axes) and shape != (1, 1):
        place = ax.get_subplotspec()
        if place is None:
            raise ValueError(f"ax cannot be divided; make it by plt.subplots(), or pass {shape}.")
        ax.set_axis_off()
        return place.subgridspec(*shape).subplots(squeeze=False)
    given = np.asarray(ax, dtype=object)
    if given.size != n_rows * n_columns:
        raise ValueError(
            f"ax holds {given.size} axes, and {what} draws on {n_rows * n_columns}; pass as many, "
            "one to be divided, or None."
        )
    return given.reshape(shape)


def room(ax: Axes) -> tuple[float, float]:
    """Return width and height in inches that the layout of its figure leaves to an axes."""
    ax.figure.canvas.figure.draw_without_rendering()
    extent = ax.get_window_extent()
    return extent.width / ax.figure.dpi, extent.height / ax.figure.dpi


def tidy(ax: Axes) -> None:
    """Leave out the lines of an axes that say nothing."""
    ax.spines[["top", "right"]].set_visible(False)


def final_step(estimator: Any) -> Any:
    """Return a fitted classifier, which may be the last step of a pipeline.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    """
    classifier = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    check_is_fitted(classifier)
    return classifier

"""Colors and axes that all displays share."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

#: Distinguishable with any color vision, and in print (Okabe and Ito).
BLUE, VERMILION, BLACK, GREY = "#0072B2", "#D55E00", "#000000", "#6b6b6b"
GRID = "#dddddd"
#: Color map for values from 0 to 1.
SEQUENTIAL = "viridis"


def pyplot(user: str) -> ModuleType:
    """Return `matplotlib.pyplot`.

    Parameters
    ----------
    user : str
        Name of the class that needs it, for the error.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{user} needs matplotlib, which is not installed; `pip install matplotlib`."
        ) from error
    return plt


def diverging() -> Colormap:
    """Return a color map for values around 0: orange below, blue above."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("orange_blue", [VERMILION, "#ffffff", BLUE])


def one_axes(user: str, ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Return `ax`, or the axes of a new figure of `size` inches."""
    plt = pyplot(user)
    if ax is None:
        _, ax = plt.subplots(figsize=size, layout="constrained")
    return ax


def several_axes(
    user: str, ax: Axes | ArrayLike | None, n_rows: int, n_columns: int, size: tuple[float, float]
) -> NDArray[np.object_]:
    """Return axes in rows and columns.

    Parameters
    ----------
    user : str
        Name of the class that draws, for errors.
    ax : Axes, array-like of Axes or None
        One Axes to divide, as many Axes as needed, or None for a new figure.
    n_rows, n_columns : int
        Shape of the grid.
    size : tuple of float
        Width and height of a new figure, in inches.

    Returns
    -------
    axes : ndarray of Axes of shape (n_rows, n_columns)

    Raises
    ------
    ValueError
        If the number of Axes is wrong, or an Axes cannot be divided.
    """
    plt = pyplot(user)
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
            f"ax contains {given.size} Axes, and {user} draws on {n_rows * n_columns}; pass as "
            "many, one to divide, or None."
        )
    return given.reshape(shape)


def room(ax: Axes) -> tuple[float, float]:
    """Return the width and height of an Axes in inches, after the layout of its figure."""
    ax.figure.canvas.figure.draw_without_rendering()
    extent = ax.get_window_extent()
    return extent.width / ax.figure.dpi, extent.height / ax.figure.dpi


def tidy(ax: Axes) -> None:
    """Hide the top and right spines of an Axes."""
    ax.spines[["top", "right"]].set_visible(False)

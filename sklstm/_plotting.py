"""Colors, axes and styles of all displays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

#: Distinguishable with any color vision, and in print (Okabe and Ito).
BLUE, VERMILION, BLACK, GREY = "#0072B2", "#D55E00", "#000000", "#6b6b6b"

#: Maximum number of panels side by side.
MAX_COLUMNS = 4


class Display:
    """Base class of the displays; creates the axes and sets `figure_`."""

    figure_: Figure

    def _one_axes(self, ax: Axes | None, size: tuple[float, float]) -> Axes:
        """Return `ax`, or the axes of a new figure of `size` inches."""
        return self._several_axes(ax, (1, 1), size)[0, 0]

    def _several_axes(
        self, ax: Axes | ArrayLike | None, shape: tuple[int, int], size: tuple[float, float]
    ) -> NDArray[np.object_]:
        """Return axes in rows and columns.

        Parameters
        ----------
        ax : Axes, array-like of Axes or None
            One Axes to divide, as many Axes as needed, or None for a new figure.
        shape : tuple of int
            Number of rows and columns.
        size : tuple of float
            Width and height of a new figure, in inches.

        Returns
        -------
        axes : ndarray of Axes of shape `shape`

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the number of Axes is wrong, or an Axes cannot be divided.
        """
        name = type(self).__name__
        try:
            import matplotlib.pyplot as plt
            from matplotlib.axes import Axes
        except ImportError as error:
            raise ImportError(f"{name} needs matplotlib; `pip install matplotlib`.") from error
        if ax is None:
            axes = plt.subplots(*shape, figsize=size, layout="constrained", squeeze=False)[1]
        elif isinstance(ax, Axes) and shape != (1, 1):
            place = ax.get_subplotspec()
            if place is None:
                raise ValueError(f"ax cannot be divided; use plt.subplots(), or pass {shape} Axes.")
            ax.set_axis_off()
            axes = place.subgridspec(*shape).subplots(squeeze=False)
        else:
            axes, n_axes = np.asarray(ax, dtype=object), shape[0] * shape[1]
            if axes.size != n_axes:
                found = f"ax contains {axes.size} Axes, and {name} draws on {n_axes}"
                raise ValueError(f"{found}; pass that many Axes, one Axes to divide, or None.")
            axes = axes.reshape(shape)
        self.figure_ = axes[0, 0].figure
        return axes

    def _panels(
        self, ax: Axes | ArrayLike | None, n_panels: int, size: tuple[float, float]
    ) -> NDArray[np.object_]:
        """Return the axes of panels of `size` inches, which are in several rows of a new figure.

        Raises
        ------
        ImportError, ValueError
            As `_several_axes`.
        """
        if ax is not None and not hasattr(ax, "get_subplotspec"):
            return self._several_axes(ax, (1, n_panels), size).ravel()
        n_columns = max(1, min(n_panels, MAX_COLUMNS))
        n_rows = max(1, -(-n_panels // n_columns))
        whole = (size[0] * n_columns, size[1] * n_rows)
        axes = self._several_axes(ax, (n_rows, n_columns), whole).ravel()
        for surplus in axes[n_panels:]:
            surplus.remove()
        return axes[:n_panels]


def sequential() -> Colormap:
    """Return a color map for values from 0: white to blue."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("white_blue", ["#ffffff", BLUE])


def diverging() -> Colormap:
    """Return a color map for values around 0: orange below, blue above."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("orange_blue", [VERMILION, "#ffffff", BLUE])


def room(ax: Axes) -> tuple[float, float]:
    """Return the width and height of an Axes in inches, after the layout of its figure."""
    ax.figure.canvas.figure.draw_without_rendering()
    extent = ax.get_window_extent()
    return extent.width / ax.figure.dpi, extent.height / ax.figure.dpi


def tidy(ax: Axes, grid: Literal["x", "both"]) -> None:
    """Hide the top and right spines, and draw a grid behind the data."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_axisbelow(True)
    ax.grid(axis=grid, color="#dddddd", linewidth=0.6)


def as_rgb(color: str) -> str:
    """Return a hexadecimal color as red, green and blue for CSS."""
    return ", ".join(str(int(color[start : start + 2], 16)) for start in (1, 3, 5))

"""The picture of a network: a box for each layer, with shapes and numbers of weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from sklstm._layers import Layer, layers_of
from sklstm._plotting import BLACK, BLUE, GREY, VERMILION, final_step, one_axes, room

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

# In inches: height of a box, distance from one to the next, and width of the two columns.
_BOX, _STEP, _COLUMN, _GAP = 0.75, 1.05, 2.5, 0.3
# Layers that are part of another one's box.
_WITHIN = {
    "attention_hidden": "pooling",
    "attention_relevance": "pooling",
    "ngram_bias": "ngrams",
}
_BESIDE = "ngrams"


class NetworkDisplay:
    """The layers of a network as boxes, with arrows for what goes from one to the next.

    Each box has the shape of what the layer gives and the number of its weights. Made by
    `from_estimator` as a rule.

    Parameters
    ----------
    layers : sequence of Layer
        In the order in which a document passes through them.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn on.
    figure_ : matplotlib Figure
        What it is on.

    See Also
    --------
    LSTMTextClassifier.summary : The same as a table.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklstm import LSTMTextClassifier
    >>> from sklstm.displays import NetworkDisplay
    >>> classifier = LSTMTextClassifier(units=4, embedding_dim=8, epochs=1)
    >>> display = NetworkDisplay.from_estimator(classifier.fit([[0, 2], [3, 2]], ["no", "yes"]))
    >>> [(layer.name, layer.n_weights) for layer in display.layers]
    [('embedding', 32), ('lstm_1', 208), ('pooling', 0), ('output', 5)]

    Drawn again, on axes of one's own:

    >>> import matplotlib.pyplot as plt
    >>> figure, (left, right) = plt.subplots(1, 2)
    >>> display.plot(ax=right).ax_ is right
    True
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = layers

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Axes | None = None) -> Self:
        """Draw the network of a fitted classifier.

        Parameters
        ----------
        estimator : LSTMTextClassifier or Pipeline
            Fitted; of a pipeline the last step.
        ax : matplotlib Axes or None, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        display : NetworkDisplay
            Drawn.

        Raises
        ------
        TypeError
            If it is no `LSTMTextClassifier`.
        NotFittedError
            If it is not fitted.
        ImportError
            If matplotlib is not installed.
        """
        from sklstm.classifier import LSTMTextClassifier

        classifier = final_step(estimator)
        if not isinstance(classifier, LSTMTextClassifier):
            raise TypeError(
                f"The network of a {type(classifier).__name__} is not known here; pass a fitted "
                "LSTMTextClassifier. keras.utils.plot_model draws any keras.Model."
            )
        return cls(layers_of(classifier._spec, classifier.weights_)).plot(ax=ax)

    def plot(self, *, ax: Axes | None = None) -> Self:
        """Draw the boxes.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        self : NetworkDisplay
            Drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        boxes = _boxes(self.layers)
        main = [box for box in boxes if box.name != _BESIDE]
        beside = next((box for box in boxes if box.name == _BESIDE), None)
        width = _COLUMN * 2 + _GAP if beside else _COLUMN
        height = _STEP * len(main) - (_STEP - _BOX)
        size = (max(width, 3.2) + 0.3, height + 0.6)
        is_given = ax is not None
        ax = one_axes(type(self).__name__, ax, size)
        ax.set_axis_off()
        title = f"{sum(layer.n_weights for layer in self.layers):,} weights"
        ax.set_title(title, fontsize="medium")
        # Letters shrink with the boxes.
        scale = 1.0
        if is_given:
            scale = min(1.0, *np.divide(room(ax), (width + 0.1, height + 0.1)))
        middle = _COLUMN / 2
        for number, layer in enumerate(main):
            _draw_box(ax, layer, middle, -number * _STEP, scale)
            if number:
                _draw_arrow(ax, (middle, -(number - 1) * _STEP - _BOX), (middle, -number * _STEP))
        if beside is not None:
            _draw_beside(ax, beside, len(main), scale)
        ax.set_xlim(-0.05, width + 0.05)
        ax.set_ylim(-height - 0.05, 0.05)
        ax.set_aspect("equal")
        self.ax_: Axes = ax
        self.figure_: Figure | SubFigure = ax.figure
        return self


def _boxes(layers: Sequence[Layer]) -> list[Layer]:
    """Return a layer for each box: the ids, and layers with the weights of those within them."""
    n_within = dict.fromkeys(_WITHIN.values(), 0)
    for layer in layers:
        if layer.name in _WITHIN:
            n_within[_WITHIN[layer.name]] += layer.n_weights
    ids = [Layer("ids", "token ids", layers[0].shape[:-1])] if layers else []
    return ids + [
        layer._replace(n_weights=layer.n_weights + n_within.get(layer.name, 0))
        for layer in layers
        if layer.name not in _WITHIN
    ]


def _draw_beside(ax: Axes, box: Layer, n_main: int, scale: float) -> None:
    """Draw the n-grams between the ids on top and the mean of the scores at the bottom."""
    middle, top = _COLUMN * 1.5 + _GAP, -_STEP * (n_main - 1) / 2
    _draw_box(ax, box, middle, top, scale)
    _draw_arrow(ax, (_COLUMN, -_BOX / 2), (middle, top), "angle,angleA=0,angleB=90")
    mean = (_COLUMN, -(n_main - 1) * _STEP - _BOX / 2)
    _draw_arrow(ax, (middle, top - _BOX), mean, "angle,angleA=90,angleB=0")


def _draw_box(ax: Axes, layer: Layer, middle: float, top: float, scale: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    colour = VERMILION if layer.is_dropout else BLUE if layer.n_weights else GREY
    box = FancyBboxPatch(
        (middle - _COLUMN / 2 + 0.04, top - _BOX + 0.04),
        _COLUMN - 0.08,
        _BOX - 0.08,
        boxstyle="round,pad=0.04",
        facecolor=(*_rgb(colour), 0.12),
        edgecolor=colour,
        linestyle="--" if layer.is_dropout else "-",
    )
    ax.add_patch(box)
    lines = [layer.name, layer.does, layer.shape_in_words]
    if layer.n_weights:
        lines.append(f"{layer.n_weights:,} weights" + ("" if layer.is_trained else ", not trained"))
    for number, line in enumerate(lines):
        ax.text(
            middle,
            top - _BOX * (number + 1) / (len(lines) + 1),
            line,
            ha="center",
            va="center",
            fontsize=scale * (8.5 if number == 0 else 7.5),
            fontweight="bold" if number == 0 else "normal",
            color=BLACK,
            parse_math=False,
        )


def _draw_arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], style: str = "arc3"
) -> None:
    arrow = {"arrowstyle": "-|>", "color": BLACK, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.0}
    ax.annotate("", end, start, arrowprops=arrow | {"connectionstyle": style})


def _rgb(colour: str) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(colour)

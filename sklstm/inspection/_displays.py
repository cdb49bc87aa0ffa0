"""Plots of token attributions, training histories and network architectures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from textwrap import shorten
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from sklstm._network.summary import Layer, network_layers
from sklstm._plotting import BLACK, BLUE, GREY, VERMILION, Display, as_rgb, diverging, room, tidy
from sklstm.classifier import LSTMTextClassifier
from sklstm.inspection._attributions import TokenAttributions, token_attributions
from sklstm.pipeline import final_classifier

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

# Height of a line of text in inches, font size in points, and width of a character of the
# fixed-width font of matplotlib (DejaVu Sans Mono) in inches.
_LINE_HEIGHT, _FONT_SIZE = 0.27, 9.0
_CHARACTER_WIDTH = 0.602 * _FONT_SIZE / 72
_TEXT_WIDTH = 5.0
# Minimum range of colors and bars in logits, so that negligible values have pale colors and short
# bars.
_MIN_RANGE = 0.01
# Values below this fraction of the largest one are not underlined.
_MIN_UNDERLINED = 0.1
# Black text is readable on colors up to this fraction of the color map.
_MAX_SATURATION = 0.8

# Height of a box, distance between the tops of two boxes, width of a column of boxes, and gap
# between the two columns, in inches.
_BOX_HEIGHT, _BOX_STEP, _BOX_WIDTH, _BOX_GAP = 0.75, 1.05, 2.5, 0.3
# The layer that is applied to the token ids in parallel to all others.
_PARALLEL_LAYER = "ngrams"

_VALIDATION_PREFIX = "val_"
# Lines of more epochs have no markers, which would overlap.
_MAX_MARKERS = 30


class TokenAttributionDisplay(Display):
    """A text colored by the contribution of each token to the score of a class.

    Blue tokens with a solid underline support the class, orange tokens with a dotted underline
    oppose it. In a notebook, the display is shown as text.

    It is recommended to use `from_estimator` to create a display.

    Parameters
    ----------
    attributions : TokenAttributions
        Attributions of one document.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    token_attributions : Computes the attributions.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklstm import LSTMTextClassifier, TextSequencer, TokenAttributionDisplay
    >>> model = make_pipeline(TextSequencer(), LSTMTextClassifier(units=4, epochs=1))
    >>> model = model.fit(["a fine film", "a dull film"], ["good", "bad"])
    >>> display = TokenAttributionDisplay.from_estimator(model, "a dull film")
    >>> [text.get_text() for text in display.ax_.texts]
    ['a', 'dull', 'film']

    A bar chart allows exact comparisons:

    >>> [label.get_text() for label in display.plot(kind="bar").ax_.get_yticklabels()]
    ['a', 'dull', 'film']
    """

    def __init__(self, attributions: TokenAttributions) -> None:
        self.attributions = attributions

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        text: str | ArrayLike,
        *,
        target: object = None,
        method: str = "integrated_gradients",
        kind: str = "text",
        ax: Axes | None = None,
    ) -> Self:
        """Plot the token attributions of a fitted classifier for one text.

        Parameters
        ----------
        estimator : LSTMTextClassifier, Pipeline, or another classifier of token ids
            Fitted estimator, as in `token_attributions`.
        text : str or array-like of int of shape (n_features_in_,)
            A text for a pipeline, its token ids for a classifier.
        target : object, default=None
            The class; None for the predicted class.
        method : {"integrated_gradients", "occlusion"}, default="integrated_gradients"
            Attribution method, as in `token_attributions`.
        kind : {"text", "bar"}, default="text"
            Kind of plot, as in `plot`.
        ax : matplotlib Axes or None, default=None
            Axes to plot on; None for a new figure.

        Returns
        -------
        display : TokenAttributionDisplay
            The plotted display.

        Raises
        ------
        TypeError
            If `estimator` is not supported.
        ValueError
            If `target`, `method` or `kind` does not exist.
        NotFittedError
            If `estimator` is not fitted.
        ImportError
            If matplotlib is not installed.
        """
        (attributions,) = token_attributions(estimator, [text], target=target, method=method)
        return cls(attributions).plot(kind=kind, ax=ax)

    def plot(self, *, kind: str = "text", ax: Axes | None = None) -> Self:
        """Plot the text, or one bar per token.

        Parameters
        ----------
        kind : {"text", "bar"}, default="text"
            "text" plots the tokens as lines of colored text, and "bar" one horizontal bar per
            token.
        ax : matplotlib Axes or None, default=None
            Axes to plot on; None for a new figure.

        Returns
        -------
        self : TokenAttributionDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If `kind` does not exist.
        ImportError
            If matplotlib is not installed.
        """
        if kind not in ("text", "bar"):
            raise ValueError(f"kind={kind!r} must be 'text' or 'bar'.")
        self.ax_ = self._plot_text(ax) if kind == "text" else self._plot_bars(ax)
        return self

    def _repr_html_(self) -> str:
        words = colored_words(self.attributions)
        return (
            f"<div><p>{escape(self._title())}<br><small>Blue, solid line: supports the class. "
            "Orange, dotted line: opposes it. Hover over a word for its value in logits.</small>"
            f'</p><p style="line-height: 2">{words}</p></div>'
        )

    def _tokens(self) -> list[str]:
        return [str(token) for token in self.attributions.tokens]

    def _title(self) -> str:
        found = self.attributions
        score = f"Score of {shorten(str(found.target), 40)}: {found.score:+.2f} logits"
        return f"{score} (baseline {found.baseline_score:+.2f})"

    def _plot_text(self, ax: Axes | None) -> Axes:
        tokens, limit = self._tokens(), _limit(self.attributions)
        n_lines = _wrap(tokens, _TEXT_WIDTH - 0.2)[1]
        ax = self._one_axes(ax, (_TEXT_WIDTH, 1.05 + _LINE_HEIGHT * n_lines))
        from matplotlib.cm import ScalarMappable
        from matplotlib.transforms import Affine2D, ScaledTranslation

        ax.set_axis_off()
        ax.set_title(self._title(), fontsize="small", loc="left", parse_math=False)
        colors = ScalarMappable(cmap=diverging())
        colors.set_clim(-limit / _MAX_SATURATION, limit / _MAX_SATURATION)
        bar = ax.figure.colorbar(
            colors, ax=ax, location="bottom", fraction=0.08, aspect=40, pad=0.04, shrink=0.8
        )
        bar.ax.set_xlim(-limit, limit)
        bar.ax.locator_params(axis="x", nbins=3)
        bar.set_label("contribution to the score, logits (dotted: opposes)", fontsize="small")
        bar.ax.tick_params(labelsize="small")
        width, height = room(ax)
        positions, n_lines = _wrap(tokens, width)
        # Coordinates are characters and lines from the upper left corner, of the same size on any
        # axes. Lines move closer together if they do not fit.
        line_height = min(_LINE_HEIGHT, height / (n_lines + 0.2))
        inches = ax.figure.dpi_scale_trans
        in_characters = (
            Affine2D().translate(0.5, 0.6).scale(_CHARACTER_WIDTH, -line_height)
            + inches
            + ScaledTranslation(0, 1, ax.transAxes)  # type: ignore[arg-type]  # It is affine.
        )
        below = ScaledTranslation(0, -_FONT_SIZE * 0.75 / 72, inches)
        values = self.attributions.values
        for token, value, (line, column) in zip(tokens, values, positions, strict=True):
            box = {"boxstyle": "square,pad=0.12", "fc": colors.to_rgba(value), "ec": "none"}
            text = ax.text(column, line, token, transform=in_characters, bbox=box, va="center")
            text.set(family="monospace", fontsize=_FONT_SIZE, parse_math=False)
            text.set_in_layout(False)  # A word longer than a line would shrink the axes.
            if abs(value) >= _MIN_UNDERLINED * limit:
                style, ends = "-" if value > 0 else ":", [column, column + len(token)]
                (underline,) = ax.plot(ends, [line, line], style, color=BLACK, linewidth=1.4)
                underline.set_transform(in_characters + below)
        return ax

    def _plot_bars(self, ax: Axes | None) -> Axes:
        tokens, values = self._tokens(), self.attributions.values
        ax = self._one_axes(ax, (_TEXT_WIDTH, 1.0 + 0.2 * len(tokens)))
        colors = np.where(values > 0, BLUE, VERMILION).tolist()
        ax.barh(range(len(tokens)), values, color=colors, height=0.7)
        ax.axvline(0, color=GREY, linewidth=0.8)
        ax.set_yticks(range(len(tokens)), tokens, parse_math=False)
        ax.set_ylim(len(tokens) - 0.4, -0.6)
        if _limit(self.attributions) == _MIN_RANGE:
            ax.set_xlim(-_MIN_RANGE, _MIN_RANGE)
        ax.locator_params(axis="x", nbins=6)
        ax.set_xlabel("contribution to the score, logits")
        ax.set_title(self._title(), fontsize="small", parse_math=False)
        tidy(ax, "x")
        return ax


def _wrap(tokens: list[str], width: float) -> tuple[list[tuple[int, int]], int]:
    """Return line and column of each token in lines of `width` inches, and the number of lines.

    A token that is longer than a line is on a line of its own.
    """
    n_characters = max(10, int(width / _CHARACTER_WIDTH) - 1)
    positions: list[tuple[int, int]] = []
    line = column = 0
    for token in tokens:
        if column and column + len(token) > n_characters:
            line, column = line + 1, 0
        positions.append((line, column))
        column += len(token) + 1
    return positions, line + 1


def _limit(attributions: TokenAttributions) -> float:
    """Return the largest absolute value, but at least `_MIN_RANGE`."""
    return max(float(np.abs(attributions.values).max(initial=0.0)), _MIN_RANGE)


def colored_words(attributions: TokenAttributions) -> str:
    """Return the tokens as HTML, colored by their values."""
    limit, tokens = _limit(attributions), map(str, attributions.tokens)
    pairs = zip(tokens, attributions.values.tolist(), strict=True)
    return " ".join(_html_word(token, value, limit) for token, value in pairs)


def _html_word(token: str, value: float, limit: float) -> str:
    """Return a word with a background that is visible on light and dark pages."""
    fraction = abs(value) / limit
    color, style = (BLUE, "solid") if value > 0 else (VERMILION, "dotted")
    underline = f"2px {style} {color}" if fraction >= _MIN_UNDERLINED else "none"
    css = f"background: rgba({as_rgb(color)}, {0.45 * fraction:.2f}); border-bottom: {underline}"
    return f'<span title="{value:+.3f}" style="{css}; padding: 0 2px">{escape(token)}</span>'


class TrainingHistoryDisplay(Display):
    """Loss and metrics per epoch, on training and validation data.

    It is recommended to use `from_estimator` to create a display.

    Parameters
    ----------
    history : mapping of str to sequence of float
        One value per epoch for each metric, as in ``history_``. Metrics of the validation data have
        the prefix "val_".
    best_epoch : int or None, default=None
        Epoch to mark, counted from 1.
    is_kept : bool, default=False
        Whether the classifier has the weights of `best_epoch`.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes of shape (n_metrics,)
        Axes of the metrics, with the loss first.
    figure_ : matplotlib Figure
        Figure of the axes.
    lines_ : dict of str to matplotlib Line2D
        The line of each entry of `history`.

    See Also
    --------
    LSTMTextClassifier : Classifier with the attribute ``history_``.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklstm import LSTMTextClassifier, TrainingHistoryDisplay
    >>> classifier = LSTMTextClassifier(units=4, epochs=3).fit([[0, 2], [3, 2]], ["no", "yes"])
    >>> display = TrainingHistoryDisplay.from_estimator(classifier)
    >>> [ax.get_ylabel() for ax in display.ax_]
    ['loss', 'accuracy']

    Any other history can be plotted:

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
    def from_estimator(
        cls, estimator: BaseEstimator, *, ax: Axes | ArrayLike | None = None
    ) -> Self:
        """Plot the training history of a fitted classifier.

        With early stopping, the epoch whose weights were restored is marked. If there is validation
        data but no early stopping, the epoch with the lowest validation loss is marked.

        Parameters
        ----------
        estimator : LSTMTextClassifier, KerasTextClassifier or Pipeline
            Fitted classifier, or fitted pipeline that ends with one.
        ax : matplotlib Axes, array of Axes or None, default=None
            One Axes to divide, one Axes per metric, or None for a new figure.

        Returns
        -------
        display : TrainingHistoryDisplay
            The plotted display.

        Raises
        ------
        TypeError
            If the estimator has no history.
        NotFittedError
            If the estimator is not fitted.
        ImportError
            If matplotlib is not installed.
        """
        classifier = final_classifier(estimator)
        if not hasattr(classifier, "history_"):
            kind = type(classifier).__name__
            raise TypeError(f"{kind} has no history_; pass a fitted LSTMTextClassifier.")
        best, losses = getattr(classifier, "best_epoch_", None), classifier.history_.get("val_loss")
        is_kept = best is not None
        if losses is not None and not is_kept:
            best = int(np.argmin(losses)) + 1
        return cls(classifier.history_, best_epoch=best, is_kept=is_kept).plot(ax=ax)

    def plot(self, *, ax: Axes | ArrayLike | None = None) -> Self:
        """Plot each metric.

        Parameters
        ----------
        ax : matplotlib Axes, array of Axes or None, default=None
            One Axes to divide, one Axes per metric, or None for a new figure.

        Returns
        -------
        self : TrainingHistoryDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If the number of Axes differs from the number of metrics.
        ImportError
            If matplotlib is not installed.
        """
        # "val_score" is not computed on the training data.
        names = list(dict.fromkeys(name.removeprefix(_VALIDATION_PREFIX) for name in self.history))
        size = (2.6 * len(names) + 0.4, 2.6)
        self.ax_ = self._several_axes(ax, (1, len(names)), size).ravel()
        self.lines_: dict[str, Line2D] = {}
        for each, name in zip(self.ax_, names, strict=True):
            self._plot_metric(each, name)
        return self

    def _plot_metric(self, ax: Axes, name: str) -> None:
        from matplotlib.ticker import MaxNLocator

        n_epochs = max(map(len, self.history.values()))
        size = 4 if n_epochs <= _MAX_MARKERS else 0
        training = (name, "training", "o-", BLUE)
        validation = (_VALIDATION_PREFIX + name, "validation", "s--", VERMILION)
        for key, label, style, color in (training, validation):
            if key in self.history:
                epochs, values = range(1, len(self.history[key]) + 1), self.history[key]
                (line,) = ax.plot(epochs, values, style, color=color, label=label, markersize=size)
                self.lines_[key] = line
        if self.best_epoch is not None:
            label = f"{'kept' if self.is_kept else 'best'}: epoch {self.best_epoch}"
            ax.axvline(self.best_epoch, color=BLACK, linewidth=1, linestyle=":", label=label)
        ax.set(xlabel="epoch", ylabel=name.replace("_", " "))
        ax.set_xlim(0.5, 0.5 + 1.02 * n_epochs)  # Without a tick at epoch 0.
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
        ax.legend(fontsize="small", frameon=False)
        tidy(ax, "both")


class NetworkDisplay(Display):
    """The architecture of a network: one box per layer, connected by arrows.

    Each box contains the output shape of the layer and its number of weights.

    It is recommended to use `from_estimator` to create a display.

    Parameters
    ----------
    layers : sequence of Layer
        Layers in the order of the forward pass.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    LSTMTextClassifier.summary : The same layers as a table.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklstm import LSTMTextClassifier, NetworkDisplay
    >>> classifier = LSTMTextClassifier(units=4, embedding_dim=8, ngrams=0, epochs=1)
    >>> display = NetworkDisplay.from_estimator(classifier.fit([[0, 2], [3, 2]], ["no", "yes"]))
    >>> [(layer.name, layer.n_weights) for layer in display.layers if layer.n_weights]
    [('embedding', 32), ('lstm_1', 416), ('output', 9)]

    The same diagram on given axes:

    >>> import matplotlib.pyplot as plt
    >>> figure, (left, right) = plt.subplots(1, 2)
    >>> display.plot(ax=right).ax_ is right
    True
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = layers

    @classmethod
    def from_estimator(cls, estimator: BaseEstimator, *, ax: Axes | None = None) -> Self:
        """Plot the network of a fitted classifier.

        Parameters
        ----------
        estimator : LSTMTextClassifier or Pipeline
            Fitted classifier, or fitted pipeline that ends with one.
        ax : matplotlib Axes or None, default=None
            Axes to plot on; None for a new figure.

        Returns
        -------
        display : NetworkDisplay
            The plotted display.

        Raises
        ------
        TypeError
            If the classifier is not an `LSTMTextClassifier`.
        NotFittedError
            If the estimator is not fitted.
        ImportError
            If matplotlib is not installed.
        """
        classifier = final_classifier(estimator)
        if not isinstance(classifier, LSTMTextClassifier):
            raise TypeError(
                f"The classifier is a {type(classifier).__name__}; pass a fitted "
                "LSTMTextClassifier. keras.utils.plot_model plots any keras.Model."
            )
        fitted = classifier._fitted_network()
        return cls(network_layers(fitted.spec, fitted.weights)).plot(ax=ax)

    def plot(self, *, ax: Axes | None = None) -> Self:
        """Plot the boxes and arrows.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to plot on; None for a new figure.

        Returns
        -------
        self : NetworkDisplay
            The plotted display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        boxes = _boxes(self.layers)
        parallel = boxes.pop(_PARALLEL_LAYER, None)
        width = _BOX_WIDTH * 2 + _BOX_GAP if parallel else _BOX_WIDTH
        bottom = -_BOX_STEP * (len(boxes) - 1)
        height = _BOX_HEIGHT - bottom
        self.ax_ = ax = self._one_axes(ax, (max(width, 3.2) + 0.3, height + 0.6))
        ax.set_axis_off()
        title = f"{sum(layer.n_weights for layer in self.layers):,} weights"
        ax.set_title(title, fontsize="medium")
        # The text shrinks with the boxes.
        scale = min(1.0, *np.divide(room(ax), (width + 0.1, height + 0.1)))
        center = _BOX_WIDTH / 2
        for number, box in enumerate(boxes.values()):
            top = -number * _BOX_STEP
            _draw_box(ax, box, (center, top), scale)
            if number:
                _draw_arrow(ax, (center, top + _BOX_STEP - _BOX_HEIGHT), (center, top))
        if parallel is not None:
            # Between the token ids at the top and the mean of the scores at the bottom.
            center, top = _BOX_WIDTH * 1.5 + _BOX_GAP, bottom / 2
            ids, mean = (_BOX_WIDTH, -_BOX_HEIGHT / 2), (_BOX_WIDTH, bottom - _BOX_HEIGHT / 2)
            _draw_box(ax, parallel, (center, top), scale)
            _draw_arrow(ax, ids, (center, top), "angle,angleA=0,angleB=90")
            _draw_arrow(ax, (center, top - _BOX_HEIGHT), mean, "angle,angleA=90,angleB=0")
        ax.set(xlim=(-0.05, width + 0.05), ylim=(-height - 0.05, 0.05), aspect="equal")
        return self


def _boxes(layers: Sequence[Layer]) -> dict[str, Layer]:
    """Return the boxes by name: the token ids, and layers with the weights of their parts."""
    boxes = {"ids": Layer("ids", "token ids", layers[0].shape[:-1])} if layers else {}
    boxes |= {layer.name: layer for layer in layers if not layer.part_of}
    for layer in layers:
        if layer.part_of:
            whole = boxes[layer.part_of]
            boxes[whole.name] = whole._replace(n_weights=whole.n_weights + layer.n_weights)
    return boxes


def _draw_box(ax: Axes, layer: Layer, place: tuple[float, float], scale: float) -> None:
    """Draw the box of a layer below the middle of its upper edge."""
    from matplotlib.patches import FancyBboxPatch

    center, top = place
    color = VERMILION if layer.is_dropout else BLUE if layer.n_weights else GREY
    corner = (center - _BOX_WIDTH / 2 + 0.04, top - _BOX_HEIGHT + 0.04)
    box = FancyBboxPatch(corner, _BOX_WIDTH - 0.08, _BOX_HEIGHT - 0.08, boxstyle="round,pad=0.04")
    box.set(facecolor=(color, 0.12), edgecolor=color, linestyle="--" if layer.is_dropout else "-")
    ax.add_patch(box)
    lines = [layer.name, layer.description, layer.shape_text]
    if layer.n_weights:
        lines.append(f"{layer.n_weights:,} weights" + ("" if layer.is_trained else ", not trained"))
    for number, line in enumerate(lines):
        y = top - _BOX_HEIGHT * (number + 1) / (len(lines) + 1)
        text = ax.text(center, y, line, ha="center", va="center", color=BLACK, parse_math=False)
        size, weight = (7.5, "normal") if number else (8.5, "bold")
        text.set(fontsize=scale * size, fontweight=weight)


def _draw_arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], style: str = "arc3"
) -> None:
    arrow = {"arrowstyle": "-|>", "color": BLACK, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.0}
    ax.annotate("", end, start, arrowprops=arrow | {"connectionstyle": style})

"""A text whose tokens are coloured by what they add to the score of a class."""

from __future__ import annotations

from html import escape
from math import inf
from textwrap import shorten
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from sklstm._plotting import (
    BLACK,
    BLUE,
    GREY,
    GRID,
    VERMILION,
    diverging,
    one_axes,
    pyplot,
    room,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from sklstm._inspection.results import TokenAttributions

# Height of a line of text in inches, size of its letters in points, and their width in inches in
# the fixed-width font of matplotlib (DejaVu Sans Mono).
_LINE, _POINTS = 0.27, 9.0
_LETTER = 0.602 * _POINTS / 72
_COLUMN = 5.0
# Colours and bars span at least so many logits: less is next to nothing, however it compares.
_NOTHING = 0.01
# Values of less than this part of the greatest one are not underlined.
_SLIGHT = 0.1
# Strongest colour of the map that black letters can still be read on.
_STRONGEST = 0.8


class TokenAttributionDisplay:
    """A text coloured by what each token adds to the score of a class.

    Blue with a solid line is for the class, orange with a dotted line against it. In a notebook it
    shows itself as text on the page. Made by `from_estimator` as a rule.

    Parameters
    ----------
    attributions : TokenAttributions
        Of one document.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn on.
    figure_ : matplotlib Figure
        What it is on.

    See Also
    --------
    token_attributions : The numbers, and what they mean.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklstm import LSTMTextClassifier, TextSequencer
    >>> from sklstm.displays import TokenAttributionDisplay
    >>> model = make_pipeline(TextSequencer(), LSTMTextClassifier(units=4, epochs=1))
    >>> model = model.fit(["a fine film", "a dull film"], ["good", "bad"])
    >>> display = TokenAttributionDisplay.from_estimator(model, "a dull film")
    >>> [text.get_text() for text in display.ax_.texts]
    ['a', 'dull', 'film']

    A bar for each token, whose lengths can be compared:

    >>> [label.get_text() for label in display.plot(kind="bar").ax_.get_yticklabels()]
    ['a', 'dull', 'film']
    """

    def __init__(self, attributions: TokenAttributions) -> None:
        self.attributions = attributions

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        text: Any,
        *,
        target: Any = None,
        method: str = "integrated_gradients",
        kind: str = "text",
        ax: Axes | None = None,
    ) -> Self:
        """Draw why a fitted classifier gives a text its score.

        Parameters
        ----------
        estimator : LSTMTextClassifier, Pipeline, or another classifier of token ids
            As in `token_attributions`.
        text : str or array-like of int of shape (n_features_in_,)
            A text for a pipeline, its token ids for a classifier.
        target : object, default=None
            The class; None for the one that is predicted.
        method : {"integrated_gradients", "occlusion"}, default="integrated_gradients"
            As in `token_attributions`.
        kind : {"text", "bar"}, default="text"
            As in `plot`.
        ax : matplotlib Axes or None, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        display : TokenAttributionDisplay
            Drawn.

        Raises
        ------
        TypeError
            If `estimator` is something else.
        ValueError
            If there is no such `target`, `method` or `kind`.
        NotFittedError
            If `estimator` is not fitted.
        ImportError
            If matplotlib is not installed.
        """
        from sklstm.inspection import token_attributions

        (found,) = token_attributions(estimator, [text], target=target, method=method)
        return cls(found).plot(kind=kind, ax=ax)

    def plot(self, *, kind: str = "text", ax: Axes | None = None) -> Self:
        """Draw the text, or a bar for each token.

        Parameters
        ----------
        kind : {"text", "bar"}, default="text"
            Coloured words in lines, or horizontal bars in the order of the tokens.
        ax : matplotlib Axes or None, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        self : TokenAttributionDisplay
            Drawn.

        Raises
        ------
        ValueError
            If there is no such `kind`.
        ImportError
            If matplotlib is not installed.
        """
        if kind not in ("text", "bar"):
            raise ValueError(f"kind={kind!r} is none of 'text', 'bar'.")
        draw = self._draw_text if kind == "text" else self._draw_bars
        self.ax_: Axes = draw(ax)
        self.figure_: Figure | SubFigure = self.ax_.figure
        return self

    def _repr_html_(self) -> str:
        found, most = self.attributions, self._most()
        words = [
            _html_word(str(token), float(value), most)
            for token, value in zip(found.tokens, found.values, strict=True)
        ]
        return (
            f"<div><p>{escape(self._heading())}<br><small>Blue, solid line: for it; orange, dotted "
            "line: against it. Point at a word to read its value in logits.</small></p>"
            f'<p style="line-height: 2">{" ".join(words)}</p></div>'
        )

    def _heading(self) -> str:
        found = self.attributions
        return (
            f"Score of {shorten(str(found.target), 40)}: {found.score:+.2f} logits "
            f"({found.baseline_score:+.2f} of a text that says nothing)"
        )

    def _most(self) -> float:
        """Return the greatest absolute value, or `_NOTHING` if that is more."""
        return max(float(np.abs(self.attributions.values).max(initial=0.0)), _NOTHING)

    def _draw_text(self, ax: Axes | None) -> Axes:
        plt = pyplot(type(self).__name__)
        from matplotlib.transforms import Affine2D, ScaledTranslation

        found = self.attributions
        tokens = [str(token) for token in found.tokens]
        most, colours = self._most(), diverging()
        is_given = ax is not None
        width, height = _COLUMN - 0.2, inf
        places = _places(tokens, _letters_in(width))
        n_lines = places[-1][0] + 1
        ax = one_axes(type(self).__name__, ax, (_COLUMN, 1.05 + _LINE * n_lines))
        ax.set_axis_off()
        ax.set_title(self._heading(), fontsize="small", loc="left", parse_math=False)
        scale = plt.cm.ScalarMappable(plt.Normalize(-most / _STRONGEST, most / _STRONGEST), colours)
        bar = ax.figure.colorbar(
            scale, ax=ax, location="bottom", fraction=0.08, aspect=40, pad=0.04, shrink=0.8
        )
        bar.ax.set_xlim(-most, most)
        bar.ax.locator_params(axis="x", nbins=3)
        bar.set_label("adds to the score, logits (dotted: against)", fontsize="small")
        bar.ax.tick_params(labelsize="small")
        if is_given:
            width, height = room(ax)
            places = _places(tokens, _letters_in(width))
            n_lines = places[-1][0] + 1
        # From the upper left corner in letters and lines, of the same size on any axes; lines move
        # closer together where they would not fit.
        inches = ax.figure.dpi_scale_trans
        in_letters = (
            Affine2D().translate(0.5, 0.6).scale(_LETTER, -min(_LINE, height / (n_lines + 0.2)))
            + inches
            + ScaledTranslation(0, 1, ax.transAxes)  # type: ignore[arg-type]  # It is affine.
        )
        below = ScaledTranslation(0, -_POINTS * 0.75 / 72, inches)
        for token, value, (line, column) in zip(tokens, found.values, places, strict=True):
            share = float(value) / most
            ax.text(
                column,
                line,
                token,
                transform=in_letters,
                family="monospace",
                fontsize=_POINTS,
                verticalalignment="center",
                parse_math=False,
                in_layout=False,  # A word longer than a line would press the axes together.
                bbox={
                    "boxstyle": "square,pad=0.12",
                    "facecolor": colours(0.5 + 0.5 * _STRONGEST * share),
                    "edgecolor": "none",
                },
            )
            if abs(share) >= _SLIGHT:
                style = "-" if share > 0 else ":"
                ends = [column, column + len(token)]
                (drawn,) = ax.plot(ends, [line, line], style, color=BLACK, linewidth=1.4)
                drawn.set_transform(in_letters + below)
        return ax

    def _draw_bars(self, ax: Axes | None) -> Axes:
        found = self.attributions
        size = (_COLUMN, 1.0 + 0.2 * len(found.tokens))
        ax = one_axes(type(self).__name__, ax, size)
        places = np.arange(len(found.tokens))
        colours = np.where(found.values > 0, BLUE, VERMILION)
        ax.barh(places, found.values, color=colours.tolist(), height=0.7)
        ax.axvline(0, color=GREY, linewidth=0.8)
        ax.set_yticks(places, [str(token) for token in found.tokens], parse_math=False)
        ax.set_ylim(len(places) - 0.4, -0.6)
        if np.abs(found.values).max(initial=0.0) < _NOTHING:
            ax.set_xlim(-_NOTHING, _NOTHING)
        ax.locator_params(axis="x", nbins=6)
        ax.set_xlabel("adds to the score, logits")
        ax.set_title(self._heading(), fontsize="small", parse_math=False)
        ax.grid(axis="x", color=GRID, linewidth=0.6)
        ax.set_axisbelow(True)
        tidy(ax)
        return ax


def _letters_in(width: float) -> int:
    """Return how many letters a line of `width` inches has room for."""
    return max(10, int(width / _LETTER) - 1)


def _places(tokens: list[str], n_letters: int) -> list[tuple[int, int]]:
    """Return line and column of each token in lines of `n_letters`; a longer one has its own."""
    places: list[tuple[int, int]] = []
    line = column = 0
    for token in tokens:
        if column and column + len(token) > n_letters:
            line, column = line + 1, 0
        places.append((line, column))
        column += len(token) + 1
    return places


def _html_word(token: str, value: float, most: float) -> str:
    """Return a word with a background that shows on light and dark pages."""
    share = abs(value) / most
    colour = BLUE if value > 0 else VERMILION
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    line = "none"
    if share >= _SLIGHT:
        line = f"2px {'solid' if value > 0 else 'dotted'} {colour}"
    style = (
        f"background: rgba({red}, {green}, {blue}, {0.45 * share:.2f}); border-bottom: {line}; "
        "padding: 0 2px"
    )
    return f'<span title="{value:+.3f}" style="{style}">{escape(token)}</span>'

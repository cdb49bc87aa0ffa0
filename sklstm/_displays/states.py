"""Heat maps of what an LSTM layer did at each token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklstm._plotting import BLACK, SEQUENTIAL, diverging, several_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sklstm._inspection.results import LSTMStates

# What can be drawn: its label, and whether it is a share between 0 and 1.
QUANTITIES = {
    "input_gate": ("input gate", True),
    "forget_gate": ("forget gate", True),
    "candidate": ("candidate", False),
    "cell_state": ("cell state", False),
    "output_gate": ("output gate", True),
    "hidden_state": ("hidden state", False),
}
# More rows of numbers than that would run into each other.
_MOST_TICKS = 6


class LSTMStateDisplay:
    """Gates and states of an LSTM layer, a heat map each: units by tokens.

    Made by `from_estimator` as a rule.

    Parameters
    ----------
    states : LSTMStates
        Of one document.
    quantities : sequence of str or None, default=None
        Which of "input_gate", "forget_gate", "candidate", "cell_state", "output_gate" and
        "hidden_state"; None for all.
    units : array-like of int or None, default=None
        Which units, counted from 0; of a bidirectional layer first those that read forwards, then
        those that read backwards. None for all.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes of shape (n_quantities,)
        One below the other.
    figure_ : matplotlib Figure
        What they are on.
    images_ : dict of str to matplotlib AxesImage
        The heat map of each quantity, with an array of shape (n_units, n_tokens).

    See Also
    --------
    lstm_states : The numbers.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklstm import LSTMTextClassifier, TextSequencer
    >>> from sklstm.displays import LSTMStateDisplay
    >>> model = make_pipeline(TextSequencer(), LSTMTextClassifier(units=4, epochs=1))
    >>> model = model.fit(["a fine film", "a dull film"], ["good", "bad"])
    >>> display = LSTMStateDisplay.from_estimator(model, "a dull film")
    >>> display.images_["forget_gate"].get_array().shape
    (4, 3)

    Some of it, from the states themselves:

    >>> display = LSTMStateDisplay(display.states, quantities=["cell_state"]).plot()
    >>> len(display.ax_)
    1
    """

    def __init__(
        self,
        states: LSTMStates,
        *,
        quantities: Sequence[str] | None = None,
        units: ArrayLike | None = None,
    ) -> None:
        self.states = states
        self.quantities = quantities
        self.units = units

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        text: Any,
        *,
        layer: int = 0,
        quantities: Sequence[str] | None = None,
        units: ArrayLike | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw what a fitted classifier does with a text.

        Parameters
        ----------
        estimator : LSTMTextClassifier or Pipeline
            A fitted classifier, or a fitted pipeline of `TextSequencer` and classifier.
        text : str or array-like of int of shape (n_features_in_,)
            A text for a pipeline, its token ids for a classifier.
        layer : int, default=0
            Which LSTM layer, as in `lstm_states`.
        quantities : sequence of str or None, default=None
            As in the constructor.
        units : array-like of int or None, default=None
            As in the constructor.
        ax : matplotlib Axes, array of Axes or None, default=None
            One to be divided, one for each quantity, or None for a new figure.

        Returns
        -------
        display : LSTMStateDisplay
            Drawn.

        Raises
        ------
        TypeError
            If `estimator` is something else.
        ValueError
            If there is no such layer, quantity or unit.
        NotFittedError
            If `estimator` is not fitted.
        ImportError
            If matplotlib is not installed.
        """
        from sklstm.inspection import lstm_states

        (states,) = lstm_states(estimator, [text], layer=layer)
        return cls(states, quantities=quantities, units=units).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> Self:
        """Draw a heat map for each quantity.

        Parameters
        ----------
        ax : matplotlib Axes, array of Axes or None, default=None
            One to be divided, one for each quantity, or None for a new figure.

        Returns
        -------
        self : LSTMStateDisplay
            Drawn.

        Raises
        ------
        ValueError
            If there is no such quantity or unit, or there are not as many axes as quantities.
        ImportError
            If matplotlib is not installed.
        """
        names = self._checked_quantities()
        units = self._checked_units()
        tokens = self.states.tokens
        width = min(14.0, max(5.0, 1.6 + 0.3 * len(tokens)))
        height = min(1.6, max(0.75, 0.12 * len(units)))
        size = (width, 0.5 + (height + 0.25) * len(names))
        axes = several_axes(type(self).__name__, ax, len(names), 1, size).ravel()
        self.ax_: NDArray[Any] = axes
        self.figure_: Figure = axes[0].figure
        self.images_: dict[str, Any] = {}
        for each, name in zip(axes, names, strict=True):
            values = getattr(self.states, name)[:, units].T
            self.images_[name] = self._draw(each, name, values, units)
            each.set_xticks([])
        axes[-1].set_xticks(
            range(len(tokens)), tokens, rotation=60, ha="right", rotation_mode="anchor"
        )
        for label in axes[-1].get_xticklabels():
            label.set_parse_math(False)
        return self

    def _draw(self, ax: Any, name: str, values: NDArray[Any], units: NDArray[np.intp]) -> Any:
        label, is_share = QUANTITIES[name]
        most = 1.0 if is_share else max(float(np.abs(values).max()), 1e-6)
        image = ax.imshow(
            values,
            aspect="auto",
            interpolation="nearest",
            cmap=SEQUENTIAL if is_share else diverging(),
            vmin=0.0 if is_share else -most,
            vmax=most,
        )
        ax.set_title(label, fontsize="medium", loc="left")
        ax.set_ylabel("unit")
        ticks = np.arange(0, len(units), -(-len(units) // _MOST_TICKS))
        ax.set_yticks(ticks, units[ticks], fontsize="small")
        bar = ax.figure.colorbar(image, ax=ax, pad=0.02, aspect=10)
        bar.set_label("share" if is_share else "value", fontsize="small")
        if self.states.is_bidirectional:
            self._part_directions(ax, units)
        return image

    def _part_directions(self, ax: Any, units: NDArray[np.intp]) -> None:
        """Draw a line between the units of the two directions, and say which are which."""
        n_forward = int((units < self.states.hidden_state.shape[1] // 2).sum())
        if 0 < n_forward < len(units):
            ax.axhline(n_forward - 0.5, color=BLACK, linewidth=1.5)
        for start, end, word in ((0, n_forward, "forward"), (n_forward, len(units), "backward")):
            if end > start:
                ax.annotate(
                    word,
                    (0, 1 - (start + end) / 2 / len(units)),
                    xycoords="axes fraction",
                    xytext=(-24, 0),
                    textcoords="offset points",
                    ha="right",
                    va="center",
                    fontsize="small",
                )
        # The two words say it.
        ax.set_ylabel("")

    def _checked_quantities(self) -> list[str]:
        names = list(QUANTITIES if self.quantities is None else self.quantities)
        wrong = [name for name in names if name not in QUANTITIES]
        if wrong or not names or isinstance(self.quantities, str):
            raise ValueError(
                f"quantities={self.quantities!r} must be a list of some of {', '.join(QUANTITIES)}."
            )
        return names

    def _checked_units(self) -> NDArray[np.intp]:
        n_units = self.states.hidden_state.shape[1]
        units = np.arange(n_units) if self.units is None else np.atleast_1d(self.units)
        is_whole = units.dtype.kind in "iu"
        if not len(units) or not is_whole or units.min() < 0 or units.max() >= n_units:
            raise ValueError(f"units={self.units!r} must be numbers from 0 to {n_units - 1}.")
        # In their order, so that those of one direction stay together.
        return np.unique(units).astype(np.intp)

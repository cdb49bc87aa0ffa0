"""Gates and states of LSTM layers for each token: computation and plot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from math import ceil
from numbers import Integral
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator
from sklearn.utils import check_scalar

from sklstm._network.embedding_table import network_inputs
from sklstm._network.spec import EMBEDDINGS, GATES, Floats, Ids, Lengths, NetworkSpec, Weights
from sklstm._plotting import BLACK, Display, diverging
from sklstm.inspection._attributions import read_ids, token_names
from sklstm.pipeline import split_pipeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

_Doubles = NDArray[np.float64]
_Activation = Callable[[_Doubles], _Doubles]

# Maximum number of documents per batch.
_BATCH_ROWS = 64
# Maximum number of row ticks of a heat map.
_MAX_TICKS = 6


@dataclass(frozen=True, eq=False)
class LSTMStates:
    """Gates and states of one LSTM layer for each token of a document.

    Columns are the units. In a bidirectional layer, the units of the forward direction precede
    those of the backward direction. Rows are the tokens in the order of the text, in both
    directions. The final state of the backward direction is therefore in the first row.

    Attributes
    ----------
    tokens : ndarray of str or int of shape (n_tokens,)
        The tokens, or their ids if there is no sequencer. With ``mask_padding=False``, padding is
        included as "" or 0.
    input_gate : ndarray of float32 of shape (n_tokens, n_units)
        Fraction of the candidate that is added to the cell state, in [0, 1].
    forget_gate : ndarray of float32 of shape (n_tokens, n_units)
        Fraction of the previous cell state that is kept, in [0, 1].
    candidate : ndarray of float32 of shape (n_tokens, n_units)
        New value, computed from the token and the previous hidden state.
    output_gate : ndarray of float32 of shape (n_tokens, n_units)
        Fraction of the activated cell state that is output, in [0, 1].
    cell_state : ndarray of float32 of shape (n_tokens, n_units)
        Memory of the unit after the token.
    hidden_state : ndarray of float32 of shape (n_tokens, n_units)
        Output of the unit after the token.
    is_bidirectional : bool
        Whether the second half of the units belongs to the backward direction.
    """

    tokens: NDArray[np.generic]
    # Computation and plots use the order, names and metadata of these fields.
    input_gate: Floats = field(metadata={"label": "input gate", "is_gate": True})
    forget_gate: Floats = field(metadata={"label": "forget gate", "is_gate": True})
    candidate: Floats = field(metadata={"label": "candidate", "is_gate": False})
    output_gate: Floats = field(metadata={"label": "output gate", "is_gate": True})
    cell_state: Floats = field(metadata={"label": "cell state", "is_gate": False})
    hidden_state: Floats = field(metadata={"label": "hidden state", "is_gate": False})
    is_bidirectional: bool = False

    @property
    def forward(self) -> LSTMStates:
        """The units of the forward direction."""
        return self._half(0) if self.is_bidirectional else self

    @property
    def backward(self) -> LSTMStates:
        """The units of the backward direction.

        Raises
        ------
        AttributeError
            If the layer is not bidirectional.
        """
        if not self.is_bidirectional:
            raise AttributeError("The layer has one direction; fit with bidirectional=True.")
        return self._half(1)

    def _half(self, number: int) -> LSTMStates:
        halves = {name: np.split(getattr(self, name), 2, axis=1)[number] for name in _QUANTITIES}
        return replace(self, **halves, is_bidirectional=False)


#: Label and range of each quantity, by field name.
_QUANTITIES = {entry.name: entry.metadata for entry in fields(LSTMStates) if entry.metadata}


def lstm_states(estimator: BaseEstimator, X: object, *, layer: int = 0) -> list[LSTMStates]:
    r"""Compute gates, candidate, cell state and hidden state of an LSTM layer for each token.

    Parameters
    ----------
    estimator : LSTMTextClassifier or Pipeline
        Fitted classifier, or fitted pipeline of `TextSequencer` and classifier.
    X : list, Series or array
        Texts for a pipeline, token ids for a classifier.
    layer : int, default=0
        Index of the LSTM layer. 0 is the layer after the embedding, -1 the last one.

    Returns
    -------
    states : list of LSTMStates, length n_documents
        Arrays of float32 of shape (n_tokens, n_units), with one row per token.

    Raises
    ------
    TypeError
        If `estimator` is not supported, or `layer` is not an integer.
    ValueError
        If the layer does not exist, or X is invalid.
    NotFittedError
        If `estimator` is not fitted.

    See Also
    --------
    LSTMStateDisplay : Plots the states.
    token_attributions : Contribution of each token to a score.
    LSTMTextClassifier.transform : The pooled vector of each document.

    Notes
    -----
    In step t, the input of the layer is :math:`x_t`, the vector of a token or the output of the
    previous layer. The new hidden state :math:`h_t` and cell state :math:`c_t` also depend on the
    previous states :math:`h_{t-1}` and :math:`c_{t-1}`, which are zero before the first token [1]_
    [2]_:

    .. math::

        i_t &= \sigma(x_t W_i + h_{t-1} U_i + b_i) \\
        f_t &= \sigma(x_t W_f + h_{t-1} U_f + b_f) \\
        g_t &= \phi(x_t W_g + h_{t-1} U_g + b_g) \\
        o_t &= \sigma(x_t W_o + h_{t-1} U_o + b_o) \\
        c_t &= f_t \odot c_{t-1} + i_t \odot g_t \\
        h_t &= o_t \odot \phi(c_t)

    The left-hand sides are the input gate, forget gate, candidate, output gate, cell state and
    hidden state. :math:`\sigma` is the sigmoid function, and :math:`\phi` is the function given by
    the parameter `activation`. The quantities are computed from ``weights_`` by these equations, in
    double precision.

    Documents longer than `max_len_` of the `TextSequencer` are truncated as in `predict`. Padding
    has no rows, unless ``mask_padding=False``.

    References
    ----------
    .. [1] S. Hochreiter and J. Schmidhuber (1997). `Long Short-Term Memory
           <https://doi.org/10.1162/neco.1997.9.8.1735>`_. Neural Computation 9, 1735-1780.
    .. [2] F. A. Gers, J. Schmidhuber and F. Cummins (2000). `Learning to Forget: Continual
           Prediction with LSTM <https://doi.org/10.1162/089976600300015015>`_. Neural Computation
           12, 2451-2471.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklstm import LSTMTextClassifier, TextSequencer, lstm_states
    >>> classifier = LSTMTextClassifier(units=4, bidirectional=False, epochs=1)
    >>> model = make_pipeline(TextSequencer(), classifier)
    >>> model = model.fit(["a fine film", "a dull film"], ["good", "bad"])
    >>> (states,) = lstm_states(model, ["a dull film"])
    >>> states.tokens.tolist()
    ['a', 'dull', 'film']
    >>> states.forget_gate.shape
    (3, 4)
    """
    sequencer, classifier = split_pipeline(estimator)
    fitted = classifier._fitted_network()
    check_scalar(layer, "layer", Integral)
    n_layers = len(fitted.spec.units)
    if not -n_layers <= layer < n_layers:
        found = f"layer={layer} must be from {-n_layers} to {n_layers - 1}"
        raise ValueError(f"{found}; the network has {n_layers} LSTM layers.")
    ids = read_ids(sequencer, classifier, X)
    rows, spec, weights = fitted.resolve(ids)
    tokens = token_names(sequencer, ids, keep_padding=not spec.mask_padding)
    states = _layer_states(spec, weights, rows, layer % n_layers)
    return [
        LSTMStates(tokens=names, is_bidirectional=spec.bidirectional, **quantities)
        for names, quantities in zip(tokens, states, strict=True)
    ]


def _layer_states(
    spec: NetworkSpec, weights: Weights, rows: Ids, index: int
) -> list[dict[str, Floats]]:
    """Compute the quantities of an LSTM layer.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture.
    weights : dict of str to ndarray of float32
        Weights by name.
    rows : ndarray of int32 of shape (n_documents, width)
        Rows of the embedding matrix.
    index : int
        Index of the layer, from 0.

    Returns
    -------
    states : list of ndarray of float32 of shape (n_quantities, n_tokens, n_units)
        One array per document.
    """
    inputs, lengths = network_inputs(rows, spec)
    result: dict[int, dict[str, Floats]] = {}
    by_length = np.argsort(lengths, kind="stable")
    for batch in np.array_split(by_length, ceil(len(rows) / _BATCH_ROWS)):
        x = weights[EMBEDDINGS][inputs[batch, : lengths[batch].max()]].astype(np.float64)
        for number in range(1, index + 2):
            states = _run_layer(x, lengths[batch], spec, weights, f"lstm_{number}")
            x = states[-1]
        for row, document in enumerate(batch):
            values = states[:, row, : lengths[document]].astype(np.float32)
            result[document] = dict(zip(_QUANTITIES, values, strict=True))
    return [result[document] for document in range(len(rows))]


def _run_layer(
    x: _Doubles, lengths: Lengths, spec: NetworkSpec, weights: Weights, name: str
) -> _Doubles:
    """Return the quantities ``(n_quantities, n_rows, n_steps, n_units)`` of a layer.

    Values after the last token of a row are undefined.
    """
    activation = _numpy_activation(spec.activation)
    if not spec.bidirectional:
        return _run_cell(x, weights, name, activation)
    forward = _run_cell(x, weights, f"{name}/forward", activation)
    steps = np.arange(x.shape[1])
    # This permutation is its own inverse.
    reverse = np.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    reversed_x = np.take_along_axis(x, reverse[:, :, None], axis=1)
    backward = _run_cell(reversed_x, weights, f"{name}/backward", activation)
    backward = np.take_along_axis(backward, reverse[None, :, :, None], axis=2)
    return np.concatenate([forward, backward], axis=-1)


def _run_cell(x: _Doubles, weights: Weights, name: str, activation: _Activation) -> _Doubles:
    """Run one direction over ``(n_rows, n_steps, n_inputs)``, from states of zeros."""
    kinds = ("kernel", "recurrent_kernel", "bias")
    kernel, recurrent_kernel, bias = (weights[f"{name}/{kind}"].astype(float) for kind in kinds)
    n_rows, n_steps, n_units = *x.shape[:2], len(recurrent_kernel)
    states = np.empty((len(_QUANTITIES), n_rows, n_steps, n_units))
    from_inputs = x @ kernel + bias
    c = h = np.zeros((n_rows, n_units))
    # Values after the last token may overflow.
    with np.errstate(over="ignore", invalid="ignore"):
        for step in range(n_steps):
            before = from_inputs[:, step] + h @ recurrent_kernel
            i, f, g, o = np.split(before, len(GATES), axis=1)
            i, f, g, o = expit(i), expit(f), activation(g), expit(o)
            c = f * c + i * g
            h = o * activation(c)
            states[:, :, step] = i, f, g, o, c, h
    return states


def _numpy_activation(name: str) -> _Activation:
    """Return an activation of Keras as a function of arrays."""
    if name == "tanh":
        return np.tanh
    from sklstm._runtime import keras, start_backend

    start_backend()
    function, ops = keras.activations.get(name), keras.ops

    def activation(x: _Doubles) -> _Doubles:
        values = function(ops.convert_to_tensor(x.astype(np.float32)))
        return np.asarray(ops.convert_to_numpy(values), dtype=np.float64)

    return activation


class LSTMStateDisplay(Display):
    """Heat maps of the gates and states of an LSTM layer, with units as rows and tokens as columns.

    It is recommended to use `from_estimator` to create a display.

    Parameters
    ----------
    states : LSTMStates
        States of one document.
    quantities : sequence of str or None, default=None
        Quantities to plot, from "input_gate", "forget_gate", "candidate", "output_gate",
        "cell_state" and "hidden_state"; None for all.
    units : array-like of int or None, default=None
        Units to plot, counted from 0; None for all. In a bidirectional layer, the units of the
        forward direction precede those of the backward direction.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes of shape (n_quantities,)
        Axes of the heat maps, from top to bottom.
    figure_ : matplotlib Figure
        Figure of the axes.
    images_ : dict of str to matplotlib AxesImage
        The heat map of each quantity, with an array of shape (n_units, n_tokens).

    See Also
    --------
    lstm_states : Computes the states.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklstm import LSTMStateDisplay, LSTMTextClassifier, TextSequencer
    >>> classifier = LSTMTextClassifier(units=4, bidirectional=False, epochs=1)
    >>> model = make_pipeline(TextSequencer(), classifier)
    >>> model = model.fit(["a fine film", "a dull film"], ["good", "bad"])
    >>> display = LSTMStateDisplay.from_estimator(model, "a dull film")
    >>> display.images_["forget_gate"].get_array().shape
    (4, 3)

    Selected quantities of the same states:

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
        estimator: BaseEstimator,
        text: str | ArrayLike,
        *,
        layer: int = 0,
        quantities: Sequence[str] | None = None,
        units: ArrayLike | None = None,
        ax: Axes | ArrayLike | None = None,
    ) -> Self:
        """Plot the states of a fitted classifier for one text.

        Parameters
        ----------
        estimator : LSTMTextClassifier or Pipeline
            Fitted classifier, or fitted pipeline of `TextSequencer` and classifier.
        text : str or array-like of int of shape (n_features_in_,)
            A text for a pipeline, its token ids for a classifier.
        layer : int, default=0
            Index of the LSTM layer, as in `lstm_states`.
        quantities : sequence of str or None, default=None
            Quantities to plot, as in the constructor.
        units : array-like of int or None, default=None
            Units to plot, as in the constructor.
        ax : matplotlib Axes, array of Axes or None, default=None
            One Axes to divide, one Axes per quantity, or None for a new figure.

        Returns
        -------
        display : LSTMStateDisplay
            The plotted display.

        Raises
        ------
        TypeError
            If `estimator` is not supported.
        ValueError
            If the layer, a quantity or a unit does not exist, or the text is all padding.
        NotFittedError
            If `estimator` is not fitted.
        ImportError
            If matplotlib is not installed.
        """
        (states,) = lstm_states(estimator, [text], layer=layer)
        return cls(states, quantities=quantities, units=units).plot(ax=ax)

    def plot(self, *, ax: Axes | ArrayLike | None = None) -> Self:
        """Plot one heat map per quantity.

        Parameters
        ----------
        ax : matplotlib Axes, array of Axes or None, default=None
            One Axes to divide, one Axes per quantity, or None for a new figure.

        Returns
        -------
        self : LSTMStateDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If a quantity or unit does not exist, if there are no tokens, or if the number of Axes
            differs from the number of quantities.
        ImportError
            If matplotlib is not installed.
        """
        names, units = self._check_quantities(), self._check_units()
        tokens = self.states.tokens
        if not len(tokens):
            raise ValueError("states contains no tokens; pass a document that is not all padding.")
        width = min(14.0, max(5.0, 1.6 + 0.3 * len(tokens)))
        height = min(1.6, max(0.75, 0.12 * len(units)))
        size = (width, 0.5 + (height + 0.25) * len(names))
        self.ax_ = self._several_axes(ax, (len(names), 1), size).ravel()
        images = [self._plot_quantity(*pair, units) for pair in zip(self.ax_, names, strict=True)]
        self.images_: dict[str, AxesImage] = dict(zip(names, images, strict=True))
        last: Axes = self.ax_[-1]
        last.set_xticks(range(len(tokens)), tokens, rotation=60, ha="right", rotation_mode="anchor")
        for label in last.get_xticklabels():
            label.set_parse_math(False)
        return self

    def _plot_quantity(self, ax: Axes, name: str, units: NDArray[np.intp]) -> AxesImage:
        is_gate = _QUANTITIES[name]["is_gate"]
        values = getattr(self.states, name)[:, units].T
        limit = 1.0 if is_gate else max(float(np.abs(values).max()), 1e-6)
        colors = "viridis" if is_gate else diverging()
        image = ax.imshow(values, cmap=colors, aspect="auto", interpolation="nearest")
        image.set_clim(0.0 if is_gate else -limit, limit)
        ax.set_title(_QUANTITIES[name]["label"], fontsize="medium", loc="left")
        ax.set_xticks([])
        ticks = np.arange(0, len(units), ceil(len(units) / _MAX_TICKS))
        ax.set_yticks(ticks, units[ticks], fontsize="small")
        bar = ax.figure.colorbar(image, ax=ax, pad=0.02, aspect=10)
        bar.set_label("fraction" if is_gate else "value", fontsize="small")
        if self.states.is_bidirectional:
            self._label_directions(ax, units)
        else:
            ax.set_ylabel("unit")
        return image

    def _label_directions(self, ax: Axes, units: NDArray[np.intp]) -> None:
        """Draw a line between the units of the two directions, and label both."""
        n_forward = int((units < self.states.hidden_state.shape[1] // 2).sum())
        if 0 < n_forward < len(units):
            ax.axhline(n_forward - 0.5, color=BLACK, linewidth=1.5)
        for start, end, label in ((0, n_forward, "forward"), (n_forward, len(units), "backward")):
            if end > start:
                middle = (0, 1 - (start + end) / 2 / len(units))
                text = ax.annotate(label, middle, (-24, 0), "axes fraction", "offset points")
                text.set(ha="right", va="center", fontsize="small")

    def _check_quantities(self) -> list[str]:
        names = list(_QUANTITIES if self.quantities is None else self.quantities)
        if not names or not _QUANTITIES.keys() >= set(names) or isinstance(self.quantities, str):
            choices = ", ".join(map(repr, _QUANTITIES))
            found = f"quantities={self.quantities!r}"
            raise ValueError(f"{found} must be a list with one or more of {choices}.")
        return names

    def _check_units(self) -> NDArray[np.intp]:
        n_units = self.states.hidden_state.shape[1]
        units = np.arange(n_units) if self.units is None else np.atleast_1d(self.units)
        is_integer = units.dtype.kind in "iu"
        if not len(units) or not is_integer or units.min() < 0 or units.max() >= n_units:
            raise ValueError(f"units={self.units!r} must contain integers from 0 to {n_units - 1}.")
        # Sorted, so that the units of one direction are adjacent.
        return np.unique(units).astype(np.intp)

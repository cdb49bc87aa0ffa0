"""What inspection tells of a document: its states over time, the share of each token in a score."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class LSTMStates:
    """What one LSTM layer did at each token of a document.

    The columns of all arrays are the units; of a bidirectional layer those that read forwards, then
    those that read backwards. Rows are the tokens in the order of the text, for both directions:
    the backward units have read the last row first.

    Attributes
    ----------
    tokens : ndarray of str or int of shape (n_tokens,)
        What the layer read, without padding, unless the network reads that (then it is "" or 0);
        ids if no sequencer is known.
    input_gate, forget_gate, output_gate : ndarray of float32 of shape (n_tokens, n_units)
        Shares in [0, 1]: of the candidate that is written to the cell, of the old cell state that
        is kept, and of the activated cell state that is let out.
    candidate : ndarray of float32 of shape (n_tokens, n_units)
        What could be written to the cell.
    cell_state, hidden_state : ndarray of float32 of shape (n_tokens, n_units)
        After the token has been read.
    is_bidirectional : bool
        Whether half of the units read backwards.
    """

    tokens: NDArray[Any]
    input_gate: NDArray[np.float32]
    forget_gate: NDArray[np.float32]
    candidate: NDArray[np.float32]
    output_gate: NDArray[np.float32]
    cell_state: NDArray[np.float32]
    hidden_state: NDArray[np.float32]
    is_bidirectional: bool = False

    @property
    def forward(self) -> LSTMStates:
        """The units that read forwards."""
        return self._half(0) if self.is_bidirectional else self

    @property
    def backward(self) -> LSTMStates:
        """The units that read backwards.

        Raises
        ------
        AttributeError
            If the layer reads in one direction only.
        """
        if not self.is_bidirectional:
            raise AttributeError("The layer reads forwards only; fit with bidirectional=True.")
        return self._half(1)

    def _half(self, number: int) -> LSTMStates:
        halves = {
            field.name: np.split(getattr(self, field.name), 2, axis=1)[number]
            for field in fields(self)
            if field.name not in ("tokens", "is_bidirectional")
        }
        return replace(self, **halves, is_bidirectional=False)


@dataclass(frozen=True, eq=False)
class TokenAttributions:
    """What each token of a document adds to the score of a class.

    Attributes
    ----------
    tokens : ndarray of str or int of shape (n_tokens,)
        The tokens that were read, without padding; ids if no sequencer is known.
    values : ndarray of float64 of shape (n_tokens,)
        What each adds to `score`, in logits; negative where it speaks against `target`.
    target : object
        The class, as in ``classes_``.
    score : float
        The score of `target`, a logit: what `decision_function` gives; of the first of two classes
        its negative. Of a classifier without `decision_function` the log-odds of `target`.
    baseline_score : float
        The score of a document that says nothing: all its vectors are zeros or, with occlusion, all
        its tokens unknown. With integrated gradients, `values` sum to ``score - baseline_score``.
    """

    tokens: NDArray[Any]
    values: NDArray[np.float64]
    target: Any
    score: float
    baseline_score: float

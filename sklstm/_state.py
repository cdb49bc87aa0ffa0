"""Pack and unpack the state of `TextSequencer` and `WordVectors`."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np

from sklstm._persistence import (
    check_array,
    check_names,
    check_values,
    pack_state,
    pack_tokens,
    raise_damaged,
    unpack_state,
    unpack_tokens,
)
from sklstm._sklearn import Interval
from sklstm._vocabulary import N_RESERVED, invert

LARGEST = int(np.iinfo(np.int32).max)
"""Of sizes and ids: token ids have 32 bits."""

_SEQUENCER: dict[str, list[Any]] = {
    "max_len_": [Interval(Integral, 1, LARGEST, closed="both")],
    "n_tokens_": [Interval(Integral, N_RESERVED, LARGEST, closed="both")],
    "n_features_in_": [Interval(Integral, 1, None, closed="left")],
}


def pack_sequencer(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is saved of a `TextSequencer`: its attributes, tokens once and packed."""
    packed = pack_state(state)
    packed.pop("vocabulary_", None)
    if "tokens_" in packed:
        packed["tokens_"] = pack_tokens(packed["tokens_"])
    if "_tally" in packed:
        others, *counts = packed["_tally"]
        packed["_tally"] = (pack_tokens(others), *counts)
    return packed


def unpack_sequencer(state: Any, owner: Any) -> dict[str, Any]:
    """Return the attributes of a `TextSequencer` of which `state` was saved.

    Raises
    ------
    ValueError
        If it was saved by a later version, or is damaged.
    """
    attributes = unpack_state(state, owner)
    vocabulary = ("tokens_", "token_counts_")
    if not attributes.keys() & {"max_len_", "n_tokens_", "_tally", *vocabulary}:
        return attributes
    check_names(owner, attributes, _SEQUENCER)
    check_values(owner, attributes, _SEQUENCER)
    if not attributes.keys() & {"_tally", *vocabulary}:
        return attributes
    check_names(owner, attributes, vocabulary)
    n_tokens = attributes["n_tokens_"]
    tokens = unpack_tokens(owner, "tokens_", attributes["tokens_"])
    check_array(owner, "tokens_", tokens, np.object_, (n_tokens,))
    check_array(owner, "token_counts_", attributes["token_counts_"], np.integer, (n_tokens,))
    attributes |= {"tokens_": tokens, "vocabulary_": invert(tokens)}
    if "_tally" in attributes:
        attributes["_tally"] = _unpack_tally(owner, attributes["_tally"], n_tokens)
    return attributes


def _unpack_tally(owner: type, tally: Any, n_tokens: int) -> tuple[Any, ...]:
    if not isinstance(tally, tuple) or len(tally) != 4 or not isinstance(tally[3], Integral):
        raise_damaged(owner, "_tally is not of three arrays and a number")
    packed, counts, document_counts, n_documents = tally
    others = unpack_tokens(owner, "_tally[0]", packed)
    check_array(owner, "_tally[1]", counts, np.integer, others.shape)
    check_array(
        owner, "_tally[2]", document_counts, np.integer, (n_tokens - N_RESERVED + others.size,)
    )
    return others, counts, document_counts, n_documents


def unpack_vectors(state: Any, owner: type) -> dict[str, Any]:
    """Return the attributes of `WordVectors` of which `state` was saved.

    Raises
    ------
    ValueError
        If they were saved by a later version, or are damaged.
    """
    attributes = unpack_state(state, owner)
    check_names(owner, attributes, ("tokens", "matrix"))
    tokens = unpack_tokens(owner, "tokens", attributes["tokens"])
    check_array(owner, "matrix", attributes["matrix"], np.float32, (tokens.size, None))
    if not attributes["matrix"].size:
        raise_damaged(owner, "matrix is empty")
    return {"tokens": tokens, "matrix": attributes["matrix"]}

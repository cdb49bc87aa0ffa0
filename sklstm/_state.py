"""Turn estimators into what is saved of them and back, refusing what no estimator has written."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from inspect import Parameter, signature
from numbers import Integral
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite
from sklearn.utils._param_validation import Interval, validate_parameter_constraints

from sklstm import __version__
from sklstm._vocabulary import FIRST, invert

#: What `pack` writes. 0 stands for states without a number; they hold tokens as arrays of objects.
FORMAT = 1
LARGEST = int(np.iinfo(np.int32).max)
"""Of sizes and ids: token ids have 32 bits."""

_KEY = "_sklstm_format"
_SEQUENCER: dict[str, list[Any]] = {
    "max_len_": [Interval(Integral, 1, LARGEST, closed="both")],
    "n_tokens_": [Interval(Integral, FIRST, LARGEST, closed="both")],
    "n_features_in_": [Interval(Integral, 1, None, closed="left")],
}


def pack(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of an object with the number of the format that they are saved in."""
    return {**state, _KEY: FORMAT}


def unpack(state: Any, owner: type, constraints: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the attributes in a saved state.

    Parameters
    ----------
    state : object
        What `pack` gave, in this version or another.
    owner : type
        The class of the object that is loaded.
    constraints : mapping of str to list, optional
        Of the parameters of its `__init__`. Those that the state lacks, because its version did
        not have them yet, get their defaults.

    Raises
    ------
    ValueError
        If the state is of a later format, or is none.
    """
    if not isinstance(state, Mapping):
        refuse(owner, f"its state is a {type(state).__name__}")
    number = state.get(_KEY, 0)
    if not isinstance(number, int) or number < 0:
        refuse(owner, f"its format is {number!r:.60}")
    if number > FORMAT:
        raise ValueError(
            f"This {owner.__name__} was saved by a newer sklstm, in format {number}; sklstm "
            f"{__version__} reads formats up to {FORMAT}. Update it: pip install --upgrade sklstm"
        )
    attributes = {name: value for name, value in state.items() if name != _KEY}
    if (constraints or {}).keys() <= attributes.keys():
        return attributes
    parameters = signature(owner).parameters.items()
    defaults = {name: p.default for name, p in parameters if p.default is not Parameter.empty}
    return defaults | attributes


def refuse(owner: type, problem: str) -> NoReturn:
    """Raise the error of a state that no estimator has written."""
    raise ValueError(
        f"This saved {owner.__name__} is damaged, or was changed by hand: {problem}. "
        "Load an intact copy, or fit anew."
    )


def check_names(owner: type, state: Collection[str], names: Iterable[str]) -> None:
    """Refuse a state that lacks an attribute."""
    lacking = [name for name in names if name not in state]
    if lacking:
        refuse(owner, f"it lacks {', '.join(lacking)}")


def check_values(
    owner: type, state: Mapping[str, Any], constraints: Mapping[str, list[Any]]
) -> None:
    """Refuse a state with a value that does not meet the constraints, in scikit-learn's form."""
    try:
        validate_parameter_constraints(constraints, state, "the state")
    except ValueError as error:
        refuse(owner, f"{error!s:.300}".rstrip("."))


def check_array(
    owner: type, name: str, array: Any, kind: type[Any], shape: tuple[int | None, ...]
) -> None:
    """Refuse what is no array, of another dtype or byte order or shape, or not finite.

    Parameters
    ----------
    owner : type
        The class of the object that is loaded.
    name : str
        Of the array, for the message.
    array : object
        To be checked.
    kind : type
        Of its dtype, or one above it in numpy's hierarchy.
    shape : tuple of int or None
        None stands for any length.
    """
    if not isinstance(array, np.ndarray):
        refuse(owner, f"{name} is a {type(array).__name__}, not an array")
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, found) for found, wanted in zip(array.shape, shape, strict=True)
    )
    if not (fits and np.issubdtype(array.dtype, kind) and array.dtype.isnative):
        wanted = str(shape).replace("None", "any")
        refuse(
            owner,
            f"{name} has dtype {array.dtype} and shape {array.shape}, "
            f"not {kind.__name__} and {wanted}",
        )
    if array.dtype.kind == "f":
        try:
            assert_all_finite(array)
        except ValueError:
            refuse(owner, f"{name} has values that are not finite")


def pack_tokens(tokens: NDArray[np.object_]) -> NDArray[np.uint8]:
    """Return an array of str as one of bytes: as JSON, a list, in UTF-8.

    It is small and quick to save in any file format, and no format changes a token.
    """
    text = json.dumps(tokens.tolist(), ensure_ascii=False)
    return np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8)


def unpack_tokens(owner: type, name: str, packed: Any) -> NDArray[np.object_]:
    """Return the array that was given to `pack_tokens`, or has been saved as it is in format 0.

    Raises
    ------
    ValueError
        If there is anything else.
    """
    is_plain = isinstance(packed, np.ndarray) and packed.dtype.kind == "O"
    check_array(owner, name, packed, np.object_ if is_plain else np.uint8, (None,))
    try:
        tokens = packed.tolist() if is_plain else json.loads(packed.tobytes())
    except (ValueError, RecursionError) as error:
        refuse(owner, f"{name} cannot be read ({error!s:.100})")
    if not isinstance(tokens, list) or not all(
        issubclass(kind, str) for kind in set(map(type, tokens))
    ):
        refuse(owner, f"{name} holds something else than tokens")
    return np.array(tokens, dtype=object)


def pack_sequencer(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is saved of a `TextSequencer`: its attributes, tokens once and packed."""
    packed = pack(state)
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
    attributes = unpack(state, owner, owner._parameter_constraints)
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
        refuse(owner, "_tally is not of three arrays and a number")
    packed, counts, document_counts, n_documents = tally
    others = unpack_tokens(owner, "_tally[0]", packed)
    check_array(owner, "_tally[1]", counts, np.integer, others.shape)
    check_array(owner, "_tally[2]", document_counts, np.integer, (n_tokens - FIRST + others.size,))
    return others, counts, document_counts, n_documents


def unpack_vectors(state: Any, owner: type) -> dict[str, Any]:
    """Return the attributes of `WordVectors` of which `state` was saved.

    Raises
    ------
    ValueError
        If they were saved by a later version, or are damaged.
    """
    attributes = unpack(state, owner)
    check_names(owner, attributes, ("tokens", "matrix"))
    tokens = unpack_tokens(owner, "tokens", attributes["tokens"])
    check_array(owner, "matrix", attributes["matrix"], np.float32, (tokens.size, None))
    if not attributes["matrix"].size:
        refuse(owner, "matrix is empty")
    return {"tokens": tokens, "matrix": attributes["matrix"]}

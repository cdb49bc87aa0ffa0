"""Validate the loaded state of an `LSTMTextClassifier`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from numbers import Integral
from typing import Any

import numpy as np

from sklstm._network.prefixes import PrefixScores
from sklstm._network.spec import NetworkSpec, align_weights, weight_shapes
from sklstm._persistence import (
    check_array,
    check_names,
    check_values,
    pack_tokens,
    raise_damaged,
    unpack_tokens,
)
from sklstm._sklearn import Interval, StrOptions
from sklstm._validation import check_layer_sizes
from sklstm.vectors import WordVectors

Constraints = Mapping[str, list[Any]]

_MAX_SIZE = int(np.iinfo(np.int32).max)
_SIZE = [Interval(Integral, 2, _MAX_SIZE, closed="both")]
_COUNT = [Interval(Integral, 1, None, closed="left")]
_FITTED: Constraints = {
    "n_features_in_": _COUNT,
    "classes_": [np.ndarray],
    "vocab_size_": _SIZE,
    "embedding_ids_": [np.ndarray],
    "n_parameters_": _COUNT,
    "weights_": [dict],
    "history_": [dict],
    "loss_curve_": [list],
    "n_iter_": _COUNT,
    "thresholds_": [np.ndarray],
    "_is_multilabel": ["boolean"],
    "_architecture": [dict],
    "_vectors": [WordVectors, None],
    "_vector_scores": [np.ndarray, None],
    "_prefix_scores": [tuple, None],
    "_known_ids": [np.ndarray],
    "_optimizer_state": [dict, None],
    "_seed": [Interval(Integral, 0, None, closed="left")],
    "_n_calls": _COUNT,
}
# Fields of a spec that depend on the data, or whose values differ from those of the parameter.
_ARCHITECTURE: Constraints = {
    "vocab_size": _SIZE,
    "n_outputs": _COUNT,
    "output_activation": [StrOptions({"sigmoid", "softmax"})],
    "width": [*_COUNT, None],
    "ngram_buckets": [Interval(Integral, 0, None, closed="left")],
    "ngram_rows": [Interval(Integral, 0, _MAX_SIZE, closed="both")],
}


def pack_scores(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of an `LSTMTextClassifier` with its prefix scores as plain arrays."""
    scores = attributes.get("_prefix_scores")
    if scores is None:
        return dict(attributes)
    return {**attributes, "_prefix_scores": (pack_tokens(scores.names), scores.scores)}


def check_saved_state(
    attributes: Mapping[str, Any], owner: type, constraints: Constraints
) -> dict[str, Any]:
    """Validate the attributes of a loaded `LSTMTextClassifier`, and return them.

    The names and shapes of the saved weights must match the saved architecture exactly. The network
    can therefore not be larger than the file.

    Parameters
    ----------
    attributes : mapping of str to object
        As returned by `unpack_state`.
    owner : type
        The class, for error messages.
    constraints : mapping of str to list
        Constraints on its parameters.

    Raises
    ------
    ValueError
        If the state is damaged.
    """
    check_names(owner, attributes, constraints)
    if not attributes.keys() & (_FITTED.keys() - {"n_features_in_"}):
        return dict(attributes)
    check_names(owner, attributes, _FITTED)
    check_values(owner, attributes, _FITTED)
    spec = _check_architecture(owner, attributes["_architecture"], constraints)
    _check_weights(owner, attributes["weights_"], spec)
    n_classes = 2 if spec.n_outputs == 1 else spec.n_outputs
    check_array(owner, "classes_", attributes["classes_"], np.generic, (n_classes,))
    _check_thresholds(owner, attributes["thresholds_"], attributes["_is_multilabel"], spec)
    _check_ids(owner, attributes, spec)
    _check_optimizer_state(owner, attributes["_optimizer_state"])
    prefix_scores = _unpack_prefix_scores(owner, attributes, spec)
    return {
        **attributes,
        "_architecture": asdict(spec),
        "_prefix_scores": prefix_scores,
        "weights_": align_weights(attributes["weights_"]),
    }


def _check_architecture(
    owner: type, architecture: dict[str, Any], constraints: Constraints
) -> NetworkSpec:
    names = {field.name for field in fields(NetworkSpec)}
    unknown = architecture.keys() - names
    if unknown:
        raise_damaged(owner, f"its architecture has {', '.join(sorted(map(str, unknown)))}")
    check_names(owner, architecture, names)
    check_values(owner, architecture, {**constraints, **_ARCHITECTURE})
    try:
        layers = {n: check_layer_sizes(n, architecture[n]) for n in ("units", "dense_units")}
    except ValueError as error:
        raise_damaged(owner, f"{error!s:.300}".rstrip("."))
    spec = NetworkSpec(**{**architecture, **layers})
    if (spec.width is not None) != spec.depends_on_width:
        problem = f"its architecture has width={spec.width} with pooling={spec.pooling!r}"
        raise_damaged(owner, problem)
    return spec


def _check_weights(owner: type, weights: Mapping[str, object], spec: NetworkSpec) -> None:
    shapes = weight_shapes(spec)
    if weights.keys() != shapes.keys():
        differing = sorted(map(str, weights.keys() ^ shapes.keys()))
        raise_damaged(owner, f"weights_ and its architecture differ in {', '.join(differing):.200}")
    for name, shape in shapes.items():
        check_array(owner, f"weights_[{name!r}]", weights[name], np.floating, shape)


def _check_thresholds(owner: type, thresholds: Any, is_multilabel: bool, spec: NetworkSpec) -> None:
    if is_multilabel and spec.output_activation != "sigmoid":
        raise_damaged(owner, f"_is_multilabel is True with {spec.output_activation}")
    n_thresholds = spec.n_outputs if is_multilabel else 1
    check_array(owner, "thresholds_", thresholds, np.floating, (n_thresholds,))
    if not ((thresholds > 0) & (thresholds < 1)).all():
        raise_damaged(owner, "thresholds_ are not between 0 and 1")


def _check_ids(owner: type, attributes: Mapping[str, Any], spec: NetworkSpec) -> None:
    ids, vocab_size = attributes["embedding_ids_"], attributes["vocab_size_"]
    vectors = attributes["_vectors"]
    check_array(owner, "embedding_ids_", ids, np.integer, (spec.vocab_size,))
    check_array(owner, "_known_ids", attributes["_known_ids"], np.bool_, (spec.vocab_size,))
    if ids.min() < 0 or ids.max() >= vocab_size:
        raise_damaged(owner, f"embedding_ids_ has ids beyond vocab_size_={vocab_size}")
    if vectors is None and vocab_size != spec.vocab_size:
        rows = spec.vocab_size
        raise_damaged(owner, f"vocab_size_ is {vocab_size}, with {rows} rows of embeddings")
    if vectors is not None and vectors.vector_size != spec.embedding_dim:
        sizes = f"vector_size={vectors.vector_size}, not {spec.embedding_dim}"
        raise_damaged(owner, f"its word vectors have {sizes}")
    scores = attributes["_vector_scores"]
    if (scores is None) == (spec.token_scores and vectors is not None):
        raise_damaged(owner, f"token_scores={spec.token_scores} does not fit its vectors")
    if scores is not None:
        shape = (spec.embedding_dim + 1, spec.n_outputs)
        check_array(owner, "_vector_scores", scores, np.floating, shape)
    width = attributes["n_features_in_"]
    if spec.width not in (None, width):
        raise_damaged(owner, f"it reads {width} ids per row, not {spec.width}")


def _unpack_prefix_scores(
    owner: type, attributes: Mapping[str, Any], spec: NetworkSpec
) -> PrefixScores | None:
    saved = attributes["_prefix_scores"]
    if saved is None:
        return None
    if attributes["_vector_scores"] is None or len(saved) != 2:
        raise_damaged(owner, "its prefix scores do not fit its vectors")
    names = unpack_tokens(owner, "_prefix_scores[0]", saved[0])
    check_array(owner, "_prefix_scores[1]", saved[1], np.floating, (len(names), spec.n_outputs))
    if len(set(names)) != len(names):
        raise_damaged(owner, "its prefixes are not distinct")
    return PrefixScores(names, saved[1])


def _check_optimizer_state(owner: type, state: dict[str, Any] | None) -> None:
    if state is None:
        return
    check_names(owner, state, ("optimizer", "values"))
    check_values(owner, state, {"optimizer": [str], "values": [list]})
    for number, value in enumerate(state["values"]):
        check_array(owner, f"_optimizer_state[{number}]", value, np.number, np.shape(value))

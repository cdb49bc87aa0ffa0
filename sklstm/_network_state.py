"""Check what was saved of a classifier before anything is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from numbers import Integral
from typing import Any

import numpy as np

from sklstm._network.shapes import weight_shapes
from sklstm._network.spec import NetworkSpec
from sklstm._persistence import check_array, check_names, check_values, raise_damaged, unpack_state
from sklstm._sklearn import Interval, StrOptions
from sklstm._validation import check_layer_sizes
from sklstm._vocabulary import INT32_MAX as LARGEST
from sklstm.vectors import WordVectors

_COUNT = [Interval(Integral, 1, None, closed="left")]
_FITTED: dict[str, list[Any]] = {
    "n_features_in_": _COUNT,
    "classes_": [np.ndarray],
    "vocab_size_": [Interval(Integral, 2, LARGEST, closed="both")],
    "embedding_ids_": [np.ndarray],
    "n_parameters_": _COUNT,
    "weights_": [dict],
    "history_": [dict],
    "loss_curve_": [list],
    "n_iter_": _COUNT,
    "_architecture": [dict],
    "_vectors": [WordVectors, None],
    "_known_ids": [np.ndarray],
}
# What only further training needs.
_TRAINING: dict[str, list[Any]] = {
    "_optimizer_state": [dict, None],
    "_seed": [Interval(Integral, 0, None, closed="left")],
    "_n_calls": _COUNT,
}
# What is decided by the data, or is of another form than the parameter.
_ARCHITECTURE: dict[str, list[Any]] = {
    "vocab_size": [Interval(Integral, 2, LARGEST, closed="both")],
    "n_outputs": _COUNT,
    "output_activation": [StrOptions({"sigmoid", "softmax"})],
    "width": [*_COUNT, None],
    "ngram_buckets": [Interval(Integral, 0, None, closed="left")],
    "ngram_rows": [Interval(Integral, 0, LARGEST, closed="both")],
}


def unpack_network(state: Any, owner: Any) -> dict[str, Any]:
    """Return the attributes of a `LSTMTextClassifier` of which `state` was saved.

    The network that they describe must have just the weights that they hold, so that it is no
    larger than the file is.

    Raises
    ------
    ValueError
        If it was saved by a later version, or is damaged.
    """
    attributes = unpack_state(state, owner)
    if not attributes.keys() & (_FITTED.keys() - {"n_features_in_"}):
        return attributes
    check_names(owner, attributes, _FITTED)
    check_values(owner, attributes, _FITTED | _TRAINING)
    spec = _unpack_spec(owner, attributes["_architecture"])
    _check_weights(owner, attributes["weights_"], spec)
    _check_labels(owner, attributes["classes_"], spec)
    _check_ids(owner, attributes, spec)
    _check_optimizer_state(owner, attributes.get("_optimizer_state"))
    return attributes | {"_architecture": asdict(spec)}


def _unpack_spec(owner: Any, architecture: dict[str, Any]) -> NetworkSpec:
    unknown = architecture.keys() - {field.name for field in fields(NetworkSpec)}
    if unknown:
        raise_damaged(owner, f"its architecture has {', '.join(sorted(map(str, unknown)))}")
    check_names(owner, architecture, ("vocab_size", "n_outputs", "output_activation"))
    check_values(owner, architecture, {**owner._parameter_constraints, **_ARCHITECTURE})
    try:
        layers: dict[str, Any] = {
            name: check_layer_sizes(name, architecture[name], at_least_one=name == "units")
            for name in ("units", "dense_units")
            if name in architecture
        }
    except ValueError as error:
        raise_damaged(owner, f"{error!s:.300}".rstrip("."))
    spec = NetworkSpec(**{**architecture, **layers})
    if (spec.width is None) != (spec.mask_padding and spec.pooling != "flatten"):
        raise_damaged(
            owner, f"its architecture has width={spec.width} with pooling={spec.pooling!r}"
        )
    return spec


def _check_weights(owner: type, weights: Mapping[str, Any], spec: NetworkSpec) -> None:
    shapes = weight_shapes(spec)
    if weights.keys() != shapes.keys():
        differing = sorted(map(str, weights.keys() ^ shapes.keys()))
        raise_damaged(owner, f"weights_ and its architecture differ in {', '.join(differing):.200}")
    for name, shape in shapes.items():
        check_array(owner, f"weights_[{name!r}]", weights[name], np.floating, shape)


def _check_labels(owner: type, classes: Any, spec: NetworkSpec) -> None:
    n_classes = 2 if spec.n_outputs == 1 else spec.n_outputs
    check_array(owner, "classes_", classes, np.generic, (n_classes,))


def _check_ids(owner: type, attributes: Mapping[str, Any], spec: NetworkSpec) -> None:
    ids, vocab_size = attributes["embedding_ids_"], attributes["vocab_size_"]
    vectors = attributes["_vectors"]
    check_array(owner, "embedding_ids_", ids, np.integer, (spec.vocab_size,))
    check_array(owner, "_known_ids", attributes["_known_ids"], np.bool_, (spec.vocab_size,))
    if ids.min() < 0 or ids.max() >= vocab_size:
        raise_damaged(owner, f"embedding_ids_ has ids beyond vocab_size_={vocab_size}")
    if vectors is None and vocab_size != spec.vocab_size:
        raise_damaged(
            owner, f"vocab_size_ is {vocab_size}, with {spec.vocab_size} rows of embeddings"
        )
    if vectors is not None and vectors.vector_size != spec.embedding_dim:
        raise_damaged(
            owner, f"its word vectors have {vectors.vector_size} values, not {spec.embedding_dim}"
        )
    if spec.width not in (None, attributes["n_features_in_"]):
        raise_damaged(owner, f"it reads {attributes['n_features_in_']} ids a row, not {spec.width}")


def _check_optimizer_state(owner: type, kept: Any) -> None:
    if kept is None:
        return
    check_names(owner, kept, ("optimizer", "values"))
    check_values(owner, kept, {"optimizer": [str], "values": [list]})
    for number, value in enumerate(kept["values"]):
        check_array(owner, f"_optimizer_state[{number}]", value, np.number, np.shape(value))

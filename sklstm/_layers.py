"""Say what the layers of a network are and do, for a table and for a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklstm._network.spec import NetworkSpec

_POOLING = {
    "last": "the output after the last token",
    "max": "maximum over tokens",
    "mean": "mean over tokens",
    "attention": "mean over tokens, by relevance",
    "concat": "last, maximum and mean over tokens",
    "flatten": "all outputs, one after the other",
}


class Layer(NamedTuple):
    """A layer of a network.

    Attributes
    ----------
    name : str
        As in the names of its weights.
    does : str
        What it does, in a few words.
    shape : tuple of str or int
        Of what it gives.
    n_weights : int
        How many numbers it has.
    is_trained : bool
        Whether training changes them.
    is_dropout : bool
        Whether it is there for training only.
    """

    name: str
    does: str
    shape: tuple[Any, ...]
    n_weights: int = 0
    is_trained: bool = True
    is_dropout: bool = False

    @property
    def shape_in_words(self) -> str:
        """The shape, such as "(n_documents, 64)"."""
        return f"({', '.join(map(str, self.shape))})"


def layers_of(spec: NetworkSpec, weights: Mapping[str, NDArray[np.float32]]) -> list[Layer]:
    """Return the layers in the order in which a document passes through them.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture.
    weights : mapping of str to ndarray
        By names that begin with those of their layers.
    """
    return [_with_weights(layer, weights) for layer in _layers(spec)]


def _with_weights(layer: Layer, weights: Mapping[str, NDArray[np.float32]]) -> Layer:
    own = (array.size for name, array in weights.items() if name.split("/")[0] == layer.name)
    return layer._replace(n_weights=sum(own))


def _layers(spec: NetworkSpec) -> list[Layer]:
    sequence = ("n_documents", spec.width or "n_tokens")
    n_values = spec.embedding_dim
    layers = [
        Layer(
            "embedding",
            "a vector for each token",
            (*sequence, n_values),
            is_trained=spec.trainable_embeddings,
        )
    ]
    if spec.embedding_dropout:
        layers.append(_dropout("embedding_dropout", spec.embedding_dropout, (*sequence, n_values)))
    for number, units in enumerate(spec.units, start=1):
        n_values = units * (2 if spec.bidirectional else 1)
        ways = " in each direction" if spec.bidirectional else ""
        layers.append(Layer(f"lstm_{number}", f"LSTM, {units} units{ways}", (*sequence, n_values)))
        if spec.dropout:
            layers.append(_dropout(f"dropout_{number}", spec.dropout, (*sequence, n_values)))
    if spec.pooling == "attention":
        layers += [
            Layer("attention_hidden", "dense, tanh", (*sequence, n_values)),
            Layer("attention_relevance", "relevance of each token", (*sequence, 1)),
        ]
    layers.append(Layer("pooling", _POOLING[spec.pooling], ("n_documents", spec.vector_size)))
    for number, units in enumerate(spec.dense_units, start=1):
        layers.append(
            Layer(f"dense_{number}", f"dense, {spec.dense_activation}", ("n_documents", units))
        )
        if spec.dense_dropout:
            name = f"dense_dropout_{number}"
            layers.append(_dropout(name, spec.dense_dropout, ("n_documents", units)))
    scores, last = ("n_documents", spec.n_outputs), spec.output_activation
    if not spec.ngrams:
        return [*layers, Layer("output", f"dense, {last}", scores)]
    longest = "single tokens" if spec.ngrams == 1 else f"n-grams up to {spec.ngrams}"
    return [
        *layers,
        Layer("output", "dense", scores),
        Layer("ngrams", f"scores of {longest}", scores),
        Layer("ngram_bias", "added to these scores", scores),
        Layer("mean_of_scores", f"mean of both scores, {last}", scores),
    ]


def _dropout(name: str, share: float, shape: tuple[Any, ...]) -> Layer:
    return Layer(name, f"drops {share:.3g} of it while training", shape, is_dropout=True)

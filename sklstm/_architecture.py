"""Choose the network that the classifier's parameters and its data ask for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from sklstm import _validation
from sklstm._embeddings import Embedded
from sklstm._network.spec import NetworkSpec

if TYPE_CHECKING:
    from sklstm.classifier import LSTMTextClassifier


def network_spec(
    estimator: LSTMTextClassifier,
    width: int,
    y: NDArray[Any],
    classes: NDArray[Any],
    embedded: Embedded,
    goes_on: bool,
) -> NetworkSpec:
    """Return the architecture that the parameters and the data ask for.

    Raises
    ------
    ValueError
        If the fitted network is to be trained on, and has another architecture.
    """
    pretrained = embedded.pretrained
    embedding_dim = estimator.embedding_dim if pretrained is None else pretrained.shape[1]
    is_multiclass = y.ndim == 1 and len(classes) > 2
    spec = NetworkSpec(
        vocab_size=len(embedded.ids),
        n_outputs=y.shape[1] if y.ndim == 2 else len(classes) if is_multiclass else 1,
        output_activation="softmax" if is_multiclass else "sigmoid",
        width=width if estimator.pooling == "flatten" or not estimator.mask_padding else None,
        embedding_dim=int(embedding_dim),
        trainable_embeddings=bool(estimator.trainable_embeddings),
        units=_validation.check_layer_sizes("units", estimator.units, at_least_one=True),
        bidirectional=bool(estimator.bidirectional),
        pooling=estimator.pooling,
        dense_units=_validation.check_layer_sizes(
            "dense_units", estimator.dense_units, at_least_one=False
        ),
        activation=estimator.activation,
        dense_activation=estimator.dense_activation,
        mask_padding=bool(estimator.mask_padding),
        embedding_dropout=float(estimator.embedding_dropout),
        input_dropout=float(estimator.input_dropout),
        recurrent_dropout=float(estimator.recurrent_dropout),
        dropout=float(estimator.dropout),
        dense_dropout=float(estimator.dense_dropout),
        ngrams=int(estimator.ngrams),
        ngram_buckets=_ngram_buckets(estimator, goes_on),
    )
    if goes_on:
        trained = replace(spec, vocab_size=embedded.n_trained)
        _check_same_shapes(trained, NetworkSpec(**estimator._architecture))
    return spec


def _ngram_buckets(estimator: LSTMTextClassifier, goes_on: bool) -> int:
    """Return the rows of the table of n-grams; 0 if there is none, or they are to be chosen."""
    if not estimator.ngrams:
        return 0
    fitted = estimator._architecture["ngram_buckets"] if goes_on else 0
    return int(estimator.ngram_buckets or fitted)


def _check_same_shapes(spec: NetworkSpec, fitted: NetworkSpec) -> None:
    """Refuse to go on training weights in a network that they do not fit."""
    for name in (
        "vocab_size",
        "n_outputs",
        "embedding_dim",
        "units",
        "bidirectional",
        "pooling",
        "dense_units",
        "ngrams",
        "ngram_buckets",
        "width",
    ):
        now, then = getattr(spec, name), getattr(fitted, name)
        if now != then:
            raise ValueError(
                f"{name} is {now!r}, but the weights to go on from were trained with {then!r}. "
                "Set it back, or start anew by fit with warm_start=False."
            )

"""Build the stock Keras model of a `NetworkSpec`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sklstm._network.embedding import FastEmbedding
from sklstm._network.lstm import FastLSTM
from sklstm._network.ngram_table import as_in_training
from sklstm._network.ngrams import MeanOfScores, ngram_scores
from sklstm._network.spec import NetworkSpec
from sklstm._runtime import keras, to_device

if TYPE_CHECKING:
    from keras import KerasTensor

# Every layer and initializer gets a seed, because Keras draws a missing one from Python's global
# generator. Its value does not matter: `Network` sets all weights and the state of every dropout.
_SEED = 0


def build_models(
    spec: NetworkSpec, *, scores: str, initialize: bool, has_ngram_ids: bool = False
) -> tuple[Any, Any]:
    """Build the network of `spec`, and the part of it that ends at the pooled document vector.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture.
    scores : {"logits", "probabilities"}
        What the last layer gives: logits, on which the loss is computed accurately, or
        ``spec.output_activation`` of them.
    initialize : bool
        Whether to draw initial weights as Keras does, for a model that is handed out: it is of
        stock layers. False leaves zeros, for weights that are set right away, and takes layers of
        our own.
    has_ngram_ids : bool
        Whether a weight tells for each id the number that stands for it in n-grams; else it is the
        id itself.

    Returns
    -------
    model, encoder : keras.Model
        From ids ``(n, width)`` to scores ``(n, n_outputs)``, and to document vectors
        ``(n, n_vector)``. They share their layers.
    """
    layers = keras.layers
    fixed_width = None if spec.mask_padding else spec.width
    ids = keras.Input((fixed_width,), dtype="int32", name="ids")
    # Padding that is masked matters to "flatten" alone, which then has the width in its spec.
    aligned = ids
    if spec.mask_padding and spec.width is not None:
        aligned = _left_aligned(ids, spec.width)
    embedding_class = layers.Embedding if initialize else FastEmbedding
    x = embedding_class(
        spec.vocab_size,
        spec.embedding_dim,
        mask_zero=spec.mask_padding,
        trainable=spec.trainable_embeddings,
        embeddings_initializer=_initializer("RandomUniform", initialize),
        name="embedding",
    )(aligned)
    if spec.embedding_dropout:
        x = layers.Dropout(spec.embedding_dropout, seed=_SEED, name="embedding_dropout")(x)
    for number, units in enumerate(spec.units, start=1):
        is_last = number == len(spec.units)
        returns_sequence = not is_last or spec.pooling != "last"
        x = _recurrent_layer(spec, units, f"lstm_{number}", returns_sequence, initialize)(x)
        if spec.dropout:
            x = layers.Dropout(spec.dropout, seed=_SEED, name=f"dropout_{number}")(x)
    mask = keras.ops.not_equal(aligned, 0) if spec.mask_padding and spec.pooling != "last" else None
    x = document_vector = _pool(spec, x, mask, initialize)
    for number, units in enumerate(spec.dense_units, start=1):
        x = _dense_layer(units, spec.dense_activation, f"dense_{number}", initialize)(x)
        if spec.dense_dropout:
            x = layers.Dropout(spec.dense_dropout, seed=_SEED, name=f"dense_dropout_{number}")(x)
    activation = spec.output_activation if scores == "probabilities" else "linear"
    if spec.ngrams:
        outputs = _dense_layer(spec.n_outputs, "linear", "output", initialize)(x)
        tokens = _numbers_of_ngrams(aligned, spec) if has_ngram_ids else aligned
        tokens = as_in_training(tokens, spec.ngram_rows, keras.ops)
        by_ngrams = ngram_scores(tokens, spec.ngrams, spec.ngram_buckets, spec.n_outputs)
        mean_of = layers.Average if initialize else MeanOfScores
        outputs = mean_of(name="mean_of_scores")([outputs, by_ngrams])
        outputs = layers.Activation(activation, name="activation")(outputs)
    else:
        outputs = _dense_layer(spec.n_outputs, activation, "output", initialize)(x)
    return (
        keras.Model(ids, outputs, name="lstm_text_classifier"),
        keras.Model(ids, document_vector, name="document_encoder"),
    )


class NumpyZeros(keras.initializers.Initializer):
    """Zeros from numpy. Those of Keras let JAX compile a function for each shape."""

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        return to_device(np.zeros(shape, dtype))


def _initializer(name: str, initialize: bool) -> Any:
    if not initialize:
        return NumpyZeros()
    return "zeros" if name == "Zeros" else getattr(keras.initializers, name)(seed=_SEED)


def _dense_layer(units: int, activation: str, name: str, initialize: bool) -> Any:
    return keras.layers.Dense(
        units,
        activation=activation,
        kernel_initializer=_initializer("GlorotUniform", initialize),
        bias_initializer=_initializer("Zeros", initialize),
        name=name,
    )


def _recurrent_layer(
    spec: NetworkSpec, units: int, name: str, returns_sequence: bool, initialize: bool
) -> Any:
    """Return the layer that reads the sequence: the only place that chooses it."""
    layer_class = keras.layers.LSTM if initialize else FastLSTM

    def lstm(name: str, **direction: bool) -> Any:
        return layer_class(
            units,
            activation=spec.activation,
            dropout=spec.input_dropout,
            recurrent_dropout=spec.recurrent_dropout,
            return_sequences=returns_sequence,
            kernel_initializer=_initializer("GlorotUniform", initialize),
            recurrent_initializer=_initializer("Orthogonal", initialize),
            bias_initializer=_initializer("Zeros", initialize),
            unit_forget_bias=initialize,
            seed=_SEED,
            name=name,
            **direction,
        )

    if not spec.bidirectional:
        return lstm(name)
    # Keras makes the forward layer anew from its config, so it must know the class. It would make
    # the backward layer from the same config, seeds included, if there were none given.
    with keras.saving.CustomObjectScope({"FastLSTM": FastLSTM, "NumpyZeros": NumpyZeros}):
        return keras.layers.Bidirectional(
            lstm("forward"),
            backward_layer=lstm("backward", go_backwards=True),
            merge_mode="concat",
            name=name,
        )


def _numbers_of_ngrams(ids: KerasTensor, spec: NetworkSpec) -> KerasTensor:
    """Look up what stands for each id in n-grams, in a stock layer: exact up to 2**24."""
    layer = keras.layers.Embedding(
        spec.vocab_size,
        1,
        embeddings_initializer=_initializer("Zeros", initialize=True),
        trainable=False,
        name="ngram_ids",
    )
    return keras.ops.cast(layer(ids)[..., 0], "int32")


def _left_aligned(ids: KerasTensor, width: int) -> KerasTensor:
    """Move the padding of each row behind its tokens, whose order stays, and make it `width`."""
    ops = keras.ops
    positions = ops.cumsum(ops.ones_like(ids), axis=1)
    behind = ops.where(ops.equal(ids, 0), positions + positions[:, -1:], positions)
    tokens_first = ops.take_along_axis(ids, ops.argsort(behind, axis=1), axis=1)
    of_width = ops.pad(tokens_first, ((0, 0), (0, width)))[:, :width]
    return ops.reshape(of_width, (-1, width))  # Tells Keras the width.


def _pool(
    spec: NetworkSpec, x: KerasTensor, mask: KerasTensor | None, initialize: bool
) -> KerasTensor:
    """Turn the outputs of the last LSTM into one vector a document; `mask` is True at tokens."""
    if spec.pooling == "last":
        return x
    if spec.pooling == "max":
        return _max_over_time(x, mask)
    if spec.pooling == "mean":
        return _mean_over_time(x, mask)
    if spec.pooling == "attention":
        return _attention_over_time(x, mask, spec, initialize)
    if spec.pooling == "concat":
        pooled = [
            _last_of_sequence(spec, x, mask),
            _max_over_time(x, mask),
            _mean_over_time(x, mask),
        ]
        return keras.layers.Concatenate(name="pooling")(pooled)
    if mask is not None:
        x = x * _as_weights(mask, x)
    return keras.layers.Flatten(name="pooling")(x)


def _as_weights(mask: KerasTensor, x: KerasTensor) -> KerasTensor:
    """Return `mask` ``(n, width)`` as numbers ``(n, width, 1)`` of the type of `x`."""
    return keras.ops.expand_dims(keras.ops.cast(mask, x.dtype), -1)


def _last_of_sequence(spec: NetworkSpec, x: KerasTensor, mask: KerasTensor | None) -> KerasTensor:
    """Return what each direction gives after its last token; the backward one ends at the first."""
    ops = keras.ops
    units = spec.units[-1]
    if mask is None:
        ends = [x[:, -1, :units], x[:, 0, units:]]
    else:
        tokens_so_far = ops.cumsum(ops.cast(mask, "int32"), axis=1)
        is_last = ops.logical_and(mask, ops.equal(tokens_so_far, tokens_so_far[:, -1:]))
        is_first = ops.logical_and(mask, ops.equal(tokens_so_far, 1))
        ends = [
            ops.sum(x[:, :, :units] * _as_weights(is_last, x), axis=1),
            ops.sum(x[:, :, units:] * _as_weights(is_first, x), axis=1),
        ]
    return ops.concatenate(ends, axis=-1) if spec.bidirectional else ends[0]


def _max_over_time(x: KerasTensor, mask: KerasTensor | None) -> KerasTensor:
    if mask is None:
        return keras.layers.GlobalMaxPooling1D(name="max_pooling")(x)
    ops = keras.ops
    weights = _as_weights(mask, x)
    highest = ops.max(x * weights + (weights - 1.0) * 1e9, axis=1)
    return highest * ops.max(weights, axis=1)


def _mean_over_time(x: KerasTensor, mask: KerasTensor | None) -> KerasTensor:
    if mask is None:
        return keras.layers.GlobalAveragePooling1D(name="mean_pooling")(x)
    ops = keras.ops
    weights = _as_weights(mask, x)
    return ops.sum(x * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1.0)


def _attention_over_time(
    x: KerasTensor, mask: KerasTensor | None, spec: NetworkSpec, initialize: bool
) -> KerasTensor:
    """Weigh the steps by a learned relevance, as the word attention of Yang et al. (2016)."""
    ops = keras.ops
    hidden = _dense_layer(x.shape[-1], "tanh", "attention_hidden", initialize)(x)
    relevance = keras.layers.Dense(
        1,
        use_bias=False,
        kernel_initializer=_initializer("GlorotUniform", initialize),
        name="attention_relevance",
    )(hidden)
    if mask is None:
        return ops.sum(ops.softmax(relevance, axis=1) * x, axis=1)
    weights = _as_weights(mask, x)
    shares = ops.softmax(relevance + (weights - 1.0) * 1e9, axis=1) * weights
    return ops.sum(shares * x, axis=1)

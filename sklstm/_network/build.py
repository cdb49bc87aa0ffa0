"""Build the Keras model of a `NetworkSpec`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklstm._network.hashed_ngrams import map_unseen_to_oov
from sklstm._network.layers import FastEmbedding, FastLSTM, MeanOfHeads, NumpyZeros, ngram_scores
from sklstm._network.pooling import POOLINGS, DenseLayer, KerasInputs
from sklstm._network.spec import NetworkSpec
from sklstm._runtime import keras

if TYPE_CHECKING:
    from keras import KerasTensor

# Every layer and initializer gets a seed, because Keras draws a missing one from Python's global
# generator. Its value does not matter: `Network` sets all weights and the state of every dropout.
_SEED = 0


def build_models(
    spec: NetworkSpec, *, scores: str, initialize: bool, has_ngram_ids: bool = False
) -> tuple[keras.Model, keras.Model]:
    """Build the model of a network, and the part of it that ends at the document vector.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture.
    scores : {"logits", "probabilities"}
        Output of the last layer: logits, on which the loss is computed accurately, or
        ``spec.output_activation`` of them.
    initialize : bool
        Whether to build a model for users: of stock layers, with weights drawn as Keras does. False
        uses the faster layers of this package, and zeros for weights that are set afterwards.
    has_ngram_ids : bool
        Whether a weight holds the id that stands for each token id in n-grams; otherwise it is the
        token id itself.

    Returns
    -------
    model, encoder : keras.Model
        From ids ``(n, width)`` to scores ``(n, n_outputs)``, and to document vectors
        ``(n, vector_size)``. They share their layers.
    """
    layers = keras.layers
    fixed_width = None if spec.mask_padding else spec.width
    ids = keras.Input((fixed_width,), dtype="int32", name="ids")
    # Where padding is masked, its side only matters to poolings that depend on the width.
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
    pooling = POOLINGS[spec.pooling]
    if spec.embedding_dropout:
        x = layers.Dropout(spec.embedding_dropout, seed=_SEED, name="embedding_dropout")(x)
    for number, units in enumerate(spec.units, start=1):
        returns_sequence = number < len(spec.units) or pooling.needs_sequence
        x = _recurrent_layer(spec, units, f"lstm_{number}", returns_sequence, initialize)(x)
        if spec.dropout:
            x = layers.Dropout(spec.dropout, seed=_SEED, name=f"dropout_{number}")(x)
    mask = None
    if spec.mask_padding and pooling.needs_sequence:
        mask = keras.ops.not_equal(aligned, 0)

    def pooling_layer(layer: DenseLayer) -> keras.Layer:
        return _dense(layer.units, layer.activation, layer.name, initialize, layer.use_bias)

    document_vector = pooling.keras(
        KerasInputs(x, mask, spec.units[-1], spec.bidirectional, pooling_layer)
    )
    x = document_vector
    for number, units in enumerate(spec.dense_units, start=1):
        x = _dense(units, spec.dense_activation, f"dense_{number}", initialize)(x)
        if spec.dense_dropout:
            x = layers.Dropout(spec.dense_dropout, seed=_SEED, name=f"dense_dropout_{number}")(x)
    activation = spec.output_activation if scores == "probabilities" else "linear"
    if spec.ngrams:
        outputs = _dense(spec.n_outputs, "linear", "output", initialize)(x)
        tokens = _look_up_ngram_ids(aligned, spec) if has_ngram_ids else aligned
        tokens = map_unseen_to_oov(tokens, spec.ngram_rows, keras.ops)
        by_ngrams = ngram_scores(tokens, spec.ngrams, spec.ngram_buckets, spec.n_outputs)
        mean_class = layers.Average if initialize else MeanOfHeads
        outputs = mean_class(name="mean_of_scores")([outputs, by_ngrams])
        outputs = layers.Activation(activation, name="activation")(outputs)
    else:
        outputs = _dense(spec.n_outputs, activation, "output", initialize)(x)
    return (
        keras.Model(ids, outputs, name="lstm_text_classifier"),
        keras.Model(ids, document_vector, name="document_encoder"),
    )


def _initializer(name: str, initialize: bool) -> keras.initializers.Initializer | str:
    if not initialize:
        return NumpyZeros()
    return "zeros" if name == "Zeros" else getattr(keras.initializers, name)(seed=_SEED)


def _dense(
    units: int, activation: str, name: str, initialize: bool, use_bias: bool = True
) -> keras.Layer:
    return keras.layers.Dense(
        units,
        activation=activation,
        use_bias=use_bias,
        kernel_initializer=_initializer("GlorotUniform", initialize),
        bias_initializer=_initializer("Zeros", initialize),
        name=name,
    )


def _recurrent_layer(
    spec: NetworkSpec, units: int, name: str, returns_sequence: bool, initialize: bool
) -> keras.Layer:
    """Return an LSTM layer: the only place that chooses its class."""
    layer_class = keras.layers.LSTM if initialize else FastLSTM

    def lstm(name: str, **direction: bool) -> keras.Layer:
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
    # Keras rebuilds the forward layer from its config, so it must find the class. Without a
    # backward layer it would build that from the same config, seeds included.
    with keras.saving.CustomObjectScope({"FastLSTM": FastLSTM, "NumpyZeros": NumpyZeros}):
        return keras.layers.Bidirectional(
            lstm("forward"),
            backward_layer=lstm("backward", go_backwards=True),
            merge_mode="concat",
            name=name,
        )


def _look_up_ngram_ids(ids: KerasTensor, spec: NetworkSpec) -> KerasTensor:
    """Look up the id that stands for each token id in n-grams, by a stock layer.

    The layer holds them as float32, which is exact up to 2**24.
    """
    layer = keras.layers.Embedding(
        spec.vocab_size,
        1,
        embeddings_initializer=_initializer("Zeros", initialize=True),
        trainable=False,
        name="ngram_ids",
    )
    return keras.ops.cast(layer(ids)[..., 0], "int32")


def _left_aligned(ids: KerasTensor, width: int) -> KerasTensor:
    """Move the padding of each row behind its tokens, and cut or pad the row to `width`."""
    ops = keras.ops
    positions = ops.cumsum(ops.ones_like(ids), axis=1)
    sort_keys = ops.where(ops.equal(ids, 0), positions + positions[:, -1:], positions)
    tokens_first = ops.take_along_axis(ids, ops.argsort(sort_keys, axis=1), axis=1)
    resized = ops.pad(tokens_first, ((0, 0), (0, width)))[:, :width]
    return ops.reshape(resized, (-1, width))  # Tells Keras the static width.

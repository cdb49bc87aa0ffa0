"""Build the Keras model of a `NetworkSpec`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklstm._network.hashed_ngrams import map_unseen_to_oov
from sklstm._network.layers import FastEmbedding, FastLSTM, MeanOfHeads, NumpyZeros, linear_scores
from sklstm._network.pooling import POOLINGS, DenseLayer, KerasInputs
from sklstm._network.spec import NetworkSpec
from sklstm._runtime import keras, start_backend

if TYPE_CHECKING:
    from keras import KerasTensor

# Every layer and initializer gets a seed, because Keras would draw a missing seed from Python's
# global generator. The value has no effect, because `Network` sets all weights and dropout states.
_SEED = 0


def build_models(
    spec: NetworkSpec, *, stock: bool, has_ngram_ids: bool = False
) -> tuple[keras.Model, keras.Model]:
    """Build the model of a network, and the model of its layers up to the document vector.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture.
    stock : bool
        True builds a model for users: it consists of standard Keras layers with their initializers,
        and its output is ``spec.output_activation`` of the logits. False builds a model for this
        package: it uses faster layers, initializes weights with zeros, because they are set
        afterwards, and outputs logits, for an accurate loss.
    has_ngram_ids : bool
        Whether the ids for n-grams are looked up in the weight `NGRAM_IDS`; otherwise they are the
        token ids.

    Returns
    -------
    model, encoder : keras.Model
        Models from ids ``(n, width)`` to scores ``(n, n_outputs)``, and to document vectors
        ``(n, vector_size)``. Both use the same layers.
    """
    start_backend()
    layers, pooling = keras.layers, POOLINGS[spec.pooling]

    def initializer(name: str) -> keras.initializers.Initializer:
        return getattr(keras.initializers, name)(seed=_SEED) if stock else NumpyZeros()

    def dropout(rate: float, name: str, x: KerasTensor) -> KerasTensor:
        return layers.Dropout(rate, seed=_SEED, name=name)(x) if rate else x

    def dense(units: int, activation: str, name: str, use_bias: bool = True) -> keras.Layer:
        return layers.Dense(
            units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=initializer("GlorotUniform"),
            bias_initializer="zeros" if stock else NumpyZeros(),
            name=name,
        )

    def lstm(units: int, name: str, returns_sequence: bool, **direction: bool) -> keras.Layer:
        return (layers.LSTM if stock else FastLSTM)(
            units,
            activation=spec.activation,
            dropout=spec.input_dropout,
            recurrent_dropout=spec.recurrent_dropout,
            return_sequences=returns_sequence,
            kernel_initializer=initializer("GlorotUniform"),
            recurrent_initializer=initializer("Orthogonal"),
            bias_initializer="zeros" if stock else NumpyZeros(),
            unit_forget_bias=stock,
            seed=_SEED,
            name=name,
            **direction,
        )

    def recurrent(units: int, name: str, returns_sequence: bool) -> keras.Layer:
        if not spec.bidirectional:
            return lstm(units, name, returns_sequence)
        # Keras rebuilds the forward layer from its config, so the custom classes must be
        # registered. Without an explicit backward layer, Keras would create one with the same
        # seeds.
        with keras.saving.CustomObjectScope({"FastLSTM": FastLSTM, "NumpyZeros": NumpyZeros}):
            forward = lstm(units, "forward", returns_sequence)
            backward = lstm(units, "backward", returns_sequence, go_backwards=True)
            return layers.Bidirectional(forward, backward_layer=backward, name=name)

    ids = keras.Input((None if spec.mask_padding else spec.width,), dtype="int32", name="ids")
    # If padding is masked, its side affects only poolings that depend on the width.
    aligned = ids
    if spec.mask_padding and spec.width is not None:
        aligned = _left_aligned(ids, spec.width)
    x = (layers.Embedding if stock else FastEmbedding)(
        spec.vocab_size,
        spec.embedding_dim,
        mask_zero=spec.mask_padding,
        trainable=spec.trainable_embeddings,
        embeddings_initializer=initializer("RandomUniform"),
        name="embedding",
    )(aligned)
    x = dropout(spec.embedding_dropout, "embedding_dropout", x)
    for number, units in enumerate(spec.units, start=1):
        returns_sequence = number < len(spec.units) or pooling.needs_sequence
        x = recurrent(units, f"lstm_{number}", returns_sequence)(x)
        x = dropout(spec.dropout, f"dropout_{number}", x)
    mask = None
    if spec.mask_padding and pooling.needs_sequence:
        mask = keras.ops.not_equal(aligned, 0)

    def pooling_layer(layer: DenseLayer) -> keras.Layer:
        return dense(layer.units, layer.activation, layer.name, layer.use_bias)

    inputs = KerasInputs(x, mask, spec.units[-1], spec.bidirectional, pooling_layer)
    document_vector = x = pooling.keras(inputs)
    for number, units in enumerate(spec.dense_units, start=1):
        x = dense(units, spec.dense_activation, f"dense_{number}")(x)
        x = dropout(spec.dense_dropout, f"dense_dropout_{number}", x)
    activation = spec.output_activation if stock else "linear"
    outputs = dense(spec.n_outputs, "linear" if spec.ngrams else activation, "output")(x)
    if spec.ngrams:
        ngram_ids = _look_up_ngram_ids(aligned, spec) if has_ngram_ids else aligned
        ngram_ids = map_unseen_to_oov(ngram_ids, spec.ngram_rows, keras.ops)
        linear = linear_scores(aligned, ngram_ids, spec)
        mean = (layers.Average if stock else MeanOfHeads)(name="mean_of_scores")
        outputs = layers.Activation(activation, name="activation")(mean([outputs, linear]))
    return (
        keras.Model(ids, outputs, name="lstm_text_classifier"),
        keras.Model(ids, document_vector, name="document_encoder"),
    )


def _look_up_ngram_ids(ids: KerasTensor, spec: NetworkSpec) -> KerasTensor:
    """Look up the ids for n-grams by token id, with a standard Keras layer.

    The layer stores the ids as float32, which is exact up to 2**24.
    """
    layer = keras.layers.Embedding(
        spec.vocab_size, 1, embeddings_initializer="zeros", trainable=False, name="ngram_ids"
    )
    return keras.ops.cast(layer(ids)[..., 0], "int32")


def _left_aligned(ids: KerasTensor, width: int) -> KerasTensor:
    """Move the padding of each row to its end, and truncate or pad the row to `width`."""
    ops = keras.ops
    positions = ops.cumsum(ops.ones_like(ids), axis=1)
    sort_keys = ops.where(ops.equal(ids, 0), positions + positions[:, -1:], positions)
    tokens_first = ops.take_along_axis(ids, ops.argsort(sort_keys, axis=1), axis=1)
    resized = ops.pad(tokens_first, ((0, 0), (0, width)))[:, :width]
    return ops.reshape(resized, (-1, width))  # Tells Keras the static width.

"""Custom Keras models for the tests of KerasTextClassifier, and training documents."""

from __future__ import annotations

import numpy as np
from conftest import make_ids

from sklstm._runtime import keras

layers = keras.layers
IDS, Y = make_ids()
IDS3, Y3 = make_ids(n_classes=3)
NAMES = np.array(["bad", "fair", "good"])
INDICATOR = np.stack([Y3 == 0, Y3 > 0, IDS3[:, -1] > 9], axis=1).astype(int)
ALL = {"batch_size": -1, "random_state": 0}
STILL = {**ALL, "epochs": 1, "optimizer": "sgd", "optimizer__learning_rate": 0.0}
"""Of a network that keeps its first weights, so that its loss can be computed from outside."""


def network(meta, dim=3, units=None, activation=None):
    """Return a network with the output that the labels ask for, unless told otherwise."""
    return keras.Sequential(
        [
            layers.Embedding(meta["vocab_size_"], dim),
            layers.GlobalAveragePooling1D(),
            layers.Dense(
                units or meta["n_output_units_"],
                activation=activation or meta["output_activation_"],
            ),
        ]
    )


def network_that_knows_places(meta, dim=3):
    """Return a network that can tell the last token from the others."""
    return keras.Sequential(
        [
            keras.Input((meta["n_features_in_"],), dtype="int32"),
            layers.Embedding(meta["vocab_size_"], dim),
            layers.Flatten(),
            layers.Dense(meta["n_output_units_"], activation=meta["output_activation_"]),
        ]
    )


def compiled_network(meta, loss, units=None, activation=None):
    compiled = network(meta, units=units, activation=activation)
    compiled.compile(keras.optimizers.SGD(0.0), loss=loss, metrics=["accuracy"])
    return compiled


def network_with_dropout(meta):
    inputs = keras.Input((meta["n_features_in_"],), dtype="int32")
    vectors = layers.Embedding(meta["vocab_size_"], 3)(inputs)
    pooled = layers.Dropout(0.5)(layers.GlobalMaxPooling1D()(vectors))
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(pooled))


class Mean(layers.Layer):
    """A layer that Keras cannot load by itself, as it is not registered."""

    def call(self, inputs):
        return keras.ops.mean(inputs, axis=1)


def network_that_keras_cannot_load(meta):
    return keras.Sequential(
        [
            layers.Embedding(meta["vocab_size_"], 3),
            Mean(),
            layers.Lambda(lambda x: 2 * x, output_shape=lambda shape: shape),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def constant_network(meta, output=3.0, activation="sigmoid"):
    """Return a network that gives every document the same output."""
    return keras.Sequential(
        [
            layers.Embedding(meta["vocab_size_"], 2),
            layers.GlobalAveragePooling1D(),
            layers.Dense(
                1,
                activation=activation,
                kernel_initializer="zeros",
                bias_initializer=keras.initializers.Constant(output),
            ),
        ]
    )

"""Systems based on Keras: a stock model and scikeras. Import only in separate processes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from _peers import Network


def build_model(network: Network) -> keras.Model:
    """Return the compiled tutorial model; like the tutorials, it does not mask padding."""
    model = keras.Sequential(
        [
            # scikeras needs this to find the outputs.
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(network.vocab_size, network.embedding_dim),
            keras.layers.LSTM(network.units),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(
        loss="binary_crossentropy",
        optimizer=keras.optimizers.Adam(network.learning_rate),
        metrics=["accuracy"],
    )
    return model


class StockKeras:
    """`Model.fit` on padded rows; the compiled model is kept for all epochs."""

    def prepare(self, network: Network, ids: np.ndarray, y: np.ndarray) -> None:
        keras.utils.set_random_seed(0)
        self.network, self.ids, self.y = network, ids, y
        self.model = build_model(network)

    def train(self) -> None:
        self.model.fit(self.ids, self.y, batch_size=self.network.batch_size, epochs=1, verbose=0)

    def predict(self, ids: np.ndarray, batch_size: int | None = 32) -> Any:
        return self.model.predict(ids, batch_size=batch_size, verbose=0)[:, 0]


class Scikeras:
    """`KerasClassifier`; `partial_fit` keeps the compiled model, `fit` builds a new one.

    benchmarks/search_speed.py measures the difference.
    """

    def prepare(self, network: Network, ids: np.ndarray, y: np.ndarray) -> None:
        from scikeras.wrappers import KerasClassifier

        self.ids, self.y = ids, y
        self.classifier = KerasClassifier(
            model=build_model,
            model__network=network,
            batch_size=network.batch_size,
            epochs=1,
            random_state=0,
            verbose=0,
        )

    def train(self) -> None:
        self.classifier.partial_fit(self.ids, self.y)


def build_searched_model(learning_rate: float, units: int) -> keras.Model:
    """Return the model with the two parameters varied by the grid search."""
    return build_model(Network(learning_rate=learning_rate, units=units))

"""The networks of common tutorials are reproduced, layer by layer and weight by weight."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import PLAIN

from sklstm import LSTMTextClassifier

IMDB = {"vocab_size": 5000, "embedding_dim": 32, "units": 100}
NEWS = {
    "vocab_size": 8000,
    "embedding_dim": 45,
    "units": (128, 128),
    "activation": "relu",
    "dropout": 0.2,
    "dense_units": (32,),
    "dense_dropout": 0.2,
}
FAKE_NEWS = {
    "vocab_size": 10_000,
    "embedding_dim": 300,
    "embedding_dropout": 0.5,
    "units": 199,
    "dropout": 0.4,
    "dense_units": (399, 43),
}
GOOD_DAY = {"vocab_size": 50_000, "embedding_dim": 5, "units": 3, "pooling": "flatten"}

NETWORKS = {
    "imdb": (IMDB, 500, 2, 213_301, ["Embedding", "LSTM", "Dense"]),
    "imdb with dropout": (
        IMDB | {"input_dropout": 0.2, "recurrent_dropout": 0.2},
        500,
        2,
        213_301,
        ["Embedding", "LSTM", "Dense"],
    ),
    "news": (
        NEWS,
        35,
        4,
        584_932,
        ["Embedding", "LSTM", "Dropout", "LSTM", "Dropout", "Dense", "Dropout", "Dense"],
    ),
    "fake news": (
        FAKE_NEWS,
        500,
        2,
        3_495_044,
        ["Embedding", "Dropout", "LSTM", "Dropout", "Dense", "Dense", "Dense"],
    ),
    "good day": (GOOD_DAY, 2, 2, 250_115, ["Embedding", "LSTM", "Flatten", "Dense"]),
}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    """Return a tutorial's network, trained for one step, and what it must be."""
    parameters, width, n_classes, n_parameters, layers = NETWORKS[request.param]
    rng = np.random.default_rng(0)
    # A few documents of full width: the size of the network does not depend on more.
    ids = rng.integers(1, parameters["vocab_size"], (8, width))
    one_step = {"mask_padding": False, "epochs": 1, "random_state": 0}
    classifier = LSTMTextClassifier(**(PLAIN | parameters | one_step))
    classifier.fit(ids, np.arange(8) % n_classes)
    return parameters, classifier, ids, n_parameters, layers


def test_tutorial_network_has_its_number_of_weights_and_its_layers(network):
    _, classifier, ids, n_parameters, layers = network
    model = classifier.to_keras()
    assert classifier.n_parameters_ == n_parameters == model.count_params()
    assert [type(layer).__name__ for layer in model.layers] == ["InputLayer", *layers]
    assert all(type(layer).__module__.startswith("keras.") for layer in model.layers)
    assert model.input_shape == (None, ids.shape[1])


def test_tutorial_network_layers_have_their_settings(network):
    parameters, classifier, _, _, _ = network
    model = classifier.to_keras()
    lstms = [layer for layer in model.layers if type(layer).__name__ == "LSTM"]
    assert [layer.units for layer in lstms] == list(np.atleast_1d(parameters["units"]))
    for layer in lstms:
        assert layer.activation.__name__ == parameters.get("activation", "tanh")
        assert layer.dropout == parameters.get("input_dropout", 0.0)
        assert layer.recurrent_dropout == parameters.get("recurrent_dropout", 0.0)
    last = model.layers[-1]
    n_classes = len(classifier.classes_)
    assert (last.units, last.activation.__name__) == (
        (1, "sigmoid") if n_classes == 2 else (n_classes, "softmax")
    )


def test_tutorial_network_in_keras_gives_the_probabilities_of_the_classifier(network):
    _, classifier, ids, _, _ = network
    expected = classifier.predict_proba(ids)
    given = classifier.to_keras().predict(ids, verbose=0)
    if given.shape[1] == 1:
        given = np.hstack([1 - given, given])
    np.testing.assert_allclose(given, expected, atol=1e-6)

"""The LSTM loop for a GPU, with JAX's own reference implementation of the cuDNN function."""

from __future__ import annotations

import numpy as np
import pytest

from sklstm._network.spec import NetworkSpec, TrainingSpec, initial_weights
from sklstm._runtime import keras

if keras.backend.backend() != "jax":
    pytest.skip("this loop is for JAX", allow_module_level=True)

from jax.experimental import rnn
from lstm_layers import MASKS, N_INPUTS, layers, outputs_and_gradients, shared_layers

from sklstm._network import jax_compile, jax_network
from sklstm._network.jax_network import JaxNetwork


@pytest.fixture
def cudnn(monkeypatch):
    """Use the loop for a GPU, with the pure JAX implementation of the cuDNN function."""

    n_calls = 0

    def reference(x, h, c, weights, lengths, n_inputs, units, *others):
        nonlocal n_calls
        n_calls += 1
        unpacked = rnn.unpack_lstm_weights(weights, n_inputs, units, 1, False)
        return rnn.lstm_ref(x, h, c, *unpacked, lengths, n_inputs, units, *others)

    monkeypatch.setattr(rnn, "lstm", reference)
    monkeypatch.setattr(jax_compile, "platform", lambda: "gpu")
    yield
    assert n_calls


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("go_backwards", [False, True])
def test_the_loop_for_a_gpu_equals_the_stock_layer(mask, return_sequences, go_backwards, cudnn):
    settings = {"return_sequences": return_sequences, "go_backwards": go_backwards}
    fast, stock = layers(**settings)[0], shared_layers(**settings)[1]
    x = np.random.default_rng(1).normal(size=(5, 7, N_INPUTS)).astype(np.float32)
    given, expected = (outputs_and_gradients(layer, x, mask) for layer in (fast, stock))
    for one, other in zip(given, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def trained_weights(spec):
    """Return the weights after two steps."""
    network = JaxNetwork(spec)
    network.load(initial_weights(network.weight_shapes, np.random.default_rng(0)))
    network.prepare_training(TrainingSpec("adam"), 0.01, dropout_seed=0)
    rng = np.random.default_rng(1)
    ids = np.where(np.arange(9) < rng.integers(0, 10, (6, 1)), rng.integers(1, 20, (6, 9)), 0)
    targets = rng.integers(0, 2, (6, 1)).astype(np.float32)
    batch = ids.astype(np.int32), targets, np.ones(6, np.float32)
    for _ in range(2):
        network.train_on_batch([batch], 6, lambda f, items: [f(0, item) for item in items])()
    return network.weights()


@pytest.mark.parametrize("units", [(4,), (4, 3)])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_network_trains_with_the_loop_for_a_gpu(units, bidirectional, cudnn, monkeypatch):
    spec = NetworkSpec(
        vocab_size=64,
        n_outputs=1,
        output_activation="sigmoid",
        embedding_dim=5,
        units=units,
        bidirectional=bidirectional,
        pooling="max",
    )
    with monkeypatch.context() as on_cpu:
        on_cpu.setattr(jax_compile, "platform", lambda: "cpu")
        expected = trained_weights(spec)
    monkeypatch.setattr(jax_network, "platform", lambda: "gpu")
    given = trained_weights(spec)
    assert given.keys() == expected.keys()
    for name, weight in expected.items():
        np.testing.assert_allclose(given[name], weight, atol=1e-5, err_msg=name)

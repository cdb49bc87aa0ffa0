"""The fast LSTM layer equals the Keras layer and the equations."""

from __future__ import annotations

import numpy as np
import pytest
from reference import lstm as reference_lstm

from sklstm._network.layers import FastLSTM
from sklstm._runtime import keras

if keras.backend.backend() != "jax":
    pytest.skip("the fast loop is for JAX", allow_module_level=True)


from lstm_layers import (
    MASKS,
    N_INPUTS,
    UNITS,
    layers,
    outputs,
    outputs_and_gradients,
    shared_layers,
)

from sklstm._network import jax_kernels

pytestmark = pytest.mark.compiled


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("go_backwards", [False, True])
def test_outputs_and_gradients_equal_those_of_the_stock_layer(mask, return_sequences, go_backwards):
    fast, stock = shared_layers(return_sequences=return_sequences, go_backwards=go_backwards)
    x = np.random.default_rng(1).normal(size=(5, 7, N_INPUTS)).astype(np.float32)
    given, expected = (outputs_and_gradients(layer, x, mask) for layer in (fast, stock))
    for one, other in zip(given, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(("n_rows", "n_steps"), [(1, 1), (1, 9), (3, 1), (40, 3)])
def test_any_number_of_rows_and_steps(n_rows, n_steps):
    fast, stock = shared_layers(return_sequences=True)
    x = np.random.default_rng(1).normal(size=(n_rows, n_steps, N_INPUTS)).astype(np.float32)
    given, expected = (outputs_and_gradients(layer, x, None) for layer in (fast, stock))
    for one, other in zip(given, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("n_tokens", [0, 1, 32, 33, 70])
@pytest.mark.parametrize("return_sequences", [False, True])
def test_a_single_row_without_gradients(side, n_tokens, return_sequences):
    fast, stock = shared_layers(return_sequences=return_sequences)
    x = np.random.default_rng(1).normal(size=(1, 70, N_INPUTS)).astype(np.float32)
    first = 70 - n_tokens if side == "left" else 0
    is_token = (np.arange(70) >= first) & (np.arange(70) < first + n_tokens)
    given, expected = (outputs(layer, x, is_token[None]) for layer in (fast, stock))
    np.testing.assert_allclose(given, expected, atol=1e-5)


@pytest.mark.parametrize(("most", "chunk"), [(0, 4), (400, 1), (800, 2), (1600, 4)])
def test_gradients_do_not_depend_on_the_steps_of_a_matrix_product(monkeypatch, most, chunk):
    monkeypatch.setattr(jax_kernels, "_MAX_MULTIPLICATIONS", most)
    assert jax_kernels.workspace_shapes(7, 5, N_INPUTS, UNITS)[-1][0] == chunk
    # Only the function of a new layer depends on the constant.
    fast, stock = layers(return_sequences=True)[0], shared_layers(return_sequences=True)[1]
    x = np.random.default_rng(1).normal(size=(5, 7, N_INPUTS)).astype(np.float32)
    given, expected = (outputs_and_gradients(layer, x, MASKS["gaps"]) for layer in (fast, stock))
    for one, other in zip(given, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_outputs_agree_with_the_equations():
    fast, _ = layers(return_sequences=True)
    x = np.random.default_rng(1).normal(size=(2, 6, N_INPUTS)).astype(np.float32)
    expected = np.stack([reference_lstm(row, *fast.get_weights()) for row in x])
    np.testing.assert_allclose(fast(x), expected, atol=1e-6)


@pytest.mark.parametrize("return_sequences", [False, True])
def test_both_directions_equal_the_stock_layers(return_sequences):
    x = np.random.default_rng(1).normal(size=(5, 7, N_INPUTS)).astype(np.float32)
    given = []
    for forward in layers(return_sequences=return_sequences):
        backward = type(forward)(
            UNITS, seed=0, return_sequences=return_sequences, go_backwards=True
        )
        with keras.saving.CustomObjectScope({"FastLSTM": FastLSTM}):
            both = keras.layers.Bidirectional(forward, backward_layer=backward)
        both.build(x.shape)
        rng = np.random.default_rng(2)
        both.set_weights([rng.normal(0, 0.5, w.shape) for w in both.get_weights()])
        assert type(both.forward_layer) is type(both.backward_layer) is type(forward)
        given.append(np.asarray(both(x, mask=MASKS["padded on the left"])))
    np.testing.assert_allclose(given[0], given[1], atol=1e-5)


def test_three_optimizer_steps_equal_those_of_the_stock_layer():
    x = np.random.default_rng(1).normal(size=(5, 7, N_INPUTS)).astype(np.float32)
    trained = []
    for layer in layers():
        model = keras.Sequential([keras.Input((7, N_INPUTS)), layer])
        model.compile(keras.optimizers.Adam(0.1), "mse")
        for _ in range(3):
            model.train_on_batch(x, np.ones((5, UNITS)))
        trained.append(model.get_weights())
    for one, other in zip(*trained, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_input_dropout_drops_the_same_inputs_as_the_stock_layer():
    x = np.random.default_rng(1).normal(size=(5, 7, N_INPUTS)).astype(np.float32)
    fast, stock = layers(dropout=0.5)
    dropped = np.asarray(fast(x, training=True))
    np.testing.assert_allclose(dropped, stock(x, training=True), atol=1e-5)
    assert np.abs(dropped - np.asarray(fast(x))).max() > 0.01


@pytest.mark.parametrize(
    "parameters",
    [{"activation": "relu"}, {"recurrent_activation": "hard_sigmoid"}, {"recurrent_dropout": 0.1}],
)
def test_what_the_fast_loop_cannot_do_takes_the_stock_one(parameters):
    x = np.random.default_rng(1).normal(size=(5, 7, N_INPUTS)).astype(np.float32)
    fast, stock = layers(**parameters)
    assert not fast.has_fast_loop
    np.testing.assert_array_equal(fast(x, training=True), stock(x, training=True))


def test_the_usual_settings_take_the_fast_loop():
    assert layers(dropout=0.2)[0].has_fast_loop

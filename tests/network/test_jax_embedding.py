"""Embedding lookup on JAX: values, and gradients with respect to the looked-up rows."""

from __future__ import annotations

import numpy as np
import pytest

from sklstm._runtime import keras

if keras.backend.backend() != "jax":
    pytest.skip("for JAX", allow_module_level=True)

import jax
import jax.numpy as jnp

from sklstm._network.jax_kernels import add_rows, capture_lookup_gradient, lookup
from sklstm._network.layers import FastEmbedding

pytestmark = pytest.mark.compiled
RNG = np.random.default_rng(0)
EMBEDDINGS = RNG.normal(size=(6, 3)).astype(np.float32)
# Some tokens come several times, some not at all.
IDS = np.array([[1, 4, 4, 0], [2, 4, 1, 0]], dtype=np.int32)


def test_the_layer_gives_what_the_stock_layer_gives():
    stock, fast = keras.layers.Embedding(6, 3), FastEmbedding(6, 3)
    for layer in (stock, fast):
        layer.build()
        layer.set_weights([EMBEDDINGS])
    np.testing.assert_array_equal(fast(IDS), stock(IDS))


def test_tapped_gradients_added_by_token_are_the_gradient_by_the_matrix():
    factors = RNG.normal(size=(*IDS.shape, 3)).astype(np.float32)

    def loss(vectors):
        return jnp.sum(factors * vectors**2)

    expected = jax.grad(lambda matrix: loss(matrix[IDS]))(jnp.asarray(EMBEDDINGS))

    def tapped_loss(slot):
        with capture_lookup_gradient(slot) as tap:
            result = loss(lookup(jnp.asarray(EMBEDDINGS), jnp.asarray(IDS)))
        return result, tap.ids

    # What the slot holds does not matter.
    by_vectors, ids = jax.grad(tapped_loss, has_aux=True)(jnp.full((*IDS.shape, 3), np.nan))
    np.testing.assert_array_equal(ids, IDS)
    found = add_rows(jnp.zeros((6, 3)), [ids], [by_vectors])
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    halves = add_rows(jnp.zeros((6, 3)), [ids[:1], ids[1:]], [by_vectors[:1], by_vectors[1:]])
    np.testing.assert_allclose(halves, expected, rtol=1e-6)


def test_no_tap_is_left_open():
    with pytest.raises(ZeroDivisionError), capture_lookup_gradient(jnp.zeros(1)) as tap:
        raise ZeroDivisionError
    lookup(jnp.asarray(EMBEDDINGS), jnp.asarray(IDS))
    assert tap.ids is None

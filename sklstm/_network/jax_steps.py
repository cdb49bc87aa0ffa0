"""Pure functions on JAX from a Keras model: scores, gradients of a part of a batch, updates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from sklstm._network.jax_embedding import tapping
from sklstm._network.jax_lstm import lending_scratch
from sklstm._network.network import named_weights
from sklstm._network.spec import NetworkSpec


def score_function(model: Any) -> Callable[..., Array]:
    """Return a pure function of weights by name and ids, to the outputs of a model."""
    names = {id(variable): name for name, variable in named_weights(model).items()}

    def score(weights: Mapping[str, Array], ids: Array) -> Array:
        trainable = [weights[names[id(v)]] for v in model.trainable_variables]
        fixed = [
            weights[names[id(v)]] if id(v) in names else jnp.zeros(v.shape, v.dtype)
            for v in model.non_trainable_variables
        ]
        outputs, _ = model.stateless_call(trainable, fixed, ids, training=False)
        return outputs

    return score


def gradient_function(
    model: Any,
    spec: NetworkSpec,
    embeddings_at: int | None,
    loss_function: Callable[..., Array],
    is_right: Callable[[Any, Any], Any],
) -> Callable[..., Any]:
    """Return a pure function to the loss of a part and its gradients.

    Parameters
    ----------
    model : keras.Model
        From ids to logits.
    spec : NetworkSpec
        Its architecture.
    embeddings_at : int or None
        Place of the embeddings among the trainable weights; None if they are not trained.
    loss_function, is_right : callable
        From targets and logits to the loss, and to whether rows are predicted right.

    Returns
    -------
    gradients : callable
        From trainable weights, scratch arrays of the LSTM layers, weights that are not trained,
        ids, targets and weights of documents. Returns the scratch arrays; loss and weight of the
        documents predicted right; gradients by the trainable weights but the embeddings; ids and
        gradients of embeddings looked up.
    """

    def gradients(
        trainable: list[Array], scratch: Any, fixed: list[Array], ids: Array, *labels: Array
    ) -> tuple[Any, ...]:
        targets, weights = labels

        def loss(others: list[Array], scratch: Any, slot: Array) -> tuple[Array, Any]:
            values = list(others)
            if embeddings_at is not None:
                values.insert(embeddings_at, trainable[embeddings_at])
            with lending_scratch(scratch), tapping(slot) as tap:
                logits, _ = model.stateless_call(values, fixed, ids, training=True)
            n_right = jnp.sum(weights * is_right(targets, logits))
            return loss_function(targets, logits, sample_weight=weights), (n_right, tap.ids)

        n_rows, width = ids.shape
        if spec.mask_padding and spec.width is not None:
            width = spec.width
        slot = jnp.zeros((width, n_rows, spec.embedding_dim))
        others = [value for place, value in enumerate(trainable) if place != embeddings_at]
        differentiated = (0, 1) if embeddings_at is None else (0, 1, 2)
        compute = jax.value_and_grad(loss, differentiated, has_aux=True)
        (loss_of_part, (n_right, looked_up)), (by_others, scratch, *by_vectors) = compute(
            others, scratch, slot
        )
        by_looked_up = (looked_up, *by_vectors) if by_vectors else None
        # The scratch arrays first: JAX has results take the memory of arguments in this order.
        return scratch, (loss_of_part, n_right), by_others, by_looked_up

    return gradients


def update_function(optimizer: Any, embeddings_at: int | None) -> Callable[..., Any]:
    """Return a pure function that takes a step of an optimizer.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Built for the trainable weights.
    embeddings_at : int or None
        Place of the embeddings among them; None if they are not trained.

    Returns
    -------
    update : callable
        From trainable weights, state of the optimizer, gradient by the embeddings, and gradients
        by the other weights of each part. Returns weights and state in one list, and zeros in
        place of the gradient by the embeddings.
    """

    def update(
        trainable: list[Array],
        state: list[Array],
        by_embeddings: Any,
        by_others: Sequence[list[Array]],
    ) -> tuple[list[Array], Array | None]:
        total = [reduce(add, gradients) for gradients in zip(*by_others, strict=True)]
        if embeddings_at is not None:
            total.insert(embeddings_at, by_embeddings)
        trainable, state = optimizer.stateless_apply(state, total, trainable)
        updated = [*trainable, *state]
        if embeddings_at is None:
            return updated, None
        # Zeros in the place of the gradient, made from what is computed from it: so XLA knows that
        # it is not needed any more, and makes no copy.
        return updated, lax.optimization_barrier(updated[embeddings_at]) * 0.0

    return update


def moved_towards(means: list[Array], values: list[Array], share: Array) -> list[Array]:
    """Return each mean, moved by a share of the way to the value."""
    return [mean + share * (value - mean) for mean, value in zip(means, values, strict=True)]

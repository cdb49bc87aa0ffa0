"""The embedding layer of our networks: a stock keras.layers.Embedding whose lookup is quicker."""

from __future__ import annotations

from typing import Any

from sklstm._runtime import keras


class FastEmbedding(keras.layers.Embedding):
    """An embedding layer with the weights and the results of the stock one.

    On JAX the vectors come in the order in which an LSTM reads them, step by step, which saves
    moving them. Ids are not checked: they must be tokens of the vocabulary.
    """

    def call(self, inputs: Any) -> Any:
        """Return the vectors ``(n_rows, n_steps, n_values)`` of ids ``(n_rows, n_steps)``."""
        if keras.backend.backend() != "jax":
            return super().call(inputs)
        from sklstm._network import jax_embedding

        ops = keras.ops
        embeddings = ops.convert_to_tensor(self.embeddings)
        return ops.swapaxes(jax_embedding.lookup(embeddings, ops.swapaxes(inputs, 0, 1)), 0, 1)

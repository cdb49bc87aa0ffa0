"""The LSTM layer of our networks: a stock keras.layers.LSTM whose loop over time is quicker."""

from __future__ import annotations

from typing import Any

from sklstm._backend import keras


class FastLSTM(keras.layers.LSTM):
    """An LSTM layer with the weights and the results of the stock one.

    On JAX on a CPU the loop over time is `sklstm._network.jax_lstm`. What that cannot do (other
    activations, recurrent dropout) and other backends take the loop of the stock layer.

    Sequences start from a state of zeros, and the last state is not returned: our networks have no
    use for them.
    """

    def inner_loop(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool = False
    ) -> tuple[Any, Any, list[Any]]:
        """Run over time; return the last output, all outputs, and a stand-in for the states."""
        if not self._has_fast_loop():
            return super().inner_loop(sequences, initial_state, mask, training=training)
        from sklstm._network import jax_lstm

        ops = keras.ops
        if training and self.dropout:
            sequences = sequences * self.cell.get_dropout_mask(sequences[:, 0, :])[:, None, :]
        x = ops.swapaxes(sequences, 0, 1)
        taken = ops.ones(x.shape[:2], "bool") if mask is None else ops.swapaxes(mask, 0, 1)
        taken = taken[:, :, None]
        if self.go_backwards:
            x, taken = ops.flip(x, axis=0), ops.flip(taken, axis=0)
        weights = (self.cell.kernel, self.cell.recurrent_kernel, self.cell.bias)
        h = jax_lstm.lstm(x, taken, *map(ops.convert_to_tensor, weights))
        last = h[-1]
        outputs = ops.where(taken, h, 0.0) if self.zero_output_for_mask else h
        return last, ops.swapaxes(outputs, 0, 1), [last, last]

    def _has_fast_loop(self) -> bool:
        if keras.backend.backend() != "jax" or self.recurrent_dropout:
            return False
        import jax

        activations = keras.activations
        return (
            jax.default_backend() == "cpu"
            and self.activation is activations.tanh
            and self.recurrent_activation is activations.sigmoid
        )

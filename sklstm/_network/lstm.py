"""The LSTM layer of our networks: a stock keras.layers.LSTM whose loop over time is quicker."""

from __future__ import annotations

from typing import Any

from sklstm._runtime import keras


class FastLSTM(keras.layers.LSTM):
    """An LSTM layer with the weights and the results of the stock one.

    On JAX on a CPU the loop over time is `sklstm._network.jax_lstm`, on torch that of
    `sklstm._network.torch_lstm`. What those cannot do (other activations, recurrent dropout, half
    precision) and TensorFlow, which has no faster one, take the loop of the stock layer.

    Sequences start from a state of zeros, and the last state is not returned: our networks have no
    use for them.
    """

    def inner_loop(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool = False
    ) -> tuple[Any, Any, list[Any]]:
        """Run over time; return the last output, all outputs, and a stand-in for the states."""
        if not self.has_fast_loop:
            return super().inner_loop(sequences, initial_state, mask, training=training)
        ops = keras.ops
        if training and self.dropout:
            sequences = sequences * self.cell.get_dropout_mask(sequences[:, 0, :])[:, None, :]
        x = ops.swapaxes(sequences, 0, 1)
        taken = None if mask is None else ops.swapaxes(mask, 0, 1)
        if self.go_backwards:
            x = ops.flip(x, axis=0)
            taken = None if taken is None else ops.flip(taken, axis=0)
        h = self._loop(x, taken)
        if not self.return_sequences:
            return h, h[:, None], [h, h]
        last = h[-1]
        if self.zero_output_for_mask and taken is not None:
            h = ops.where(taken[:, :, None], h, 0.0)
        return last, ops.swapaxes(h, 0, 1), [last, last]

    def _loop(self, x: Any, taken: Any) -> Any:
        """Return the states of sequences in time-major order, all of them or the last one."""
        kernel, recurrent_kernel, bias = (
            keras.ops.convert_to_tensor(weight)
            for weight in (self.cell.kernel, self.cell.recurrent_kernel, self.cell.bias)
        )
        if keras.backend.backend() == "torch":
            from sklstm._network import torch_lstm

            return torch_lstm.lstm(x, taken, kernel, recurrent_kernel, bias, self.return_sequences)
        from sklstm._network import jax_lstm

        if taken is None:
            taken = keras.ops.ones(x.shape[:2], "bool")
        scratch = jax_lstm.borrowed_scratch(x, self.units)
        return jax_lstm.lstm(
            x, taken, kernel, recurrent_kernel, bias, scratch, self.return_sequences
        )

    @property
    def has_fast_loop(self) -> bool:
        """Whether the loop over time is not the stock one."""
        activations = keras.activations
        return (
            _backend_has_loop()
            and not self.recurrent_dropout
            and self.compute_dtype == "float32"
            and self.activation is activations.tanh
            and self.recurrent_activation is activations.sigmoid
        )


def _backend_has_loop() -> bool:
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return bool(jax.default_backend() == "cpu")
    return bool(backend == "torch")

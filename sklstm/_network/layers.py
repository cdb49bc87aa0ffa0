"""Layers, initializers and losses that are faster than those of Keras, or missing in Keras."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sklstm._network.hashed_ngrams import GAIN, has_weight, hash_ngrams
from sklstm._network.spec import split_targets
from sklstm._runtime import keras, to_device

if TYPE_CHECKING:
    from keras import KerasTensor

    from sklstm._network.spec import NetworkSpec


class FastLSTM(keras.layers.LSTM):
    """LSTM layer with the weights and results of `keras.layers.LSTM` and a faster loop over time.

    The fast loop is `sklstm._network.jax_kernels.lstm` on JAX on a CPU,
    `sklstm._network.cudnn_lstm` on JAX on a GPU, and `sklstm._network.torch_lstm` on torch. Other
    backends and devices use the loop of Keras, and so do layers with other activations, recurrent
    dropout or half precision, which the fast loops do not support.

    Sequences start from a state of zeros. The final cell state is not returned.
    """

    def inner_loop(
        self,
        sequences: KerasTensor,
        initial_state: list[KerasTensor],
        mask: KerasTensor | None,
        training: bool = False,
    ) -> tuple[KerasTensor, KerasTensor, list[KerasTensor]]:
        """Run over time; return the last output, all outputs, and placeholders for the states."""
        if not self.has_fast_loop:
            return super().inner_loop(sequences, initial_state, mask, training=training)
        ops = keras.ops
        if training and self.dropout:
            sequences = sequences * self.cell.get_dropout_mask(sequences[:, 0, :])[:, None, :]
        x = ops.swapaxes(sequences, 0, 1)
        is_step = None if mask is None else ops.swapaxes(mask, 0, 1)
        if self.go_backwards:
            x = ops.flip(x, axis=0)
            is_step = None if is_step is None else ops.flip(is_step, axis=0)
        h = self._loop(x, is_step)
        if not self.return_sequences:
            return h, h[:, None], [h, h]
        last = h[-1]
        if self.zero_output_for_mask and is_step is not None:
            h = ops.where(is_step[:, :, None], h, 0.0)
        return last, ops.swapaxes(h, 0, 1), [last, last]

    def _loop(self, x: KerasTensor, is_step: KerasTensor | None) -> KerasTensor:
        """Return the hidden states of time-major sequences: all of them, or the last one."""
        variables = self.cell.kernel, self.cell.recurrent_kernel, self.cell.bias
        weights = tuple(keras.ops.convert_to_tensor(variable) for variable in variables)
        if keras.backend.backend() == "torch":
            from sklstm._network import torch_lstm

            return torch_lstm.lstm(x, is_step, weights, self.return_sequences)
        if is_step is None:
            is_step = keras.ops.ones(x.shape[:2], "bool")
        if _jax_platform() == "gpu":
            from sklstm._network import cudnn_lstm

            return cudnn_lstm.lstm(x, is_step, weights, self.return_sequences)
        from sklstm._network import jax_kernels

        workspace = jax_kernels.next_workspace(x, self.units)
        return jax_kernels.lstm(x, is_step, weights, workspace, self.return_sequences)

    @property
    def has_fast_loop(self) -> bool:
        """Whether the layer uses a fast loop instead of the loop of Keras."""
        activations = keras.activations
        return (
            _backend_has_fast_loop()
            and not self.recurrent_dropout
            and self.compute_dtype == "float32"
            and self.activation is activations.tanh
            and self.recurrent_activation is activations.sigmoid
        )


def _backend_has_fast_loop() -> bool:
    if keras.backend.backend() == "jax":
        return _jax_platform() in ("cpu", "gpu")
    return bool(keras.backend.backend() == "torch")


def _jax_platform() -> str:
    from sklstm._network import jax_compile

    return jax_compile.platform()


class FastEmbedding(keras.layers.Embedding):
    """Embedding layer with the weights and results of `keras.layers.Embedding`, but faster.

    On JAX the result is stored in memory by time step, in the order in which an LSTM reads it. Ids
    are not checked; they must be less than the number of rows.
    """

    def call(self, inputs: KerasTensor) -> KerasTensor:
        """Return the vectors ``(n_rows, n_steps, vector_size)`` of ids ``(n_rows, n_steps)``."""
        if keras.backend.backend() != "jax":
            return super().call(inputs)
        from sklstm._network import jax_kernels

        ops = keras.ops
        embeddings = ops.convert_to_tensor(self.embeddings)
        return ops.swapaxes(jax_kernels.lookup(embeddings, ops.swapaxes(inputs, 0, 1)), 0, 1)


class NumpyZeros(keras.initializers.Initializer):
    """Zeros from numpy, because JAX compiles a function for each shape of Keras's own zeros."""

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> KerasTensor:
        return to_device(np.zeros(shape, dtype))


def linear_scores(ids: KerasTensor, ngram_ids: KerasTensor, spec: NetworkSpec) -> KerasTensor:
    """Score documents by their n-grams and the pretrained vectors of their tokens.

    Each n-gram is hashed into a bucket with one weight per output [1]_. A score is the sum of the
    weights of a document, divided by the square root of its length. The checksum of a bucket tells
    to which n-gram its weights apply. The layers are added to a Keras model.

    Parameters
    ----------
    ids : KerasTensor of int32 of shape (n_documents, width)
        Rows of the embedding matrix.
    ngram_ids : KerasTensor of int32 of shape (n_documents, width)
        The ids for n-grams.
    spec : NetworkSpec
        The architecture.

    Returns
    -------
    scores : KerasTensor of shape (n_documents, n_outputs)

    References
    ----------
    .. [1] A. Joulin, E. Grave, P. Bojanowski and T. Mikolov, "Bag of tricks for efficient text
       classification", EACL 2017.
    """
    ops = keras.ops
    embedding = partial(keras.layers.Embedding, embeddings_initializer="zeros")
    trained = partial(embedding, trainable=spec.trainable_ngrams)
    n_buckets, n_outputs = spec.ngram_buckets, spec.n_outputs
    table = trained(n_buckets, n_outputs, name="ngrams")
    lengths = range(1, spec.ngrams + 1)
    hashed = [hash_ngrams(ngram_ids, length, n_buckets, ops) for length in lengths]
    parts = (ops.concatenate(part, axis=1) for part in zip(*hashed, strict=True))
    buckets, checksums, is_ngram = parts
    of_buckets = embedding(n_buckets, 1, trainable=False, name="ngram_checksums")(buckets)[..., 0]
    is_counted = ops.logical_and(is_ngram, has_weight(checksums, of_buckets, ops))
    counts = ops.cast(is_counted, "float32")
    is_token = ops.cast(ids > 0, "float32")
    n_tokens = ops.sum(is_token, axis=1, keepdims=True)
    total = ops.sum(table(buckets) * ops.expand_dims(counts, -1), axis=1)
    if spec.token_scores:
        scores = embedding(spec.vocab_size, n_outputs, trainable=False, name="token_scores")(ids)
        total = total + ops.sum(scores * ops.expand_dims(is_token, -1), axis=1)
    # Keras has no layer that only adds a bias, so use an embedding with a single row.
    bias = trained(1, n_outputs, name="ngram_bias")(ops.zeros_like(ids[:, 0]))
    return total * (GAIN / ops.sqrt(ops.maximum(n_tokens, 1.0))) + bias


class MeanOfHeads(keras.layers.Layer):
    """Return the mean of the scores of two heads; in training both scores, ``(n, 2, n_outputs)``.

    Each head is trained with its own loss. With a single loss on the mean, the head that learns
    faster would leave almost no training signal for the other one.
    """

    def call(self, scores: list[KerasTensor], training: bool = False) -> KerasTensor:
        """Return the mean of two tensors ``(n, n_outputs)``, or both of them in training."""
        both = keras.ops.stack(scores, axis=1)
        return both if training else keras.ops.mean(both, axis=1)


def split_heads(scores: KerasTensor) -> list[KerasTensor]:
    """Split the output of `MeanOfHeads` into the scores of the heads, or return ``[mean]``."""
    return [scores] if len(scores.shape) == 2 else [scores[:, 0], scores[:, 1]]


class LabelLoss(keras.losses.Loss):
    """Binary cross-entropy of the logits of multilabel data, with a weight for each label.

    The weights follow the targets, as `split_targets` describes. Without weights, this is the loss
    of Keras.

    Parameters
    ----------
    label_smoothing : float
        As in `keras.losses.BinaryCrossentropy`.
    reduction : str
        As in `keras.losses.Loss`.
    """

    def __init__(self, label_smoothing: float, reduction: str) -> None:
        super().__init__(reduction=reduction)
        self._label_smoothing = label_smoothing

    def call(self, targets: KerasTensor, scores: KerasTensor) -> KerasTensor:
        """Return the loss of each document."""
        ops = keras.ops
        targets, weights = split_targets(targets, scores.shape[-1])
        targets = targets * (1.0 - self._label_smoothing) + 0.5 * self._label_smoothing
        losses = ops.binary_crossentropy(targets, scores, from_logits=True)
        return ops.mean(losses if weights is None else losses * weights, axis=-1)


class MultiHeadLoss(keras.losses.Loss):
    """The mean of the losses of the heads that `MeanOfHeads` returns.

    Parameters
    ----------
    loss : keras.losses.Loss
        Loss of one head.
    """

    def __init__(self, loss: keras.losses.Loss) -> None:
        super().__init__(reduction=loss.reduction)
        self._loss = loss

    def call(self, targets: KerasTensor, scores: KerasTensor) -> KerasTensor:
        """Return the loss of each document."""
        losses = [self._loss.call(targets, head) for head in split_heads(scores)]
        return sum(losses) / len(losses)

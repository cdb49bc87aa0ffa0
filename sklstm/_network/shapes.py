"""Say which weights a network has, from its `NetworkSpec` alone: without Keras, and at no cost."""

from __future__ import annotations

from math import ceil

from sklstm._network.initial import EMBEDDINGS, NGRAM_BIAS, NGRAM_WEIGHTS
from sklstm._network.spec import NetworkSpec

Shapes = dict[str, tuple[int, ...]]

# The number of tokens is rounded up to one of this many a doubling: folds of a corpus, whose
# vocabularies differ a little, share a network.
_SIZES_A_DOUBLING = 8


def with_room(n_rows: int) -> int:
    """Return as many rows of an embedding or some more, the same for similar numbers."""
    step = max(1, 2 ** (n_rows.bit_length() - 1) // _SIZES_A_DOUBLING)
    return ceil(n_rows / step) * step


def weight_shapes(spec: NetworkSpec) -> Shapes:
    """Return the shape of each weight of a network by name, in any order."""
    shapes: Shapes = {EMBEDDINGS: (spec.vocab_size, spec.embedding_dim)}
    n_values = spec.embedding_dim
    directions = ("/forward", "/backward") if spec.bidirectional else ("",)
    for number, units in enumerate(spec.units, start=1):
        for direction in directions:
            cell = f"lstm_{number}{direction}"
            shapes |= _dense(cell, n_values, 4 * units)
            shapes[f"{cell}/recurrent_kernel"] = (units, 4 * units)
        n_values = len(directions) * units
    if spec.pooling == "attention":
        shapes |= _dense("attention_hidden", n_values, n_values)
        shapes["attention_relevance/kernel"] = (n_values, 1)
    n_values = spec.vector_size
    for number, units in enumerate(spec.dense_units, start=1):
        shapes |= _dense(f"dense_{number}", n_values, units)
        n_values = units
    if spec.ngrams:
        shapes[NGRAM_WEIGHTS] = (spec.ngram_buckets, spec.n_outputs)
        shapes[NGRAM_BIAS] = (1, spec.n_outputs)
    return shapes | _dense("output", n_values, spec.n_outputs)


def _dense(name: str, n_inputs: int, n_outputs: int) -> Shapes:
    return {f"{name}/kernel": (n_inputs, n_outputs), f"{name}/bias": (n_outputs,)}

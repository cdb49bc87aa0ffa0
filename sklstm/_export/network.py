"""The network of a `NetworkSpec` as an ONNX graph, from token ids to probabilities and labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklstm._export.activations import LSTM_ACTIVATIONS, activated
from sklstm._export.graph import Graph
from sklstm._network.initial import EMBEDDINGS, NGRAM_BIAS, NGRAM_WEIGHTS
from sklstm._network.ngram_table import FACTORS, GAIN
from sklstm._network.spec import NetworkSpec
from sklstm._vocabulary import OOV_ID

Weights = Mapping[str, NDArray[np.float32]]

# Far below any number in the network: what has no say in a maximum or a softmax.
_LOWEST = -1e9


def add_network(
    graph: Graph,
    ids: str,
    spec: NetworkSpec,
    weights: Weights,
    ngram_ids: NDArray[np.int32] | None = None,
) -> str:
    """Add the nodes from token ids ``(n, width)`` to logits ``(n, n_outputs)``.

    Parameters
    ----------
    graph : Graph
        Where they are added.
    ids : str
        Output of a node, or input of the graph, of type int32. Padding may be on either side if
        the network masks it; what is not in the vocabulary becomes the unknown token.
    spec : NetworkSpec
        The architecture.
    weights : mapping of str to ndarray of float32
        By their names in `LSTMTextClassifier.weights_`, with an embedding of each token id.
    ngram_ids : ndarray of int32 of shape (vocab_size,), or None
        The number that stands for each token id in n-grams. None: itself.

    Returns
    -------
    logits : str
    """
    ids = _within_vocabulary(graph, ids, spec.vocab_size)
    lengths = None
    if spec.mask_padding:
        ids, lengths = _left_aligned(graph, ids, spec.width)
    # Time comes first from here on, as in the operator LSTM.
    steps = graph.add("Transpose", ids, perm=[1, 0])
    mask = None if lengths is None else _as_weights(graph, steps)
    x = graph.add("Gather", graph.constant(weights[EMBEDDINGS], EMBEDDINGS), steps)
    last = ""
    for number, _ in enumerate(spec.units, start=1):
        states, last = _add_lstm(graph, f"lstm_{number}", x, lengths, spec, weights)
        by_step = graph.add("Transpose", states, perm=[0, 2, 1, 3])
        x = graph.add("Reshape", by_step, [0, 0, -1])
    vector = _pooled(graph, spec, x, last, mask, weights)
    for number, _ in enumerate(spec.dense_units, start=1):
        vector = _add_dense(graph, f"dense_{number}", vector, weights)
        vector = activated(graph, spec.dense_activation, vector)
    logits = _add_dense(graph, "output", vector, weights)
    if not spec.ngrams:
        return logits
    if ngram_ids is not None:
        ids = graph.add("Gather", ngram_ids, ids)
    by_ngrams = _ngram_scores(graph, ids, spec, weights)
    return graph.add("Mul", graph.add("Add", logits, by_ngrams), 0.5)


def add_answers(
    graph: Graph, logits: str, spec: NetworkSpec, classes: NDArray[Any]
) -> tuple[str, str]:
    """Add the nodes from logits to the labels and probabilities that the classifier gives."""
    if spec.output_activation == "softmax":
        code = graph.add("ArgMax", logits, axis=1, keepdims=0)
        return graph.add("Gather", classes, code), graph.add("Softmax", logits, axis=1)
    shares = graph.add("Sigmoid", logits)
    codes = graph.cast(graph.add("Greater", logits, 0.0), np.int64)
    if spec.n_outputs > 1:
        return codes, shares
    label = graph.add("Gather", classes, graph.add("Squeeze", codes, [1]))
    return label, graph.add("Concat", graph.add("Sub", 1.0, shares), shares, axis=1)


def _within_vocabulary(graph: Graph, ids: str, vocab_size: int) -> str:
    is_known = graph.add(
        "And",
        graph.add("GreaterOrEqual", ids, np.int32(0)),
        graph.add("Less", ids, np.int32(vocab_size)),
    )
    return graph.add("Where", is_known, ids, np.int32(OOV_ID))


def _left_aligned(graph: Graph, ids: str, width: int | None) -> tuple[str, str]:
    """Move the padding of each row behind its tokens; return this and the tokens a row.

    The result is as wide as `width` says, or else as the longest row.
    """
    is_token = graph.cast(ids, np.bool_)
    n_before = graph.add("CumSum", graph.cast(is_token, np.int32), 1)
    is_padding = graph.add("Not", is_token)
    n_padding_before = graph.add("CumSum", graph.cast(is_padding, np.int32), 1)
    lengths = graph.add("ReduceSum", graph.cast(is_token, np.int32), [1], keepdims=1)
    behind = graph.add("Add", lengths, n_padding_before)
    place = graph.add("Sub", graph.add("Where", is_token, n_before, behind), np.int32(1))
    aligned = graph.add("ScatterElements", ids, place, ids, axis=1)
    lengths = graph.add("Squeeze", lengths, [1])
    if width is None:
        # One step at least, also where there are no tokens at all.
        longest = graph.add("Max", graph.add("ReduceMax", lengths), np.int32(1))
        end = graph.cast(graph.add("Reshape", longest, [1]), np.int64)
        return graph.add("Slice", aligned, [0], end, [1]), lengths
    wide = graph.add("Pad", aligned, [0, 0, 0, width])
    aligned = graph.add("Slice", wide, [0], [width], [1])
    return aligned, graph.add("Min", lengths, np.int32(width))


def _as_weights(graph: Graph, steps: str) -> str:
    """Return ids ``(width, n)`` as ``(width, n, 1)`` of 1 at tokens and 0 at padding."""
    is_token = graph.cast(graph.cast(steps, np.bool_), np.float32)
    return graph.add("Unsqueeze", is_token, [2])


def _add_lstm(
    graph: Graph, name: str, x: str, lengths: str | None, spec: NetworkSpec, weights: Weights
) -> tuple[str, str]:
    """Add an LSTM layer from ``(width, n, n_inputs)``.

    Returns
    -------
    states, last : str
        The states ``(width, n_directions, n, units)`` after each step, and those ``(n,
        n_directions * units)`` that each direction ends with.
    """
    directions = [f"{name}/forward", f"{name}/backward"] if spec.bidirectional else [name]
    kernels = [_onnx_gates(weights[f"{path}/kernel"]).T for path in directions]
    recurrent = [_onnx_gates(weights[f"{path}/recurrent_kernel"]).T for path in directions]
    biases = [_onnx_gates(weights[f"{path}/bias"]) for path in directions]
    # The operator has a second bias, beside the recurrent kernel.
    both_biases = [np.concatenate([bias, np.zeros_like(bias)]) for bias in biases]
    function, alpha, beta = LSTM_ACTIVATIONS[spec.activation]
    parameters = {"activation_alpha": alpha, "activation_beta": beta}
    # For cell input and output of each direction.
    n = 2 * len(directions)
    attributes = {key: [value] * n for key, value in parameters.items() if value is not None}
    states, last = graph.add_many(
        "LSTM",
        2,
        x,
        graph.constant(np.stack(kernels), f"{name}/kernel"),
        graph.constant(np.stack(recurrent), f"{name}/recurrent_kernel"),
        graph.constant(np.stack(both_biases), f"{name}/bias"),
        *([] if lengths is None else [lengths]),
        hidden_size=recurrent[0].shape[1],
        direction="bidirectional" if spec.bidirectional else "forward",
        activations=["Sigmoid", function, function] * len(directions),
        **attributes,
    )
    by_row = graph.add("Transpose", last, perm=[1, 0, 2])
    return states, graph.add("Reshape", by_row, [0, -1])


def _onnx_gates(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring gates from Keras's order (input, forget, cell, output) into that of ONNX."""
    of_input, of_forget, of_cell, of_output = np.split(array, 4, axis=-1)
    return np.concatenate([of_input, of_output, of_forget, of_cell], axis=-1)


def _add_dense(graph: Graph, name: str, x: str, weights: Weights) -> str:
    """Add a product with a kernel, and a bias if there is one."""
    product = graph.add("MatMul", x, graph.constant(weights[f"{name}/kernel"], f"{name}/kernel"))
    bias = weights.get(f"{name}/bias")
    if bias is None:
        return product
    return graph.add("Add", product, graph.constant(bias, f"{name}/bias"))


def _pooled(
    graph: Graph, spec: NetworkSpec, x: str, last: str, mask: str | None, weights: Weights
) -> str:
    """Turn outputs ``(width, n, n_values)`` into one vector a document; `mask` is 1 at tokens."""
    if spec.pooling == "last":
        return last
    if spec.pooling == "flatten":
        whole = x if mask is None else graph.add("Mul", x, mask)
        by_row = graph.add("Transpose", whole, perm=[1, 0, 2])
        return graph.add("Reshape", by_row, [-1, spec.vector_size])
    if spec.pooling == "max":
        return _max_over_time(graph, x, mask)
    if spec.pooling == "mean":
        return _mean_over_time(graph, x, mask)
    if spec.pooling == "attention":
        return _attention_over_time(graph, x, mask, weights)
    pooled = [last, _max_over_time(graph, x, mask), _mean_over_time(graph, x, mask)]
    return graph.add("Concat", *pooled, axis=1)


def _max_over_time(graph: Graph, x: str, mask: str | None) -> str:
    if mask is None:
        return graph.add("ReduceMax", x, [0], keepdims=0)
    highest = graph.add("ReduceMax", _lowest_at_padding(graph, x, mask), [0], keepdims=0)
    has_tokens = graph.add("ReduceMax", mask, [0], keepdims=0)
    return graph.add("Mul", highest, has_tokens)


def _mean_over_time(graph: Graph, x: str, mask: str | None) -> str:
    if mask is None:
        return graph.add("ReduceMean", x, [0], keepdims=0)
    total = graph.add("ReduceSum", graph.add("Mul", x, mask), [0], keepdims=0)
    n_tokens = graph.add("ReduceSum", mask, [0], keepdims=0)
    return graph.add("Div", total, graph.add("Max", n_tokens, 1.0))


def _attention_over_time(graph: Graph, x: str, mask: str | None, weights: Weights) -> str:
    hidden = graph.add("Tanh", _add_dense(graph, "attention_hidden", x, weights))
    relevance = _add_dense(graph, "attention_relevance", hidden, weights)
    if mask is None:
        shares = graph.add("Softmax", relevance, axis=0)
    else:
        shares = graph.add("Softmax", _lowest_at_padding(graph, relevance, mask), axis=0)
        shares = graph.add("Mul", shares, mask)
    return graph.add("ReduceSum", graph.add("Mul", x, shares), [0], keepdims=0)


def _lowest_at_padding(graph: Graph, x: str, mask: str) -> str:
    return graph.add("Where", graph.cast(mask, np.bool_), x, _LOWEST)


def _ngram_scores(graph: Graph, ids: str, spec: NetworkSpec, weights: Weights) -> str:
    """Score documents ``(n, width)`` by their n-grams, as `sklstm._network.ngrams` does."""
    is_token = graph.add("Greater", ids, np.int32(0))
    key = is_there = ""
    found, counted = [], []
    for shift, factor in enumerate(FACTORS[: spec.ngrams]):
        # Within 64 bits nothing overflows.
        tokens = graph.cast(_shifted(graph, ids, shift), np.int64)
        product = graph.add("Mul", tokens, factor)
        key = graph.add("Add", key, product) if shift else product
        follows = graph.add("Greater", tokens, 0)
        is_there = graph.add("And", is_there, follows) if shift else follows
        found.append(_as_int32(graph, key))
        counted.append(graph.cast(is_there, np.float32))
    buckets = graph.add("Mod", graph.add("Concat", *found, axis=1), spec.ngram_buckets)
    table = graph.constant(weights[NGRAM_WEIGHTS], NGRAM_WEIGHTS)
    counts = graph.add("Unsqueeze", graph.add("Concat", *counted, axis=1), [2])
    scores = graph.add("Mul", graph.add("Gather", table, buckets), counts)
    total = graph.add("ReduceSum", scores, [1], keepdims=0)
    n_tokens = graph.add("ReduceSum", graph.cast(is_token, np.float32), [1], keepdims=1)
    norm = graph.add("Sqrt", graph.add("Max", n_tokens, 1.0))
    share = graph.add("Div", graph.add("Mul", total, GAIN), norm)
    return graph.add("Add", share, graph.constant(weights[NGRAM_BIAS], NGRAM_BIAS))


def _shifted(graph: Graph, ids: str, shift: int) -> str:
    """Return the id `shift` places further on at each place, and 0 behind the last one."""
    if not shift:
        return ids
    longer = graph.add("Pad", ids, [0, 0, 0, shift])
    return graph.add("Slice", longer, [shift], [np.iinfo(np.int64).max], [1])


def _as_int32(graph: Graph, key: str) -> str:
    """Return what is left of 64 bits in a signed number of 32."""
    unsigned = graph.add("Mod", graph.add("Add", key, 2**31), 2**32)
    return graph.add("Sub", unsigned, 2**31)

"""Reference LSTM text classifier in numpy, written from the equations."""

from __future__ import annotations

import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


# Each by its definition; those of Keras without a formula of one line are left out.
ACTIVATIONS = {
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0.0))),
    "exponential": np.exp,
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0.0, 1.0),
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0.0),
    "sigmoid": sigmoid,
    "silu": lambda x: x * sigmoid(x),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1.0 + np.abs(x)),
    "tanh": np.tanh,
}


def lstm_steps(inputs, kernel, recurrent_kernel, bias, activation=np.tanh):
    """Return what an LSTM does at each step of one sequence (n_steps, n_inputs).

    An array (n_steps, 6, units): input gate, forget gate, candidate, output gate, cell, hidden.
    """
    units = len(recurrent_kernel)
    h, c, steps = np.zeros(units), np.zeros(units), []
    for x in inputs:
        i, f, g, o = np.split(x @ kernel + h @ recurrent_kernel + bias, 4)
        i, f, g, o = sigmoid(i), sigmoid(f), activation(g), sigmoid(o)
        c = f * c + i * g
        h = o * activation(c)
        steps.append([i, f, g, o, c, h])
    return np.array(steps).reshape(len(steps), 6, units)  # Of no steps as well.


def lstm(inputs, kernel, recurrent_kernel, bias, activation=np.tanh):
    """Return the hidden states (n_steps, units) of one sequence (n_steps, n_inputs)."""
    return lstm_steps(inputs, kernel, recurrent_kernel, bias, activation)[:, -1]


def recurrent_steps(inputs, weights, name, bidirectional, activation):
    """Return the steps of a layer as `lstm_steps` does, of both directions side by side."""

    def direction(prefix, sequence):
        parts = (weights[f"{prefix}/{kind}"] for kind in ("kernel", "recurrent_kernel", "bias"))
        return lstm_steps(sequence, *parts, activation=activation)

    if not bidirectional:
        return direction(name, inputs)
    forward = direction(f"{name}/forward", inputs)
    backward = direction(f"{name}/backward", inputs[::-1])[::-1]
    return np.concatenate([forward, backward], axis=2)


def recurrent_layer(inputs, weights, name, bidirectional, activation):
    return recurrent_steps(inputs, weights, name, bidirectional, activation)[:, -1]


def layer_steps(row, classifier, layer):
    """Return the steps (n_steps, 6, units) of an LSTM layer, from 0, on one row of token ids."""
    weights = {name: w.astype(np.float64) for name, w in classifier.weights_.items()}
    tokens = row[row != 0] if classifier.mask_padding else row
    x = weights["embedding/embeddings"][tokens]
    activation = ACTIVATIONS[classifier.activation]
    for number in range(layer + 1):
        name = f"lstm_{number + 1}"
        steps = recurrent_steps(x, weights, name, classifier.bidirectional, activation)
        x = steps[:, -1]
    return steps


def last(states, units):
    """Return the outputs after the last token; the backward direction ends at the first one."""
    return np.concatenate([states[-1, :units], states[0, units:]])


def attention(states, weights):
    hidden = np.tanh(states @ weights["attention_hidden/kernel"] + weights["attention_hidden/bias"])
    relevance = np.exp((hidden @ weights["attention_relevance/kernel"]).ravel())
    return (relevance / relevance.sum()) @ states


# From the outputs (n_tokens, n_outputs) at the tokens of a document, the weights of the network,
# the units of the last layer, and the width of the row.
POOLINGS = {
    "last": lambda states, weights, units, width: last(states, units),
    "max": lambda states, *_: states.max(axis=0),
    "mean": lambda states, *_: states.mean(axis=0),
    "attention": lambda states, weights, *_: attention(states, weights),
    "concat": lambda states, weights, units, width: np.concatenate(
        [last(states, units), states.max(axis=0), states.mean(axis=0)]
    ),
    "max_mean": lambda states, *_: np.concatenate([states.max(axis=0), states.mean(axis=0)]),
    "flatten": lambda states, weights, units, width: np.pad(
        states, ((0, width - len(states)), (0, 0))
    ).ravel(),
}


def logits(ids, classifier):
    """Return the scores (n, n_outputs) of token ids, from `weights_` and the parameters alone."""
    weights = {name: w.astype(np.float64) for name, w in classifier.weights_.items()}
    units = np.atleast_1d(classifier.units)
    activation = ACTIVATIONS[classifier.activation]
    scores = []
    for row in np.asarray(ids):
        tokens = row[row != 0] if classifier.mask_padding else row
        x = weights["embedding/embeddings"][tokens]
        for number in range(1, len(units) + 1):
            x = recurrent_layer(x, weights, f"lstm_{number}", classifier.bidirectional, activation)
        x = POOLINGS[classifier.pooling](x, weights, units[-1], len(row))
        for number in range(1, len(np.atleast_1d(classifier.dense_units)) + 1):
            x = x @ weights[f"dense_{number}/kernel"] + weights[f"dense_{number}/bias"]
            x = ACTIVATIONS[classifier.dense_activation](x)
        score = x @ weights["output/kernel"] + weights["output/bias"]
        if classifier.ngrams:
            score = (score + ngram_score(row[row != 0].tolist(), weights, classifier.ngrams)) / 2
        scores.append(score)
    return np.array(scores)


def ngram_score(tokens, weights, longest):
    """Return the score (n_outputs,) of a document by its n-grams, hashed in 32 bits."""
    table = weights["ngrams/embeddings"]
    token_scores = weights.get("token_scores/embeddings")
    factors = (1640531513, 1974261437, 1266122501, 1481765933, 1848586169)
    total = np.zeros(table.shape[1])
    if token_scores is not None:
        total += token_scores[tokens].sum(axis=0)
    for length in range(1, longest + 1):
        for start in range(len(tokens) - length + 1):
            key = sum(t * f for t, f in zip(tokens[start : start + length], factors, strict=False))
            signed = (key + 2**31) % 2**32 - 2**31
            checksum = weights["ngram_checksums/embeddings"][signed % len(table), 0]
            if checksum < 0 or checksum == signed // len(table) % 2**24:
                total += table[signed % len(table)]
    return 3.0 * total / np.sqrt(len(tokens)) + weights["ngram_bias/embeddings"][0]

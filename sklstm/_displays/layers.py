"""The layers of a network in words and numbers, from its spec and its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sklstm._network.spec import NetworkSpec
    from sklstm.classifier import LSTMTextClassifier

_POOLINGS = {
    "max": "maximum over tokens",
    "mean": "mean over tokens",
    "attention": "attention over tokens",
    "concat": "last, maximum and mean",
    "flatten": "all tokens in a row",
}


class Layer(NamedTuple):
    """A box of the picture.

    Attributes
    ----------
    title, detail : str
        What it is, and what is special about it.
    shape : str
        Of what it gives, such as "(documents, tokens, 64)".
    n_weights : int
        How many numbers training has set, or left as they were.
    kind : {"weights", "dropout", "none"}
        Whether it has weights, is there for training only, or neither.
    is_beside : bool
        Whether it scores n-grams, beside the LSTM.
    remark : str
        What is said where there are no weights.
    """

    title: str
    detail: str
    shape: str
    n_weights: int = 0
    kind: str = "none"
    is_beside: bool = False
    remark: str = ""


def layers_of(classifier: LSTMTextClassifier) -> list[Layer]:
    """Return the layers of a fitted classifier, in the order in which a document goes through."""
    spec = classifier._spec
    tokens = "tokens" if spec.width is None else f"{spec.width}"
    sizes = {name: int(weight.size) for name, weight in classifier.weights_.items()}

    def weights_of(*layers: str) -> int:
        return sum(size for name, size in sizes.items() if name.startswith(layers))

    def by_token(values: int) -> str:
        return f"(documents, {tokens}, {values:,})"

    def by_document(values: int) -> str:
        return f"(documents, {values:,})"

    def dropout(share: float, shape: str) -> list[Layer]:
        remark = "while training only"
        return [Layer(f"dropout {share:g}", "", shape, 0, "dropout", False, remark)] * bool(share)

    vectors = by_token(spec.embedding_dim)
    frozen = "" if spec.trainable_embeddings else "not trained"
    layers = [
        Layer("token ids", "", f"(documents, {tokens})"),
        Layer("embedding", frozen, vectors, weights_of("embedding/"), "weights"),
        *dropout(spec.embedding_dropout, vectors),
    ]
    for number, units in enumerate(spec.units, start=1):
        is_last = number == len(spec.units)
        n_values = units * (2 if spec.bidirectional else 1)
        shape = by_document(n_values) if is_last and spec.pooling == "last" else by_token(n_values)
        title = f"LSTM {number}" if len(spec.units) > 1 else "LSTM"
        n_weights = weights_of(f"lstm_{number}/")
        layers.append(Layer(title, _about_lstm(spec), shape, n_weights, "weights"))
        layers += dropout(spec.dropout, shape)
    vector = by_document(spec.vector_size)
    if spec.pooling != "last":
        n_weights = weights_of("attention_")
        kind = "weights" if n_weights else "none"
        layers.append(Layer(_POOLINGS[spec.pooling], "", vector, n_weights, kind))
    for number, units in enumerate(spec.dense_units, start=1):
        n_weights = weights_of(f"dense_{number}/")
        shape = by_document(units)
        layers.append(Layer("dense", spec.dense_activation, shape, n_weights, "weights"))
        layers += dropout(spec.dense_dropout, shape)
    scores = by_document(spec.n_outputs)
    activation = "" if spec.ngrams else spec.output_activation
    layers.append(Layer("output", activation, scores, weights_of("output/"), "weights"))
    if spec.ngrams:
        title = "n-grams" if spec.ngrams > 1 else "tokens"
        detail = f"of 1 to {spec.ngrams} tokens" if spec.ngrams > 1 else "one by one"
        n_weights = weights_of("ngrams/", "ngram_bias/")
        layers.append(Layer(title, detail, scores, n_weights, "weights", is_beside=True))
        layers.append(Layer("mean of scores", spec.output_activation, scores))
    return layers


def _about_lstm(spec: NetworkSpec) -> str:
    """Return what is special about the LSTM layers of a network, in a few words."""
    words = ["both directions"] * spec.bidirectional
    words += [spec.activation] * (spec.activation != "tanh")
    return ", ".join(words)

"""Say everything about a network, and about how it is compiled for training, in plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NetworkSpec:
    """An architecture, from token ids to one score (logit) a class.

    Equal specs give interchangeable networks. The fields are those parameters of
    `LSTMTextClassifier` that shape the network, and what the training data decides.
    """

    vocab_size: int
    n_outputs: int
    output_activation: str
    width: int | None = None
    """Token ids a row; None where the network does not depend on it."""
    embedding_dim: int = 64
    trainable_embeddings: bool = True
    units: tuple[int, ...] = (64,)
    bidirectional: bool = False
    pooling: str = "last"
    dense_units: tuple[int, ...] = ()
    activation: str = "tanh"
    dense_activation: str = "relu"
    mask_padding: bool = True
    embedding_dropout: float = 0.0
    input_dropout: float = 0.0
    recurrent_dropout: float = 0.0
    dropout: float = 0.0
    dense_dropout: float = 0.0
    ngrams: int = 0
    ngram_buckets: int = 0
    ngram_rows: int = 0
    """Rows of the embedding, the first ones, whose tokens n-grams are made of: those that training
    met. Others count as the unknown token there. 0 for all."""

    @property
    def vector_size(self) -> int:
        """Numbers in the pooled document vector."""
        n_outputs = self.units[-1] * (2 if self.bidirectional else 1)
        if self.pooling == "flatten":
            assert self.width is not None
            return n_outputs * self.width
        return n_outputs * (3 if self.pooling == "concat" else 1)


@dataclass(frozen=True)
class TrainingSpec:
    """What the compiled training step of a network depends on, beside its `NetworkSpec`."""

    optimizer: str = "adam"
    clipnorm: float | None = None
    weight_decay: float = 0.0
    label_smoothing: float = 0.0

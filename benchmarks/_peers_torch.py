"""Systems based on PyTorch: custom training loops and skorch. Import only in separate processes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from _peers import Network, sorted_batches
from torch import nn

# Vanishing gradients become denormal numbers, which are slow to process; XLA and TensorFlow flush
# them to zero by default.
torch.set_flush_denormal(True)


class TutorialNetwork(nn.Module):
    """The tutorial network; returns logits.

    If lengths are given, rows are padded on the right and the state after the last token is used.
    (Packed sequences give the same result but are more than ten times slower on a CPU, because they
    do not use the fast kernel.) Otherwise the state after the last id is used, even if it is
    padding.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.embedding = nn.Embedding(network.vocab_size, network.embedding_dim)
        self.lstm = nn.LSTM(network.embedding_dim, network.units, batch_first=True)
        self.head = nn.Linear(network.units, 1)

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        outputs, (last, _) = self.lstm(self.embedding(ids))
        state = last[0] if lengths is None else outputs[torch.arange(len(ids)), lengths - 1]
        return self.head(state)[:, 0]


class PaddedTorch:
    """A training loop on rows padded to one width."""

    def prepare(self, network: Network, ids: np.ndarray, y: np.ndarray) -> None:
        torch.manual_seed(0)
        self.network = network
        self.rng = np.random.default_rng(0)
        self.documents = self.arranged(ids)
        self.y = torch.from_numpy(np.asarray(y, dtype=np.float32))
        self.module = TutorialNetwork(network)
        self.optimizer = torch.optim.Adam(
            self.module.parameters(), lr=network.learning_rate, fused=True
        )
        self.loss = nn.BCEWithLogitsLoss()

    def train(self) -> None:
        self.module.train()
        for rows in self.batches():
            self.optimizer.zero_grad()
            self.loss(self.module(*self.batch(self.documents, rows)), self.y[rows]).backward()
            self.optimizer.step()

    def arranged(self, ids: np.ndarray) -> Any:
        return torch.from_numpy(ids)

    def batches(self) -> Any:
        return torch.randperm(len(self.y)).split(self.network.batch_size)

    def batch(self, documents: Any, rows: Any) -> tuple[torch.Tensor, ...]:
        return (documents[rows],)


class SortedTorch(PaddedTorch):
    """A training loop on batches of documents of similar length, padded to the longest."""

    def arranged(self, ids: np.ndarray) -> Any:
        lengths = (ids != 0).sum(axis=1)
        aligned = np.zeros_like(ids)
        aligned[np.arange(ids.shape[1]) < lengths[:, None]] = ids[ids != 0]
        return torch.from_numpy(aligned), torch.from_numpy(lengths)

    def batches(self) -> Any:
        lengths = self.documents[1].numpy()
        return map(torch.from_numpy, sorted_batches(lengths, self.network.batch_size, self.rng))

    def batch(self, documents: Any, rows: Any) -> tuple[torch.Tensor, ...]:
        ids, lengths = documents
        return ids[rows, : int(lengths[rows].max())], lengths[rows]

    @torch.inference_mode()
    def predict(self, ids: np.ndarray, batch_size: int | None = 64) -> Any:
        self.module.eval()
        documents = self.arranged(ids)
        order = documents[1].argsort()
        scores = torch.empty(len(ids))
        for rows in order.split(batch_size):
            scores[rows] = self.module(*self.batch(documents, rows)).sigmoid()
        return scores.numpy()


class Skorch:
    """skorch with the same module, on rows padded to one width; each epoch is a complete `fit`."""

    def prepare(self, network: Network, ids: np.ndarray, y: np.ndarray) -> None:
        # The skorch classifier for a single logit.
        from skorch import NeuralNetBinaryClassifier

        torch.manual_seed(0)
        self.ids, self.y = ids, np.asarray(y, dtype=np.float32)
        self.classifier = NeuralNetBinaryClassifier(
            TutorialNetwork,
            module__network=network,
            optimizer=torch.optim.Adam,
            optimizer__fused=True,
            lr=network.learning_rate,
            batch_size=network.batch_size,
            max_epochs=1,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
        )

    def train(self) -> None:
        self.classifier.fit(self.ids, self.y)

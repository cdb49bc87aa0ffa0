"""The systems that are compared, and the network that they all train.

Each trains in the form in which its users know it to be quickest. All of them get the same token
ids, padded on the left to one width; what a system does with the padding is its own affair.
"""

from __future__ import annotations

import os
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from _process import Lost, Turns, Worker, run_afresh


@dataclass(frozen=True)
class Network:
    """The network of the well-known tutorials: of 213,301 weights, with these defaults."""

    vocab_size: int = 5_000
    embedding_dim: int = 32
    units: int = 100
    batch_size: int = 64
    learning_rate: float = 0.001


@dataclass(frozen=True)
class System:
    """One of those compared.

    Attributes
    ----------
    label : str
        Its name in the tables.
    kind : str
        The class that does the work, as `Worker` takes it.
    needs : tuple of str
        What must be installed, by import name.
    backend : str or None
        Keras backend.
    """

    label: str
    kind: str
    needs: tuple[str, ...]
    backend: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of its process."""
        variables = {"KERAS_BACKEND": self.backend} if self.backend else {}
        if "torch" in self.needs:
            # Threads of torch that wait actively cost it a multiple of its time as soon as
            # anything else runs on the machine.
            variables["OMP_WAIT_POLICY"] = os.environ.get("OMP_WAIT_POLICY", "passive")
        return variables


SKLSTM = "sklstm-jax"
SYSTEMS = {
    SKLSTM: System("sklstm (JAX)", "_peers:Sklstm", ("jax",), "jax"),
    "sklstm-torch": System("sklstm (torch)", "_peers:Sklstm", ("torch",), "torch"),
    "sklstm-tensorflow": System(
        "sklstm (TensorFlow)", "_peers:Sklstm", ("tensorflow",), "tensorflow"
    ),
    "keras-jax": System("stock Keras (JAX), padded", "_peers_keras:StockKeras", ("jax",), "jax"),
    "keras-tensorflow": System(
        "stock Keras (TensorFlow), padded",
        "_peers_keras:StockKeras",
        ("tensorflow",),
        "tensorflow",
    ),
    "torch-sorted": System("torch.nn.LSTM, sorted", "_peers_torch:SortedTorch", ("torch",)),
    "torch-padded": System("torch.nn.LSTM, padded", "_peers_torch:PaddedTorch", ("torch",)),
    "skorch": System("skorch, padded", "_peers_torch:Skorch", ("torch", "skorch")),
    "scikeras": System(
        "scikeras (JAX), padded", "_peers_keras:Scikeras", ("jax", "scikeras"), "jax"
    ),
}


def add_systems_option(
    parser: ArgumentParser, names: Iterable[str], default: Iterable[str] | None = None
) -> None:
    """Let the user choose among some systems."""
    names = list(names)
    default = names if default is None else list(default)
    parser.add_argument(
        "--systems",
        nargs="+",
        choices=names,
        default=default,
        metavar="SYSTEM",
        help=f"of {', '.join(names)} ({'all' if default == names else ', '.join(default)})",
    )


def installed(names: Iterable[str]) -> list[str]:
    """Return the systems that can run here, and name what the others lack."""
    usable = []
    for name in names:
        missing = [package for package in SYSTEMS[name].needs if find_spec(package) is None]
        if missing:
            print(f"{SYSTEMS[name].label}: skipped, {' and '.join(missing)} not installed")
        else:
            usable.append(name)
    return usable


def start(names: Iterable[str]) -> Turns:
    """Start a process for each system."""
    return Turns({name: Worker(SYSTEMS[name].kind, SYSTEMS[name].environment) for name in names})


def rounds_afresh(
    names: Iterable[str],
    repeats: int,
    kind: str,
    arguments: Callable[[str, int], tuple[Any, ...]],
    limit: float,
) -> Iterator[tuple[str, float, Any]]:
    """Let the systems take turns at `kind.run`, each time in a new process.

    Parameters
    ----------
    names : iterable of str
        The systems; one that fails or takes too long is named and left out from then on.
    repeats : int
        Number of rounds.
    kind : str
        As `Worker` takes it.
    arguments : callable
        From the system's name and the number of the round to what `run` is called with.
    limit : float
        Most seconds of a run.

    Yields
    ------
    name, seconds, result : str, float, object
        The seconds since the process was started.
    """
    left = list(names)
    for number in range(repeats):
        for name in list(left):
            try:
                seconds, result = run_afresh(
                    kind,
                    "run",
                    *arguments(name, number),
                    environment=SYSTEMS[name].environment,
                    limit=limit,
                )
            except Lost as reason:
                print(f"{SYSTEMS[name].label}: left out, {reason}", flush=True)
                left.remove(name)
            else:
                yield name, seconds, result


class Sklstm:
    """`LSTMTextClassifier`; each epoch is a whole `fit`, with its checks and new weights."""

    def prepare(self, network: Network, ids: np.ndarray, y: np.ndarray) -> None:
        from sklstm import LSTMTextClassifier

        self.ids, self.y = ids, y
        self.classifier = LSTMTextClassifier(
            units=network.units,
            embedding_dim=network.embedding_dim,
            vocab_size=network.vocab_size,
            batch_size=network.batch_size,
            learning_rate=network.learning_rate,
            pooling="last",
            epochs=1,
            random_state=0,
        )

    def train(self) -> None:
        self.classifier.fit(self.ids, self.y)

    def predict(self, ids: np.ndarray, batch_size: int | None = None) -> Any:
        # Chooses its batches itself.
        return self.classifier.predict_proba(ids)[:, 1]


def sorted_batches(
    lengths: np.ndarray, batch_size: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Return row numbers, in batches of documents of like length that differ in every epoch."""
    n_pool = 50 * batch_size
    order = rng.permutation(len(lengths))
    batches = []
    for first in range(0, len(order), n_pool):
        pool = order[first : first + n_pool]
        by_length = pool[np.argsort(lengths[pool], kind="stable")]
        batches += np.split(by_length, range(batch_size, len(by_length), batch_size))
    return [batches[i] for i in rng.permutation(len(batches))]

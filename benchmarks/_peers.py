"""The compared systems and the network that all of them train.

Each system is used in the way its users know to be fastest. All systems get the same token ids,
padded on the left to one width, and may handle the padding in their own way.
"""

from __future__ import annotations

import os
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from _common import TUTORIAL
from _process import Lost, Turns, Worker, run_afresh


@dataclass(frozen=True)
class Network:
    """The network of common tutorials; the defaults give 213,301 weights."""

    vocab_size: int = 5_000
    embedding_dim: int = 32
    units: int = 100
    batch_size: int = 64
    learning_rate: float = 0.001


@dataclass(frozen=True)
class System:
    """A compared system.

    Attributes
    ----------
    label : str
        Name in the tables.
    kind : str
        Class that does the work, in the format of `Worker`.
    needs : tuple of str
        Import names of the required packages.
    backend : str or None
        Keras backend.
    """

    label: str
    kind: str
    needs: tuple[str, ...]
    backend: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of the process."""
        variables = {"KERAS_BACKEND": self.backend} if self.backend else {}
        if "torch" in self.needs:
            # Actively waiting threads slow torch down severely when other programs are running.
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
        "stock Keras (TensorFlow), padded", "_peers_keras:StockKeras", ("tensorflow",), "tensorflow"
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
    """Add the option --systems."""
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
    """Return the systems whose packages are installed; print the missing packages of the others."""
    usable = []
    for name in names:
        missing = [package for package in SYSTEMS[name].needs if find_spec(package) is None]
        if missing:
            print(f"{SYSTEMS[name].label}: skipped, {' and '.join(missing)} not installed")
        else:
            usable.append(name)
    return usable


def start(names: Iterable[str]) -> Turns:
    """Start one process per system."""
    return Turns({name: Worker(SYSTEMS[name].kind, SYSTEMS[name].environment) for name in names})


def rounds_afresh(
    names: Iterable[str],
    repeats: int,
    kind: str,
    arguments: Callable[[str, int], tuple[Any, ...]],
    limit: float,
) -> Iterator[tuple[str, float, Any]]:
    """Call `kind.run` for all systems in alternating rounds, each time in a new process.

    Parameters
    ----------
    names : iterable of str
        The systems. One that fails or exceeds the time limit is reported and excluded.
    repeats : int
        Number of rounds.
    kind : str
        Class, in the format of `Worker`.
    arguments : callable
        Maps the name of a system and the round number to the arguments of `run`.
    limit : float
        Time limit of a run in seconds.

    Yields
    ------
    name, seconds, result : str, float, object
        The seconds are measured from the start of the process.
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
    """`LSTMTextClassifier`; each epoch is a complete `fit`, with validation and new weights."""

    def prepare(self, network: Network, ids: np.ndarray, y: np.ndarray) -> None:
        from sklstm import LSTMTextClassifier

        self.ids, self.y = ids, y
        self.classifier = LSTMTextClassifier(
            **TUTORIAL | {"learning_rate": network.learning_rate},
            units=network.units,
            embedding_dim=network.embedding_dim,
            vocab_size=network.vocab_size,
            batch_size=network.batch_size,
            epochs=1,
            random_state=0,
        )

    def train(self) -> None:
        self.classifier.fit(self.ids, self.y)

    def predict(self, ids: np.ndarray, batch_size: int | None = None) -> Any:
        # sklstm chooses its own batches.
        return self.classifier.predict_proba(ids)[:, 1]


def sorted_batches(
    lengths: np.ndarray, batch_size: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Return batches of row numbers with documents of similar length, redrawn in every epoch."""
    n_pool = 50 * batch_size
    order = rng.permutation(len(lengths))
    batches = []
    for first in range(0, len(order), n_pool):
        pool = order[first : first + n_pool]
        by_length = pool[np.argsort(lengths[pool], kind="stable")]
        batches += np.split(by_length, range(batch_size, len(by_length), batch_size))
    return [batches[i] for i in rng.permutation(len(batches))]

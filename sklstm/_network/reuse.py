"""Keep compiled networks, so that an equal architecture does not compile again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock

from sklstm._network.network import Network
from sklstm._network.shapes import with_room
from sklstm._network.spec import NetworkSpec, TrainingSpec
from sklstm._runtime import keras

#: Idle networks kept at most; the one that was used longest ago goes first.
MAX_IDLE = 8

# Optimizers that treat a matrix as one thing: rows of zeros would change what they do.
_MATRIX_OPTIMIZERS = ("adafactor", "muon")

_idle: list[Network] = []
_lock = Lock()


@contextmanager
def borrowed_network(
    spec: NetworkSpec, training_spec: TrainingSpec | None = None, *, keep: bool = True
) -> Iterator[Network]:
    """Lend a network of an architecture, which no other thread has meanwhile.

    Its weights are whatever its last user left: load some before use. A network whose user
    raised an error is not lent again.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture.
    training_spec : TrainingSpec, optional
        What it is to be trained with; a network compiled for that is preferred. Without it the
        network is for scoring: one that scores purely may be lent to several threads.
    keep : bool
        Whether the network may be lent again.

    Yields
    ------
    network : Network
    """
    optimizer = training_spec.optimizer if training_spec else ""
    roomy = spec if optimizer in _MATRIX_OPTIMIZERS else _with_room(spec)
    if training_spec is None and _network_class().scores_purely:
        yield _shared(roomy)
        return
    network = _take(roomy, training_spec) or _network_class()(roomy)
    network.vocab_size = spec.vocab_size
    yield network
    network.finish_training()
    if keep:
        with _lock:
            _keep(network)


def _network_class() -> type[Network]:
    if keras.backend.backend() != "jax":
        return Network
    from sklstm._network.jax_network import JaxNetwork

    return JaxNetwork


def _with_room(spec: NetworkSpec) -> NetworkSpec:
    return replace(spec, vocab_size=with_room(spec.vocab_size))


def _shared(spec: NetworkSpec) -> Network:
    with _lock:
        network = next((n for n in reversed(_idle) if n.spec == spec), None)
        if network is None:
            network = _network_class()(spec)
        else:
            _idle.remove(network)
        _keep(network)
        return network


def _keep(network: Network) -> None:
    _idle.append(network)
    del _idle[:-MAX_IDLE]


def _take(spec: NetworkSpec, training_spec: TrainingSpec | None) -> Network | None:
    with _lock:
        fitting = [network for network in _idle if network.spec == spec]
        if not fitting:
            return None
        same_training = [n for n in fitting if n.training_spec == training_spec]
        network = (same_training or fitting)[-1]
        _idle.remove(network)
        return network

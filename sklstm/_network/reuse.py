"""Keep compiled networks, so that an equal architecture does not compile again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from sklstm._network.network import Network
from sklstm._network.spec import NetworkSpec, TrainingSpec

#: Idle networks kept at most; the one that was used longest ago goes first.
MAX_IDLE = 8

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
        What it is to be trained with; a network compiled for that is preferred.
    keep : bool
        Whether the network may be lent again.

    Yields
    ------
    network : Network
    """
    network = _take(spec, training_spec) or Network(spec)
    yield network
    if not keep:
        return
    with _lock:
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

"""Pool of compiled networks, so that an architecture is compiled only once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock

from sklstm._network.network import Network
from sklstm._network.spec import OPTIMIZERS, NetworkSpec, TrainingSpec, padded_size
from sklstm._runtime import backend_name, return_free_memory, start_backend

#: Maximum number of idle networks; the least recently used one is dropped first.
MAX_IDLE = 8

_idle: list[Network] = []
_lock = Lock()


@contextmanager
def acquire_network(
    spec: NetworkSpec, training_spec: TrainingSpec | None = None, *, keep: bool = True
) -> Iterator[Network]:
    """Provide a network for exclusive use by one thread.

    The weights of the network are undefined: load weights before use. If the block raises an error,
    the network is not reused.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture.
    training_spec : TrainingSpec, optional
        Settings for training; a network compiled with these settings is preferred. None requests a
        network for scoring only. If it is thread-safe, several threads may get the same network.
    keep : bool
        Whether the network may be reused.

    Yields
    ------
    network : Network

    Raises
    ------
    RuntimeError
        If the process was forked after the backend had started.
    """
    start_backend()
    pads_vocabulary = training_spec is None or not OPTIMIZERS[training_spec.optimizer]
    padded = replace(spec, vocab_size=padded_size(spec.vocab_size)) if pads_vocabulary else spec
    if training_spec is None and _network_class().is_thread_safe:
        with _lock:
            network = _take(padded, None) or _network_class()(padded)
            _put(network)
        yield network
        return
    with _lock:
        idle = _take(padded, training_spec)
    network = idle or _network_class()(padded)
    network.vocab_size = spec.vocab_size
    yield network
    network.finish_training()
    if keep:
        with _lock:
            _put(network)
    else:
        _release([network])


def _network_class() -> type[Network]:
    if backend_name() != "jax":
        return Network
    from sklstm._network.jax_network import JaxNetwork

    return JaxNetwork


def _put(network: Network) -> None:
    _idle.append(network)
    dropped = _idle[:-MAX_IDLE]
    del _idle[:-MAX_IDLE]
    _release(dropped)


def _release(networks: list[Network]) -> None:
    """Release the memory of networks that are not kept."""
    for network in networks:
        network.release()
    if networks:
        return_free_memory()


def _take(spec: NetworkSpec, training_spec: TrainingSpec | None) -> Network | None:
    """Take an idle network, preferably one compiled for `training_spec`, most recent first."""
    candidates = [network for network in _idle if network.spec == spec]
    compiled = [n for n in candidates if n.training_spec == training_spec]
    for network in (compiled or candidates)[-1:]:
        _idle.remove(network)
        return network
    return None

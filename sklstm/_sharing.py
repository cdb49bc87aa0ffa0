"""Lend word vectors to other processes through files, instead of with every task."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import RLock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from sklstm._persistence import atomic_write

Arrays = dict[str, NDArray[Any]]
Reference = tuple[str, tuple[str, ...]]
"""A folder, and the names of the arrays in it."""

#: Objects that a worker keeps for its next tasks. It seldom has more than one.
_MOST_KEPT = 4

_lock = RLock()
_references: WeakKeyDictionary[Any, Reference] = WeakKeyDictionary()
_found: dict[Reference, Any] = {}


@contextmanager
def lent(shared: Any, arrays: Arrays, folder: str | os.PathLike[str] | None) -> Iterator[None]:
    """Write the arrays of an object to files, and let `reference_to` give where they are.

    Parameters
    ----------
    shared : object
        To be lent.
    arrays : dict of str to ndarray
        What it is made of.
    folder : str, path-like or None
        Where all processes find the files, which stay there and are found again by the next run.
        None for a temporary folder of this machine.
    """
    with TemporaryDirectory(prefix="sklstm-") as temporary:
        place = Path(temporary if folder is None else folder).absolute()
        reference = (str(place / f"sklstm-{_digest(arrays)}"), tuple(arrays))
        _write(Path(reference[0]), arrays)
        with _lock:
            _references[shared] = reference
            _found[reference] = shared
        try:
            yield
        finally:
            with _lock:
                _references.pop(shared, None)
                _found.pop(reference, None)


def reference_to(shared: Any) -> Reference | None:
    """Return where the arrays of an object are, if it is lent at the moment."""
    with _lock:
        return _references.get(shared)


def find(reference: Reference, make: Callable[[Arrays], Any]) -> Any:
    """Return the object that a reference stands for; its files are opened once in a process.

    Parameters
    ----------
    reference : tuple
        Of `reference_to`, in this process or another.
    make : callable
        Makes the object of its arrays, which are mapped from the files.

    Raises
    ------
    FileNotFoundError
        If the files are not there.
    """
    with _lock:
        if reference not in _found:
            while len(_found) >= _MOST_KEPT:
                del _found[next(iter(_found))]
            folder, names = Path(reference[0]), reference[1]
            if not folder.is_dir():
                raise FileNotFoundError(
                    f"Word vectors were lent to other processes in {folder}, which is not there. "
                    "On several machines call vectors.shared(folder) with a folder that all of "
                    "them can read; save models after the block of shared(), not inside."
                )
            shared = make({name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names})
            _found[reference] = shared
            _references[shared] = reference  # What a worker returns refers to them as well.
        return _found[reference]


def _digest(arrays: Arrays) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data.cast("B"))
    return digest.hexdigest()


def _write(folder: Path, arrays: Arrays) -> None:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{name}.npy" for name in arrays]
    if all(path.is_file() for path in paths):
        return
    with atomic_write(*paths) as asides:
        for aside, array in zip(asides, arrays.values(), strict=True):
            with aside.open("wb") as file:
                np.save(file, array)

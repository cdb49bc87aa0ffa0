"""Convert estimators to versioned plain state and back, validate loaded state, write files."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite

from sklstm._sklearn import validate_parameter_constraints

#: Version of this package. For type checkers, an import from `sklstm` would be an import cycle.
VERSION = version("sklstm")

#: Version of the state that `pack_state` writes.
FORMAT = 1

_FORMAT_KEY = "_sklstm_format"


def pack_state(attributes: Mapping[str, object]) -> dict[str, Any]:
    """Return the attributes of an object together with the version of their format."""
    return {**attributes, _FORMAT_KEY: FORMAT}


def unpack_state(state: object, owner: type) -> dict[str, Any]:
    """Return the attributes in a state that `pack_state` returned.

    Parameters
    ----------
    state : object
        The loaded state.
    owner : type
        Class of the object that is loaded, for error messages.

    Raises
    ------
    ValueError
        If the format is newer than `FORMAT`, or `state` is not a state.
    """
    if not isinstance(state, Mapping):
        raise_damaged(owner, f"its state is of type {type(state).__name__}")
    number = state.get(_FORMAT_KEY)
    if type(number) is not int or number < 1:
        raise_damaged(owner, f"its format is {number!r:.60}")
    if number > FORMAT:
        raise ValueError(
            f"This {owner.__name__} was saved by a newer sklstm, in format {number}; sklstm "
            f"{VERSION} reads formats up to {FORMAT}. Update it: pip install --upgrade sklstm"
        )
    return {name: value for name, value in state.items() if name != _FORMAT_KEY}


def raise_damaged(owner: type, problem: str) -> NoReturn:
    """Raise the error for a damaged or edited state."""
    found = f"This saved {owner.__name__} is damaged or was edited: {problem}."
    raise ValueError(f"{found} Load an intact copy, or fit again.")


def check_names(owner: type, state: Collection[str], names: Iterable[str]) -> None:
    """Raise an error if a state lacks an attribute."""
    missing = [name for name in names if name not in state]
    if missing:
        raise_damaged(owner, f"it lacks {', '.join(missing)}")


def check_values(
    owner: type, state: Mapping[str, object], constraints: Mapping[str, list[Any]]
) -> None:
    """Raise an error if a value in a state violates its scikit-learn parameter constraints."""
    try:
        validate_parameter_constraints(constraints, state, "the state")
    except ValueError as error:
        raise_damaged(owner, f"{error!s:.300}".rstrip("."))


def check_array(
    owner: type, name: str, array: object, kind: type, shape: tuple[int | None, ...]
) -> None:
    """Raise an error unless `array` is an array of the given type and shape with finite values.

    Parameters
    ----------
    owner : type
        Class of the object that is loaded.
    name : str
        Name of the array, for the message.
    array : object
        The loaded value.
    kind : type
        Type of the elements, or an abstract type of numpy such as ``np.floating``.
    shape : tuple of int or None
        Expected shape; None stands for any length.
    """
    if not isinstance(array, np.ndarray):
        raise_damaged(owner, f"{name} is of type {type(array).__name__}, not an array")
    fits = array.ndim == len(shape) and all(
        expected in (None, found) for found, expected in zip(array.shape, shape, strict=True)
    )
    if not (fits and np.issubdtype(array.dtype, kind) and array.dtype.isnative):
        expected = str(shape).replace("None", "any")
        found = f"dtype {array.dtype} and shape {array.shape}"
        raise_damaged(owner, f"{name} has {found}, not {kind.__name__} and {expected}")
    if array.dtype.kind == "f":
        try:
            assert_all_finite(array)
        except ValueError:
            raise_damaged(owner, f"{name} has values that are not finite")


def pack_tokens(tokens: NDArray[np.object_]) -> NDArray[np.uint8]:
    """Encode an array of str as bytes: a JSON list in UTF-8.

    The result is small and fast to save in any file format, and all formats preserve the tokens.
    """
    text = json.dumps(tokens.tolist(), ensure_ascii=False)
    return np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8)


def unpack_tokens(owner: type, name: str, packed: Any) -> NDArray[np.object_]:
    """Decode the array that `pack_tokens` returned.

    Raises
    ------
    ValueError
        If `packed` is not such an array.
    """
    check_array(owner, name, packed, np.uint8, (None,))
    try:
        tokens = json.loads(packed.tobytes())
    except (ValueError, RecursionError) as error:
        raise_damaged(owner, f"{name} cannot be read ({error!s:.100})")
    if not isinstance(tokens, list) or set(map(type, tokens)) - {str}:
        raise_damaged(owner, f"{name} contains values that are not tokens")
    return np.array(tokens, dtype=object)


@contextmanager
def atomic_write(*paths: str | os.PathLike[str]) -> Iterator[list[Path]]:
    """Write files under temporary names, and rename them when all of them are complete.

    If the block raises an error, the temporary files are deleted and existing files are not
    changed. A replaced file keeps its permissions; a new file has default permissions. If a path is
    a symbolic link, the file to which it points is replaced.

    Parameters
    ----------
    *paths : str or path-like
        Files to write; they may exist.

    Yields
    ------
    temporary : list of Path
        Empty files to write to, in the order of `paths`.

    Raises
    ------
    OSError
        If a folder does not exist or is not writable, or if a path is a folder, a device or a
        write-protected file.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic_write(folder / "text.txt") as (temporary,):
    ...     _ = temporary.write_text("complete")
    >>> [(path.name, path.read_text()) for path in folder.iterdir()]
    [('text.txt', 'complete')]
    """
    targets = [Path(os.path.realpath(path)) for path in paths]
    for target in targets:
        _check_replaceable(target)
    temporary: list[Path] = []
    try:
        for target in targets:
            path = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
            # Not with tempfile, because its files are readable only by their owner.
            path.touch(exist_ok=False)
            temporary.append(path)
            if target.exists():
                shutil.copymode(target, path)
        yield temporary
        for path in temporary:
            # Otherwise the renamed file may be empty after a power failure.
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        for path, target in zip(temporary, targets, strict=True):
            os.replace(path, target)
    finally:
        for path in temporary:
            path.unlink(missing_ok=True)


def _check_replaceable(target: Path) -> None:
    """Raise an error if renaming would replace a folder, a device or a protected file."""
    if not target.exists() or (target.is_file() and os.access(target, os.W_OK)):
        return
    problem = errno.EACCES if target.is_file() else errno.EINVAL
    problem = errno.EISDIR if target.is_dir() else problem
    raise OSError(problem, os.strerror(problem), str(target))

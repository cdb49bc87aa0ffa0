"""Write files to the side, and put them in their places only when they are complete."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_aside(*paths: str | os.PathLike[str]) -> Iterator[list[Path]]:
    """Lend an empty file beside each of `paths`; at the end these take the places of the files.

    After an error inside the block nothing of them is left, and the files are as they were. Several
    are renamed one right after the other, when all of them are complete. A file that is replaced
    hands down its permissions; a new one has those of any new file. Of a symbolic link the file
    that it points to is replaced.

    Parameters
    ----------
    *paths : str or path-like
        Files to write, which may exist.

    Yields
    ------
    asides : list of Path
        Where to write them, in the same order.

    Raises
    ------
    OSError
        If a folder does not exist or cannot be written to, or if a path is that of a folder, of a
        device, or of a file that is write-protected.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with written_aside(folder / "text.txt") as (aside,):
    ...     _ = aside.write_text("complete")
    >>> [(path.name, path.read_text()) for path in folder.iterdir()]
    [('text.txt', 'complete')]
    """
    targets = [Path(os.path.realpath(path)) for path in paths]
    for target in targets:
        _check_replaceable(target)
    asides: list[Path] = []
    try:
        for target in targets:
            aside = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
            # Not by tempfile, whose files are for the user's eyes only.
            aside.touch(exist_ok=False)
            asides.append(aside)
            if target.exists():
                shutil.copymode(target, aside)
        yield asides
        for aside in asides:
            _flush(aside)
        for aside, target in zip(asides, targets, strict=True):
            os.replace(aside, target)
    finally:
        for aside in asides:
            aside.unlink(missing_ok=True)


def _check_replaceable(target: Path) -> None:
    """Refuse what renaming would replace, though it is no ordinary file or is protected."""
    problem = 0
    if target.is_dir():
        problem = errno.EISDIR
    elif target.exists() and not target.is_file():
        problem = errno.EINVAL
    elif target.exists() and not os.access(target, os.W_OK):
        problem = errno.EACCES
    if problem:
        raise OSError(problem, os.strerror(problem), str(target))


def _flush(path: Path) -> None:
    """Have the disk write a file: else after a power failure the name may stand for nothing."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())

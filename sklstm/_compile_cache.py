"""Cache of compiled functions on disk, which later processes load instead of compiling again."""

from __future__ import annotations

import hashlib
import os
import platform
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from platformdirs import user_cache_path

#: Environment variable for the directory of the cache; an empty value turns the cache off.
VARIABLE = "SKLSTM_CACHE_DIR"
#: Maximum total size of the files in bytes. If it is exceeded, the least recently used ones are
#: deleted until the files take `_KEPT` of it.
MAX_BYTES = 500_000_000
_KEPT = 0.9
# Bytes that this process may write to a directory until it adds up the sizes of all files again,
# which takes longer than to write a file if there are thousands of them.
_until_next_check: dict[Path, int] = {}

_NO_FOLLOW, _BINARY = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_BINARY", 0)
# The first bytes of a file, followed by the SHA-256 of the content, and the content.
_MAGIC = b"sklstm compiled 1\n"
_SUFFIX = ".bin"


class CompileCache:
    """Files with compiled functions, which only the user who wrote them may modify.

    A file is executed when it is used. Files and directories that belong to another user, or that
    others may write, are therefore ignored. If a file cannot be read or written, for example in a
    read-only home directory or on a full disk, functions are compiled as without a cache.

    Parameters
    ----------
    folder : Path
        Directory of the files. It is created with the first file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, key: str) -> bytes | None:
        """Return the content of a file, or None if there is no valid one."""
        path = self._path(key)
        try:
            if not _is_private(os.stat(self.folder)):
                return None
            # A symbolic link could point to the file of another user.
            with open(os.open(path, os.O_RDONLY | _NO_FOLLOW | _BINARY), "rb") as file:
                if not _is_private(os.fstat(file.fileno())):
                    return None
                data = file.read()
        except OSError:
            return None
        start = len(_MAGIC) + hashlib.sha256().digest_size
        content = data[start:]
        if data[:start] != _header(content):
            self.discard(key)
            return None
        # The time of the last use, because many file systems do not keep it.
        with suppress(OSError):
            os.utime(path)
        return content

    def store(self, key: str, content: bytes) -> None:
        """Write a file as a whole, so that other processes never read a part of it."""
        with suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_private(os.stat(self.folder)):
                return
            descriptor, name = tempfile.mkstemp(prefix="part-", dir=self.folder)
            try:
                with open(descriptor, "wb") as file:
                    file.write(_header(content) + content)
                os.replace(name, self._path(key))
            except OSError:
                Path(name).unlink(missing_ok=True)
                raise
            left = _until_next_check.get(self.folder, 0) - len(content)
            _until_next_check[self.folder] = left if left > 0 else self._delete_oldest()

    def discard(self, key: str) -> None:
        """Delete a file that is not usable."""
        with suppress(OSError):
            self._path(key).unlink()

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"

    def _delete_oldest(self) -> int:
        """Delete the least recently used files, and what interrupted writers left, if too large.

        Returns
        -------
        n_bytes : int
            How much may be written until the next call. It is half of what is left, because other
            processes may write, too.
        """
        files = sorted(_stat_files(self.folder), key=lambda entry: entry[1].st_mtime)
        total = sum(status.st_size for _, status in files)
        if total > MAX_BYTES:
            for path, status in files:
                if total <= _KEPT * MAX_BYTES:
                    break
                with suppress(OSError):
                    path.unlink()
                total -= status.st_size
        return (MAX_BYTES - total) // 2


def _stat_files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for path in folder.iterdir():
        with suppress(OSError):  # Another process may have deleted it.
            yield path, path.lstat()


def _header(content: bytes) -> bytes:
    return _MAGIC + hashlib.sha256(content).digest()


def _is_private(status: os.stat_result) -> bool:
    """Return whether a file or directory belongs to this user, and nobody else may write it."""
    if not hasattr(os, "geteuid"):  # Windows, where the directories of a user are private.
        return True
    is_own = status.st_uid == os.geteuid()
    return is_own and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def open_cache() -> CompileCache | None:
    """Return the cache in the directory that the user has chosen, or None if it is turned off."""
    chosen = os.environ.get(VARIABLE)
    if chosen == "":
        return None
    try:
        folder = Path(chosen).expanduser().absolute() if chosen else user_cache_path("sklstm")
    except RuntimeError:  # There is no home directory.
        return None
    return CompileCache(folder / "compiled") if folder.is_absolute() else None


def make_key(parts: Iterable[object]) -> str:
    """Return the key of a function, given everything that determines its code."""
    text = "\n".join(map(repr, (*processor(), *parts)))
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def processor() -> tuple[str, ...]:
    """Return a description of the processor of this machine, including its instruction sets."""
    described = platform.machine(), platform.processor()
    with suppress(OSError, UnicodeDecodeError):  # Only Linux has the file.
        # The paragraphs of the cores differ only in numbers that do not matter.
        paragraph = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n", 1)[0]
        names = ("vendor_id", "model name", "flags", "CPU implementer", "CPU part", "Features")
        lines = (line for line in paragraph.splitlines() if line.startswith(names))
        return *described, *lines
    return described


@cache
def source_digest(folder: Path) -> str:
    """Return a digest of the Python files in a directory."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()

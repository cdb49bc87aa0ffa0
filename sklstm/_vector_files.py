"""Read files of word vectors, one word after another, keeping only the words that are wanted."""

from __future__ import annotations

import gzip
import os
import zlib
from array import array
from collections.abc import Container, Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

# A number of a line or word, the word, and its vector.
_Found = Iterator[tuple[int, str, NDArray[np.float32]]]

# A word of a binary file with more bytes than this is none: the file is of another format.
_LONGEST = 10_000


def read_vectors(
    path: str | os.PathLike[str],
    wanted: Container[str] | None = None,
    max_words: int | None = None,
    binary: bool | None = None,
) -> tuple[list[str], NDArray[np.float32]]:
    """Read words and their vectors in the order of a file.

    Parameters
    ----------
    path : str or path-like
        A file in the text format of GloVe, in that of word2vec and fastText (".vec"), or in the
        binary format of word2vec; compressed if its name ends in ".gz".
    wanted : container of str or None
        Words to keep; None keeps all.
    max_words : int or None
        Read only so many words from the start of the file.
    binary : bool or None
        Whether the format is binary. None: it is if the name ends in ".bin" or ".bin.gz".

    Returns
    -------
    tokens : list of str
        The words.
    matrix : ndarray of float32 of shape (n_tokens, n_values)
        A vector a word.

    Raises
    ------
    ValueError
        If a word has another number of values than the first one, a value that is no finite number,
        or stands there twice, or if the file ends too early. Says in which line, or for the binary
        format at which word.
    """
    path = Path(path)
    name = path.name.lower().removesuffix(".gz")
    is_binary = name.endswith(".bin") if binary is None else binary
    kind = "word" if is_binary else "line"
    read = _read_binary if is_binary else _read_text
    numbers: dict[str, int] = {}
    values = array("f")
    n_values = 0
    with _opened(path) as file:
        for number, token, row in read(file, path, wanted, max_words):
            if token in numbers:
                raise ValueError(
                    f"{path} has {token!r:.60} in {kind} {numbers[token]} and again in {kind} "
                    f"{number}. Remove one of them."
                )
            if not np.isfinite(row).all():
                raise _wrong(path, f"{kind} {number}", "has a value that is not finite")
            numbers[token] = number
            values.frombytes(row.tobytes())
            n_values = row.size
    return list(numbers), np.frombuffer(values, np.float32).reshape(len(numbers), n_values)


def _opened(path: Path) -> IO[bytes]:
    # A file object of gzip gives the same bytes.
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")  # type: ignore[return-value]


def _read_text(
    file: IO[bytes], path: Path, wanted: Container[str] | None, max_words: int | None
) -> _Found:
    n_expected = n_values = n_words = 0
    for number, line in _lines(file, path):
        where = f"line {number}"
        fields = line.strip(b" \r\n")
        if number == 1:
            n_expected, n_values = _header(fields) or (0, fields.count(b" "))
            if n_values == 0:
                raise _wrong(path, where, "has no values")
            if n_expected:
                continue
        if not fields:
            continue
        if n_words == max_words:
            return
        n_words += 1
        # Some words of GloVe have spaces in them.
        word = fields.rsplit(b" ", n_values)[0]
        n_found = fields.count(b" ")
        if n_found < n_values or (n_found > n_values and _is_number(word.split(b" ")[-1])):
            raise _wrong(path, where, f"has {n_found} values, where {n_values} are expected")
        token = _decoded(word, path, where)
        if wanted is None or token in wanted:
            try:
                row = np.array(fields[len(word) + 1 :].split(b" "), dtype=np.float32)
            except ValueError:
                raise _wrong(path, where, "has a value that is no number") from None
            yield number, token, row
    _check_end(path, n_words, n_expected if max_words is None else min(n_expected, max_words))


def _read_binary(
    file: IO[bytes], path: Path, wanted: Container[str] | None, max_words: int | None
) -> _Found:
    header = _header(_taken(file, path, _LONGEST, end=b"\n"))
    if header is None:
        raise _wrong(
            path, "line 1", "does not tell the numbers of words and values; pass binary=False"
        )
    n_expected, n_values = header
    n_expected = n_expected if max_words is None else min(n_expected, max_words)
    for number in range(1, n_expected + 1):
        where = f"word {number}"
        # Some programs write a line break after each vector.
        word = _taken(file, path, _LONGEST, end=b" ").lstrip(b"\n")
        data = _taken(file, path, 4 * n_values)
        if len(data) < 4 * n_values:
            _check_end(path, number - 1, n_expected)
        token = _decoded(word, path, where)
        if wanted is None or token in wanted:
            yield number, token, np.frombuffer(data, "<f4").astype(np.float32)


def _lines(file: IO[bytes], path: Path) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        for number, line in enumerate(file, start=1):
            yield number, line
    except (EOFError, zlib.error) as error:
        raise _cut_off(path, f"after line {number}") from error


def _taken(file: IO[bytes], path: Path, n_bytes: int, end: bytes | None = None) -> bytes:
    """Read `n_bytes`, or up to `end`; fewer if the file ends."""
    try:
        if end is None:
            return file.read(n_bytes)
        taken = bytearray()
        while (byte := file.read(1)) not in (b"", end) and len(taken) < n_bytes:
            taken += byte
        return bytes(taken)
    except (EOFError, zlib.error) as error:
        raise _cut_off(path, "in the middle") from error


def _header(line: bytes) -> tuple[int, int] | None:
    """Return the numbers of words and values, if that is what a line has."""
    fields = line.split()
    if len(fields) == 2 and all(field.isdigit() for field in fields):
        return int(fields[0]), int(fields[1])
    return None


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _decoded(word: bytes, path: Path, where: str) -> str:
    try:
        return word.decode()
    except UnicodeDecodeError:
        raise _wrong(path, where, f"has a word that is not UTF-8, {word!r:.60}") from None


def _check_end(path: Path, n_words: int, n_expected: int) -> None:
    if n_words < n_expected:
        raise _cut_off(path, f"after {n_words} of the {n_expected} words that line 1 promises")


def _cut_off(path: Path, where: str) -> ValueError:
    return ValueError(f"{path} ends {where}: it is cut off. Download it again.")


def _wrong(path: Path, where: str, what: str) -> ValueError:
    return ValueError(
        f"{path}: {where} {what}. Mend or remove it, or pass a file of GloVe, word2vec or fastText."
    )

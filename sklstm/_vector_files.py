"""Read and write files of word vectors: compression, formats, errors with the line number."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import struct
import warnings
import zipfile
import zlib
from array import array
from collections.abc import Callable, Container, Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklstm import _persistence
from sklstm._tokens import normalize

# First line of a file with a header: number of words and number of values.
_HEADER = re.compile(rb"\s*(\d+)\s+(\d+)\s*")
# A longer word in a binary file indicates that the file has another format.
_MAX_WORD_BYTES = 10_000
# Bytes at the start of a file by which its format is recognized; a tar archive needs the most.
_HEAD_SIZE = 2**13
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Control characters, which text does not contain.
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")

# Number of the line or word in the file, word, and its values, all as in the file.
_Entries = Iterator[tuple[int, bytes, bytes]]

_COMPRESSIONS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b\x08": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_EXTRACT = "extract the file of vectors, and pass its path"
_CONVERT = "save the vectors as text, with one word and its values per line"
# Files that contain no readable vectors, by their first bytes: what they are, and the remedy.
_UNREADABLE = {
    # FASTTEXT_FILEFORMAT_MAGIC_INT32 of fastText.
    struct.pack("<i", 793712314): (
        "a model of fastText, not a file of vectors",
        "pass the .vec file, which is published under the same name",
    ),
    b"\x93NUMPY": ("a NumPy array", "pass WordVectors(words, numpy.load(path))"),
    b"\x89HDF": ("an HDF5 file", _CONVERT),
    b"PAR1": ("a Parquet file", _CONVERT),
    b"7z\xbc\xaf": ("a 7z archive", _EXTRACT),
    b"Rar!": ("a RAR archive", _EXTRACT),
    b"\x28\xb5\x2f\xfd": ("compressed with zstandard", _EXTRACT),
    b"\xff\xfe": ("encoded in UTF-16", "convert it to UTF-8"),
    b"\xfe\xff": ("encoded in UTF-16", "convert it to UTF-8"),
    b"<!DOCTYPE": ("a web page", "download the file of vectors again"),
    b"<!doctype": ("a web page", "download the file of vectors again"),
    b"<html": ("a web page", "download the file of vectors again"),
}
_GENSIM = (
    "load it with gensim, as KeyedVectors.load(path), and pass the object to "
    "WordVectors.from_source"
)
_UNREADABLE |= {bytes([0x80, protocol]): ("a pickle", _GENSIM) for protocol in range(2, 6)}


class _UnreadableFormatError(Exception):
    """A file is in a format that cannot be read; the message contains the remedy."""


def read_vectors(
    path: Path,
    wanted: Container[str] | None,
    max_words: int | None,
    binary: bool | None,
    errors: str,
) -> tuple[list[str], NDArray[np.float32]]:
    """Read words and their vectors in the order of a file.

    Parameters
    ----------
    path : Path
        File as in `WordVectors.load`.
    wanted : container of str or None
        Words to keep, in Unicode NFC; None keeps all.
    max_words : int or None
        Maximum number of words to read; None reads all.
    binary : bool or None
        Whether the format is binary; None infers it from the content and the name.
    errors : {"strict", "replace", "ignore"}
        What to do with words that are not UTF-8.

    Returns
    -------
    tokens : list of str
        Distinct words in Unicode NFC. A warning is issued if the file has a word repeatedly.
    matrix : ndarray of float32, shape (n_tokens, vector_size)
        Vector of each word.

    Raises
    ------
    ValueError
        If the number of values of a word differs from that of the first word, if a value is not a
        finite number, or if the file is truncated or has another format. The message contains the
        number of the line or, in the binary format, of the word.
    """
    try:
        with _open_decompressed(path) as (file, name):
            if binary is None:
                binary = _is_binary(file.peek(_HEAD_SIZE), name)
            return _read_entries(file, path, wanted, max_words, binary, errors)
    except _UnreadableFormatError as error:
        raise ValueError(f"{path} {error}.") from None
    except EOFError as error:
        raise ValueError(f"{path} is truncated: {error}. Download it again.") from error
    except (zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged: {error}. Download it again.") from error
    except OSError as error:
        if error.errno is not None:  # Such as a file that does not exist.
            raise
        raise ValueError(f"{path} is damaged: {error}. Download it again.") from error
    except ValueError as error:
        remedy = "Correct or remove it, or pass a file of GloVe, word2vec or fastText."
        raise ValueError(f"{path}: {error}. {remedy}") from None


def write_vectors(path: Path, tokens: NDArray[np.object_], matrix: NDArray[np.float32]) -> None:
    """Write words and their vectors to a file, as `WordVectors.save` describes.

    Raises
    ------
    ValueError
        If a word contains a white space.
    OSError
        If the file cannot be written.
    """
    if path.suffix.lower() == ".npz":
        with _persistence.atomic_write(path) as (incomplete,), incomplete.open("wb") as archive:
            np.savez_compressed(archive, tokens=_persistence.pack_tokens(tokens), matrix=matrix)
        return
    for token in tokens:
        if len(token.split()) != 1 or token != token.strip():
            raise ValueError(
                f"The word {token!r:.60} contains a white space, which the text format does not "
                "allow. Save to a file whose name ends in '.npz'."
            )
    with (
        _persistence.atomic_write(path) as (incomplete,),
        incomplete.open("w", encoding="utf-8", errors="surrogatepass", newline="\n") as file,
    ):
        file.write(f"{len(tokens)} {matrix.shape[1]}\n")
        for token, row in zip(tokens, matrix, strict=True):
            # The shortest numbers that float32 reads as the same values.
            file.write(f"{token} {' '.join(row.astype(str))}\n")


def read_archive(
    path: Path, owner: type, wanted: Container[str] | None, max_words: int | None
) -> tuple[list[str], NDArray[np.float32]] | None:
    """Read an archive of `write_vectors`; return None for any other file.

    Parameters
    ----------
    path : Path
        Any file.
    owner : type
        Class that is loaded, for error messages.
    wanted, max_words
        As in `read_vectors`.

    Returns
    -------
    tokens : list of str
        Words.
    matrix : ndarray of float32, shape (n_tokens, vector_size)
        Vector of each word.

    Raises
    ------
    ValueError
        If the archive is damaged.
    """
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        if set(archive.namelist()) != {"tokens.npy", "matrix.npy"}:
            return None
    try:
        with np.load(path) as arrays:
            packed, matrix = arrays["tokens"], arrays["matrix"]
    except (ValueError, zlib.error, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged: {error}. Save the vectors again.") from error
    words = _persistence.unpack_tokens(owner, "tokens", packed).tolist()
    _persistence.check_array(owner, "matrix", matrix, np.float32, (len(words), None))
    words = words[:max_words]
    rows = [row for row, word in enumerate(words) if wanted is None or word in wanted]
    return [words[row] for row in rows], matrix[rows]


def _read_entries(
    file: BufferedReader,
    path: Path,
    wanted: Container[str] | None,
    max_words: int | None,
    binary: bool,
    errors: str,
) -> tuple[list[str], NDArray[np.float32]]:
    unit, read = ("word", _read_binary) if binary else ("line", _read_text)
    numbers: dict[str, int] = {}
    rows, vector_size = array("f"), 0
    n_repeated, repetition = 0, ""
    for number, word, values in read(file, max_words):
        where = f"{unit} {number}"
        try:
            token = word.decode("utf-8", errors)
            token = token if token.isascii() else normalize(token)
            if wanted is not None and token not in wanted:
                continue
            if token in numbers:
                n_repeated += 1
                repetition = repetition or f"{token!r:.60} in {unit}s {numbers[token]} and {number}"
                continue
            fields = np.frombuffer(values, "<f4") if binary else values.split(b" ")
            row = np.array(fields, dtype=np.float32)
        except UnicodeDecodeError as error:
            remedy = 'pass errors="replace" or errors="ignore" to load it nevertheless'
            raise ValueError(f"{where} cannot be read: {error}; {remedy}") from None
        except ValueError as error:
            raise ValueError(f"{where} cannot be read: {error}") from None
        if not np.isfinite(row).all():
            raise ValueError(f"{where} has a value that is not finite")
        if not token:
            continue  # Nothing remains of the word.
        numbers[token] = number
        rows.frombytes(row.tobytes())
        vector_size = row.size
    if n_repeated:
        found = f"{n_repeated:,} repeated {'word' if n_repeated == 1 else 'words'}"
        message = f"{path} has {found}, such as {repetition}; the first vector of a word is kept."
        warnings.warn(message, UserWarning, stacklevel=4)
    return list(numbers), np.frombuffer(rows, np.float32).reshape(len(numbers), vector_size)


@contextmanager
def _open_decompressed(path: Path) -> Iterator[tuple[BufferedReader, str]]:
    """Open a file, decompressed according to its content, and yield it with its original name."""
    with ExitStack() as stack:
        file: BufferedReader = stack.enter_context(path.open("rb"))
        name = path.name
        while True:
            head = file.peek(_HEAD_SIZE)
            if head.startswith(_ZIP):
                file, name = _open_member(file, stack)
                continue
            found = [start for magic, start in _COMPRESSIONS.items() if head.startswith(magic)]
            if not found or (head.startswith(b"BZh") and head[4:10] != b"1AY&SY"):
                break
            file = BufferedReader(stack.enter_context(found[0](file)))
            name = re.sub(r"\.(gz|bz2|xz)$", "", name, flags=re.IGNORECASE)
        for magic, (kind, remedy) in _UNREADABLE.items():
            if head.startswith(magic):
                raise _UnreadableFormatError(f"is {kind}; {remedy}")
        if head[257:262] == b"ustar":
            raise _UnreadableFormatError(f"is a tar archive; {_EXTRACT}")
        if head.startswith(_BYTE_ORDER_MARK):
            file.read(len(_BYTE_ORDER_MARK))
        yield file, name


def _open_member(file: BufferedReader, stack: ExitStack) -> tuple[BufferedReader, str]:
    """Open the only file of a zip archive, and return it with its name."""
    archive = stack.enter_context(zipfile.ZipFile(file))
    # Some programs add hidden files and folders, such as __MACOSX/.
    hidden = re.compile(r"(^|/)(\.|__MACOSX/)|/$")
    members = [entry for entry in archive.infolist() if not hidden.search(entry.filename)]
    if len(members) != 1:
        names = ", ".join(entry.filename for entry in members)
        found = f"{len(members)} files: {names:.500}" if members else "no file"
        raise _UnreadableFormatError(f"is a zip archive of {found}; {_EXTRACT}")
    if members[0].flag_bits & 1:
        raise _UnreadableFormatError(f"is an encrypted zip archive; {_EXTRACT}")
    try:
        member: Any = stack.enter_context(archive.open(members[0]))
    except NotImplementedError as error:
        raise _UnreadableFormatError(f"is a zip archive: {error}; {_EXTRACT}") from None
    return BufferedReader(member), members[0].filename


def _is_binary(head: bytes, name: str) -> bool:
    """Return whether a file, of which the head and the name are given, is in binary format."""
    first, _, rest = head.partition(b"\n")
    has_header = _HEADER.fullmatch(first) is not None
    return name.lower().endswith(".bin") or (has_header and _CONTROL.search(rest) is not None)


def _read_text(file: BufferedReader, max_words: int | None) -> _Entries:
    n_expected = vector_size = n_words = 0
    for number, line in enumerate(file, start=1):
        fields = line.strip(b" \r\n")
        if number == 1:
            if header := _HEADER.fullmatch(fields):
                n_expected, vector_size = map(int, header.groups())
                continue
            vector_size = fields.count(b" ")
            if not vector_size:
                hint = "; separate them by spaces, not by tabs" if b"\t" in fields else ""
                raise ValueError(f"line 1 has no values{hint}")
        if not fields:
            continue
        if n_words == max_words:
            return
        n_words += 1
        # Some words of GloVe contain spaces.
        word = fields.rsplit(b" ", vector_size)[0]
        n_found = fields.count(b" ")
        if n_found < vector_size or (n_found > vector_size and _is_number(word.split(b" ")[-1])):
            raise ValueError(f"line {number} has {n_found} values, expected {vector_size}")
        yield number, word, fields[len(word) + 1 :]
    if n_words != max_words:
        _check_complete(n_words, n_expected)


def _read_binary(file: BufferedReader, max_words: int | None) -> _Entries:
    header = _HEADER.fullmatch(_read_until(file, b"\n"))
    if header is None:
        problem = "does not have the numbers of words and values; pass binary=False"
        raise ValueError(f"line 1 {problem}")
    n_expected, vector_size = map(int, header.groups())
    for number in range(1, min(n_expected, max_words or n_expected) + 1):
        # Some programs write a line break after each vector.
        word = _read_until(file, b" ").lstrip(b"\n")
        data = file.read(4 * vector_size)
        if len(data) < 4 * vector_size:
            _check_complete(number - 1, n_expected)
        yield number, word, data


def _read_until(file: BufferedReader, end: bytes) -> bytes:
    """Read up to `end` or the end of the file, but at most `_MAX_WORD_BYTES` bytes."""
    found = bytearray()
    while (byte := file.read(1)) not in (b"", end) and len(found) < _MAX_WORD_BYTES:
        found += byte
    return bytes(found)


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_complete(n_words: int, n_expected: int) -> None:
    if n_words < n_expected:
        raise EOFError(f"it ends after {n_words} of the {n_expected} words announced in line 1")

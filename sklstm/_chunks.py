"""Read labelled documents chunk by chunk, and shuffle them in a buffer."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray


class Documents(NamedTuple):
    """Some documents.

    Attributes
    ----------
    X : ndarray of objects of shape (n,) or (n, n_columns)
        Texts.
    columns : list or None
        Names of the columns, where they have some.
    y : ndarray of shape (n,) or (n, n_labels)
        Labels, as objects or as their places among the classes; or a label indicator.
    """

    X: NDArray[np.object_]
    columns: list[Any] | None
    y: NDArray[Any]

    @property
    def texts(self) -> Any:
        """The texts as a transformer takes them."""
        return self.X if self.columns is None else pd.DataFrame(self.X, columns=self.columns)

    def take(self, rows: NDArray[np.intp]) -> Documents:
        """Return copies of some rows, so that the others need not stay in memory."""
        return self._replace(X=self.X[rows], y=self.y[rows])


@dataclass(frozen=True)
class Stream:
    """What there is to read: `chunks`, `text` and `label` of `fit_stream`."""

    chunks: Any
    text: Any
    label: Any

    def __post_init__(self) -> None:
        if not callable(self.chunks):
            _check_iterable(self.chunks, "chunks is")

    @property
    def can_be_read_again(self) -> bool:
        """Whether `read` may be called twice."""
        return callable(self.chunks) or iter(self.chunks) is not self.chunks

    def read(self) -> Iterator[Documents]:
        """Give the documents of each chunk, with labels as objects.

        Raises
        ------
        TypeError, ValueError
            If a chunk is not as `fit_stream` asks for, or there are no documents.
        """
        chunks = self.chunks
        if callable(chunks):
            chunks = chunks()
            _check_iterable(chunks, "chunks() is")
        n_documents = 0
        for number, chunk in enumerate(chunks, start=1):
            documents = _read_chunk(chunk, self.text, self.label, number)
            n_documents += len(documents.y)
            yield documents
        if not n_documents:
            raise ValueError(
                "chunks holds no documents. A function must return a new iterable at each call, "
                "not one that has been read to its end."
            )


def with_codes(chunks: Iterable[Documents], classes: NDArray[Any] | None) -> Iterator[Documents]:
    """Replace the labels of documents, unless they are indicators, by their places in `classes`.

    Raises
    ------
    ValueError
        If there are no classes, or a label is none of them.
    """
    codes = {} if classes is None else {label: code for code, label in enumerate(classes.tolist())}
    for number, documents in enumerate(chunks, start=1):
        if documents.y.ndim == 2:
            yield documents
            continue
        if not codes:
            raise ValueError(
                "classes=None, and chunks can be read only once: pass all labels that occur, such "
                "as classes=['negative', 'positive']."
            )
        y = np.array([codes.get(label, -1) for label in documents.y.tolist()], dtype=np.intp)
        if (y < 0).any():
            row = int(np.argmax(y < 0))
            raise ValueError(
                f"Row {row} of chunk {number} has the label {documents.y[row]!r}, which is none "
                f"of classes={list(codes)!r:.200}. Add it there, or drop the document. Of numbers, "
                "pandas.read_csv makes texts in chunks that have other texts too: set its dtype."
            )
        yield documents._replace(y=y)


def in_blocks(chunks: Iterable[Documents], size: int) -> Iterator[Documents]:
    """Cut documents into blocks of `size`; the last one may be smaller."""
    pieces: list[Documents] = []
    n_missing = size
    for documents in chunks:
        rows = np.arange(len(documents.y))
        while rows.size:
            pieces.append(documents.take(rows[:n_missing]))
            n_missing -= len(pieces[-1].y)
            rows = rows[len(pieces[-1].y) :]
            if not n_missing:
                yield _joined(pieces)
                pieces, n_missing = [], size
    if pieces:
        yield _joined(pieces)


def shuffled(
    blocks: Iterable[Documents], size: int, rng: np.random.Generator
) -> Iterator[Documents]:
    """Shuffle documents in a buffer.

    The buffer takes two blocks. Whenever it is full, half of its documents, drawn evenly at
    random, leave it.

    Parameters
    ----------
    blocks : iterable of Documents
        Of `size` documents each, but for the last one.
    size : int
        Half of what the buffer holds.
    rng : numpy.random.Generator
        Source of randomness.

    Yields
    ------
    draw : Documents
        Of `size` documents; of fewer at the end. Each document is in one draw.
    """
    held: list[Documents] = []
    for block in blocks:
        held.append(block)
        # What has been drawn is to be gone before the next block is read.
        del block
        if sum(len(part.y) for part in held) == 2 * size:
            held = _dealt(held, 2, rng)
            yield held.pop()
    # In parts of like size: a few documents alone would make a step of their own.
    n_left = sum(len(part.y) for part in held)
    yield from _dealt(held, ceil(n_left / size), rng)


def _dealt(parts: list[Documents], n: int, rng: np.random.Generator) -> list[Documents]:
    """Deal documents out at random to `n` parts of like size."""
    if not parts:
        return []
    whole = _joined(parts)
    order = rng.permutation(len(whole.y))
    return [whole.take(rows) for rows in np.array_split(order, n)]


def _check_iterable(chunks: Any, what: str) -> None:
    is_one = isinstance(chunks, (str, bytes, os.PathLike, pd.DataFrame))
    if is_one or not isinstance(chunks, Iterable):
        raise TypeError(
            f"{what} a {type(chunks).__name__}; it must be an iterable of DataFrames or of pairs "
            "(X, y). Of a CSV file that is pd.read_csv(path, chunksize=5_000); a chunk alone goes "
            "into a list."
        )


def _read_chunk(chunk: Any, text: Any, label: Any, number: int) -> Documents:
    if isinstance(chunk, pd.DataFrame):
        X, y = _column(chunk, text, "text", number), _column(chunk, label, "label", number)
    elif isinstance(chunk, (tuple, list)) and len(chunk) == 2:
        X, y = chunk
    else:
        raise TypeError(
            f"Chunk {number} is a {type(chunk).__name__}; it must be a DataFrame, or a pair (X, y) "
            "of texts and labels."
        )
    columns = X.columns.tolist() if isinstance(X, pd.DataFrame) else None
    # As objects, None and NaN among strings do not turn into strings.
    X, labels = np.asarray(X, dtype=object), np.asarray(y, dtype=object)
    if X.ndim not in (1, 2) or labels.ndim not in (1, 2) or len(X) != len(labels):
        raise ValueError(
            f"Chunk {number} has texts of shape {X.shape} and labels of shape {labels.shape}; "
            "there must be as many labels as documents."
        )
    is_missing = np.atleast_2d(pd.isna(labels).T).any(axis=0)
    if is_missing.any():
        raise ValueError(
            f"The label of row {is_missing.argmax()} of chunk {number} is missing. Drop the "
            "documents without a label, or label them."
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    return Documents(X, columns, labels if labels.ndim == 1 else np.asarray(y))


def _column(chunk: pd.DataFrame, wanted: Any, parameter: str, number: int) -> Any:
    names = wanted if isinstance(wanted, list) else [wanted]
    if any(name not in chunk.columns for name in names):
        raise ValueError(
            f"{parameter}={wanted!r} is no column of chunk {number}, which is a DataFrame of "
            f"{chunk.columns.tolist()}. Set it to the name of one, or a list of names."
        )
    return chunk[wanted]


def _joined(parts: list[Documents]) -> Documents:
    if any(part.columns != parts[0].columns for part in parts):
        names = [part.columns for part in parts if part.columns != parts[0].columns]
        raise ValueError(
            f"Chunks differ in their columns of texts: {parts[0].columns}, then {names[0]}."
        )
    X, y = (np.concatenate(arrays) for arrays in zip(*((p.X, p.y) for p in parts), strict=True))
    return parts[0]._replace(X=X, y=y)

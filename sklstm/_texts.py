"""Read texts as users pass them, and lay their token ids out in padded rows."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

_KINDS = (
    "a list, tuple, pandas Series or 1-D array of texts, or a DataFrame or 2-D array whose "
    "columns are all text"
)


def read_texts(X: Any, separator: str) -> tuple[list[str], int]:
    """Turn X into a list of str, a document each, and its number of columns (1 if X is 1-D).

    X has shape (n_documents,), or (n_documents, n_columns), whose columns are joined by
    `separator`. None, NaN and ``pandas.NA`` are missing texts: left out of a join, else empty.
    The list may be X itself, so it must not be changed. What is of another shape is a ValueError;
    what is no sequence, or holds anything but texts, is a TypeError.
    """
    columns = _columns(X)
    if len(columns) == 1 and _all_str(columns[0]):
        return columns[0], 1
    rows = zip(*columns, strict=True)
    texts = [separator.join([text for text in row if text is not None]) for row in rows]
    return texts, len(columns)


def _columns(X: Any) -> list[list[Any]]:
    """Split X into its columns, each a list of str and None, or refuse it."""
    if isinstance(X, (str, bytes)):
        raise ValueError(
            "Iterable over raw text documents expected, string object received. "
            "Pass a single document as a list of one: [text]."
        )
    if issparse(X):
        raise TypeError(f"Sparse data was passed, but texts are required: X must be {_KINDS}.")
    is_sequence = hasattr(X, "__len__") and hasattr(X, "__getitem__")
    if not is_sequence or isinstance(X, (Mapping, Set, type)):
        raise TypeError(
            f"X must be {_KINDS}; got {type(X).__name__}. "
            "If it gives one text after another, pass list(X)."
        )
    n_dimensions = getattr(X, "ndim", 1)
    if n_dimensions == 1:
        return [_entries(X, "X")]
    if n_dimensions != 2:
        raise ValueError(f"X has {n_dimensions} dimensions; it must be {_KINDS}.")
    if X.shape[1] == 0:
        raise ValueError(f"X has shape {X.shape}: no columns. Pass at least one column of texts.")
    columns = X.items() if hasattr(X, "items") else enumerate(X.T)
    return [_entries(column, f"column {name!r} of X") for name, column in columns]


def _entries(column: Any, where: str) -> list[Any]:
    """List the texts of one column, with None for a missing one."""
    entries = column.tolist() if hasattr(column, "tolist") else column
    if _all_str(entries):
        # A list is not copied: it is only read, and a corpus may be large.
        return entries if isinstance(entries, list) else list(entries)
    texts: list[str | None] = []
    for row, entry in enumerate(entries):
        if isinstance(entry, str):
            texts.append(str(entry))
        elif _is_missing(entry):
            texts.append(None)
        else:
            raise TypeError(
                f"Row {row} of {where} holds {entry!r:.60} ({type(entry).__name__}), which is not "
                "a text. Every document must be a str, or None or NaN where it is missing: "
                "convert or decode it, or leave that row or column out."
            )
    return texts


def _all_str(entries: Iterable[Any]) -> bool:
    return set(map(type, entries)) <= {str}


def _is_missing(entry: Any) -> bool:
    """Tell whether an entry is None, a NaN of any float type, or pandas.NA."""
    if entry is None:
        return True
    if isinstance(entry, (float, np.floating)):
        return bool(np.isnan(entry))
    # Whoever passes pandas.NA has imported pandas; an import here would slow down all others.
    pandas = sys.modules.get("pandas")
    return pandas is not None and entry is pandas.NA


def pad_rows(
    ids: NDArray[np.int32],
    lengths: NDArray[np.int64],
    width: int,
    padding: str = "pre",
    truncating: str = "pre",
) -> NDArray[np.int32]:
    """Lay documents out in rows of one width, as Keras ``pad_sequences`` does.

    `ids` holds the tokens of all documents one after another, `lengths` says how many each has.
    The result has shape (n_documents, width) and is C-contiguous.
    """
    rows = np.zeros((lengths.size, width), dtype=np.int32)
    stops = np.cumsum(lengths)
    starts = stops - lengths
    if truncating == "pre":
        starts = np.maximum(starts, stops - width)
    else:
        stops = np.minimum(stops, starts + width)
    # A slice for each document: no index arrays as large as the corpus.
    for row, start, stop in zip(rows, starts.tolist(), stops.tolist(), strict=True):
        if padding == "pre":
            row[width - (stop - start) :] = ids[start:stop]
        else:
            row[: stop - start] = ids[start:stop]
    return rows

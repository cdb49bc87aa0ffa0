"""The results of all folds as two data frames: scores and predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from sklstm._comparison.folds import FoldResult, Split
from sklstm._sklearn import num_samples

_SPLIT_COLUMNS = ["repeat", "fold", "n_train", "n_test"]
# Names that a score or a classifier cannot have, because a column has it.
RESERVED_SCORES = {"classifier", *_SPLIT_COLUMNS, "fit_time", "score_time", "error"}
RESERVED_NAMES = {"repeat", "fold", "y"}


def scores_frame(
    results: Mapping[str, list[FoldResult]], splits: list[Split], scoring: tuple[str, ...]
) -> pd.DataFrame:
    rows = [
        [name, *_split_values(split), one.fit_time, one.score_time, *map(one.scores.get, scoring)]
        for name, folds in results.items()
        for split, one in zip(splits, folds, strict=True)
    ]
    columns = ["classifier", *_SPLIT_COLUMNS, "fit_time", "score_time", *scoring]
    return pd.DataFrame(rows, columns=pd.Index(columns))


def _split_values(split: Split) -> list[int]:
    return [split.repeat, split.fold, len(split.train), len(split.test)]


def predictions_frame(
    results: Mapping[str, list[FoldResult]], splits: list[Split], X: Any, y: Any
) -> pd.DataFrame:
    rows = np.concatenate([split.test for split in splits])
    repeats = np.concatenate([np.full(len(split.test), split.repeat) for split in splits])
    folds = np.concatenate([np.full(len(split.test), split.fold) for split in splits])
    order = np.lexsort((rows, repeats))
    index = X.index if isinstance(X, pd.Series | pd.DataFrame) else pd.RangeIndex(num_samples(X))
    labels = _cells(y.toarray() if issparse(y) else y)
    frame = pd.DataFrame({"repeat": repeats[order], "fold": folds[order]}, index=index[rows[order]])
    frame["y"] = labels.iloc[rows[order]].array
    for name, outcomes in results.items():
        predicted = pd.concat([_cells(one.predictions) for one in outcomes], ignore_index=True)
        frame[name] = predicted.iloc[order].array
    return frame


def _cells(labels: Any) -> pd.Series[Any]:
    """Return labels as a column; those of a document with several labels as a tuple."""
    labels = np.asarray(labels)
    if labels.ndim == 1 or labels.shape[1] == 1:
        return pd.Series(labels.ravel())
    return pd.Series([tuple(row) for row in labels.tolist()], dtype=object)

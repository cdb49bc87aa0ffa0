"""Classify texts with an exported ONNX model, without sklstm, scikit-learn and Keras.

This program runs a pipeline of TextSequencer and LSTMTextClassifier that was exported with
`sklstm.export.to_onnx`. Copy this file to the target machine. It needs Python 3.10 or newer, numpy,
onnxruntime, and the two files written by to_onnx in the same directory.

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


class OnnxTextClassifier:
    """Text classifier that loads "model.onnx" and "model.tokenizer.json".

    The attribute `classes` has the labels in the column order of `predict_proba`.
    """

    def __init__(self, path: str | Path) -> None:
        settings = Path(path).with_suffix(".tokenizer.json").read_bytes()
        self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        properties = self.session.get_modelmeta().custom_metadata_map
        if properties.get("tokenizer_sha256") != hashlib.sha256(settings).hexdigest():
            raise ValueError(f"{path} was not written together with its tokenizer file; copy both.")
        self.classes = json.loads(properties["classes"])
        self.settings = json.loads(settings)
        if self.settings["format"] != 1:
            raise ValueError(f"The tokenizer of {path} needs a newer onnx_loader.py.")
        self.pattern = re.compile(self.settings["token_pattern"] or "")
        # Pretrained vectors may split contractions: "do" "n't", "it" "'s".
        self.parts = re.compile(self.settings.get("vector_parts", ""))
        self.stop_words = frozenset(self.settings["stop_words"])
        tokens = self.settings.get("tokens", [])
        self.ids = {token: id_ for id_, token in enumerate(tokens) if id_ >= N_RESERVED and token}
        self.with_vectors = frozenset(
            tokens[N_RESERVED : N_RESERVED + self.settings.get("n_vectors", 0)]
        )
        # The id of the shortest token with each prefix; of several, the smallest id.
        self.prefix_ids: dict[str, int] = {}
        if self.settings.get("handle_unknown") == "prefix":
            for token in sorted(self.ids, key=len):
                for prefix in long_prefixes(token):
                    self.prefix_ids.setdefault(prefix, self.ids[token])

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Return the label of each text, or an indicator matrix for multilabel targets."""
        return self.session.run(["label"], {"ids": self.token_ids(texts)})[0]

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return the class probabilities of each text."""
        return self.session.run(["probabilities"], {"ids": self.token_ids(texts)})[0]

    def token_ids(self, texts: Sequence[str]) -> np.ndarray:
        """Return padded token ids, like `TextSequencer.transform`."""
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
        """Split a text into tokens."""
        text = text.lower() if self.settings["lowercase"] else text
        if self.settings["strip_accents"] and not text.isascii():
            text = unicodedata.normalize("NFKD", self.normalize(text))
            if self.settings["strip_accents"] == "ascii":
                text = text.encode("ascii", "ignore").decode()
            text = "".join(c for c in text if not unicodedata.combining(c))
        text = self.normalize(text)
        if self.settings["analyzer"] == "char":
            found = list(re.sub(r"\s\s+", " ", text))
        else:
            found = self.pattern.findall(text)
            found = [token for token in found if token and token not in self.stop_words]
        if self.with_vectors:
            found = [word for token in found for word in self.match_vectors(token)]
        return found

    def normalize(self, text: str) -> str:
        """Convert a text to Unicode NFC, with one form of each apostrophe."""
        if text.isascii():
            return text
        for pattern, replacement in self.settings["normalization"]:
            text = re.sub(pattern, replacement, text)
        return unicodedata.normalize("NFC", text)

    def match_vectors(self, token: str) -> list[str]:
        """Return the spelling of a token that matches the pretrained vectors.

        This is the first variant whose words all have a vector, or else the last variant with at
        least one such word.
        """
        straight = self.normalize(token)
        curly = [straight.replace("'", char) for char in "\u2019\u02bc"]
        parts = self.parts.findall(straight)
        whole = [[word] for word in (token, straight, *curly, straight.lower())]
        variants = [
            variant for variant in [*whole, parts, [part.lower() for part in parts]] if variant
        ]
        for variant in variants:
            if self.with_vectors.issuperset(variant):
                return variant
        return next(
            (variant for variant in variants[::-1] if self.with_vectors.intersection(variant)),
            [token],
        )

    def id_of(self, token: str) -> int:
        """Return the id of a token or of a similar one from the vocabulary, or by hashing."""
        if self.settings["indexing"] == "vocabulary":
            if token in self.ids:
                return self.ids[token]
            shared = [prefix for prefix in long_prefixes(token) if prefix in self.prefix_ids]
            return self.prefix_ids[shared[-1]] if shared else OOV_ID
        hashed = murmurhash3(token.encode("utf-8", "surrogatepass"))
        return N_RESERVED + hashed % (self.settings["n_tokens"] - N_RESERVED)


def long_prefixes(token: str) -> list[str]:
    """Return the prefixes with at least four characters and 70 % of the characters of a token.

    There are none of tokens with more than 50 characters.
    """
    shortest = max(4, -(-70 * len(token) // 100)) if len(token) <= 50 else len(token) + 1
    return [token[:length] for length in range(shortest, len(token) + 1)]


def murmurhash3(key: bytes) -> int:
    """Return the MurmurHash3 hash of a key (Austin Appleby; x86, 32 bits, seed 0)."""
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
    for text, (label, probabilities) in zip(arguments, answers, strict=True):
        print(f"{label} ({probabilities.max():.0%}): {text}")

"""Documents and a pipeline for the tests of streams."""

from __future__ import annotations

from conftest import LABELS, TEXTS, small_classifier
from sklearn.pipeline import make_pipeline

from sklstm import TextSequencer

CLASSES = ["bad", "good"]
# Each text once: its number is a token of its own.
DOCUMENTS = [f"{number} {TEXTS[number % 12]}" for number in range(96)]
LABEL_OF = dict(zip(DOCUMENTS, LABELS * 8, strict=True))


def pairs(texts=DOCUMENTS, size=7):
    """Give texts and their labels, some at a time."""
    for start in range(0, len(texts), size):
        chunk = texts[start : start + size]
        yield chunk, [LABEL_OF[text] for text in chunk]


def make_model(**parameters):
    """Return an unfitted pipeline by which a stream is read once."""
    sequencer = TextSequencer(indexing="hash", max_tokens=300, max_len=14)
    return make_pipeline(sequencer, small_classifier(**parameters))

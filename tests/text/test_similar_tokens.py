"""Tokens outside the vocabulary are replaced by similar ones."""

from __future__ import annotations

import pickle
import random

import numpy as np
import pytest
from sklearn.base import clone

from sklstm import TextSequencer, WordVectors
from sklstm._similar_tokens import SimilarTokens

TEXTS = ["enjoyed the films", "enjoyable", "a film of 1995", "gr\u00f6\u00dfe", "enjoyed it"]


def tokens_of(sequencer, text):
    return sequencer.inverse_transform(sequencer.transform([text]))[0].tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("filmy films", ["film", "films"]),
        ("filmed", ["[UNK]"]),  # "film" is 4 of 6 characters
        ("enjoys", ["enjoyed"]),  # "enjoy" is 5 of 7 characters
        ("enjoyably", ["enjoyable"]),
        ("1995s 1994", ["1995", "[UNK]"]),
        ("gr\u00f6\u00dfer gross", ["gr\u00f6\u00dfe", "[UNK]"]),
        ("the them", ["the", "[UNK]"]),  # fewer than four characters
    ],
)
def test_longest_common_prefix_counts(text, expected):
    assert tokens_of(TextSequencer().fit(TEXTS), text) == expected


def most_similar(token, vocabulary):
    """Return the id of the most similar token by comparing with each of them."""
    found = []
    for known, id_ in vocabulary.items():
        n_common = sum(1 for n in range(1, len(token) + 1) if known.startswith(token[:n]))
        if n_common >= 4 and n_common / max(len(token), len(known)) >= 0.7:
            found.append((-n_common, len(known), id_))
    return min(found)[2] if found else 1


@pytest.mark.parametrize("alphabet", ["ab", "abcd", "\u0915\u093f\U00020000"])
def test_equals_a_search_in_the_whole_vocabulary(alphabet):
    draw = random.Random(0)
    words = {"".join(draw.choices(alphabet, k=draw.randint(1, 11))) for _ in range(600)}
    vocabulary = {word: id_ for id_, word in enumerate(sorted(words)[::2], 2)}
    similar = SimilarTokens(vocabulary)
    unknown = sorted(words - vocabulary.keys())
    found = [similar.find_id(word, default=1) for word in unknown]
    assert found == [most_similar(word, vocabulary) for word in unknown]
    assert len(set(found)) > 1


def test_long_tokens_are_not_replaced():
    sequencer = TextSequencer().fit([f"{'a' * 48} {'b' * 50}"])
    assert tokens_of(sequencer, f"{'a' * 49} {'b' * 51}") == ["a" * 48, "[UNK]"]
    # The prefixes of this token would take 15 GB.
    assert tokens_of(sequencer, "a" * 300_000) == ["[UNK]"]


def test_known_tokens_are_not_replaced():
    ids = [TextSequencer(handle_unknown=kind).fit_transform(TEXTS) for kind in ("prefix", "oov")]
    np.testing.assert_array_equal(*ids)


def test_limits_of_the_vocabulary():
    sequencer = TextSequencer(min_df=2).fit([*TEXTS, "enjoyed film"])
    assert sequencer.tokens_[2:].tolist() == ["enjoyed", "film"]
    assert tokens_of(sequencer, "films it") == ["film", "[UNK]"]
    # Counts are those of the tokens themselves.
    assert sequencer.token_counts_.tolist()[2:] == [3, 2]
    assert tokens_of(TextSequencer(max_tokens=4).fit([*TEXTS, "film film"]), "films") == ["film"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"handle_unknown": "oov"},
        {"vocabulary": ["film"]},
        {"vocabulary": WordVectors(["film"], np.ones((1, 2)))},
        {"max_df": 0.9},
        {"max_df": 2},
        {"analyzer": "char"},
    ],
    ids=lambda parameters: next(iter(parameters)),
)
def test_where_unknown_tokens_stay_unknown(parameters):
    sequencer = TextSequencer(**parameters).fit(["film", "film", "other"])
    assert tokens_of(sequencer, "filmy")[-1] == "[UNK]"


def test_chunks_and_saved_sequencers_replace_the_same_tokens():
    text = "enjoyably filmy 1995s"
    sequencer = TextSequencer().fit(TEXTS)
    expected = sequencer.transform([text])
    assert (expected > 1).sum() == 3
    chunked = TextSequencer()
    for chunk in (TEXTS[:3], TEXTS[3:]):
        chunked.partial_fit(chunk)
        chunked.transform([text])  # must not keep an outdated index
    for copy in (chunked, pickle.loads(pickle.dumps(sequencer)), clone(sequencer).fit(TEXTS)):
        np.testing.assert_array_equal(copy.transform([text]), expected)
    assert len(pickle.dumps(sequencer)) == len(pickle.dumps(TextSequencer().fit(TEXTS)))

"""Segmentwise tokenization equals scikit-learn's analyzer for all characters."""

import sys

import numpy as np
import pytest
from sequencing import reference_analyzer
from sklearn.feature_extraction.text import CountVectorizer

from sklstm import _tokens, _vocabulary
from sklstm.sequencer import TextSequencer

# What cutting could go wrong at: apostrophes, white space of many kinds, marks that combine, a
# capital whose lower case depends on its neighbours or is two characters, half of a pair, joiners
# and other characters that are not displayed, a Hebrew letter.
DELICATE = (
    "aZ09_'\u2019\"-.,<&\0\t\n\r \x1c\x85\xa0\u2028\u3000\u0301\u0338"
    "\xdf\u0130\u03a3\u03c3\u4e2d\ud800\U0001f600\u093e\u200b\u200c\u200d\xad\xb7\u05d0\u05f4"
)


DEFAULTS = {"token_pattern": _tokens.WORD_PATTERN}


def random_texts(n_texts, seed):
    random = np.random.default_rng(seed)
    texts = []
    for length in random.integers(0, 60, n_texts):
        delicate = [DELICATE[i] for i in random.integers(0, len(DELICATE), length)]
        anything = [chr(i) for i in random.integers(0, sys.maxunicode + 1, length)]
        rare = random.random(length) < 0.1
        pairs = zip(delicate, anything, rare, strict=True)
        texts.append("".join(other if is_rare else usual for usual, other, is_rare in pairs))
    return texts


def documents(corpus):
    """Give the tokens of each document, one list after another."""
    tokens = np.array(corpus.tokens, dtype=object)[corpus.codes]
    return [part.tolist() for part in np.split(tokens, np.cumsum(corpus.lengths)[:-1])]


def distinct(tokens):
    return list(dict.fromkeys(tokens))


@pytest.fixture
def always_by_segment(monkeypatch):
    monkeypatch.setattr(_tokens, "_MIN_SEGMENTED", 0)


def both_ways(texts, **changes):
    """Tokenize segment by segment and by the analyzer of scikit-learn."""
    analyzer = _tokens.build_analyzer(**changes)
    assert analyzer.is_segmentwise
    reference = reference_analyzer(**changes)
    return _tokens.tokenize(texts, analyzer), [reference(text) for text in texts]


@pytest.mark.parametrize("pattern", sorted(_tokens.SEGMENT_PATTERNS))
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"lowercase": False},
        {"strip_accents": "unicode"},
        {"strip_accents": "ascii"},
        {"stop_words": ["a", "zz", "\u4e2d", "a'a"]},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:Your stop_words may be inconsistent")
def test_random_characters_give_the_tokens_of_scikit_learn(pattern, changes, always_by_segment):
    texts = random_texts(500, seed=0)
    corpus, expected = both_ways(texts, token_pattern=pattern, **changes)
    assert documents(corpus) == expected
    assert corpus.tokens == distinct(token for tokens in expected for token in tokens)
    assert corpus.codes.dtype == np.int32
    assert corpus.lengths.dtype == np.int64


def test_every_character_of_unicode_cuts_as_it_does_for_scikit_learn(always_by_segment):
    everything = [f"a{one}b'{one}c" for one in map(chr, range(sys.maxunicode + 1))]
    texts = ["".join(everything[i : i + 5000]) for i in range(0, len(everything), 5000)]
    corpus, expected = both_ways(texts, lowercase=False)
    assert documents(corpus) == expected


def test_few_texts_and_many_give_the_same_tokens():
    texts = random_texts(2000, seed=1)
    analyzer = _tokens.build_analyzer(stop_words="english")
    together = documents(_tokens.tokenize(texts, analyzer))
    assert sum(map(len, texts)) > _tokens._MIN_SEGMENTED
    assert together == [documents(_tokens.tokenize([text], analyzer))[0] for text in texts]


@pytest.mark.parametrize("size", [1, 100, 1000])
def test_size_of_blocks_does_not_change_tokens(size, always_by_segment, monkeypatch):
    texts = ["", *random_texts(100, seed=2), ""]
    monkeypatch.setattr(_tokens, "_BLOCK_SIZE", size)
    corpus, expected = both_ways(texts)
    assert documents(corpus) == expected
    assert corpus.tokens == distinct(token for tokens in expected for token in tokens)


@pytest.mark.parametrize("texts", [[], [""], ["", "?!"]])
def test_texts_without_segments_have_no_tokens(texts, always_by_segment):
    corpus, _ = both_ways(texts)
    assert corpus.tokens == []
    assert corpus.codes.size == 0
    assert corpus.lengths.tolist() == [0] * len(texts)


def test_words_that_begin_alike_are_told_apart(always_by_segment):
    # Every length around one and two words of memory, and enough others to collide in the table.
    words = ["x" * n + end for n in range(40) for end in ("", "y", "z")][1:]
    words += [f"w{number}" for number in range(3000)]
    corpus, expected = both_ways([" ".join(words), " ".join(words[::-1])])
    assert documents(corpus) == expected


def test_a_segment_is_matched_with_the_first_equal_one():
    segments = [b"a", b"film", b"a", b"x" * 16, b"x" * 17, b"film", b"x" * 16, b"x" * 17, b"x" * 8]
    joined = b"\n" + b"\n".join(segments) + b"\n" + bytes(16)
    lengths = np.array([len(segment) for segment in segments])
    starts = np.cumsum([1, *(lengths[:-1] + 1)])
    found = _tokens._first_occurrences(joined, starts, lengths)
    # A dictionary is left to find out about the two longest.
    assert found.tolist() == [0, 1, 0, 3, 4, 1, 3, 7, 8]


@pytest.mark.parametrize(
    "changes",
    [
        {"token_pattern": r"\S+"},
        {"tokenizer": str.split},
        {"preprocessor": str.upper},
        {"strip_accents": str.upper},
        {"analyzer": "char"},
    ],
)
def test_parameters_that_may_depend_on_the_whole_text_are_left_to_scikit_learn(changes):
    analyzer = _tokens.build_analyzer(**changes)
    assert not analyzer.is_segmentwise


def test_stop_words_that_the_pattern_cuts_up_are_warned_about():
    with pytest.warns(UserWarning, match=r"stop_words may be inconsistent.*'n', 'rock', 'roll'"):
        TextSequencer(stop_words=["rock-n-roll"]).fit(["a film"])


@pytest.mark.parametrize("size", [1, 10, 2**18])
def test_size_of_batches_does_not_change_counts(size, monkeypatch):
    texts = ["b a b", "", "a c d a a a c b d d b a c", "c", "", "b c b c b c b c b c b"]
    monkeypatch.setattr(_vocabulary, "_BATCH_SIZE", size)
    corpus = _tokens.tokenize(texts, _tokens.build_analyzer())
    counted = _vocabulary.tally(corpus)
    reference = CountVectorizer(token_pattern=r"\w+").fit(texts)
    order = [reference.vocabulary_[token] for token in counted.tokens]
    counts = reference.transform(texts).toarray()[:, order]
    np.testing.assert_array_equal(counted.counts, counts.sum(axis=0))
    np.testing.assert_array_equal(counted.document_counts, (counts > 0).sum(axis=0))
    assert counted.n_documents == len(texts)


@pytest.mark.parametrize("limit", [None, 1, 3, 7, 99, 100, 101])
def test_the_alphabet_decides_between_tokens_of_one_frequency_at_the_limit(limit):
    random = np.random.default_rng(0)
    tokens = random.permutation([f"t{number}" for number in range(100)]).astype(object)
    counts, document_counts = random.integers(1, 9, (2, 100))
    seen = _vocabulary.Tally(tokens, counts, document_counts, 9)
    kept = [i for i in range(100) if 2 <= document_counts[i] <= 7]
    expected = sorted(kept, key=lambda i: (-counts[i], tokens[i]))[:limit]
    assert _vocabulary.rank(seen, _vocabulary.Limits(2, 7, limit)).tolist() == expected


def test_defaults_are_those_of_the_sequencer():
    parameters = TextSequencer().get_params()
    assert {name: parameters[name] for name in DEFAULTS} == DEFAULTS

"""TextSequencer: tokenization by patterns, stop words, stemming and characters."""

import pytest
import snowballstemmer
from sequencing import TEXTS, reference_analyzer, tokens_of

from sklstm.sequencer import TextSequencer


def test_the_default_pattern_keeps_contractions_numbers_and_single_letters():
    text = "I don't, you don\u2019t: rock'n'roll in 1999 - a 'quoted' plan B"
    expected = "i don't you don't rock'n'roll in 1999 a quoted plan b"
    assert tokens_of(text) == expected.split()


@pytest.mark.parametrize(
    "parameters",
    [
        {"lowercase": False},
        {"strip_accents": "unicode"},
        {"strip_accents": "ascii"},
        {"strip_accents": str.upper},
        {"preprocessor": str.swapcase},
        {"tokenizer": str.split},
        {"token_pattern": r"(?u)\b\w\w+\b"},
        {"token_pattern": r"(\w)\w*"},
        {"analyzer": "char"},
        {"analyzer": "char", "lowercase": False, "strip_accents": "ascii"},
        {"stop_words": "english"},
        {"stop_words": ["the", "was"]},
    ],
)
def test_analyzer_parameters_mean_what_they_mean_in_count_vectorizer(parameters):
    text = "The caf\u00e9 was full:  nobody the\u0301 Was\nthere"
    assert tokens_of(text, **parameters) == reference_analyzer(**parameters)(text)


@pytest.mark.parametrize("collection", [list, set, tuple, frozenset])
def test_stop_words_may_be_any_collection(collection):
    assert tokens_of("the film was good", stop_words=collection(["the", "was"])) == ["film", "good"]


def test_empty_tokens_are_left_out():
    assert tokens_of("a  film ", tokenizer=lambda text: text.split(" ")) == ["a", "film"]


def test_a_tokenizer_may_be_a_generator():
    assert tokens_of("a b", tokenizer=lambda text: (part for part in text.split())) == ["a", "b"]


def test_a_tokenizer_that_gives_no_str_is_refused():
    with pytest.raises(TypeError, match=r"tokenizer returned 3 \(int\); every word must be a str"):
        TextSequencer(tokenizer=lambda text: [len(text)]).fit(["abc"])


def test_a_broken_pattern_is_refused():
    with pytest.raises(ValueError, match=r"token_pattern='\(' is not a regular expression"):
        TextSequencer(token_pattern="(").fit(TEXTS)


def test_a_pattern_is_needed_without_a_tokenizer():
    with pytest.raises(ValueError, match="token_pattern=None needs a tokenizer"):
        TextSequencer(token_pattern=None).fit(TEXTS)


@pytest.mark.parametrize("other", [{"tokenizer": str.split}, {"analyzer": "char"}])
def test_no_pattern_is_needed_where_none_is_used(other):
    TextSequencer(token_pattern=None, **other).fit(TEXTS)


# Stems


@pytest.mark.parametrize("name", ["english", "porter", "german"])
def test_stems_are_those_of_snowball(name):
    stem = snowballstemmer.stemmer(name).stemWord
    words = "stories running happily films filme"
    assert tokens_of(words, stemmer=name) == [stem(word) or word for word in words.split()]


def test_words_of_one_stem_share_an_id_and_their_counts():
    sequencer = TextSequencer(stemmer="english").fit(["film films filmed", "a film"])
    assert sequencer.vocabulary_ == {"film": 2, "a": 3}
    assert sequencer.token_counts_.tolist() == [0, 0, 4, 1]
    assert sequencer.transform(["Filming"]).tolist() == [[0, 0, 2]]


def test_document_frequencies_are_those_of_stems():
    sequencer = TextSequencer(stemmer="english", max_df=1).fit(["film films", "good films"])
    assert sequencer.vocabulary_ == {"good": 2}


def test_stop_words_are_compared_before_stemming():
    assert tokens_of("very films", stop_words=["very", "film"], stemmer="english") == ["film"]


def test_each_distinct_token_is_stemmed_once():
    calls = []

    def stem(token):
        calls.append(token)
        return token[:3]

    assert tokens_of("films film good film", stemmer=stem) == ["fil", "fil", "goo", "fil"]
    assert sorted(calls) == ["film", "films", "good"]


def test_a_token_whose_stem_is_empty_stays():
    assert tokens_of("the film", stemmer=lambda token: "" if token == "the" else token) == [
        "the",
        "film",
    ]


def test_characters_are_not_stemmed():
    assert tokens_of("films", analyzer="char", stemmer=str.upper) == list("films")


def test_an_unknown_stemmer_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"stemmer='klingon' is not.*danish.*porter"):
        TextSequencer(stemmer="klingon").fit(TEXTS)


def test_a_stemmer_that_gives_no_str_is_refused():
    with pytest.raises(TypeError, match=r"stemmer returned 4 \(int\)"):
        TextSequencer(stemmer=len).fit(["film"])

"""TextSequencer equals CountVectorizer and a reimplementation of pad_sequences."""

import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sequencing import TEXTS
from sklearn.feature_extraction.text import CountVectorizer

from sklstm.sequencer import TextSequencer


def pad_sequences(sequences, width, padding, truncating):
    """Restate what Keras documents, one row after another."""
    rows = []
    for sequence in sequences:
        kept = sequence[-width:] if truncating == "pre" else sequence[:width]
        zeros = [0] * (width - len(kept))
        rows.append(zeros + kept if padding == "pre" else kept + zeros)
    return rows


def document_tokens(texts):
    analyze = CountVectorizer(token_pattern=TextSequencer().token_pattern).build_analyzer()
    return [analyze(text) for text in texts]


# Ids and counts


def test_ids_follow_falling_frequency_then_the_alphabet():
    sequencer = TextSequencer().fit(["b a c c", "d c a b"])
    assert sequencer.vocabulary_ == {"c": 2, "a": 3, "b": 4, "d": 5}
    assert sequencer.tokens_.tolist() == ["", "[UNK]", "c", "a", "b", "d"]
    assert sequencer.n_tokens_ == 6


def test_ids_do_not_depend_on_the_order_of_documents():
    assert TextSequencer().fit(TEXTS).vocabulary_ == TextSequencer().fit(TEXTS[::-1]).vocabulary_


def test_output_is_a_contiguous_int32_matrix():
    ids = TextSequencer().fit_transform(TEXTS)
    assert ids.dtype == np.int32
    assert ids.flags.c_contiguous
    assert ids.shape == (4, 11)


def test_tokens_and_counts_are_those_of_count_vectorizer():
    sequencer = TextSequencer(max_tokens=None).fit(TEXTS)
    reference = CountVectorizer(token_pattern=sequencer.token_pattern)
    counts = np.asarray(reference.fit_transform(TEXTS).sum(axis=0)).ravel()
    expected = dict(zip(reference.get_feature_names_out(), counts, strict=True))
    tokens = sequencer.tokens_[2:]
    assert dict(zip(tokens, sequencer.token_counts_[2:], strict=True)) == expected
    assert sequencer.token_counts_[:2].tolist() == [0, 0]
    assert sequencer.token_counts_.dtype == np.int64


def test_every_token_of_a_training_text_comes_back_in_its_place():
    sequencer = TextSequencer()
    back = sequencer.inverse_transform(sequencer.fit_transform(TEXTS))
    assert [tokens.tolist() for tokens in back] == document_tokens(TEXTS)


def test_max_tokens_bounds_the_id_space_and_keeps_the_most_frequent():
    sequencer = TextSequencer(max_tokens=5)
    ids = sequencer.fit_transform(TEXTS)
    assert ids.max() == 4
    assert sequencer.n_tokens_ == 5
    counts = Counter(token for tokens in document_tokens(TEXTS) for token in tokens)
    best = sorted(counts, key=lambda token: (-counts[token], token))[:3]
    assert sequencer.tokens_[2:].tolist() == best
    assert sequencer.token_counts_[1] == counts.total() - sum(counts[token] for token in best)


def test_a_token_that_fit_never_saw_is_unknown():
    sequencer = TextSequencer().fit(["good film"])
    assert sequencer.transform(["bad film"]).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("min_df", "max_df"), [(2, 1.0), (1, 2), (0.5, 1.0), (0.3, 0.7), (2, 3), (0.0, 0.5)]
)
def test_min_df_and_max_df_keep_what_count_vectorizer_keeps(min_df, max_df):
    sequencer = TextSequencer(min_df=min_df, max_df=max_df).fit([*TEXTS, ""])
    reference = CountVectorizer(
        token_pattern=sequencer.token_pattern, min_df=min_df, max_df=max_df
    ).fit([*TEXTS, ""])
    assert sequencer.vocabulary_.keys() == reference.vocabulary_.keys()


def test_a_max_df_below_min_df_is_refused():
    with pytest.raises(
        ValueError, match=r"max_df=0.1 corresponds to fewer documents than min_df=3, in 4 documents"
    ):
        TextSequencer(min_df=3, max_df=0.1).fit(TEXTS)


def test_thresholds_that_leave_no_token_are_refused():
    with pytest.raises(
        ValueError, match=r"No tokens remain with min_df=4 and max_df=1.0.*lower min_df"
    ):
        TextSequencer(min_df=4).fit(TEXTS)


# Rows


@pytest.mark.parametrize("max_len", [None, 1, 3, 8, 50])
@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("truncating", ["pre", "post"])
def test_rows_are_those_of_pad_sequences(max_len, padding, truncating):
    sequencer = TextSequencer(max_len=max_len, padding=padding, truncating=truncating)
    rows = sequencer.fit_transform(TEXTS)
    sequences = [[sequencer.vocabulary_[t] for t in tokens] for tokens in document_tokens(TEXTS)]
    width = min(max_len or 11, 11)
    assert sequencer.max_len_ == width
    assert rows.tolist() == pad_sequences(sequences, width, padding, truncating)


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("truncating", ["pre", "post"])
def test_rows_are_those_of_keras_itself(padding, truncating):
    os.environ.setdefault("KERAS_BACKEND", "jax")
    from keras.utils import pad_sequences as keras_pad_sequences

    sequences = [[2, 3, 4, 5, 6], [7], [8, 9, 2]]
    texts = [" ".join(map(str, ids)) for ids in sequences]
    for width in (1, 3, 4, 7):
        sequencer = TextSequencer(
            vocabulary={str(id_): id_ for id_ in range(2, 10)},
            max_len=width,
            padding=padding,
            truncating=truncating,
        )
        np.testing.assert_array_equal(
            sequencer.fit(["2 " * width]).transform(texts),
            keras_pad_sequences(sequences, width, padding=padding, truncating=truncating),
        )


def test_width_is_that_of_training_also_for_shorter_and_longer_texts():
    sequencer = TextSequencer().fit(["one two three"])
    assert sequencer.transform(["three"]).tolist() == [[0, 0, 3]]
    assert sequencer.transform(["one one two three three"]).tolist() == [[4, 3, 3]]


@pytest.mark.parametrize(("padding", "row"), [("pre", [0, 0, 1]), ("post", [1, 0, 0])])
@pytest.mark.parametrize("kind", [{}, {"indexing": "hash"}, {"vocabulary": ["good"]}])
def test_an_empty_document_is_one_unknown_token(kind, padding, row):
    sequencer = TextSequencer(padding=padding, **kind)
    ids = sequencer.fit_transform(["", "a good film", "?!", None])
    assert ids[[0, 2, 3]].tolist() == [row] * 3
    assert (ids[1] > 0).all()


def test_no_documents_give_no_rows():
    assert TextSequencer().fit(["a good film"]).transform([]).shape == (0, 3)


# The hashing trick


def test_hash_ids_lie_in_the_id_space_and_need_nothing_but_the_token():
    sequencer = TextSequencer(indexing="hash", max_tokens=40, min_df=3, max_df=1)
    ids = sequencer.fit_transform(TEXTS)
    assert set(np.unique(ids)) <= {0, *range(2, 40)}
    assert sequencer.n_tokens_ == 40
    other = TextSequencer(indexing="hash", max_tokens=40).fit(["x " * 11])
    np.testing.assert_array_equal(other.transform(TEXTS), ids)


def test_hash_learns_the_width_only():
    sequencer = TextSequencer(indexing="hash").fit(TEXTS)
    assert sequencer.max_len_ == 11
    for name in ("vocabulary_", "tokens_", "token_counts_"):
        assert not hasattr(sequencer, name)


def test_hash_ids_are_the_same_in_a_process_with_another_hash_seed():
    code = (
        "from sklstm.sequencer import TextSequencer;"
        "print(TextSequencer(indexing='hash', max_tokens=1000).fit_transform("
        "['a good film', '\u00fc \u4e2d']).tolist())"
    )
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    printed = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    sequencer = TextSequencer(indexing="hash", max_tokens=1000)
    here = sequencer.fit_transform(["a good film", "\u00fc \u4e2d"]).tolist()
    assert printed.strip() == str(here)


def test_hash_takes_characters_that_cannot_be_encoded():
    ids = TextSequencer(indexing="hash", analyzer="char").fit_transform(["\ud800"])
    assert ids[0, 0] >= 2


@pytest.mark.parametrize("parameters", [{"max_tokens": None}, {"vocabulary": ["film"]}])
def test_hash_without_a_size_or_with_a_vocabulary_is_refused(parameters):
    with pytest.raises(ValueError, match=r"indexing='hash' needs max_tokens.*and no vocabulary"):
        TextSequencer(indexing="hash", **parameters).fit(TEXTS)


def test_hash_ids_cannot_be_turned_back():
    sequencer = TextSequencer(indexing="hash").fit(TEXTS)
    with pytest.raises(ValueError, match="use indexing='vocabulary'"):
        sequencer.inverse_transform([[2]])


# A fixed vocabulary


@pytest.mark.parametrize(
    "vocabulary",
    [
        ["film", "good"],
        ("film", "good"),
        np.array(["film", "good"]),
        pd.Series(["film", "good"]),
        {"good": 3, "film": np.int64(2)},
    ],
)
def test_a_fixed_vocabulary_gives_the_ids_it_says(vocabulary):
    sequencer = TextSequencer(vocabulary=vocabulary, max_tokens=3, min_df=4, max_df=1)
    assert sequencer.fit_transform(["a good film", "film"]).tolist() == [[1, 3, 2], [0, 0, 2]]
    assert sequencer.vocabulary_ == {"film": 2, "good": 3}
    assert sequencer.tokens_.tolist() == ["", "[UNK]", "film", "good"]
    assert sequencer.token_counts_.tolist() == [0, 1, 2, 1]


def test_ids_of_a_mapping_may_have_gaps():
    sequencer = TextSequencer(vocabulary={"film": 5, "good": 3}).fit(TEXTS)
    assert sequencer.n_tokens_ == 6
    assert sequencer.tokens_.tolist() == ["", "[UNK]", "", "good", "", "film"]
    assert sequencer.vocabulary_ == {"good": 3, "film": 5}
    assert sequencer.token_counts_[[2, 4]].tolist() == [0, 0]


def test_stemming_changes_the_texts_but_not_a_fixed_vocabulary():
    sequencer = TextSequencer(vocabulary=["film", "films"], stemmer="english")
    assert sequencer.fit_transform(["films film"]).tolist() == [[2, 2]]


@pytest.mark.parametrize(
    ("vocabulary", "error", "message"),
    [
        ({"film", "good"}, TypeError, r"vocabulary is a set.*sorted\(vocabulary\)"),
        ("film", TypeError, "vocabulary is a str"),
        (
            np.array("film"),
            TypeError,
            r"vocabulary is one value, array\(.film.*pass a list of tokens",
        ),
        (["film", 3], TypeError, "vocabulary contains 3 with id 3; a token must be a str"),
        ({"film": 2.0}, TypeError, "vocabulary contains 'film' with id 2.0"),
        ({"film": True}, TypeError, "'film' with id True"),
        (["film", "good", "film"], ValueError, "vocabulary contains 'film' twice"),
        (["", "[UNK]", "film"], ValueError, "vocabulary contains '' as a token"),
        ({"film": 1}, ValueError, "gives 'film' the id 1, which is reserved"),
        ({"film": 2, "good": 2}, ValueError, "gives 'good' the id 2, which is also.*'film'"),
        ([], ValueError, "vocabulary is empty"),
        ({}, ValueError, "vocabulary is empty"),
        (iter(["film"]), ValueError, "'vocabulary' parameter.*'__len__'"),
    ],
)
def test_an_unusable_vocabulary_is_refused_with_the_entry_that_is_wrong(vocabulary, error, message):
    with pytest.raises(error, match=message):
        TextSequencer(vocabulary=vocabulary).fit(TEXTS)


# Chunks


CHUNKED = {
    "vocabulary": {},
    "pruned": {"min_df": 2, "max_df": 0.8, "max_tokens": 5},
    "hash": {"indexing": "hash", "max_len": 9},
    "fixed": {"vocabulary": ["film", "was", "unseen"]},
    "stems": {"stemmer": "english", "stop_words": "english"},
}


@pytest.mark.parametrize("kind", CHUNKED)
@pytest.mark.parametrize("cut", [1, 2, 3])
def test_chunks_teach_what_the_whole_corpus_teaches(kind, cut):
    whole = TextSequencer(**CHUNKED[kind]).fit([*TEXTS, ""])
    chunks = TextSequencer(**CHUNKED[kind])
    for chunk in (TEXTS[:cut], TEXTS[cut:], [""]):
        chunks.partial_fit(chunk)
    for name in ("vocabulary_", "tokens_", "token_counts_", "n_tokens_", "max_len_"):
        np.testing.assert_equal(getattr(chunks, name, None), getattr(whole, name, None))
    np.testing.assert_array_equal(chunks.transform(TEXTS), whole.transform(TEXTS))


def test_partial_fit_resumes_from_the_tokens_that_fit_kept():
    sequencer = TextSequencer(max_tokens=4).fit(["a a a b b c", "a"])
    sequencer.partial_fit(["c c c c", "b"])
    assert sequencer.tokens_[2:].tolist() == ["a", "c"]
    assert sequencer.token_counts_.tolist() == [0, 1 + 3, 4, 4]
    sequencer.partial_fit(["b b b"])
    assert sequencer.tokens_[2:].tolist() == ["b", "a"]
    assert sequencer.token_counts_.tolist() == [0, 1 + 4, 6, 4]


def test_document_frequencies_of_fit_count_in_partial_fit():
    sequencer = TextSequencer(min_df=2).fit(["a b", "a b"])
    assert sequencer.set_params(max_df=2).partial_fit(["a c"]).vocabulary_ == {"b": 2}


def test_chunks_may_leave_no_token_until_the_last():
    sequencer = TextSequencer(min_df=2).partial_fit(["good film"])
    assert sequencer.n_tokens_ == 2
    with pytest.raises(ValueError, match=r"No tokens remain with min_df=2.*call partial_fit"):
        sequencer.transform(["good film"])
    assert sequencer.partial_fit(["bad film"]).transform(["bad film"]).tolist() == [[1, 2]]


def test_another_fixed_vocabulary_between_chunks_is_refused():
    sequencer = TextSequencer(vocabulary=["film"]).partial_fit(TEXTS)
    with pytest.raises(ValueError, match="vocabulary differs from that of previous calls"):
        sequencer.set_params(vocabulary=["good"]).partial_fit(TEXTS)


@pytest.mark.parametrize("kind", CHUNKED)
def test_a_chunk_of_no_documents_is_refused_at_any_time(kind):
    for sequencer in (TextSequencer(**CHUNKED[kind]), TextSequencer(**CHUNKED[kind]).fit(TEXTS)):
        with pytest.raises(ValueError, match="X contains no tokens, in 0 documents"):
            sequencer.partial_fit([])


@pytest.mark.parametrize("kind", ["hash", "fixed"])
def test_the_full_width_does_not_depend_on_the_first_chunk(kind):
    parameters = {**CHUNKED[kind], "max_len": 9}
    sequencer = TextSequencer(**parameters)._partial_fit_full_width(["film"])
    assert sequencer.max_len_ == 9
    whole = TextSequencer(**parameters).fit(TEXTS)
    np.testing.assert_array_equal(sequencer.transform(TEXTS), whole.transform(TEXTS))


# Ids back to tokens


def test_unknown_tokens_come_back_as_unk_and_padding_does_not():
    sequencer = TextSequencer(padding="post").fit(["good film"])
    ids = np.array([[3, 1, 2, 0], [0, 0, 0, 0]])
    good, empty = sequencer.inverse_transform(ids)
    assert good.tolist() == ["good", "[UNK]", "film"]
    assert empty.size == 0


def test_pandas_output_can_be_turned_back():
    sequencer = TextSequencer().set_output(transform="pandas")
    frame = sequencer.fit_transform(["good film"])
    assert sequencer.inverse_transform(frame)[0].tolist() == ["good", "film"]


@pytest.mark.parametrize("ids", [[[4]], [[-1]], [[0.5]]])
def test_what_is_no_id_is_refused(ids):
    sequencer = TextSequencer().fit(["good film"])
    with pytest.raises(ValueError, match="X must hold integer ids from 0 to 3"):
        sequencer.inverse_transform(ids)


def test_ids_must_come_in_rows():
    with pytest.raises(ValueError, match="Expected 2D array"):
        TextSequencer().fit(["good film"]).inverse_transform([2, 3])

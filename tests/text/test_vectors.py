"""Word vectors: reading files, errors with line numbers, coverage."""

from __future__ import annotations

import gzip
import pickle
import struct

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sklstm import LSTMTextClassifier, TextSequencer, WordVectors

TOKENS = ["the", "film", "is", "good", "do", "n't"]
MATRIX = np.arange(18, dtype=np.float32).reshape(6, 3) / 4 - 2


def lines(header=False):
    rows = [f"{t} {' '.join(f'{v:g}' for v in row)}" for t, row in zip(TOKENS, MATRIX, strict=True)]
    return ([f"{len(TOKENS)} 3"] if header else []) + rows


def text_file(path, rows):
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


def binary_file(path, tokens=TOKENS, matrix=MATRIX, line_breaks=True):
    with path.open("wb") as file:
        file.write(f"{len(matrix)} {matrix.shape[1]}\n".encode())
        for token, row in zip(tokens, matrix, strict=False):
            file.write(token.encode() + b" " + struct.pack("<3f", *row))
            file.write(b"\n" if line_breaks else b"")
    return path


def compressed(path):
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    return packed


@pytest.fixture
def files(tmp_path):
    plain = [
        text_file(tmp_path / "glove.txt", lines()),
        text_file(tmp_path / "fasttext.vec", [row + " " for row in lines(header=True)]),
        binary_file(tmp_path / "word2vec.bin"),
        binary_file(tmp_path / "tight.BIN", line_breaks=False),
    ]
    return plain + [compressed(path) for path in plain]


def test_all_formats_give_the_same_vectors(files):
    for path in files:
        vectors = WordVectors.load(path)
        assert vectors.tokens.tolist() == TOKENS, path
        np.testing.assert_array_equal(vectors.matrix, MATRIX)
        assert vectors.matrix.dtype == np.float32


def test_only_wanted_words_are_kept(files):
    for path in files:
        vectors = WordVectors.load(path, vocabulary=["good", "the", "absent"])
        assert vectors.tokens.tolist() == ["the", "good"]
        np.testing.assert_array_equal(vectors.matrix, MATRIX[[0, 3]])


def test_only_the_first_words_are_read(files):
    for path in files:
        assert WordVectors.load(path, max_words=2).tokens.tolist() == TOKENS[:2]
        assert WordVectors.load(path, max_words=4, vocabulary=["good", "do"]).tokens.tolist() == [
            "good"
        ]


def test_words_may_have_spaces_in_them(tmp_path):
    path = text_file(tmp_path / "glove.txt", [*lines(), ". . . 1 2 3"])
    assert WordVectors.load(path).tokens[-1] == ". . ."


def test_empty_lines_are_skipped(tmp_path):
    path = text_file(tmp_path / "glove.txt", [*lines(), ""])
    assert list(WordVectors.load(path)) == TOKENS


BROKEN = {
    "too few values": (["a 1 2", "b 1"], "line 2 has 1 values, expected 2"),
    "too many values": (["a 1 2", "b 1 2 3"], "line 2 has 3 values, expected 2"),
    "no number": (["a 1 2", "b 1 x"], "line 2 cannot be read: .* to float: .*x"),
    "not finite": (["a 1 2", "b 1 nan"], "line 2 has a value that is not finite"),
    "repeated": (["a 1 2", "b 1 2", "a 3 4"], "'a' is in line 1 and again in line 3"),
    "no values": (["a", "b"], "line 1 has no values"),
    "empty": ([], "has no words"),
    "cut off": (["3 2", "a 1 2"], "after 1 of the 3 words announced in line 1"),
}


@pytest.mark.parametrize(("rows", "message"), BROKEN.values(), ids=BROKEN)
def test_errors_say_in_which_line(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        WordVectors.load(text_file(tmp_path / "broken.txt", rows))


def test_a_broken_line_of_an_unwanted_word_is_an_error_if_its_length_is_wrong(tmp_path):
    path = text_file(tmp_path / "broken.txt", ["a 1 2", "b 1", "c 1 2"])
    with pytest.raises(ValueError, match="line 2"):
        WordVectors.load(path, vocabulary=["a", "c"])


def test_a_file_that_is_not_utf8_says_where(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes("a 1 2\ncaf\xe9 1 2\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"line 2 cannot be read: 'utf-8' codec .* byte 0xe9"):
        WordVectors.load(path)


@pytest.mark.parametrize("name", ["glove.txt", "word2vec.bin"])
def test_truncated_compressed_files_are_refused(tmp_path, name):
    path = tmp_path / name
    path = text_file(path, lines()) if name.endswith(".txt") else binary_file(path)
    packed = compressed(path)
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"is truncated: Compressed file ended.*Download it again"):
        WordVectors.load(packed)


def test_truncated_binary_files_are_refused(tmp_path):
    path = binary_file(tmp_path / "word2vec.bin")
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(ValueError, match="after 5 of the 6 words"):
        WordVectors.load(path)


def test_a_text_file_read_as_binary_is_refused(tmp_path):
    path = text_file(tmp_path / "glove.txt", lines())
    with pytest.raises(ValueError, match="does not have the numbers"):
        WordVectors.load(path, binary=True)


@pytest.mark.parametrize(
    ("tokens", "matrix", "error", "message"),
    [
        (["a", "a"], [[1.0], [2.0]], ValueError, "'a' twice"),
        (["a", ""], [[1.0], [2.0]], ValueError, "empty word"),
        (["a"], [[1.0], [2.0]], ValueError, "1 words and matrix 2 rows"),
        (["a", 3], [[1.0], [2.0]], TypeError, "3 \\(int\\)"),
        (["a"], [[np.nan]], ValueError, "matrix contains NaN"),
        ([], np.zeros((0, 2)), ValueError, "tokens is empty"),
    ],
)
def test_bad_words_or_matrices_are_refused(tokens, matrix, error, message):
    with pytest.raises(error, match=message):
        WordVectors(tokens, matrix)


def test_repr_tells_the_size():
    assert repr(WordVectors(TOKENS, MATRIX)) == "WordVectors(6 words, vector_size=3)"


def test_as_an_array_they_have_a_row_for_each_id():
    vectors = WordVectors(TOKENS, MATRIX)
    ids = TextSequencer(vocabulary=vectors).fit(["film good"]).transform(["film good", "plot"])
    rows = np.asarray(vectors)[ids]
    np.testing.assert_array_equal(rows[0], MATRIX[[1, 3]])
    np.testing.assert_array_equal(rows[1], [np.zeros(3), MATRIX.mean(axis=0)])
    assert np.asarray(vectors, dtype=np.float64).dtype == np.float64


def test_sequencer_and_classifier_take_the_same_vectors():
    vectors = WordVectors(TOKENS, MATRIX)
    model = make_pipeline(
        TextSequencer(vocabulary=vectors),
        LSTMTextClassifier(
            embedding_weights=vectors, trainable_embeddings=False, units=4, epochs=1, random_state=0
        ),
    )
    texts = ["the film is good", "don't", "good film", "the"]
    model.fit(texts, [1, 0, 1, 0])
    weights = model[-1].weights_["embedding/embeddings"]
    np.testing.assert_array_equal(weights, np.asarray(vectors)[model[-1].embedding_ids_])
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(texts), model.predict_proba(texts))


def test_numbers_of_words_are_positive(tmp_path):
    path = text_file(tmp_path / "glove.txt", lines())
    with pytest.raises(ValueError, match="max_words == 0, must be >= 1"):
        WordVectors.load(path, max_words=0)
    with pytest.raises(ValueError, match="max_tokens == 2, must be >= 3"):
        WordVectors.for_texts(path, ["a film"], max_tokens=2)


def test_clones_share_vectors_and_pickles_keep_them():
    vectors = WordVectors(TOKENS, MATRIX)
    assert clone(TextSequencer(vocabulary=vectors)).vocabulary is vectors
    again = pickle.loads(pickle.dumps(vectors))
    assert again.tokens.tolist() == TOKENS
    np.testing.assert_array_equal(again.matrix, MATRIX)
    assert not again.matrix.flags.writeable


def test_coverage_counts_words_with_vectors():
    vectors = WordVectors(TOKENS, MATRIX)
    assert vectors.coverage(["The film is good", "the plot"]) == 5 / 6
    # "do" "n't" twice, and "film" "'s", the second part of which is unknown.
    assert vectors.coverage(["don't", "DON\u2019T film's"]) == 5 / 6
    with pytest.raises(ValueError, match="texts contains no words"):
        vectors.coverage(["", None])


def test_words_are_spelled_as_the_vectors_spell_them():
    vectors = WordVectors(["The", "it's", "do", "n't", "film"], np.eye(5))
    sequencer = TextSequencer(vocabulary=vectors, lowercase=False)
    sequencer.fit(["The film The film"])
    ids = sequencer.transform(["The FILM don't", "It\u2019s the _film_ n't", "unknown's"])
    # 2 The, 3 it's, 4 do, 5 n't, 6 film
    assert [row[row > 0].tolist() for row in ids] == [[2, 6, 4, 5], [3, 1, 6, 5], [1]]


def test_vectors_for_texts_are_known_ones_by_frequency_and_small_random_ones(tmp_path):
    path = text_file(tmp_path / "glove.txt", lines())
    texts = ["The film is good", "don't film", "Film plot"]
    for source in (path, WordVectors(TOKENS, MATRIX)):
        vectors = WordVectors.for_texts(source, texts, max_tokens=9, random_state=0)
        assert vectors.tokens.tolist() == ["film", "do", "good", "is", "n't", "plot", "the"]
        np.testing.assert_array_equal(vectors["good"], MATRIX[3])
        assert 0 < np.abs(vectors["plot"]).max() <= 0.05
    again = WordVectors.for_texts(path, texts, max_tokens=9, random_state=0)
    np.testing.assert_array_equal(again.matrix, vectors.matrix)
    assert len(WordVectors.for_texts(path, texts, max_tokens=4)) == 2

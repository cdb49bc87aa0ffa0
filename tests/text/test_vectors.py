"""Word vectors: reading files, errors with line numbers, coverage."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import struct
import tarfile
import unicodedata
import zipfile

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sklstm import LSTMTextClassifier, TextSequencer, WordVectors, make_text_classifier

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
    return plain + [compressed(path) for path in plain] + unnamed(plain)


def unnamed(paths):
    """Give copies of files in all compressions; their names tell neither format nor compression."""
    copies = []
    for path in paths:
        for number, compress in enumerate((bytes, gzip.compress, bz2.compress, lzma.compress)):
            copies.append(path.with_name(f"{path.stem}-{number}"))
            copies[-1].write_bytes(compress(path.read_bytes()))
        copies.append(zip_file(path.with_name(f"{path.stem}-zip"), path.read_bytes()))
    return copies


def zip_file(path, *contents, names=("vectors", "other.txt")):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/._vectors", b"hidden")
        for name, content in zip(names, contents, strict=False):
            archive.writestr(name, content)
    return path


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
    "no values": (["a", "b"], "line 1 has no values"),
    "tabs": (["a\t1\t2", "b\t1\t2"], "line 1 has no values; separate them by spaces, not by tabs"),
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


# Repeated words


@pytest.mark.parametrize("as_kind", [text_file, binary_file])
def test_the_first_vector_of_a_repeated_word_is_kept_with_one_warning(tmp_path, as_kind):
    tokens, path = ["a", "a", "b", "a", "b"], tmp_path / "vectors"
    rows = np.arange(15, dtype=np.float32).reshape(5, 3)
    if as_kind is binary_file:
        binary_file(path, tokens, rows)
    else:
        values = (" ".join(map(str, row)) for row in rows)
        text_file(path, [f"{token} {row}" for token, row in zip(tokens, values, strict=True)])
    with pytest.warns(
        UserWarning, match="has 3 repeated words, such as 'a' in .*s 1 and 2"
    ) as caught:
        vectors = WordVectors.load(path)
    assert len(caught) == 1
    assert vectors.tokens.tolist() == ["a", "b"]
    np.testing.assert_array_equal(vectors.matrix, rows[[0, 2]])
    WordVectors.load(path, max_words=1)


def test_one_repeated_word_of_glove_is_no_error(tmp_path):
    path = text_file(tmp_path / "glove.txt", ["a 1 2", "a 3 4", "b 1 1"])
    with pytest.warns(UserWarning, match="has 1 repeated word, such as 'a' in lines 1 and 2"):
        vectors = WordVectors.load(path)
    assert vectors["a"].tolist() == [1, 2]
    assert vectors["b"].tolist() == [1, 1]


def test_repetitions_of_unwanted_words_are_not_reported(tmp_path):
    path = text_file(tmp_path / "glove.txt", ["a 1 2", "a 3 4", "b 1 1"])
    assert WordVectors.load(path, vocabulary=["b"]).tokens.tolist() == ["b"]


def test_forms_of_one_letter_are_one_word(tmp_path):
    path = text_file(tmp_path / "glove.txt", ["cafe\u0301 1 2", "caf\u00e9 3 4", "\u00ad 5 6"])
    with pytest.warns(UserWarning, match="has 1 repeated word"):
        vectors = WordVectors.load(path)
    assert vectors.tokens.tolist() == ["caf\u00e9"]
    assert vectors["cafe\u0301"].tolist() == [1, 2]
    wanted = unicodedata.normalize("NFD", "caf\u00e9")
    with pytest.warns(UserWarning, match="has 1 repeated word"):
        assert len(WordVectors.load(path, vocabulary=[wanted])) == 1


# Files of other formats

HTML = b"<!DOCTYPE html><html><body>404 Not found</body></html>"


def tar_file():
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("vectors.txt"), io.BytesIO(b""))
        return file.getvalue()


OTHER_FORMATS = {
    "fastText model": (struct.pack("<2i", 793712314, 12), r"is a model of fastText, .*the \.vec"),
    "pickle": (pickle.dumps({"a": [1.0]}), r"is a pickle; load it with gensim.*from_source"),
    "NumPy": (b"\x93NUMPY\x01\x00", r"is a NumPy array; pass WordVectors\(words"),
    "HDF5": (b"\x89HDF\r\n\x1a\n", "is an HDF5 file; save the vectors as text"),
    "Parquet": (b"PAR1" + bytes(20), "is a Parquet file; save the vectors as text"),
    "7z": (b"7z\xbc\xaf\x27\x1c", "is a 7z archive; extract"),
    "zstandard": (b"\x28\xb5\x2f\xfd" + bytes(20), "is compressed with zstandard; extract"),
    "tar": (tar_file(), "is a tar archive; extract"),
    "UTF-16": ("a 1 2".encode("utf-16"), "is encoded in UTF-16; convert it to UTF-8"),
    "web page": (HTML, "is a web page; download the file of vectors again"),
}


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("name", ["vectors.bin", "vectors.txt"])
@pytest.mark.parametrize(("content", "message"), OTHER_FORMATS.values(), ids=OTHER_FORMATS)
def test_other_formats_are_named_with_the_remedy(tmp_path, content, message, name, compress):
    path = tmp_path / name
    path.write_bytes(compress(content))
    with pytest.raises(ValueError, match=f"{name} {message}"):
        WordVectors.load(path)


def test_an_archive_of_several_files_lists_them(tmp_path):
    path = zip_file(tmp_path / "glove.zip", b"a 1", b"a 1", names=["glove.50d.txt", "glove.9d.txt"])
    message = r"zip archive of 2 files: glove\.50d\.txt, glove\.9d\.txt; extract the file"
    with pytest.raises(ValueError, match=message):
        WordVectors.load(path)
    with pytest.raises(ValueError, match="zip archive of no file"):
        WordVectors.load(zip_file(tmp_path / "empty.zip"))


@pytest.mark.parametrize("name", ["vectors.txt.zip", "vectors.zip", "vectors.gz"])
def test_an_encrypted_archive_is_refused(tmp_path, name):
    path = zip_file(tmp_path / name, b"a 1 2")
    content = path.read_bytes().replace(b"\x00\x00\x08\x00", b"\x01\x00\x08\x00")
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is an encrypted zip archive; extract"):
        WordVectors.load(path)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_damaged_compressed_files_are_refused(tmp_path, compress):
    content = bytearray(compress("".join(f"{row}\n" for row in lines() * 50).encode()))
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "damaged").write_bytes(content)
    with pytest.raises(ValueError, match=r"is (damaged|truncated): .*Download it again"):
        WordVectors.load(tmp_path / "damaged")


def test_a_damaged_archive_is_refused(tmp_path):
    path = zip_file(tmp_path / "vectors.zip", b"a 1 2")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"vectors\.zip is damaged: .*Download it again"):
        WordVectors.load(path)


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_byte_order_mark_is_no_part_of_the_first_word(tmp_path, header, compress):
    path = tmp_path / "vectors.txt"
    path.write_bytes(compress("\n".join(lines(header)).encode("utf-8-sig")))
    vectors = WordVectors.load(path)
    assert vectors.tokens.tolist() == TOKENS
    np.testing.assert_array_equal(vectors.matrix, MATRIX)


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        WordVectors.load(tmp_path / "vectors.txt")


# Bytes that are not UTF-8


@pytest.mark.parametrize("is_binary", [False, True])
def test_decoding_errors_are_handled_as_by_open(tmp_path, is_binary):
    path, word = tmp_path / "vectors", b"caf\xe9"
    if is_binary:
        path.write_bytes(b"2 3\n" + b"".join(w + b" " + bytes(12) for w in (b"a", word)))
    else:
        path.write_bytes(b"a 0 0 0\n" + word + b" 0 0 0\n")
    assert WordVectors.load(path, errors="replace").tokens.tolist() == ["a", "caf\ufffd"]
    assert WordVectors.load(path, errors="ignore").tokens.tolist() == ["a", "caf"]
    with pytest.raises(ValueError, match=r'2 cannot be read: .*; pass errors="replace" or'):
        WordVectors.load(path)
    with pytest.raises(ValueError, match=r"errors='wrong' must be one of 'strict', 'replace'"):
        WordVectors.load(path, errors="wrong")
    texts = ["a caf"]
    assert WordVectors.for_texts(path, texts, errors="ignore").coverage(texts) == 1


def test_a_word_of_which_nothing_remains_is_left_out(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_bytes(b"a 1 2\n\xff 1 2\nb 3 4\n")
    assert WordVectors.load(path, errors="ignore").tokens.tolist() == ["a", "b"]


# Vectors that are no file


class KeyedVectors:
    """Has what gensim documents of its class."""

    def __init__(self):
        self.index_to_key, self.vectors = list(TOKENS), MATRIX.copy()

    def __len__(self):
        return len(self.index_to_key)

    def __getitem__(self, token):
        return self.vectors[self.index_to_key.index(token)]


class Word2Vec:
    def __init__(self):
        self.wv = KeyedVectors()


SOURCES = {
    "dict of lists": lambda: dict(zip(TOKENS, MATRIX.tolist(), strict=True)),
    "dict of arrays": lambda: dict(zip(TOKENS, MATRIX, strict=True)),
    "Series of arrays": lambda: pd.Series(list(MATRIX), index=TOKENS).to_dict(),
    "KeyedVectors": KeyedVectors,
    "gensim model": Word2Vec,
    "WordVectors": lambda: WordVectors(TOKENS, MATRIX),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_vectors_are_taken_from_all_sources(source):
    vectors = WordVectors.from_source(source())
    assert vectors.tokens.tolist() == TOKENS
    np.testing.assert_array_equal(vectors.matrix, MATRIX)
    model = make_text_classifier(vectors=source())
    assert model[0].vocabulary is model[1].embedding_weights
    assert model[0].vocabulary.tokens.tolist() == TOKENS
    assert WordVectors.for_texts(source(), ["the film"]).coverage(["the film"]) == 1


def test_a_path_is_a_source(tmp_path):
    path = text_file(tmp_path / "glove.txt", lines())
    for source in (path, str(path)):
        assert WordVectors.from_source(source).tokens.tolist() == TOKENS


def test_a_classifier_is_trained_with_a_dict_of_vectors():
    model = make_text_classifier("fast", vectors={"a": [1, 2], "b": [0, 1]}, epochs=1, units=2)
    model.fit(["a film", "b film"] * 4, [0, 1] * 4).predict(["a b"])
    assert model[1].weights_["embedding/embeddings"].shape[1] == 2


NO_SOURCES = {
    "list": ([[1.0, 2.0]], TypeError, "is a list; pass WordVectors, the path of a file, a mapping"),
    "None": (None, TypeError, "is a NoneType; pass WordVectors"),
    "array": (np.eye(2), TypeError, "is a ndarray; pass WordVectors"),
    "empty": ({}, ValueError, "has no words; pass at least one word and its vector"),
    "numbers": ({"a": 1}, ValueError, "has one value, 1 for 'a'; a vector must be a sequence"),
    "texts": ({"a": ["x"]}, ValueError, r"has \['x'\] for 'a'; a vector must be a sequence"),
    "matrices": ({"a": [[1, 2]]}, ValueError, r"has an array of shape \(1, 2\) for 'a'"),
    "ragged": (
        {"a": [1, 2], "b": [1, 2, 3]}, ValueError, "has 3 values for 'b', but 2 for 'a'; all"
    ),
    "other words": ({"a": [1], 3: [2]}, TypeError, r"contains 3 \(int\); every word must be a str"),
    "not finite": ({"a": [np.nan]}, ValueError, "matrix contains NaN"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "error", "message"), NO_SOURCES.values(), ids=NO_SOURCES)
def test_other_sources_are_refused_by_the_name_of_the_parameter(source, error, message):
    with pytest.raises(error, match=message if "matrix" in message else f"^source {message}"):
        WordVectors.from_source(source)
    if source is not None:
        with pytest.raises(error, match=message if "matrix" in message else f"^vectors {message}"):
            make_text_classifier(vectors=source)


def test_forms_of_one_word_in_a_dict_are_reported():
    with pytest.warns(UserWarning, match="source has 1 words twice"):
        vectors = WordVectors.from_source({"e\u0301": [1.0], "\u00e9": [2.0], "a": [3.0]})
    assert vectors.matrix.tolist() == [[1.0], [3.0]]


@pytest.mark.parametrize(
    "source", [{"a": [1.0, 2.0]}, KeyedVectors()], ids=["dict", "KeyedVectors"]
)
def test_the_two_steps_name_the_conversion(source):
    with pytest.raises(TypeError, match=r"^vocabulary .*WordVectors\.from_source"):
        TextSequencer(vocabulary=source).fit(["a b"])
    classifier = LSTMTextClassifier(embedding_weights=source, units=2, epochs=1)
    with pytest.raises(TypeError, match=r"^embedding_weights is .*WordVectors\.from_source"):
        classifier.fit([[2, 3], [3, 2]], [0, 1])

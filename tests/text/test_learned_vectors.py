"""Word vectors learned from texts; concatenated and saved vectors."""

from __future__ import annotations

import pickle
import re
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from conftest import LABELS, TEXTS, small_classifier
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from sklstm import TextSequencer, WordVectors, make_text_classifier
from sklstm._cooccurrences import NO_WORD, count_cooccurrences, positive_pmi
from sklstm._network.embedding_table import cooccurrence_rows

SMALL = {"vector_size": 4, "min_count": 1, "random_state": 0}
VECTORS = WordVectors(["good", "bad"], [[0.5, 1.0], [-1 / 3, 1e-7]])


def reference_counts(documents, n_words, window):
    """Count pairs of words one by one."""
    counts = np.zeros((n_words, n_words))
    for document in documents:
        for i, j in combinations(range(len(document)), 2):
            a, b = document[i], document[j]
            if j - i <= window and NO_WORD not in (a, b):
                counts[a, b] += 1 / (j - i)
                counts[b, a] += 1 / (j - i)
    return counts


def random_documents(n_documents=40, n_words=7):
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 9, n_documents)
    codes = rng.integers(NO_WORD, n_words, lengths.sum()).astype(np.int32)
    return codes, lengths, np.split(codes, np.cumsum(lengths)[:-1])


@pytest.mark.parametrize("block_size", [5, 1000])
@pytest.mark.parametrize("window", [1, 3, 20])
def test_cooccurrences_are_those_of_a_loop_over_pairs(monkeypatch, window, block_size):
    monkeypatch.setattr("sklstm._cooccurrences._BLOCK_SIZE", block_size)
    codes, lengths, documents = random_documents()
    counts = count_cooccurrences(codes, lengths, 7, window)
    np.testing.assert_allclose(
        counts.toarray(), reference_counts(documents, 7, window), rtol=1e-6, atol=1e-6
    )


def test_positive_pmi_is_that_of_the_definition():
    _, _, documents = random_documents()
    counts = reference_counts(documents, 7, 3)
    counts[0] = counts[:, 0] = 0
    words = counts.sum(axis=1) / counts.sum()
    contexts = counts.sum(axis=1) ** 0.75 / (counts.sum(axis=1) ** 0.75).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        pmi = np.log(counts / counts.sum() / words[:, None] / contexts)
    from scipy import sparse

    found = positive_pmi(sparse.csr_array(counts.astype(np.float32))).toarray()
    np.testing.assert_allclose(found, np.maximum(np.nan_to_num(pmi, neginf=0), 0), atol=1e-5)


def test_vectors_are_those_of_an_exact_svd():
    vectors = WordVectors.from_texts(TEXTS, vector_size=5, min_count=2, n_iter=20, random_state=0)
    sequencer = TextSequencer(vocabulary=vectors.tokens.tolist()).fit(TEXTS)
    documents = [
        [i - 2 if i > 1 else NO_WORD for i in row[row > 0]] for row in sequencer.transform(TEXTS)
    ]
    counts = reference_counts(documents, len(vectors), 5)
    contexts = counts.sum(axis=1) ** 0.75 / (counts.sum(axis=1) ** 0.75).sum()
    with np.errstate(divide="ignore"):
        pmi = np.log(counts / counts.sum(axis=1, keepdims=True) / contexts)
    u, s, _ = np.linalg.svd(np.maximum(pmi, 0))
    expected = u[:, :5] * np.sqrt(s[:5])
    expected *= 0.5 / np.sqrt(np.mean(np.square(expected), axis=1, keepdims=True))
    # The signs of singular vectors are arbitrary.
    np.testing.assert_allclose(vectors.matrix @ vectors.matrix.T, expected @ expected.T, atol=1e-3)


def test_words_in_similar_contexts_have_similar_vectors():
    rng = np.random.default_rng(0)
    subjects = {"cat": "furry purring small", "kitten": "furry purring small", "car": "fast red"}
    texts = []
    for _ in range(300):
        subject = rng.choice(list(subjects))
        texts.append(f"the {rng.choice(subjects[subject].split())} {subject}")
    vectors = WordVectors.from_texts(texts, vector_size=4, random_state=0)

    def cosine(a, b):
        return vectors[a] @ vectors[b] / np.linalg.norm(vectors[a]) / np.linalg.norm(vectors[b])

    assert cosine("cat", "kitten") > 0.9
    assert cosine("cat", "car") < 0.5


@pytest.mark.parametrize(
    "as_input",
    [tuple, iter, pd.Series, lambda texts: pd.DataFrame({"text": texts}), np.array],
    ids=["tuple", "iterator", "Series", "DataFrame", "ndarray"],
)
def test_any_iterable_of_texts_gives_the_same_vectors(monkeypatch, as_input):
    monkeypatch.setattr("sklstm.vectors._CHUNK_SIZE", 5)
    expected = WordVectors.from_texts(TEXTS, **SMALL)
    vectors = WordVectors.from_texts(as_input(TEXTS), **SMALL)
    assert list(vectors) == list(expected)
    np.testing.assert_array_equal(vectors.matrix, expected.matrix)


def test_the_vocabulary_is_that_of_a_sequencer():
    sequencer = TextSequencer(max_tokens=9, stop_words="english", stemmer="english").fit(TEXTS)
    vectors = WordVectors.from_texts(
        TEXTS, max_tokens=9, stop_words="english", stemmer="english", **SMALL
    )
    assert list(vectors) == list(sequencer.vocabulary_)
    by_characters = WordVectors.from_texts(["東京都", "京都市"] * 3, analyzer="char", vector_size=1)
    assert set(by_characters) == set("東京都市")


def test_rare_words_have_no_vector():
    vectors = WordVectors.from_texts(["a b", "a b c c", "d"], vector_size=1, min_count=2)
    assert list(vectors) == ["a", "b", "c"]


def test_texts_without_spaces_are_warned_of():
    texts = ["今天天气很好我们去公园玩", "昨天下雨了我们没有出门"]
    with pytest.warns(UserWarning, match="are not split into words"):
        WordVectors.from_texts(texts, vector_size=1, min_count=1)


@pytest.mark.parametrize(
    ("texts", "parameters", "error", "message"),
    [
        ("a text", {}, ValueError, "X is a single string"),
        (5, {}, TypeError, "X must be a list"),
        ([], {}, ValueError, "texts contains no words"),
        (["", None], {}, ValueError, "texts contains no words"),
        (["a b", 3], {}, TypeError, "Row 1 of X contains 3"),
        (["a b c"] * 3, {}, ValueError, "vector_size=100 must be less than .* only 3 words"),
        (TEXTS, {"vector_size": 0}, ValueError, "vector_size == 0, must be >= 1"),
        (TEXTS, {"window": 0}, ValueError, "window == 0"),
        (TEXTS, {"min_count": 1.5}, TypeError, "min_count must be an instance of int"),
        (TEXTS, {"max_tokens": 2}, ValueError, "max_tokens == 2"),
        (TEXTS, {"n_iter": -1}, ValueError, "n_iter == -1"),
        (TEXTS, {"lowercase": "no"}, ValueError, "'lowercase' parameter of WordVectors.from_texts"),
        (TEXTS, {"min_df": 2}, TypeError, "no parameter 'min_df'"),
        (TEXTS, {"token_pattern": "("}, ValueError, "not a regular expression"),
    ],
)
def test_invalid_input_raises_an_error(texts, parameters, error, message):
    with pytest.raises(error, match=message):
        WordVectors.from_texts(texts, **parameters)


def test_progress_shows_the_number_of_texts(capsys):
    WordVectors.from_texts(iter(TEXTS), verbose=2, **SMALL)
    assert re.search(r"12 texts", capsys.readouterr().out)


def test_concatenated_vectors_have_the_mean_of_a_source_that_lacks_the_word():
    other = WordVectors(["film", "good"], [[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]])
    vectors = WordVectors.concatenate(VECTORS, other, VECTORS)
    assert list(vectors) == ["good", "bad", "film"]
    assert vectors.vector_size == 7
    np.testing.assert_allclose(vectors["good"], [0.5, 1, 3, 4, 5, 0.5, 1])
    mean = VECTORS.matrix.mean(axis=0)
    np.testing.assert_allclose(vectors["film"], [*mean, 1, 2, 3, *mean])
    np.testing.assert_allclose(vectors["bad"][2:5], [2, 3, 4])


def test_only_several_word_vectors_are_concatenated():
    with pytest.raises(ValueError, match="at least two sources"):
        WordVectors.concatenate(VECTORS)
    with pytest.raises(TypeError, match="takes WordVectors; got dict"):
        WordVectors.concatenate(VECTORS, {"good": [1.0]})


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.NPZ", "vectors.npz"])
def test_saved_vectors_are_loaded_exactly(tmp_path, name):
    path = tmp_path / name
    VECTORS.save(path)
    loaded = WordVectors.load(path)
    assert list(loaded) == ["good", "bad"]
    np.testing.assert_array_equal(loaded.matrix, VECTORS.matrix)
    assert list(WordVectors.load(path, vocabulary=["bad", "x"])) == ["bad"]
    assert list(WordVectors.load(path, max_words=1)) == ["good"]
    with pytest.raises(ValueError, match="no words among the 1 of vocabulary"):
        WordVectors.load(path, vocabulary=["x"])
    VECTORS.save(str(path))
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_words_with_spaces_are_saved_only_to_archives(tmp_path):
    vectors = WordVectors(["new york"], [[1.0]])
    with pytest.raises(ValueError, match=r"'new york' contains a white space.*npz"):
        vectors.save(tmp_path / "vectors.txt")
    assert not list(tmp_path.iterdir())
    vectors.save(tmp_path / "vectors.npz")
    assert list(WordVectors.load(tmp_path / "vectors.npz")) == ["new york"]


@pytest.mark.parametrize(
    "arrays",
    [
        {"tokens": np.zeros(3, np.uint8), "matrix": VECTORS.matrix},
        {"tokens": np.array([b"good"], object), "matrix": VECTORS.matrix},
        {"tokens": VECTORS._packed_tokens, "matrix": VECTORS.matrix[:1]},
        {"tokens": VECTORS._packed_tokens, "matrix": VECTORS.matrix.astype(float)},
    ],
)
def test_a_damaged_archive_is_named(tmp_path, arrays):
    path = tmp_path / "vectors.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match="damaged"):
        WordVectors.load(path)


def test_a_truncated_archive_is_named(tmp_path):
    path = tmp_path / "vectors.npz"
    VECTORS.save(path)
    content = bytearray(path.read_bytes())
    content[60] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"vectors\.npz is damaged"):
        WordVectors.load(path)


#: More than 100 distinct words.
MANY = [*TEXTS, *(f"word{i} and word{i + 1} of a story" for i in range(120))] * 3


class Unlabeled(list):
    """Texts that must not be part of a saved model."""

    def __reduce__(self):
        raise AssertionError("The texts were saved.")


def test_unlabeled_texts_are_not_part_of_the_model():
    small = {"units": 4, "epochs": 2, "random_state": 0}
    texts = Unlabeled([*MANY, "marvellous and lovely film", "marvellous music"])
    model = make_text_classifier("fast", unlabeled=texts, **small)
    same = clone(model)
    assert same[-1].embedding_weights is model[-1].embedding_weights
    assert "marvellous" in same[0].vocabulary
    scores = cross_val_score(model, TEXTS, LABELS, cv=2, error_score="raise")
    assert np.isfinite(scores).all()
    loaded = pickle.loads(pickle.dumps(model.fit(TEXTS, LABELS)))
    np.testing.assert_array_equal(loaded.predict_proba(TEXTS), model.predict_proba(TEXTS))
    # Words of the unlabeled texts have vectors.
    assert loaded.predict_proba(["marvellous"])[0, 0] != loaded.predict_proba(["unknown"])[0, 0]


def test_unlabeled_texts_are_tokenized_as_those_of_the_pipeline():
    model = make_text_classifier(unlabeled=MANY, lowercase=False, stemmer="english")
    assert "I" in model[0].vocabulary
    assert "stori" in model[0].vocabulary


def test_unlabeled_texts_and_vectors_are_concatenated():
    pretrained = WordVectors(["film", "rare"], [[1.0, 2.0], [3.0, 4.0]])
    model = make_text_classifier(unlabeled=MANY, vectors=pretrained, random_state=0)
    learned = WordVectors.from_texts(MANY, random_state=0)
    vectors = model[-1].embedding_weights
    np.testing.assert_array_equal(vectors["film"], [1, 2, *learned["film"]])
    assert "rare" in vectors
    with pytest.raises(ValueError, match="embedding_dim is set by unlabeled"):
        make_text_classifier(unlabeled=TEXTS, embedding_dim=3)


def test_vectors_of_the_training_documents_are_those_of_their_texts():
    sequencer = TextSequencer()
    ids = sequencer.fit_transform(TEXTS)
    vectors, has_vector = cooccurrence_rows(ids, sequencer.n_tokens_, 5, seed=0)
    learned = WordVectors.from_texts(TEXTS, vector_size=5)
    assert sequencer.tokens_[has_vector].tolist() == list(learned)
    found = vectors[has_vector]
    np.testing.assert_allclose(found @ found.T, learned.matrix @ learned.matrix.T, atol=0.05)
    assert np.abs(vectors[~has_vector][2:]).max() <= 0.05


def test_few_tokens_have_vectors_of_fewer_components():
    ids = np.array([[2, 3, 4], [2, 3, 4]])
    vectors, has_vector = cooccurrence_rows(ids, 6, 5, seed=0)
    assert has_vector.tolist() == [False, False, True, True, True, False]
    assert not vectors[2:5, 2:].any()
    _, has_vector = cooccurrence_rows(np.array([[2, 2]]), 4, 5, seed=0)
    assert not has_vector.any()


@pytest.mark.parametrize(("n_copies", "expected"), [(1, False), (40, True)])
def test_auto_learns_vectors_only_from_many_tokens(monkeypatch, n_copies, expected):
    monkeypatch.setattr("sklstm.classifier._MIN_TOKENS", 1000)
    sequencer = TextSequencer()
    ids = np.tile(np.asarray(sequencer.fit_transform(TEXTS)), (n_copies, 1))
    labels = LABELS * n_copies
    fitted = {"learning_rate": 1e-30, "epochs": 1, "ngrams": 1}
    models = {
        kind: small_classifier(embedding_weights=kind, **fitted).fit(ids, labels)
        for kind in ("auto", "cooccurrence", None)
    }
    matrices = {kind: model.weights_["embedding/embeddings"] for kind, model in models.items()}
    same = "cooccurrence" if expected else None
    np.testing.assert_array_equal(matrices["auto"], matrices[same])
    assert ("token_scores/embeddings" in models["auto"].weights_) == expected


def test_learned_vectors_are_reproducible_and_resume():
    ids = TextSequencer().fit_transform(TEXTS)
    classifier = small_classifier(embedding_weights="cooccurrence", ngrams=2)
    first = clone(classifier).fit(ids, LABELS)
    second = clone(classifier).fit(ids, LABELS)
    np.testing.assert_array_equal(first.decision_function(ids), second.decision_function(ids))
    first.set_params(warm_start=True).fit(ids, LABELS)
    first.partial_fit(ids, LABELS)
    assert np.isfinite(first.decision_function(ids)).all()
    parts = clone(classifier).partial_fit(ids, LABELS, classes=["bad", "good"])
    parts.partial_fit(ids[:4], LABELS[:4])
    assert "token_scores/embeddings" in parts.weights_

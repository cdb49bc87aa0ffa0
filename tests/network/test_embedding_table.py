"""Word vectors in a pipeline: rows for words seen in training, and for others at prediction."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from conftest import LABELS, PLAIN, TEXTS
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline

from sklstm import LSTMTextClassifier, TextSequencer, WordVectors, token_attributions

EMBEDDINGS = "embedding/embeddings"
NEW_TEXTS = ["a splendid film", "awful", "a fine cast", "zzz zzz"]


def word_vectors(n_others=1000) -> WordVectors:
    """Return vectors of most words of the texts, of two that these lack, and of many others."""
    rng = np.random.default_rng(0)
    words = sorted({word for text in TEXTS for word in text.lower().replace(",", "").split()})
    words.remove("acting")
    # In no order, as in a file; the last one has the largest id.
    tokens = [*words, "splendid", *(f"other{i}" for i in range(n_others)), "awful"]
    return WordVectors(tokens, rng.normal(size=(len(tokens), 5)))


def model_with(vectors: WordVectors, **parameters) -> Pipeline:
    settings = PLAIN | {"units": 4, "epochs": 2, "learning_rate": 0.01, "random_state": 0}
    return make_pipeline(
        TextSequencer(vocabulary=vectors, max_len=12),
        LSTMTextClassifier(**(settings | {"embedding_weights": vectors} | parameters)),
    )


@pytest.fixture(scope="module")
def fitted() -> Pipeline:
    return model_with(word_vectors()).fit(TEXTS, LABELS)


def test_only_words_seen_in_training_have_rows(fitted):
    sequencer, classifier = fitted
    n_words = len({token for row in sequencer.transform(TEXTS) for token in row if token > 1})
    assert classifier.weights_[EMBEDDINGS].shape == (2 + n_words, 5)
    assert classifier.embedding_ids_[:2].tolist() == [0, 1]
    assert len(np.unique(classifier.embedding_ids_)) == 2 + n_words
    assert classifier.vocab_size_ == sequencer.n_tokens_ > 1000
    assert classifier.n_parameters_ < 500


def test_rows_start_from_the_vectors_of_their_words():
    vectors = word_vectors()
    sequencer, classifier = model_with(vectors, trainable_embeddings=False).fit(TEXTS, LABELS)
    matrix = classifier.weights_[EMBEDDINGS]
    for id_, row in zip(classifier.embedding_ids_[2:], matrix[2:], strict=True):
        token = sequencer.tokens_[id_]
        if token == "acting":
            assert 0 < np.abs(row).max() <= 0.05
        else:
            np.testing.assert_array_equal(row, vectors[token])
    np.testing.assert_array_equal(matrix[0], np.zeros(5))
    np.testing.assert_allclose(matrix[1], vectors.matrix.mean(axis=0))


def test_words_that_training_lacks_have_their_vectors_at_prediction(fitted):
    sequencer, classifier = fitted
    ids = sequencer.transform(NEW_TEXTS)
    # The same network with a row for each id gives the reference.
    every = np.asarray(classifier.embedding_weights)
    matrix = np.concatenate([every, np.zeros((classifier.vocab_size_ - len(every), 5))])
    matrix[classifier.embedding_ids_] = classifier.weights_[EMBEDDINGS]
    whole = clone(classifier).set_params(embedding_weights=matrix, vocab_size=len(matrix))
    whole.fit(sequencer.transform(TEXTS), LABELS)
    whole.weights_ = classifier.weights_ | {EMBEDDINGS: matrix.astype(np.float32)}
    scores = classifier.decision_function(ids)
    np.testing.assert_allclose(scores, whole.decision_function(ids), atol=1e-6)
    np.testing.assert_allclose(classifier.transform(ids), whole.transform(ids), atol=1e-6)
    unknown = np.where(np.isin(ids, classifier.embedding_ids_), ids, 1)
    assert (scores[:2] != classifier.decision_function(unknown)[:2]).all()
    np.testing.assert_allclose(scores[2:], classifier.decision_function(unknown)[2:], atol=1e-6)


def test_scores_do_not_depend_on_the_other_documents(fitted):
    alone = [fitted.decision_function([text])[0] for text in NEW_TEXTS]
    np.testing.assert_allclose(alone, fitted.decision_function(NEW_TEXTS), atol=1e-6)


def test_keras_model_has_a_row_for_each_id(fitted):
    pytest.importorskip("keras")
    ids = fitted[0].transform([*NEW_TEXTS, *TEXTS])
    model = fitted[1].to_keras()
    np.testing.assert_allclose(
        np.ravel(model.predict(ids, verbose=0)), fitted[1].predict_proba(ids)[:, 1], atol=1e-5
    )
    assert "5,0" not in fitted[1].summary()


def test_a_pickle_scores_words_that_training_lacks(fitted):
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(
        again.decision_function(NEW_TEXTS), fitted.decision_function(NEW_TEXTS)
    )
    assert again[0].vocabulary.tokens.tolist() == fitted[0].vocabulary.tokens.tolist()


def test_words_without_vectors_are_trained():
    sequencer = TextSequencer(vocabulary=WordVectors(["film", "fine"], np.eye(2)), max_tokens=4)
    sequencer.fit(["a fine film", "a dull film", "a bad cut"])
    assert sequencer.tokens_.tolist() == ["", "[UNK]", "film", "fine", "a", "bad"]
    assert sequencer.token_counts_.tolist() == [0, 2, 2, 1, 3, 1]
    sequencer.set_params(max_tokens=None, min_df=2).fit(["a fine film", "a dull film", "bad bad"])
    assert sequencer.tokens_[4:].tolist() == ["a"]


def test_trained_words_keep_their_ids_from_chunk_to_chunk():
    vectors = WordVectors(["film", "fine"], np.eye(2))
    sequencer = TextSequencer(vocabulary=vectors, max_tokens=5).partial_fit(["a film", "a film"])
    assert sequencer.vocabulary_ == {"film": 2, "fine": 3, "a": 4}
    sequencer.partial_fit(["dull dull dull", "a cut", "long long"])
    assert sequencer.vocabulary_ == {"film": 2, "fine": 3, "a": 4, "dull": 5, "long": 6}
    assert sequencer.token_counts_.tolist() == [0, 1, 2, 0, 3, 3, 2]
    sequencer.vocabulary = WordVectors(["film", "plot"], np.eye(2))
    with pytest.raises(ValueError, match="differs from that of previous calls"):
        sequencer.partial_fit(["a film"])


def test_each_fold_has_its_own_words():
    model = model_with(word_vectors())
    assert np.isfinite(cross_val_score(model, TEXTS, LABELS, cv=3, error_score="raise")).all()
    search = GridSearchCV(model, {"lstmtextclassifier__units": [2, 3]}, cv=2, error_score="raise")
    best = search.fit(TEXTS, LABELS).best_estimator_
    assert best[1].embedding_weights is model[1].embedding_weights is best[0].vocabulary


def test_partial_fit_adds_rows_for_new_words():
    model = model_with(word_vectors(), optimizer="adam")
    ids = model[0].fit_transform([*TEXTS, *NEW_TEXTS])
    classifier = clone(model[1])
    classifier.partial_fit(ids[:4], LABELS[:4], classes=LABELS[:2])
    before = classifier.embedding_ids_
    classifier.partial_fit(ids[4:], [*LABELS[4:], "good", "bad", "good", "bad"])
    after = classifier.embedding_ids_
    assert after[: len(before)].tolist() == before.tolist()
    assert set(after) == {0, 1, *ids.ravel()}
    # The second call starts from the vectors that the first one trained.
    rows = dict(zip(after.tolist(), classifier.weights_[EMBEDDINGS], strict=True))
    awful = model[0].vocabulary_["awful"]
    moved = np.abs(rows[awful] - word_vectors()["awful"]).max()
    assert 0 < moved < 0.1


def test_partial_fit_of_all_words_at_once_is_one_epoch_of_fit():
    model = model_with(word_vectors(), epochs=1)
    ids = model[0].fit_transform(TEXTS)
    one = clone(model[1]).fit(ids, LABELS)
    other = clone(model[1]).partial_fit(ids, LABELS, classes=LABELS[:2])
    np.testing.assert_array_equal(one.weights_[EMBEDDINGS], other.weights_[EMBEDDINGS])


def test_warm_start_resumes_from_trained_vectors():
    for vectors in (word_vectors(), np.asarray(word_vectors())):
        ids = TextSequencer(vocabulary=word_vectors().tokens, max_len=12).fit_transform(TEXTS)
        parameters = {"units": 4, "embedding_dim": 5, "random_state": 0, "warm_start": True}
        classifier = LSTMTextClassifier(epochs=5, learning_rate=0.05, **parameters)
        classifier.set_params(embedding_weights=vectors).fit(ids, LABELS)
        before = classifier.weights_[EMBEDDINGS].copy()
        classifier.set_params(epochs=1, learning_rate=1e-6).fit(ids, LABELS)
        np.testing.assert_allclose(classifier.weights_[EMBEDDINGS], before, atol=1e-4)


def test_training_cannot_resume_with_vectors_of_another_size():
    model = model_with(word_vectors(), warm_start=True).fit(TEXTS, LABELS)
    shorter = WordVectors(word_vectors().tokens, word_vectors().matrix[:, :3])
    model[1].embedding_weights = shorter
    with pytest.raises(ValueError, match=r"embedding_dim is 3, but .* trained with 5"):
        model.fit(TEXTS, LABELS)


def test_validation_documents_read_words_with_vectors_only():
    vectors = word_vectors()
    model = model_with(vectors)
    ids = model[0].fit_transform(TEXTS)
    validation_ids = model[0].transform(NEW_TEXTS)
    classifier = model[1].fit(
        ids, LABELS, X_val=validation_ids, y_val=["good", "bad", "good", "bad"]
    )
    awful = model[0].vocabulary_["awful"]
    assert awful in classifier.embedding_ids_
    accuracy = np.mean(classifier.predict(validation_ids) == ["good", "bad", "good", "bad"])
    assert classifier.history_["val_accuracy"][-1] == pytest.approx(accuracy)


def test_vocab_size_limits_the_ids():
    model = model_with(word_vectors(), vocab_size=10).fit(TEXTS, LABELS)
    assert model[1].embedding_ids_.max() < 10
    assert model[1].vocab_size_ == 10
    assert np.isfinite(model.decision_function(NEW_TEXTS)).all()


@pytest.fixture(scope="module")
def with_ngrams() -> Pipeline:
    model = model_with(word_vectors(), ngrams=2).fit(TEXTS, LABELS)
    # Few buckets are trained; now each of them matters.
    table = model[-1].weights_["ngrams/embeddings"]
    table[:] = np.random.default_rng(0).normal(size=table.shape)
    return model


def test_score_of_new_words_does_not_depend_on_other_documents(with_ngrams):
    alone = np.concatenate([with_ngrams.decision_function([text]) for text in NEW_TEXTS])
    together = with_ngrams.decision_function([*TEXTS, "other3 other7", *NEW_TEXTS])
    np.testing.assert_allclose(together[-len(NEW_TEXTS) :], alone, atol=1e-6)


def test_new_words_are_unknown_to_ngrams(with_ngrams):
    classifier = with_ngrams[-1]
    # The LSTM and the token vectors score zero, so that only n-grams matter.
    zeroed = pickle.loads(pickle.dumps(classifier))
    zeroed.weights_["output/kernel"][:] = zeroed.weights_["token_scores/embeddings"][:] = 0.0
    zeroed._vector_scores[:] = zeroed._prefix_scores.scores[:] = 0.0
    splendid, unheard_of = zeroed.decision_function(
        with_ngrams[0].transform(["a splendid film", "a zzz film"])
    )
    assert splendid == pytest.approx(unheard_of, abs=1e-6)


def test_keras_model_has_the_ngrams_of_seen_words(with_ngrams):
    texts = [*TEXTS, *NEW_TEXTS]
    network = with_ngrams[-1].to_keras()
    found = network.predict(with_ngrams[0].transform(texts), verbose=0)[:, 0]
    np.testing.assert_allclose(found, with_ngrams.predict_proba(texts)[:, 1], atol=1e-5)


def test_attributions_of_new_words_are_complete(with_ngrams):
    for found in token_attributions(with_ngrams, NEW_TEXTS):
        rise = found.score - found.baseline_score
        assert found.values.sum() == pytest.approx(rise, abs=max(0.001, 0.01 * abs(rise)))

"""Prefixes of the tokens, which are features of the linear model, and the ids that carry them."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from conftest import LABELS, TEXTS, small_classifier
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

from sklstm import TextSequencer, WordVectors
from sklstm._network.prefixes import PrefixScores, find_prefixes
from sklstm._token_ids import TokenIds, tokens_of

TOKEN_SCORES = "token_scores/embeddings"
STEMS = ["enjoyed it", "boredom again", "we enjoyed that", "pure boredom"] * 2
STEM_LABELS = ["good", "bad"] * 4


def linear_classifier(**parameters):
    """Return a classifier whose LSTM is hardly trained, so that the linear model decides."""
    return small_classifier(**{"ngrams": 2, "learning_rate": 1e-30, "epochs": 1} | parameters)


def token_scores(classifier, sequencer):
    scores = classifier.weights_[TOKEN_SCORES]
    return {token: scores[id_] for token, id_ in sequencer.vocabulary_.items()}


def test_prefixes_are_shorter_than_their_token():
    tokens = np.array(["", "ten", "tens", "tensor", "tenants", "größen"], dtype=object)
    matrix = find_prefixes(tokens).matrix.toarray()
    # Of "ten", "tens", "tenso", "tena", "tenan", "tenant", "grö", "größ" and "größe".
    assert matrix.sum(axis=1).tolist() == [0, 0, 1, 3, 4, 3]
    assert sorted(matrix.sum(axis=0).tolist()) == [1, 1, 1, 1, 1, 1, 1, 1, 3]
    assert find_prefixes(tokens[:2]).matrix.shape == (2, 0)


def test_words_with_the_same_prefix_share_a_score():
    sequencer = TextSequencer()
    # "enjoyable" and "boredoms" occur once, so that they have no score as n-grams.
    texts = [*STEMS, "enjoyable", "boredoms"]
    ids = sequencer.fit_transform(texts)
    classifier = linear_classifier().fit(ids, [*STEM_LABELS, "good", "bad"])
    scores = token_scores(classifier, sequencer)
    assert scores["enjoyable"] > 0 > scores["boredoms"]
    assert scores["it"] == scores["again"] - scores["again"] == 0


@pytest.mark.parametrize(
    "use",
    [
        lambda ids: ids[2:5],
        lambda ids: ids[[0, 2]],
        lambda ids: ids[np.arange(len(ids)) > 3],
        lambda ids: ids.copy(),
        lambda ids: np.take(ids, [1, 2], axis=0),
        lambda ids: copy.deepcopy(ids),
        lambda ids: pickle.loads(pickle.dumps(ids)),
    ],
)
def test_selected_rows_and_copies_have_the_tokens(use):
    sequencer = TextSequencer()
    used = use(sequencer.fit_transform(TEXTS))
    assert tokens_of(used).tolist() == sequencer.tokens_.tolist()


def test_results_of_computations_are_ordinary_arrays():
    ids = TextSequencer().fit_transform(TEXTS)
    for result in (ids + 1, ids > 0, ids.sum(axis=0), np.asarray(ids), np.concatenate([ids, ids])):
        assert type(result) is np.ndarray
    assert isinstance(ids.max(), np.integer)
    assert repr(ids) == repr(np.asarray(ids))
    assert tokens_of(np.asarray(ids)) is None
    assert tokens_of(ids.tolist()) is None


def test_hashed_ids_have_no_tokens():
    assert type(TextSequencer(indexing="hash").fit_transform(TEXTS)) is np.ndarray


@pytest.mark.parametrize("n_classes", [2, 3])
def test_all_models_of_a_classifier_have_the_same_scores(n_classes):
    sequencer = TextSequencer()
    ids, y = sequencer.fit_transform(TEXTS), np.arange(len(TEXTS)) % n_classes
    classifier = small_classifier(ngrams=2).fit(ids, y)
    assert classifier.weights_[TOKEN_SCORES].any()
    found = classifier.to_keras().predict(np.asarray(ids), verbose=0)
    expected = classifier.predict_proba(np.asarray(ids))
    np.testing.assert_allclose(found, expected[:, -found.shape[1] :], atol=1e-5)
    restored = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(restored.predict_proba(ids), expected)


def test_pipelines_and_their_steps_train_the_same_model():
    pipeline = make_pipeline(TextSequencer(), small_classifier(ngrams=2))
    together = clone(pipeline).fit(TEXTS, LABELS)
    ids = TextSequencer().fit_transform(TEXTS)
    apart = small_classifier(ngrams=2).fit(ids, LABELS)
    np.testing.assert_array_equal(together[-1].weights_[TOKEN_SCORES], apart.weights_[TOKEN_SCORES])
    assert TOKEN_SCORES not in small_classifier(ngrams=2).fit(np.asarray(ids), LABELS).weights_
    assert TOKEN_SCORES not in small_classifier(ngrams=0).fit(ids, LABELS).weights_


def test_folds_of_ids_use_the_tokens():
    ids = TextSequencer().fit_transform(TEXTS)
    settings = {"cv": 2, "method": "decision_function"}
    with_tokens = cross_val_predict(linear_classifier(), ids, LABELS, **settings)
    without = cross_val_predict(linear_classifier(), np.asarray(ids), LABELS, **settings)
    assert not np.allclose(with_tokens, without)


def test_words_that_are_not_in_the_training_documents_count_as_unknown():
    sequencer = TextSequencer()
    ids = sequencer.fit_transform([*STEMS, "enjoyable", "xyzzy"])
    classifier = linear_classifier().fit(ids[:-2], STEM_LABELS)
    known, unknown = classifier.decision_function(ids[-2:])
    assert known == unknown
    assert classifier.weights_[TOKEN_SCORES][sequencer.vocabulary_["enjoyed"]] > 0


def test_later_training_keeps_or_renews_the_scores():
    ids = TextSequencer().fit_transform(TEXTS)
    classifier = linear_classifier(warm_start=True).fit(ids, LABELS)
    before = classifier.weights_[TOKEN_SCORES]
    after = copy.copy(classifier).partial_fit(ids, LABELS).weights_[TOKEN_SCORES]
    np.testing.assert_array_equal(after, before)
    switched = ["bad" if label == "good" else "good" for label in LABELS]
    renewed = copy.copy(classifier).fit(ids, switched)
    assert (renewed.weights_[TOKEN_SCORES] * before <= 0).all()
    plain = copy.copy(classifier).fit(np.asarray(ids), LABELS)
    assert TOKEN_SCORES not in plain.weights_
    assert np.isfinite(plain.decision_function(ids)).all()
    again = plain.fit(ids, LABELS)
    np.testing.assert_allclose(again.weights_[TOKEN_SCORES], before, atol=1e-5)


def test_scores_add_to_those_of_vectors():
    words = sorted({word for text in STEMS for word in text.split()})
    vectors = WordVectors(words, np.random.default_rng(0).normal(size=(len(words), 3)))
    sequencer = TextSequencer(vocabulary=vectors)
    ids = sequencer.fit_transform(STEMS)
    classifier = linear_classifier(embedding_weights=vectors)
    with_prefixes = clone(classifier).fit(ids, STEM_LABELS).weights_[TOKEN_SCORES]
    without = clone(classifier).fit(np.asarray(ids), STEM_LABELS).weights_[TOKEN_SCORES]
    assert with_prefixes.shape == without.shape
    assert not np.allclose(with_prefixes, without)


@pytest.mark.parametrize("parameters", [{"early_stopping": True, "validation_fraction": 0.25}, {}])
def test_multilabel_thresholds_are_chosen_on_scores_with_prefixes(parameters):
    ids = TextSequencer().fit_transform(STEMS * 10)
    y = np.array([[label == "good", True] for label in STEM_LABELS * 10], dtype=int)
    y[::5] = 0
    classifier = linear_classifier(ngrams=1, threshold="auto", **parameters)
    with_tokens = clone(classifier).fit(ids, y)
    without = clone(classifier).fit(np.asarray(ids), y)
    assert not np.allclose(with_tokens.thresholds_, without.thresholds_)


def test_a_view_of_ids_keeps_the_original_unchanged():
    array = np.arange(4, dtype=np.int32).reshape(2, 2)
    ids = TokenIds.from_array(array, np.array(["", "[UNK]", "a", "b"], dtype=object))
    assert type(array) is np.ndarray
    assert ids.tokens[ids[1, 1]] == "b"


def test_words_with_vectors_that_training_lacks_have_the_scores_of_their_prefixes():
    words = sorted({word for text in STEMS for word in text.split()} | {"enjoying", "qwerty"})
    matrix = np.random.default_rng(0).normal(size=(len(words), 3))
    matrix[[words.index("enjoying"), words.index("qwerty")]] = 0.5
    vectors = WordVectors(words, matrix)
    sequencer = TextSequencer(vocabulary=vectors)
    ids = sequencer.fit_transform(STEMS)
    classifier = linear_classifier(embedding_weights=vectors).fit(ids, STEM_LABELS)
    new = sequencer.transform(["enjoying", "qwerty"])
    rows, _, weights = classifier._fitted_network().resolve(new)
    enjoying, qwerty = weights[TOKEN_SCORES][rows.max(axis=1), 0]
    # Their vectors are equal, so that the difference is the score of three prefixes.
    expected = classifier._prefix_scores.of_tokens(np.array(["enjoys"], dtype=object))
    assert enjoying - qwerty == pytest.approx(expected[0, 0], abs=1e-5)
    assert enjoying > qwerty
    restored = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(
        restored.decision_function(new), classifier.decision_function(new)
    )
    found = classifier.to_keras().predict(np.asarray(new), verbose=0)
    np.testing.assert_allclose(found, classifier.predict_proba(new)[:, 1:], atol=1e-5)
    classifier.partial_fit(new, ["good", "bad"])
    later = classifier.weights_[TOKEN_SCORES][classifier._table().rows(new).max(axis=1), 0]
    np.testing.assert_allclose(later, [enjoying, qwerty], atol=1e-6)


def test_scores_of_unknown_prefixes_are_zero():
    scores = PrefixScores(np.array(["enj", "enjo"], dtype=object), np.array([[1.0], [2.0]]))
    tokens = np.array(["enjoy", "enjo", "xenjo", ""], dtype=object)
    assert scores.of_tokens(tokens).tolist() == [[3.0], [1.0], [0.0], [0.0]]
    assert scores.of_tokens(tokens[3:]).shape == (1, 1)

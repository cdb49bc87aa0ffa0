"""LSTMTextClassifier: effects of its parameters and methods."""

from __future__ import annotations

import random

import numpy as np
import pandas as pd
import pytest
from conftest import LABELS, TEXTS, assert_same_weights, make_ids, small_classifier
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklstm import LSTMTextClassifier, TextSequencer

IDS, Y = make_ids()


@pytest.mark.parametrize(
    "classes", [[False, True], [-1, 1], ["no", "yes"], [0.0, 2.0], [3, 5, 9], ["a", "b", "c"]]
)
def test_labels_of_any_type_are_learned_and_given_back(classes):
    ids, codes = make_ids(n_documents=120, width=4, vocab_size=8, n_classes=len(classes))
    y = np.array(classes)[codes]
    classifier = small_classifier(units=8, embedding_dim=8, epochs=40).fit(ids, y)
    assert classifier.classes_.tolist() == classes
    assert classifier.predict(ids).dtype == classifier.classes_.dtype
    assert classifier.score(ids, y) > 0.95
    probabilities = classifier.predict_proba(ids)
    assert probabilities.shape == (len(ids), len(classes))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(
        classifier.classes_[probabilities.argmax(axis=1)], classifier.predict(ids)
    )


def test_multilabel_data_is_learned():
    ids, codes = make_ids(n_documents=120, width=4, vocab_size=8, n_classes=4)
    y = np.column_stack([codes % 2, codes // 2, np.zeros_like(codes)])
    classifier = small_classifier(units=8, embedding_dim=8, epochs=40).fit(ids, y)
    np.testing.assert_array_equal(classifier.classes_, [0, 1, 2])
    assert classifier.score(ids, y) > 0.95
    probabilities = classifier.predict_proba(ids)
    assert probabilities.shape == y.shape == classifier.decision_function(ids).shape
    np.testing.assert_array_equal(probabilities > 0.5, classifier.predict(ids))
    np.testing.assert_allclose(
        classifier.to_keras().predict(ids, verbose=0), probabilities, atol=1e-6
    )


def test_a_sparse_label_indicator_is_read_as_a_dense_one():
    y = np.column_stack([Y, Y])
    dense = small_classifier(epochs=1).fit(IDS, y)
    as_sparse = small_classifier(epochs=1).fit(IDS, sparse.csr_matrix(y))
    assert_same_weights(as_sparse.weights_, dense.weights_)


@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Series, pd.Categorical])
def test_labels_come_in_any_container(kind):
    names = np.array(["no", "yes"])[Y].tolist()
    classifier = small_classifier(epochs=1).fit(IDS, kind(names))
    assert classifier.classes_.tolist() == ["no", "yes"]
    assert set(classifier.predict(IDS)) <= {"no", "yes"}


def test_decision_function_is_the_logit_of_the_probability():
    classifier = small_classifier().fit(IDS, Y)
    proba = classifier.predict_proba(IDS)[:, 1].astype(float)
    np.testing.assert_allclose(
        classifier.decision_function(IDS), np.log(proba / (1 - proba)), atol=1e-5
    )


def test_same_seed_gives_the_same_weights_and_another_seed_others():
    parameters = {"embedding_dropout": 0.2, "dropout": 0.2, "early_stopping": True}
    one = small_classifier(**parameters).fit(IDS, Y)
    again = small_classifier(**parameters).fit(IDS, Y)
    other = small_classifier(**parameters, random_state=1).fit(IDS, Y)
    assert_same_weights(one.weights_, again.weights_)
    assert one.history_ == again.history_
    assert not np.array_equal(one.weights_["output/kernel"], other.weights_["output/kernel"])


def test_global_generators_are_neither_read_nor_set():
    from sklstm._runtime import keras

    random.seed(3)
    np.random.seed(3)  # noqa: NPY002
    keras.utils.set_random_seed(3)
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    for random_state in (0, None):
        classifier = small_classifier(
            random_state=random_state, dropout=0.2, input_dropout=0.1, early_stopping=True
        )
        classifier.fit(IDS, Y).predict(IDS)
        classifier.to_keras()
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002
    drawn = keras.ops.convert_to_numpy(keras.random.normal((3,)))
    keras.utils.set_random_seed(3)
    undisturbed = keras.ops.convert_to_numpy(keras.random.normal((3,)))
    np.testing.assert_array_equal(drawn, undisturbed)


def test_without_a_seed_each_fit_differs():
    one, other = (small_classifier(random_state=None, epochs=1).fit(IDS, Y) for _ in range(2))
    assert not np.array_equal(one.weights_["output/kernel"], other.weights_["output/kernel"])


def test_a_generator_as_random_state_is_used_up():
    state = np.random.RandomState(0)
    one = small_classifier(random_state=state, epochs=1).fit(IDS, Y)
    other = small_classifier(random_state=state, epochs=1).fit(IDS, Y)
    again = small_classifier(random_state=np.random.RandomState(0), epochs=1).fit(IDS, Y)
    assert_same_weights(one.weights_, again.weights_)
    assert not np.array_equal(one.weights_["output/kernel"], other.weights_["output/kernel"])


def full_batch(**parameters):
    return small_classifier(batch_size=1000, epochs=4, **parameters)


def test_sample_weight_of_two_equals_the_row_twice():
    weights = np.where(np.arange(len(Y)) % 3 == 0, 2.0, 1.0)
    repeated = np.repeat(np.arange(len(Y)), weights.astype(int))
    weighted = full_batch().fit(IDS, Y, sample_weight=weights)
    doubled = full_batch().fit(IDS[repeated], Y[repeated])
    assert_same_weights(weighted.weights_, doubled.weights_, atol=1e-5)
    np.testing.assert_allclose(weighted.predict_proba(IDS), doubled.predict_proba(IDS), atol=1e-5)


def test_sample_weight_of_zero_equals_leaving_the_row_out():
    weights = np.where(np.arange(len(Y)) < 40, 1.0, 0.0)
    weighted = full_batch(vocab_size=20).fit(IDS, Y, sample_weight=weights)
    shorter = full_batch(vocab_size=20).fit(IDS[:40], Y[:40])
    np.testing.assert_allclose(
        weighted.predict_proba(IDS[:40]), shorter.predict_proba(IDS[:40]), atol=1e-5
    )


def test_class_weight_equals_the_same_sample_weight():
    by_class = small_classifier(class_weight={0: 3.0, 1: 1.0}).fit(IDS, Y)
    by_sample = small_classifier().fit(IDS, Y, sample_weight=np.where(Y == 0, 3.0, 1.0))
    assert_same_weights(by_class.weights_, by_sample.weights_)


def test_balanced_class_weight_raises_the_share_of_a_rare_class():
    rare = np.flatnonzero((Y == 0) | (np.arange(len(Y)) % 6 == 0))
    ids, y = IDS[rare], Y[rare]
    plain = small_classifier().fit(ids, y).predict_proba(ids)[:, 1].mean()
    balanced = small_classifier(class_weight="balanced").fit(ids, y).predict_proba(ids)[:, 1]
    assert balanced.mean() > plain + 0.02


def test_class_weight_and_sample_weight_multiply():
    both = small_classifier(class_weight={0: 3.0, 1: 1.0})
    both.fit(IDS, Y, sample_weight=np.where(Y == 0, 1.0, 2.0))
    product = small_classifier().fit(IDS, Y, sample_weight=np.where(Y == 0, 3.0, 2.0))
    assert_same_weights(both.weights_, product.weights_)


def test_pretrained_vectors_are_used_and_frozen():
    matrix = np.random.default_rng(0).normal(size=(25, 6))
    frozen = small_classifier(embedding_weights=matrix, trainable_embeddings=False).fit(IDS, Y)
    np.testing.assert_array_equal(
        frozen.weights_["embedding/embeddings"], matrix.astype(np.float32)
    )
    trained = small_classifier(embedding_weights=matrix).fit(IDS, Y)
    moved = trained.weights_["embedding/embeddings"] != matrix.astype(np.float32)
    assert moved[2].all()
    assert not moved[20:].any()  # No document holds these ids.
    assert frozen.vocab_size_ == trained.vocab_size_ == 25


def test_an_id_that_fit_never_saw_counts_as_unknown():
    ids = np.where(IDS == 7, 8, IDS)
    classifier = small_classifier().fit(ids, Y)
    expected = classifier.predict_proba(np.full((1, 9), 1))
    for unseen in (7, 20, 10**6):
        row = np.full((1, 9), unseen)
        np.testing.assert_array_equal(classifier.predict_proba(row), expected)
    np.testing.assert_allclose(
        classifier.to_keras().predict(np.full((1, 9), 7), verbose=0), expected[:, 1:], atol=1e-6
    )


def test_vocab_size_cuts_the_vocabulary():
    cut = small_classifier(vocab_size=10).fit(IDS, Y)
    replaced = small_classifier(vocab_size=10).fit(np.where(IDS < 10, IDS, 1), Y)
    assert_same_weights(cut.weights_, replaced.weights_)


def test_integral_floats_are_token_ids_too():
    one = small_classifier().fit(IDS, Y)
    other = small_classifier().fit(IDS.astype(np.float64), Y)
    assert_same_weights(one.weights_, other.weights_)


def test_input_is_not_changed():
    ids, weights = IDS.copy(), np.ones(len(Y))
    small_classifier().fit(ids, Y, sample_weight=weights).predict(ids)
    np.testing.assert_array_equal(ids, IDS)
    np.testing.assert_array_equal(weights, 1)


def test_a_table_of_ids_gives_feature_names():
    table = pd.DataFrame(IDS).add_prefix("token_")
    classifier = small_classifier().fit(table, Y)
    assert classifier.feature_names_in_.tolist() == list(table.columns)
    with pytest.raises(ValueError, match="feature names"):
        classifier.predict(table.rename(columns={"token_0": "first"}))
    vectors = classifier.set_output(transform="pandas").transform(table)
    assert vectors.columns.tolist() == [f"lstmtextclassifier{i}" for i in range(4)]


def test_document_vectors_can_be_the_input_of_another_classifier():
    from sklearn.svm import LinearSVC

    model = make_pipeline(TextSequencer(), small_classifier(epochs=10), LinearSVC())
    assert model.fit(TEXTS, LABELS).score(TEXTS, LABELS) > 0.5


def test_summary_lists_the_layers():
    summary = small_classifier(units=(4, 3), dense_units=5).fit(IDS, Y).summary()
    for name in ("embedding", "lstm_1", "lstm_2", "dense_1", "output", "Total params"):
        assert name in summary


def test_training_the_keras_model_leaves_the_classifier_alone():
    classifier = small_classifier().fit(IDS, Y)
    expected = classifier.predict_proba(IDS)
    model = classifier.to_keras()
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    np.testing.assert_array_equal(classifier.predict_proba(IDS), expected)


def test_keras_model_initialises_like_keras_when_it_is_rebuilt():
    model = small_classifier(units=(4, 3), bidirectional=True, dense_units=5).fit(IDS, Y).to_keras()
    rebuilt = type(model).from_config(model.get_config())
    weights = zip(rebuilt.trainable_variables, rebuilt.get_weights(), strict=True)
    assert all(np.abs(weight).max() > 0 for v, weight in weights if "bias" not in v.path)


@pytest.mark.parametrize("n_documents", [33, 64, 65])
def test_every_document_counts_whatever_the_batch_size(n_documents):
    ids, y = make_ids(n_documents=n_documents)
    classifier = small_classifier(learning_rate=1e-9, optimizer="sgd", epochs=1, batch_size=32).fit(
        ids, y
    )
    proba = classifier.predict_proba(ids)[np.arange(len(y)), y].astype(float)
    assert classifier.history_["loss"][0] == pytest.approx(-np.log(proba).mean(), rel=1e-5)
    assert classifier.history_["accuracy"][0] == pytest.approx(classifier.score(ids, y))


def test_learns_sentiment_of_sentences_it_has_not_seen():
    adjectives = {"good": ["fine", "warm", "funny"], "bad": ["dull", "loud", "poor"]}
    nouns = ["film", "story", "cast", "plot", "music"]
    sentences = [
        (f"the {noun} is {first} and {second}", label)
        for label, words in adjectives.items()
        for noun in nouns
        for first in words
        for second in words
    ]
    texts, labels = zip(*sentences, strict=True)
    split = train_test_split(texts, labels, test_size=0.3, stratify=labels, random_state=0)
    model = make_pipeline(
        TextSequencer(),
        LSTMTextClassifier(units=8, embedding_dim=8, learning_rate=0.02, random_state=0),
    )
    assert model.fit(split[0], split[2]).score(split[1], split[3]) > 0.95


def test_clone_of_a_fitted_classifier_is_unfitted_and_equal():
    matrix = np.zeros((25, 3))
    classifier = small_classifier(units=(4, 3), embedding_weights=matrix, epochs=1).fit(IDS, Y)
    copy = clone(classifier)
    assert not hasattr(copy, "weights_")
    assert copy.get_params()["units"] == (4, 3)
    np.testing.assert_array_equal(copy.embedding_weights, matrix)

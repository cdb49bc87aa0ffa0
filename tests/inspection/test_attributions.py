"""Attributions: completeness, comparison with numerical gradients, and decisive words."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import LABELS, TEXTS, make_ids, small_classifier
from custom_models import network
from exporting import with_random_weights
from reference import logits, ngram_score
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from sklstm import KerasTextClassifier, TextSequencer, WordVectors, token_attributions
from sklstm._network.pooling import POOLINGS
from sklstm.inspection import _integrated_gradients

IDS, Y = make_ids(n_documents=40)
EMBEDDINGS, NGRAMS = "embedding/embeddings", "ngrams/embeddings"

# Each part of a network and each kind of target occurs.
ARCHITECTURES = {
    "one layer": ({}, 1),
    "two layers, three classes": ({"units": (4, 3), "pooling": "mean"}, 3),
    "both directions, labels": ({"bidirectional": True, "pooling": "concat"}, "labels"),
    "attention, dense layer": ({"pooling": "attention", "dense_units": (5,)}, 1),
    "flatten": ({"pooling": "flatten"}, 3),
    "padding read": ({"mask_padding": False, "bidirectional": True}, 1),
    "padding read, flatten, n-grams": (
        {"mask_padding": False, "pooling": "flatten", "ngrams": 1},
        3,
    ),
    "maximum, n-grams": ({"pooling": "max", "ngrams": 3}, 1),
    "n-grams, labels": ({"ngrams": 2}, "labels"),
    "relu": ({"activation": "relu", "dense_units": (4,)}, 1),
}


def with_zero_vectors(classifier):
    """Return a classifier whose tokens have vectors of zeros, and whose n-grams score zero."""
    zeroed = with_random_weights()
    zeroed.__dict__ |= classifier.__dict__
    zeroed.weights_ = dict(classifier.weights_)
    vectors = np.zeros_like(zeroed.weights_[EMBEDDINGS])
    vectors[0] = zeroed.weights_[EMBEDDINGS][0]
    zeroed.weights_[EMBEDDINGS] = vectors
    if classifier.ngrams:
        zeroed.weights_[NGRAMS] = np.zeros_like(zeroed.weights_[NGRAMS])
    return zeroed


def of_target(classifier, scores, found):
    """Return the scores of the targets of attributions, from the logits of documents."""
    codes = [classifier.classes_.tolist().index(a.target) for a in found]
    if scores.shape[1] == 1:
        return scores[:, 0] * np.where(codes, 1, -1)
    return scores[np.arange(len(scores)), codes]


@pytest.mark.parametrize(("parameters", "n_outputs"), ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_values_sum_to_the_difference_of_the_scores(parameters, n_outputs):
    classifier = with_random_weights(n_outputs, **parameters)
    # Large differences of the scores make the relative tolerance meaningful.
    classifier.weights_["output/kernel"] = 8 * classifier.weights_["output/kernel"]
    found = token_attributions(classifier, IDS)
    scores = of_target(classifier, logits(IDS, classifier), found)
    baselines = of_target(classifier, logits(IDS, with_zero_vectors(classifier)), found)
    np.testing.assert_allclose([a.score for a in found], scores, atol=1e-5)
    np.testing.assert_allclose([a.baseline_score for a in found], baselines, atol=1e-5)
    sums = np.array([a.values.sum() for a in found])
    differences = scores - baselines
    assert np.mean(np.abs(differences) > 0.1) > 0.7
    assert (
        np.abs(sums - differences) <= np.maximum(0.01 * np.abs(differences), 0.001) + 1e-5
    ).all()
    for row, attributions in zip(IDS, found, strict=True):
        assert attributions.tokens.tolist() == row[row != 0].tolist()
        assert attributions.values.shape == attributions.tokens.shape


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize(("ngrams", "mask_padding"), [(0, True), (2, False)])
def test_values_of_every_architecture_sum_to_the_difference_of_the_scores(
    activation, bidirectional, pooling, ngrams, mask_padding
):
    classifier = with_random_weights(
        3,
        activation=activation,
        bidirectional=bidirectional,
        pooling=pooling,
        ngrams=ngrams,
        mask_padding=mask_padding,
        units=(4, 3),
        dense_units=(5,),
    )
    for found in token_attributions(classifier, IDS):
        difference = found.score - found.baseline_score
        assert abs(found.values.sum() - difference) <= max(0.01 * abs(difference), 0.001) + 1e-5


@pytest.mark.parametrize(
    "parameters", [{}, {"bidirectional": True, "pooling": "mean", "units": (4, 3)}]
)
def test_values_are_integrals_of_gradients_of_the_reference(parameters):
    classifier = with_random_weights(**parameters)
    # Each token occurs once, so that its row is the vector at one position.
    tokens = np.array([[0, 0, 0, 3, 17, 5, 9, 12, 2]])
    moved = with_random_weights(**parameters)
    vectors = classifier.weights_[EMBEDDINGS].astype(np.float64)
    expected, n_steps, small = np.zeros(6), 100, 1e-5
    for point in (np.arange(n_steps) + 0.5) / n_steps:
        for place, token in enumerate(tokens[0, 3:]):
            # The derivative in the direction of the vector itself.
            ends = []
            for step in (small, -small):
                moved.weights_[EMBEDDINGS] = point * vectors
                moved.weights_[EMBEDDINGS][token] += step * vectors[token]
                ends.append(logits(tokens, moved)[0, 0])
            expected[place] += (ends[0] - ends[1]) / (2 * small * n_steps)
    (found,) = token_attributions(classifier, tokens, target=1)
    np.testing.assert_allclose(found.values, expected, atol=2e-4)
    assert np.abs(expected).max() > 0.05


def test_each_ngram_is_divided_equally_among_its_tokens():
    classifier = with_random_weights(ngrams=2, pooling="max")
    # The LSTM scores zero.
    classifier.weights_["output/kernel"] = np.zeros_like(classifier.weights_["output/kernel"])
    (found,) = token_attributions(classifier, [[0, 0, 0, 0, 0, 0, 7, 11, 5]], target=1)
    weights = classifier.weights_
    bias = weights["ngram_bias/embeddings"][0, 0]

    def of_ngram(*tokens):
        """Return the term of an n-gram, without those inside it, in a score of three tokens."""
        parts = [of_ngram(token) for token in tokens] if len(tokens) > 1 else []
        alone = ngram_score(list(tokens), weights, 2)[0] - bias
        return alone * np.sqrt(len(tokens)) / np.sqrt(3) / 2 - sum(parts)

    first, second = of_ngram(7, 11), of_ngram(11, 5)
    expected = [
        of_ngram(7) + first / 2,
        of_ngram(11) + first / 2 + second / 2,
        of_ngram(5) + second / 2,
    ]
    np.testing.assert_allclose(found.values, expected, atol=1e-5)


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_the_other_of_two_classes_has_the_negative_values(method):
    classifier = with_random_weights()
    ones = token_attributions(classifier, IDS[:5], target=1, method=method)
    zeros = token_attributions(classifier, IDS[:5], target=0, method=method)
    for one, zero in zip(ones, zeros, strict=True):
        np.testing.assert_allclose(one.values, -zero.values, atol=1e-6)
        assert one.score == -zero.score
        assert one.baseline_score == pytest.approx(-zero.baseline_score, abs=1e-6)
        assert (one.target, zero.target) == (1, 0)


def test_without_a_target_the_predicted_class_is_explained():
    for n_outputs in (1, 3):
        classifier = with_random_weights(n_outputs)
        found = token_attributions(classifier, IDS, method="occlusion")
        assert [a.target for a in found] == classifier.predict(IDS).tolist()
    binary = with_random_weights()
    at_half = binary.predict(IDS)
    binary.thresholds_ = np.array([0.8])
    for method in ("occlusion", "integrated_gradients"):
        found = token_attributions(binary, IDS, method=method)
        assert [a.target for a in found] == binary.predict(IDS).tolist() != at_half.tolist()
    classifier = with_random_weights("labels")
    found = token_attributions(classifier, IDS, method="occlusion")
    assert [a.target for a in found] == classifier.predict_proba(IDS).argmax(axis=1).tolist()


def test_a_target_is_explained_for_every_document():
    classifier = with_random_weights(3)
    classifier.classes_ = np.array(["bad", "fair", "good"])
    found = token_attributions(classifier, IDS, target="fair")
    np.testing.assert_allclose(
        [a.score for a in found], classifier.decision_function(IDS)[:, 1], atol=1e-5
    )
    assert {a.target for a in found} == {"fair"}
    assert type(found[0].target) is str
    with pytest.raises(ValueError, match=r"target='goood' must be one of .*; did you mean 'good'"):
        token_attributions(classifier, IDS, target="goood")
    with pytest.raises(ValueError, match=r"target=2 must be one of"):
        token_attributions(classifier, IDS, target=2)


def test_values_do_not_depend_on_the_other_documents():
    classifier = with_random_weights(pooling="mean", bidirectional=True)
    together = token_attributions(classifier, IDS[:6], target=1)
    for row, expected in zip(IDS, together, strict=False):
        (alone,) = token_attributions(classifier, row[None], target=1)
        np.testing.assert_allclose(alone.values, expected.values, atol=1e-5)


def test_unmasked_padding_keeps_its_vector():
    classifier = with_random_weights(mask_padding=False)
    padding_only, _ = token_attributions(classifier, np.stack([np.zeros(9, int), IDS[0]]))
    assert padding_only.values.shape == (0,)
    assert padding_only.score == pytest.approx(padding_only.baseline_score, abs=1e-6)


def test_empty_documents_are_one_out_of_vocabulary_token():
    pipeline = make_pipeline(TextSequencer(), small_classifier(ngrams=2)).fit(TEXTS, LABELS)
    for method in ("integrated_gradients", "occlusion"):
        (found,) = token_attributions(pipeline, ["..."], method=method)
        assert found.tokens.tolist() == ["[UNK]"]
        difference = found.score - found.baseline_score
        np.testing.assert_allclose(
            found.values, [difference], atol=max(0.01 * abs(difference), 0.001)
        )


def test_words_unseen_in_training_have_values():
    words = sorted({word for text in TEXTS for word in text.lower().replace(",", "").split()})
    matrix = np.random.default_rng(0).normal(size=(len(words) + 1, 3)).astype(np.float32)
    vectors = WordVectors([*words, "splendid"], matrix)
    classifier = small_classifier(embedding_weights=vectors, trainable_embeddings=False, epochs=5)
    pipeline = make_pipeline(TextSequencer(vocabulary=vectors), classifier).fit(TEXTS, LABELS)
    (found,) = token_attributions(pipeline, ["a splendid film"])
    assert found.tokens.tolist() == ["a", "splendid", "film"]
    assert abs(found.values[1]) > 0
    difference = found.score - found.baseline_score
    assert abs(found.values.sum() - difference) <= max(0.01 * abs(difference), 0.001) + 1e-5


def test_an_inaccurate_sum_is_a_warning(monkeypatch):
    monkeypatch.setattr(_integrated_gradients, "_MAX_HALVINGS", 0)
    classifier = with_random_weights(activation="relu", pooling="max")
    with pytest.warns(ConvergenceWarning, match=r"of 40 documents do not sum .* Raise n_steps"):
        token_attributions(classifier, IDS, n_steps=1)


def test_occlusion_is_the_decrease_of_the_score_without_a_token():
    classifier = with_random_weights(3, pooling="max", ngrams=2)
    found = token_attributions(classifier, IDS, target=2, method="occlusion")
    for row, attributions in zip(IDS[:10], found, strict=False):
        whole = logits(row[None], classifier)[0, 2]
        expected = []
        for place in np.flatnonzero(row):
            hidden = row.copy()
            hidden[place] = 1
            expected.append(whole - logits(hidden[None], classifier)[0, 2])
        np.testing.assert_allclose(attributions.values, expected, atol=2e-5)
        baseline = logits(np.where(row, 1, 0)[None], classifier)[0, 2]
        assert attributions.baseline_score == pytest.approx(baseline, abs=1e-5)


def test_occlusion_of_many_documents_is_that_of_each():
    ids, _ = make_ids(n_documents=1500)
    found = token_attributions(with_random_weights(), ids, method="occlusion")
    (last,) = token_attributions(with_random_weights(), ids[-1:], method="occlusion")
    assert len(found) == 1500
    np.testing.assert_allclose(found[-1].values, last.values, atol=1e-5)


def test_occlusion_explains_a_custom_keras_model():
    classifier = KerasTextClassifier(network, loss="binary_crossentropy", random_state=0)
    pipeline = make_pipeline(TextSequencer(padding="post"), classifier).fit(TEXTS, LABELS)
    (found,) = token_attributions(pipeline, ["a dull film"], method="occlusion")
    assert found.tokens.tolist() == ["a", "dull", "film"]
    ids = pipeline[0].transform(["a dull film"])
    hidden = np.where(np.arange(ids.shape[1]) == 1, 1, ids)
    code = classifier.classes_.tolist().index(found.target)
    probabilities = classifier.predict_proba(np.vstack([ids, hidden])).astype(float)[:, code]
    log_odds = np.log(probabilities / (1 - probabilities))
    assert found.score == pytest.approx(log_odds[0], abs=1e-5)
    assert found.values[1] == pytest.approx(log_odds[0] - log_odds[1], abs=1e-5)
    remedy = "pass a fitted LSTMTextClassifier.*; method='occlusion' supports other classifiers"
    with pytest.raises(TypeError, match=remedy):
        token_attributions(pipeline, ["a dull film"])


def test_occlusion_explains_any_classifier_of_ids():
    found = token_attributions(GaussianNB().fit(IDS, Y), IDS[:3], method="occlusion")
    assert [len(a.values) for a in found] == (IDS[:3] != 0).sum(axis=1).tolist()


def test_unsupported_estimators_and_parameters_are_errors():
    classifier = with_random_weights()
    pipeline = make_pipeline(TextSequencer().fit(TEXTS), classifier)
    with pytest.raises(ValueError, match=r"Pass a single document as a list"):
        token_attributions(pipeline, "a dull film")
    with pytest.raises(
        ValueError, match="method='gradients' must be one of 'integrated_gradients'"
    ):
        token_attributions(pipeline, TEXTS, method="gradients")
    with pytest.raises(ValueError, match="n_steps"):
        token_attributions(pipeline, TEXTS, n_steps=0)
    with pytest.raises(NotFittedError):
        token_attributions(make_pipeline(TextSequencer(), small_classifier()), TEXTS)
    search = GridSearchCV(pipeline, {})
    search.best_estimator_ = pipeline
    for method in ("integrated_gradients", "occlusion"):
        with pytest.raises(TypeError, match="best_estimator_"):
            token_attributions(search, TEXTS, method=method)


NEUTRAL = ["the", "a", "film", "plot", "cast", "scene", "story", "music", "actor", "end", "script"]
DECISIVE = {"good": ["splendid", "moving", "lovely"], "bad": ["dreadful", "dull", "clumsy"]}


def planted(n_documents, seed, fraction_undecided=0.0):
    """Return sentences in which one word determines the class, and the positions of these words.

    A fraction of the sentences has no such word and a random class.
    """
    rng = np.random.default_rng(seed)
    labels = rng.choice(["good", "bad"], n_documents)
    sentences = [rng.choice(NEUTRAL, rng.integers(5, 15)).tolist() for _ in labels]
    places = [int(rng.integers(len(sentence))) for sentence in sentences]
    is_decided = rng.random(n_documents) >= fraction_undecided
    for number in np.flatnonzero(is_decided):
        sentences[number][places[number]] = str(rng.choice(DECISIVE[labels[number]]))
    return [" ".join(sentence) for sentence in sentences], labels, places


@pytest.mark.parametrize(
    "parameters",
    [{}, {"bidirectional": True, "pooling": "max", "ngrams": 2}, {"pooling": "attention"}],
    ids=["last", "both directions, maximum, n-grams", "attention"],
)
def test_the_decisive_word_ranks_first(parameters):
    # Without undecided sentences, the network may predict one class by default, and only detect
    # words of the other one.
    texts, labels, _ = planted(500, seed=0, fraction_undecided=0.2)
    classifier = small_classifier(units=8, embedding_dim=8, epochs=12, **parameters)
    pipeline = make_pipeline(TextSequencer(), classifier).fit(texts, labels)
    new_texts, new_labels, places = planted(100, seed=1)
    assert pipeline.score(new_texts, new_labels) > 0.95
    for method in ("integrated_gradients", "occlusion"):
        found = token_attributions(pipeline, new_texts, method=method)
        first = [int(a.values.argmax()) for a in found]
        assert np.sum(np.equal(first, places)) >= 95, method


def test_a_steep_score_is_integrated():
    # The score of this network jumps between 10 and 15 % of the path.
    texts, labels, _ = planted(400, seed=0)
    classifier = small_classifier(units=8, embedding_dim=8, epochs=12, pooling="attention")
    pipeline = make_pipeline(TextSequencer(), classifier).fit(texts, labels)
    for found in token_attributions(pipeline, planted(30, seed=1)[0], target="bad", n_steps=8):
        difference = found.score - found.baseline_score
        assert abs(found.values.sum() - difference) <= max(0.01 * abs(difference), 0.001) + 1e-5

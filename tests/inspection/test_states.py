"""Gates and states equal the equations and Keras layers; nearest tokens."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import LABELS, TEXTS, make_ids, small_classifier
from exporting import with_random_weights
from reference import ACTIVATIONS, layer_steps
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklstm import LSTMTextClassifier, TextSequencer, WordVectors, lstm_states, nearest_tokens
from sklstm._network.spec import ACTIVATIONS as KERAS_ACTIVATIONS
from sklstm._runtime import keras

NAMES = ["input_gate", "forget_gate", "candidate", "output_gate", "cell_state", "hidden_state"]
IDS, _ = make_ids(n_documents=80)

ARCHITECTURES = {
    "one layer": {},
    "two layers": {"units": (4, 3)},
    "both directions": {"bidirectional": True, "pooling": "max"},
    "two layers, both directions": {"units": (3, 5), "bidirectional": True, "pooling": "mean"},
    "three layers, flatten": {"units": (2, 3, 4), "pooling": "flatten"},
    "padding read": {"mask_padding": False, "units": (4, 3), "pooling": "concat"},
    "padding read, both directions": {"mask_padding": False, "bidirectional": True},
    "n-grams": {"ngrams": 2, "pooling": "attention"},
    "relu": {"activation": "relu", "units": (4, 3), "bidirectional": True},
}


def word_vectors() -> WordVectors:
    words = sorted({word for text in TEXTS for word in text.lower().replace(",", "").split()})
    words += ["brilliant", "boring", "yak"]
    matrix = np.random.default_rng(0).normal(size=(len(words), 3)).astype(np.float32)
    return WordVectors(words, matrix)


@pytest.fixture(scope="module")
def pipeline():
    classifier = small_classifier(units=(4, 3), bidirectional=True, epochs=3)
    return make_pipeline(TextSequencer(max_len=8), classifier).fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def with_vectors():
    vectors = word_vectors()
    classifier = small_classifier(embedding_weights=vectors)
    return make_pipeline(TextSequencer(vocabulary=vectors), classifier).fit(TEXTS, LABELS)


@pytest.mark.parametrize("parameters", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_gates_and_states_equal_the_reference(parameters):
    classifier = with_random_weights(**parameters)
    for layer in range(len(np.atleast_1d(classifier.units))):
        found = lstm_states(classifier, IDS, layer=layer)
        assert len(found) == len(IDS)
        for row, states in zip(IDS, found, strict=True):
            expected = layer_steps(row, classifier, layer)
            for number, name in enumerate(NAMES):
                values = getattr(states, name)
                assert values.dtype == np.float32
                np.testing.assert_allclose(values, expected[:, number], atol=1e-5, err_msg=name)
            assert states.tokens.tolist() == (row[row != 0] if len(expected) < 9 else row).tolist()
            assert states.is_bidirectional == classifier.bidirectional


@pytest.mark.parametrize("parameters", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_hidden_states_are_the_outputs_of_the_stock_keras_layers(parameters):
    classifier = with_random_weights(**parameters)
    model = classifier.to_keras()
    layers = [layer for layer in model.layers if layer.name.startswith("lstm_")]
    stock = [layer.output for layer in layers if layer.return_sequences]
    if classifier.pooling == "flatten":
        # The network moves the padding behind the tokens.
        is_read = np.arange(IDS.shape[1]) < (IDS != 0).sum(axis=1)[:, None]
    else:
        is_read = (IDS != 0) | (not classifier.mask_padding)
    outputs = keras.Model(model.input, stock).predict_on_batch(IDS) if stock else []
    outputs = [outputs] if len(stock) == 1 else outputs
    for number, of_layer in enumerate(outputs):
        found = lstm_states(classifier, IDS, layer=number)
        for states, of_row, read in zip(found, np.asarray(of_layer), is_read, strict=True):
            np.testing.assert_allclose(states.hidden_state, of_row[read], atol=1e-5)
    if classifier.pooling == "last":
        found = lstm_states(classifier, IDS, layer=-1)
        for states, vector in zip(found, classifier.transform(IDS), strict=True):
            last = states.forward.hidden_state[-1]
            if classifier.bidirectional:
                last = np.append(last, states.backward.hidden_state[0])
            np.testing.assert_allclose(last, vector, atol=1e-5)


@pytest.mark.parametrize("activation", sorted(KERAS_ACTIVATIONS))
def test_states_of_all_activations_equal_keras(activation):
    classifier = with_random_weights(activation=activation, units=(3,))
    # With larger weights some activations overflow.
    classifier.weights_ = {name: 0.3 * weight for name, weight in classifier.weights_.items()}
    ids = IDS[:5]
    found = lstm_states(classifier, ids)
    vectors = classifier.transform(ids)
    for row, states, vector in zip(ids, found, vectors, strict=True):
        np.testing.assert_allclose(states.hidden_state[-1], vector, atol=1e-5)
        if activation in ACTIVATIONS:
            expected = layer_steps(row, classifier, 0)
            for number, name in enumerate(NAMES):
                np.testing.assert_allclose(getattr(states, name), expected[:, number], atol=1e-5)


def test_states_do_not_depend_on_the_other_documents(pipeline):
    together = lstm_states(pipeline, TEXTS)
    for text, states in zip(TEXTS, together, strict=True):
        (alone,) = lstm_states(pipeline, [text])
        for name in NAMES:
            np.testing.assert_allclose(getattr(alone, name), getattr(states, name), atol=1e-6)


def test_tokens_are_those_that_the_network_reads(pipeline):
    text = "a very long text of which only the last eight words are kept"
    states, of_empty = lstm_states(pipeline, [text, "..."])
    expected = pipeline[0].inverse_transform(pipeline[0].transform([text]))[0]
    assert states.tokens.tolist() == expected.tolist()
    assert len(expected) == 8
    assert of_empty.tokens.tolist() == ["[UNK]"]
    assert of_empty.cell_state.shape == (1, 8)


def test_layer_indices_can_be_negative(pipeline):
    shapes = [lstm_states(pipeline, TEXTS[:1], layer=n)[0].cell_state.shape for n in (0, 1, -1, -2)]
    assert shapes == [(8, 8), (8, 6), (8, 6), (8, 8)]


def test_unmasked_padding_has_rows():
    classifier = small_classifier(mask_padding=False, epochs=1)
    pipeline = make_pipeline(TextSequencer(), classifier).fit(TEXTS, LABELS)
    (states,) = lstm_states(pipeline, ["a dull film"])
    width = pipeline[0].max_len_
    assert states.tokens.tolist() == [""] * (width - 3) + ["a", "dull", "film"]
    assert states.hidden_state.shape == (width, 4)


def test_a_row_of_padding_only_has_no_states():
    states, _ = lstm_states(with_random_weights(), np.vstack([np.zeros_like(IDS[0]), IDS[0]]))
    assert states.tokens.shape == (0,)
    assert states.hidden_state.shape == (0, 4)


def test_hashed_tokens_are_ids():
    sequencer = TextSequencer(indexing="hash", max_tokens=50)
    pipeline = make_pipeline(sequencer, small_classifier(epochs=1)).fit(TEXTS, LABELS)
    (states,) = lstm_states(pipeline, ["a dull film"])
    assert states.tokens.tolist() == sequencer.transform(["a dull film"])[0, -3:].tolist()


def test_words_unseen_in_training_are_read_by_their_vectors(with_vectors):
    seen, unseen = lstm_states(with_vectors, ["a dull film", "a boring film"])
    np.testing.assert_allclose(seen.cell_state[0], unseen.cell_state[0], atol=1e-6)
    weights = with_vectors[1].weights_
    kernel, bias = weights["lstm_1/kernel"], weights["lstm_1/bias"]
    vector = with_vectors[1].embedding_weights["boring"]
    before = vector @ kernel + unseen.hidden_state[0] @ weights["lstm_1/recurrent_kernel"] + bias
    np.testing.assert_allclose(unseen.candidate[1], np.tanh(before[8:12]), atol=1e-5)


def test_a_missing_layer_is_an_error(pipeline):
    with pytest.raises(ValueError, match=r"layer=2 must be from -2 to 1; .* 2 LSTM layers"):
        lstm_states(pipeline, TEXTS, layer=2)
    with pytest.raises(TypeError, match="layer"):
        lstm_states(pipeline, TEXTS, layer="first")


def test_unsupported_estimators_and_inputs_are_errors(pipeline):
    with pytest.raises(ValueError, match=r"Pass a single document as a list"):
        lstm_states(pipeline, "a dull film")
    with pytest.raises(NotFittedError):
        lstm_states(make_pipeline(TextSequencer(), LSTMTextClassifier()), TEXTS)
    with pytest.raises(TypeError, match="is a LogisticRegression; pass a fitted LSTMText"):
        lstm_states(LogisticRegression(), TEXTS)
    search = GridSearchCV(pipeline, {})
    search.best_estimator_ = pipeline
    with pytest.raises(TypeError, match="best_estimator_"):
        lstm_states(search, TEXTS)


def test_nearest_tokens_have_the_greatest_cosine(pipeline):
    found = nearest_tokens(pipeline, "dull", n_tokens=5)
    tokens = pipeline[0].tokens_
    cosines = cosine_similarity(pipeline[1].weights_["embedding/embeddings"])
    of_dull = dict(zip(tokens[2:], cosines[pipeline[0].vocabulary_["dull"], 2:], strict=True))
    del of_dull["dull"]
    expected = sorted(of_dull, key=of_dull.get, reverse=True)[:5]
    assert found["token"].tolist() == expected
    np.testing.assert_allclose(found["similarity"], [of_dull[t] for t in expected], atol=1e-6)
    every = nearest_tokens(pipeline, "dull", n_tokens=1000)
    assert sorted(every["token"]) == sorted(of_dull)


def test_candidates_include_words_unseen_in_training_with_a_vector(with_vectors):
    found = nearest_tokens(with_vectors, "dull", n_tokens=1000)
    assert {"brilliant", "boring", "yak"} < set(found["token"])
    vectors = with_vectors[1].embedding_weights
    similarity = cosine_similarity([vectors["yak"]], [vectors["boring"]])[0, 0]
    from_yak = nearest_tokens(with_vectors, "yak", n_tokens=1000).set_index("token")["similarity"]
    assert from_yak["boring"] == pytest.approx(similarity, abs=1e-6)


def test_a_token_unseen_in_training_has_no_vector():
    sequencer = TextSequencer().fit([*TEXTS, "an unseen word"])
    classifier = small_classifier(vocab_size=sequencer.n_tokens_)
    classifier.fit(sequencer.transform(TEXTS), LABELS)
    pipeline = make_pipeline(sequencer, classifier)
    assert "unseen" not in set(nearest_tokens(pipeline, "dull", n_tokens=1000)["token"])
    with pytest.raises(ValueError, match="token='unseen' has no vector"):
        nearest_tokens(pipeline, "unseen")


def test_a_token_outside_the_vocabulary_is_an_error_that_names_similar_ones(pipeline):
    with pytest.raises(ValueError, match=r"token='dul' is not among the .* did you mean 'dull'"):
        nearest_tokens(pipeline, "dul")
    with pytest.raises(ValueError, match=r"token='\[UNK\]' is not among the"):
        nearest_tokens(pipeline, "[UNK]")
    with pytest.raises(ValueError, match="n_tokens"):
        nearest_tokens(pipeline, "dull", n_tokens=0)


def test_nearest_tokens_need_a_vocabulary(pipeline):
    with pytest.raises(TypeError, match="pass a pipeline of TextSequencer"):
        nearest_tokens(pipeline[1], "dull")
    sequencer = TextSequencer(indexing="hash", max_tokens=50)
    hashing = make_pipeline(sequencer, small_classifier(epochs=1)).fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match="indexing='vocabulary'"):
        nearest_tokens(hashing, "dull")

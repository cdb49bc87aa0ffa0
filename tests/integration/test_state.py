"""A saved state is plain and small, and is validated on load."""

from __future__ import annotations

import copy
import pickle
import tracemalloc
from dataclasses import asdict, replace

import numpy as np
import pytest
from conftest import LABELS, TEXTS, assert_same_weights, make_ids, small_classifier

from sklstm import LSTMTextClassifier, TextSequencer, WordVectors
from sklstm._network.aligned import is_aligned
from sklstm._network.spec import NetworkSpec, weight_shapes
from sklstm._persistence import FORMAT

IDS, Y = make_ids()
VECTORS = WordVectors(["film", "the", "dull"], np.eye(3))


def loaded(kind, state):
    """Return an object of a class with a state, as pickle and skops make it."""
    made = kind.__new__(kind)
    made.__setstate__(state)
    return made


@pytest.fixture(scope="module")
def states():
    """Return the states of one fitted object of each kind."""
    classifier = small_classifier(epochs=1).partial_fit(IDS, Y, classes=[0, 1])
    on_vectors = small_classifier(
        epochs=1, embedding_weights=VECTORS, vocab_size=25, pooling="flatten"
    )
    fitted = {
        "classifier": classifier,
        "classifier on vectors": on_vectors.fit(IDS, Y),
        "multilabel": small_classifier(epochs=1).fit(IDS, np.stack([Y, Y], axis=1)),
        "three classes": small_classifier(epochs=1).fit(IDS, IDS[:, -1] % 3),
        "sequencer": TextSequencer(max_tokens=5).partial_fit(TEXTS),
        "hashing": TextSequencer(indexing="hash", max_tokens=9).fit(TEXTS),
        "vectors": VECTORS,
    }
    return {name: (type(made), made.__getstate__()) for name, made in fitted.items()}


def altered(state, path, value):
    """Return a copy of a state with another value at a path of keys; KeyError stands for none."""
    state = copy.deepcopy(state)
    container = state
    for key in path[:-1]:
        container = container[key]
    if value is KeyError:
        del container[path[-1]]
    else:
        container[path[-1]] = value
    return state


def changed(kind, *path, value, problem):
    name = f"{kind}: {'.'.join(map(str, path))}={value!r:.30}"
    return pytest.param(kind, path, value, problem, id=name)


def architecture(name, value, problem):
    return changed("classifier", "_architecture", name, value=value, problem=problem)


BIAS = ("weights_", "output/bias")
ALTERATIONS = [
    changed("classifier", "weights_", value=[], problem="'weights_' .* instance of 'dict'"),
    changed("classifier", "weights_", value=KeyError, problem="it lacks weights_"),
    changed("classifier", "_architecture", value=KeyError, problem="it lacks _architecture"),
    changed("classifier", *BIAS, value=KeyError, problem="differ in output/bias"),
    changed("classifier", "weights_", "more", value=np.zeros(1), problem="differ in more"),
    changed("classifier", *BIAS, value=[0.0], problem=r"\['output/bias'\] is of type list"),
    changed("classifier", *BIAS, value=np.zeros((1, 1)), problem=r"shape \(1, 1\), not .*\(1,\)"),
    changed("classifier", *BIAS, value=np.zeros(1, int), problem="dtype int64"),
    changed("classifier", *BIAS, value=np.array([np.inf]), problem="not finite"),
    changed("classifier", *BIAS, value=np.zeros(1, ">f4"), problem="dtype >f4"),
    changed("classifier", *BIAS, value=np.array(["0"]), problem="dtype <U1"),
    changed("classifier", "classes_", value=np.arange(3), problem=r"classes_ .*not .*\(2,\)"),
    changed("classifier", "classes_", value=[0, 1], problem="'classes_' .* 'numpy.ndarray'"),
    changed("classifier", "thresholds_", value=KeyError, problem="it lacks thresholds_"),
    changed("classifier", "thresholds_", value=[0.5], problem="'thresholds_' .* 'numpy.ndarray'"),
    changed("classifier", "thresholds_", value=np.full(2, 0.5), problem=r"\(2,\), not .*\(1,\)"),
    changed("classifier", "thresholds_", value=np.ones(1, int), problem="dtype int64"),
    changed("classifier", "thresholds_", value=np.array([np.nan]), problem="not finite"),
    changed("classifier", "thresholds_", value=np.zeros(1), problem="not between 0 and 1"),
    changed("classifier", "thresholds_", value=np.ones(1), problem="not between 0 and 1"),
    changed("multilabel", "thresholds_", value=np.array([0.5]), problem=r"\(1,\), not .*\(2,\)"),
    changed("multilabel", "_is_multilabel", value="yes", problem="'_is_multilabel'"),
    changed("three classes", "_is_multilabel", value=True, problem="True with softmax"),
    changed("classifier", "n_features_in_", value=-1, problem="'n_features_in_'"),
    changed("classifier", "vocab_size_", value=21, problem="vocab_size_ is 21, with 20 rows"),
    changed("classifier", "vocab_size_", value=10**12, problem="'vocab_size_' .* in the range"),
    changed("classifier", "embedding_ids_", value=np.arange(19), problem=r"\(19,\), not"),
    changed("classifier", "embedding_ids_", value=np.arange(20) + 1, problem="ids beyond"),
    changed("classifier", "embedding_ids_", value=np.arange(20) - 1, problem="ids beyond"),
    changed("classifier", "_known_ids", value=np.zeros(3, bool), problem="_known_ids has"),
    changed("classifier", "_seed", value="0", problem="'_seed'"),
    changed("classifier", "_optimizer_state", value={}, problem="it lacks optimizer, values"),
    changed(
        "classifier",
        "_optimizer_state",
        "values",
        0,
        value="x",
        problem=r"state\[0\] is of type str",
    ),
    changed("classifier", "_vectors", value=[], problem="'_vectors' .*WordVectors"),
    changed(
        "classifier", "_vectors", value=WordVectors(["a"], [[1]]), problem="vector_size=1, not 3"
    ),
    architecture("units", (10**12,), "differ in|not floating"),
    architecture("units", 10**12, "not floating"),
    architecture("units", (), "units="),
    architecture("units", ("4",), "units="),
    architecture("units", None, "'units'"),
    architecture("units", (4, 4), "differ in lstm_2"),
    architecture("embedding_dim", 10**12, r"shape \(20, 3\), not floating and \(20, 1000000000000"),
    architecture("vocab_size", 2**31 - 1, r"not floating and \(2147483647, 3\)"),
    architecture("vocab_size", -1, "'vocab_size'"),
    architecture("vocab_size", KeyError, "it lacks vocab_size"),
    architecture("dense_units", (3,), "differ in dense_1"),
    architecture("n_outputs", 0, "'n_outputs'"),
    architecture("output_activation", "relu", "'output_activation'"),
    architecture("activation", "a_module>a_function", "'activation'"),
    architecture("pooling", "sum", "'pooling'"),
    architecture("pooling", "flatten", "width=None with pooling='flatten'"),
    architecture("width", 9, "width=9 with pooling='last'"),
    architecture("bidirectional", True, "differ in lstm_1"),
    architecture("dropout", 7.0, "'dropout'"),
    architecture("ngrams", 2, "differ in ngram"),
    architecture("heads", 8, "its architecture has heads"),
    changed("classifier on vectors", "n_features_in_", value=8, problem="8 ids per row, not 9"),
    changed("classifier on vectors", "_vectors", value=None, problem="rows of embeddings"),
    changed("sequencer", "max_len_", value=KeyError, problem="it lacks max_len_"),
    changed("sequencer", "max_len_", value=10**12, problem="'max_len_' .* in the range"),
    changed("sequencer", "n_tokens_", value=-1, problem="'n_tokens_' .* in the range"),
    changed(
        "sequencer", "n_tokens_", value=6, problem=r"tokens_ has .* shape \(5,\), not .*\(6,\)"
    ),
    changed("sequencer", "tokens_", value=KeyError, problem="it lacks tokens_"),
    changed("sequencer", "tokens_", value=list("abcde"), problem="tokens_ is of type list"),
    changed("sequencer", "tokens_", value=np.arange(5), problem="tokens_ has dtype int64"),
    changed(
        "sequencer", "tokens_", value=np.array([1, 2], object), problem="tokens_ has dtype object"
    ),
    changed("sequencer", "token_counts_", value=np.arange(4), problem="token_counts_ has"),
    changed("sequencer", "token_counts_", value=np.ones(5), problem="has dtype float64"),
    changed("sequencer", "_tally", value=[], problem="_tally does not consist of three arrays"),
    changed("hashing", "n_tokens_", value=10**12, problem="'n_tokens_' .* in the range"),
    changed("vectors", "matrix", value=KeyError, problem="it lacks matrix"),
    changed("vectors", "matrix", value=np.eye(4, dtype="f"), problem=r"\(4, 4\), not .*\(3, any\)"),
    changed("vectors", "matrix", value=np.eye(3), problem="has dtype float64"),
    changed("vectors", "matrix", value=np.full((3, 3), np.nan, "f"), problem="not finite"),
    changed("vectors", "matrix", value=np.zeros((3, 0), "f"), problem="matrix is empty"),
]


@pytest.mark.parametrize(("kind", "path", "value", "problem"), ALTERATIONS)
def test_an_altered_state_is_refused(states, kind, path, value, problem):
    owner, state = states[kind]
    with pytest.raises(ValueError, match=f"(?s)saved {owner.__name__} is damaged.*{problem}"):
        loaded(owner, altered(state, path, value))


@pytest.mark.parametrize("content", [b"[", b"{}", b'"a"', b"[1]", b'["a", ["b"]]', b"\xff", b""])
def test_packed_tokens_that_are_no_list_of_str_are_refused(states, content):
    owner, state = states["sequencer"]
    packed = np.frombuffer(content, np.uint8)
    with pytest.raises(
        ValueError, match=r"tokens_ (cannot be read|contains values that are not tokens)"
    ):
        loaded(owner, altered(state, ["tokens_"], packed))


def test_deeply_nested_tokens_are_refused(states):
    owner, state = states["sequencer"]
    with pytest.raises(ValueError, match="tokens_ cannot be read"):
        loaded(owner, altered(state, ["tokens_"], np.frombuffer(b"[" * 100_000, np.uint8)))


@pytest.mark.parametrize("kind", ["classifier", "sequencer", "hashing", "vectors"])
def test_a_newer_format_is_refused_with_the_remedy(states, kind):
    owner, state = states[kind]
    remedy = f"{owner.__name__} was saved by a newer sklstm, in format {FORMAT + 1}.*pip install"
    with pytest.raises(ValueError, match=remedy):
        loaded(owner, {**state, "_sklstm_format": FORMAT + 1})


@pytest.mark.parametrize("value", ["1", -1, None, 1.5])
def test_a_format_that_is_no_number_is_refused(states, value):
    owner, state = states["sequencer"]
    with pytest.raises(ValueError, match="its format is"):
        loaded(owner, {**state, "_sklstm_format": value})


@pytest.mark.parametrize("kind", [TextSequencer, LSTMTextClassifier, WordVectors])
def test_a_state_that_is_no_dict_is_refused(kind):
    with pytest.raises(ValueError, match="its state is of type list"):
        loaded(kind, ["weights_"])


@pytest.mark.parametrize("kind", ["classifier", "sequencer", "hashing"])
def test_the_format_is_no_attribute(states, kind):
    owner, state = states[kind]
    assert state["_sklstm_format"] == FORMAT
    assert "_sklstm_format" not in vars(loaded(owner, state))


def test_absurd_sizes_take_no_memory(states):
    owner, state = states["classifier"]
    state = altered(state, ["_architecture"], state["_architecture"] | {"units": (10**12,) * 9})
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="is damaged"):
            loaded(owner, state)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_loading_copies_no_vectors(states):
    owner, state = states["vectors"]
    assert vars(loaded(owner, dict(state)))["matrix"] is state["matrix"]


def test_loaded_weights_are_read_in_place(states, tmp_path):
    """Weights in a memory-mapped file are not copied, others once, so that JAX reads them."""
    owner, state = states["classifier"]
    name = "embedding/embeddings"
    np.save(tmp_path / "embeddings.npy", state["weights_"][name])
    mapped = np.load(tmp_path / "embeddings.npy", mmap_mode="r")
    weights = loaded(owner, state | {"weights_": state["weights_"] | {name: mapped}}).weights_
    assert weights[name] is mapped
    for weight in weights.values():
        assert weight is mapped or is_aligned(weight)
    assert_same_weights(weights, state["weights_"])


def test_loading_leaves_the_state_alone(states):
    for owner, state in states.values():
        before = copy.deepcopy(state)
        loaded(owner, state)
        assert state.keys() == before.keys()
        assert pickle.dumps(state) == pickle.dumps(before)


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("classifier", ["invalid_ids"]),
        ("classifier", ["_architecture", "ngram_buckets"]),
        ("sequencer", ["separator"]),
    ],
)
def test_a_state_without_a_parameter_is_rejected(states, kind, path):
    owner, state = states[kind]
    with pytest.raises(ValueError, match=f"it lacks {path[-1]}"):
        loaded(owner, altered(state, path, KeyError))


def test_parameters_of_any_value_can_be_stored():
    # What fit is to refuse, or a search to report, has to get to the worker that fits.
    for estimator in (LSTMTextClassifier(units="many"), TextSequencer(padding=3)):
        assert vars(pickle.loads(pickle.dumps(estimator))) == vars(estimator)
    fitted = small_classifier(epochs=1).fit(IDS, Y).set_params(units="many", pooling=None)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(IDS), fitted.predict_proba(IDS))


def test_a_subclass_can_be_stored(states):
    class Mine(LSTMTextClassifier):
        def __init__(self, units=3):
            super().__init__(units=units)

    _, state = states["classifier"]
    mine = loaded(Mine, state)
    assert mine.predict_proba(IDS).shape == (len(IDS), 2)
    with pytest.raises(ValueError, match="This saved Mine is damaged"):
        loaded(Mine, {**state, "weights_": {}})


STRANGE = [
    "",
    "\x00",
    "a\x00",
    "\ud83d",
    "\ude00",
    "\ud83d\ude00",
    "\U0001f600",
    '"',
    "\\",
    "\n",
    "é",
]


def test_tokens_of_any_characters_are_stored():
    tokens = [token for token in STRANGE if token]
    sequencer = TextSequencer(tokenizer=str.split, vocabulary=tokens).fit([" ".join(tokens[3:])])
    again = pickle.loads(pickle.dumps(sequencer))
    assert again.tokens_.tolist() == ["", "[UNK]", *tokens]
    assert again.vocabulary_ == sequencer.vocabulary_
    vectors = WordVectors(tokens, np.zeros((len(tokens), 1)))
    assert pickle.loads(pickle.dumps(vectors)).tokens.tolist() == tokens


SPEC = NetworkSpec(
    vocab_size=7, n_outputs=1, output_activation="sigmoid", embedding_dim=3, units=(4,)
)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"units": (4, 3, 2), "bidirectional": True, "n_outputs": 3},
        {"pooling": "max", "dense_units": (5, 6)},
        {"pooling": "mean", "bidirectional": True, "dense_units": (5,)},
        {"pooling": "attention"},
        {"pooling": "attention", "bidirectional": True, "ngrams": 2, "ngram_buckets": 8},
        {"pooling": "concat", "units": (2, 5), "ngrams": 1, "ngram_buckets": 4, "n_outputs": 2},
        {"pooling": "concat", "bidirectional": True},
        {"pooling": "flatten", "width": 6},
        {"pooling": "flatten", "width": 6, "bidirectional": True, "mask_padding": False},
    ],
    ids=str,
)
def test_shapes_of_weights_are_those_of_keras(fields):
    from sklstm._network.network import Network

    spec = replace(SPEC, **fields)
    assert weight_shapes(spec) == Network(spec).weight_shapes
    assert asdict(spec)["units"] == spec.units


def test_a_sequencer_that_failed_to_fit_can_be_stored():
    sequencer = TextSequencer()
    with pytest.raises(ValueError, match="contains no tokens"):
        sequencer.fit(["", ""])
    again = pickle.loads(pickle.dumps(sequencer))
    assert again.fit(TEXTS, LABELS).n_tokens_ == TextSequencer().fit(TEXTS).n_tokens_

"""The JAX training step equals that of Keras, on any number of cores."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import assert_same_weights, make_ids, small_classifier

from sklstm._network import pool
from sklstm._network.network import Network
from sklstm._network.spec import EMBEDDINGS, NetworkSpec, TrainingSpec, initial_weights, padded_size
from sklstm._runtime import keras

if keras.backend.backend() != "jax":
    pytest.skip("for JAX", allow_module_level=True)

import jax.monitoring
import jax.numpy as jnp

from sklstm._network.jax_compile import compiler_options
from sklstm._network.jax_network import JaxNetwork, _WorkspacePool

pytestmark = pytest.mark.compiled
N_ROWS, WIDTH = 40, 32


@pytest.fixture
def empty_pool(monkeypatch):
    monkeypatch.setattr(pool, "_idle", [])


@pytest.fixture
def compiled(monkeypatch):
    """Return a list that grows with every compilation; turn off the cache on disk."""
    monkeypatch.setenv("SKLSTM_CACHE_DIR", "")
    names = []

    def listen(name, seconds, **_):
        if "backend_compile" in name:
            names.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield names
    if hasattr(jax.monitoring, "unregister_event_duration_listener"):  # New in JAX 0.8.1.
        jax.monitoring.unregister_event_duration_listener(listen)


def batch(n_outputs, n_rows=N_ROWS):
    """Return left-aligned ids, targets and weights."""
    rng = np.random.default_rng(0)
    ids = rng.integers(1, 20, (n_rows, WIDTH)).astype(np.int32)
    ids[np.arange(WIDTH) >= rng.integers(0, WIDTH + 1, n_rows)[:, None]] = 0
    targets = np.eye(3, dtype=np.float32)[rng.integers(0, 3, n_rows)][:, :n_outputs]
    return ids, targets, rng.uniform(0, 2, n_rows).astype(np.float32)


def in_parts(arrays, n_parts):
    return list(zip(*(np.array_split(array, n_parts) for array in arrays), strict=True))


def one_by_one(function, items):
    return [function(0, item) for item in items]


def trained(network, parts, training_spec, n_steps=3):
    """Return loss and accuracy of each step, and the weights after them."""
    weights = initial_weights(network.weight_shapes, np.random.default_rng(0))
    network.load(weights)
    network.prepare_training(training_spec, 0.05, dropout_seed=3)
    n_documents = sum(len(part[0]) for part in parts)
    logs = [network.train_on_batch(parts, n_documents, one_by_one)() for _ in range(n_steps)]
    network.update_model()
    return np.array([[step["loss"], step["accuracy"]] for step in logs]), network.weights()


ARCHITECTURES = {
    "binary": NetworkSpec(20, 1, "sigmoid", units=(4,), embedding_dim=3),
    "multiclass": NetworkSpec(
        20, 3, "softmax", units=(4, 3), embedding_dim=3, bidirectional=True, pooling="concat"
    ),
    "multilabel": NetworkSpec(
        20,
        3,
        "sigmoid",
        units=(4,),
        embedding_dim=3,
        pooling="max_mean",
        trainable_embeddings=False,
    ),
    "stock loop": NetworkSpec(
        20, 1, "sigmoid", units=(4,), embedding_dim=3, activation="relu", pooling="attention"
    ),
    "padding read": NetworkSpec(
        20, 1, "sigmoid", width=WIDTH, units=(4,), embedding_dim=3, mask_padding=False
    ),
}
OPTIMIZERS = [
    TrainingSpec("adam", clipnorm=0.1, label_smoothing=0.1),
    TrainingSpec("rmsprop", weight_decay=0.1),
]


@pytest.mark.parametrize(
    ("spec", "training_spec"),
    [(spec, OPTIMIZERS[0]) for spec in ARCHITECTURES.values()]
    + [(ARCHITECTURES["binary"], OPTIMIZERS[1])],
)
def test_three_steps_equal_those_of_keras(spec, training_spec):
    arrays = batch(spec.n_outputs)
    steps, weights = trained(Network(spec), in_parts(arrays, 1), training_spec)
    found_steps, found_weights = trained(JaxNetwork(spec), in_parts(arrays, 2), training_spec)
    np.testing.assert_allclose(found_steps, steps, atol=1e-5)
    assert_same_weights(found_weights, weights, atol=1e-5)


@pytest.mark.parametrize("kind", ["logits", "document_vectors"])
def test_scores_equal_those_of_keras(kind):
    spec = ARCHITECTURES["multiclass"]
    weights = initial_weights(Network(spec).weight_shapes, np.random.default_rng(0))
    ids = batch(3)[0]
    expected = Network(spec).scorer(kind, weights)(ids)
    np.testing.assert_allclose(JaxNetwork(spec).scorer(kind, weights)(ids), expected, atol=1e-6)


def test_results_do_not_depend_on_the_number_of_cores(monkeypatch):
    ids, y = make_ids(n_documents=150)
    settings = {"batch_size": 70, "dropout": 0.3, "input_dropout": 0.2, "embedding_dropout": 0.2}
    found = []
    for n_cores in (1, 2, 5):
        monkeypatch.setattr("sklstm._runtime.available_cores", lambda n=n_cores: n)
        fitted = small_classifier(**settings).fit(ids, y)
        found.append((fitted.weights_, fitted.history_, fitted.predict_proba(ids)))
    for weights, history, scores in found[1:]:
        assert_same_weights(weights, found[0][0])
        assert history == found[0][1]
        np.testing.assert_array_equal(scores, found[0][2])


def test_micro_batches_and_batches_get_different_dropout_masks():
    spec = NetworkSpec(20, 1, "sigmoid", units=(4,), embedding_dim=3, embedding_dropout=0.5)
    network = JaxNetwork(spec)
    ids, targets, weights = batch(1)
    same = [(ids[:20], targets[:20], weights[:20])] * 2
    network.load(initial_weights(network.weight_shapes, np.random.default_rng(0)))
    network.prepare_training(TrainingSpec("sgd"), 0.0, dropout_seed=3)
    losses = []
    for part in (same[:1], same[1:], same):
        logs = network.train_on_batch(part, 20, one_by_one)()
        losses.append(logs["loss"] / len(part))
    assert len(set(losses)) == 3


def test_micro_batches_of_different_widths_add_up_to_the_same_step():
    ids, targets, weights = batch(1)
    ids[:20, 8:] = 0
    parts = in_parts((ids, targets, weights), 2)
    narrow = [(parts[0][0][:, :8], *parts[0][1:]), parts[1]]
    network = JaxNetwork(ARCHITECTURES["binary"])
    expected = trained(network, parts, OPTIMIZERS[0])
    found = trained(network, narrow, OPTIMIZERS[0])
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)
    assert_same_weights(found[1], expected[1], atol=1e-6)


def test_a_batch_without_weight_changes_nothing():
    network = JaxNetwork(ARCHITECTURES["binary"])
    ids, targets, weights = batch(1)
    steps, found = trained(network, in_parts((ids, targets, 0 * weights), 2), TrainingSpec("sgd"))
    assert not steps.any()
    expected = initial_weights(network.weight_shapes, np.random.default_rng(0))
    assert_same_weights(found, expected)


def test_content_of_workspace_buffers_does_not_matter(monkeypatch):
    parts = in_parts(batch(1), 2)
    expected = trained(JaxNetwork(ARCHITECTURES["binary"]), parts, OPTIMIZERS[0])

    def full_of_nan(_, shapes):
        return [tuple(jnp.full(shape, jnp.nan) for shape in layer) for layer in shapes]

    network = JaxNetwork(ARCHITECTURES["binary"])
    monkeypatch.setattr(network._workspaces, "take", full_of_nan)
    found = trained(network, parts, OPTIMIZERS[0])
    np.testing.assert_array_equal(found[0], expected[0])
    assert_same_weights(found[1], expected[1])


def test_scratch_is_used_again_by_its_worker_and_bounded(monkeypatch):
    pool = _WorkspacePool()
    shapes = (((2, 3, 4), (2, 3, 5)),)
    one, other = pool.take(0, shapes), pool.take(1, shapes)
    monkeypatch.setattr("sklstm._network.jax_network._MAX_WORKSPACE_BYTES", 4 * 6 * 9 * 2)
    pool.put(0, shapes, one)
    pool.put(1, shapes, other)
    pool.put(2, shapes, pool.take(2, shapes))
    assert pool.take(1, shapes) is other
    assert pool.take(0, shapes) is one
    # Nothing is left: the third was too much, the others are in use.
    assert not pool._free
    assert pool._n_bytes == 0


def test_no_workspace_is_kept_after_training(empty_pool):
    small_classifier().fit(*make_ids())
    (network,) = pool._idle
    assert not network._workspaces._free


def test_a_fit_on_similar_data_compiles_nothing(empty_pool, compiled):
    small_classifier(units=3).fit(*make_ids(vocab_size=61, width=9)).predict(make_ids()[0])
    assert len(compiled) > 0
    compiled.clear()
    ids, y = make_ids(n_documents=100, vocab_size=63, width=14, seed=1)
    fitted = small_classifier(units=3, learning_rate=0.1, random_state=4, epochs=3)
    assert fitted.fit(ids, y).weights_[EMBEDDINGS].shape == (63, 3)
    fitted.predict(ids)
    assert compiled == []


def test_room_for_more_tokens_does_not_change_what_is_learned(empty_pool, monkeypatch):
    ids, y = make_ids(vocab_size=33)
    settings = {"clipnorm": 0.1, "weight_decay": 0.01}
    roomy = small_classifier(**settings).fit(ids, y)
    assert pool._idle[-1].spec.vocab_size == 1024
    monkeypatch.setattr(pool, "padded_size", lambda n_rows: n_rows)
    exact = small_classifier(**settings).fit(ids, y)
    assert pool._idle[-1].spec.vocab_size == 33
    assert_same_weights(roomy.weights_, exact.weights_, atol=1e-6)


@pytest.mark.parametrize("n", [1, 9, 1000, 1024, 1025, 5000, 20_000, 400_000])
def test_room_is_at_most_an_eighth_of_large_vocabularies(n):
    assert n <= padded_size(n) <= max(1024, n * 9 / 8)
    assert padded_size(padded_size(n)) == padded_size(n)


def test_optimizers_that_look_at_whole_matrices_get_no_room(empty_pool):
    small_classifier(optimizer="adafactor").fit(*make_ids(vocab_size=33))
    assert pool._idle[-1].spec.vocab_size == 33


def test_documents_of_any_length_compile_a_handful_of_shapes(empty_pool, compiled):
    ids, y = make_ids(width=300)
    fitted = small_classifier(epochs=1).fit(ids, y)
    compiled.clear()
    for n_tokens in range(1, 301, 13):
        document = np.zeros((1, 300), dtype=int)
        document[0, -n_tokens:] = 2
        fitted.predict(document)
    assert 0 < len(compiled) <= 5


def test_a_dropped_network_releases_its_functions_and_still_works(empty_pool):
    networks = []
    for number in range(pool.MAX_IDLE + 1):
        spec = NetworkSpec(20, 1, "sigmoid", units=(2,), embedding_dim=2 + number)
        with pool.acquire_network(spec) as network:
            networks.append(network)
    weights = initial_weights(networks[0].weight_shapes, np.random.default_rng(0))
    ids = batch(1)[0]
    before = networks[0].scorer("logits", weights)(ids)
    assert networks[0]._functions["logits"]._by_shape
    networks[0].release()
    assert not networks[0]._functions["logits"]._by_shape
    np.testing.assert_array_equal(networks[0].scorer("logits", weights)(ids), before)
    assert pool._idle == networks[1:]


def test_a_network_that_is_not_kept_is_released(empty_pool):
    spec, training_spec = ARCHITECTURES["binary"], TrainingSpec("sgd")
    with pool.acquire_network(spec, training_spec, keep=False) as network:
        trained(network, in_parts(batch(1), 2), training_spec)
        assert network._functions["update"]._by_shape
    assert not any(function._by_shape for function in network._functions.values())
    assert pool._idle == []


def test_an_optimizer_state_of_another_optimizer_is_refused():
    network = JaxNetwork(ARCHITECTURES["binary"])
    weights = initial_weights(network.weight_shapes, np.random.default_rng(0))
    network.load(weights)
    network.prepare_training(TrainingSpec("adam"), 0.01, dropout_seed=0)
    state = network.optimizer_state()
    network.load_optimizer_state([value + 1 for value in state])
    found = network.optimizer_state()
    kept = [np.array_equal(a, b) for a, b in zip(found, state, strict=True)]
    assert kept.count(True) == 1  # The learning rate.
    for other in (state[:-1], [*state, state[-1]]):
        with pytest.raises(ValueError, match="zip"):
            network.load_optimizer_state(other)


def test_what_the_user_sets_in_xla_flags_stands(monkeypatch):
    options = compiler_options.__wrapped__  # Without its cache.
    monkeypatch.setenv("XLA_FLAGS", "")
    usual = options(one_core=True)
    chosen = {"xla_backend_optimization_level", "xla_cpu_multi_thread_eigen"}
    assert chosen < set(usual)
    monkeypatch.setenv(
        "XLA_FLAGS", "--xla_backend_optimization_level=3 --xla_cpu_multi_thread_eigen"
    )
    assert set(options(one_core=True)) == set(usual) - chosen


def test_a_function_for_one_core_is_not_divided():
    values = np.ones((1024, 1024), np.float32)
    lowered = jax.jit(lambda x: jnp.tanh(x) * 2).lower(values)
    code = lowered.compile(compiler_options(one_core=True)).as_text()
    assert "tanh" in code
    assert "outer_dimension_partitions" not in code

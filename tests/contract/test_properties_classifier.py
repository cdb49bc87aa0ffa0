"""LSTMTextClassifier: properties for generated input, and documented errors otherwise.

A network is compiled for each architecture and each shape of the data. Most examples therefore
differ in parameters that need no compilation, and only a few in the architecture.
"""

from __future__ import annotations

import functools
import pickle

import numpy as np
import pandas as pd
from conftest import assert_same_weights
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from properties import attempt, content, holds, is_refused, some_of, state
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklstm import LSTMTextClassifier, WordVectors
from sklstm._network.pooling import POOLINGS
from sklstm._network.spec import ACTIVATIONS, OPTIMIZERS
from sklstm._runtime import keras

N_TOKENS, WIDTH = 12, 5
SMALL = {"units": 2, "embedding_dim": 2, "epochs": 1, "vocab_size": N_TOKENS, "random_state": 0}
VECTORS = WordVectors([f"word {i}" for i in range(6)], np.eye(6, 2))


def ids_of(seed, n_documents=6, width=WIDTH):
    """Return ids of documents of any length, with padding anywhere."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(1, N_TOKENS, (n_documents, width))
    return np.where(rng.random(ids.shape) < rng.random((n_documents, 1)), ids, 0)


def labels_of(seed, n_documents=6, n_classes=2):
    """Return the numbers of classes, each of which occurs."""
    return np.random.default_rng(seed).permutation(np.arange(n_documents) % n_classes)


def shifted(ids, side):
    """Move all padding of each row to one side."""
    order = np.argsort(ids != 0 if side == "pre" else ids == 0, axis=1, kind="stable")
    return np.take_along_axis(ids, order, axis=1)


seeds = st.integers(0, 2**32 - 1)
arrays = hnp.arrays(
    hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6)
)
# What becomes of ids, labels and weights that are well: some of it is as good, most of it is not.
# fmt: off
CHANGES_OF_X = [
    lambda X: X.astype(float), lambda X: X.astype(np.float32), lambda X: X.astype(np.float16),
    lambda X: X.astype(np.uint8), lambda X: X.astype(bool), lambda X: X.astype(object),
    lambda X: X.astype(str), lambda X: X.astype(str).astype(object), lambda X: X.astype(complex),
    lambda X: X.astype("datetime64[D]"), lambda X: X.tolist(), lambda X: tuple(map(tuple, X)),
    lambda X: np.asfortranarray(X), lambda X: X[::-1, ::-1], lambda X: X * 0, lambda X: X * 0 + 1,
    lambda X: pd.DataFrame(X), lambda X: pd.DataFrame(X, columns=list("abcde")),
    lambda X: pd.DataFrame(X, columns=["a", "b", 0, 1, 2]), lambda X: pd.Series(X[:, 0]),
    lambda X: pd.DataFrame(X, dtype="Int64"), lambda X: pd.DataFrame(X, dtype="Int64").where(X > 0),
    lambda X: pd.DataFrame({"text": list("abcdef")}), lambda X: sparse.csr_array(X),
    lambda X: X - 4, lambda X: X + 0.5, lambda X: X * 1e300, lambda X: X * 2.0**28,
    lambda X: X + 2**31, lambda X: X.astype(np.uint64) + 2**63, lambda X: X.astype(object) + 2**70,
    lambda X: (X + 2**31 - 1).astype(np.float32), lambda X: (X.astype(object) + 2**70).tolist(),
    lambda X: np.where(X == 0, np.nan, X), lambda X: np.where(X == 0, np.inf, X),
    lambda X: np.where(X == 0, None, X), lambda X: np.where(X == 0, None, X).tolist(),
    lambda X: np.where(X == 0, pd.NA, X), lambda X: np.where(X == 0, "a", X.astype(object)),
    lambda X: np.where(X == 0, object(), X), lambda X: np.ma.masked_array(X, X == 3),
    lambda X: X[0], lambda X: X[None], lambda X: X[:, :0], lambda X: X[:0], lambda X: X[:1],
    lambda X: X[:, :3], lambda X: np.hstack([X, X]), lambda X: X[0, 0], lambda X: None,
    lambda X: [row[: 1 + i % 2] for i, row in enumerate(X.tolist())], lambda X: "a text",
    lambda X: ["a text"] * 6, lambda X: [["a text"]] * 6, lambda X: [[b"a"]] * 6,
    lambda X: {"a": 1}, lambda X: set(X.ravel()), lambda X: range(6), lambda X: iter(X),
    lambda X: np.array([(1, 2.0)] * 6, dtype=[("a", int), ("b", float)]), lambda X: [[[]]] * 6,
]
CHANGES_OF_Y = [
    lambda y: y.astype(bool), lambda y: y.astype(float), lambda y: y.astype(np.int8),
    lambda y: y.astype(str), lambda y: y.astype(str).tolist(), lambda y: y.astype(object),
    lambda y: y - 1, lambda y: y * 2**62, lambda y: y * 1e300, lambda y: y + 0.5, lambda y: y * 0,
    lambda y: np.array(["\ud800", "\U0001f44d"])[y], lambda y: np.array(["", "a b"])[y],
    lambda y: np.array(["a\0", "a"], dtype=object)[y], lambda y: y.astype("datetime64[D]"),
    lambda y: np.array(["a", 1], dtype=object)[y], lambda y: np.array(["a", None])[y],
    lambda y: np.array(["a", np.nan], dtype=object)[y], lambda y: np.array([0, np.nan])[y],
    lambda y: np.array([0, np.inf])[y], lambda y: np.array([True, "a"], dtype=object)[y],
    lambda y: [frozenset([label]) for label in y], lambda y: [object() for _ in y],
    lambda y: [(1, 2), (3,), ()] * 2, lambda y: y.astype("S1"), lambda y: y.astype(complex),
    lambda y: pd.Series(y, index=y), lambda y: pd.Series(y, dtype="category"),
    lambda y: pd.Series(y, dtype="Int64"), lambda y: pd.array(y > 0, dtype="boolean"),
    lambda y: pd.Series(y, dtype="Int64").where(y > 0), lambda y: pd.DataFrame(y),
    lambda y: y[:, None], lambda y: y[None], lambda y: np.zeros((6, 2, 2)), lambda y: y[:5],
    lambda y: np.append(y, 1), lambda y: y[:0], lambda y: 3, lambda y: None, lambda y: "aaabbb",
    lambda y: {0: 1}, lambda y: set(y), lambda y: iter(y), lambda y: np.eye(6)[:, :3],
    lambda y: np.eye(6, dtype=bool)[:, :3], lambda y: sparse.csr_array(np.eye(6)[:, :3]),
    lambda y: pd.DataFrame(np.eye(6)[:, :3]), lambda y: np.ones((6, 3), int),
    lambda y: np.zeros((6, 3)), lambda y: np.column_stack([y, 1 - y]) * 5,
    lambda y: np.column_stack([y, -y]), lambda y: np.column_stack([y, y + 1]),
    lambda y: np.full((6, 2), "a"), lambda y: np.ones((6, 0)), lambda y: np.eye(6)[:, :3] * np.nan,
    lambda y: np.arange(6) % 3, lambda y: list("abcabc"),
]
CHANGES_OF_WEIGHT = [
    lambda w: w.astype(np.float32), lambda w: w.tolist(), lambda w: w > 0.1, lambda w: w * 1e300,
    lambda w: w * 0 + 1.7e308, lambda w: w * 5e-324, lambda w: w**400, lambda w: w * 0,
    lambda w: -w, lambda w: w - 0.5, lambda w: np.where(w > 0.5, w, np.nan),
    lambda w: np.where(w > 0.5, w, np.inf), lambda w: (w > 0.9).astype(int), lambda w: w[:5],
    lambda w: w[:, None], lambda w: pd.Series(w, index=range(6, 0, -1)), lambda w: "a", lambda w: 3,
    lambda w: 0, lambda w: -1, lambda w: np.nan, lambda w: ["a"] * 6, lambda w: [None] * 6,
    lambda w: w.astype(complex), lambda w: {0: 1}, lambda w: 2**70, lambda w: sparse.csr_array(w),
]
VALID = {
    "learning_rate": [1e-300, 1e-3, 1, 1e30, 1e300], "learning_rate_schedule": ["one_cycle"],
    "epochs": [2, "auto", np.int64(1)], "batch_size": [1, 4, 2**70], "average_weights": [True],
    "class_weight": [
        "balanced", {}, {0: 2}, {0: 1e300, 1: 1}, {0: 1.7e308, 1: 1.7e308}, {0: 0, 1: 1},
    ],
    "early_stopping": [True], "validation_fraction": [0.3, 0.5, 1e-9, 0.999],
    "n_iter_no_change": [1, 2**70], "tol": [0, 1, 1e300], "callbacks": [[], ()],
    "warm_start": [True], "random_state": [1, 2**32 - 1, np.int64(3), None],
    "invalid_ids": ["unknown"], "verbose": [False], "clipnorm": [1], "units": [(2,), [2]],
    "embedding_weights": [VECTORS, np.eye(N_TOKENS, 2), np.ones((N_TOKENS, 2)).tolist()],
}
INVALID = {
    "units": [0, -1, 2.0, "2", None, (), (0,), [2.5], True, [True], [[2]], (2, "a"), {2}, np.nan],
    "bidirectional": [None, "yes", 2], "pooling": ["first", None], "trainable_embeddings": [None],
    "embedding_dim": [0, 1.5, None, "a", True], "vocab_size": [0, 1, 2.5, "a", True, np.inf],
    "embedding_weights": [
        "a", 3, [], [[]], np.ones(3), np.ones((2, 2)), np.full((N_TOKENS, 2), np.nan),
        [[1], [1, 2]], np.full((N_TOKENS, 2), 1e300), np.ones((N_TOKENS, 2), complex),
        [["a"] * 2] * N_TOKENS, np.ones((2, 2, 2)), np.ones((N_TOKENS + 1, 2)),
        pd.DataFrame({"a": ["b"]}), object(),
    ],
    "dense_units": [0, -1, None, "a", (0,), [2.5]], "activation": ["x", None, len],
    "dense_activation": ["x", None], "ngrams": [-1, 6, 1.5, None], "ngram_buckets": [0, 1.5, "a"],
    "mask_padding": [None, 2], "invalid_ids": ["raise", None], "embedding_dropout": [-0.1, 1, "a"],
    "input_dropout": [1.0, np.nan], "recurrent_dropout": [2], "dropout": [-1], "dense_dropout": [1],
    "weight_decay": [-1, "a", None, 1e300, np.inf], "label_smoothing": [-1, 1.0, None],
    "optimizer": ["x", None, "muon"], "learning_rate": [0, -1, "a", None, np.nan, np.inf],
    "learning_rate_schedule": ["x", None], "epochs": [0, -1, 1.5, "x", None, np.inf],
    "batch_size": [0, -1, 1.5, None, np.inf], "clipnorm": [0, -1, "a", 1e300, np.inf],
    "average_weights": [None, 3], "early_stopping": [None, "a"], "warm_start": [None, "a"],
    "class_weight": [
        "x", 3, [1, 2], {0: -1}, {0: np.nan}, {0: np.inf}, {0: "a"}, {0: None}, {0: [1]}, {7: 1},
        {(1,): 1}, {None: 1},
    ],
    "validation_fraction": [0, 1, -1, None, "a", np.nan], "n_iter_no_change": [0, None],
    "tol": [-1, None, np.nan, np.inf], "random_state": [-1, "a", 2**32, 1.5, [0]],
    "verbose": [3, "a"], "callbacks": [[None], "a", [keras.callbacks.Callback], (3,)],
}
# fmt: on
valid = some_of({name: st.sampled_from(values) for name, values in VALID.items()}, most=4)
anything = some_of(
    {name: st.sampled_from(INVALID[name] + VALID.get(name, [])) for name in INVALID}, most=2
)


def changed(changes, given):
    """Return a strategy for what one of some functions makes of data, or for any array."""
    return st.one_of(st.sampled_from(changes).map(lambda change: change(given)), arrays)


@st.composite
def data(draw):
    """Draw ids, labels and weights, of which one at most is not well."""
    seed = draw(seeds)
    X, y, weight = ids_of(seed), labels_of(seed), np.random.default_rng(seed).random(6)
    spoiled = draw(st.sampled_from(["X", "y", "weight", ""]))
    if spoiled == "X":
        X = draw(changed(CHANGES_OF_X, X))
    elif spoiled == "y":
        y = draw(changed(CHANGES_OF_Y, y))
    elif spoiled == "weight":
        return X, y, draw(changed(CHANGES_OF_WEIGHT, weight))
    return X, y, draw(st.sampled_from([None, weight]))


@st.composite
def cases(draw):
    """Draw data, and parameters; only one of the two is not well."""
    if draw(st.booleans()):
        return draw(data()), draw(valid)
    seed = draw(seeds)
    return (ids_of(seed), labels_of(seed), None), draw(anything)


@functools.cache
def pickled(**parameters):
    """Return a fitted classifier as bytes: a fresh copy costs little."""
    classifier = LSTMTextClassifier(**SMALL | parameters)
    return pickle.dumps(classifier.fit(ids_of(0), labels_of(0)))


@holds(few=120, many=2_000, case=cases(), is_fitted=st.booleans(), is_part=st.booleans())
def test_fit_learns_or_leaves_everything_as_before(case, is_fitted, is_part):
    (X, y, weight), parameters = case
    classifier = pickle.loads(pickled()) if is_fitted else LSTMTextClassifier(**SMALL)
    classifier.set_params(**parameters)
    before, given = state(classifier), [content(X), content(y), content(weight)]
    if is_part:
        classes = None if is_fitted else [0, 1]
        outcome = attempt(classifier.partial_fit, X, y, classes=classes, sample_weight=weight)
    else:
        outcome = attempt(classifier.fit, X, y, sample_weight=weight)
    assert [content(X), content(y), content(weight)] == given
    if is_refused(outcome):
        assert state(classifier) == before
    else:
        assert outcome is classifier
        after = state(classifier)
        names = classifier.get_params().keys() & after.keys()
        assert {name: after[name] for name in names} == {name: before[name] for name in names}
        check_attributes(classifier)
        check_answers(classifier, X)


def check_attributes(classifier):
    """Check the fitted attributes for what the class says of them."""
    assert len(np.unique(classifier.classes_)) == len(classifier.classes_) >= 1
    assert classifier.embedding_ids_.shape == classifier.weights_["embedding/embeddings"].shape[:1]
    assert all(weight.dtype == np.float32 for weight in classifier.weights_.values())
    assert all(np.isfinite(weight).all() for weight in classifier.weights_.values())
    assert classifier.n_parameters_ == sum(w.size for w in classifier.weights_.values())
    assert {len(values) for values in classifier.history_.values()} == {classifier.n_iter_}
    assert np.isfinite(list(classifier.history_.values())).all()
    assert classifier.loss_curve_ == classifier.history_["loss"]


def check_answers(classifier, X):
    """Check what the methods give for data of fit, and return the probabilities."""
    proba = classifier.predict_proba(X)
    n_documents, n_classes = len(np.asarray(X)), len(classifier.classes_)
    assert proba.shape == (n_documents, n_classes)
    assert proba.dtype == np.float32
    assert ((proba >= 0) & (proba <= 1)).all()
    predicted, scores = classifier.predict(X), classifier.decision_function(X)
    if predicted.ndim == 2:
        np.testing.assert_array_equal(predicted, scores > 0)
    else:
        np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)
        assert np.isin(predicted, classifier.classes_).all()
    n_scores = 1 if predicted.ndim == 1 and n_classes == 2 else n_classes
    assert scores.shape == ((n_documents,) if n_scores == 1 else (n_documents, n_scores))
    vectors = classifier.transform(X)
    assert vectors.shape == (n_documents, len(classifier.get_feature_names_out()))
    assert np.isfinite(vectors).all()
    return proba


KINDS = {
    "of two classes": {},
    "that reads all": {"invalid_ids": "unknown"},
    "with vectors": {"embedding_weights": VECTORS, "vocab_size": None},
    "with padding read": {"mask_padding": False, "pooling": "flatten"},
}


@holds(
    few=100,
    many=1_500,
    kind=st.sampled_from(sorted(KINDS)),
    X=st.one_of(seeds.flatmap(lambda seed: changed(CHANGES_OF_X, ids_of(seed))), arrays),
)
def test_prediction_answers_or_refuses(kind, X):
    classifier = pickle.loads(pickled(**KINDS[kind]))
    before, given = state(classifier), content(X)
    outcomes = [
        attempt(getattr(classifier, name), X)
        for name in ("predict", "predict_proba", "decision_function", "transform")
    ]
    if any(map(is_refused, outcomes)):
        assert len({(type(outcome), str(outcome)) for outcome in outcomes}) == 1
    else:
        check_answers(classifier, X)
    assert state(classifier) == before
    assert content(X) == given


def test_nothing_is_predicted_before_fit():
    for name in ("predict", "predict_proba", "decision_function", "transform"):
        assert isinstance(attempt(getattr(LSTMTextClassifier(), name), ids_of(0)), NotFittedError)
    assert isinstance(attempt(LSTMTextClassifier().summary), NotFittedError)
    assert isinstance(attempt(LSTMTextClassifier().to_keras), NotFittedError)


# fmt: off
ARCHITECTURES = {
    "units": st.one_of(st.integers(1, 3), st.lists(st.integers(1, 3), min_size=1, max_size=2)),
    "bidirectional": st.booleans(),
    "pooling": st.sampled_from(sorted(POOLINGS)),
    "embedding_dim": st.integers(1, 3),
    "embedding_weights": st.sampled_from([None, VECTORS, np.eye(N_TOKENS, 3)]),
    "trainable_embeddings": st.booleans(),
    "dense_units": st.lists(st.integers(1, 3), max_size=2),
    "activation": st.sampled_from(sorted(ACTIVATIONS)),
    "dense_activation": st.sampled_from(sorted(ACTIVATIONS)),
    "ngrams": st.integers(0, 5),
    "ngram_buckets": st.sampled_from([None, 2, 8]),
    "mask_padding": st.booleans(),
    "weight_decay": st.sampled_from([1e-3, 1]),
    "label_smoothing": st.sampled_from([0.1, 0.999]),
    "optimizer": st.sampled_from(sorted(OPTIMIZERS)),
    "clipnorm": st.sampled_from([None, 1e-3, 1e30]),
    "average_weights": st.booleans(),
    **{
        name: st.sampled_from([0.1, 0.9])
        for name in [
            "embedding_dropout", "input_dropout", "recurrent_dropout", "dropout", "dense_dropout",
        ]
    },
}
# fmt: on


@holds(
    few=4,
    many=120,
    is_slow=True,
    seed=seeds,
    width=st.integers(1, 6),
    n_classes=st.sampled_from([2, 3, "labels"]),
    parameters=some_of(ARCHITECTURES, most=8),
)
def test_any_architecture_keeps_its_promises(seed, width, n_classes, parameters):
    X = ids_of(seed, 6, width)
    if n_classes == "labels":
        y = np.random.default_rng(seed).integers(0, 2, (6, 3))
    else:
        y = np.array(["b", "a", "c"])[labels_of(seed, 6, n_classes)]
    classifier = LSTMTextClassifier(**SMALL | {"vocab_size": None} | parameters)
    outcome = attempt(classifier.fit, X, y)
    if is_refused(outcome):
        # Activations without bounds may let the loss become infinite.
        assert "infinite" in str(outcome) or "became" in str(outcome)
        return
    check_attributes(classifier)
    proba = check_answers(classifier, X)
    np.testing.assert_allclose(classifier.predict_proba(X[:1]), proba[:1], atol=1e-5)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(classifier)).predict_proba(X), proba)
    assert_same_weights(clone(classifier).fit(X, y).weights_, classifier.weights_)
    if classifier.mask_padding:
        for side in ("pre", "post"):
            moved = classifier.predict_proba(shifted(X, side))
            np.testing.assert_allclose(moved, proba, atol=1e-5)


CALLS = {
    "fit": lambda c, X, y, w: c.fit(X, y, sample_weight=w),
    "warm": lambda c, X, y, w: c.set_params(warm_start=True).fit(X, y, sample_weight=w),
    "part": lambda c, X, y, w: c.partial_fit(X, y, classes=[0, 1], sample_weight=w),
    "stop": lambda c, X, y, w: c.set_params(early_stopping=True).fit(X, y, X_val=X, y_val=y),
    "reset": lambda c, X, y, w: c.set_params(early_stopping=False, warm_start=False),
    "predict": lambda c, X, y, w: c.predict(X),
    "copy": lambda c, X, y, w: c.__setstate__(pickle.loads(pickle.dumps(c.__getstate__()))),
}


@holds(
    few=30,
    many=500,
    calls=st.lists(st.tuples(st.sampled_from(sorted(CALLS)), data()), min_size=1, max_size=5),
)
def test_any_order_of_calls_keeps_the_promises(calls):
    classifier = LSTMTextClassifier(**SMALL)
    for name, (X, y, weight) in calls:
        before = state(classifier)
        outcome = attempt(CALLS[name], classifier, X, y, weight)
        if is_refused(outcome) or name == "predict":
            fitted = [a for a in before if a not in classifier.get_params()]
            assert {a: state(classifier).get(a) for a in fitted} == {a: before[a] for a in fitted}
            assert is_refused(outcome) or len(outcome) == len(X)
        elif hasattr(classifier, "weights_"):
            check_attributes(classifier)
            width = classifier.n_features_in_
            check_answers(classifier, ids_of(0, width=width))

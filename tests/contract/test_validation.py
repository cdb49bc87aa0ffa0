"""Each kind of invalid input raises an error that names the problem and the remedy."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import sklearn.preprocessing
from conftest import LABELS, TEXTS, make_ids, small_classifier
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklstm._training import data
from sklstm._training.data import split_off_validation

IDS, Y = make_ids()


def changed(value, dtype=np.float64):
    ids = IDS.astype(dtype)
    ids[3, 2] = value
    return ids


BAD_X = {
    "negative": (changed(-1), "Negative values in data.*X[3, 2] is -1.0"),
    "negative int": (changed(-1, np.int64), "Negative values in data.*X[3, 2] is -1."),
    "fractional": (changed(0.5), "X[3, 2] is 0.5, not an integer"),
    "beyond int32": (changed(2.0**40), "X[3, 2] is 1099511627776.0, larger than"),
    "NaN": (changed(np.nan), "contains NaN"),
    "infinite": (changed(np.inf), "contains infinity"),
    "texts": (TEXTS * 5, "Put a TextSequencer before the classifier"),
    "text array": (np.array(TEXTS * 5), "Put a TextSequencer before the classifier"),
    "text series": (pd.Series(TEXTS * 5), "Put a TextSequencer before the classifier"),
    "one text": ("a fine film", "Put a TextSequencer before the classifier"),
    "one row": (IDS[0], "Expected 2D array, got 1D array"),
    "three dimensions": (IDS[None], "Found array with dim 3"),
    "no documents": (IDS[:0], "Found array with 0 sample"),
    "no columns": (IDS[:, :0], "Found array with 0 feature"),
}


def pattern(message):
    """Read a message literally, but for ``.*``."""
    return ".*".join(re.escape(part) for part in message.split(".*"))


@pytest.mark.parametrize("name", BAD_X)
def test_bad_ids_are_refused_in_fit_and_predict(name):
    X, message = BAD_X[name]
    with pytest.raises(ValueError, match=pattern(message)):
        small_classifier().fit(X, Y)
    with pytest.raises(ValueError, match=pattern(message)):
        FITTED.predict(X)


FITTED = small_classifier(epochs=1).fit(IDS, Y)


def test_sparse_ids_are_refused():
    with pytest.raises(TypeError, match=r"(?i)sparse.*dense"):
        small_classifier().fit(sparse.csr_matrix(IDS), Y)


def test_invalid_ids_can_be_read_as_unknown():
    lenient = small_classifier(epochs=1, invalid_ids="unknown").fit(changed(-3), Y)
    assert lenient.get_params()["invalid_ids"] == "unknown"
    as_unknown = lenient.predict_proba(changed(1))
    for value in (-1, 0.5, 2.0**40):
        np.testing.assert_array_equal(lenient.predict_proba(changed(value)), as_unknown)
    with pytest.raises(ValueError, match="contains NaN"):
        lenient.predict(changed(np.nan))


@pytest.mark.parametrize("width", [8, 10])
def test_another_width_than_in_fit_is_refused(width):
    X = np.ones((2, width), dtype=int)
    with pytest.raises(ValueError, match=f"X has {width} features, but .* expecting 9 features"):
        FITTED.predict(X)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function", "transform"])
def test_unfitted_use_is_an_error(method):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(small_classifier(), method)(IDS)


@pytest.mark.parametrize("method", ["to_keras", "summary"])
def test_unfitted_network_cannot_be_shown(method):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(small_classifier(), method)()


BAD_Y = {
    "one class": (np.zeros(60), "y contains 1 class, and a classifier needs at least two"),
    "shorter": (Y[:-1], "inconsistent numbers of samples: y has 59 labels for 60 documents"),
    "NaN": (np.where(np.arange(60) == 7, np.nan, Y), "contains NaN: the label of row 7"),
    "None": ([None, *LABELS * 4 + LABELS[:11]], "contains NaN: the label of row 0"),
    "NA": (pd.Series([*Y[:59], None], dtype="Int64"), "contains NaN: the label of row 59"),
    "infinite": (np.where(Y == 1, np.inf, 0.0), "infinity"),
    "numbers": (np.linspace(0, 1, 60), "Unknown label type: continuous"),
    "absent": (None, "requires y to be passed, but the target y is None"),
    "one date": (
        np.array("NaT", dtype="datetime64[Y]"),
        "pass an array with one label per document",
    ),
    "two columns of classes": (np.column_stack([Y, Y + 1]), "y has 2 columns that are not a label"),
}


@pytest.mark.parametrize("name", BAD_Y)
def test_bad_labels_are_refused(name):
    y, message = BAD_Y[name]
    with pytest.raises(ValueError, match=pattern(message)):
        small_classifier().fit(IDS, y)


TAGS = [["film"], ["film", "good"], []] * 20
PAIRS = [["film", "good"], ["film", "bad"], ["play", "good"]] * 20
WITH_TAGS = {
    "lists": TAGS,
    "tuples": tuple(map(tuple, TAGS)),
    "sets": list(map(set, TAGS)),
    "one set each": [{"film"}, {"play"}, {"book"}] * 20,
    "lists of equal length": PAIRS,
    "numbers": [[0], [0, 3], []] * 20,
    "series": pd.Series(TAGS),
    "series of equal length": pd.Series(PAIRS),
    "series with one tag each": pd.Series([["film"], ["play"], ["book"]] * 20),
    "array of lists": np.array(TAGS, dtype=object),
    "missing": [*TAGS[:59], None],
}
ADVICE = "pass np.stack(y); for tags, sklearn.preprocessing.MultiLabelBinarizer().fit_transform(y)"


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("name", WITH_TAGS)
def test_tags_are_refused_with_the_line_that_converts_them(name, method):
    message = r"contains the tags of each document, such as .*film.*|such as \[0"
    with pytest.raises(ValueError, match=message) as raised:
        getattr(small_classifier(), method)(IDS, WITH_TAGS[name])
    line = str(raised.value).rpartition(": ")[2].removesuffix(".")
    assert line == "y = sklearn.preprocessing.MultiLabelBinarizer().fit_transform(y)"
    names = {"y": [tags for tags in WITH_TAGS[name] if tags is not None], "sklearn": sklearn}
    exec(line, names)
    assert set(np.unique(names["y"])) == {0, 1}


def test_tags_with_a_value_are_refused_with_the_line_that_converts_them():
    y = [{"film": 1, "good": 0}, {"good": 1}, {}] * 20
    with pytest.raises(ValueError, match=r"such as \{'film': 1, 'good': 0\}") as raised:
        small_classifier().fit(IDS, y)
    names = {"y": y, "sklearn": sklearn}
    exec(str(raised.value).partition("each tag: ")[2].removesuffix("."), names)
    assert names["y"][:3].tolist() == [[1, 0], [0, 1], [0, 0]]


@pytest.mark.parametrize("name", ["y_val", "y"])
def test_validation_tags_are_refused_by_their_name(name):
    indicator = np.column_stack([Y, Y == 0, np.ones(60)]).astype(int)
    call = {"y": indicator, "X_val": IDS, "y_val": indicator} | {name: TAGS}
    with pytest.raises(ValueError, match=f"^{name} contains the tags .* {name} = sklearn"):
        small_classifier().fit(IDS, **call)


@pytest.mark.parametrize("form", [np.array, pd.DataFrame])
def test_columns_of_strings_are_refused_with_both_remedies(form):
    with pytest.raises(ValueError, match=r"MultiOutputClassifier.*MultiLabelBinarizer"):
        small_classifier().fit(IDS, form(PAIRS))


def test_a_series_of_rows_of_numbers_is_refused_with_both_remedies():
    with pytest.raises(ValueError, match=pattern(ADVICE)):
        small_classifier().fit(IDS, pd.Series([[0, 1], [1, 1], [1, 0]] * 20))


ONE_HOT = np.eye(3, dtype=int)[np.arange(45) % 3]
ONE_HOT_FORMS = {
    "array": (ONE_HOT, "y.argmax(axis=1)"),
    "float": (ONE_HOT.astype(np.float32), "y.argmax(axis=1)"),
    "bool": (ONE_HOT == 1, "y.argmax(axis=1)"),
    "sparse": (sparse.csr_array(ONE_HOT), "y.argmax(axis=1)"),
    "list": (ONE_HOT.tolist(), "np.argmax(y, axis=1)"),
    "dummies": (pd.get_dummies(pd.Series(["a", "b", "c"] * 15)), "y.idxmax(axis=1)"),
}


@pytest.mark.parametrize("name", ONE_HOT_FORMS)
def test_one_hot_labels_warn_with_the_line_that_decodes_them(name):
    y, line = ONE_HOT_FORMS[name]
    with pytest.warns(UserWarning, match=pattern(f"exactly one label.*, pass {line}.")):
        small_classifier(epochs=1).fit(IDS[:45], y)
    decoded = np.asarray(eval(line, {"y": y, "np": np})).ravel()
    expected = ["a", "b", "c"] if name == "dummies" else [0, 1, 2]
    assert decoded.tolist() == expected * 15


def test_labels_in_one_hot_form_by_coincidence_do_not_warn():
    classifier, ids = small_classifier(epochs=1, vocab_size=20), IDS[:45]
    classifier.fit(ids[:9], ONE_HOT[:9])  # Too few documents.
    several, none = ONE_HOT.copy(), ONE_HOT.copy()
    several[0, :2], none[0] = 1, 0
    classifier.fit(ids, several)
    classifier.fit(ids, none, X_val=ids, y_val=ONE_HOT)
    clone(classifier).partial_fit(ids, ONE_HOT)


def test_weights_that_leave_one_class_are_refused():
    with pytest.raises(ValueError, match="1 class with a positive weight"):
        small_classifier().fit(IDS, Y, sample_weight=np.where(Y == 0, 1.0, 0.0))
    with pytest.raises(
        ValueError, match=r"(?i)sample.weight.* non-zero|0 classes with a positive weight"
    ):
        small_classifier().fit(IDS, Y, sample_weight=np.zeros(60))
    with pytest.raises(ValueError, match="Negative values"):
        small_classifier().fit(IDS, Y, sample_weight=np.full(60, -1.0))
    with pytest.raises(ValueError, match=r"sample_weight\.shape"):
        small_classifier().fit(IDS, Y, sample_weight=np.ones(59))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("optimizer", "adan"),
        ("pooling", "median"),
        ("activation", "tan"),
        ("dense_activation", "reluu"),
        ("invalid_ids", "drop"),
        ("units", 0),
        ("units", "64"),
        ("embedding_dim", 0),
        ("vocab_size", 1),
        ("dropout", 1.0),
        ("recurrent_dropout", -0.1),
        ("learning_rate", 0.0),
        ("epochs", 0),
        ("batch_size", 0),
        ("clipnorm", 0.0),
        ("label_smoothing", 1.0),
        ("weight_decay", -1.0),
        ("validation_fraction", 1.0),
        ("n_iter_no_change", 0),
        ("tol", -1.0),
        ("class_weight", "even"),
        ("callbacks", "early"),
        ("random_state", "seed"),
        ("verbose", 3),
        ("bidirectional", "yes"),
    ],
)
def test_parameter_of_a_wrong_value_is_named(name, value):
    message = (
        f"The '{name}' parameter of LSTMTextClassifier must be .* Got {re.escape(repr(value))}"
    )
    with pytest.raises(ValueError, match=message):
        small_classifier(**{name: value}).fit(IDS, Y)


@pytest.mark.parametrize("value", [(), (4, 0), (4, 2.5), [True]])
def test_bad_units_are_named(value):
    with pytest.raises(ValueError, match=re.escape(f"units={value!r} must be a positive")):
        small_classifier(units=value).fit(IDS, Y)


def test_bad_dense_units_are_named():
    with pytest.raises(ValueError, match=r"dense_units=\(3, -1\) must be empty or a positive"):
        small_classifier(dense_units=(3, -1)).fit(IDS, Y)


@pytest.mark.parametrize(
    ("matrix", "vocab_size", "message"),
    [
        (np.ones(20), None, "Expected 2D array, got 1D array"),
        (np.ones((19, 3)), None, r"shape \(19, 3\), and X contains the id 19"),
        (np.ones((25, 3)), 24, r"shape \(25, 3\), but vocab_size=24 requires 24 rows"),
        (np.full((25, 3), np.nan), None, "embedding_weights contains NaN"),
    ],
)
def test_embedding_weights_of_a_wrong_shape_are_refused(matrix, vocab_size, message):
    with pytest.raises(ValueError, match=message):
        small_classifier(embedding_weights=matrix, vocab_size=vocab_size).fit(IDS, Y)


def test_callbacks_that_are_not_of_keras_are_refused():
    with pytest.raises(TypeError, match=r"callbacks\[0\] is <built-in function print>"):
        small_classifier(callbacks=[print]).fit(IDS, Y)


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        ({"X_val": IDS}, "X_val was passed without y_val"),
        ({"y_val": Y}, "y_val was passed without X_val"),
        ({"X_val": IDS, "y_val": Y + 1}, r"y_val contains labels that are not among.*\[2\]"),
        ({"X_val": IDS, "y_val": Y[:-1]}, "y_val has 59 labels for 60 documents"),
        ({"X_val": IDS[:, 1:], "y_val": Y}, "X has 8 features"),
        ({"X_val": changed(-1), "y_val": Y}, "Negative values"),
    ],
)
def test_bad_validation_documents_are_refused(validation, message):
    with pytest.raises(ValueError, match=message):
        small_classifier().fit(IDS, Y, **validation)


def test_validation_labels_of_another_width_are_refused():
    y = np.column_stack([Y, np.ones_like(Y)])
    with pytest.raises(ValueError, match="y_val has 3 labels, not 2"):
        small_classifier().fit(IDS, y, X_val=IDS, y_val=np.column_stack([y, Y]))


@pytest.mark.parametrize(
    ("y", "fraction", "absent"),
    [
        ([0] * 59 + [1], 0.1, "a class"),
        ([0] * 57 + [1] * 3, 0.05, "class"),
        ([0, 1, 2, 3] * 15, 0.03, "a class"),
        ([0, 1], 0.9, "a class"),
    ],
)
def test_validation_fraction_that_leaves_a_class_empty_is_refused(y, fraction, absent):
    message = f"validation_fraction={fraction} of {len(y)} documents leaves {absent}"
    with pytest.raises(ValueError, match=message):
        split_off_validation(np.array(y), fraction, seed=0)
    with pytest.raises(ValueError, match=message):
        small_classifier(early_stopping=True, validation_fraction=fraction).fit(IDS[: len(y)], y)


def test_validation_documents_without_weight_are_refused(monkeypatch):
    rows = np.arange(60)
    monkeypatch.setattr(
        data, "split_off_validation", lambda y, fraction, seed: (rows[10:], rows[:10])
    )
    weights = np.where(rows < 10, 0.0, 1.0)
    with pytest.raises(ValueError, match="All documents of y_val have weight 0"):
        small_classifier(early_stopping=True).fit(IDS, Y, sample_weight=weights)


def test_partial_fit_needs_the_classes_and_refuses_others():
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        small_classifier().partial_fit(IDS, Y)
    with pytest.raises(ValueError, match=r"classes=\[0\] must contain at least two"):
        small_classifier().partial_fit(IDS, Y, classes=[0, 0])
    with pytest.raises(ValueError, match=r"All documents of y have weight 0|non-zero"):
        small_classifier().partial_fit(IDS, Y, classes=[0, 1], sample_weight=np.zeros(60))
    classifier = small_classifier().partial_fit(IDS, Y, classes=[0, 1])
    classifier.partial_fit(IDS, Y, classes=[1, 0])
    with pytest.raises(ValueError, match=r"classes=\[0, 2\] differs from the first call"):
        classifier.partial_fit(IDS, Y, classes=[0, 2])
    with pytest.raises(ValueError, match=r"not among the classes .*\[2\]"):
        classifier.partial_fit(IDS, Y + 1)


@pytest.mark.parametrize("parameters", [{"early_stopping": True}, {"class_weight": "balanced"}])
def test_partial_fit_refuses_what_needs_all_documents(parameters):
    name = next(iter(parameters))
    with pytest.raises(ValueError, match=f"partial_fit .* does not support {name}="):
        small_classifier(**parameters).partial_fit(IDS, Y, classes=[0, 1])


def test_a_failed_fit_leaves_a_fitted_classifier_as_it_was():
    classifier = small_classifier(epochs=1).fit(IDS, Y)
    before = classifier.__dict__.copy()
    with pytest.raises(ValueError, match="1 class"):
        classifier.fit(IDS[:, 1:], np.zeros(60))
    assert classifier.__dict__ == before


def test_a_failed_first_fit_leaves_nothing():
    classifier = small_classifier()
    with pytest.raises(ValueError, match="1 class"):
        classifier.fit(IDS, np.zeros(60))
    assert classifier.__dict__ == classifier.get_params()

"""TextSequencer: valid input, and errors for invalid input."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sequencing import TEXTS

from sklstm.sequencer import TextSequencer


@pytest.mark.parametrize(
    "X",
    [
        tuple(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        np.array(TEXTS)[:, np.newaxis],
        list(np.array(TEXTS)),
        pd.Series(TEXTS, dtype=object),
        pd.Series(TEXTS, dtype="str"),
        pd.Series(TEXTS, dtype="string"),
        pd.Series(TEXTS, dtype="category"),
        pd.Series(TEXTS, dtype="string", index=[5, 5, 1, 0]),
        pd.Series(TEXTS).array,
        pd.Index(TEXTS),
        pd.DataFrame({"review": TEXTS}),
    ],
)
def test_every_kind_of_column_reads_as_a_list_does(X):
    np.testing.assert_array_equal(
        TextSequencer().fit_transform(X), TextSequencer().fit_transform(TEXTS)
    )


@pytest.mark.parametrize("missing", [None, float("nan"), np.float32("nan"), pd.NA])
def test_a_missing_text_is_an_empty_document(missing):
    expected = TextSequencer().fit_transform(["good film", ""])
    ids = TextSequencer().fit_transform(["good film", missing])
    np.testing.assert_array_equal(ids, expected)


@pytest.mark.parametrize("dtype", [object, "str", "string", "string[pyarrow]", "category"])
def test_a_missing_text_in_a_series_is_an_empty_document(dtype):
    if "pyarrow" in str(dtype):
        pytest.importorskip("pyarrow")
    ids = TextSequencer().fit_transform(pd.Series(["good film", None], dtype=dtype))
    assert ids.tolist() == [[3, 2], [0, 1]]


@pytest.mark.parametrize("as_kind", [pd.DataFrame, np.array])
def test_columns_are_joined_row_by_row(as_kind):
    rows = [["Jaws", "a film"], ["Up", "a warm film"]]
    expected = TextSequencer().fit_transform(["Jaws a film", "Up a warm film"])
    np.testing.assert_array_equal(TextSequencer().fit_transform(as_kind(rows)), expected)


def test_a_missing_column_is_left_out_of_the_join():
    frame = pd.DataFrame({"title": ["Up", None, None], "review": ["warm", "cold", None]})
    sequencer = TextSequencer(analyzer="char", separator="+").fit(frame)
    back = ["".join(row) for row in sequencer.inverse_transform(sequencer.transform(frame))]
    assert back == ["up+warm", "cold", "[UNK]"]


@pytest.mark.parametrize("method", ["fit", "fit_transform", "partial_fit", "transform"])
@pytest.mark.parametrize("X", ["a film", b"a film", np.str_("a film")])
def test_a_bare_string_is_refused_as_scikit_learn_does(method, X):
    sequencer = TextSequencer().fit(TEXTS)
    with pytest.raises(ValueError, match=r"X is a single string.*\[text\]"):
        getattr(sequencer, method)(X)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (["a film", 3], r"Row 1 of X contains 3 \(int\); it must be a str"),
        ([b"a film"], r"Row 0 of X contains b'a film' \(bytes\)"),
        (["a film", ["a", "film"]], r"Row 1 of X contains \['a', 'film'\] \(list\)"),
        (np.arange(3.0), r"Row 0 of X contains 0.0 \(float\)"),
        (["a film", pd.NaT], r"Row 1 of X contains NaT"),
        (pd.DataFrame({"text": ["a"], "stars": [5]}), r"Row 0 of column 'stars' of X contains 5"),
        (
            np.array([["a", "b"], ["c", 1]], dtype=object),
            r"Row 1 of column 1 of X contains 1 \(int\)",
        ),
        (sparse.csr_array((2, 2)), "Sparse data was passed"),
        ((text for text in TEXTS), r"such as list\(X\); got generator"),
        ({"a": "film"}, r"got dict"),
        ({"a film"}, r"such as list\(X\); got set"),
        (7, "X must be a list.*got int"),
        (None, "got NoneType"),
    ],
)
def test_what_is_not_texts_is_a_type_error_that_says_where(X, message):
    for method in ("fit", "transform"):
        with pytest.raises(TypeError, match=message):
            getattr(TextSequencer().fit(TEXTS), method)(X)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.array("a film"), "X has 0 dimensions"),
        (np.full((2, 2, 2), "a"), "X has 3 dimensions"),
        (pd.DataFrame(index=[0, 1]), r"X has shape \(2, 0\): no columns"),
        ([], "X contains no tokens, in 0 documents"),
        (["", None, "?!"], r"X contains no tokens, in 3 documents.*stop_words"),
    ],
)
def test_what_holds_no_texts_is_a_value_error(X, message):
    with pytest.raises(ValueError, match=message):
        TextSequencer().fit(X)


def test_texts_of_stop_words_only_are_refused():
    with pytest.raises(ValueError, match="X contains no tokens, in 2 documents"):
        TextSequencer(stop_words="english").fit(["the", "and of"])


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("max_tokens", 2),
        ("max_len", 0),
        ("padding", "left"),
        ("truncating", None),
        ("indexing", "md5"),
        ("analyzer", "char_wb"),
        ("stop_words", "german"),
        ("min_df", -1),
        ("max_df", 1.5),
        ("separator", None),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(parameter, value):
    with pytest.raises(ValueError, match=f"'{parameter}' parameter of TextSequencer must be"):
        TextSequencer(**{parameter: value}).fit(TEXTS)

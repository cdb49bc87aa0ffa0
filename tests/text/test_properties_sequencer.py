"""TextSequencer: properties for generated input, and documented errors otherwise."""

from __future__ import annotations

import pickle
from collections import Counter

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from properties import attempt, content, holds, is_refused, some_of, state
from scipy import sparse
from sequencing import reference_analyzer
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklstm import TextSequencer, WordVectors

# What has broken programs that read texts: letters that change their number in lower case, signs
# that belong to the one before, directions, lone surrogates, zero bytes, all kinds of white space.
# fmt: off
WORDS = [
    "good", "bad", "film", "the", "a", "I", "1999", "x_y", "ok!", "[UNK]", "don't", "don\u2019t",
    "Über", "straße", "İstanbul", "Σς", "ﬁ", "e\u0301le\u0301", "\u05d0\u05d1", "\u202eabc", "漢字",
    "\U0001f469\u200d\U0001f467", "\U0010ffff", "\x00", "\x1c", "\u2028", "\ud800", "\udfff\ud800",
    "'", "\u2019", "",
]
# fmt: on
LONG = ["a", "a ", "\u0301", "\ud800", "👍", "' ", "ab c"]
DOCUMENTS = ["good film", "bad film", "the good, the bad"]

sentences = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)
# From 2**15 characters on texts are cut in another way.
long_texts = st.builds(str.__mul__, st.sampled_from(LONG), st.sampled_from([60, 40_000]))
texts = st.one_of(sentences, sentences, st.text(st.characters(), max_size=20), long_texts)
missing = st.sampled_from([None, float("nan"), np.float32("nan"), pd.NA])
entries = st.lists(st.one_of(texts, texts, texts, missing), min_size=1, max_size=6)


def as_objects(values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def as_series(values, dtype):
    try:
        return pd.Series(values, dtype=dtype)
    except UnicodeError:  # Arrow has no lone surrogates.
        return pd.Series(values, dtype=object)


def as_columns(values, n_columns, names):
    table = as_objects(values * n_columns).reshape(n_columns, -1).T
    return table if names is None else pd.DataFrame(table, columns=names[:n_columns], dtype=object)


corpora = st.one_of(
    entries,
    entries.map(tuple),
    entries.map(as_objects),
    entries.map(lambda values: np.array([v if isinstance(v, str) else "" for v in values])),
    entries.map(lambda values: [np.str_(v) if isinstance(v, str) else v for v in values]),
    entries.map(lambda values: pd.Index(values, dtype=object)),
    st.builds(as_series, entries, st.sampled_from([object, "str", "string", "category"])),
    st.builds(
        as_columns,
        entries,
        st.integers(1, 3),
        st.sampled_from([None, ["a", "b", "c"], [0, 1, 2], ["a", "b", None], ["a", "a", "a"]]),
    ),
)
# fmt: off
no_corpora = st.one_of(
    hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, min_side=0, max_side=2)),
    st.sampled_from([
        None, 7, 2.5, "text", b"text", "", (), [], {}, {"a": "b"}, {"a"}, str, list[int], len,
        [1, 2], ["a", 1], [b"a"], [["a"], ["b"]], [["a", "b"], ["c"]], [pd.NaT], [True],
        [complex("nan")], [object()], [float("inf")], [""], [None], range(3), bytearray(b"abc"),
        memoryview(b"abc"), (text for text in WORDS), sparse.csr_array((2, 2)), pd.Series([1, 2]),
        pd.Series(["a", 1]), pd.Series([], dtype=object), pd.DataFrame(), pd.DataFrame({"a": [1]}),
        pd.DataFrame({"a": ["b"], "c": [1]}), pd.MultiIndex.from_tuples([("a", "b")]),
        np.array([(1, "a")], dtype=[("i", int), ("s", "U1")]), np.full((2, 2, 2), "a"),
    ]),
)
# fmt: on


def empty(text):
    return ""


def nothing(text):
    return None


def numbers(text):
    return [1, 2]


def twice(text):
    return (text, text)


VECTORS = WordVectors(["good", "bad", "do", "n't"], np.eye(4))
# fmt: off
VALID = {
    "max_tokens": [30_000, 3, 4, 10, None, np.int64(5)],
    "max_len": [1_000, 1, 2, 5, None, 2**70],
    "padding": ["pre", "post"],
    "truncating": ["pre", "post"],
    "indexing": ["vocabulary", "hash"],
    "lowercase": [True, False],
    "strip_accents": [None, "ascii", "unicode", str.upper],
    "preprocessor": [None, str.lower, str.upper, empty],
    "tokenizer": [None, str.split, list, twice],
    "token_pattern": [r"\w+", r"(?u)\b\w\w+\b", r"(\w)\w*", r"(x)?\w", ".", "", r"\S+"],
    "analyzer": ["word", "char"],
    "stop_words": [None, "english", ["good"], ("the",), {"a"}, frozenset(["bad"]), []],
    "min_df": [1, 2, 0.0, 0.5, 1.0],
    "max_df": [1.0, 1, 3, 0.5],
    "stemmer": [None, "english", "porter", "turkish", str.upper, empty],
    "vocabulary": [
        None, ["good", "bad"], ("film",), {"good": 2, "bad": 7}, VECTORS, np.array(["a", "b"]),
        pd.Series(["a", "the"]),
    ],
    "separator": [" ", "", "\n", "+", "\ud800"],
}
INVALID = {
    "max_tokens": [2, 0, -1, 2.5, "9", True, np.nan, 2**31, 2**80],
    "max_len": [0, -3, 1.0, "x", True, np.inf],
    "padding": ["left", None, 1],
    "truncating": ["left", None, 1],
    "indexing": ["md5", None],
    "lowercase": ["yes", None, 2],
    "strip_accents": ["x", 1, nothing, numbers],
    "preprocessor": ["x", 1, nothing, numbers],
    "tokenizer": ["x", 1, nothing, numbers],
    "token_pattern": ["(", "[", "*", r"(\w)(\w)", 3, b"a", None],
    "analyzer": ["char_wb", str.upper, None],
    "stop_words": ["german", 3, [1], [None], [["a"]], {"a": 1}, np.array(["a"])],
    "min_df": [-1, 0, 1.5, "a", None, np.nan, 10, 2**70],
    "max_df": [-1, 0, 1.5, "a", None, np.nan, 0.0],
    "stemmer": ["klingon", 3, ["english"], nothing, numbers],
    "vocabulary": [
        [], {}, set(), {"a"}, "good", b"good", 3, ["a", "a"], [""], [1], ["a", None], {1: 2},
        {"a": 0}, {"a": 2, "b": 2}, {"a": 2.0}, {"a": True}, {"a": 2**31}, {"a": 2**70},
        np.eye(2), np.array("a"), range(3), ["bad"] * 3, [["a"]], pd.DataFrame({"a": ["b"]}),
    ],
    "separator": [None, 1, b" "],
}
# fmt: on
OF_ANALYZER = [
    *["lowercase", "strip_accents", "preprocessor", "tokenizer", "token_pattern", "analyzer"],
    "stop_words",
]
OF_COUNTS = ["min_df", "max_df", "max_tokens"]


def some_valid(*names):
    return some_of({name: st.sampled_from(VALID[name]) for name in names}, most=5)


valid = some_valid(*VALID)
anything = some_of({name: st.sampled_from(VALID[name] + INVALID[name]) for name in VALID}, most=3)


@holds(
    few=120,
    many=2_500,
    case=st.one_of(
        st.tuples(no_corpora, valid),
        st.tuples(corpora, anything),
        st.tuples(st.just(DOCUMENTS), anything),
    ),
    method=st.sampled_from(["fit", "fit_transform", "partial_fit"]),
    is_fitted=st.booleans(),
)
def test_fit_learns_or_leaves_everything_as_before(case, method, is_fitted):
    X, parameters = case
    sequencer = TextSequencer()
    if is_fitted:
        sequencer.fit(["a fine film", "a dull film"])
    sequencer.set_params(**parameters)
    before, given = state(sequencer), content(X)
    outcome = attempt(getattr(sequencer, method), X)
    assert content(X) == given
    assert {name: state(sequencer)[name] for name in sequencer.get_params()} == {
        name: before[name] for name in sequencer.get_params()
    }
    if is_refused(outcome):
        assert state(sequencer) == before
    elif method == "fit_transform":
        check_rows(sequencer, outcome)


def check_rows(sequencer, ids):
    """Check what the class promises of each row of ids."""
    assert ids.dtype == np.int32
    assert ids.flags.c_contiguous
    assert ids.shape[1] == sequencer.max_len_
    assert ids.min(initial=0) >= 0
    assert ids.max(initial=0) < sequencer.n_tokens_
    assert (ids != 0).any(axis=1).all()
    # Padding is on one side.
    is_padding = ids == 0 if sequencer.padding == "pre" else (ids == 0)[:, ::-1]
    assert (is_padding[:, :-1] >= is_padding[:, 1:]).all()


@holds(few=120, many=2_500, X=corpora, parameters=valid)
def test_what_has_learned_keeps_its_promises(X, parameters):
    sequencer = TextSequencer(**parameters)
    ids = attempt(sequencer.fit_transform, X)
    if is_refused(ids):
        # No token at all, or none that min_df and max_df leave.
        return
    check_rows(sequencer, ids)
    np.testing.assert_array_equal(clone(sequencer).fit(X).transform(X), ids)
    copy = pickle.loads(pickle.dumps(sequencer))
    np.testing.assert_array_equal(copy.transform(X), ids)
    for row, row_ids in enumerate(ids):
        alone = X.iloc[[row]] if hasattr(X, "iloc") else X[row : row + 1]
        np.testing.assert_array_equal(sequencer.transform(alone), [row_ids])
    if sequencer.indexing == "vocabulary":
        check_vocabulary(sequencer, ids)


def check_vocabulary(sequencer, ids):
    """Check that the fitted attributes say the same of the vocabulary, and of rows of ids."""
    n_tokens = sequencer.n_tokens_
    assert sequencer.tokens_.shape == sequencer.token_counts_.shape == (n_tokens,)
    assert sequencer.tokens_[:2].tolist() == ["", "[UNK]"]
    assert sequencer.token_counts_.dtype == np.int64
    assert all(sequencer.tokens_[id_] == token for token, id_ in sequencer.vocabulary_.items())
    assert len(sequencer.vocabulary_) == np.count_nonzero(sequencer.tokens_[2:])
    if sequencer.vocabulary is None and sequencer.max_tokens is not None:
        assert n_tokens <= sequencer.max_tokens
    for row, tokens in zip(ids, sequencer.inverse_transform(ids), strict=True):
        # A token of the text may look as the unknown one is written.
        found = [sequencer.vocabulary_.get(token, 1) for token in tokens]
        expected = row[row > 0].tolist()
        assert [f for f, e in zip(found, expected, strict=True) if e > 1] == [
            e for e in expected if e > 1
        ]


@holds(few=100, many=1_500, X=entries, parameters=some_valid(*OF_ANALYZER, *OF_COUNTS))
def test_vocabulary_is_what_counting_gives(X, parameters):
    sequencer = TextSequencer(**parameters)
    if is_refused(attempt(sequencer.fit, X)):
        return
    analyze = reference_analyzer(**{name: getattr(sequencer, name) for name in OF_ANALYZER})
    documents = [[t for t in analyze(v) if t] if isinstance(v, str) else [] for v in X]
    counts = Counter(token for tokens in documents for token in tokens)
    spread = Counter(token for tokens in documents for token in set(tokens))
    lower, upper = (
        df if isinstance(df, int) else df * len(X) for df in (sequencer.min_df, sequencer.max_df)
    )
    kept = sorted(t for t in counts if lower <= spread[t] <= upper)
    kept.sort(key=counts.get, reverse=True)
    if sequencer.max_tokens is not None:
        kept = kept[: sequencer.max_tokens - 2]
    assert sequencer.tokens_[2:].tolist() == kept
    unknown = counts.total() - sum(counts[token] for token in kept)
    assert sequencer.token_counts_.tolist() == [0, unknown, *(counts[token] for token in kept)]
    assert sequencer.max_len_ == min(max(map(len, documents)), 1_000)


FITTED = [
    TextSequencer(),
    TextSequencer(padding="post", truncating="post", max_len=2, stemmer="english"),
    TextSequencer(indexing="hash", max_tokens=5, analyzer="char"),
    TextSequencer(vocabulary=VECTORS, strip_accents="unicode"),
    TextSequencer(vocabulary={"good": 3, "bad": 9}, token_pattern=r"\S+"),
]


@holds(
    few=100,
    many=1_000,
    number=st.integers(0, len(FITTED) - 1),
    X=st.one_of(corpora, corpora, no_corpora),
    has_columns=st.booleans(),
)
def test_transform_answers_or_refuses(number, X, has_columns):
    documents = pd.DataFrame({"a": DOCUMENTS, "b": DOCUMENTS}) if has_columns else DOCUMENTS
    sequencer = clone(FITTED[number]).fit(documents)
    before, given = state(sequencer), content(X)
    ids = attempt(sequencer.transform, X)
    if not is_refused(ids):
        assert len(ids) == len(X)
        check_rows(sequencer, ids)
    assert state(sequencer) == before
    assert content(X) == given


def test_nothing_is_transformed_before_fit():
    for method in ("transform", "inverse_transform", "get_feature_names_out"):
        arguments = [] if method == "get_feature_names_out" else [["good film"]]
        assert isinstance(attempt(getattr(TextSequencer(), method), *arguments), NotFittedError)


@holds(
    few=60,
    many=500,
    X=st.one_of(
        hnp.arrays(st.sampled_from([int, np.uint8]), (2, 3), elements=st.integers(0, 7)),
        hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, min_side=0, max_side=3)),
        no_corpora,
    ),
)
def test_inverse_transform_answers_or_refuses(X):
    sequencer = TextSequencer().fit(DOCUMENTS)
    outcome = attempt(sequencer.inverse_transform, X)
    if not is_refused(outcome):
        ids = np.asarray(X)
        assert [len(tokens) for tokens in outcome] == (ids != 0).sum(axis=1).tolist()
        known = sequencer.vocabulary_ | {"[UNK]": 1}
        for row, tokens in zip(ids, outcome, strict=True):
            assert [known[token] for token in tokens] == row[row > 0].tolist()


@holds(
    few=60,
    many=500,
    parts=st.lists(entries, min_size=1, max_size=4),
    parameters=some_valid(*OF_ANALYZER, *OF_COUNTS, "stemmer", "max_len"),
)
def test_parts_teach_what_the_whole_teaches(parts, parameters):
    whole, partly = TextSequencer(**parameters), TextSequencer(**parameters)
    if is_refused(attempt(whole.fit, [text for part in parts for text in part])):
        return
    for part in parts:
        before = state(partly)
        # A part without any token is refused as long as there was none before.
        if is_refused(attempt(partly.partial_fit, part)):
            assert state(partly) == before
    for name in ("tokens_", "token_counts_"):
        np.testing.assert_array_equal(getattr(partly, name), getattr(whole, name))
    assert (partly.vocabulary_, partly.max_len_) == (whole.vocabulary_, whole.max_len_)

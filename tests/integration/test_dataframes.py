"""Columns and tables of polars and pyarrow give the results of the same data in lists."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import LABELS, TEXTS, assert_same_weights, small_classifier
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from sklstm import TextSequencer, classic_baselines, compare, fit_stream, make_text_classifier

pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")

WITH_MISSING = [*TEXTS, None]
COLUMNS = {
    "polars": pl.Series,
    "polars, named": lambda values: pl.Series("text", values),
    "polars categorical": lambda values: pl.Series(values).cast(pl.Categorical),
    "polars enum": lambda values: pl.Series(values).cast(
        pl.Enum(sorted({value for value in values if value is not None}))
    ),
    "pyarrow": pa.array,
    "pyarrow large": lambda values: pa.array(values, pa.large_string()),
    "pyarrow view": lambda values: pa.array(values, pa.string_view()),
    "pyarrow dictionary": lambda values: pa.array(values).dictionary_encode(),
    "pyarrow chunks": lambda values: pa.chunked_array([values[:5], values[5:]]),
    "pyarrow chunks of a dictionary": lambda values: pa.chunked_array(
        [values[:5], values[5:]]
    ).dictionary_encode(),
}
TABLES = {
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
    "pyarrow batch": lambda columns: pa.RecordBatch.from_pydict(columns),
}
columns = pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
tables = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


@columns
def test_a_column_of_texts_reads_as_a_list_does(column):
    expected = TextSequencer().fit_transform(WITH_MISSING)
    X = column(WITH_MISSING)
    sequencer = TextSequencer()
    np.testing.assert_array_equal(sequencer.fit_transform(X), expected)
    np.testing.assert_array_equal(sequencer.transform(X), expected)
    np.testing.assert_array_equal(TextSequencer().partial_fit(X).transform(X), expected)
    assert sequencer.n_features_in_ == 1


@tables
@columns
def test_a_table_is_joined_row_by_row(table, column):
    titles = ["Up", None, "Jaws"] * 4 + [None]
    expected = TextSequencer().fit_transform(
        [f"{title or ''} {text or ''}" for title, text in zip(titles, WITH_MISSING, strict=True)]
    )
    X = {"title": column(titles), "text": column(WITH_MISSING)}
    if table is TABLES["pyarrow batch"]:
        X = {"title": pa.array(titles), "text": pa.array(WITH_MISSING)}
    elif table is TABLES["polars"] and isinstance(X["title"], (pa.Array, pa.ChunkedArray)):
        X = {name: pl.from_arrow(values) for name, values in X.items()}
    elif table is TABLES["pyarrow"] and isinstance(X["title"], pl.Series):
        X = {name: values.to_arrow() for name, values in X.items()}
    sequencer = TextSequencer()
    np.testing.assert_array_equal(sequencer.fit_transform(table(X)), expected)
    assert sequencer.feature_names_in_.tolist() == ["title", "text"]


@tables
def test_the_columns_of_a_table_are_checked_by_name(table):
    sequencer = TextSequencer().fit(table({"title": TEXTS, "text": TEXTS}))
    with pytest.raises(ValueError, match="in the same order as they were in fit"):
        sequencer.transform(table({"text": TEXTS, "title": TEXTS}))
    with pytest.raises(ValueError, match="Feature names seen at fit time, yet now missing"):
        sequencer.transform(table({"title": TEXTS}))


def test_values_that_are_not_texts_are_named_by_row_and_column():
    with pytest.raises(TypeError, match=r"Row 0 of column 'stars' of X contains 5 \(int\)"):
        TextSequencer().fit(pl.DataFrame({"text": TEXTS, "stars": [5] * 12}))
    with pytest.raises(TypeError, match=r"Row 1 of X contains 2 \(int\)"):
        TextSequencer().fit(pl.Series(["a film", 2], dtype=pl.Object))
    with pytest.raises(TypeError, match=r"Row 0 of X contains b'a film' \(bytes\)"):
        TextSequencer().fit(pa.array([b"a film"]))


def test_a_lazy_frame_must_be_collected():
    lazy = pl.LazyFrame({"text": TEXTS})
    message = r"A LazyFrame has no values yet. Pass the result of its method collect\(\)"
    with pytest.raises(TypeError, match=message):
        TextSequencer().fit(lazy)
    with pytest.raises(TypeError, match=message):
        small_classifier().fit(lazy, LABELS)
    with pytest.raises(TypeError, match=message):
        compare(classic_baselines(), lazy, LABELS)


@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_output_can_be_a_dataframe(kind):
    sequencer = TextSequencer(max_len=4).set_output(transform=kind)
    X = pl.DataFrame({"title": TEXTS, "text": TEXTS})
    frame = sequencer.fit_transform(X)
    assert type(frame).__module__.startswith(kind)
    assert list(frame.columns) == [f"textsequencer{i}" for i in range(4)]
    np.testing.assert_array_equal(frame.to_numpy(), TextSequencer(max_len=4).fit_transform(X))
    vectors = small_classifier(epochs=1).set_output(transform=kind).fit(frame, LABELS)
    assert list(vectors.transform(frame).columns) == vectors.get_feature_names_out().tolist()


SEQUENCER = TextSequencer(max_len=4)
IDS = SEQUENCER.fit_transform(TEXTS)
EXPECTED = small_classifier(early_stopping=True, validation_fraction=0.4).fit(IDS, LABELS)


@tables
def test_a_table_of_ids_trains_as_an_array_does(table):
    X = table({f"id{number}": column for number, column in enumerate(IDS.T)})
    classifier = small_classifier(early_stopping=True, validation_fraction=0.4).fit(X, LABELS)
    assert_same_weights(classifier.weights_, EXPECTED.weights_)
    assert classifier.feature_names_in_.tolist() == ["id0", "id1", "id2", "id3"]
    np.testing.assert_array_equal(classifier.predict(X), EXPECTED.predict(IDS))


@columns
def test_a_column_of_labels_trains_as_a_list_does(column):
    classifier = small_classifier(early_stopping=True, validation_fraction=0.4)
    y = column(LABELS)
    assert_same_weights(classifier.fit(IDS, y).weights_, EXPECTED.weights_)
    assert classifier.classes_.tolist() == ["bad", "good"]
    assert classifier.score(IDS, y) == EXPECTED.score(IDS, LABELS)
    classifier.fit(IDS, y, X_val=IDS, y_val=y)
    weights = pl.Series([1.0] * 12)
    small_classifier().partial_fit(IDS, y, column(["bad", "good"]), sample_weight=weights)


@pytest.mark.parametrize("as_column", [pl.Series, pa.array])
@pytest.mark.parametrize("labels", [[3, 5] * 6, [True, False] * 6, [0.0, 1.0] * 6])
def test_labels_of_other_types_are_read(as_column, labels):
    classifier = small_classifier().fit(IDS, as_column(labels))
    assert classifier.classes_.tolist() == sorted(set(labels))
    assert type(classifier.predict(IDS)[0].item()) is type(labels[0])


@columns
def test_a_missing_label_is_named_by_row(column):
    with pytest.raises(ValueError, match=r"the label of row 2 is missing"):
        small_classifier().fit(IDS, column([*LABELS[:2], None, *LABELS[3:]]))


@pytest.mark.parametrize("as_column", [pl.Series, pa.array])
@pytest.mark.parametrize("labels", [[3, 5, None] * 4, [True, False, None] * 4])
def test_a_missing_number_is_named_by_row(as_column, labels):
    with pytest.raises(ValueError, match=r"the label of row 2 is missing"):
        small_classifier().fit(IDS, as_column(labels))


@tables
def test_a_table_can_be_a_label_indicator(table):
    y = np.stack([np.arange(12) % 2, np.arange(12) % 3 == 0], axis=1).astype(int)
    classifier = small_classifier().fit(IDS, table({"a": y[:, 0], "b": y[:, 1]}))
    assert_same_weights(classifier.weights_, small_classifier().fit(IDS, y).weights_)


@pytest.mark.parametrize("as_column", [pl.Series, pa.array])
def test_a_pipeline_is_cross_validated_as_with_lists(as_column):
    model = make_text_classifier("fast", epochs=1, units=4, embedding_dim=3, random_state=0)
    expected = cross_val_score(model, TEXTS, LABELS, cv=2)
    scores = cross_val_score(model, as_column(TEXTS), as_column(LABELS), cv=2)
    np.testing.assert_array_equal(scores, expected)


@columns
def test_compare_reads_columns(column):
    baselines = {"svc": classic_baselines(random_state=0, min_df=1)["linear_svc"]}
    expected = compare(baselines, TEXTS, LABELS, cv=2)
    comparison = compare(baselines, column(TEXTS), column(LABELS), cv=2)
    assert comparison.scores["accuracy"].tolist() == expected.scores["accuracy"].tolist()
    assert not comparison.errors


@columns
def test_the_baselines_read_columns(column):
    baseline = classic_baselines(random_state=0, min_df=1)["linear_svc"]
    expected = baseline.fit(WITH_MISSING, [*LABELS, "bad"]).predict(TEXTS)
    predicted = baseline.fit(column(WITH_MISSING), [*LABELS, "bad"]).predict(column(TEXTS))
    np.testing.assert_array_equal(predicted, expected)


def stream(chunks, **names):
    model = make_pipeline(TextSequencer(max_len=4), small_classifier(epochs=1))
    return fit_stream(model, chunks, random_state=0, **names)[-1].weights_


@tables
def test_a_stream_of_tables_trains_as_one_of_pairs(table):
    chunks = [(TEXTS[:6], LABELS[:6]), (TEXTS[6:], LABELS[6:])]
    frames = [table({"text": texts, "label": labels}) for texts, labels in chunks]
    assert_same_weights(stream(frames, text="text", label="label"), stream(chunks))


@columns
def test_a_stream_of_pairs_of_columns_trains_as_one_of_lists(column):
    chunks = [(TEXTS[:6], LABELS[:6]), (TEXTS[6:], LABELS[6:])]
    pairs = [(column(texts), column(labels)) for texts, labels in chunks]
    assert_same_weights(stream(pairs), stream(chunks))


@tables
def test_a_single_table_is_not_a_stream(table):
    with pytest.raises(TypeError, match="Put a single chunk into a list"):
        stream(table({"text": TEXTS, "label": LABELS}))


def test_ids_with_missing_values_are_refused():
    X = pl.DataFrame({"a": [2, None] * 6, "b": [3] * 12})
    with pytest.raises(ValueError, match="Input X contains NaN"):
        small_classifier().fit(X, LABELS)

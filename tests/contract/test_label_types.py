"""Labels of every type are read without a change, or refused with the remedy."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction

import custom_models
import numpy as np
import pandas as pd
import pytest
from conftest import TEXTS, make_ids, small_classifier
from sklearn.pipeline import make_pipeline

from sklstm import KerasTextClassifier, TextSequencer, fit_stream

IDS, _ = make_ids(n_documents=12)


class Mood(Enum):
    GOOD = 1
    BAD = 2


class MoodOfStr(str, Enum):  # noqa: UP042
    GOOD = "good"
    BAD = "bad"


class MoodStr(StrEnum):
    GOOD = "good"
    BAD = "bad"


class MoodInt(IntEnum):
    GOOD = 1
    BAD = 2


def alternating(*labels):
    return list(labels) * (12 // len(labels))


ACCEPTED = {
    "str": (alternating("a", "b"), ["a", "b"]),
    "numpy str": ([*np.array(alternating("a", "b"))], ["a", "b"]),
    "StringDType": (np.array(alternating("a", "b"), np.dtypes.StringDType()), ["a", "b"]),
    "StrEnum": (alternating(MoodStr.GOOD, MoodStr.BAD), ["bad", "good"]),
    "IntEnum": (alternating(MoodInt.GOOD, MoodInt.BAD), [1, 2]),
    "int and bool": (alternating(1, False), [0, 1]),
    "negative": (alternating(-1, 1), [-1, 1]),
    "datetime64": (
        np.array(alternating("2020-01-01", "2021-01-01"), "M8[D]"),
        [date(2020, 1, 1), date(2021, 1, 1)],
    ),
    "category": (pd.Series(alternating("lo", "hi"), dtype="category"), ["hi", "lo"]),
    "Categorical": (pd.Categorical(alternating(1, 2)), [1, 2]),
    "Int64": (pd.Series(alternating(1, 2), dtype="Int64"), [1, 2]),
    "boolean": (pd.Series(alternating(True, False), dtype="boolean"), [False, True]),
    "string": (pd.Series(alternating("a", "b"), dtype="string"), ["a", "b"]),
}

BYTES = "Labels must not be bytes: row 0 of y is b'a';.*[label.decode() for label in y]"
UNKNOWN = "Unknown label type: row 0 of y is {};.*contains {}. Convert them: y = [{} for"
REFUSED = {
    "bytes": (alternating(b"a", b"b"), TypeError, BYTES),
    "numpy bytes": (np.array(alternating(b"a", b"b")), TypeError, BYTES),
    "bytes objects": (np.array(alternating(b"a", b"b"), dtype=object), TypeError, BYTES),
    "bytes Series": (pd.Series(alternating(b"a", b"b")), TypeError, BYTES),
    "date": (
        alternating(date(2020, 1, 1), date(2021, 1, 1)),
        ValueError,
        UNKNOWN.format("datetime.date(2020, 1, 1)", "date", "str(label)"),
    ),
    "Timestamp with time zone": (
        pd.Series(pd.to_datetime(alternating("2020-01-01", "2021-01-01"), utc=True)),
        ValueError,
        UNKNOWN.format("Timestamp('2020.*tz='UTC')", "Timestamp", "str(label)"),
    ),
    "Decimal": (
        alternating(Decimal(1), Decimal(2)),
        ValueError,
        UNKNOWN.format("Decimal('1')", "Decimal", "str(label)"),
    ),
    "Fraction": (
        alternating(Fraction(1), Fraction(2)),
        ValueError,
        UNKNOWN.format("Fraction(1, 1)", "Fraction", "str(label)"),
    ),
    "Enum": (
        alternating(Mood.GOOD, Mood.BAD),
        ValueError,
        UNKNOWN.format("<Mood.GOOD: 1>", "Mood", "label.name"),
    ),
    # numpy converts them to "Moo", and scores of scikit-learn would do so too.
    "Enum of str": (
        alternating(MoodOfStr.GOOD, MoodOfStr.BAD),
        TypeError,
        "Row 0 of y is <MoodOfStr.GOOD: 'good'>, whose str differs.*[label.name for label in y]",
    ),
    "int objects": (
        pd.Series([*alternating(3, 5), None], dtype=object).dropna(),
        ValueError,
        UNKNOWN.format("3", "int", "int(label)"),
    ),
    "bool objects": (
        pd.Series([*alternating(True, False), None]).dropna(),
        ValueError,
        UNKNOWN.format("True", "bool", "bool(label)"),
    ),
    "integers of more than 64 bits": (
        alternating(2**70, 2**71),
        ValueError,
        UNKNOWN.format(str(2**70), "int", "str(label)"),
    ),
    # numpy would convert 1 to "1", which is not what predict should return.
    "int and str": (
        alternating("b", 1),
        TypeError,
        "y mixes labels of several types: row 1 is 1, others are str.*[str(label) for label in y]",
    ),
    "bool and str": (
        alternating(True, "b"),
        TypeError,
        "y mixes labels of several types: row 0 is True",
    ),
    "objects that are int and str": (
        np.array(alternating(1, "b"), dtype=object),
        ValueError,
        UNKNOWN.format("1", "int, str", "str(label)"),
    ),
    "objects that are str and int": (
        np.array(alternating("b", 1), dtype=object),
        TypeError,
        "y mixes labels that cannot be sorted.*Convert them to one type, such as str",
    ),
    "None": (alternating("a", None), ValueError, "the label of row 1 is missing"),
    "NaN": (alternating(1.0, np.nan), ValueError, "the label of row 1 is missing"),
    "NaT": (
        np.array(alternating("2020-01-01", "NaT"), "M8[D]"),
        ValueError,
        "the label of row 1 is missing",
    ),
    "pandas.NA": (
        pd.Series(alternating(1, None), dtype="Int64"),
        ValueError,
        "the label of row 1 is missing",
    ),
    "no category": (
        pd.Series(alternating("a", None), dtype="category"),
        ValueError,
        "the label of row 1 is missing",
    ),
    "masked": (
        np.ma.array(alternating(0, 1), mask=alternating(0, 0, 1)),
        ValueError,
        "the label of row 2 is missing",
    ),
}


def pattern(message):
    """Read a message literally, but for ``.*``."""
    return ".*".join(re.escape(part) for part in message.split(".*"))


@pytest.mark.parametrize("name", ACCEPTED)
def test_labels_are_read_without_a_change(name):
    y, classes = ACCEPTED[name]
    classifier = small_classifier(epochs=1).fit(IDS, y)
    assert classifier.classes_.tolist() == classes
    assert set(classifier.predict(IDS).tolist()) <= set(classes)


@pytest.mark.parametrize("name", REFUSED)
def test_other_labels_are_refused_with_the_remedy(name):
    y, error, message = REFUSED[name]
    with pytest.raises(error, match=pattern(message)):
        small_classifier().fit(IDS, y)
    message = message.replace("of y is", "of y_val is").replace("y mixes", "y_val mixes")
    with pytest.raises(error, match=pattern(message)):
        small_classifier().fit(IDS, alternating(0, 1), X_val=IDS, y_val=y)


@pytest.mark.parametrize("name", ["bytes", "Enum", "int and str"])
def test_the_remedy_is_the_same_for_a_custom_model(name):
    y, error, message = REFUSED[name]
    with pytest.raises(error, match=pattern(message)):
        KerasTextClassifier(custom_models.network).fit(IDS, y)


def test_the_remedy_works():
    y = [label.decode() for label in alternating(b"a", b"b")]
    assert small_classifier().fit(IDS, y).classes_.tolist() == ["a", "b"]
    y = [label.name for label in alternating(Mood.GOOD, Mood.BAD)]
    assert small_classifier().fit(IDS, y).classes_.tolist() == ["BAD", "GOOD"]


def test_a_column_vector_is_read_with_the_warning_of_scikit_learn():
    from sklearn.exceptions import DataConversionWarning

    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        classifier = small_classifier().fit(IDS, np.array(alternating("a", "b"))[:, None])
    assert classifier.classes_.tolist() == ["a", "b"]


def test_a_stream_does_not_change_labels():
    y = alternating(MoodOfStr.GOOD, MoodOfStr.BAD)
    with pytest.raises(ValueError, match="labels are of the types MoodOfStr"):
        fit_stream(make_pipeline(TextSequencer(), small_classifier()), [(TEXTS, y)])

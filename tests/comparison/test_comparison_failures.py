"""compare() lists a classifier that fails with its error and runs the others."""

import pytest
from comparing import FITS, FORKED_BY_OLD_JOBLIB, LABELS, MODELS, TEXTS, Coin, words
from numpy.testing import assert_array_equal
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from sklstm import compare


@pytest.fixture(autouse=True)
def no_fits_yet():
    FITS.clear()


class Lost(Coin):
    def predict(self, X):
        return super().predict(X)[:-1]


def test_a_failing_classifier_is_a_row_with_its_error():
    models = {"broken": Coin("broken", fail_at=2), **MODELS}
    with pytest.warns(
        FitFailedWarning, match="1 of 3 classifiers failed.* ValueError: broken broke"
    ):
        result = compare(models, TEXTS, LABELS)
    assert list(result.table.index) == ["words", "coin", "broken"]
    assert result.table.loc["broken", "error"] == "ValueError: broken broke"
    assert result.table.loc["broken"].drop("error").isna().all()
    assert_array_equal(result.table["error"][:2], ["", ""])
    assert "Traceback" in result.errors["broken"]
    assert "in two lines" in result.errors["broken"]
    assert set(result.scores["classifier"]) == {"words", "coin"}
    assert list(result.predictions.columns) == ["repeat", "fold", "y", "words", "coin"]
    assert len(result.differences()) == 1
    assert "broken failed: ValueError: broken broke" in repr(result)
    assert FITS.count("broken") == 2  # The other folds are not tried.


@pytest.mark.parametrize(
    ("model", "scoring", "error"),
    [
        (Lost(), "accuracy", "ValueError: Found input variables with inconsistent numbers"),
        (
            Lost(),
            {"one": lambda *fold: 1.0},
            r"ValueError: predict returned an array of shape \(11,\)",
        ),
        (Coin(), "roc_auc", "AttributeError: Coin has none of the following attributes"),
        (
            Coin(),
            lambda *fold: {"a": 1},
            r"TypeError: scoring 'score' returned {'a': 1}; return one number",
        ),
    ],
)
def test_an_error_while_scoring_is_a_failure_too(model, scoring, error):
    with pytest.warns(FitFailedWarning, match=error):
        result = compare({"model": model}, TEXTS, LABELS, scoring=scoring)
    assert list(result.errors) == ["model"]


def test_when_all_fail_there_is_still_a_table():
    with pytest.warns(FitFailedWarning, match="2 of 2"):
        result = compare({"a": Coin("a", fail_at=1), "b": Coin("b", fail_at=1)}, TEXTS, LABELS)
    assert list(result.table["error"]) == ["ValueError: a broke", "ValueError: b broke"]
    assert result.differences().empty
    assert "a failed: ValueError: a broke" in repr(result)
    assert len(result.plot().texts) == 2
    assert_array_equal(result.predictions["y"], LABELS)


@FORKED_BY_OLD_JOBLIB
def test_an_error_in_a_worker_is_a_row_too():
    models = {
        "words": words(),
        "broken": make_pipeline(CountVectorizer(min_df=99), MultinomialNB()),
    }
    with pytest.warns(FitFailedWarning, match="broken: ValueError: max_df corresponds to"):
        result = compare(models, TEXTS, LABELS, n_jobs=2)
    assert list(result.table.index) == ["words", "broken"]

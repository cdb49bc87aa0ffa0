"""Corrected resampled t-test of Nadeau and Bengio, and Holm's adjustment for the pairs."""

import numpy as np
import pytest
from comparing import LABELS, MODELS, TEXTS, scored
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from sklstm import compare
from sklstm.comparison._statistics import corrected_t_test, holm


def test_p_value_is_that_of_a_hand_calculation():
    # Differences 0.02, 0.04, 0.03, 0.05, 0.01: mean 0.03, squared deviations sum to 0.001, so the
    # sample variance is 0.001 / 4 = 0.00025. Corrected: (1/5 + 20/80) * 0.00025 = 0.0001125, whose
    # root is 0.010607; t = 0.03 / 0.010607 = 2.828427 with 4 degrees of freedom.
    row = (
        scored([0.82, 0.86, 0.83, 0.87, 0.80], [0.80, 0.82, 0.80, 0.82, 0.79]).differences().loc[0]
    )
    assert row["difference"] == pytest.approx(0.03)
    assert row["std_error"] == pytest.approx(0.0001125**0.5)
    assert row["t"] == pytest.approx(2.8284271)
    # For 4 degrees of freedom the distribution function has a closed form.
    x = 8.0 / (4 + 8.0)
    tail = 0.5 - 0.5 * x**0.5 * (1 + (1 - x) / 2)
    assert row["p_value"] == pytest.approx(2 * tail)
    assert row["p_value"] == pytest.approx(0.0474207)
    assert row["p_value"] == pytest.approx(2 * stats.t.sf(2.8284271, df=4))
    assert row["ci_low"] == pytest.approx(0.03 - 2.7764451 * 0.0106066, abs=1e-6)
    assert row["ci_high"] == pytest.approx(0.03 + 2.7764451 * 0.0106066, abs=1e-6)
    assert row["p_adjusted"] == row["p_value"]  # A single pair.
    assert row["better"] == "model_0"


def test_corrected_test_is_more_careful_than_the_paired_one():
    one, other = np.array([0.82, 0.86, 0.83, 0.87, 0.80]), np.array([0.80, 0.82, 0.80, 0.82, 0.79])
    naive = stats.ttest_rel(one, other)
    test = corrected_t_test(one - other, test_ratio=0.25)
    assert naive.pvalue < test.p_value
    assert test.t == pytest.approx(naive.statistic * (0.2 / 0.45) ** 0.5)
    assert corrected_t_test(one - other, test_ratio=0).p_value == pytest.approx(naive.pvalue)


def test_equal_values_have_no_doubt():
    same, apart = corrected_t_test([0.0] * 5, 0.25), corrected_t_test([0.1] * 5, 0.25)
    assert (same.t, same.p_value, same.std_error) == (0, 1, 0)
    assert (apart.t, apart.p_value) == (np.inf, 0)
    assert (apart.ci_low, apart.ci_high) == (pytest.approx(0.1), pytest.approx(0.1))
    assert corrected_t_test([-0.1] * 5, 0.25).t == -np.inf


@pytest.mark.parametrize("values", [[0.1], [0.1, np.nan, 0.2]])
def test_too_little_to_test_is_nan(values):
    test = corrected_t_test(values, 0.25)
    assert np.isnan([test.std_error, test.ci_low, test.ci_high, test.t, test.p_value]).all()


def test_holm_is_that_of_a_hand_calculation():
    # Sorted 0.01, 0.02, 0.03, 0.4 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.4.
    assert_allclose(holm([0.03, 0.4, 0.01, 0.02]), [0.06, 0.4, 0.04, 0.06])
    assert_allclose(holm([0.9, 0.8]), [1.0, 1.0])
    assert_allclose(holm([0.03, np.nan, 0.01]), [0.03, np.nan, 0.02])
    assert holm([]).shape == (0,)


def test_differences_name_the_greater_first_and_are_adjusted():
    worst, best, middle = [0.5, 0.6, 0.55], [0.9, 0.91, 0.89], [0.85, 0.92, 0.88]
    result = scored(worst, best, middle, names=["worst", "best", "middle"])
    frame = result.differences()
    pairs = list(zip(frame["first"], frame["second"], strict=True))
    assert pairs == [("best", "middle"), ("best", "worst"), ("middle", "worst")]
    assert (frame["difference"] > 0).all()
    assert_array_equal(frame["p_adjusted"], holm(frame["p_value"]))
    assert_array_equal(frame["better"], ["", "best", "middle"])
    assert_array_equal(result.differences(alpha=1e-6)["better"], ["", "", ""])
    assert (frame["ci_low"] < result.differences(alpha=0.5)["ci_low"]).all()


def test_one_classifier_has_no_differences():
    frame = scored([0.5, 0.6]).differences()
    assert frame.empty
    assert list(frame.columns[:3]) == ["first", "second", "difference"]
    assert list(frame.columns[-2:]) == ["p_adjusted", "better"]


def test_unequal_folds_count_by_their_documents():
    result = compare(MODELS, TEXTS, LABELS, cv=[(range(10), range(10, 60)), (range(30), [40, 50])])
    one, other = (result.scores.query("classifier == @name")["accuracy"] for name in MODELS)
    test = corrected_t_test(np.array(one) - np.array(other), test_ratio=52 / 40)
    assert result.differences()["p_value"][0] == pytest.approx(test.p_value)

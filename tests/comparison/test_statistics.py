"""Corrected resampled t-test, Holm's adjustment for the pairs, and Bayesian correlated t-test."""

import numpy as np
import pytest
from comparing import LABELS, MODELS, TEXTS, scored
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.datasets import make_moons
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.svm import SVC

from sklstm import compare
from sklstm.comparison._statistics import bayesian_t_test, corrected_t_test, holm

PROBABILITIES = ["prob_first", "prob_equal", "prob_second"]


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
    assert list(frame.columns[-6:]) == ["p_adjusted", "better", *PROBABILITIES, "practically_equal"]


def test_unequal_folds_count_by_their_documents():
    result = compare(MODELS, TEXTS, LABELS, cv=[(range(10), range(10, 60)), (range(30), [40, 50])])
    one, other = (result.scores.query("classifier == @name")["accuracy"] for name in MODELS)
    test = corrected_t_test(np.array(one) - np.array(other), test_ratio=52 / 40)
    assert result.differences()["p_value"][0] == pytest.approx(test.p_value)


# --- Practical equivalence


def test_probabilities_are_those_that_scikit_learn_publishes():
    # Example "Statistical comparison of models using grid search" of scikit-learn, last table.
    X, y = make_moons(noise=0.352, random_state=1, n_samples=100)
    kernels = {"linear": {"kernel": "linear"}, "3_poly": {"kernel": "poly"}, "rbf": {}}
    models = {name: SVC(random_state=0, **kernel) for name, kernel in kernels.items()}
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    frame = compare(models, X, y, cv=folds, scoring="roc_auc").differences()
    found = frame.set_index(["first", "second"])[["t", *PROBABILITIES]]
    for pair, expected in {
        ("rbf", "linear"): [0.750, 0.500, 0.432, 0.068],
        ("rbf", "3_poly"): [1.657, 0.882, 0.100, 0.018],
        ("linear", "3_poly"): [1.111, 0.750, 0.187, 0.063],
    }.items():
        assert_allclose(found.loc[pair], expected, atol=6e-4)


@pytest.mark.parametrize("rope", [0.0, 0.004, 0.02])
def test_probabilities_are_areas_under_the_density_of_the_posterior(rope):
    values = np.array([0.02, 0.04, 0.03, 0.05, -0.01])
    scale = np.sqrt((1 / 5 + 20 / 80) * np.var(values, ddof=1))
    grid = np.linspace(-5, 5, 2_000_001)
    density = stats.t.pdf((grid - values.mean()) / scale, df=4) * (grid[1] - grid[0]) / scale
    found = bayesian_t_test(values, 0.25, rope)
    parts = [grid > rope, np.abs(grid) <= rope, grid < -rope]
    assert_allclose(found, [density[part].sum() for part in parts], atol=1e-3)
    assert sum(found) == pytest.approx(1)


def test_probability_to_be_worse_without_rope_is_half_the_p_value():
    values = [0.02, 0.04, 0.03, 0.05, -0.01]
    found = bayesian_t_test(values, 0.25, 0.0)
    assert found.prob_equal == pytest.approx(0, abs=1e-15)
    assert found.prob_second == pytest.approx(corrected_t_test(values, 0.25).p_value / 2)
    opposite = bayesian_t_test(-np.array(values), 0.25, 0.0)
    assert_allclose(opposite, found[::-1], atol=1e-15)


@pytest.mark.parametrize(
    ("difference", "rope", "expected"),
    [
        (0.0, 0.0, (0, 1, 0)),
        (0.005, 0.01, (0, 1, 0)),
        (0.83 - 0.82, 0.01, (0, 1, 0)),  # Greater than 0.01 by rounding.
        (0.02, 0.01, (1, 0, 0)),
        (-0.02, 0.01, (0, 0, 1)),
        (1e-9, 0.0, (1, 0, 0)),
    ],
)
def test_equal_differences_decide(difference, rope, expected):
    assert bayesian_t_test([difference] * 5, 0.25, rope) == expected


@pytest.mark.parametrize("values", [[0.1], [0.1, np.nan, 0.2]])
def test_too_little_to_test_has_no_probabilities(values):
    assert np.isnan(bayesian_t_test(values, 0.25, 0.01)).all()


def test_a_single_fold_is_not_called_equal():
    frame = scored([0.5], [0.5]).differences()
    assert frame[PROBABILITIES].isna().all(axis=None)
    assert not frame["practically_equal"].any()


def test_close_scores_are_practically_equal_and_distant_ones_are_not():
    folds = np.array([0.80, 0.82, 0.79, 0.83, 0.81])
    close = folds + np.array([0.001, -0.001, 0.002, 0.0, 0.001])
    distant = folds - [0.05, 0.2, 0.15, 0.01, 0.1]
    result = scored(folds, close, distant, names=["one", "close", "distant"])
    frame = result.differences()
    assert list(frame["practically_equal"]) == [True, False, False]
    assert_array_equal(frame["practically_equal"], frame["prob_equal"] >= 0.95)
    assert not result.differences(rope=1e-4)["practically_equal"].any()
    assert result.differences(rope=0.9)["practically_equal"].all()
    # The level is that of the test.
    equal = frame["prob_equal"][0]
    assert not result.differences(alpha=(1 - equal) / 2)["practically_equal"].any()


def test_a_significant_difference_can_be_practically_equal():
    rng = np.random.default_rng(0)
    folds = 0.8 + 0.02 * rng.standard_normal(50)
    better = folds + 0.004 + 0.001 * rng.standard_normal(50)
    row = scored(better, folds).differences().loc[0]
    assert row["better"] == "model_0"
    assert row["practically_equal"]


def test_rope_of_compare_is_the_default():
    result = compare(MODELS, TEXTS, LABELS, cv=3, rope=0.5)
    assert result.rope == 0.5
    wide = result.differences(rope=0.5)[PROBABILITIES]
    assert_array_equal(result.differences()[PROBABILITIES], wide)
    narrow = compare(MODELS, TEXTS, LABELS, cv=3)
    assert narrow.rope == 0.01
    assert (narrow.differences()["prob_equal"] < wide["prob_equal"]).all()


@pytest.mark.parametrize(
    ("rope", "error", "message"),
    [
        (-0.01, ValueError, "rope=-0.01 must be a non-negative, finite number"),
        (np.nan, ValueError, "rope=nan must be a non-negative"),
        (np.inf, ValueError, "rope=inf must be a non-negative"),
        ("small", TypeError, "rope='small' must be a number"),
        (True, TypeError, "rope=True must be a number"),
    ],
)
def test_invalid_rope_is_refused(rope, error, message):
    with pytest.raises(error, match=message):
        compare(MODELS, TEXTS, LABELS, rope=rope)
    with pytest.raises(error, match=message):
        scored([0.5, 0.6], [0.5, 0.7]).differences(rope=rope)

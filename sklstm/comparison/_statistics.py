"""Tests of cross-validation scores, whose training sets overlap: significance and equivalence."""

from __future__ import annotations

from math import isclose, isfinite, nan
from numbers import Real
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


class CorrectedTest(NamedTuple):
    """Mean over folds, its standard error and confidence interval, and a t-test against zero."""

    mean: float
    std_error: float
    ci_low: float
    ci_high: float
    t: float
    p_value: float


def corrected_t_test(values: ArrayLike, test_ratio: float, alpha: float = 0.05) -> CorrectedTest:
    r"""Test whether the mean over folds is zero, by the corrected resampled t-test.

    The folds share most of their training documents, so their values vary less than those of
    independent samples. The corrected variance of the mean is
    :math:`(1/k + n_{test}/n_{train}) s^2`, with the sample variance :math:`s^2` of the values of k
    folds, and t has k - 1 degrees of freedom [1]_.

    Parameters
    ----------
    values : array-like of float, shape (n_folds,)
        Value of each fold, usually the difference between the scores of two classifiers.
    test_ratio : float
        Number of test documents divided by the number of training documents; 0.25 in 5 folds.
    alpha : float, default=0.05
        ``ci_low`` and ``ci_high`` are the ends of the ``1 - alpha`` confidence interval.

    Returns
    -------
    test : CorrectedTest
        The result, with a two-sided ``p_value``. If all values are equal, the p value is 1 if they
        are zero, and 0 otherwise. With fewer than two folds or a NaN value, all fields except the
        mean are NaN.

    References
    ----------
    .. [1] C. Nadeau and Y. Bengio (2003). `Inference for the Generalization Error
           <https://doi.org/10.1023/A:1024068626366>`_. Machine Learning 52, 239-281.
    """
    values = np.asarray(values, dtype=np.float64)
    mean, k = float(np.mean(values)), len(values)
    if k < 2 or np.isnan(mean):
        return CorrectedTest(mean, *[float("nan")] * 5)
    # The variance of equal values must be zero despite rounding.
    variance = float(np.var(values, ddof=1)) if np.ptp(values) > 0 else 0.0
    std_error = float(np.sqrt((1 / k + test_ratio) * variance))
    with np.errstate(divide="ignore"):
        t = float(np.divide(mean, std_error)) if mean else 0.0
    half_width = float(stats.t.isf(alpha / 2, k - 1)) * std_error
    p_value = 2 * float(stats.t.sf(abs(t), k - 1))
    return CorrectedTest(mean, std_error, mean - half_width, mean + half_width, t, p_value)


class Equivalence(NamedTuple):
    """Posterior probabilities that a mean difference is above, within and below the rope."""

    prob_first: float
    prob_equal: float
    prob_second: float


def bayesian_t_test(values: ArrayLike, test_ratio: float, rope: float) -> Equivalence:
    r"""Compute the probability of practical equivalence by the Bayesian correlated t-test.

    The posterior of the mean difference is a Student t distribution with k - 1 degrees of freedom,
    whose location is the mean over k folds, and whose scale is the standard error of
    `corrected_t_test` [1]_.

    Parameters
    ----------
    values : array-like of float, shape (n_folds,)
        Score of the first classifier minus that of the second in each fold.
    test_ratio : float
        Number of test documents divided by the number of training documents; 0.25 in 5 folds.
    rope : float
        Half width of the region of practical equivalence around 0, in units of the score.

    Returns
    -------
    equivalence : Equivalence
        The three probabilities, which sum to 1. If all values are equal, the posterior is
        concentrated on their mean, and each probability is 0 or 1. With fewer than two folds or a
        NaN value, they are NaN.

    References
    ----------
    .. [1] A. Benavoli, G. Corani, J. Demšar and M. Zaffalon (2017). `Time for a Change: a Tutorial
           for Comparing Multiple Classifiers Through Bayesian Analysis
           <https://jmlr.org/papers/v18/16-305.html>`_. JMLR 18(77), 1-36.
    """
    test = corrected_t_test(values, test_ratio)
    if np.isnan(test.std_error):
        return Equivalence(nan, nan, nan)
    if test.std_error == 0:
        # Scores such as 0.83 and 0.82 must have a difference of 0.01 despite rounding.
        is_equal = abs(test.mean) <= rope or isclose(abs(test.mean), rope)
        sides = test.mean > 0 and not is_equal, is_equal, test.mean < 0 and not is_equal
        return Equivalence(*map(float, sides))
    posterior = stats.t(np.size(values) - 1, loc=test.mean, scale=test.std_error)
    first, second = float(posterior.sf(rope)), float(posterior.cdf(-rope))
    return Equivalence(first, max(0.0, 1 - first - second), second)


def check_rope(rope: object) -> float:
    """Raise an error unless `rope` is a non-negative, finite number."""
    if not isinstance(rope, Real) or isinstance(rope, bool):
        raise TypeError(f"rope={rope!r} must be a number, such as 0.01.")
    value = float(rope)
    if not (isfinite(value) and value >= 0):
        raise ValueError(f"rope={rope!r} must be a non-negative, finite number, such as 0.01.")
    return value


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust p values for multiple testing by the step-down method of Holm [1]_.

    Parameters
    ----------
    p_values : array-like of float, shape (n_tests,)
        The p values; NaN entries are ignored.

    Returns
    -------
    adjusted : ndarray of float64, shape (n_tests,)
        Adjusted p values, to be compared with the family-wise error rate.

    References
    ----------
    .. [1] S. Holm (1979). A Simple Sequentially Rejective Multiple Test Procedure. Scandinavian
           Journal of Statistics 6, 65-70.
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * p[order]), 1.0)
    return adjusted

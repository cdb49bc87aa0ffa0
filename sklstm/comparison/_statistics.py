"""Significance tests for cross-validation scores, whose training sets overlap."""

from __future__ import annotations

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

"""The plot of a comparison agrees with its table."""

import numpy as np
import pytest
from comparing import LABELS, MODELS, TEXTS, scored
from numpy.testing import assert_allclose
from scipy import stats

from sklstm import compare


@pytest.fixture(scope="module")
def comparison():
    return compare(MODELS, TEXTS, LABELS)


def test_plot_shows_folds_means_and_intervals(plt):
    folds = [0.82, 0.86, 0.83, 0.87, 0.80]
    errors = {"broken": "ValueError: no\n\nTraceback"}
    ax = scored([0.5, 0.6, 0.5, 0.6, 0.5], folds, names=["$low$", "high"], errors=errors).plot()
    assert ax.get_xlabel() == "accuracy"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["high", "$low$", "broken"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # The best on top.
    dots, mean = ax.lines[:2]
    (interval,) = ax.collections[0].get_segments()
    assert_allclose(sorted(dots.get_xdata()), sorted(folds))
    assert_allclose(mean.get_xdata().astype(float), np.mean(folds))
    half = stats.t.ppf(0.975, 4) * np.sqrt((1 / 5 + 1 / 4) * np.var(folds, ddof=1))
    assert_allclose(interval[:, 0], [np.mean(folds) - half, np.mean(folds) + half])
    assert [text.get_text() for text in ax.texts] == ["failed: ValueError"]
    assert "95% interval" in ax.get_legend().get_texts()[1].get_text()


def test_plot_takes_axes_and_a_score(comparison, plt):
    _, axes = plt.subplots()
    assert comparison.plot("f1_macro", ax=axes, alpha=0.1) is axes
    assert axes.get_xlabel() == "f1_macro"
    assert "90% interval" in axes.get_legend().get_texts()[1].get_text()


def test_plot_of_a_single_fold_has_no_interval(plt):
    ax = scored([0.5], [0.6]).plot()
    assert not np.concatenate(ax.collections[0].get_segments()).size
    ax.figure.canvas.draw()


def test_plot_says_that_matplotlib_is_missing(comparison, without_matplotlib):
    with pytest.raises(ImportError, match=r"needs matplotlib.*pip install matplotlib"):
        comparison.plot()

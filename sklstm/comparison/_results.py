"""Results of a comparison: data frames, significance tests and plot."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from math import nan
from textwrap import fill
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklstm._multilabel import as_indicator
from sklstm._plotting import BLACK, BLUE, GREY, Display, tidy
from sklstm._sklearn import num_samples
from sklstm.comparison._folds import FoldResult, Split
from sklstm.comparison._statistics import (
    CorrectedTest,
    Equivalence,
    bayesian_t_test,
    check_rope,
    corrected_t_test,
    holm,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SPLIT_COLUMNS = ["repeat", "fold", "n_train", "n_test"]
# Columns of the data frames, which cannot be names of scores or classifiers.
RESERVED_SCORES = {"classifier", *_SPLIT_COLUMNS, "fit_time", "score_time", "error"}
RESERVED_NAMES = {"repeat", "fold", "y"}


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Results of `compare`: scores and predictions of classifiers on the same folds.

    Attributes
    ----------
    table : DataFrame
        One row per classifier, sorted by the first score from best to worst, with failed
        classifiers last. Columns: mean of each score over the folds, and its sample standard
        deviation as ``<score>_std``; ``fit_time`` and ``score_time``, mean seconds per fold;
        ``error``, empty unless the classifier failed.
    classifiers : tuple of str
        Names of all classifiers, in the order of the argument.
    scoring : tuple of str
        Names of the scores.
    scores : DataFrame
        One row per fold of each classifier that did not fail: ``classifier``; ``repeat`` and
        ``fold``, counted from 1; ``n_train`` and ``n_test``, numbers of documents; ``fit_time`` and
        ``score_time``, seconds; and one column per score.
    predictions : DataFrame
        Out-of-fold predictions, with the index of X: ``repeat`` and ``fold`` in which the document
        was in the test set, its label ``y``, and one column per classifier that did not fail. With
        repeated cross-validation, there is one row per repeat and test document. Multilabel entries
        are tuples.
    errors : dict of str to str
        Error in one line, and traceback, of each classifier that failed.
    rope : float
        Half width of the region of practical equivalence, in units of the score.
    probabilities : dict of str to DataFrame
        Out-of-fold probabilities of each classifier that has ``predict_proba`` and did not fail;
        empty without ``return_probabilities=True``. Each DataFrame has one row per test document,
        in the order and with the index of X, and one column per class, in sorted order. Classes
        that are not in a training set have the probability 0. For multilabel data, there is one
        column per label, with the column names of y, or else numbers from 0. With repeated
        cross-validation, the probabilities are the means over the repeats.

    See Also
    --------
    compare : Runs the comparison.

    Examples
    --------
    >>> from sklstm import classic_baselines, compare
    >>> texts = ["a fine film", "a dull film", "fine and moving", "dull and slow"] * 5
    >>> labels = ["good", "bad", "good", "bad"] * 4 + ["good", "bad", "good", "good"]
    >>> models = classic_baselines(random_state=0)
    >>> two = {name: models[name] for name in ["linear_svc", "naive_bayes"]}
    >>> comparison = compare(two, texts, labels, cv=2)
    >>> comparison.table["accuracy"].to_dict()
    {'naive_bayes': 0.95, 'linear_svc': 0.8}
    >>> comparison.differences()["better"].tolist()  # not significant
    ['']
    >>> ax = comparison.plot("f1_macro")

    The documents that both misclassify:

    >>> comparison.predictions.query("linear_svc != y and naive_bayes != y")
        repeat  fold     y linear_svc naive_bayes
    19       1     1  good        bad         bad
    """

    classifiers: tuple[str, ...]
    scoring: tuple[str, ...]
    scores: pd.DataFrame
    predictions: pd.DataFrame
    errors: dict[str, str]
    rope: float = 0.01
    probabilities: dict[str, pd.DataFrame] = field(default_factory=dict)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Mean and standard deviation of the scores, mean times and errors; the best first."""
        folds = self.scores.groupby("classifier", sort=False)
        columns = {}
        for name in self.scoring:
            columns[name], columns[f"{name}_std"] = folds[name].mean(), folds[name].std(ddof=1)
        for name in ("fit_time", "score_time"):
            columns[name] = folds[name].mean()
        table = pd.DataFrame(columns, index=pd.Index(self.classifiers), dtype=float)
        table["error"] = [self.errors.get(name, "").partition("\n")[0] for name in table.index]
        return table.sort_values(self.scoring[0], ascending=False, kind="stable")

    def differences(
        self, scoring: str | None = None, *, alpha: float = 0.05, rope: float | None = None
    ) -> pd.DataFrame:
        r"""Test all pairs of classifiers for a difference, and for practical equivalence.

        The training sets of cross-validation folds overlap, so that an ordinary t-test on the fold
        scores has too many false positives. The corrected resampled t-test uses
        :math:`(1/k + n_{test}/n_{train}) s^2` as the variance of the mean difference, where k is
        the number of folds and :math:`s^2` the sample variance of the differences, and k - 1
        degrees of freedom [1]_. The test is also valid for repeated cross-validation [2]_, where k
        is the number of folds of all repeats together.

        The Bayesian correlated t-test [3]_ uses the same variance. The posterior of the mean
        difference is a Student t distribution, which gives the probability that the difference is
        less than or equal to `rope` in magnitude.

        Parameters
        ----------
        scoring : str or None, default=None
            Name of the score; None for the first.
        alpha : float, default=0.05
            Family-wise error rate: the probability of at least one significant result if there are
            no differences. Two classifiers are practically equal if the probability of this is at
            least ``1 - alpha``.
        rope : float or None, default=None
            Half width of the region of practical equivalence, in units of the score; None for that
            of `compare`.

        Returns
        -------
        differences : DataFrame
            One row per pair of classifiers that did not fail. Columns:

            - ``first``, the one with the greater mean, and ``second``;
            - ``difference`` of the means; its corrected ``std_error``; ``ci_low`` and ``ci_high``,
              the limits of its ``1 - alpha`` confidence interval;
            - ``t``; ``p_value``, two-sided; ``p_adjusted``, adjusted for the number of pairs by
              Holm's method [4]_; and ``better``, the name of the first classifier if
              ``p_adjusted`` is less than `alpha`, otherwise empty;
            - ``prob_first``, ``prob_equal`` and ``prob_second``: the posterior probabilities that
              the first classifier is better by more than `rope`, that the difference is at most
              `rope` in either direction, and that the second is better by more than `rope`;
            - ``practically_equal``, whether ``prob_equal`` is at least ``1 - alpha``.

        Raises
        ------
        TypeError
            If `rope` is not a number.
        ValueError
            If `scoring` is not one of the scores, `alpha` is not between 0 and 1, or `rope` is
            negative or not finite.

        Notes
        -----
        A difference that is not significant is not evidence of equality: the confidence interval
        contains all differences that are compatible with the data. ``prob_equal`` is such
        evidence. A small difference can be significant although the classifiers are practically
        equal. If neither is the case, more folds or documents are needed.

        With more classifiers, Holm's method requires stronger evidence; use ``p_value`` for a
        single pair that was chosen in advance. The probabilities are not adjusted for the number
        of pairs.

        If the difference is the same in all folds, its variance is zero. The p value is then 0, or
        1 if the difference is zero, and one of the three probabilities is 1. With a few small folds
        this can happen by chance; use repeated cross-validation. A single fold has no variance, and
        its p values and probabilities are NaN.

        References
        ----------
        .. [1] C. Nadeau and Y. Bengio (2003). `Inference for the Generalization Error
               <https://doi.org/10.1023/A:1024068626366>`_. Machine Learning 52, 239-281.
        .. [2] R. R. Bouckaert and E. Frank (2004). `Evaluating the Replicability of Significance
               Tests for Comparing Learning Algorithms
               <https://doi.org/10.1007/978-3-540-24775-3_3>`_. PAKDD, 3-12.
        .. [3] A. Benavoli, G. Corani, J. Demšar and M. Zaffalon (2017). `Time for a Change: a
               Tutorial for Comparing Multiple Classifiers Through Bayesian Analysis
               <https://jmlr.org/papers/v18/16-305.html>`_. JMLR 18(77), 1-36.
        .. [4] S. Holm (1979). A Simple Sequentially Rejective Multiple Test Procedure. Scandinavian
               Journal of Statistics 6, 65-70.
        """
        rope = self.rope if rope is None else check_rope(rope)
        folds = self._fold_scores(scoring, alpha)
        pairs = list(combinations(folds, 2))
        values = [folds[first] - folds[second] for first, second in pairs]
        tests = [corrected_t_test(value, self._test_ratio, alpha) for value in values]
        columns = pd.Index(["difference", *CorrectedTest._fields[1:]])
        frame = pd.DataFrame(pairs, columns=pd.Index(["first", "second"]))
        frame = frame.join(pd.DataFrame(tests, columns=columns, dtype=float))
        frame["p_adjusted"] = holm(frame["p_value"])
        frame["better"] = frame["first"].where(frame["p_adjusted"] < alpha, "")
        probabilities = [bayesian_t_test(value, self._test_ratio, rope) for value in values]
        columns = pd.Index(Equivalence._fields)
        frame = frame.join(pd.DataFrame(probabilities, columns=columns, dtype=float))
        frame["practically_equal"] = frame["prob_equal"] >= 1 - alpha
        return frame

    def plot(
        self, scoring: str | None = None, *, alpha: float = 0.05, ax: Axes | None = None
    ) -> Axes:
        """Plot the score of each fold, the means, and their confidence intervals.

        The intervals use the same corrected variance as `differences`. Two classifiers can differ
        significantly even if their intervals overlap, because they are evaluated on the same folds.
        Use `differences` to test a pair.

        Parameters
        ----------
        scoring : str or None, default=None
            Name of the score; None for the first.
        alpha : float, default=0.05
            The confidence level of the intervals is ``1 - alpha``.
        ax : matplotlib Axes or None, default=None
            Axes to plot on; None for a new figure.

        Returns
        -------
        ax : matplotlib Axes
            The axes; ``ax.figure.savefig("comparison.png")`` saves the plot.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `scoring` is not one of the scores, or `alpha` is not between 0 and 1.
        """
        return ComparisonDisplay.from_comparison(self, scoring, alpha=alpha, ax=ax).ax_

    def __repr__(self) -> str:
        summary = self._summary_table().to_string()
        return "\n".join([self._heading(), "", summary, "", *self._footnotes()])

    def _repr_html_(self) -> str:
        heading, *footnotes = map(html.escape, (self._heading(), *self._footnotes()))
        return f"<p>{heading}</p>{self._summary_table().to_html()}<p>{'<br>'.join(footnotes)}</p>"

    def _heading(self) -> str:
        n_folds = len(self.scores[["repeat", "fold"]].drop_duplicates())
        heading = f"{len(self.classifiers)} classifiers on {n_folds} folds"
        n_repeats = self.scores["repeat"].nunique()
        return heading + (f" in {n_repeats} repeats" if n_repeats > 1 else "")

    def _summary_table(self) -> pd.DataFrame:
        """Return formatted scores and times of the classifiers that did not fail."""
        table = self.table[self.table["error"] == ""]
        summary = pd.DataFrame(index=table.index)
        for name in self.scoring:
            rows = zip(table[name], table[f"{name}_std"], strict=True)
            summary[name] = [f"{mean:.3f} ± {deviation:.3f}" for mean, deviation in rows]
        for name, column in {"fit, s": "fit_time", "score, s": "score_time"}.items():
            summary[name] = table[column].map("{:.2f}".format)
        tests = self.differences()
        equal = tests[tests["practically_equal"]]
        swapped = equal.rename(columns={"first": "second", "second": "first"})
        others = {
            "better than": tests[tests["better"] != ""],
            "practically equal to": pd.concat([equal, swapped]),
        }
        for name, pairs in others.items():
            names = pairs.groupby("first")["second"].agg(", ".join)
            summary[name] = names.reindex(table.index, fill_value="-")
        return summary

    def _footnotes(self) -> list[str]:
        failed = [f"{name} failed: {text.splitlines()[0]}" for name, text in self.errors.items()]
        score = self.scoring[0]
        test = "the corrected resampled t-test, adjusted for the number of pairs"
        better = f"Better: greater {score}, p < 0.05 in {test}."
        test = "with a probability of at least 0.95 in the Bayesian correlated t-test"
        equal = f"Practically equal: {score} differs by at most {self.rope:g} {test}."
        return [*failed, better, equal]

    def _fold_scores(self, scoring: str | None, alpha: float) -> pd.DataFrame:
        """Return a score with one row per fold and one column per classifier, the best first."""
        scoring = self.scoring[0] if scoring is None else scoring
        if scoring not in self.scoring:
            choices = f"choose from {list(self.scoring)}"
            raise ValueError(f"scoring={scoring!r} is not one of the scores; {choices}.")
        if not 0 < alpha < 1:
            raise ValueError(f"alpha={alpha!r} must lie between 0 and 1.")
        names = [name for name in self.classifiers if name not in self.errors]
        means = self.table.loc[names, scoring].sort_values(ascending=False, kind="stable")
        folds = self.scores.pivot(index=["repeat", "fold"], columns="classifier", values=scoring)
        return folds.reindex(columns=means.index).rename_axis(columns=scoring)

    @property
    def _test_ratio(self) -> float:
        return float(self.scores["n_test"].sum() / self.scores["n_train"].sum())


class Row(NamedTuple):
    """A classifier in the plot: scores of the folds, mean and confidence interval, or error."""

    name: str
    scores: NDArray[np.float64]
    mean: float = nan
    ci_low: float = nan
    ci_high: float = nan
    error: str = ""


class ComparisonDisplay(Display):
    """Plot of the scores of classifiers on the same folds, with means and confidence intervals.

    Use `from_comparison` or `Comparison.plot` to create it.

    Parameters
    ----------
    rows : sequence of Row
        One row per classifier, from top to bottom: name, fold scores, mean, and limits of the
        confidence interval, or the error.
    label : str
        Name of the score.
    confidence : float, default=0.95
        Confidence level of the intervals.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        Figure of the plot.

    See Also
    --------
    compare : Runs the comparison.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklstm import ComparisonDisplay, classic_baselines, compare
    >>> baselines = classic_baselines()
    >>> models = {name: baselines[name] for name in ("linear_svc", "nb_svm")}
    >>> texts = ["a fine film", "a dull film", "fine and moving", "dull and slow"] * 5
    >>> comparison = compare(models, texts, ["good", "bad"] * 10, cv=2)
    >>> display = ComparisonDisplay.from_comparison(comparison)
    >>> display.ax_.get_xlabel()
    'accuracy'

    The same plot on existing axes:

    >>> import matplotlib.pyplot as plt
    >>> figure, (left, right) = plt.subplots(1, 2)
    >>> display.plot(ax=right).ax_ is right
    True
    """

    def __init__(self, rows: Sequence[Row], label: str, *, confidence: float = 0.95) -> None:
        self.rows = rows
        self.label = label
        self.confidence = confidence

    @classmethod
    def from_comparison(
        cls,
        comparison: Comparison,
        scoring: str | None = None,
        *,
        alpha: float = 0.05,
        ax: Axes | None = None,
    ) -> Self:
        """Plot a score of a comparison.

        Parameters
        ----------
        comparison : Comparison
            Result of `compare`.
        scoring : str or None, default=None
            Name of the score; None for the first.
        alpha : float, default=0.05
            The confidence level of the intervals is ``1 - alpha``.
        ax : matplotlib Axes or None, default=None
            Axes to plot on; None for a new figure.

        Returns
        -------
        display : ComparisonDisplay
            The display, plotted.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `scoring` is not one of the scores, or `alpha` is not between 0 and 1.
        """
        folds = comparison._fold_scores(scoring, alpha)
        rows = []
        for name in folds.columns:
            test = corrected_t_test(folds[name], comparison._test_ratio, alpha)
            rows.append(Row(name, folds[name].to_numpy(), test.mean, test.ci_low, test.ci_high))
        for name, error in comparison.errors.items():
            rows.append(Row(name, np.empty(0), error=error.partition("\n")[0]))
        return cls(rows, str(folds.columns.name), confidence=1 - alpha).plot(ax=ax)

    def plot(self, *, ax: Axes | None = None) -> Self:
        """Plot one line per classifier.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to plot on; None for a new figure.

        Returns
        -------
        self : ComparisonDisplay
            The display, plotted.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.ax_ = ax = self._one_axes(ax, (5, 1.3 + 0.38 * len(self.rows)))
        label = f"mean and its {self.confidence:.0%} interval"
        for height, row in enumerate(self.rows):
            if row.error:
                kind = row.error.partition(":")[0]
                failed = ax.text(0.02, height, f"failed: {kind}", color=GREY, fontsize="small")
                failed.set(transform=ax.get_yaxis_transform(), verticalalignment="center")
                continue
            # Draw the points below the interval, which would hide them.
            below = [height + 0.22] * len(row.scores)
            ax.plot(row.scores, below, "o", c=BLUE, markersize=4.5, alpha=0.6, label="a fold")
            interval = [[row.mean - row.ci_low], [row.ci_high - row.mean]]
            ax.errorbar(row.mean, height, xerr=interval, fmt="D", c=BLACK, ms=5, label=label)
        names = [fill(row.name, 24) for row in self.rows]
        ax.set_yticks(range(len(names)), names, parse_math=False)
        ax.set_ylim(len(self.rows) - 0.4, -0.6)
        ax.set_xlabel(self.label)
        tidy(ax, "x")
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)
        handles, labels = ax.get_legend_handles_labels()
        entries = dict(zip(labels, handles, strict=True))
        legend = ax.legend(entries.values(), entries, ncols=2, frameon=False, fontsize="small")
        legend.set(loc="lower right", bbox_to_anchor=(1, 1))
        return self


def scores_frame(
    results: Mapping[str, list[FoldResult]], splits: list[Split], scoring: tuple[str, ...]
) -> pd.DataFrame:
    """Return one row per classifier and fold with its scores and times."""
    rows = []
    for name, folds in results.items():
        for split, fold in zip(splits, folds, strict=True):
            sizes = split.repeat, split.fold, len(split.train), len(split.test)
            times = fold.fit_time, fold.score_time
            rows.append((name, *sizes, *times, *map(fold.scores.get, scoring)))
    columns = ["classifier", *_SPLIT_COLUMNS, "fit_time", "score_time", *scoring]
    return pd.DataFrame(rows, columns=pd.Index(columns))


def predictions_frame(
    results: Mapping[str, list[FoldResult]], splits: list[Split], X: object, y: object
) -> pd.DataFrame:
    """Return one row per repeat and test document with its label and its predictions."""
    rows = np.concatenate([split.test for split in splits])
    sizes = [len(split.test) for split in splits]
    repeats = np.repeat([split.repeat for split in splits], sizes)
    folds = np.repeat([split.fold for split in splits], sizes)
    order = np.lexsort((rows, repeats))
    index = _index(X)[rows[order]]
    labels = _label_column(y)
    frame = pd.DataFrame({"repeat": repeats[order], "fold": folds[order]}, index=index)
    frame["y"] = labels.iloc[rows[order]].array
    for name, results_of_folds in results.items():
        columns = [_label_column(fold.predictions) for fold in results_of_folds]
        frame[name] = pd.concat(columns, ignore_index=True).iloc[order].array
    return frame


def probability_frames(
    results: Mapping[str, list[FoldResult]], splits: list[Split], X: object, y: object
) -> dict[str, pd.DataFrame]:
    """Return the probabilities of each classifier that has some in all folds.

    Each frame has one row per test document and one column per class or label. Probabilities are
    averaged over the repeats.
    """
    rows = np.concatenate([split.test for split in splits])
    indicator = as_indicator(y)
    if indicator is None:
        columns = pd.Index(np.unique(np.asarray(y)))
    else:
        columns = pd.RangeIndex(indicator.shape[1])
    frames = {}
    for name, folds in results.items():
        parts = [fold.probabilities for fold in folds if fold.probabilities is not None]
        if len(parts) < len(folds):
            continue
        # A training set may lack a class.
        parts = [part.reindex(columns=columns, fill_value=0.0) for part in parts]
        frame = pd.concat(parts, ignore_index=True).groupby(rows).mean()
        frame.index = _index(X)[frame.index]
        if indicator is not None and isinstance(y, pd.DataFrame):
            frame.columns = y.columns
        frames[name] = frame
    return frames


def _index(X: object) -> pd.Index:
    """Return the index of X, or row numbers."""
    return X.index if isinstance(X, pd.Series | pd.DataFrame) else pd.RangeIndex(num_samples(X))


def _label_column(labels: object) -> pd.Series:
    """Convert labels to a column; multilabel rows to tuples."""
    labels = np.asarray(labels)
    if labels.ndim == 1 or labels.shape[1] == 1:
        return pd.Series(labels.ravel())
    return pd.Series([tuple(row) for row in labels.tolist()], dtype=object)

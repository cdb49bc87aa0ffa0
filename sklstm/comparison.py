"""Compare text classifiers fairly: the same folds for all, and a test of the differences."""

from __future__ import annotations

import html
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd
from sklearn.exceptions import FitFailedWarning

from sklstm._comparison.checks import (
    check_alpha,
    check_classifiers,
    check_data,
    check_memory,
    check_repeatable,
    check_scoring,
)
from sklstm._comparison.folds import check_hashable, make_splits, run_folds
from sklstm._comparison.frames import predictions_frame, scores_frame
from sklstm._comparison.resampled import CorrectedTest, corrected_t_test, holm
from sklstm._displays.comparison import ComparisonDisplay, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Comparison", "ComparisonDisplay", "compare"]


def compare(
    classifiers: Mapping[str, Any],
    X: Any,
    y: Any,
    *,
    cv: Any = 5,
    scoring: str | Iterable[str] | Callable[..., float] | Mapping[str, Any] = (
        "accuracy",
        "f1_macro",
    ),
    groups: Any = None,
    n_jobs: int | None = None,
    verbose: int = 0,
    memory: str | os.PathLike[str] | joblib.Memory | None = None,
    random_state: int | np.random.RandomState | None = 0,
) -> Comparison:
    """Compare classifiers by cross-validation on the same folds.

    Parameters
    ----------
    classifiers : dict of str to classifier
        Unfitted classifiers by name, for example
        ``{"lstm": pipeline, **classic_baselines()}``. They are cloned, and left as they are.
    X : array-like of shape (n_documents,) or (n_documents, n_columns)
        The documents, in any form that all the classifiers take: texts for pipelines that begin
        with `TextSequencer` and for `classic_baselines`.
    y : array-like of shape (n_documents,) or (n_documents, n_labels)
        Class labels, or an indicator of several labels a document.
    cv : int, splitter, iterable of (train, test) or None, default=5
        An int is a number of folds: shuffled, and stratified by class unless a document can have
        several labels. Otherwise as in `sklearn.model_selection.cross_validate`;
        ``RepeatedStratifiedKFold`` gives repeated folds.
    scoring : str, sequence of str, callable or dict, default=("accuracy", "f1_macro")
        As in `sklearn.model_selection.cross_validate`; greater is better. The first decides on the
        order of the table. A callable ``scorer(classifier, X, y)`` gives one number, called
        "score"; a dict gives its scorers names.
    groups : array-like of shape (n_documents,) or None, default=None
        Which documents belong together, for a `cv` such as ``StratifiedGroupKFold``.
    n_jobs : int or None, default=None
        Folds that run at a time, as in joblib. Times are then those of a machine that is shared.
    verbose : int, default=0
        Above 0, print a line for each fold that a classifier has finished, with about how long the
        others will take.
    memory : str, path, joblib.Memory or None, default=None
        Folder that keeps the result of every finished fold. After an interruption the same call
        goes on where it stopped, and with another classifier added only that one is run.
    random_state : int, RandomState instance or None, default=0
        Seed of the folds, where `cv` is an int. None draws others at each call.

    Returns
    -------
    comparison : Comparison
        Table, scores of the folds, tests of the differences, predictions, plot.

    Raises
    ------
    TypeError
        If `classifiers` is no dict of classifiers, X is a single text, or `memory` is no folder.
    ValueError
        If names, `scoring`, `cv` or `y` are unusable, X and y differ in length, or `memory` is
        given together with what cannot be the same in another call.

    Warns
    -----
    FitFailedWarning
        If a classifier raised an error. It is not tried on other folds, and the others go on.

    See Also
    --------
    classic_baselines : Classifiers to compare an LSTM with.
    sklearn.model_selection.cross_validate : The scores of one classifier.

    Notes
    -----
    What `memory` keeps is found again by the name and parameters of the classifier, the rows of the
    split, X, y, `scoring`, and the versions of sklstm, scikit-learn and Keras. It does not see a
    change in the code of a function or class of your own: empty the folder then. As other pickles,
    its files are only to be loaded where you trust who wrote them. A classifier without
    `random_state` is kept as it came out the first time.

    Examples
    --------
    >>> from sklstm import classic_baselines, compare
    >>> texts = ["a fine film", "a dull film", "fine and moving", "dull and slow"] * 5
    >>> labels = ["good", "bad", "good", "bad"] * 5
    >>> baselines = classic_baselines(random_state=0)
    >>> del baselines["random_forest"]
    >>> comparison = compare(baselines, texts, labels, cv=2)
    >>> comparison.table[["accuracy", "accuracy_std"]]
                         accuracy  accuracy_std
    linear_svc                1.0           0.0
    logistic_regression       1.0           0.0
    naive_bayes               1.0           0.0
    nb_svm                    1.0           0.0
    >>> comparison.differences()[["first", "second", "difference", "p_adjusted"]].head(2)
            first               second  difference  p_adjusted
    0  linear_svc  logistic_regression         0.0         1.0
    1  linear_svc          naive_bayes         0.0         1.0
    """
    models = check_classifiers(classifiers)
    check_data(X, y, groups)
    scorers = check_scoring(scoring, next(iter(models.values())))
    kept = check_memory(memory)
    if kept.location is not None:
        check_hashable(models, scorers)
        check_repeatable(cv, random_state)
    splits = make_splits(cv, X, y, groups, random_state)
    results, errors = run_folds(
        models, X, y, splits, scorers, memory=kept, n_jobs=n_jobs, verbose=verbose
    )
    if errors:
        failed = "; ".join(f"{name}: {text.splitlines()[0]}" for name, text in errors.items())
        warnings.warn(
            f"{len(errors)} of {len(models)} classifiers failed, and `errors` of the comparison "
            f"has the tracebacks. {failed}",
            FitFailedWarning,
            stacklevel=2,
        )
    return Comparison(
        classifiers=tuple(models),
        scoring=tuple(scorers),
        scores=scores_frame(results, splits, tuple(scorers)),
        predictions=predictions_frame(results, splits, X, y),
        errors=errors,
    )


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """What `compare` found out.

    Attributes
    ----------
    table : DataFrame
        A row for each classifier, the best first and those that failed last; the mean of each score
        over the folds, and its standard deviation (of a sample) as ``<score>_std``; ``fit_time``
        and ``score_time``, mean seconds for a fold; ``error``, empty where nothing failed.
    classifiers : tuple of str
        Names of all classifiers, in the order given.
    scoring : tuple of str
        Names of the scores.
    scores : DataFrame
        A row for each fold of each classifier that did not fail: ``classifier``; ``repeat`` and
        ``fold``, counted from 1; ``n_train`` and ``n_test``, documents; ``fit_time`` and
        ``score_time``, seconds; and a column for each score.
    predictions : DataFrame
        The out-of-fold predictions: for each document, with the index of X, its ``repeat`` and the
        ``fold`` it was tested in, its label ``y``, and what each classifier that did not fail
        predicted when it was trained on the other folds. Repeats come one below the other, without
        documents that they did not test. Several labels a document are a tuple.
    errors : dict of str to str
        For each classifier that failed, the error in one line, and its traceback.

    See Also
    --------
    compare : Makes one.

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
    >>> comparison.differences()["better"].tolist()  # none
    ['']
    >>> ax = comparison.plot("f1_macro")

    Which documents did both get wrong?

    >>> comparison.predictions.query("linear_svc != y and naive_bayes != y")
        repeat  fold     y linear_svc naive_bayes
    19       1     1  good        bad         bad
    """

    classifiers: tuple[str, ...]
    scoring: tuple[str, ...]
    scores: pd.DataFrame
    predictions: pd.DataFrame
    errors: dict[str, str]

    @cached_property
    def table(self) -> pd.DataFrame:
        """Mean and standard deviation of the scores, mean times, errors; the best first."""
        folds = self.scores.groupby("classifier", sort=False)
        columns = {}
        for name in self.scoring:
            columns[name], columns[f"{name}_std"] = folds[name].mean(), folds[name].std(ddof=1)
        for name in ("fit_time", "score_time"):
            columns[name] = folds[name].mean()
        table = pd.DataFrame(columns, index=pd.Index(self.classifiers), dtype=float)
        lines = [self.errors.get(name, "").partition("\n")[0] for name in self.classifiers]
        table["error"] = lines
        return table.sort_values(self.scoring[0], ascending=False, kind="stable")

    def differences(self, scoring: str | None = None, *, alpha: float = 0.05) -> pd.DataFrame:
        r"""Test all pairs of classifiers by the corrected resampled t-test.

        The folds of a cross-validation share training documents, and an ordinary t-test on their
        scores finds differences where there are none. This one takes
        :math:`(1/k + n_{test}/n_{train}) s^2` as the variance of the mean difference over k folds,
        whose sample variance is :math:`s^2`, and k - 1 degrees of freedom [1]_. It is also the
        test for repeated cross-validation [2]_, with k as the folds of all repeats.

        Parameters
        ----------
        scoring : str or None, default=None
            Which score; None for the first.
        alpha : float, default=0.05
            Chance of calling any of the pairs different where none is.

        Returns
        -------
        differences : DataFrame
            A row for each pair that did not fail: ``first``, the one of greater mean, and
            ``second``; ``difference`` of the means; its corrected ``std_error``; ``low`` and
            ``high``, the ends of its ``1 - alpha`` confidence interval; ``t``; ``p_value``,
            two-sided; ``p_adjusted``, by Holm's method for the number of pairs [3]_; and
            ``better``, the name of the first if ``p_adjusted`` is below `alpha`, else empty.

        Raises
        ------
        ValueError
            If `scoring` is none of the scores, or `alpha` is not between 0 and 1.

        Notes
        -----
        Not to be called better is not to be proven equal: the interval says how great a difference
        the data leave open. The more classifiers, the stronger the evidence that Holm's method asks
        for each pair; ``p_value`` is right for a single pair that was chosen beforehand.
        Differences that are the same in all folds have a variance of zero, so p is 0 (or 1, if
        they are all zero). With few small folds that happens by chance: repeat them.

        References
        ----------
        .. [1] C. Nadeau and Y. Bengio (2003). `Inference for the Generalization Error
               <https://doi.org/10.1023/A:1024068626366>`_. Machine Learning 52, 239-281.
        .. [2] R. R. Bouckaert and E. Frank (2004). `Evaluating the Replicability of Significance
               Tests for Comparing Learning Algorithms
               <https://doi.org/10.1007/978-3-540-24775-3_3>`_. PAKDD, 3-12.
        .. [3] S. Holm (1979). A Simple Sequentially Rejective Multiple Test Procedure. Scandinavian
               Journal of Statistics 6, 65-70.
        """
        scoring = self._check_score(scoring)
        check_alpha(alpha)
        folds = self._fold_scores(scoring)
        pairs = list(combinations(self._ranked(scoring), 2))
        tests = [corrected_t_test(folds[a] - folds[b], self._test_ratio, alpha) for a, b in pairs]
        frame = pd.DataFrame(tests, columns=pd.Index(CorrectedTest._fields), dtype=float)
        frame = frame.rename(columns={"mean": "difference"})
        frame.insert(0, "first", [first for first, _ in pairs])
        frame.insert(1, "second", [second for _, second in pairs])
        frame["p_adjusted"] = holm(frame["p_value"])
        frame["better"] = frame["first"].where(frame["p_adjusted"] < alpha, "")
        return frame

    def plot(
        self, scoring: str | None = None, *, alpha: float = 0.05, ax: Axes | None = None
    ) -> Axes:
        """Draw the score of each fold, the means, and their confidence intervals.

        The intervals take the same corrected variance as `differences`. Two that overlap say
        nothing about a difference, because both classifiers had the same folds: that is what
        `differences` is for.

        Parameters
        ----------
        scoring : str or None, default=None
            Which score; None for the first.
        alpha : float, default=0.05
            The intervals are those of ``1 - alpha`` confidence.
        ax : matplotlib Axes or None, default=None
            Where to draw; None for a new figure.

        Returns
        -------
        ax : matplotlib Axes
            What was drawn on; ``ax.figure.savefig("comparison.png")`` saves it.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `scoring` is none of the scores, or `alpha` is not between 0 and 1.
        """
        return ComparisonDisplay.from_comparison(self, scoring, alpha=alpha, ax=ax).ax_

    def _rows_to_draw(self, scoring: str | None, alpha: float) -> tuple[str, list[Row]]:
        """Return the name of a score, and what is to be drawn of each classifier."""
        scoring = self._check_score(scoring)
        check_alpha(alpha)
        folds = self._fold_scores(scoring)
        rows = []
        for name in self._ranked(scoring):
            test = corrected_t_test(folds[name], self._test_ratio, alpha)
            rows.append(Row(name, folds[name].to_numpy(), test.mean, test.low, test.high))
        for name, error in self.errors.items():
            rows.append(Row(name, np.empty(0), error=error.partition("\n")[0]))
        return scoring, rows

    def __repr__(self) -> str:
        lines = [self._heading(), "", self._readable().to_string(), "", *self._remarks()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        lines = [html.escape(line) for line in (self._heading(), *self._remarks())]
        return f"<p>{lines[0]}</p>{self._readable().to_html()}<p>{'<br>'.join(lines[1:])}</p>"

    def _heading(self) -> str:
        n_folds = len(self.scores[["repeat", "fold"]].drop_duplicates())
        heading = f"{len(self.classifiers)} classifiers on {n_folds} folds"
        n_repeats = self.scores["repeat"].nunique()
        return heading + (f" in {n_repeats} repeats" if n_repeats > 1 else "")

    def _readable(self) -> pd.DataFrame:
        """Return the table in words: a row for each classifier that did not fail."""
        table = self.table[self.table["error"] == ""]
        words = pd.DataFrame(index=table.index)
        for name in self.scoring:
            pairs = zip(table[name], table[f"{name}_std"], strict=True)
            words[name] = [f"{mean:.3f} ± {deviation:.3f}" for mean, deviation in pairs]
        words["fit, s"] = [f"{seconds:.2f}" for seconds in table["fit_time"]]
        words["score, s"] = [f"{seconds:.2f}" for seconds in table["score_time"]]
        differences = self.differences()
        words["better than"] = [
            ", ".join(differences.loc[differences["better"] == name, "second"]) or "-"
            for name in table.index
        ]
        return words

    def _remarks(self) -> list[str]:
        failed = [f"{name} failed: {text.splitlines()[0]}" for name, text in self.errors.items()]
        meaning = (
            f"Better: of greater {self.scoring[0]}, p < 0.05 in the corrected resampled t-test, "
            "adjusted for the number of pairs."
        )
        return [*failed, meaning]

    def _check_score(self, scoring: str | None) -> str:
        if scoring is None:
            return self.scoring[0]
        if scoring not in self.scoring:
            raise ValueError(f"scoring={scoring!r} is none of the scores {list(self.scoring)}.")
        return scoring

    def _fold_scores(self, scoring: str) -> pd.DataFrame:
        """Return a score with a row for each fold and a column for each classifier."""
        return self.scores.pivot(index=["repeat", "fold"], columns="classifier", values=scoring)

    def _ranked(self, scoring: str) -> list[str]:
        names = [name for name in self.classifiers if name not in self.errors]
        return list(
            self.table.loc[names, scoring].sort_values(ascending=False, kind="stable").index
        )

    @property
    def _test_ratio(self) -> float:
        return float(self.scores["n_test"].sum() / self.scores["n_train"].sum())

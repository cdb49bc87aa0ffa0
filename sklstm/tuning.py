"""TunedTextClassifier: the best parameters within a time budget."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from math import prod
from numbers import Integral, Real
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, Self

import joblib
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state, get_tags, indexable
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklstm._sklearn import (
    HasMethods,
    Interval,
    StrOptions,
    copy_input_attributes,
    estimator_has,
    fit_context,
    num_samples,
    safe_indexing,
)
from sklstm._validation import check_labels
from sklstm.classifier import LSTMTextClassifier
from sklstm.comparison._folds import Split, make_splits
from sklstm.sequencer import TextSequencer

if TYPE_CHECKING:
    from types import ModuleType

    import optuna
    from sklearn.utils import Tags

__all__ = ["TunedTextClassifier"]

# Values that search_space="auto" tries, besides the value of the estimator.
_AUTO_SPACE: dict[type, dict[str, list[Any]]] = {
    TextSequencer: {"min_df": [1, 2]},
    LSTMTextClassifier: {
        "units": [32, 64, 128],
        "pooling": ["max", "attention", "max_mean", "mean"],
        "epochs": ["auto", 4, 8, 16],
        "learning_rate": [0.0025, 0.005, 0.01],
        "embedding_dropout": ["auto", 0.2, 0.4, 0.6],
        "dropout": [0.0, 0.3],
        "label_smoothing": ["auto", 0.0, 0.1],
        "ngrams": [1, 2, 3],
    },
}
# Trials are pruned from the second one on: a search has time for few trials, and the first one has
# parameters that are hard to improve on.
_N_STARTUP_TRIALS = 1
# Attempts to draw a combination of values that was not tried before.
_MAX_DRAWS = 10_000

#: Candidates: values by parameter name.
Space = Mapping[str, Sequence[Any]]


# Methods of the fitted or, before `fit`, of the given estimator.
_DELEGATES = ("best_estimator_", "estimator")


class TunedTextClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Search for better parameters of a text classifier within a time budget.

    The first trial has the parameters of `estimator`. The next ones change one parameter each, in
    random order. All others are proposed by a tree-structured Parzen estimator [1]_ of Optuna [2]_,
    which learns from the scores of previous trials. A trial is pruned after a fold if its mean
    score is below the median of the previous complete trials. The best of many trials is partly the
    luckiest one. At the end, it is therefore compared with the first trial on other folds, and the
    parameters of `estimator` are kept unless it is better there by more than one standard error.
    The chosen parameters are fitted to all documents.

    Needs Optuna: ``pip install "sklstm[tune]"``.

    Parameters
    ----------
    estimator : estimator
        Classifier or pipeline, such as the result of `make_text_classifier`.
    search_space : "auto" or dict of str to sequence, default="auto"
        Values to try by parameter name, such as ``{"lstmtextclassifier__units": [32, 64]}``. The
        value of `estimator` is always included. "auto" stands for parameters of the
        `TextSequencer` and `LSTMTextClassifier` in `estimator`: number of units, pooling, epochs,
        learning rate, dropout, label smoothing, length of n-grams, and minimum document frequency.
        Parameters that `estimator` sets to several values, such as the units of two layers, are not
        searched.
    minutes : float or None, default=5
        Time budget, including the comparison on other folds and the final fit. The search ends
        before a fit that would presumably exceed it. At least one trial is completed. None means no
        limit.
    n_trials : int or None, default=None
        Maximum number of trials, including the one of `estimator`; None means no limit. With
        ``minutes=None`` and a `random_state`, the search is reproducible.
    cv : int, cross-validation splitter or iterable, default=3
        Folds, as in `compare`; for an int, shuffled folds, stratified by class. If no other folds
        can be drawn (a list of splits, or a splitter that does not shuffle), the best trial is
        compared with the first one on the folds of the search only.
    scoring : str, callable or None, default=None
        Score to maximize, as in scikit-learn; None for the method ``score`` of `estimator`.
    random_state : int, RandomState instance or None, default=None
        Seed of the proposals and folds. Does not set the seed of `estimator`.
    warm_start : bool, default=False
        Whether `fit` continues the trials of the previous `fit`, for another `minutes` or
        `n_trials`. The data, `estimator`, `search_space` and `cv` must be the same.
    verbose : int, default=0
        If positive, one line is printed per trial.

    Attributes
    ----------
    best_estimator_ : estimator
        Fitted to all documents with the best parameters.
    best_params_ : dict
        Parameters that differ from those of `estimator`; empty if none are better.
    best_score_ : float
        Mean score of the best parameters over the other folds, or over the folds of the search if
        there was no comparison on other folds.
    trials_ : DataFrame
        One row per trial: "score" and "std", mean and standard deviation over the folds;
        "score_other_folds", only for the two trials that were compared; "seconds"; "state":
        "complete", "pruned", "failed" or "stopped"; "error", the message of an error in a fit or
        score; and a column per parameter, such as "param_lstmtextclassifier__units". The first row
        is that of `estimator`.
    scorer_ : callable
        The scorer.
    classes_ : ndarray of shape (n_classes,)
        The classes.
    n_features_in_ : int
        Number of features; only if `best_estimator_` has this attribute.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Names of the features; only if `best_estimator_` has this attribute.

    See Also
    --------
    make_text_classifier : Presets, with which a search begins.
    sklearn.model_selection.GridSearchCV : Tries all combinations.

    Notes
    -----
    Ctrl-C ends the search: the best parameters so far are fitted to all documents, if they are
    better by more than one standard error on the folds of the search. A second Ctrl-C interrupts
    this fit as well, and leaves the estimator as it was.

    ``best_score_`` is slightly optimistic, because the better of two is chosen, and more so without
    other folds. Evaluate the classifier on a test set, or cross-validate the whole search.

    References
    ----------
    .. [1] J. Bergstra, R. Bardenet, Y. Bengio and B. Kegl (2011). `Algorithms for Hyper-Parameter
           Optimization <https://proceedings.neurips.cc/paper/2011/hash/
           86e8f7ab32cfd12577bc2619bc635690-Abstract.html>`_. NIPS, 2546-2554.
    .. [2] T. Akiba, S. Sano, T. Yanase, T. Ohta and M. Koyama (2019). `Optuna: A Next-generation
           Hyperparameter Optimization Framework <https://doi.org/10.1145/3292500.3330701>`_. KDD,
           2623-2631.

    Examples
    --------
    >>> from sklstm import TunedTextClassifier, make_text_classifier
    >>> texts = ["a fine film", "a dull film", "fine and moving", "dull and slow"] * 5
    >>> labels = ["good", "bad", "good", "bad"] * 5
    >>> model = TunedTextClassifier(
    ...     make_text_classifier("fast", random_state=0),
    ...     search_space={"lstmtextclassifier__ngrams": [1, 2]},
    ...     n_trials=2,
    ...     cv=2,
    ...     random_state=0,
    ... ).fit(texts, labels)
    >>> model.trials_["state"].tolist()
    ['complete', 'complete']
    >>> model.predict(["a fine and moving film"]).tolist()
    ['good']
    >>> model.score(texts, labels)
    1.0
    >>> model.predict_proba(["dull"]).shape, model.decision_function(["dull"]).shape
    ((1, 2), (1,))
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "search_space": [StrOptions({"auto"}), dict],
        "minutes": [Interval(Real, 0, None, closed="neither"), None],
        "n_trials": [Interval(Integral, 1, None, closed="left"), None],
        "cv": ["cv_object"],
        "scoring": [str, callable, None],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "verbose": [Interval(Integral, 0, None, closed="left"), "boolean"],
    }

    def __init__(
        self,
        estimator: BaseEstimator,
        *,
        search_space: str | Space = "auto",
        minutes: float | None = 5,
        n_trials: int | None = None,
        cv: Any = 3,
        scoring: Any = None,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.search_space = search_space
        self.minutes = minutes
        self.n_trials = n_trials
        self.cv = cv
        self.scoring = scoring
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose

    @fit_context
    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Search for parameters, and fit the best ones to all documents.

        Parameters
        ----------
        X : array-like of shape (n_documents,) or (n_documents, n_features)
            Documents in a form that `estimator` accepts.
        y : array-like of shape (n_documents,) or (n_documents, n_labels)
            Classes, or a label indicator.

        Returns
        -------
        self : TunedTextClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If a parameter is not valid, `minutes` and `n_trials` are both None, `estimator` rejects
            the documents, or a search with another space cannot be continued.
        ImportError
            If Optuna is not installed.

        Warns
        -----
        UserWarning
            If the search was interrupted, or `estimator` failed on the other folds.
        """
        start = perf_counter()
        optuna = _import_optuna()
        if self.minutes is None and self.n_trials is None:
            raise ValueError("minutes and n_trials are both None; set one of them.")
        labels = check_labels(y, num_samples(X))
        X, labels = indexable(X, labels)
        space = search_space(self.estimator, self.search_space)
        scorer = check_scoring(self.estimator, scoring=self.scoring)
        seed, records = self._start(space)
        splits = make_splits(self.cv, X, labels, None, seed)
        other = _other_folds(self.cv, seed + 1)
        other_splits = [] if other is None else make_splits(other, X, labels, None, seed + 1)
        deadline = np.inf if self.minutes is None else start + 60 * self.minutes
        search = _Search(
            estimator=self.estimator,
            X=X,
            y=labels,
            splits=splits,
            other_splits=other_splits,
            scorer=scorer,
            space=space,
            deadline=deadline,
            verbose=int(self.verbose),
            records=records,
        )
        search.run(optuna, seed + len(records), self.n_trials)
        best = search.best()
        fitted = clone(self.estimator).set_params(**best.parameters).fit(X, labels)
        self._previous: tuple[str, int, list[_Record]] = joblib.hash(space), seed, records
        self.trials_ = _as_table(records, space)
        self.best_estimator_, self.best_params_ = fitted, best.parameters
        self.best_score_ = _mean(best.scores_other_folds or best.scores)
        self.scorer_ = scorer
        self.classes_ = fitted.classes_
        copy_input_attributes(fitted, self)
        return self

    def _start(self, space: Space) -> tuple[int, list[_Record]]:
        """Return the seed and the previous trials, if the search continues.

        Raises
        ------
        ValueError
            If the previous search had another space.
        """
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        if not self.warm_start or not hasattr(self, "_previous"):
            return seed, []
        key, seed, records = self._previous
        if key != joblib.hash(space):
            raise ValueError(
                "warm_start=True continues a search, but search_space or the parameters of "
                "estimator have changed since; set warm_start=False."
            )
        return seed, [record for record in records if record.state != "stopped"]

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict with the best classifier.

        Parameters
        ----------
        X : array-like of shape (n_documents,) or (n_documents, n_features)
            Documents in a form that `estimator` accepts.

        Returns
        -------
        labels : ndarray of shape (n_documents,) or (n_documents, n_labels)
            Classes, or a label indicator.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        """
        check_is_fitted(self)
        return np.asarray(self.best_estimator_.predict(X))

    @available_if(estimator_has("predict_proba", delegates=_DELEGATES))
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probabilities of the best classifier.

        Parameters
        ----------
        X : array-like of shape (n_documents,) or (n_documents, n_features)
            Documents in a form that `estimator` accepts.

        Returns
        -------
        probabilities : ndarray of float of shape (n_documents, n_classes)
            As returned by `predict_proba` of `estimator`.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        """
        check_is_fitted(self)
        return self.best_estimator_.predict_proba(X)

    @available_if(estimator_has("decision_function", delegates=_DELEGATES))
    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the scores of the best classifier.

        Parameters
        ----------
        X : array-like of shape (n_documents,) or (n_documents, n_features)
            Documents in a form that `estimator` accepts.

        Returns
        -------
        scores : ndarray of float of shape (n_documents,) or (n_documents, n_classes)
            As returned by `decision_function` of `estimator`.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        """
        check_is_fitted(self)
        return self.best_estimator_.decision_function(X)

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the score of the best classifier, by `scoring`.

        Parameters
        ----------
        X : array-like of shape (n_documents,) or (n_documents, n_features)
            Documents in a form that `estimator` accepts.
        y : array-like of shape (n_documents,) or (n_documents, n_labels)
            Classes, or a label indicator.
        sample_weight : array-like of float of shape (n_documents,) or None, default=None
            Weight of each document.

        Returns
        -------
        score : float
            The score.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        """
        check_is_fitted(self)
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return float(self.scorer_(self.best_estimator_, X, y, **weights))

    def __sklearn_tags__(self) -> Tags:
        """Return the tags of `estimator`."""
        tags = super().__sklearn_tags__()
        of_estimator = get_tags(self.estimator)
        tags.input_tags = of_estimator.input_tags
        tags.classifier_tags = of_estimator.classifier_tags
        tags.target_tags.multi_output = of_estimator.target_tags.multi_output
        return tags


@dataclass
class _Record:
    """A trial.

    Attributes
    ----------
    choices : dict of str to int
        Place of each value in the space.
    parameters : dict
        Parameters that differ from those of the estimator.
    scores : list of float
        Scores on the folds that were run.
    seconds : float
        Time of these folds.
    state : {"complete", "pruned", "failed", "stopped"}
        How the trial ended.
    error : str
        Message of a failed trial.
    scores_other_folds : list of float
        Scores on the other folds; empty if not all of them were run.
    """

    choices: dict[str, int]
    parameters: dict[str, Any]
    scores: list[float] = field(default_factory=list)
    seconds: float = 0.0
    state: str = "stopped"
    error: str = ""
    scores_other_folds: list[float] = field(default_factory=list)

    @property
    def seconds_of_fold(self) -> float:
        """Mean time of a fold."""
        return self.seconds / max(1, len(self.scores))

    @property
    def mean(self) -> float:
        """Mean score; NaN if there is none."""
        return _mean(self.scores)

    @property
    def final_score(self) -> float | None:
        """Mean score of a complete trial; None for all others."""
        return self.mean if self.state == "complete" else None


@dataclass
class _Search:
    """A search on given folds.

    Attributes
    ----------
    estimator, X, y
        As in `fit`.
    splits : list of Split
        The folds of the search.
    other_splits : list of Split
        Other folds, on which the best trial is compared with the first one; can be empty.
    scorer : callable
        Scorer of fitted estimators.
    space : dict of str to list
        Values by parameter name, of which the first is that of the estimator.
    deadline : float
        Time at which the final fit must have ended.
    verbose : int
        Whether to print a line per trial and for the comparison on other folds.
    records : list of _Record
        The trials, in order; new ones are appended.
    """

    estimator: BaseEstimator
    X: Any
    y: NDArray[Any]
    splits: list[Split]
    other_splits: list[Split]
    scorer: Any
    space: Space
    deadline: float
    verbose: int
    records: list[_Record]

    def run(self, optuna: ModuleType, seed: int, n_trials: int | None) -> None:
        """Run trials, and compare the best one with the first one; Ctrl-C ends both."""
        try:
            self._run_trials(optuna, seed, n_trials)
            self._compare_on_other_folds()
        except KeyboardInterrupt:
            if not self.records:
                raise
            message = f"The search was interrupted after {len(self.records)} trials."
            warnings.warn(message, stacklevel=4)

    def _run_trials(self, optuna: ModuleType, seed: int, n_trials: int | None) -> None:
        """Run trials until the budget is spent, or everything was tried."""
        study = _create_study(optuna, seed)
        sizes = {name: len(values) for name, values in self.space.items()}
        distributions = {
            name: optuna.distributions.CategoricalDistribution(range(n))
            for name, n in sizes.items()
        }
        for record in self.records:
            study.add_trial(_replay(optuna, record, distributions))
        rng = np.random.default_rng(seed)
        tried = {tuple(record.choices.items()) for record in self.records}
        for choices in _single_changes(sizes, rng):
            if tuple(choices.items()) not in tried:
                study.enqueue_trial(choices)
        n_left = np.inf if n_trials is None else n_trials
        while n_left and len(tried) < prod(sizes.values()):
            if self.records and self._is_too_late():
                break
            trial = study.ask(distributions)
            choices = {name: trial.params[name] for name in self.space}
            if tuple(choices.items()) in tried:
                # The sampler proposes values, also if all combinations of the best ones were tried.
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                drawn = _draw_untried(sizes, tried, rng)
                if drawn is None:
                    break
                study.enqueue_trial(drawn)
                continue
            n_left -= 1
            tried.add(tuple(choices.items()))
            record = self._run_trial(trial, choices)
            self.records.append(record)
            study.tell(trial, record.final_score, state=_state(optuna, record))
            if self.verbose:
                print(self._describe(record), flush=True)

    def best(self) -> _Record:
        """Return the best trial; the first one unless another is better by a standard error."""
        own, best = self.records[0], self._best_of_search()
        if own.scores_other_folds and best.scores_other_folds:
            return best if _is_better(best.scores_other_folds, own.scores_other_folds) else own
        return best

    def _best_of_search(self) -> _Record:
        """Return the best trial on the folds of the search, by the same rule."""
        own = self.records[0]
        complete = [record for record in self.records if record.state == "complete"]
        if own.state != "complete":
            return own
        best = max(complete, key=lambda record: record.mean)
        return best if _is_better(best.scores, own.scores) else own

    def _compare_on_other_folds(self) -> None:
        """Score the first trial and the best one on the other folds, unless these are the same.

        A trial that fails there is not the best one. If the first one fails, nothing is compared.
        """
        own = self.records[0]
        while (best := self._best_of_search()) is not own:
            if not self._succeeds_on_other_folds(own):
                warnings.warn(f"estimator failed on other folds: {own.error}", stacklevel=5)
                return
            if not self._succeeds_on_other_folds(best):
                best.state = "failed"
                continue
            if self.verbose and self.other_splits:
                found, expected = (_mean(record.scores_other_folds) for record in (best, own))
                print(f"on other folds: best {found:.4f}, first {expected:.4f}", flush=True)
            return

    def _succeeds_on_other_folds(self, record: _Record) -> bool:
        """Score a trial on the other folds, unless it has these scores."""
        record.error = ""
        try:
            record.scores_other_folds = record.scores_other_folds or [
                self._score(record.parameters, split) for split in self.other_splits
            ]
        except Exception as error:
            record.error = _describe_error(error)
        return not record.error

    def _run_trial(self, trial: optuna.Trial, choices: dict[str, int]) -> _Record:
        """Fit and score candidates on the folds, as long as the trial is promising."""
        record = _Record(
            choices, {name: self.space[name][place] for name, place in choices.items() if place}
        )
        is_first = not self.records
        start = perf_counter()
        for step, split in enumerate(self.splits):
            if step and perf_counter() + record.seconds_of_fold > self._end_of_search(record):
                return record
            try:
                score = self._score(record.parameters, split)
            except Exception as error:
                if is_first:
                    raise
                record.state, record.error = "failed", _describe_error(error)
                return record
            record.scores.append(score)
            record.seconds = perf_counter() - start
            trial.report(record.mean, step)
            if trial.should_prune() and step < len(self.splits) - 1:
                record.state = "pruned"
                return record
        record.state = "complete"
        return record

    def _score(self, parameters: dict[str, Any], split: Split) -> float:
        """Fit to the training part of a split, and score on its test part."""
        candidate = clone(self.estimator).set_params(**parameters)
        candidate.fit(safe_indexing(self.X, split.train), self.y[split.train])
        score = float(self.scorer(candidate, safe_indexing(self.X, split.test), self.y[split.test]))
        if np.isnan(score):
            raise ValueError(f"The score is NaN with the parameters {parameters}.")
        return score

    def _is_too_late(self) -> bool:
        """Return whether a trial would presumably exceed the deadline after its first fold."""
        return perf_counter() + self.records[0].seconds_of_fold > self._end_of_search()

    def _end_of_search(self, trial: _Record | None = None) -> float:
        """Return the time at which the comparison on other folds and the final fit must begin.

        This leaves enough time for each of the best trial and a running one.
        """
        if not self.records:
            return self.deadline
        own = self.records[0].seconds_of_fold
        best = max(each.seconds_of_fold for each in (self._best_of_search(), trial) if each)
        # A fit to all documents takes longer than that of a fold.
        final_fit = best * len(self.y) / len(self.splits[0].train)
        return self.deadline - final_fit - len(self.other_splits) * (own + best)

    def _describe(self, record: _Record) -> str:
        best = self.best()
        score = "-" if np.isnan(record.mean) else f"{record.mean:.4f}"
        left = self.deadline - perf_counter()
        time = "" if np.isinf(left) else f", {max(0, left):.0f} s left"
        line = f"trial {len(self.records)}: {score} ({record.state}), best {best.mean:.4f}{time}"
        return f"{line}, {record.parameters}"


def _mean(scores: Sequence[float]) -> float:
    """Return the mean; NaN if there are no scores."""
    return float(np.mean(scores)) if scores else np.nan


def _is_better(scores: Sequence[float], others: Sequence[float]) -> bool:
    """Return whether scores are better on the same folds, by more than one standard error."""
    differences = np.subtract(scores, others)
    n = len(differences)
    error = differences.std(ddof=1) / n**0.5 if n > 1 else 0.0
    return bool(differences.mean() > error)


def _describe_error(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _other_folds(cv: Any, seed: int) -> Any:
    """Return a splitter like `cv` with another seed; None if there is no such splitter."""
    if cv is None or isinstance(cv, Integral):
        return cv
    # Folds that are not shuffled are the same for each seed.
    is_random = hasattr(cv, "random_state") and getattr(cv, "shuffle", True)
    if not (hasattr(cv, "split") and is_random):
        return None
    other = copy(cv)
    other.random_state = seed
    return other


def _import_optuna() -> ModuleType:
    try:
        import optuna
    except ImportError as error:
        message = 'TunedTextClassifier needs optuna; `pip install "sklstm[tune]"`.'
        raise ImportError(message) from error
    return optuna


def _create_study(optuna: ModuleType, seed: int) -> optuna.Study:
    """Create a study without the message of Optuna."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_N_STARTUP_TRIALS),
        )
    finally:
        optuna.logging.set_verbosity(verbosity)


def _single_changes(sizes: Mapping[str, int], rng: np.random.Generator) -> list[dict[str, int]]:
    """Return the first value of all parameters, and all changes of one of them in random order."""
    own = dict.fromkeys(sizes, 0)
    changes = [own | {name: place} for name, n in sizes.items() for place in range(1, n)]
    return [own, *(changes[number] for number in rng.permutation(len(changes)))]


def _draw_untried(
    sizes: Mapping[str, int], tried: set[tuple[tuple[str, int], ...]], rng: np.random.Generator
) -> dict[str, int] | None:
    """Draw a combination of values that was not tried; None if there is hardly one left."""
    for _ in range(_MAX_DRAWS):
        drawn = {name: int(rng.integers(n)) for name, n in sizes.items()}
        if tuple(drawn.items()) not in tried:
            return drawn
    return None


def _state(optuna: ModuleType, record: _Record) -> optuna.trial.TrialState:
    """Return the state of a trial for Optuna, which learns nothing from failed and stopped ones."""
    states = optuna.trial.TrialState
    by_name = {"complete": states.COMPLETE, "pruned": states.PRUNED}
    return by_name.get(record.state, states.FAIL)


def _replay(
    optuna: ModuleType, record: _Record, distributions: Mapping[str, Any]
) -> optuna.trial.FrozenTrial:
    """Return a trial of a previous search for a new study."""
    means = np.cumsum(record.scores) / np.arange(1, len(record.scores) + 1)
    return optuna.trial.create_trial(
        state=_state(optuna, record),
        params=record.choices,
        distributions=dict(distributions),
        value=record.final_score,
        intermediate_values=dict(enumerate(means.tolist())),
    )


def search_space(estimator: BaseEstimator, space: str | Space = "auto") -> dict[str, list[Any]]:
    """Return the values by parameter name, the value of the estimator first.

    Raises
    ------
    ValueError
        If a parameter does not exist, or there is nothing to search.
    """
    parameters = estimator.get_params(deep=True)
    if isinstance(space, str):
        steps = {"": estimator} | {f"{name}__": step for name, step in parameters.items()}
        space = {
            f"{prefix}{name}": values
            for prefix, step in steps.items()
            for name, values in _AUTO_SPACE.get(type(step), {}).items()
            if np.ndim(parameters[f"{prefix}{name}"]) == 0
        }
        if not space:
            raise ValueError(
                "search_space='auto' finds no TextSequencer and LSTMTextClassifier in estimator; "
                "pass a dict of parameter names and values."
            )
    found = {}
    for name, values in space.items():
        if name not in parameters:
            raise ValueError(
                f"search_space contains {name!r}, which is not a parameter of estimator; its "
                "parameters are listed by estimator.get_params()."
            )
        if isinstance(values, str) or not isinstance(values, Sequence):
            raise ValueError(f"search_space[{name!r}] is {values!r:.60}; pass a list of values.")
        own = parameters[name]
        found[name] = [own, *(value for value in values if not _is_equal(value, own))]
    return found


def _is_equal(value: Any, other: Any) -> bool:
    """Return whether two values of a parameter are equal; arrays only if they are identical."""
    if value is other:
        return True
    return type(value) is type(other) and np.ndim(value) == 0 and bool(value == other)


def _as_table(records: Sequence[_Record], space: Space) -> pd.DataFrame:
    """Return a row per trial."""
    rows = [
        {
            "score": record.mean,
            "std": np.std(record.scores, ddof=1) if len(record.scores) > 1 else np.nan,
            "score_other_folds": _mean(record.scores_other_folds),
            "seconds": record.seconds,
            "state": record.state,
            "error": record.error,
            **{f"param_{name}": space[name][place] for name, place in record.choices.items()},
        }
        for record in records
    ]
    return pd.DataFrame(rows)

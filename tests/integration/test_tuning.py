"""TunedTextClassifier: a search within a budget, and its records."""

import pickle
import signal
import threading

import numpy as np
import pytest
from conftest import LABELS, TEXTS, make_ids, small_classifier
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklstm import TextSequencer, TunedTextClassifier, make_text_classifier, tuning
from sklstm.tuning import search_space

optuna = pytest.importorskip("optuna")

X, Y = make_classification(200, n_features=12, n_informative=6, flip_y=0.2, random_state=0)
SPACE = {"C": [1e-4, 1e-3, 1e-2, 0.1, 10.0], "fit_intercept": [True, False]}
FOLDS = StratifiedKFold(3, shuffle=True, random_state=0)


class Clock:
    """Time that passes only in `fit` of `Scripted`."""

    now = 0.0


class Scripted(ClassifierMixin, BaseEstimator):
    """Classifier whose accuracy, time and errors are its parameters."""

    def __init__(self, accuracy=0.5, seconds=0.0, error=None):
        self.accuracy = accuracy
        self.seconds = seconds
        self.error = error

    def fit(self, X, y):
        if self.error is not None:
            raise self.error
        Clock.now += self.seconds
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.zeros(len(X), int)

    def score(self, X, y):
        return self.accuracy


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(tuning, "perf_counter", lambda: Clock.now)
    monkeypatch.setattr(Clock, "now", 0.0)
    return Clock


def tuned(estimator, space, **parameters):
    defaults = {"minutes": None, "n_trials": 20, "cv": 3, "random_state": 0}
    return TunedTextClassifier(estimator, search_space=space, **{**defaults, **parameters})


@parametrize_with_checks(
    [
        TunedTextClassifier(
            LogisticRegression(), search_space={"C": [0.1]}, minutes=None, n_trials=2, cv=3
        )
    ]
)
def test_estimator_check_passes(estimator, check):
    check(estimator)


# --- The trials


def test_the_first_trial_is_the_estimator_and_scores_are_those_of_cross_validation():
    model = tuned(LogisticRegression(C=1.0), SPACE, cv=FOLDS).fit(X, Y)
    table = model.trials_
    assert len(table) == 12  # Everything was tried: six values of C, two of fit_intercept.
    assert (table["param_C"][0], table["param_fit_intercept"][0]) == (1.0, True)
    assert not table[["param_C", "param_fit_intercept"]].duplicated().any()
    complete = table[table["state"] == "complete"]
    assert len(complete) >= 2
    for row in complete.itertuples():
        candidate = LogisticRegression(C=row.param_C, fit_intercept=row.param_fit_intercept)
        expected = cross_val_score(candidate, X, Y, cv=FOLDS)
        assert row.score == pytest.approx(expected.mean())
        assert row.std == pytest.approx(expected.std(ddof=1))


def test_pruned_trials_were_below_the_median_of_complete_ones():
    space = {"accuracy": np.linspace(0.01, 0.99, 15).tolist()}
    table = tuned(Scripted(), space).fit(X, Y).trials_
    pruned = table[table["state"] == "pruned"]
    assert len(pruned)
    for number, row in pruned.iterrows():
        complete = table[:number].query("state == 'complete'")
        assert row["score"] < complete["score"].median()
    assert table["state"][0] == "complete"


def test_the_first_trials_change_one_parameter_each():
    table = tuned(LogisticRegression(C=1.0), SPACE, n_trials=9).fit(X, Y).trials_
    changed = (table["param_C"] != 1.0).astype(int) + (~table["param_fit_intercept"].astype(bool))
    assert changed.tolist() == [0, 1, 1, 1, 1, 1, 1, 2, 2]
    orders = {
        tuple(
            tuned(LogisticRegression(), SPACE, n_trials=7, random_state=seed)
            .fit(X, Y)
            .trials_["param_C"]
        )
        for seed in range(3)
    }
    assert len(orders) > 1


def test_the_best_parameters_are_fitted_to_all_documents():
    model = tuned(Scripted(), {"accuracy": [0.4, 0.9, 0.7]}, scoring=None).fit(X, Y)
    assert model.best_params_ == {"accuracy": 0.9}
    assert model.best_score_ == pytest.approx(0.9)
    assert model.best_estimator_.accuracy == 0.9
    assert model.score(X, Y) == 0.9
    logistic = tuned(LogisticRegression(C=1e-4), SPACE).fit(X, Y)
    expected = clone(logistic.estimator).set_params(**logistic.best_params_).fit(X, Y)
    assert_array_equal(logistic.predict_proba(X), expected.predict_proba(X))
    assert_array_equal(logistic.decision_function(X), expected.decision_function(X))
    assert_array_equal(logistic.predict(X), expected.predict(X))


def test_the_own_parameters_are_kept_unless_others_are_better_by_a_standard_error():
    noise = np.random.default_rng(0).normal(size=(120, 4))
    y = np.arange(120) % 2
    model = tuned(LogisticRegression(C=1.0), {"C": [0.9, 1.1]}).fit(noise, y)
    table = model.trials_
    assert model.best_params_ == {}
    assert model.best_score_ == table["score"][0]


# --- The comparison on other folds

NUMBERS = np.arange(60)[:, np.newaxis]
HALVES = np.arange(60) % 2
TESTED_IN_SEARCH = {tuple(test) for _, test in FOLDS.split(NUMBERS, HALVES)}


class Lucky(Scripted):
    """Classifier that is less accurate, or fails, on folds other than those of the search.

    `elsewhere` maps each accuracy in the search to that on other folds, or to an error.
    """

    def __init__(self, accuracy=0.5, elsewhere=None):
        super().__init__(accuracy=accuracy)
        self.elsewhere = elsewhere

    def score(self, X, y):
        if tuple(X[:, 0]) in TESTED_IN_SEARCH:
            return self.accuracy
        score = (self.elsewhere or {}).get(self.accuracy, self.accuracy)
        if isinstance(score, BaseException):
            raise score
        return score


def test_the_luckiest_trial_is_compared_on_other_folds():
    space = {"accuracy": [0.6, 0.9]}
    model = tuned(Lucky(elsewhere={0.9: 0.5}), space, cv=FOLDS).fit(NUMBERS, HALVES)
    assert model.best_params_ == {}
    table = model.trials_.set_index("param_accuracy")
    assert table["score_other_folds"].dropna().to_dict() == {0.5: 0.5, 0.9: 0.5}
    assert model.best_score_ == 0.5
    model = tuned(Lucky(elsewhere={0.9: 0.7}), space, cv=FOLDS).fit(NUMBERS, HALVES)
    assert model.best_params_ == {"accuracy": 0.9}
    assert model.best_score_ == pytest.approx(0.7)


def test_other_folds_are_as_many_and_not_those_of_the_search():
    scored = []

    def record(model, X, y):
        scored.append(tuple(X[:, 0]))
        return model.accuracy

    model = tuned(Lucky(), {"accuracy": [0.9]}, cv=3, scoring=record).fit(NUMBERS, HALVES)
    assert model.best_params_ == {"accuracy": 0.9}
    search, other = set(scored[:6]), set(scored[6:])
    assert len(search) == len(other) == 3
    assert search.isdisjoint(other)
    assert sorted(row for rows in other for row in rows) == list(range(60))


@pytest.mark.parametrize(
    "cv", [list(FOLDS.split(NUMBERS, HALVES)), StratifiedKFold(3), TimeSeriesSplit(3)]
)
def test_folds_that_cannot_be_drawn_again_are_used_alone(cv):
    model = tuned(Scripted(), {"accuracy": [0.9]}, cv=cv).fit(NUMBERS, HALVES)
    assert model.best_params_ == {"accuracy": 0.9}
    assert model.best_score_ == pytest.approx(0.9)
    assert model.trials_["score_other_folds"].isna().all()


def test_a_trial_that_fails_on_other_folds_is_not_the_best():
    model = Lucky(elsewhere={0.9: ValueError("only here")})
    model = tuned(model, {"accuracy": [0.6, 0.9]}, cv=FOLDS).fit(NUMBERS, HALVES)
    assert model.best_params_ == {"accuracy": 0.6}
    table = model.trials_.set_index("param_accuracy")
    assert table["state"][0.9] == "failed"
    assert table["error"][0.9] == "ValueError: only here"


def test_an_estimator_that_fails_on_other_folds_does_not_lose_the_search():
    model = Lucky(elsewhere={0.5: ValueError("only here")})
    with pytest.warns(UserWarning, match="estimator failed on other folds: ValueError: only here"):
        model = tuned(model, {"accuracy": [0.9]}, cv=FOLDS).fit(NUMBERS, HALVES)
    assert model.best_params_ == {"accuracy": 0.9}
    assert model.best_score_ == pytest.approx(0.9)
    assert model.trials_["error"].tolist() == ["ValueError: only here", ""]


def test_an_interrupt_of_the_comparison_keeps_the_best_of_the_search():
    model = Lucky(elsewhere={0.9: KeyboardInterrupt()})
    with pytest.warns(UserWarning, match="The search was interrupted after 2 trials"):
        model = tuned(model, {"accuracy": [0.9]}, cv=FOLDS).fit(NUMBERS, HALVES)
    assert model.best_params_ == {"accuracy": 0.9}
    assert model.best_score_ == pytest.approx(0.9)


def test_a_comparison_that_was_not_finished_does_not_count():
    scored = []

    def score(model, X, y):
        if tuple(X[:, 0]) not in TESTED_IN_SEARCH:
            scored.append(model.accuracy)
            if scored.count(0.9) == 2:
                raise KeyboardInterrupt
            return 0.1
        return model.accuracy

    with pytest.warns(UserWarning, match="The search was interrupted after 2 trials"):
        model = tuned(Lucky(), {"accuracy": [0.9]}, cv=FOLDS, scoring=score).fit(NUMBERS, HALVES)
    assert scored == [0.5] * 3 + [0.9] * 2
    assert model.best_score_ == pytest.approx(0.9)
    assert model.trials_["score_other_folds"].isna().tolist() == [False, True]


def test_a_continued_search_compares_only_what_is_new():
    scored = []

    def record(model, X, y):
        scored.append((model.accuracy, tuple(X[:, 0]) in TESTED_IN_SEARCH))
        return model.accuracy

    space = {"accuracy": [0.7, 0.8, 0.9]}
    model = tuned(Lucky(), space, cv=FOLDS, scoring=record, n_trials=2, warm_start=True)
    model.fit(NUMBERS, HALVES)
    first = list(scored)
    model.fit(NUMBERS, HALVES)
    assert first.count((0.5, False)) == scored.count((0.5, False)) == 3
    assert model.best_score_ == model.trials_["score"].max()


def test_the_same_seed_gives_the_same_trials():
    tables = [
        tuned(LogisticRegression(), SPACE, n_trials=6, random_state=7).fit(X, Y).trials_
        for _ in range(2)
    ]
    columns = ["score", "state", "param_C", "param_fit_intercept"]
    assert tables[0][columns].equals(tables[1][columns])


def test_a_failed_trial_is_recorded():
    space = {"error": [None, ValueError("no such thing")], "accuracy": [0.8]}
    model = tuned(Scripted(), space).fit(X, Y)
    failed = model.trials_[model.trials_["state"] == "failed"]
    assert len(failed) == 2
    assert set(failed["error"]) == {"ValueError: no such thing"}
    assert model.best_params_ == {"accuracy": 0.8}
    with pytest.raises(ValueError, match="no such thing"):
        tuned(Scripted(error=ValueError("no such thing")), space).fit(X, Y)


# --- Budget, interruption, resumption


@pytest.mark.parametrize(("seconds", "minutes"), [(1.0, 2), (7.0, 2), (20.0, 6)])
def test_the_search_ends_within_the_time(clock, seconds, minutes):
    space = {"accuracy": np.linspace(0.51, 0.9, 100).tolist()}
    model = tuned(Scripted(seconds=seconds), space, minutes=minutes, n_trials=None).fit(X, Y)
    # The final fit is expected to take 1.5 times as long as a fold, and takes as long.
    assert 60 * minutes - 2.5 * seconds <= clock.now <= 60 * minutes
    # Two trials on three other folds, and the final fit.
    assert model.trials_["seconds"].sum() == pytest.approx(clock.now - 7 * seconds)


def test_a_trial_that_is_too_slow_to_compare_is_stopped(clock):
    space = {"seconds": [30.0]}
    model = tuned(Scripted(seconds=1.0), space, minutes=3, n_trials=None).fit(X, Y)
    assert model.trials_["state"].tolist() == ["complete", "stopped"]
    assert clock.now == 3 + 30 + 1


def test_the_time_of_the_final_fit_is_that_of_the_best_parameters(clock):
    space = {"accuracy": [0.9], "seconds": [10.0]}
    model = tuned(Scripted(seconds=1.0), space, minutes=1.5, n_trials=None).fit(X, Y)
    assert model.best_params_["accuracy"] == 0.9
    assert clock.now <= 90


def test_a_budget_for_less_than_one_trial_keeps_the_estimator(clock):
    model = tuned(Scripted(seconds=5.0), {"accuracy": [0.9]}, minutes=0.1, n_trials=None)
    assert model.fit(X, Y).trials_["state"].tolist() == ["stopped"]
    assert model.best_params_ == {}
    assert model.best_score_ == 0.5
    assert clock.now == 10


def test_the_number_of_trials_is_limited():
    assert len(tuned(Scripted(), {"accuracy": [0.6, 0.7, 0.8]}, n_trials=2).fit(X, Y).trials_) == 2


@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals need this thread"
)
def test_an_interrupt_ends_the_search_and_keeps_what_it_found():
    class Interrupting(Scripted):
        def score(self, X, y):
            if self.accuracy == 0.8:
                signal.raise_signal(signal.SIGINT)
            return self.accuracy

    space = {"accuracy": [0.6, 0.7, 0.8, 0.9]}
    with pytest.warns(UserWarning, match=r"The search was interrupted after \d trials"):
        model = tuned(Interrupting(), space, random_state=1).fit(X, Y)
    assert 1 <= len(model.trials_) < 5
    assert 0.8 not in model.trials_["param_accuracy"].tolist()
    assert model.best_estimator_.accuracy == model.trials_["score"].max()


def test_a_search_continues_after_loading():
    space = {"accuracy": np.linspace(0.1, 0.9, 9).tolist()}
    model = tuned(Scripted(), space, n_trials=4, warm_start=True).fit(X, Y)
    first = model.trials_
    again = pickle.loads(pickle.dumps(model)).fit(X, Y)
    assert len(again.trials_) == 8
    unchanged = first.columns.drop("score_other_folds")
    assert again.trials_[:4][unchanged].equals(first[unchanged])
    assert not again.trials_["param_accuracy"].duplicated().any()
    fresh = clone(model).fit(X, Y)
    assert len(fresh.trials_) == 4


def test_only_the_same_search_continues():
    model = tuned(Scripted(), {"accuracy": [0.6, 0.7]}, n_trials=2, warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match=r"warm_start=True continues a search, but search_space"):
        model.set_params(search_space={"accuracy": [0.6, 0.8]}).fit(X, Y)
    assert len(model.trials_) == 2


def test_a_trial_that_the_budget_stopped_is_repeated(clock):
    model = tuned(Scripted(seconds=5.0), {"accuracy": [0.9]}, minutes=0.1, warm_start=True)
    assert model.fit(X, Y).trials_["state"].tolist() == ["stopped"]
    model.set_params(minutes=None, n_trials=2).fit(X, Y)
    assert model.trials_["state"].tolist() == ["complete", "complete"]
    assert model.best_params_ == {"accuracy": 0.9}


# --- The search space


def test_automatic_space_of_a_pipeline():
    model = make_text_classifier("fast")
    space = search_space(model)
    assert space["lstmtextclassifier__units"] == [32, 64, 128]
    assert space["textsequencer__min_df"] == [1, 2]
    parameters = model.get_params()
    assert all(values[0] == parameters[name] for name, values in space.items())
    # Each value is valid.
    for name, values in space.items():
        for value in values:
            model.set_params(**{name: value})[-1]._validate_params()
            model[0]._validate_params()


def test_automatic_space_leaves_several_layers_alone():
    space = search_space(make_text_classifier(units=(32, 16), pooling="last"))
    assert "lstmtextclassifier__units" not in space
    assert space["lstmtextclassifier__pooling"][0] == "last"
    assert "units" in search_space(small_classifier(units=8))


def test_values_of_any_type_are_compared_safely():
    vectors = np.zeros((3, 2))
    space = search_space(small_classifier(), {"embedding_weights": [None, vectors]})
    assert len(space["embedding_weights"]) == 2
    assert space["embedding_weights"][1] is vectors
    assert search_space(LogisticRegression(C=1.0), {"C": [1.0, 2.0]}) == {"C": [1.0, 2.0]}
    assert search_space(small_classifier(epochs=1), {"epochs": [True, 1]}) == {"epochs": [1, True]}


def test_texts_are_tuned():
    model = tuned(
        make_pipeline(TextSequencer(), small_classifier(epochs=1)),
        {"lstmtextclassifier__epochs": [2]},
        cv=2,
    ).fit(TEXTS, LABELS)
    assert len(model.trials_) == 2
    assert set(model.predict(TEXTS)) <= {"good", "bad"}
    assert model.predict_proba(TEXTS).shape == (12, 2)


def test_labels_of_a_document_are_tuned():
    ids, y = make_ids()
    indicator = np.column_stack([y, 1 - y, np.arange(60) % 2])
    model = tuned(small_classifier(epochs=1), {"epochs": [2]}, cv=2).fit(ids, indicator)
    assert model.predict(ids).shape == (60, 3)


def test_one_line_per_trial(capsys):
    tuned(Scripted(), {"accuracy": [0.6]}, verbose=1).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "trial 1: 0.5000 (complete), best 0.5000, {}",
        "trial 2: 0.6000 (complete), best 0.6000, {'accuracy': 0.6}",
        "on other folds: best 0.6000, first 0.5000",
    ]


def test_nothing_of_optuna_is_changed_or_printed(capsys):
    before = optuna.logging.get_verbosity()
    tuned(Scripted(), {"accuracy": [0.6]}).fit(X, Y)
    assert optuna.logging.get_verbosity() == before
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


# --- Errors


def test_invalid_input():
    with pytest.raises(ValueError, match="minutes and n_trials are both None; set one of them"):
        tuned(Scripted(), {"accuracy": [1]}, n_trials=None).fit(X, Y)
    with pytest.raises(ValueError, match="search_space contains 'units', which is not a parameter"):
        tuned(Scripted(), {"units": [1]}).fit(X, Y)
    with pytest.raises(ValueError, match=r"search_space\['C'\] is 0.1; pass a list of values"):
        tuned(LogisticRegression(), {"C": 0.1}).fit(X, Y)
    with pytest.raises(ValueError, match="search_space='auto' finds no TextSequencer"):
        tuned(LinearSVC(), "auto").fit(X, Y)
    with pytest.raises(ValueError, match="The 'minutes' parameter"):
        tuned(Scripted(), {"accuracy": [1]}, minutes=0).fit(X, Y)
    with pytest.raises(NotFittedError):
        tuned(Scripted(), {"accuracy": [1]}).predict(X)
    assert not hasattr(tuned(LinearSVC(), {}), "predict_proba")


def test_a_failed_fit_leaves_everything_as_before():
    model = tuned(Scripted(), {"accuracy": [0.6]}).fit(X, Y)
    before = model.trials_
    with pytest.raises(ValueError, match="search_space contains"):
        model.set_params(search_space={"wrong": [1]}).fit(X, Y)
    assert model.trials_ is before
    assert_allclose(model.best_score_, 0.6)

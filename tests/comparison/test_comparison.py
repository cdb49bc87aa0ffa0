"""compare() evaluates all classifiers on the same folds and tests their differences."""

import pickle
import re

import numpy as np
import pandas as pd
import pytest
from comparing import FITS, FORKED_BY_OLD_JOBLIB, LABELS, MODELS, TEXTS, Coin, scored, words
from numpy.testing import assert_array_equal
from scipy import stats
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score
from sklearn.model_selection import (
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_predict,
    cross_validate,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from sklstm import LSTMTextClassifier, TextSequencer, classic_baselines, compare


@pytest.fixture(autouse=True)
def no_fits_yet():
    FITS.clear()


class OnlyOnePrediction(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        FITS.append("predict")
        return [self.classes_[0]] * len(X)


@pytest.fixture(scope="module")
def comparison():
    return compare(MODELS, TEXTS, LABELS)


# --- What is called better


def test_copies_of_an_lstm_with_different_seeds_are_called_equal():
    copies = {
        f"seed {seed}": make_pipeline(
            TextSequencer(),
            LSTMTextClassifier(units=4, embedding_dim=4, epochs=1, random_state=seed),
        )
        for seed in range(2)
    }
    frame = compare(copies, TEXTS, LABELS, cv=3).differences()
    assert list(frame["better"]) == [""]


def test_guesses_with_different_seeds_are_seldom_called_different():
    # Each comparison draws other folds. The ordinary paired test would find many differences.
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(25):
        texts = [f"{word} film" for word in rng.integers(10_000, 99_999, 60)]
        labels = rng.permutation(["good", "bad"] * 30)
        coins = {str(seed): Coin(random_state=seed) for seed in range(2)}
        found += (compare(coins, texts, labels).differences()["better"] != "").sum()
    assert found <= 2


def test_a_classifier_that_learns_is_called_better_than_guesses(comparison):
    assert list(comparison.table.index) == ["words", "coin"]
    assert list(comparison.differences()["better"]) == ["words"]
    assert list(comparison.differences("f1_macro")["better"]) == ["words"]


# --- Folds, scores and predictions


def test_scores_are_those_of_cross_validate(comparison):
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    for name, model in MODELS.items():
        expected = cross_validate(
            model,
            TEXTS,
            LABELS,
            cv=folds,
            scoring=("accuracy", "f1_macro"),
            return_train_score=False,
        )
        rows = comparison.scores[comparison.scores["classifier"] == name]
        for score in ("accuracy", "f1_macro"):
            assert_array_equal(rows[score], expected[f"test_{score}"])
            assert comparison.table.loc[name, score] == pytest.approx(
                expected[f"test_{score}"].mean()
            )
            deviation = np.std(expected[f"test_{score}"], ddof=1)
            assert comparison.table.loc[name, f"{score}_std"] == pytest.approx(deviation)


def test_predictions_are_those_of_cross_val_predict(comparison):
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    for name, model in MODELS.items():
        expected = cross_val_predict(model, TEXTS, LABELS, cv=folds)
        assert_array_equal(comparison.predictions[name], expected)
    assert_array_equal(comparison.predictions["y"], LABELS)
    for number, (_, test) in enumerate(folds.split(TEXTS, LABELS), start=1):
        assert (comparison.predictions["fold"].iloc[test] == number).all()


def test_all_classifiers_get_the_same_folds_though_they_are_drawn_without_a_seed():
    for cv in (3, ShuffleSplit(3, test_size=0.3)):
        result = compare({"one": Coin(), "other": Coin()}, TEXTS, LABELS, cv=cv, random_state=None)
        assert_array_equal(result.predictions["one"], result.predictions["other"])
        assert list(result.differences()["p_value"]) == [1.0]


def test_folds_are_stratified_and_the_same_at_each_call(comparison):
    again = compare({"coin": Coin()}, TEXTS, LABELS).predictions
    assert_array_equal(again["fold"], comparison.predictions["fold"])
    assert (again.groupby("fold")["y"].value_counts() == 6).all()
    other = compare({"coin": Coin()}, TEXTS, LABELS, random_state=1).predictions
    assert (again["fold"] != other["fold"]).any()


def test_repeated_folds_are_told_apart():
    cv = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    result = compare(MODELS, TEXTS, LABELS, cv=cv)
    first = result.scores.query("classifier == 'words'")
    assert list(zip(first["repeat"], first["fold"], strict=True)) == [
        (1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)
    ]  # fmt: skip
    assert_array_equal(
        first["accuracy"], cross_validate(words(), TEXTS, LABELS, cv=cv)["test_score"]
    )
    assert_array_equal(result.predictions.index, [*range(60), *range(60)])
    assert_array_equal(result.predictions["repeat"], [1] * 60 + [2] * 60)
    assert "2 classifiers on 6 folds in 2 repeats" in repr(result)
    differences = (
        first["accuracy"].to_numpy() - result.scores.query("classifier == 'coin'")["accuracy"]
    )
    t = differences.mean() / np.sqrt((1 / 6 + 1 / 2) * differences.var(ddof=1))
    assert result.differences()["p_value"][0] == pytest.approx(2 * stats.t.sf(t, df=5))


def test_predictions_hold_only_documents_that_were_tested():
    masks = [np.arange(60) < 40, np.arange(60) >= 50]
    result = compare({"coin": Coin()}, TEXTS, LABELS, cv=[masks])
    assert_array_equal(result.predictions.index, range(50, 60))
    assert list(result.scores[["n_train", "n_test"]].loc[0]) == [40, 10]


@pytest.mark.parametrize("form", [tuple, np.array, pd.Series])
def test_form_of_texts_and_labels_does_not_change_the_result(form, comparison):
    result = compare(MODELS, form(TEXTS), form(LABELS))
    assert_array_equal(result.scores["accuracy"], comparison.scores["accuracy"])
    assert_array_equal(result.predictions["words"], comparison.predictions["words"])


def test_index_of_pandas_is_kept():
    index = pd.Index([f"document {number}" for number in range(60)])
    series = pd.Series(TEXTS, index=index)
    predicted = compare({"coin": Coin()}, series, LABELS).predictions
    assert predicted.index.equals(index)
    wrong = predicted.query("coin != y")
    assert_array_equal(Coin().fit(TEXTS, LABELS).predict(series[wrong.index]), wrong["coin"])
    frame = pd.DataFrame({"text": TEXTS, "more": "words"}, index=index)
    model = classic_baselines(random_state=0)["naive_bayes"]
    assert compare({"model": model}, frame, LABELS, cv=2).predictions.index.equals(index)


def test_labels_keep_their_type():
    numbers = [int(label == "good") for label in LABELS]
    predicted = compare(MODELS, TEXTS, numbers).predictions
    assert (
        predicted[["y", "words", "coin"]].dtypes.map(lambda kind: kind.kind).tolist() == ["i"] * 3
    )


@pytest.mark.parametrize("form", [np.asarray, pd.DataFrame, csr_array])
def test_multilabel_predictions_are_tuples(form):
    y = form([[i % 2, int(i % 3 == 0)] for i in range(60)])
    model = make_pipeline(CountVectorizer(), OneVsRestClassifier(MultinomialNB()))
    result = compare({"model": model}, TEXTS, y, cv=3)
    assert result.predictions["y"].tolist()[:4] == [(0, 1), (1, 0), (0, 0), (1, 1)]
    assert np.stack(result.predictions["model"]).shape == (60, 2)
    assert 0 <= result.table.loc["model", "f1_macro"] <= 1


def test_labels_in_a_column_are_labels(comparison):
    result = compare({"coin": Coin()}, TEXTS, np.array(LABELS)[:, None])
    assert_array_equal(result.predictions["y"], LABELS)
    assert_array_equal(result.predictions["coin"], comparison.predictions["coin"])


def test_groups_are_kept_together():
    groups = np.arange(60) // 4
    result = compare({"coin": Coin()}, TEXTS, LABELS, cv=StratifiedGroupKFold(3), groups=groups)
    assert (result.predictions.groupby(groups)["fold"].nunique() == 1).all()


@FORKED_BY_OLD_JOBLIB
def test_workers_give_the_same(comparison):
    models = {"words": words(), "dummy": DummyClassifier()}
    one, two = (compare(models, TEXTS, LABELS, n_jobs=n_jobs) for n_jobs in (1, 2))
    pd.testing.assert_frame_equal(one.predictions, two.predictions)
    times = ["fit_time", "score_time"]
    pd.testing.assert_frame_equal(one.scores.drop(columns=times), two.scores.drop(columns=times))


def test_classifiers_are_left_unfitted():
    model = words()
    compare({"words": model}, TEXTS, LABELS, cv=2)
    assert not hasattr(model[0], "vocabulary_")


def test_scores_and_predictions_share_one_prediction_a_fold():
    result = compare({"model": OnlyOnePrediction()}, TEXTS, LABELS, cv=3)
    assert FITS == ["predict"] * 3
    assert (result.predictions["model"] == "bad").all()


def test_scorers_get_the_classifier_as_fit_left_it():
    def n_attributes(model, X, y):
        return len(vars(model))

    expected = len(vars(OnlyOnePrediction().fit(TEXTS, LABELS)))
    scoring = {"accuracy": "accuracy", "attributes": n_attributes}
    result = compare({"model": OnlyOnePrediction()}, TEXTS, LABELS, cv=2, scoring=scoring)
    assert_array_equal(result.scores["attributes"], expected)


def test_times_are_seconds_of_the_folds(comparison):
    assert (comparison.scores[["fit_time", "score_time"]] > 0).all(axis=None)
    folds = comparison.scores.query("classifier == 'words'")
    assert comparison.table.loc["words", "fit_time"] == pytest.approx(folds["fit_time"].mean())


# --- Scoring


def accuracy(model, X, y):
    return accuracy_score(y, model.predict(X))


def accuracy_of_the_first_half(model, X, y):
    half = len(X) // 2
    return accuracy_score(y[:half], model.predict(X[:half]))


def test_scoring_takes_what_cross_validate_takes(comparison):
    expected = comparison.table.loc["words", "accuracy"]
    for scoring, name in [
        ("accuracy", "accuracy"),
        (["accuracy"], "accuracy"),
        (accuracy, "score"),
        ({"hits": accuracy}, "hits"),
        ({"hits": "accuracy", "roc": "roc_auc"}, "hits"),
    ]:
        result = compare({"words": words()}, TEXTS, LABELS, scoring=scoring)
        assert result.scoring[0] == name
        assert result.table.loc["words", name] == pytest.approx(expected)


def test_scorer_that_looks_at_part_of_the_documents_gets_only_their_predictions():
    result = compare({"coin": Coin()}, TEXTS, LABELS, cv=2, scoring=accuracy_of_the_first_half)
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    expected = cross_validate(Coin(), TEXTS, LABELS, cv=folds, scoring=accuracy_of_the_first_half)
    assert_array_equal(result.scores["score"], expected["test_score"])


def test_the_first_score_orders_the_table():
    result = compare(MODELS, TEXTS, LABELS, scoring=["f1_macro"])
    assert list(result.table.index) == ["words", "coin"]
    lowest = compare(MODELS, TEXTS, LABELS, scoring={"wrong": lambda *fold: -accuracy(*fold)})
    assert list(lowest.table.index) == ["coin", "words"]


# --- Progress and representation


def test_progress_is_a_line_for_each_fold(capsys):
    models = {"coin": Coin(), "broken": Coin("broken", fail_at=2)}
    with pytest.warns(FitFailedWarning):
        compare(models, TEXTS, LABELS, cv=3, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("coin, fold 1 of 3: accuracy 0.")
    assert re.search(r" s \(5 left, about \d+\.\d s\)$", lines[0])
    assert lines[3].startswith(
        "broken, fold 2 of 3: failed, ValueError: broken broke (1 left, about"
    )
    assert lines[4].startswith("coin, fold 3 of 3: ")
    assert lines[4].endswith("(0 left)")


def test_progress_names_the_repeat(capsys):
    cv = RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0)
    compare({"coin": Coin()}, TEXTS, LABELS, cv=cv, verbose=1)
    assert "coin, repeat 2 of 2, fold 1 of 2: accuracy" in capsys.readouterr().out


def test_it_is_silent_unless_asked(capsys):
    compare({"coin": Coin()}, TEXTS, LABELS)
    assert capsys.readouterr() == ("", "")


def test_representation_is_a_table_that_says_who_is_better(comparison):
    text = repr(comparison)
    assert text.startswith("2 classifiers on 5 folds\n")
    words_row, coin_row = (
        next(line for line in text.splitlines() if line.startswith(name)) for name in MODELS
    )
    assert f"{comparison.table.loc['words', 'accuracy']:.3f} ± " in words_row
    assert re.search(r" coin +-$", words_row)
    assert re.search(r" - +-$", coin_row)


def test_representation_says_who_is_practically_equal():
    folds = [0.8, 0.9, 0.85]
    text = repr(scored(folds, folds, [0.1, 0.2, 0.15], names=["one", "copy", "worse"]))
    lines = {line.split()[0]: line for line in text.splitlines() if "±" in line}
    assert lines["one"].endswith(" worse                 copy")
    assert lines["copy"].endswith(" worse                  one")
    assert lines["worse"].endswith(" -                    -")
    assert "Practically equal: accuracy differs by at most 0.01 with a probability of" in text


def test_html_is_escaped():
    result = scored([0.5, 0.6], names=["<b>"], errors={"<i>": "ValueError: <u>\n\nTraceback"})
    text = result._repr_html_()
    assert "<table" in text
    assert "&lt;b&gt;" in text
    assert "&lt;i&gt; failed: ValueError: &lt;u&gt;" in text
    assert "<u>" not in text


def test_comparison_can_be_pickled(comparison):
    copy = pickle.loads(pickle.dumps(comparison))
    pd.testing.assert_frame_equal(copy.table, comparison.table)


# --- What is refused


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"classifiers": [Coin()]}, TypeError, "classifiers must be a dict.* not list"),
        ({"classifiers": {}}, ValueError, "classifiers is empty"),
        ({"classifiers": {1: Coin()}}, TypeError, "the name 1; names must be of type str"),
        ({"classifiers": {"fold": Coin()}}, ValueError, "name 'fold', which is a column"),
        (
            {"classifiers": {"a": "svm"}},
            TypeError,
            r"classifiers\['a'\] is 'svm'; it must be an inst",
        ),
        ({"classifiers": {"a": Coin}}, TypeError, "must be an instance of a classifier"),
        ({"classifiers": {"a": CountVectorizer()}}, TypeError, "with methods fit and predict"),
        ({"classifiers": {"a": Ridge()}}, TypeError, r"\['a'\] is a regressor, Ridge"),
        ({"X": "a text"}, TypeError, "X is a single text"),
        ({"y": LABELS[:-1]}, ValueError, "X has 60 documents, y has 59 entries"),
        ({"groups": [1]}, ValueError, "groups has 1 entries"),
        ({"y": np.linspace(0, 1, 60)}, ValueError, "Unknown label type: continuous"),
        ({"scoring": ()}, ValueError, "scoring is empty"),
        ({"scoring": None}, TypeError, "scoring=None must be the name of a score"),
        ({"scoring": [accuracy]}, ValueError, "must be names of scores; for others, use a dict"),
        ({"scoring": "acuracy"}, ValueError, "acuracy"),
        ({"scoring": accuracy_score}, ValueError, "looks like it is a metric function"),
        (
            {"scoring": {"fit_time": "accuracy"}},
            ValueError,
            "the name 'fit_time', which is another",
        ),
        ({"cv": 1}, ValueError, "n_splits=2 or more"),
        ({"cv": "five"}, ValueError, "Expected .?cv.? as an integer"),
        ({"cv": []}, ValueError, r"cv=\[\] gives no split"),
        ({"memory": 3}, TypeError, "memory=3 must be a folder"),
    ],
)
def test_errors_name_what_is_wrong(change, error, message):
    call = {"classifiers": {"coin": Coin()}, "X": TEXTS, "y": LABELS}
    with pytest.raises(error, match=message):
        compare(**(call | change))
    assert not FITS


@pytest.mark.parametrize("method", ["differences", "plot"])
def test_unknown_scores_and_levels_are_refused(method, comparison):
    with pytest.raises(
        ValueError, match=r"scoring='f2' is not one of the scores; choose from \['accuracy', 'f1_ma"
    ):
        getattr(comparison, method)("f2")
    with pytest.raises(ValueError, match="alpha=5 must lie between 0 and 1"):
        getattr(comparison, method)(alpha=5)


def test_compare_takes_classifiers_by_name_only_after_x_and_y():
    with pytest.raises(TypeError, match="positional"):
        compare({"coin": Coin()}, TEXTS, LABELS, 5)


def test_linear_models_and_clones_are_not_changed_by_remembering(tmp_path):
    model = make_pipeline(CountVectorizer(), LogisticRegression())
    result = compare({"a": model, "b": clone(model)}, TEXTS, LABELS, scoring="neg_log_loss")
    assert list(result.differences()["p_value"]) == [1.0]

"""Baselines and compare() support label indicators, with scores as scikit-learn computes them."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, label_ranking_average_precision_score
from sklearn.model_selection import (
    KFold,
    RepeatedStratifiedKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from sklstm import NBSVMClassifier, classic_baselines, compare, make_text_classifier
from sklstm._multilabel import rarest_labels
from sklstm.comparison._scorers import label_ranking_average_precision, precision_at_1

WORDS = {"food": ["soup", "bread"], "music": ["song", "drum"], "sport": ["goal", "race"]}
SCORES = ("f1_micro", "f1_macro", "label_ranking_average_precision", "precision_at_1")


def tagged_texts(n=60):
    """Return short texts and the indicator of 3 labels; each sixth text has no label."""
    rng = np.random.default_rng(0)
    y = (rng.random((n, 3)) < [0.5, 0.4, 0.2]).astype(int)
    y[::6] = 0
    y[np.arange(n) % 6 == 1] = [1, 0, 1]
    texts = []
    for row in y:
        words = [rng.choice(WORDS[name]) for name, has in zip(WORDS, row, strict=True) if has]
        texts.append(" ".join([*words, *rng.choice(["a", "the", "new", "old"], 3)]))
    return texts, y


TEXTS, Y = tagged_texts()


@pytest.fixture(scope="module")
def baselines():
    return classic_baselines(random_state=0, multilabel=True, min_df=1)


@pytest.fixture(scope="module")
def comparison(baselines):
    return compare(baselines, TEXTS, Y, cv=3)


# --- Baselines


def test_multilabel_baselines_are_one_vs_rest_but_for_the_random_forest(baselines):
    assert list(baselines) == list(classic_baselines())
    kinds = {name: type(model["classifier"]) for name, model in baselines.items()}
    assert kinds.pop("random_forest") is RandomForestClassifier
    assert set(kinds.values()) == {OneVsRestClassifier}
    for name, single in classic_baselines(random_state=0).items():
        classifier = baselines[name]["classifier"]
        inner = classifier if name == "random_forest" else classifier.estimator
        assert repr(inner) == repr(single["classifier"])


@pytest.mark.parametrize("name", list(classic_baselines()))
@pytest.mark.parametrize("form", [np.asarray, pd.DataFrame, csr_array])
def test_baselines_learn_several_labels(baselines, name, form):
    y = Y.tolist() if name == "random_forest" and form is csr_array else form(Y)
    model = clone(baselines[name]).fit(TEXTS, y)
    predicted = model.predict(["soup a", "bread race the", "the old"])
    predicted = predicted.toarray() if hasattr(predicted, "toarray") else predicted
    assert_array_equal(predicted, [[1, 0, 0], [1, 0, 1], [0, 0, 0]])


def test_nb_svm_names_what_fits_several_labels():
    counts = CountVectorizer().fit_transform(TEXTS)
    for y in (Y, Y.tolist(), csr_array(Y)):
        with pytest.raises(
            ValueError, match=r"OneVsRestClassifier\(NBSVMClassifier\(\)\).*multila"
        ):
            NBSVMClassifier().fit(counts, y)
    with pytest.raises(ValueError, match="MultiLabelBinarizer"):
        NBSVMClassifier().fit(counts, [["food"], []] * 30)
    model = OneVsRestClassifier(NBSVMClassifier(random_state=0)).fit(counts, Y)
    for label in range(3):
        alone = NBSVMClassifier(random_state=0).fit(counts, Y[:, label])
        assert_allclose(model.decision_function(counts)[:, label], alone.decision_function(counts))


# --- Comparison


def test_default_scores_are_those_of_scikit_learn(comparison, baselines):
    assert comparison.scoring == SCORES
    strata = rarest_labels(Y, 3)
    folds = StratifiedKFold(3, shuffle=True, random_state=0).split(TEXTS, strata)
    scores = comparison.scores.set_index(["classifier", "fold"])
    for fold, (train, test) in enumerate(folds, start=1):
        documents = [TEXTS[i] for i in train], [TEXTS[i] for i in test]
        for name, model in baselines.items():
            fitted = clone(model).fit(documents[0], Y[train])
            if name == "random_forest":
                ranked = np.column_stack([p[:, 1] for p in fitted.predict_proba(documents[1])])
            elif name == "naive_bayes":
                ranked = fitted.predict_proba(documents[1])
            else:
                ranked = fitted.decision_function(documents[1])
            expected = {
                f"f1_{average}": f1_score(Y[test], fitted.predict(documents[1]), average=average)
                for average in ("micro", "macro")
            }
            expected[SCORES[2]] = label_ranking_average_precision_score(Y[test], ranked)
            found = scores.loc[(name, fold)]
            assert_allclose([found[score] for score in expected], list(expected.values()))
            if name != "random_forest":  # The others have no equal scores.
                hits = Y[test][np.arange(len(test)), ranked.argmax(axis=1)]
                assert found["precision_at_1"] == pytest.approx(hits.mean())


def test_table_differences_plot_and_predictions_work_with_several_labels(comparison, plt):
    assert not comparison.errors
    assert comparison.table.notna().all(axis=None)
    assert len(comparison.differences("precision_at_1")) == 15
    assert comparison.plot("precision_at_1").get_xlabel() == "precision_at_1"
    assert comparison.predictions["y"].tolist() == [tuple(row) for row in Y.tolist()]
    for name in comparison.classifiers:
        predicted = np.stack(comparison.predictions[name])
        by_fold = comparison.predictions["fold"].to_numpy()
        found = [
            f1_score(Y[by_fold == fold], predicted[by_fold == fold], average="micro")
            for fold in (1, 2, 3)
        ]
        assert comparison.table.loc[name, "f1_micro"] == pytest.approx(np.mean(found))
    mistakes = comparison.predictions.query("linear_svc != y")
    assert 0 < len(mistakes) < len(TEXTS) / 2
    assert "6 classifiers on 3 folds" in repr(comparison)


def test_an_lstm_is_compared_on_label_indicators(baselines):
    lstm = make_text_classifier("fast", epochs=1, random_state=0)
    models = {"lstm": lstm, "naive_bayes": baselines["naive_bayes"]}
    result = compare(models, TEXTS, Y, cv=2)
    assert result.scoring == SCORES
    assert result.table.drop(columns="error").notna().all(axis=None)


@pytest.mark.parametrize("form", [list, pd.DataFrame, csr_array])
def test_form_of_the_indicator_does_not_change_scores(form, comparison, baselines):
    models = {name: baselines[name] for name in ("linear_svc", "random_forest")}
    result = compare(models, TEXTS, form(Y.tolist() if form is list else Y), cv=3)
    expected = comparison.scores.query("classifier in @models")
    assert_allclose(result.scores[[*SCORES]], expected[[*SCORES]])


def test_label_scores_are_named_as_others(baselines):
    one = {"linear_svc": baselines["linear_svc"]}
    alone = compare(one, TEXTS, Y, cv=3, scoring="precision_at_1")
    named = compare(one, TEXTS, Y, cv=3, scoring={"first": "precision_at_1", "all": "accuracy"})
    assert named.scoring == ("first", "all")
    assert_array_equal(alone.scores["precision_at_1"], named.scores["first"])


def test_label_scores_of_class_labels_are_refused():
    with pytest.raises(ValueError, match="scoring='precision_at_1' ranks the labels"):
        compare(classic_baselines(), TEXTS, ["a", "b"] * 30, scoring=["accuracy", "precision_at_1"])


def test_classes_are_scored_by_accuracy():
    one = {"naive_bayes": classic_baselines(min_df=1)["naive_bayes"]}
    assert compare(one, TEXTS, Y[:, 0], cv=2).scoring == ("accuracy", "f1_macro")


def test_scores_can_be_cached(tmp_path, baselines):
    one = {"linear_svc": baselines["linear_svc"]}
    first, second = (compare(one, TEXTS, Y, cv=2, memory=tmp_path) for _ in range(2))
    pd.testing.assert_frame_equal(first.scores, second.scores)


def test_classifiers_of_classes_are_told_apart_with_the_remedy():
    models = {"random_forest": None, "linear_svc": None, "nb_svm": None}
    models = {name: classic_baselines(random_state=0, min_df=1)[name] for name in models}
    remedy = r"linear_svc takes class labels: use classic_baselines\(multilabel=True\)"
    with pytest.warns(FitFailedWarning, match=remedy):
        result = compare(models, TEXTS, Y, cv=2)
    assert set(result.errors) == {"linear_svc", "nb_svm"}
    assert "classic_baselines(multilabel=True)" in result.errors["nb_svm"]


def test_other_failures_have_no_remedy_for_labels(baselines):
    broken = clone(baselines["linear_svc"]).set_params(vectorizer__min_df=1000)
    with pytest.warns(FitFailedWarning) as caught:
        compare({"broken": broken}, TEXTS, Y, cv=2)
    assert "classic_baselines" not in str(caught[0].message)


def test_tags_are_refused_with_the_line_that_converts_them(baselines):
    with pytest.raises(ValueError, match=r"y = sklearn\.preprocessing\.MultiLabelBinarizer\(\)"):
        compare(baselines, TEXTS, [["food"], ["food", "music"]] * 30)


# --- Folds


def test_rare_labels_are_in_every_fold():
    y = np.zeros((60, 2), dtype=int)
    y[:40, 0] = 1
    y[[0, 1, 2, 3, 4], 1] = 1
    models = {"naive_bayes": classic_baselines(multilabel=True, min_df=1)["naive_bayes"]}
    predictions = compare(models, TEXTS, y, cv=5).predictions
    counts = [np.stack(rows).sum(axis=0).tolist() for _, rows in predictions.groupby("fold")["y"]]
    assert counts == [[8, 1]] * 5
    in_order = [
        y[test].sum(axis=0)[1] for _, test in KFold(5, shuffle=True, random_state=0).split(y)
    ]
    assert in_order != [1] * 5


def test_labels_with_fewer_documents_than_folds_do_not_warn():
    y = np.zeros((60, 3), dtype=int)
    y[:30, 0] = 1
    y[30:32, 1] = y[:3, 2] = 1
    models = {"forest": make_pipeline(CountVectorizer(), RandomForestClassifier(3))}
    with warnings.catch_warnings(action="error"):
        compare(models, TEXTS, y, cv=5, scoring="accuracy")


@pytest.mark.parametrize(
    "cv",
    [
        StratifiedKFold(3),
        RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0),
        StratifiedShuffleSplit(3, random_state=0),
    ],
    ids=lambda cv: type(cv).__name__,
)
def test_stratified_splitters_split_by_the_rarest_label(cv, baselines):
    one = {"linear_svc": baselines["linear_svc"]}
    result = compare(one, TEXTS, Y, cv=cv)
    expected = [test for _, test in cv.split(TEXTS, rarest_labels(Y, 3))]
    found = [group.index.to_list() for _, group in result.predictions.groupby(["repeat", "fold"])]
    assert sorted(map(sorted, found)) == sorted(sorted(test.tolist()) for test in expected)


def test_rarest_labels_are_strata_of_at_least_the_minimum_size():
    y = np.array([[1, 1, 0]] * 3 + [[1, 0, 0]] * 6 + [[1, 0, 1]] * 2 + [[0, 0, 0]] * 2)
    assert_array_equal(rarest_labels(y), [1] * 3 + [0] * 6 + [2] * 2 + [3] * 2)
    assert_array_equal(rarest_labels(y, 3), [1] * 3 + [0] * 6 + [0] * 4)


# --- Scores


class Scored(ClassifierMixin, BaseEstimator):
    """Returns fixed scores."""

    def __init__(self, scores):
        self.scores = scores

    def decision_function(self, X):
        return np.array(self.scores, dtype=float)


def test_documents_without_labels_count_0_in_precision_at_1():
    model = Scored([[2.0, 1.0], [1.0, 2.0], [1.0, -1.0]])
    y = np.array([[1, 0], [1, 0], [0, 0]])
    assert precision_at_1(model, TEXTS[:3], y) == pytest.approx(1 / 3)
    assert label_ranking_average_precision(model, TEXTS[:3], y) == pytest.approx(
        label_ranking_average_precision_score(y, model.scores)
    )


def test_equal_scores_count_by_their_mean():
    y = np.array([[0, 0, 1]] * 2)
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        model = Scored(np.array([[0.0, 1.0, 1.0], [2.0, 2.0, 2.0]])[:, order])
        assert precision_at_1(model, TEXTS[:2], y[:, order]) == pytest.approx((1 / 2 + 1 / 3) / 2)


@pytest.mark.parametrize("inner", [LinearSVC(), LogisticRegression(), MultinomialNB()])
def test_labels_without_training_documents_are_ranked_last(inner):
    y = np.column_stack([np.zeros(60, int), Y[:, :2]])  # Most scores of LinearSVC are negative.
    model = make_pipeline(CountVectorizer(), OneVsRestClassifier(inner))
    with warnings.catch_warnings(action="ignore"):  # scikit-learn warns of the constant label.
        model.fit(TEXTS, y)
    others = make_pipeline(CountVectorizer(), OneVsRestClassifier(inner)).fit(TEXTS, Y[:, :2])
    for score in (precision_at_1, label_ranking_average_precision):
        assert score(model, TEXTS, y) == pytest.approx(score(others, TEXTS, Y[:, :2]))


def test_random_forest_may_lack_a_label_in_its_training_documents():
    y = np.column_stack([Y[:, :2], np.zeros(60, int)])
    model = make_pipeline(CountVectorizer(), RandomForestClassifier(30, random_state=0))
    expected = model.fit(TEXTS, Y[:, :2])
    expected = label_ranking_average_precision(expected, TEXTS, Y[:, :2])
    assert label_ranking_average_precision(model.fit(TEXTS, y), TEXTS, y) == pytest.approx(expected)


def test_scores_need_a_classifier_that_scores():
    class Predicts(ClassifierMixin, BaseEstimator):
        def predict(self, X):
            return Y

    with pytest.raises(TypeError, match="Predicts has no decision_function and no predict_proba"):
        precision_at_1(Predicts(), TEXTS, Y)

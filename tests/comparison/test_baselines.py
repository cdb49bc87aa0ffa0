"""classic_baselines learn from raw texts, and NBSVMClassifier matches its paper."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklstm import NBSVMClassifier, TextSequencer, classic_baselines

WORD_MODELS = ["linear_svc", "logistic_regression", "naive_bayes", "nb_svm", "random_forest"]
NAMES = ["char_svc", *WORD_MODELS]

TEXTS = [
    "a wonderful film with a warm heart",
    "I loved every minute of this wonderful story",
    "great acting and a great script",
    "funny and warm, I loved it",
    "a great film, funny from start to end",
    "a terrible film without any heart",
    "I hated every minute of this boring story",
    "awful acting and a boring script",
    "terrible jokes, I hated it",
    "an awful film, boring from start to end",
]
LABELS = ["positive"] * 5 + ["negative"] * 5

QUESTIONS = [
    "who wrote the book",
    "who won the game",
    "who painted the picture",
    "where is the river",
    "where is the city",
    "where did the war begin",
    "when did the war begin",
    "when was the book printed",
    "when was the city founded",
]
ASKED_FOR = ["person"] * 3 + ["place"] * 3 + ["time"] * 3


@pytest.fixture(params=NAMES)
def baseline(request):
    return classic_baselines(random_state=0)[request.param]


@pytest.fixture(params=WORD_MODELS)
def word_baseline(request):
    return classic_baselines(random_state=0)[request.param]


@pytest.fixture
def soft_voting():
    return classic_baselines(random_state=0, soft_voting=True)["soft_voting"]


def test_the_baselines_are_the_documented_ones():
    assert list(classic_baselines()) == NAMES


def test_every_call_gives_new_pipelines(baseline):
    first, second = classic_baselines(), classic_baselines()
    assert all(first[name] is not second[name] for name in NAMES)


def test_baseline_learns_sentences(baseline):
    baseline.fit(TEXTS, LABELS)
    assert baseline.score(TEXTS, LABELS) == 1.0
    predicted = baseline.predict(["a wonderful script, I loved it", "boring, awful and terrible"])
    assert_array_equal(predicted, ["positive", "negative"])
    assert_array_equal(baseline.classes_, ["negative", "positive"])


def test_baseline_learns_more_than_two_classes(baseline):
    baseline.fit(QUESTIONS, ASKED_FOR)
    assert baseline.score(QUESTIONS, ASKED_FOR) == 1.0
    predicted = baseline.predict(["who wrote the picture", "where is the war", "when was the game"])
    assert_array_equal(predicted, ["person", "place", "time"])


def test_baseline_can_be_cloned_and_pickled(baseline):
    fitted = clone(baseline).fit(TEXTS, LABELS)
    assert not hasattr(baseline, "classes_")
    restored = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(restored.predict(TEXTS), fitted.predict(TEXTS))


def test_baseline_can_be_searched(baseline):
    grid = {"vectorizer__ngram_range": [(1, 1), (1, 2)], "vectorizer__lowercase": [True]}
    search = GridSearchCV(baseline, grid, cv=2, error_score="raise").fit(TEXTS * 2, LABELS * 2)
    assert search.best_score_ >= 0.8
    assert set(search.best_params_) == set(grid)


def test_random_state_makes_a_baseline_reproducible(baseline):
    def scores():
        model = clone(baseline).fit(TEXTS, LABELS)
        scoring = getattr(model, "decision_function", None) or model.predict_proba
        return scoring(QUESTIONS)

    assert_array_equal(scores(), scores())


def test_random_state_reaches_every_classifier_that_draws():
    for model in classic_baselines(random_state=7).values():
        assert model["classifier"].get_params().get("random_state", 7) in (7, None)
    seeds = {
        name: model.get_params().get("classifier__random_state")
        for name, model in classic_baselines(random_state=7).items()
    }
    drawing = ("char_svc", "linear_svc", "nb_svm", "random_forest")
    assert {seeds[name] for name in drawing} == {7}


@pytest.mark.parametrize("form", [tuple, np.array, pd.Series])
def test_form_of_the_texts_does_not_change_predictions(baseline, form):
    expected = clone(baseline).fit(TEXTS, LABELS).predict(TEXTS)
    assert_array_equal(baseline.fit(form(TEXTS), form(LABELS)).predict(form(TEXTS)), expected)


def test_text_columns_are_joined_as_text_sequencer_joins_them(baseline):
    columns = pd.DataFrame({"title": ["a play", None] * 5, "text": TEXTS})
    joined = [f"a play {text}" if row % 2 == 0 else text for row, text in enumerate(TEXTS)]
    expected = clone(baseline).fit(joined, LABELS).predict(TEXTS)
    assert_array_equal(baseline.fit(columns, LABELS)["classifier"].classes_, np.unique(LABELS))
    assert_array_equal(baseline[1:].predict(TEXTS), expected)


def test_missing_text_is_an_empty_one(baseline):
    baseline.fit([*TEXTS, None], [*LABELS, "positive"])
    assert_array_equal(baseline.predict([None, np.nan]), baseline.predict(["", ""]))


def test_words_are_those_of_text_sequencer(word_baseline):
    texts = ["I don't like it", "it's 5 o'clock"]
    word_baseline.set_params(vectorizer__ngram_range=(1, 1), vectorizer__min_df=1)
    vocabulary = word_baseline.fit(texts, [0, 1])["vectorizer"].vocabulary_
    assert set(vocabulary) == set(TextSequencer().fit(texts).vocabulary_)


def test_terms_of_a_single_document_are_dropped(word_baseline):
    word_baseline.fit(["rare rare words", "some words", "some others"], [0, 1, 1])
    assert set(word_baseline["vectorizer"].vocabulary_) == {"some", "words"}


def test_two_short_texts_are_enough_with_min_df_1(baseline, request):
    name = request.node.callspec.params["baseline"]
    with pytest.raises(ValueError, match="Try a lower min_df"):
        baseline.fit(["yes", "no"], [1, 0])
    fitted = classic_baselines(random_state=0, min_df=1)[name].fit(["yes", "no"], [1, 0])
    assert set(fitted["vectorizer"].vocabulary_) >= {"yes", "no"}
    assert_array_equal(fitted.predict(["no", "yes"]), [0, 1])


def test_terms_of_char_svc_are_character_ngrams_within_words():
    model = classic_baselines(min_df=1)["char_svc"].fit(["Go on", "no"], [1, 0])
    padded = ["go", "on", "no"]
    expected = {
        f" {word} "[start : start + size]
        for word in padded
        for size in range(2, 5)
        for start in range(len(word) + 3 - size)
    }
    assert set(model["vectorizer"].vocabulary_) == expected
    dropped = classic_baselines()["char_svc"].fit(["go on", "go"], [1, 0])
    assert set(dropped["vectorizer"].vocabulary_) == {" g", "go", "o ", " go", "go ", " go "}


def test_char_svc_recognizes_inflected_and_misspelled_words():
    models = classic_baselines(random_state=0, min_df=1)
    texts = ["she walked there", "they swam here"] * 3
    new = ["walking", "wallked", "swimming, they swamm"]
    assert_array_equal(
        models["char_svc"].fit(texts, ["on foot", "in water"] * 3).predict(new),
        ["on foot", "on foot", "in water"],
    )
    unknown = models["linear_svc"].fit(texts, ["on foot", "in water"] * 3)
    assert unknown[:-1].transform(new[:2]).nnz == 0


def test_char_svc_learns_texts_without_spaces():
    texts = ["这部电影很好看", "音乐很好听很感人", "这部电影很无聊", "故事太长很无聊"]
    model = classic_baselines(random_state=0, min_df=1)["char_svc"].fit(texts, [1, 1, 0, 0])
    assert_array_equal(model.predict(["音乐好听", "无聊的电影"]), [1, 0])


# --- Soft voting


def test_soft_voting_is_added_on_request_only():
    assert list(classic_baselines(soft_voting=True)) == [*NAMES, "soft_voting"]


def test_soft_voting_is_the_mean_of_calibrated_probabilities(soft_voting):
    baselines = classic_baselines(random_state=0)
    expected = []
    for name in ("char_svc", "nb_svm"):
        _, vectorizer, classifier = (clone(step) for _, step in baselines[name].steps)
        calibrated = CalibratedClassifierCV(classifier, cv=5, ensemble=False)
        model = make_pipeline(vectorizer, calibrated).fit(TEXTS, LABELS)
        expected.append(model.predict_proba(QUESTIONS))
    soft_voting.fit(TEXTS, LABELS)
    assert_allclose(soft_voting.predict_proba(QUESTIONS), np.mean(expected, axis=0))
    assert_array_equal(soft_voting.classes_, ["negative", "positive"])
    assert soft_voting.score(TEXTS, LABELS) == 1.0


def test_soft_voting_takes_what_the_others_take(soft_voting):
    columns = pd.DataFrame({"title": ["a play", None] * 5, "text": TEXTS})
    soft_voting.fit(columns, pd.Series(LABELS))
    assert soft_voting.predict(columns).shape == (10,)
    assert soft_voting.predict([None]) == soft_voting.predict([""])
    restored = pickle.loads(pickle.dumps(soft_voting))
    assert_array_equal(restored.predict_proba(columns), soft_voting.predict_proba(columns))


def test_soft_voting_learns_more_than_two_classes(soft_voting):
    soft_voting.fit(QUESTIONS * 2, ASKED_FOR * 2)
    assert soft_voting.score(QUESTIONS, ASKED_FOR) == 1.0
    assert_allclose(soft_voting.predict_proba(TEXTS).sum(axis=1), 1)


def test_soft_voting_needs_five_documents_per_class_unless_cv_is_smaller(soft_voting):
    with pytest.raises(ValueError, match=r"n_splits=5|less than 5 examples"):
        soft_voting.fit(QUESTIONS, ASKED_FOR)
    cv = {f"classifier__{name}__classifier__cv": 3 for name in ("char_svc", "nb_svm")}
    soft_voting.set_params(**cv).fit(QUESTIONS, ASKED_FOR)
    assert soft_voting.score(QUESTIONS, ASKED_FOR) == 1.0


def test_soft_voting_settings_are_those_of_the_others():
    model = classic_baselines(random_state=7, min_df=1, soft_voting=True)["soft_voting"]
    parameters = model.get_params()
    for name, member in classic_baselines(random_state=7, min_df=1).items():
        if name in ("char_svc", "nb_svm"):
            prefix = f"classifier__{name}"
            assert repr(parameters[f"{prefix}__vectorizer"]) == repr(member["vectorizer"])
            found = parameters[f"{prefix}__classifier__estimator"]
            assert repr(found) == repr(member["classifier"])
            assert found.random_state == 7


def test_soft_voting_of_several_labels_is_refused():
    with pytest.raises(ValueError, match="soft_voting=True does not support multilabel=True"):
        classic_baselines(multilabel=True, soft_voting=True)


# --- NB-SVM


@parametrize_with_checks([NBSVMClassifier(random_state=0), NBSVMClassifier(beta=1, random_state=0)])
def test_nb_svm_meets_the_estimator_contract(estimator, check):
    check(estimator)


def reference_coefficients(presence, is_member, alpha, beta, C, max_iter=1000):
    """Compute NB-SVM's coefficients and intercept of one class, word for word after the paper."""
    p = np.full(presence.shape[1], float(alpha))
    q = np.full(presence.shape[1], float(alpha))
    for row, member in zip(presence, is_member, strict=True):
        if member:
            p += row
        else:
            q += row
    r = np.log((p / np.abs(p).sum()) / (q / np.abs(q).sum()))
    machine = LinearSVC(C=C, tol=1e-10, max_iter=100_000, random_state=1)
    machine.fit(presence * r, np.where(is_member, 1, -1))
    w = machine.coef_[0]
    mean_magnitude = np.linalg.norm(w, 1) / len(w)
    return r * ((1 - beta) * mean_magnitude + beta * w), machine.intercept_[0]


@pytest.mark.parametrize(
    ("texts", "labels"), [(TEXTS, LABELS), (QUESTIONS, ASKED_FOR)], ids=["binary", "multiclass"]
)
@pytest.mark.parametrize("parameters", [{}, {"C": 0.1, "alpha": 0.5, "beta": 0.6}])
def test_nb_svm_coefficients_follow_the_paper(texts, labels, parameters):
    counts = CountVectorizer().fit_transform(texts)
    model = NBSVMClassifier(random_state=0, **parameters).fit(counts, labels)

    presence = np.minimum(counts.toarray(), 1).astype(float)
    told_apart = model.classes_[1:] if len(model.classes_) == 2 else model.classes_
    for row, label in enumerate(told_apart):
        is_member = np.array(labels) == label
        settings = {"C": 1.0, "alpha": 1.0, "beta": 0.25, **parameters}
        coefficients, intercept = reference_coefficients(presence, is_member, **settings)
        assert_allclose(model.coef_[row], coefficients, atol=1e-3)
        assert_allclose(model.intercept_[row], intercept, atol=1e-3)


def test_nb_svm_log_count_ratio_is_that_of_naive_bayes_on_presence():
    presence = CountVectorizer(binary=True).fit_transform(TEXTS)
    model = NBSVMClassifier(alpha=0.5, random_state=0).fit(presence, LABELS)
    log_probability = MultinomialNB(alpha=0.5).fit(presence, LABELS).feature_log_prob_
    assert_allclose(model.log_count_ratio_[0], log_probability[1] - log_probability[0])


def test_nb_svm_without_trust_in_the_machine_ranks_features_as_naive_bayes_does():
    presence = CountVectorizer(binary=True).fit_transform(TEXTS)
    model = NBSVMClassifier(beta=0, random_state=0).fit(presence, LABELS)
    ratio = model.coef_ / model.log_count_ratio_
    assert_allclose(ratio, ratio[0, 0])
    assert ratio[0, 0] > 0


def test_nb_svm_counts_presence_only():
    counts = CountVectorizer().fit_transform(TEXTS)
    presence = CountVectorizer(binary=True).fit_transform(TEXTS)
    assert (counts != presence).nnz > 0
    on_counts = NBSVMClassifier(random_state=0).fit(counts, LABELS)
    on_presence = NBSVMClassifier(random_state=0).fit(presence, LABELS)
    assert_array_equal(on_counts.coef_, on_presence.coef_)
    assert_array_equal(on_counts.decision_function(counts), on_counts.decision_function(presence))


@pytest.mark.parametrize("layout", [np.asarray, csr_array])
def test_nb_svm_leaves_its_input_alone(layout):
    X = layout(CountVectorizer().fit_transform(TEXTS).toarray())
    before = X.copy()
    NBSVMClassifier(random_state=0).fit(X, LABELS).predict(X)
    assert_array_equal(abs(X - before).sum(), 0)


def test_nb_svm_has_one_score_for_two_classes_and_one_each_for_more():
    model = NBSVMClassifier(random_state=0)
    counts = CountVectorizer().fit_transform(QUESTIONS)
    assert model.fit(counts, ASKED_FOR).decision_function(counts).shape == (9, 3)
    assert model.fit(counts, [0, 1] * 4 + [0]).decision_function(counts).shape == (9,)
    assert model.coef_.shape == (1, counts.shape[1])


def test_nb_svm_names_what_is_wrong_with_its_input():
    model = NBSVMClassifier()
    with pytest.raises(ValueError, match=r"at least 2 classes; y has only one class: 'a'"):
        model.fit([[1], [0]], ["a", "a"])
    with pytest.raises(ValueError, match="Negative values in data passed to NBSVMClassifier"):
        model.fit([[1], [-1]], ["a", "b"])
    with pytest.raises(ValueError, match="'beta' parameter of NBSVMClassifier"):
        NBSVMClassifier(beta=2).fit([[1], [0]], ["a", "b"])

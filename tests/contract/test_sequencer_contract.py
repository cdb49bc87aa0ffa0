"""TextSequencer passes the scikit-learn estimator checks and additional API tests."""

import copy
import io
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import check_array, estimator_checks, get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklstm.sequencer import TextSequencer

TEXTS = ["A good film", "A bad film", "Good, good film!", "", "I don't like it"]
FRAME = pd.DataFrame({"title": ["Up", "Jaws"], "review": ["a warm film", "a film with teeth"]})

FITS = {
    "vocabulary": {},
    "hash": {"indexing": "hash", "max_tokens": 50},
    "fixed": {"vocabulary": {"film": 2, "good": 7}},
    "stems": {"stemmer": "english", "stop_words": "english"},
}


class NumbersAsWords(TextSequencer):
    """Reads each number of a 2-D array as a word, so that scikit-learn's own data can be used."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.one_d_array = tags.input_tags.allow_nan = False
        tags.input_tags.two_d_array = True
        return tags

    def _tokenize(self, X, *, reset):
        words = np.vectorize("x{:.1f}".format, otypes=[object])(check_array(X))
        if hasattr(X, "columns"):
            words = pd.DataFrame(words, columns=X.columns)
        return super()._tokenize(words, reset=reset)


def assert_equal_states(one, other):
    assert vars(one).keys() == vars(other).keys()
    for name, value in vars(one).items():
        # assert_equal goes into the tuple of arrays that partial_fit resumes from.
        np.testing.assert_equal(value, vars(other)[name], err_msg=name)


@parametrize_with_checks([NumbersAsWords()])
def test_scikit_learn_checks_pass_where_numbers_are_words(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "name",
    [
        "check_estimator_cloneable",
        "check_estimator_tags_renamed",
        "check_valid_tag_types",
        "check_estimator_repr",
        "check_no_attributes_set_in_init",
        "check_do_not_raise_errors_in_init_or_set_params",
        "check_mixin_order",
        "check_estimators_unfitted",
        "check_transformers_unfitted",
        "check_parameters_default_constructible",
        "check_get_params_invariance",
        "check_set_params",
        "check_param_validation",
    ],
)
def test_scikit_learn_checks_that_read_no_numbers_pass(name):
    getattr(estimator_checks, name)("TextSequencer", TextSequencer())


def test_tags_say_texts_as_count_vectorizer_does():
    tags = get_tags(TextSequencer())
    reference = get_tags(CountVectorizer())
    assert tags.input_tags.string is reference.input_tags.string is True
    assert tags.input_tags.two_d_array is reference.input_tags.two_d_array is False
    assert tags.input_tags.one_d_array
    assert tags.input_tags.allow_nan
    assert not tags.target_tags.required
    assert tags.requires_fit
    assert tags.transformer_tags.preserves_dtype == []


def test_parameters_come_back_from_get_params_in_the_order_of_their_constraints():
    sequencer = TextSequencer(max_len=7, stop_words=["film"])
    assert sequencer.get_params()["max_len"] == 7
    assert list(TextSequencer._parameter_constraints) == list(vars(sequencer))


@pytest.mark.parametrize("kind", FITS)
def test_clone_has_equal_parameters_and_is_not_fitted(kind):
    sequencer = TextSequencer(**FITS[kind]).fit(TEXTS)
    copied = clone(sequencer)
    assert copied.get_params() == sequencer.get_params()
    with pytest.raises(NotFittedError):
        copied.transform(TEXTS)


@pytest.mark.parametrize("method", ["transform", "inverse_transform", "get_feature_names_out"])
def test_use_before_fit_raises_not_fitted_error(method):
    arguments = [] if method == "get_feature_names_out" else [[[1]]]
    with pytest.raises(NotFittedError, match="not fitted"):
        getattr(TextSequencer(), method)(*arguments)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_fit_and_partial_fit_return_self(method):
    sequencer = TextSequencer()
    assert getattr(sequencer, method)(TEXTS, ["y"] * 5) is sequencer


@pytest.mark.parametrize("kind", FITS)
def test_fit_transform_equals_fit_then_transform(kind):
    direct = TextSequencer(**FITS[kind]).fit_transform(TEXTS)
    np.testing.assert_array_equal(direct, TextSequencer(**FITS[kind]).fit(TEXTS).transform(TEXTS))


@pytest.mark.parametrize("kind", FITS)
def test_fit_is_idempotent(kind):
    sequencer = TextSequencer(**FITS[kind]).fit(["another", "text"]).fit(TEXTS)
    once = TextSequencer(**FITS[kind]).fit(TEXTS)
    assert_equal_states(sequencer, once)


@pytest.mark.parametrize("kind", FITS)
def test_fit_leaves_its_input_and_the_parameters_alone(kind):
    texts, frame = list(TEXTS), FRAME.copy()
    parameters = copy.deepcopy(FITS[kind])
    sequencer = TextSequencer(**parameters)
    sequencer.fit(texts).transform(texts)
    sequencer.fit(frame).transform(frame)
    assert texts == TEXTS
    pd.testing.assert_frame_equal(frame, FRAME)
    assert parameters == FITS[kind]


def test_fit_sets_only_fitted_and_private_attributes():
    sequencer = TextSequencer()
    parameters = set(vars(sequencer))
    sequencer.fit(TEXTS)
    added = set(vars(sequencer)) - parameters
    assert all(name.endswith("_") or name.startswith("_") for name in added)


def test_a_fit_of_another_kind_leaves_no_attribute_of_the_first_behind():
    sequencer = TextSequencer().fit(FRAME)
    sequencer.set_params(indexing="hash").fit(TEXTS)
    expected = {"n_tokens_", "max_len_", "n_features_in_"}
    assert set(vars(sequencer)) - set(sequencer.get_params()) == expected


def test_no_global_random_generator_is_read_or_set():
    np.random.seed(0)  # noqa: NPY002 - the global generator is what this is about
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    TextSequencer(indexing="hash").fit_transform(TEXTS)
    TextSequencer(stemmer="porter").fit_transform(TEXTS)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def through_joblib(estimator):
    buffer = io.BytesIO()
    joblib.dump(estimator, buffer)
    buffer.seek(0)
    return joblib.load(buffer)


def through_pickle(estimator):
    return pickle.loads(pickle.dumps(estimator))


@pytest.mark.parametrize("kind", FITS)
@pytest.mark.parametrize("copied_by", [through_pickle, through_joblib, copy.deepcopy])
def test_a_stored_or_copied_sequencer_is_as_good_as_the_original(kind, copied_by):
    original = TextSequencer(**FITS[kind]).fit(TEXTS)
    copied = copied_by(original)
    assert_equal_states(copied, original)
    np.testing.assert_array_equal(copied.transform(TEXTS), original.transform(TEXTS))
    more = ["a brand new film", "good"]
    np.testing.assert_array_equal(
        copied.partial_fit(more).transform(more), original.partial_fit(more).transform(more)
    )


def test_an_unfitted_sequencer_can_be_stored():
    assert through_pickle(TextSequencer(max_len=3)).get_params()["max_len"] == 3


def test_the_state_holds_tokens_once_as_an_array_and_plain_values():
    sequencer = TextSequencer(stemmer="english", stop_words=["a"]).fit(TEXTS)
    state = sequencer.__getstate__()
    assert "vocabulary_" not in state
    assert "vocabulary_" in vars(sequencer)
    plain = (str, int, float, bool, list, tuple, np.ndarray, type(None))
    assert all(isinstance(value, plain) for value in state.values())


def test_the_state_of_fit_does_not_grow_with_tokens_outside_the_vocabulary():
    rare = [f"film {'x' * 50}{i}" for i in range(1000)]
    pruned, whole = TextSequencer(max_tokens=3).fit(rare), TextSequencer().fit(rare)
    assert len(pickle.dumps(pruned)) < len(pickle.dumps(whole)) / 4


def test_feature_names_out_number_the_columns():
    sequencer = TextSequencer(max_len=2).fit(TEXTS)
    assert sequencer.get_feature_names_out().tolist() == ["textsequencer0", "textsequencer1"]


@pytest.mark.parametrize("X", [TEXTS, pd.Series(TEXTS, index=list("abcde"))])
def test_pandas_output_holds_the_same_ids(X):
    sequencer = TextSequencer().set_output(transform="pandas")
    frame = sequencer.fit_transform(X)
    pd.testing.assert_frame_equal(sequencer.transform(X), frame)
    assert list(frame.columns) == sequencer.get_feature_names_out().tolist()
    np.testing.assert_array_equal(frame.to_numpy(), TextSequencer().fit_transform(X))
    assert (frame.dtypes == np.int32).all()


@pytest.mark.parametrize("X", [TEXTS, tuple(TEXTS), pd.Series(TEXTS), np.array(TEXTS)])
def test_one_dimensional_texts_are_one_nameless_feature(X):
    sequencer = TextSequencer().fit(X)
    assert sequencer.n_features_in_ == 1
    assert not hasattr(sequencer, "feature_names_in_")


def test_a_data_frame_gives_its_column_names():
    sequencer = TextSequencer().fit(FRAME)
    assert sequencer.n_features_in_ == 2
    assert sequencer.feature_names_in_.tolist() == ["title", "review"]


def test_another_number_of_columns_is_refused():
    with pytest.raises(ValueError, match="X has 1 features, but TextSequencer is expecting 2"):
        TextSequencer().fit(FRAME.to_numpy()).transform(TEXTS)


@pytest.mark.parametrize("method", ["transform", "partial_fit"])
def test_other_column_names_are_refused(method):
    renamed = FRAME.rename(columns={"title": "name"})
    with pytest.raises(ValueError, match="feature names should match"):
        getattr(TextSequencer().fit(FRAME), method)(renamed)


def test_lost_column_names_are_warned_about():
    sequencer = TextSequencer().fit(FRAME)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        sequencer.transform(FRAME.to_numpy())


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_pipelines_can_be_searched_in_parallel(backend):
    texts, labels = ["a good film", "a bad film"] * 6, ["good", "bad"] * 6
    search = GridSearchCV(
        make_pipeline(TextSequencer(), DecisionTreeClassifier(random_state=0)),
        {"textsequencer__max_tokens": [3, None], "textsequencer__indexing": ["vocabulary"]},
        cv=2,
        n_jobs=2,
    )
    with joblib.parallel_config(backend):
        search.fit(texts, labels)
    assert search.best_params_["textsequencer__max_tokens"] is None
    assert search.predict(["good film", "bad film"]).tolist() == ["good", "bad"]

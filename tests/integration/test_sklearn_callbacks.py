"""scikit-learn callbacks are called in each epoch, also in a pipeline and a search."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from conftest import LABELS, TEXTS, assert_same_weights, make_ids, small_classifier
from sklearn.base import clone
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklstm import LSTMTextClassifier, TextSequencer

callback = pytest.importorskip("sklearn.callback", reason="callbacks are new in scikit-learn 1.9")

IDS, Y = make_ids()


class Recorder:
    """Records its calls, and ends training after `stop_after` epochs."""

    def __init__(self, stop_after=None, fail_in=None):
        self.stop_after = stop_after
        self.fail_in = fail_in
        self.events = []
        self.copies = []
        self.tasks = []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        self.events.append(f"end {context.task_name}")
        self.tasks.append((context, X, y, metadata))
        self.copies.append(fitted_estimator)
        if self.fail_in == context.task_name:
            raise RuntimeError("the callback failed")
        return self.stop_after is not None and len(self.copies) >= self.stop_after


def test_each_epoch_is_a_task_of_the_fit():
    recorder = Recorder()
    small_classifier(epochs=2).set_callbacks(recorder).fit(IDS, Y)
    epoch = ["begin epoch", "end epoch"]
    assert recorder.events == ["setup", "begin fit", *epoch, *epoch, "end fit", "teardown"]
    assert [task[0].max_subtasks for task in recorder.tasks] == [0, 0, 2]


def test_callbacks_change_no_weight():
    watched = small_classifier(dropout=0.2, average_weights=True).set_callbacks(Recorder())
    alone = small_classifier(dropout=0.2, average_weights=True)
    assert_same_weights(watched.fit(IDS, Y).weights_, alone.fit(IDS, Y).weights_)


@pytest.mark.parametrize("parameters", [{}, {"average_weights": True}, {"ngrams": 2}])
def test_the_copy_after_an_epoch_equals_a_fit_of_so_many_epochs(parameters):
    recorder = Recorder()
    small_classifier(epochs=3, **parameters).set_callbacks(recorder).fit(IDS, Y)
    for n_epochs, copied in zip((1, 2, 3, 3), recorder.copies, strict=True):
        stopped = small_classifier(epochs=n_epochs, **parameters).fit(IDS, Y)
        np.testing.assert_array_equal(copied.predict_proba(IDS), stopped.predict_proba(IDS))
        assert copied.history_ == stopped.history_
        assert copied.n_iter_ == n_epochs


def test_the_copy_is_whole_where_a_network_of_another_width_is_fitted_anew():
    classifier = small_classifier(epochs=1, pooling="flatten").fit(IDS, Y)
    recorder = Recorder()
    classifier.set_callbacks(recorder).fit(IDS[:, :5], Y)
    np.testing.assert_array_equal(
        recorder.copies[0].predict_proba(IDS[:, :5]), classifier.predict_proba(IDS[:, :5])
    )


def test_a_callback_can_end_training():
    recorder = Recorder(stop_after=2)
    classifier = small_classifier(epochs=5).set_callbacks(recorder).fit(IDS, Y)
    assert classifier.n_iter_ == 2
    assert recorder.events[-2:] == ["end fit", "teardown"]


def test_callbacks_see_the_documents_that_are_trained_on():
    X = pd.DataFrame(IDS, columns=[f"id{i}" for i in range(IDS.shape[1])])
    recorder = Recorder()
    weights = np.arange(1.0, len(Y) + 1)
    classifier = small_classifier(early_stopping=True, validation_fraction=0.25)
    classifier.set_callbacks(recorder).fit(X, Y, sample_weight=weights)
    for _, X_seen, y_seen, metadata in recorder.tasks:
        assert len(X_seen) == len(y_seen) == 45
        rows = X_seen.index
        assert X.loc[rows].equals(X_seen)
        np.testing.assert_array_equal(Y[rows], y_seen)
        np.testing.assert_array_equal(weights[rows], metadata["sample_weight"])


def test_a_failing_callback_leaves_the_classifier_as_it_was():
    classifier = small_classifier(epochs=1).fit(IDS, Y)
    expected = classifier.predict_proba(IDS)
    recorder = Recorder(fail_in="epoch")
    with pytest.raises(RuntimeError, match="the callback failed"):
        classifier.set_callbacks(recorder).set_params(units=2).fit(IDS, Y)
    assert recorder.events[-1] == "teardown"
    np.testing.assert_array_equal(classifier.predict_proba(IDS), expected)
    assert not [name for name in vars(classifier) if "callback_fit" in name or "teardown" in name]


def test_callbacks_are_taken_down_after_an_error_in_training():
    recorder = Recorder()
    classifier = small_classifier(learning_rate=1e30, clipnorm=None, activation="linear")
    with pytest.raises(ValueError, match="learning_rate"):
        classifier.set_callbacks(recorder).fit(IDS, Y)
    assert recorder.events[0] == "setup"
    assert recorder.events[-1] == "teardown"
    assert not hasattr(classifier, "weights_")


def test_scores_of_a_monitor_are_those_of_the_training_documents():
    monitor = callback.ScoringMonitor(scoring="accuracy")
    classifier = small_classifier(epochs=3).set_callbacks(monitor).fit(IDS, Y)
    logs = monitor.get_logs().data_as_pandas
    expected = [
        accuracy_score(Y, small_classifier(epochs=n).fit(IDS, Y).predict(IDS)) for n in (1, 2, 3)
    ]
    assert logs.loc[logs.task_name == "epoch", "accuracy"].tolist() == expected
    assert logs.loc[logs.task_name == "fit", "accuracy"].tolist() == [classifier.score(IDS, Y)]


def test_a_classifier_with_a_monitor_can_be_cloned_copied_and_pickled():
    monitor = callback.ScoringMonitor(scoring="accuracy")
    classifier = small_classifier(epochs=1).set_callbacks(monitor).fit(IDS, Y)
    expected = classifier.predict_proba(IDS)
    for other in (
        copy.deepcopy(classifier),
        pickle.loads(pickle.dumps(classifier)),
        clone(classifier).fit(IDS, Y),
    ):
        np.testing.assert_array_equal(other.predict_proba(IDS), expected)


def test_partial_fit_tells_callbacks_nothing():
    recorder = Recorder()
    small_classifier().set_callbacks(recorder).partial_fit(IDS, Y, classes=[0, 1])
    assert recorder.events == []


def test_the_sequencer_is_one_task():
    for fit in (TextSequencer.fit, TextSequencer.fit_transform):
        recorder = Recorder()
        fit(TextSequencer().set_callbacks(recorder), TEXTS)
        assert recorder.events == ["setup", "begin fit", "end fit", "teardown"]
        np.testing.assert_array_equal(
            recorder.copies[0].transform(TEXTS), TextSequencer().fit_transform(TEXTS)
        )


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_monitors_each_epoch_of_each_fit(n_jobs):
    monitor = callback.ScoringMonitor(scoring="accuracy")
    classifier = small_classifier(epochs=2).set_callbacks(monitor)
    grid = {"lstmtextclassifier__learning_rate": [0.01, 0.02]}
    model = make_pipeline(TextSequencer(), classifier)
    search = GridSearchCV(model, grid, cv=2, n_jobs=n_jobs).fit(TEXTS, LABELS)
    logs = monitor.get_logs().data_as_pandas
    epochs = logs[logs.task_name == "epoch"]
    assert len(epochs) == (2 * 2 + 1) * 2
    refit = epochs[[path[:2] == (0, 1) for path in epochs.task_id_path]]
    assert refit.accuracy.iloc[-1] == search.score(TEXTS, LABELS)


def test_progress_bars_show_the_epochs_of_a_search(capfd):
    pytest.importorskip("rich")
    model = make_pipeline(TextSequencer(), LSTMTextClassifier(units=2, embedding_dim=2, epochs=2))
    search = GridSearchCV(model, {"lstmtextclassifier__units": [2]}, cv=2)
    search.set_callbacks(callback.ProgressBar(max_propagation_depth=None)).fit(TEXTS, LABELS)
    shown = capfd.readouterr().out
    for name in ("GridSearchCV", "TextSequencer", "LSTMTextClassifier"):
        assert name in shown
    assert shown.count("100%") >= 10

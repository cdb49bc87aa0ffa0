"""Progress of training: a bar in a terminal or notebook, one line per epoch elsewhere."""

from __future__ import annotations

import io
import os
import re
import select
import time
from contextlib import redirect_stdout

import pytest
from conftest import LABELS, TEXTS, assert_same_weights, make_ids, small_classifier
from custom_models import network as custom_model
from sklearn.pipeline import make_pipeline

from sklstm import KerasTextClassifier, TextSequencer, fit_stream
from sklstm import _progress as room
from sklstm._network import pool
from sklstm._progress import duration, progress

IDS, Y = make_ids()
TIME = r"\d+(\.\d)? s"


class Terminal(io.StringIO):
    """Says that it is a terminal, and can show the blocks of a bar."""

    encoding = "utf-8"

    def isatty(self):
        return True


def in_terminal(function, *arguments, **named):
    """Call a function with a terminal as the standard output; return what it shows."""
    with redirect_stdout(Terminal()) as terminal:
        function(*arguments, **named)
    return terminal.getvalue()


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves, in seconds."""
    now = [0.0]
    monkeypatch.setattr(room, "perf_counter", lambda: now[0])
    return now


def frames_of(shown):
    """Return what stood in each line of a terminal, one after the other."""
    return [
        [frame for frame in line.split("\r") if frame]
        for line in shown.replace("\r\n", "\n").split("\n")[:-1]
    ]


# --- In a log


@pytest.mark.parametrize("verbose", [1, 2, True])
def test_a_log_has_a_plain_line_an_epoch(verbose, capsys):
    small_classifier(verbose=verbose).fit(IDS, Y)
    lines = capsys.readouterr().out.splitlines(keepends=True)
    metrics = r"loss 0\.\d{4}, accuracy [01]\.\d{4}"
    assert len(lines) == 2
    assert re.fullmatch(rf"Epoch 1/2: {metrics}, {TIME}, {TIME} left\n", lines[0])
    assert re.fullmatch(rf"Epoch 2/2: {metrics}, {TIME}\n", lines[1])


def test_nothing_is_shown_unless_asked_for(capfd):
    small_classifier().fit(IDS, Y)
    assert capfd.readouterr() == ("", "")


def test_the_metrics_of_a_line_are_those_of_the_history(capsys):
    classifier = small_classifier(verbose=2).fit(IDS, Y, X_val=IDS[:9], y_val=Y[:9])
    for number, line in enumerate(capsys.readouterr().out.splitlines()):
        for name, values in classifier.history_.items():
            assert f" {name} {values[number]:.4f}" in line


def test_the_time_left_leaves_out_what_the_first_step_compiles(clock, capsys):
    shown = progress(3, 2)
    shown.begin_epoch(0, 4)
    clock[0] += 60.0
    shown.update(1, {})
    clock[0] += 3.0
    shown.end_epoch(4, {"loss": 0.5})
    assert capsys.readouterr().out == "Epoch 1/3: loss 0.5000, 1 min 3 s, 8.0 s left\n"


def test_a_tiny_loss_is_not_shown_as_zero(capsys):
    shown = progress(1, 2)
    shown.begin_epoch(0, 1)
    shown.end_epoch(1, {"loss": 2.5e-7})
    assert "loss 2.5e-07" in capsys.readouterr().out


def test_a_custom_keras_model_has_the_same_lines(capsys):
    KerasTextClassifier(custom_model, epochs=2, verbose=1).fit(IDS, Y, X_val=IDS[:9], y_val=Y[:9])
    first, second = capsys.readouterr().out.splitlines()
    assert re.match(r"Epoch 1/2: loss [\d.]+, accuracy [\d.]+, val_loss [\d.]+, val_accu", first)
    assert re.match(r"Epoch 2/2: ", second)


# --- In a terminal


def test_a_terminal_has_one_line_that_is_redrawn():
    classifier = small_classifier(verbose=1, epochs=3)
    shown = in_terminal(classifier.fit, IDS, Y, X_val=IDS[:9], y_val=Y[:9])
    (frames,) = frames_of(shown)
    assert frames[0].startswith("Epoch 1/3 |")
    assert frames[0].rstrip().endswith("? left")
    metrics = r"loss 0\.\d{3}, accuracy [01]\.\d{3}, val_accuracy [01]\.\d{3}"
    assert re.match(rf"Epoch 3/3 \|█+\| {TIME}, {metrics}", frames[-1])


def test_a_terminal_has_lines_where_they_are_asked_for():
    shown = in_terminal(small_classifier(verbose=2).fit, IDS, Y)
    assert "\r" not in shown
    assert shown.count("\n") == 2


def test_the_line_fits_into_a_real_terminal(monkeypatch):
    pty = pytest.importorskip("pty", reason="Windows has none")
    ours, theirs = pty.openpty()
    pytest.importorskip("termios").tcsetwinsize(theirs, (24, 70))
    with os.fdopen(theirs, "w") as stream, redirect_stdout(stream):
        monkeypatch.setattr(room, "get_terminal_size", lambda _: os.get_terminal_size(ours))
        small_classifier(verbose=1).fit(IDS, Y, X_val=IDS[:9], y_val=Y[:9])
        written = b""
        while select.select([ours], [], [], 0.1)[0]:  # One call may return a part.
            written += os.read(ours, 65536)
    os.close(ours)
    (frames,) = frames_of(written.decode())
    assert max(map(len, frames)) <= 70
    assert frames[-1].startswith("Epoch 2/2 |")


def show_an_epoch():
    shown = progress(1, 1)
    shown.begin_epoch(0, 1)
    shown.end_epoch(1, {"loss": 0.5})
    shown.close()


def test_a_terminal_without_a_size_counts_as_80_columns_wide(monkeypatch):
    monkeypatch.setattr(room, "get_terminal_size", os.terminal_size)
    (frames,) = frames_of(in_terminal(show_an_epoch))
    assert len(frames[-1].rstrip()) in (79, 80)


def test_the_bar_spans_the_whole_fit():
    def show_three_of_four_epochs():
        shown = progress(4, 1)
        for epoch in range(3):
            shown.begin_epoch(epoch, 5)
            shown.end_epoch(5, {"loss": 0.5})

    frames = frames_of(in_terminal(show_three_of_four_epochs) + "\n")[0]
    bar = frames[-1].split("|")[1]
    # Letters of the bar are whole; the time that is left decides how many there are.
    assert bar.count("█") == pytest.approx(3 / 4 * len(bar), abs=1)


def test_a_bar_is_full_after_early_stopping():
    classifier = small_classifier(verbose=1, epochs=9, early_stopping=True, n_iter_no_change=1)
    (frames,) = frames_of(in_terminal(classifier.set_params(tol=1.0).fit, IDS, Y))
    assert classifier.n_iter_ == 2
    assert re.match(rf"Epoch 2/9 \|█+\| {TIME}, loss", frames[-1])


def test_the_line_ends_where_training_fails():
    classifier = small_classifier(learning_rate=1e30, clipnorm=None, activation="linear", verbose=1)

    def fail():
        with pytest.raises(ValueError, match="learning_rate"):
            classifier.fit(IDS, Y)

    assert in_terminal(fail).endswith("\n")


def test_a_stream_of_unknown_length_is_counted_first():
    model = make_pipeline(TextSequencer(indexing="hash", max_tokens=50), small_classifier())
    shown = in_terminal(
        fit_stream,
        model,
        lambda: [(TEXTS, LABELS)] * 4,
        classes=["bad", "good"],
        epochs=3,
        buffer_size=24,
        verbose=1,
    )
    counted, timed = frames_of(shown)
    assert re.match(rf"Epoch 1/3: 48 documents in {TIME}, loss", counted[-1])
    assert timed[0].startswith("Epoch 2/3 |")
    assert re.match(rf"Epoch 3/3 \|█+\| {TIME}, loss", timed[-1])


# --- Elsewhere


def test_a_notebook_has_one_line():
    kind = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})
    with redirect_stdout(kind()) as stream:
        small_classifier(verbose=1).fit(IDS, Y)
    (frames,) = frames_of(stream.getvalue())
    assert frames[-1].startswith("Epoch 2/2 |")


def test_a_worker_writes_lines(monkeypatch):
    monkeypatch.setattr(room, "parent_process", lambda: "of a search")
    shown = in_terminal(small_classifier(verbose=1).fit, IDS, Y)
    assert "\r" not in shown
    assert shown.count("\n") == 2


def test_a_program_without_a_stream_can_train():
    with redirect_stdout(None):
        assert small_classifier(verbose=1).fit(IDS, Y).n_iter_ == 2


@pytest.mark.parametrize("seconds", [0, 0.5])
def test_progress_leaves_the_line_to_a_bar_of_scikit_learn(monkeypatch, seconds):
    callback = pytest.importorskip("sklearn.callback", reason="new in scikit-learn 1.9")
    pytest.importorskip("rich")
    # Its thread may come to draw the bar only after training has begun.
    draw = callback._progressbar.RichProgressMonitor.run
    late = "sklearn.callback._progressbar.RichProgressMonitor.run"
    monkeypatch.setattr(late, lambda self: time.sleep(seconds) or draw(self))
    classifier = small_classifier(verbose=1).set_callbacks(callback.ProgressBar())
    shown = in_terminal(classifier.fit, IDS, Y)
    assert "LSTMTextClassifier" in shown
    assert re.search(rf"Epoch 1/2: loss [\d.]+, accuracy [\d.]+, {TIME}, {TIME} left", shown)


@pytest.mark.parametrize("verbose", [1, 2])
def test_progress_changes_no_weight_and_waits_for_no_step(verbose, monkeypatch):
    network_class = pool._network_class()
    update = network_class.update_model
    watched = []
    noting = lambda network: watched.append(1) or update(network)  # noqa: E731
    monkeypatch.setattr(network_class, "update_model", noting)
    shown = small_classifier(verbose=verbose, dropout=0.2)
    in_terminal(shown.fit, IDS, Y)
    assert watched == []  # Only callbacks need the model.
    assert_same_weights(shown.weights_, small_classifier(dropout=0.2).fit(IDS, Y).weights_)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (200, "3 min 20 s"), (7_500, "2 h 5 min")],
)
def test_times_are_in_words(seconds, words):
    assert duration(seconds) == words

"""compare(memory=...) resumes after an interruption and never reuses a wrong result."""

import subprocess
import sys
from pathlib import Path

import joblib
import pandas as pd
import pytest
from comparing import FITS, FORKED_BY_OLD_JOBLIB, LABELS, MODELS, TEXTS, Coin, words
from numpy.testing import assert_array_equal
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import StratifiedKFold
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

import sklstm
from sklstm import classic_baselines, compare
from sklstm.comparison import _folds


@pytest.fixture(autouse=True)
def no_fits_yet():
    FITS.clear()


class Interrupted(Coin):
    """Stands for someone who stops the run, which the equal name and parameters do not show."""

    stop_at = None

    def fit(self, X, y):
        if len(FITS) + 1 == Interrupted.stop_at:
            raise KeyboardInterrupt
        return super().fit(X, y)


def test_memory_fits_nothing_again(tmp_path):
    first = compare(MODELS, TEXTS, LABELS, memory=tmp_path)
    assert len(FITS) == 5
    again = compare(MODELS, list(TEXTS), list(LABELS), memory=str(tmp_path))
    assert len(FITS) == 5
    pd.testing.assert_frame_equal(first.scores, again.scores)  # Times included.
    pd.testing.assert_frame_equal(first.predictions, again.predictions)


def test_interrupted_run_resumes_where_it_stopped(tmp_path, monkeypatch):
    models = {"one": Interrupted("one"), "other": Interrupted("other", random_state=1)}
    monkeypatch.setattr(Interrupted, "stop_at", 6)
    with pytest.raises(KeyboardInterrupt):
        compare(models, TEXTS, LABELS, memory=tmp_path)
    assert FITS == ["one", "other"] * 2 + ["one"]
    monkeypatch.setattr(Interrupted, "stop_at", None)
    resumed = compare(models, TEXTS, LABELS, memory=tmp_path)
    assert FITS == ["one", "other"] * 5
    uninterrupted = compare(models, TEXTS, LABELS)
    assert_array_equal(resumed.scores["accuracy"], uninterrupted.scores["accuracy"])
    pd.testing.assert_frame_equal(resumed.predictions, uninterrupted.predictions)


def test_only_what_is_new_is_run(tmp_path):
    compare({"coin": Coin()}, TEXTS, LABELS, memory=tmp_path)
    compare({"coin": Coin(), "more": Coin("more")}, TEXTS, LABELS, memory=tmp_path)
    assert FITS == ["coin"] * 5 + ["more"] * 5


@pytest.mark.parametrize(
    "change",
    [
        {"classifiers": {"coin": Coin(random_state=1)}},
        {"X": [*TEXTS[:-1], "another text"]},
        {"y": [*LABELS[:-1], "bad"]},
        {"scoring": "f1_macro"},
        {"random_state": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_memory_is_not_used_for_something_else(change, tmp_path):
    call = {"classifiers": {"coin": Coin()}, "X": TEXTS, "y": LABELS, "memory": tmp_path}
    compare(**call)
    compare(**(call | change))
    assert len(FITS) == 10


def test_memory_tells_data_frames_apart_by_content_alone(tmp_path, capsys):
    frame = pd.DataFrame({"text": TEXTS, "more": "words"})
    changed = frame.assign(more=["word", *frame["more"][1:]])
    model = {"baseline": classic_baselines(random_state=0)["naive_bayes"]}
    for X, known in [(frame, 0), (frame.copy(), 2), (frame[::-1][::-1], 2), (changed, 0)]:
        compare(model, X, pd.Series(LABELS), cv=2, memory=tmp_path, verbose=1)
        assert capsys.readouterr().out.count("from memory") == known


def test_memory_is_not_used_by_another_version(tmp_path, monkeypatch):
    compare({"coin": Coin()}, TEXTS, LABELS, memory=tmp_path)
    monkeypatch.setattr(_folds, "VERSION", "99.0")
    compare({"coin": Coin()}, TEXTS, LABELS, memory=tmp_path)
    assert len(FITS) == 10


def test_failures_are_not_kept(tmp_path):
    model = {"coin": Coin(fail_at=1)}
    with pytest.warns(FitFailedWarning):
        compare(model, TEXTS, LABELS, memory=tmp_path)
    result = compare(model, TEXTS, LABELS, memory=tmp_path)
    assert len(FITS) == 6
    assert not result.errors


def test_unseeded_copies_are_not_taken_for_one(tmp_path):
    copies = {name: Coin() for name in ("one", "other")}
    compare(copies, TEXTS, LABELS, memory=joblib.Memory(tmp_path, verbose=0))
    assert len(FITS) == 10


LSTM = (
    "'lstm': make_pipeline(TextSequencer(stop_words=['a', 'and']), "
    "LSTMTextClassifier(units=2, embedding_dim=2, epochs=1))"
)
BASELINE = "'naive_bayes': classic_baselines()['naive_bayes']"


@pytest.mark.parametrize("model", [BASELINE, pytest.param(LSTM, marks=pytest.mark.slow)])
def test_another_process_finds_what_is_kept(model, tmp_path):
    code = (
        "import numpy as np, pandas as pd; from sklstm import *; from sklearn.pipeline import *\n"
        "texts = ['a fine film', 'a dull film', 'fine and long', 'dull and slow'] * 3\n"
        "for form in (list, np.array, pd.Series):\n"
        f"    X, y, models = form(texts), form(['good', 'bad'] * 6), {{{model}}}\n"
        f"    compare(models, X, y, cv=2, memory={str(tmp_path)!r}, verbose=1)"
    )
    for expected in (0, 6):
        run = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            cwd=Path(sklstm.__file__).parents[1],
        )
        assert run.returncode == 0, run.stderr
        assert run.stdout.count("\n") == 6
        assert run.stdout.count("from memory") == expected


@FORKED_BY_OLD_JOBLIB
def test_workers_share_the_memory(tmp_path, capsys):
    models = {"words": words(), "dummy": DummyClassifier()}
    compare(models, TEXTS, LABELS, memory=tmp_path, n_jobs=2)
    compare(models, TEXTS, LABELS, memory=tmp_path, n_jobs=2, verbose=1)
    assert capsys.readouterr().out.count("(from memory, ") == 10


def test_memory_refuses_what_it_could_not_find_again(tmp_path):
    call = {"classifiers": {"coin": Coin()}, "X": TEXTS, "y": LABELS, "memory": tmp_path}
    with pytest.raises(ValueError, match=r"memory= cannot resume with random_state=None.*an int"):
        compare(**call, random_state=None)
    with pytest.raises(ValueError, match=r"with cv=StratifiedKFold\(.*seed it with an int"):
        compare(**call, cv=StratifiedKFold(shuffle=True))
    with pytest.raises(ValueError, match=r"cannot identify scoring 'score'.*Replace lambdas"):
        compare(**call, scoring=lambda *fold: 1.0)
    nameless = make_pipeline(CountVectorizer(tokenizer=lambda text: [text]), MultinomialNB())
    with pytest.raises(ValueError, match=r"cannot identify classifier 'words' in another process"):
        compare(**(call | {"classifiers": {"words": nameless}}))
    assert not FITS
    compare(**call, cv=StratifiedKFold())

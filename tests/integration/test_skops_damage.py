"""Loading a damaged skops file soon raises an error or returns a working model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

skops_io = pytest.importorskip("skops.io")

TESTS = Path(__file__).parents[1]
N_SEEDS = 60


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
@pytest.mark.parametrize("name", ["with_vocabulary", "with_vectors", "with_hashing"])
def test_a_damaged_file_is_refused_or_predicts_and_runs_nothing(name, tmp_path):
    path = TESTS / "fixtures" / f"format_1_{name}.skops"
    trusted = skops_io.get_untrusted_types(file=path)
    # Without compression, as `dump` writes it by default.
    stored = tmp_path / "model.skops"
    skops_io.dump(skops_io.load(path, trusted=trusted), stored)
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "fuzzing.py", stored, "0", str(N_SEEDS)],
        capture_output=True,
        text=True,
        cwd=TESTS,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr
    outcomes = json.loads(run.stdout.splitlines()[-1])
    assert outcomes["truncated"] == {"refused: BadZipFile": N_SEEDS}
    assert outcomes["without_a_file"] == {"refused: KeyError": N_SEEDS}
    for kind, counts in outcomes.items():
        assert sum(counts.values()) == N_SEEDS, kind
        strange = [key for key in counts if not key.startswith(("refused", "misfit", "predicted"))]
        assert not strange, kind
    # A value that was changed on purpose need not be a wrong one.
    assert outcomes["other_value"]["predicted"] > 0
    assert outcomes["other_value"]["refused: ValueError"] > 0

"""Searches on ray and Spark workers, if these packages are installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

# In a process of its own: both engines leave threads and servers behind.
SEARCH = """
import os, sys
sys.path.insert(0, os.environ["TESTS"])
import joblib
import numpy as np
from searching import Mortal, make_search, make_vectors, process_and_vectors, scores
{start}
vectors = make_vectors()
expected = scores(make_search(vectors))
mortal = scores(make_search(classifier=Mortal()))
with joblib.parallel_config(backend="{engine}", n_jobs=2), vectors.shared():
    np.testing.assert_array_equal(scores(make_search(vectors, n_jobs=2)), expected)
    seen = joblib.Parallel(batch_size=1)(
        joblib.delayed(process_and_vectors)(vectors) for _ in range(8)
    )
    assert os.getpid() not in dict(seen)
    assert len(set(seen)) == len(dict(seen)), seen
    cores = joblib.Parallel()(joblib.delayed(available_cores)() for _ in range(4))
    assert set(cores) == {{1}}, cores
    {survival}
print("all as expected")
"""
IMPORT = "from sklstm._runtime import available_cores\n"
RAY = """
import logging, ray
from ray.util.joblib import register_ray
ray.init(num_cpus=2, include_dashboard=False, logging_level=logging.ERROR)
register_ray()
"""
SPARK = """
from joblibspark import register_spark
from pyspark.sql import SparkSession
session = SparkSession.builder.master("local[2,4]").config("spark.ui.enabled", "false").config(
    "spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1").getOrCreate()
register_spark()
"""
SURVIVAL = """
    search = make_search(classifier=Mortal(os.environ["VICTIM"]), n_jobs=2, refit=False)
    np.testing.assert_array_equal(scores(search), mortal)
    assert os.path.exists(os.environ["VICTIM"])
"""


@pytest.mark.parametrize(
    ("engine", "package", "start", "survival"),
    [("ray", "ray", RAY, ""), ("spark", "joblibspark", SPARK, SURVIVAL.strip())],
)
def test_search_on_an_engine(engine, package, start, survival, tmp_path):
    pytest.importorskip(package)
    tests = Path(__file__).parents[1]
    code = SEARCH.format(start=IMPORT + start, engine=engine, survival=survival)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=400,
        env=os.environ
        | {
            "TESTS": str(tests),
            "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)]),
            "PYSPARK_PYTHON": sys.executable,
            "VICTIM": str(tmp_path / "victim"),
        },
    )
    assert done.stdout.strip().endswith("all as expected"), done.stdout + done.stderr

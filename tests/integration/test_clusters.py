"""Searches on joblib and dask workers: equal results, shared vectors, killed workers."""

from __future__ import annotations

import gc
import os
import pickle

import joblib
import numpy as np
import pytest
from conftest import LABELS, TEXTS
from joblib.externals.loky.process_executor import TerminatedWorkerError
from searching import Mortal, make_search, make_vectors, process_and_vectors, scores
from sklearn.model_selection import cross_validate

from sklstm import WordVectors
from sklstm import vectors as vectors_module

VECTORS = make_vectors()


@pytest.fixture(scope="module")
def dask_client():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(params=["loky", "dask"])
def engine(request):
    """Run the test with the workers of each engine."""
    if request.param == "dask":
        request.getfixturevalue("dask_client")
    with joblib.parallel_config(backend=request.param, n_jobs=2):
        yield request.param


def test_workers_give_the_same_bits_as_this_process(engine):
    with joblib.parallel_config(backend="sequential"):
        expected = scores(make_search(VECTORS))
    with VECTORS.shared():
        np.testing.assert_array_equal(scores(make_search(VECTORS, n_jobs=2)), expected)
    np.testing.assert_array_equal(scores(make_search(VECTORS, n_jobs=2)), expected)


def test_each_worker_opens_shared_vectors_once(engine):
    with VECTORS.shared():
        seen = joblib.Parallel(pre_dispatch="all", batch_size=1)(
            joblib.delayed(process_and_vectors)(VECTORS) for _ in range(12)
        )
    objects = {}
    for process, vectors in seen:
        objects.setdefault(process, set()).add(vectors)
    assert os.getpid() not in objects
    assert all(len(vectors) == 1 for vectors in objects.values())


def test_a_task_holds_a_name_instead_of_shared_vectors():
    model = make_search(VECTORS).estimator
    alone = len(pickle.dumps(make_search().estimator))
    assert len(pickle.dumps(model)) > VECTORS.matrix.nbytes
    with VECTORS.shared():
        assert len(pickle.dumps(model)) < alone + 1_000
    assert len(pickle.dumps(model)) > VECTORS.matrix.nbytes


def test_models_from_workers_have_the_vectors_of_this_process(engine):
    model = make_search(VECTORS).estimator
    with VECTORS.shared():
        fitted = cross_validate(
            model, TEXTS, LABELS, cv=2, n_jobs=2, return_estimator=True, error_score="raise"
        )["estimator"]
    assert all(pipeline[-1]._vectors is VECTORS for pipeline in fitted)
    loaded = pickle.loads(pickle.dumps(fitted[0]))
    np.testing.assert_array_equal(loaded.predict_proba(TEXTS), fitted[0].predict_proba(TEXTS))


def test_shared_vectors_are_found_as_they_were(monkeypatch):
    with VECTORS.shared():
        pickled = pickle.dumps(VECTORS)
        assert pickle.loads(pickled) is VECTORS
        monkeypatch.setattr(vectors_module, "_shared", {})  # As in another process.
        found = pickle.loads(pickled)
        assert found is not VECTORS
        np.testing.assert_array_equal(found.matrix, VECTORS.matrix)
        assert found.tokens.tolist() == VECTORS.tokens.tolist()
        assert not found.matrix.flags.writeable
        assert pickle.dumps(found) == pickled
        del found
        vectors_module._shared.clear()
        gc.collect()


def test_a_worker_keeps_a_few_vectors_at_most(monkeypatch):
    many = [WordVectors(["a"], [[float(number)]]) for number in range(9)]
    kept = set()
    for vectors in many:
        with vectors.shared():
            pickled = pickle.dumps(vectors)
            # As in another process.
            del vectors_module._shared[vectors._shared_path]
            received = pickle.loads(pickled)
            assert received is not vectors
            assert received.matrix == vectors.matrix
            kept.add(received._shared_path)
            monkeypatch.setattr(vectors_module, "_shared", dict(vectors_module._shared))
            assert len(vectors_module._shared) <= vectors_module._MAX_SHARED
    assert len(kept) == len(many)


def test_a_folder_is_used_again(tmp_path):
    with VECTORS.shared(tmp_path):
        first = pickle.dumps(VECTORS)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.joblib")}
    assert len(files) == 1
    with VECTORS.shared(tmp_path):
        assert pickle.dumps(VECTORS) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.joblib")} == files
    assert pickle.loads(first).tokens.tolist() == VECTORS.tokens.tolist()


def test_the_name_of_a_folder_that_is_gone_is_an_error_with_the_remedy():
    with VECTORS.shared():
        pickled = pickle.dumps(VECTORS)
    with pytest.raises(FileNotFoundError, match=r"Save models after the block of shared\(\)"):
        pickle.loads(pickled)


def test_a_folder_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), VECTORS.shared(tmp_path / "absent"):
        pass


def test_dask_survives_the_death_of_a_worker(dask_client, tmp_path):
    expected = scores(make_search(classifier=Mortal()))
    victim = tmp_path / "victim"
    with joblib.parallel_config(backend="dask"):
        survived = scores(make_search(classifier=Mortal(str(victim)), n_jobs=2, refit=False))
    assert victim.exists()
    np.testing.assert_array_equal(survived, expected)


def test_with_loky_the_death_of_a_worker_ends_the_search_and_not_the_next(tmp_path):
    search = make_search(classifier=Mortal(str(tmp_path / "victim")), n_jobs=2, refit=False)
    with joblib.parallel_config(backend="loky"):
        with pytest.raises(TerminatedWorkerError):
            scores(search)
        np.testing.assert_array_equal(scores(search), scores(make_search(classifier=Mortal())))


def test_a_dask_worker_uses_one_core(dask_client):
    from sklstm._runtime import available_cores

    assert set(dask_client.run(available_cores).values()) == {1}

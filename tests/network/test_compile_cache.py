"""The cache of compiled functions: what it loads, what it refuses, and what it never disturbs."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from threading import Lock

import joblib
import numpy as np
import pytest
from conftest import TEXTS, assert_same_weights, make_ids, run_python, small_classifier

from sklstm import _compile_cache
from sklstm._compile_cache import MAX_BYTES, VARIABLE, CompileCache, open_cache
from sklstm._network import pool
from sklstm._runtime import backend_name, keras

posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs owners and modes of files")
KEY = "a" * 64


@pytest.fixture
def cache(tmp_path):
    return CompileCache(tmp_path / "compiled")


def files(cache):
    return sorted(cache.folder.iterdir()) if cache.folder.is_dir() else []


def test_a_file_is_read_as_it_was_written(cache):
    assert cache.load(KEY) is None
    cache.store(KEY, b"content")
    assert cache.load(KEY) == b"content"
    cache.store(KEY, b"")
    assert cache.load(KEY) == b""
    assert cache.load("b" * 64) is None
    cache.discard(KEY)
    cache.discard(KEY)
    assert files(cache) == []


@posix
def test_only_the_user_can_write_the_files(cache):
    before = os.umask(0)
    try:
        cache.store(KEY, b"content")
    finally:
        os.umask(before)
    assert cache.folder.stat().st_mode & 0o777 == 0o700
    assert files(cache)[0].stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "damaged",
    [
        lambda data: b"",
        lambda data: data[:10],
        lambda data: data[:-1],
        lambda data: data + b"x",
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: b"something else",
    ],
)
def test_a_damaged_file_is_deleted(cache, damaged):
    cache.store(KEY, b"content")
    (path,) = files(cache)
    path.write_bytes(damaged(path.read_bytes()))
    assert cache.load(KEY) is None
    assert files(cache) == []


@posix
@pytest.mark.parametrize("who", ["group", "others", "group of the folder", "owner"])
def test_what_others_may_have_written_is_not_read(cache, who, monkeypatch):
    cache.store(KEY, b"content")
    (path,) = files(cache)
    if who == "group":
        path.chmod(0o620)
    elif who == "others":
        path.chmod(0o602)
    elif who == "group of the folder":
        cache.folder.chmod(0o770)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    assert cache.load(KEY) is None
    if who.endswith(("folder", "owner")):
        cache.store("b" * 64, b"other")
        assert files(cache) == [path]


@posix
def test_a_link_is_not_followed(cache, tmp_path):
    other = CompileCache(tmp_path / "other")
    other.store(KEY, b"content")
    cache.store("b" * 64, b"")
    (cache.folder / f"{KEY}.bin").symlink_to(files(other)[0])
    assert cache.load(KEY) is None


@pytest.mark.parametrize("place", ["a file", "a missing file system"])
def test_a_folder_that_cannot_be_created_is_no_problem(tmp_path, place):
    parent = tmp_path / "file"
    parent.write_text("")
    if place != "a file":
        parent = Path("/proc/none")
    cache = CompileCache(parent / "compiled")
    cache.store(KEY, b"content")
    assert cache.load(KEY) is None


@posix
def test_a_read_only_folder_is_read(cache):
    cache.store(KEY, b"content")
    cache.folder.chmod(0o500)
    try:
        cache.store("b" * 64, b"other")
        cache.discard(KEY if os.geteuid() else "c" * 64)  # The superuser may write everywhere.
        assert cache.load(KEY) == b"content"
    finally:
        cache.folder.chmod(0o700)


def test_a_write_that_fails_leaves_nothing(cache, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    cache.store(KEY, b"content")
    assert files(cache) == []


def test_the_least_recently_used_files_are_deleted(cache, monkeypatch):
    monkeypatch.setattr(_compile_cache, "MAX_BYTES", 3_500)
    for number in range(3):
        cache.store(str(number), b"." * 900)
        os.utime(cache.folder / f"{number}.bin", (number, number))
    assert cache.load("0") is not None  # Now used last.
    cache.store("3", b"." * 900)
    assert [path.stem for path in files(cache)] == ["0", "2", "3"]


def test_what_an_interrupted_process_left_is_deleted(cache, monkeypatch):
    monkeypatch.setattr(_compile_cache, "MAX_BYTES", 1_600)
    cache.store("0", b"." * 900)
    part = cache.folder / "part-x"
    part.write_bytes(b"." * 900)
    os.utime(part, (0, 0))
    cache.store("1", b"." * 400)
    assert [path.stem for path in files(cache)] == ["0", "1"]
    assert MAX_BYTES == 500_000_000


def test_sizes_are_added_up_rarely_but_before_the_limit_is_reached(cache, monkeypatch):
    added_up = []
    stat_files = _compile_cache._stat_files

    def counted(folder):
        added_up.append(folder)
        return stat_files(folder)

    monkeypatch.setattr(_compile_cache, "MAX_BYTES", 200_000)
    monkeypatch.setattr(_compile_cache, "_stat_files", counted)
    for number in range(1_000):
        cache.store(str(number), b"." * 950)
        assert sum(path.stat().st_size for path in files(cache)) <= 200_000
    assert len(added_up) < 300


def write_and_read(folder, number):
    """Write the same file again and again, and return what was read meanwhile."""
    cache, found = CompileCache(folder), set()
    for _ in range(100):
        cache.store(KEY, bytes([number]) * 200_000)
        content = cache.load(KEY)
        found.add(content and (len(content), *sorted(set(content))))
    return found


def test_two_processes_may_write_the_same_file(cache):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        found = processes.map(write_and_read, [cache.folder] * 2, [1, 2])
        assert set().union(*found) <= {(200_000, 1), (200_000, 2)}
    assert len(files(cache)) == 1


def test_the_user_chooses_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "")
    assert open_cache() is None
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert open_cache().folder == tmp_path / "compiled"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "near")
    assert open_cache().folder == tmp_path / "near" / "compiled"
    monkeypatch.delenv(VARIABLE)
    assert open_cache().folder.is_absolute()
    # platformdirs does not expand "~" for a user without a home directory.
    monkeypatch.setattr(_compile_cache, "user_cache_path", lambda name: Path("~/.cache", name))
    assert open_cache() is None


on_jax = pytest.mark.skipif(backend_name() != "jax", reason="only for JAX")


@pytest.fixture
def compile_(cache, monkeypatch):
    """Return a function that obtains a compiled function, and says whether it was compiled."""
    from sklstm._network import jax_compile

    monkeypatch.setattr(jax_compile, "open_cache", lambda: cache)
    x = np.linspace(0, 1, 5, dtype=np.float32)

    def obtain(identity="sin", argument=x):
        import jax.numpy as jnp

        made = []
        make = lambda: made.append(1) or jnp.sin  # noqa: E731
        function = jax_compile.CompiledFunction(make, (identity,), Lock(), one_core=True)
        result = np.asarray(function(np.shape(argument), argument))
        np.testing.assert_allclose(result, np.sin(argument), rtol=1e-6)
        return bool(made)

    return obtain


@on_jax
def test_a_function_is_compiled_once(compile_):
    assert compile_()
    assert not compile_()
    assert compile_("another")
    assert compile_(argument=np.zeros((2, 3), np.float32))
    assert compile_(argument=np.zeros(5, np.float16))
    assert not compile_()


@on_jax
@pytest.mark.parametrize(
    "change",
    ["version", "source", "processor", "XLA_FLAGS", "setting of JAX", "setting of Keras", "cores"],
)
def test_another_environment_compiles_its_own_functions(compile_, change, monkeypatch):
    import jax

    from sklstm._network import jax_compile

    compile_()
    if change == "version":
        monkeypatch.setattr(jax_compile, "_versions", lambda: ["0.1"])
    elif change == "source":
        monkeypatch.setattr(jax_compile, "source_digest", lambda folder: "0")
    elif change == "processor":
        monkeypatch.setattr(_compile_cache, "processor", lambda: ("x86_64", "flags: avx512f"))
    elif change == "XLA_FLAGS":
        monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    elif change == "setting of Keras":
        monkeypatch.setattr(keras.config, "epsilon", lambda: 1e-3)
    elif change == "cores":
        monkeypatch.setenv("PJRT_NPROC", "7")
    else:
        with jax.default_matmul_precision("float32"):
            assert compile_()
        assert not compile_()
        return
    assert compile_()
    assert not compile_()


@on_jax
@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps((b"", None, None))])
def test_a_file_that_is_no_function_is_replaced(compile_, cache, content):
    compile_()
    (path,) = files(cache)
    cache.store(path.stem, content)
    assert compile_()
    assert not compile_()


@on_jax
def test_the_cache_of_jax_has_priority(compile_, cache, tmp_path):
    import jax

    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "jax"))
    try:
        assert compile_()
        assert compile_()
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
    assert files(cache) == []


@on_jax
def test_debugging_uses_functions_of_jit(compile_, cache):
    import jax

    with jax.debug_nans(True):
        assert compile_()
        assert compile_()
    assert files(cache) == []


TRAINED = """
import sys, joblib, conftest
ids, y = conftest.make_ids()
fitted = conftest.small_classifier(units=3, embedding_dropout=0.2).fit(ids, y)
joblib.dump((fitted, fitted.predict_proba(ids), fitted.transform(ids)), sys.argv[1])
print("keras" in sys.modules)
import jax
assert jax.config.jax_compilation_cache_dir is None
"""
PREDICTED = """
import sys, joblib, conftest
fitted, scores, vectors = joblib.load(sys.argv[1])
ids, _ = conftest.make_ids()
assert (fitted.predict_proba(ids) == scores).all()
assert (fitted.transform(ids) == vectors).all()
print("keras" in sys.modules)
"""


@pytest.fixture
def compiled(monkeypatch):
    """Give the names of the functions that are compiled from now on, without idle networks."""
    from sklstm._network import jax_compile

    names = set()
    jit = jax_compile.CompiledFunction._jit

    def recording_jit(function):
        names.add(function._identity[0])
        return jit(function)

    monkeypatch.setattr(pool, "_idle", [])
    monkeypatch.setattr(jax_compile.CompiledFunction, "_jit", recording_jit)
    return names


@on_jax
@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"embedding_dropout": 0.2, "dropout": 0.3, "label_smoothing": 0.1}, {"gradients"}),
        ({"input_dropout": 0.2}, {"gradients"}),
        # It uses the loop of Keras, also for scores, and other widths.
        ({"recurrent_dropout": 0.2}, {"gradients", "add_rows", "logits"}),
        ({"clipnorm": 2.0}, {"update"}),
        ({"learning_rate": 0.3, "epochs": 1}, set()),
    ],
)
def test_networks_share_the_functions_in_which_they_do_not_differ(
    parameters, expected, cache, compiled, monkeypatch
):
    from sklstm._network import jax_compile

    monkeypatch.setattr(jax_compile, "open_cache", lambda: cache)
    ids, y = make_ids()
    defaults = {"dense_units": 3, "dropout": 0.1}
    small_classifier(**defaults).fit(ids, y).predict(ids)
    assert compiled == {"gradients", "add_rows", "update", "logits"}
    compiled.clear()
    shared = small_classifier(**(defaults | parameters)).fit(ids, y)
    scores = shared.predict_proba(ids)
    assert compiled == expected
    monkeypatch.setattr(pool, "_idle", [])
    monkeypatch.setattr(jax_compile, "open_cache", lambda: None)
    alone = small_classifier(**(defaults | parameters)).fit(ids, y)
    assert_same_weights(shared.weights_, alone.weights_)
    np.testing.assert_array_equal(alone.predict_proba(ids), scores)


@on_jax
def test_a_network_keeps_the_functions_that_label_smoothing_does_not_change(compiled, monkeypatch):
    from sklstm._network import jax_compile

    monkeypatch.setattr(jax_compile, "open_cache", lambda: None)
    ids, y = make_ids()
    small_classifier().fit(ids, y).predict(ids)
    compiled.clear()
    small_classifier(label_smoothing=0.1).fit(ids, y).predict(ids)
    assert compiled == {"gradients"}
    compiled.clear()
    small_classifier(clipnorm=2.0, label_smoothing=0.1).fit(ids, y).predict(ids)
    assert compiled == {"update"}


@on_jax
def test_later_processes_get_the_same_results_without_keras(tmp_path, monkeypatch):
    """A result does not depend on the cache, and Keras is imported only to compile."""
    found = []
    for folder in ("", tmp_path / "cache", tmp_path / "cache"):
        monkeypatch.setenv(VARIABLE, str(folder))
        imports_keras = run_python(TRAINED, tmp_path / "model").strip()
        found.append((imports_keras, *joblib.load(tmp_path / "model")))
    assert [run[0] for run in found] == ["True", "True", "False"]
    for _, fitted, scores, vectors in found[1:]:
        assert_same_weights(fitted.weights_, found[0][1].weights_)
        assert fitted.history_ == found[0][1].history_
        np.testing.assert_array_equal(scores, found[0][2])
        np.testing.assert_array_equal(vectors, found[0][3])
    assert run_python(PREDICTED, tmp_path / "model").strip() == "False"


@posix
def test_nothing_is_printed_if_files_cannot_be_written(tmp_path):
    """A limit on the size of files has the effect of a full disk."""
    code = (
        "import resource, conftest\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "conftest.small_classifier(units=3).fit(*conftest.make_ids())\n"
    )
    environment = os.environ | {
        VARIABLE: str(tmp_path),
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert all(path.stat().st_size <= 1000 for path in tmp_path.rglob("*.bin"))
    assert not list(tmp_path.rglob("part-*"))


@on_jax
def test_callbacks_see_and_change_the_model(tmp_path, monkeypatch):
    """The model is built for callbacks, although all functions are in the cache."""

    class Watch(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.norms = []

        def on_train_batch_end(self, batch, logs=None):
            self.norms.append(float(np.linalg.norm(self.model.get_weights()[0])))

        def on_epoch_end(self, epoch, logs=None):
            self.model.set_weights([0 * weight for weight in self.model.get_weights()])

    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setattr(pool, "_idle", [])
    ids, y = make_ids()
    for _ in range(2):
        watch = Watch()
        zeroed = small_classifier(callbacks=[watch]).fit(ids, y)
        assert len(set(watch.norms)) > 1
        assert not any(weight.any() for weight in zeroed.weights_.values())


def test_a_pipeline_runs_without_any_cache(monkeypatch):
    from sklearn.pipeline import make_pipeline

    from sklstm import TextSequencer

    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setattr(pool, "_idle", [])
    model = make_pipeline(TextSequencer(), small_classifier(units=3))
    assert model.fit(TEXTS, [0, 1] * 6).predict(TEXTS).shape == (12,)

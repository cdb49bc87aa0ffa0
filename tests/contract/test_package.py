"""The package: `import sklstm` is fast, and the public names are where they are documented."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import sklstm


def run_python(code):
    """Run code in a fresh interpreter and return what it prints."""
    finished = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(sklstm.__file__).parents[1],
    )
    return finished.stdout.strip()


def test_import_brings_nothing_but_the_standard_library():
    code = (
        "import sys; before = set(sys.modules); import sklstm; dir(sklstm); "
        "new = {name.partition('.')[0] for name in sys.modules.keys() - before}; "
        "print(new - sys.stdlib_module_names)"
    )
    assert run_python(code) == "{'sklstm'}"


@pytest.mark.parametrize(
    "name", ["NBSVMClassifier", "TextSequencer", "classic_baselines", "compare"]
)
def test_what_needs_no_network_does_not_import_keras(name):
    code = f"import sys, sklstm; sklstm.{name}; print({{'jax', 'keras'}} & sys.modules.keys())"
    assert run_python(code) == "set()"


@pytest.mark.parametrize("name", sklstm.__all__)
def test_public_name_can_be_imported(name):
    value = getattr(sklstm, name)
    assert value.__name__ == name
    assert value.__doc__
    assert value is getattr(sklstm, name)


@pytest.mark.parametrize("name", sklstm.__all__)
def test_public_name_is_exported_by_its_public_module(name):
    value, module = getattr(sklstm, name), sklstm._EXPORTS[name]
    assert getattr(import_module(module), name) is value
    # A private module of a public package may define it.
    assert value.__module__ == module or value.__module__.startswith(f"{module}.")


def test_dir_lists_the_public_names():
    assert set(sklstm.__all__) <= set(dir(sklstm))
    assert [name for name in dir(sklstm) if not name.startswith("__")] == sklstm.__all__


def test_type_checkers_see_every_public_name():
    tree = ast.parse(Path(sklstm.__file__).read_text(encoding="utf-8"))
    guard = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.asname: imported.module for imported in guard.body for alias in imported.names}
    assert seen == sklstm._EXPORTS


def test_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'sklstm' has no attribute 'LSTMClassifier'"):
        sklstm.LSTMClassifier  # noqa: B018

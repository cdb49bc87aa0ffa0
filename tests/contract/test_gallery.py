"""The gallery contains all examples in order, and their requirements are installed."""

import ast
import importlib.util
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("plot_*.py"))


@pytest.fixture(scope="module")
def gallery():
    spec = importlib.util.spec_from_file_location("_gallery", ROOT / "docs" / "_gallery.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_has_one_place_in_the_gallery(gallery):
    assert sorted(gallery.ORDER) == [path.name for path in EXAMPLES]


def test_the_gallery_lists_and_shows_the_same_examples(gallery):
    page = (ROOT / "examples" / "index.rst").read_text(encoding="utf-8")
    assert re.findall(r"^   (plot_\w+)$", page, re.M) == [Path(name).stem for name in gallery.ORDER]


def test_an_example_without_a_place_is_refused(gallery):
    with pytest.raises(ValueError, match=r"plot_new\.py has no place in the gallery; add it"):
        gallery.place("examples/plot_new.py")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_opens_with_a_title_and_what_it_shows(path):
    title, line, empty, *rest = ast.get_docstring(ast.parse(path.read_text())).splitlines()
    assert line == "=" * len(title)
    assert not empty
    assert len(" ".join(rest)) > 100


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_docs_extra_installs_what_an_example_imports(path):
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = settings["dependencies"] + settings["optional-dependencies"]["docs"]
    packages = {re.match(r"[\w-]+", entry)[0].replace("-", "_") for entry in listed}
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.partition(".")[0])
    others = imported - sys.stdlib_module_names - {"sklstm"}
    assert {"scikit_learn" if name == "sklearn" else name for name in others} <= packages

"""Public docstrings are complete, agree with the code, and have runnable examples."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
import textwrap
from functools import cached_property
from pathlib import Path

import pytest
from custom_models import network
from numpydoc.docscrape import ClassDoc, FunctionDoc
from numpydoc.validate import ERROR_MSGS, validate
from sklearn.exceptions import NotFittedError

import sklstm
from sklstm import KerasTextClassifier, LSTMTextClassifier, NBSVMClassifier, TextSequencer

# All checks of numpydoc count but these.
EXEMPT = {
    "ES01": "a first line that says all needs no second paragraph",
    "EX01": "methods may be shown in the example of their class; there is a test below",
    "RT02": "results have names, as those of scikit-learn's functions",
    "SA01": "See Also stands where there is something to see",
}
EXEMPT_NAMES = {
    ("Comparison", "PR01"): "compare makes it, and its fields are told as attributes",
    ("Report", "PR01"): "report makes it, and its field is told as an attribute",
}


def members(kind):
    """Give the public methods and properties of a class that are written in this package."""
    for name in sorted(set(dir(kind))):
        owner = next((base for base in kind.__mro__ if name in vars(base)), None)
        if name.startswith("_") or owner is None or not owner.__module__.startswith("sklstm"):
            continue
        value = vars(owner)[name]
        # Of a property, a cached one, and a class method.
        wrapped = (getattr(value, where, None) for where in ("fget", "func", "__func__"))
        function = next(filter(None, wrapped), value)
        if getattr(function, "__module__", "").startswith("sklstm"):
            yield name, inspect.unwrap(function)


PUBLIC = {name: getattr(sklstm, name) for name in sklstm.__all__}
CLASSES = {name: thing for name, thing in PUBLIC.items() if inspect.isclass(thing)}
METHODS = {f"{kind}.{m}": f for kind, c in CLASSES.items() for m, f in members(c)}
FUNCTIONS = METHODS | {name: thing for name, thing in PUBLIC.items() if name not in CLASSES}


def sections(thing):
    return (ClassDoc if inspect.isclass(thing) else FunctionDoc)(thing)


def test_there_is_something_to_check():
    assert {"LSTMTextClassifier.fit", "Comparison.plot", "WordVectors.load", "compare"} <= {
        *FUNCTIONS
    }
    assert not any(name.endswith("_request") for name in FUNCTIONS)
    assert set(EXEMPT) < set(ERROR_MSGS)


@pytest.mark.parametrize("name", [*PUBLIC, *METHODS])
def test_a_docstring_passes_the_checks_of_numpydoc(name):
    path = f"{PUBLIC[name.split('.')[0]].__module__}.{name}"
    errors = [
        f"{code}: {message}"
        for code, message in validate(path)["errors"]
        if code not in EXEMPT and (name, code) not in EXEMPT_NAMES
    ]
    assert errors == []


@pytest.mark.parametrize("name", EXEMPT_NAMES, ids=str)
def test_no_name_is_exempt_in_vain(name):
    public, code = name
    path = f"{PUBLIC[public].__module__}.{public}"
    assert code in [found for found, _ in validate(path)["errors"]]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_error_that_is_raised_is_told(name):
    tree = ast.parse(textwrap.dedent(inspect.getsource(FUNCTIONS[name])))
    raised = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            raised.add(node.exc.func.id)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "check_is_fitted":
            raised.add("NotFittedError")
    told = " ".join(f"{entry.name} {entry.type}" for entry in sections(FUNCTIONS[name])["Raises"])
    assert raised <= set(re.findall(r"\w+", told))


@pytest.mark.parametrize(
    "estimator",
    [TextSequencer(), LSTMTextClassifier(), KerasTextClassifier(network), NBSVMClassifier()],
    ids=lambda estimator: type(estimator).__name__,
)
def test_what_needs_a_fit_says_so(estimator):
    for method, function in members(type(estimator)):
        if "fit" in method or method in ("initialize", "model_"):
            continue
        arguments = [[[2, 3]]] if "X" in inspect.signature(function).parameters else []
        with pytest.raises(NotFittedError):
            getattr(estimator, method)(*arguments)
        told = " ".join(f"{entry.name} {entry.type}" for entry in sections(function)["Raises"])
        assert "NotFittedError" in told, method


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_an_example(name):
    assert doctest.DocTestParser().get_examples(PUBLIC[name].__doc__)
    assert sections(PUBLIC[name])["Examples"]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_shown_in_an_example(name):
    kind, method = name.split(".")
    shown = sections(METHODS[name])["Examples"] or sections(PUBLIC[kind])["Examples"]
    code = "".join(
        example.source for example in doctest.DocTestParser().get_examples("\n".join(shown))
    )
    assert re.search(rf"\.{method}\b", code)


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_tells_its_attributes(name):
    assert sections(CLASSES[name])["Attributes"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_result_is_told(name):
    kind, _, method = name.rpartition(".")
    thing = inspect.getattr_static(CLASSES[kind], method) if kind else FUNCTIONS[name]
    found = sections(FUNCTIONS[name])
    # The first line of a property says what it is.
    is_property = isinstance(thing, property | cached_property)
    returns = None if is_property else inspect.signature(FUNCTIONS[name]).return_annotation
    assert is_property or returns == "None" or found["Returns"] or found["Yields"]


def test_no_example_is_skipped():
    for path in Path(sklstm.__file__).parent.rglob("*.py"):
        assert "doctest: +SKIP" not in path.read_text(encoding="utf-8"), path

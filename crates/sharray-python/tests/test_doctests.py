"""Every public name is documented, as numpydoc wants it, and the examples in the docstrings run."""

from __future__ import annotations

import doctest
import inspect
import os
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sharray


def public_objects() -> Iterator[tuple[str, Any]]:
    """The module, what it exports, and the methods and attributes of its classes."""
    yield "sharray", sharray
    for name in sharray.__all__:
        exported = getattr(sharray, name)
        yield f"sharray.{name}", exported
        if isinstance(exported, type) and not issubclass(exported, BaseException):
            for member, value in vars(exported).items():
                if not member.startswith("_"):
                    # A static method's own text is that of its class.
                    yield f"sharray.{name}.{member}", value.__func__ if isinstance(value, staticmethod) else value


OBJECTS = dict(public_objects())
EXAMPLES = {name: value for name, value in OBJECTS.items() if ">>>" in (value.__doc__ or "")}
CALLABLES = {name: value for name, value in OBJECTS.items() if callable(value) and not isinstance(value, type)}


def sections(text: str) -> dict[str, list[str]]:
    """The lines of each numpydoc section of a docstring."""
    found: dict[str, list[str]] = {}
    lines = inspect.cleandoc(text).splitlines()
    title = ""
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line and following == "-" * len(line):
            title = line
        found.setdefault(title, []).append(line)
    return {title: lines[2:] if title else lines for title, lines in found.items()}


@pytest.mark.parametrize("name", OBJECTS)
def test_it_has_a_docstring(name: str) -> None:
    doc = OBJECTS[name].__doc__
    assert doc and doc.strip()
    summary = inspect.cleandoc(doc).split("\n\n")[0]
    assert summary.endswith((".", "?")), f"the summary is not a sentence: {summary!r}"


@pytest.mark.parametrize("name", CALLABLES)
def test_each_parameter_is_documented_and_no_other(name: str) -> None:
    told = sections(CALLABLES[name].__doc__)
    parameters = [
        each for each in inspect.signature(CALLABLES[name]).parameters if each not in ("self", "cls")
    ]
    heads = [line for line in told.get("Parameters", []) if line and not line.startswith(" ")]
    documented = [each.strip() for head in heads for each in head.split(" : ")[0].split(",")]
    assert documented == parameters


@pytest.mark.parametrize("name", OBJECTS)
def test_raises_tells_errors_that_there_are(name: str) -> None:
    lines = sections(OBJECTS[name].__doc__ or "").get("Raises", [])
    errors = [each.strip() for line in lines if line and not line.startswith(" ") for each in line.split(",")]
    for error in errors:
        assert issubclass(getattr(sharray, error, None) or getattr(__builtins__, error, object), Exception), error


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 15


@pytest.mark.parametrize("name", EXAMPLES)
def test_its_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARRAY_DIR", os.fspath(tmp_path / "default"))
    names = {"sharray": sharray, "np": np, "folder": tmp_path / "folder", "__name__": "__main__"}
    text = inspect.cleandoc(EXAMPLES[name].__doc__)
    test = doctest.DocTestParser().get_doctest(text, names, name, None, None)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    said: list[str] = []
    runner.run(test, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)


def test_help_finds_everything() -> None:
    assert isinstance(sharray, types.ModuleType)
    assert set(sharray.__all__) <= set(dir(sharray))
    undocumented = [each for each in vars(sharray) if not each.startswith("_") and each not in sharray.__all__]
    assert undocumented == []

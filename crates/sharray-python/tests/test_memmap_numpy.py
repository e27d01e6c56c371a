"""NumPy's own tests of ``numpy.memmap``, unchanged but for the import."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

FOUND = importlib.util.find_spec("numpy._core.tests.test_memmap")
#: Not every distribution of NumPy comes with its tests; the wheels do.
SOURCE = Path(FOUND.origin).read_text(encoding="utf-8") if FOUND and FOUND.origin else ""
#: What they import ``memmap`` with, and how it stands there.
IMPORT = re.compile(r"^from numpy import \([^)]*?\bmemmap\b[^)]*\)", re.MULTILINE)
DEADLINE_S = 50


def names() -> list[str]:
    """The tests that there are."""
    return [
        f"{group.name}::{test.name}"
        for group in ast.parse(SOURCE).body
        if isinstance(group, ast.ClassDef)
        for test in group.body
        if isinstance(test, ast.FunctionDef) and test.name.startswith("test_")
    ]


def with_ours() -> str:
    """The same text, which has ``memmap`` of us."""
    imported = IMPORT.search(SOURCE)
    assert imported, "NumPy's tests import it in another way"
    without = re.sub(r"\bmemmap\b,?", "", imported[0])
    return SOURCE.replace(imported[0], f"{without}\nfrom sharray import memmap")


@cache
def outcomes(whose: str) -> dict[str, str]:
    """What came of each test, with NumPy's class or with ours."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="sharray-numpy-tests-") as folder:
        file = Path(folder) / "test_memmap.py"
        file.write_text(SOURCE if whose == "numpy" else with_ours(), encoding="utf-8")
        settings = Path(folder) / "pytest.ini"
        settings.write_text("[pytest]\nfilterwarnings = ignore:Unknown pytest.mark\n", encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-v", "-rs", "-p", "no:cacheprovider", "-c", str(settings), str(file)]
        # The temporary files of the tests are put where there is room.
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=DEADLINE_S
        )
    told = re.findall(r"^test_memmap\.py::(\S+) (PASSED|FAILED|ERROR|SKIPPED)", done.stdout, re.MULTILINE)
    assert told, done.stdout + done.stderr
    return dict(told) | {"": done.stdout}


def test_numpy_has_tests() -> None:
    if not SOURCE:
        pytest.skip("this NumPy was installed without its tests")
    assert len(names()) >= 15
    assert set(names()) <= set(outcomes("ours"))


@pytest.mark.parametrize("name", names())
def test_it_passes(name: str) -> None:
    if outcomes("numpy")[name] == "FAILED":
        pytest.skip(f"numpy.memmap of NumPy {np.__version__} fails it")
    assert outcomes("ours")[name] == outcomes("numpy")[name], outcomes("ours")[""]

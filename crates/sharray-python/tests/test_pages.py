"""The Python of the project's pages runs.

The blocks of a page run in the order in which they stand there, in one namespace and a fresh folder. A block that begins with
a file's name is a program: those that follow each other run at the same time, as processes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
import sharray

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "crates" / "sharray-python"
PAGES = [ROOT / "README.md", PACKAGE / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAM = re.compile(r"# (\w+\.py)\n")
#: Far more than any of them takes.
DEADLINE = 60


def blocks(page: Path) -> list[str]:
    """The page's Python, each block on the lines where it stands, so that tracebacks tell where to look."""
    text = page.read_text(encoding="utf-8")
    return ["\n" * text.count("\n", 0, found.start(1)) + found[1] for found in BLOCK.finditer(text)]


def name_of(block: str) -> str | None:
    """The file's name of a block that is a program."""
    found = PROGRAM.match(block.lstrip("\n"))
    return found[1] if found else None


def run_together(programs: list[str]) -> None:
    """Runs programs at the same time until all have ended well."""
    processes = []
    try:
        for program in programs:
            file = Path(name_of(program) or "")
            file.write_text(program, encoding="utf-8")
            processes.append(subprocess.Popen([sys.executable, "-W", "error", file], stdout=subprocess.PIPE))
        end = time.monotonic() + DEADLINE
        for process in processes:
            printed, _ = process.communicate(timeout=max(end - time.monotonic(), 0))
            assert process.returncode == 0, process.args
            assert printed or len(programs) == 1 or "producer" in str(process.args), process.args
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHARRAY_DIR", os.fspath(tmp_path / "arrays"))
    names: dict[str, object] = {"__name__": page.stem}
    if page.stem == "format":
        # What it tells readers of is a stream of eight slots.
        camera = sharray.publish("camera", (480, 640), "<f4", slots=8)
        info = sharray.inspect("camera")
        names |= {"np": np, "camera": camera, "path": info.path}
        names |= {"npy_offset": info.npy_offset, "data_offset": info.data_offset}
    for is_program, group in groupby(blocks(page), key=lambda block: name_of(block) is not None):
        if is_program:
            run_together(list(group))
        else:
            for block in group:
                exec(compile(block, page, "exec"), names)


def test_pages_have_python() -> None:
    assert len([page for page in PAGES if blocks(page)]) >= 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        assert "://" in target or (page.parent / target).exists(), target

"""The Python and the Rust of the project's pages run, the words of its shell lines are there, and its links lead somewhere.

The blocks of a page run in the order in which they stand there, in a fresh folder, those in Python in one namespace. A block that
begins with a file's name is a program: those that follow each other run at the same time, as processes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import sharray
from pages import FENCE, PAGES, ROOT, Block, blocks, build_rust

RUN = ("python", "rust")
#: Far more than any of them takes.
DEADLINE = 60
#: What is shown as it is, and what `test_shell_lines.py` looks at.
PLAIN = ("text", "sh")

Commands = dict[Block, list[str]]


@pytest.fixture(scope="session")
def rust() -> Commands:
    """How each block of Rust is run."""
    cargo = shutil.which("cargo")
    if cargo is None:
        pytest.skip("there is no cargo here")
    return build_rust(cargo)


def groups(page: Path) -> list[list[Block]]:
    """What runs at the same time: each block alone, but programs together, as far as their names differ."""
    found: list[list[Block]] = []
    for block in blocks(page):
        if block.language in RUN:
            name = block.program and Path(block.program).stem
            names = [each.program and Path(each.program).stem for each in found[-1]] if found else [None]
            if name is None or None in names or name in names:
                found.append([])
            found[-1].append(block)
    return found


def run_together(group: list[Block], rust: Commands) -> None:
    """Runs programs at the same time until all have ended well."""
    processes = []
    try:
        for block in group:
            command = rust.get(block)
            if command is None:
                file = Path(block.program or "")
                file.write_text(block.in_place, encoding="utf-8")
                command = [sys.executable, "-W", "error", os.fspath(file)]
            processes.append((block, subprocess.Popen(command, stdout=subprocess.PIPE)))
        end = time.monotonic() + DEADLINE
        for block, process in processes:
            printed, _ = process.communicate(timeout=max(end - time.monotonic(), 0))
            assert process.returncode == 0, str(block)
            assert printed or "consumer" not in (block.program or ""), str(block)
    finally:
        for _, process in processes:
            process.kill()
            process.wait()


@pytest.mark.parametrize("page", [page for page in PAGES if groups(page)], ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rust: Commands) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHARRAY_DIR", os.fspath(tmp_path / "arrays"))
    names: dict[str, object] = {"__name__": page.stem}
    if page.stem == "format":
        # What it tells readers of is a stream of eight slots.
        camera = sharray.publish("camera", (480, 640), "<f4", slots=8)
        info = sharray.inspect("camera")
        names |= {"np": np, "camera": camera, "path": info.path}
        names |= {"npy_offset": info.npy_offset, "data_offset": info.data_offset}
    for group in groups(page):
        [first, *_] = group
        if first.language == "python" and first.program is None:
            exec(compile(first.in_place, page, "exec"), names)
        else:
            run_together(group, rust)


def test_pages_have_code() -> None:
    for language, least in (("python", 10), ("rust", 5)):
        assert len([page for page in PAGES if any(each.language == language for each in blocks(page))]) >= least


@pytest.mark.parametrize("page", PAGES, ids=lambda page: os.fspath(page.relative_to(ROOT)))
def test_each_block_says_what_it_is(page: Path) -> None:
    """Or nobody would notice one that no test looks at."""
    fences = re.findall(r"^ *(?:```|~~~)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) == 2 * len(blocks(page)), "a fence that is not at the beginning of its line, or has no end"
    for block in blocks(page):
        assert block.language in (*RUN, *PLAIN), str(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: os.fspath(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"`[^`\n]+`", "", FENCE.sub("", page.read_text(encoding="utf-8")))
    given = re.findall(r"^\[([^\]]+)\]: (\S+)$", text, re.MULTILINE)
    for target in [*re.findall(r"\]\(([^)#]+)", text), *(target.partition("#")[0] for _, target in given)]:
        assert "://" in target or not target or (page.parent / target).exists(), target
    for label in re.findall(r"\]\[([^\]]+)\]", text):
        assert label in dict(given), label

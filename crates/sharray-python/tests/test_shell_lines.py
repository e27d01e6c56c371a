"""The shell lines of the project's pages: those of `sharray` run, of all others the words are there.

The lines of `sharray` run as they stand, in a terminal and in a place where there is what the pages speak of. Those that would go on
for ever are left by the key `q` or by an interrupt when they have shown something.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import sharray
from pages import PAGES, ROOT, blocks

COMMAND = Path(sys.executable).parent / "sharray"
#: What shows more and more until it is left.
ENDLESS = {"top", "watch", "--follow"}
#: What says nothing if all is well and soon done.
QUIET = {"put", "get", "rm", "gc"}
#: Far more than any of them takes.
DEADLINE = 30
#: What `cargo xtask` prints, and what the examples understand.
USAGE = (ROOT / "crates/xtask/src/main.rs").read_text(encoding="utf-8")


def lines(page: Path) -> list[list[str]]:
    """The words of each line of the page's shell blocks."""
    code = [line for block in blocks(page) if block.language == "sh" for line in block.code.splitlines()]
    return [words for words in (shlex.split(line, comments=True) for line in code) if words]


OWN = [page for page in PAGES if any(words[0] == "sharray" for words in lines(page))]
OTHERS = [page for page in PAGES if any(words[0] != "sharray" for words in lines(page))]


@contextmanager
def what_pages_speak_of() -> Iterator[None]:
    """A camera that goes on while its name is there, an array, and a file."""
    np.save("data.npy", np.arange(12.0).reshape(3, 4))
    sharray.create("sim/field", data=np.eye(20))
    camera = sharray.publish("camera", (4, 6), "u1")
    is_over = threading.Event()

    def publish() -> None:
        while not is_over.wait(0.02):
            camera.publish(np.full((4, 6), camera.sequence % 256, "u1"))

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        camera.close()


def run_in_terminal(words: list[str]) -> tuple[int, str]:
    """The exit code and what stands in the terminal."""
    own, its = pty.openpty()
    termios.tcsetwinsize(its, (30, 100))
    environment = {**os.environ, "TERM": "xterm-256color"}
    process = subprocess.Popen([COMMAND, *words[1:]], stdin=its, stdout=its, stderr=its, env=environment)
    os.close(its)
    shown, end, is_left = b"", time.monotonic() + DEADLINE, False
    try:
        while time.monotonic() < end:
            if not select.select([own], [], [], 0.05)[0]:
                continue
            try:
                shown += os.read(own, 1 << 16)
            except OSError:
                # Nobody has the other end any more: it is over.
                break
            # What is far longer than a heading.
            if ENDLESS & set(words) and len(shown) > 300 and not is_left:
                is_left = True
                if "top" in words:
                    os.write(own, b"q")
                else:
                    process.send_signal(signal.SIGINT)
        return process.wait(timeout=DEADLINE), shown.decode(errors="replace")
    finally:
        process.kill()
        process.wait()
        os.close(own)


@pytest.mark.parametrize("page", OWN, ids=lambda page: page.stem)
def test_the_lines_of_the_command_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHARRAY_DIR", os.fspath(tmp_path / "arrays"))
    with what_pages_speak_of():
        for words in lines(page):
            if words[0] == "sharray":
                code, shown = run_in_terminal(words)
                # The doctor answers 1 where the machine is unfit.
                interrupted = bool(ENDLESS & set(words)) and words[1] != "top"
                allowed = (0, 1) if words[1] == "doctor" else (130,) if interrupted else (0,)
                assert code in allowed, f"{shlex.join(words)}: {code}: {shown}"
                assert shown or words[1] in QUIET, shlex.join(words)


@pytest.mark.parametrize("page", OTHERS, ids=lambda page: os.fspath(page.relative_to(ROOT)))
def test_the_words_of_other_lines_are_there(page: Path) -> None:
    for words in lines(page):
        if words[0] != "sharray":
            check(words)


def check(words: list[str]) -> None:
    """Whether what the line names is there: a command of the project, a test, an example with its options, a file."""
    line = shlex.join(words)
    if words[:2] == ["cargo", "xtask"]:
        assert re.search(rf"^cargo {' '.join(words[1:])}\b", USAGE, re.MULTILINE), line
    elif words[0] == "cargo":
        for folder, option in (("tests", "--test"), ("benches", "--bench"), ("examples", "--example")):
            if option in words:
                name = words[words.index(option) + 1]
                assert (ROOT / folder / f"{name}.rs").exists() or (ROOT / folder / name / "main.rs").exists(), line
        if "--example" in words and "--" in words:
            own = ROOT / "examples" / words[words.index("--example") + 1]
            sources = [each.read_text() for folder in (own, ROOT / "examples/simulation") for each in folder.glob("*.rs")]
            for option in words[words.index("--") + 1 :]:
                assert not option.startswith("--") or f'Long("{option[2:]}")' in "".join(sources), line
        assert any(word.startswith("--") or (ROOT / word).exists() for word in words[2:]), line
    elif words[0] == "python":
        assert (ROOT / words[1]).exists(), line
    else:
        assert words[0] in ("pip", "pkill"), line

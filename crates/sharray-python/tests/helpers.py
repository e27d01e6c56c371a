"""Child processes, and conditions to wait for."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

#: How long anything may take that takes next to no time on an idle machine.
PATIENCE_S = 30.0

#: What the code of every child can use.
PRELUDE = """
import os, signal, sys, time
import numpy as np
import sharray
folder = sys.argv[1]
def tell(*what):
    print(*what, flush=True)
def hear():
    return sys.stdin.readline().strip()
"""

_children: list[Child] = []


class Child:
    """A process of its own that is talked to line by line: Python code, with ``tell()`` and ``hear()`` there, or another
    program."""

    def __init__(self, code: str | list[str], *arguments: object) -> None:
        if isinstance(code, str):
            code = [sys.executable, "-c", PRELUDE + textwrap.dedent(code)]
        self.process = subprocess.Popen(
            [*code, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._errors = ""
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._read, self._read_errors)]
        for thread in self._threads:
            thread.start()
        _children.append(self)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            self._errors = stream.read()

    @property
    def pid(self) -> int:
        return self.process.pid

    def hear(self) -> str:
        """What it tells next."""
        line = self._lines.get(timeout=PATIENCE_S)
        assert line is not None, f"the child said nothing more: {self.end()}"
        return line

    def expect(self, line: str) -> None:
        heard = self.hear()
        assert heard == line, f"the child said {heard!r}, expected {line!r}"

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kills it, and waits until it is dead."""
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def end(self) -> tuple[int, str]:
        """Waits for its end; returns its exit status and what it said of errors."""
        status = self.process.wait(PATIENCE_S)
        for thread in self._threads:
            thread.join(PATIENCE_S)
        return status, self._errors

    def succeed(self) -> None:
        """Waits for its end, which must be a good one."""
        status, errors = self.end()
        assert status == 0, f"the child ended with status {status}:\n{errors}"


def kill_children() -> None:
    """Ends what a test has left."""
    while _children:
        child = _children.pop()
        if child.process.poll() is None:
            child.kill()
        if child.process.stdin is not None:
            try:
                child.process.stdin.close()
            except BrokenPipeError:
                pass
        for thread in child._threads:
            thread.join(PATIENCE_S)


def until(condition: Callable[[], Any], what: str = "it") -> Any:
    """Waits until a condition holds; returns what it answered."""
    end = time.monotonic() + PATIENCE_S
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < end, f"{what} did not come to hold"
        time.sleep(0.001)


def is_asleep(pid: int) -> bool:
    """Whether the main thread of a process sleeps in the kernel."""
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "S"


def descriptors() -> int:
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


def resident_kib(pid: int | str = "self", what: str = "VmRSS") -> int:
    """How much memory a process has, in KiB. ``RssAnon``: what is its own; ``RssShmem``: what it shares."""
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith(what + ":"):
                return int(line.split()[1])
    raise AssertionError(f"/proc/{pid}/status has no {what}")


def in_fork(act: Callable[[], Any]) -> None:
    """Does something in a forked child; fails if that raised or died."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            # It dies even if it does not come to run Python.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(int(PATIENCE_S))
            act()
            status = 0
        except BaseException:
            import traceback

            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"the forked child ended with status {status}"


@contextmanager
def running(act: Callable[[], Any]) -> Iterator[threading.Thread]:
    """A thread that does something during a block. What it raises, the block raises at its end."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield thread
    thread.join(PATIENCE_S)
    assert not thread.is_alive(), "the thread did not end"
    if raised:
        raise raised[0]

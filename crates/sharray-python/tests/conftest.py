"""What every test has: a fresh folder, and an end to waiting."""

from __future__ import annotations

import faulthandler
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import helpers
import pytest

#: No test takes a tenth of it.
TEST_LIMIT_S = 60


@pytest.fixture(autouse=True)
def _guard() -> Iterator[None]:
    """Ends a test that hangs: by an exception, or, if it does not even come to that, with the process."""

    def over(_signal: int, _frame: object) -> None:
        raise TimeoutError(f"the test is not over after {TEST_LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(TEST_LIMIT_S)
    faulthandler.dump_traceback_later(TEST_LIMIT_S + 20, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    helpers.kill_children()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory, for arrays of one test."""
    path = tempfile.mkdtemp(prefix="sharray-test-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    yield Path(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _hygiene() -> Iterator[None]:
    """Looks whether anything is left behind when all tests are over: a process, a thread."""
    yield
    try:
        helpers.until(lambda: not _left_behind())
    except AssertionError:
        pytest.fail(f"the tests left behind: {_left_behind()}")


def _left_behind() -> list[str]:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    # The helpers of multiprocessing, joblib and tqdm stay until the interpreter ends.
    own = [line for line in map(_command, children) if line and not ("multiprocessing" in line or "joblib" in line)]
    modules = {thread.name: type(thread).__module__ for thread in threading.enumerate()}
    threads = [name for name, module in modules.items() if not module.startswith(("joblib", "tqdm"))]
    threads = [name for name in threads if name not in ("MainThread", "QueueFeederThread")]
    return [*own, *threads]


def _command(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""

"""What every test has: a fresh folder, and an end to waiting."""

from __future__ import annotations

import faulthandler
import os
import shutil
import signal
import sys
import tempfile
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

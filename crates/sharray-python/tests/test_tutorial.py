"""The lesson prints what it teaches, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

LESSON = """\
created: float64 [1000, 1000], 8000000 bytes
opened to look at: sum 0.0, mode r
writing to it: assignment destination is read-only
missing.dat: file not found
one element: [42]
its bytes: [42, 0, 0, 0]
sum of zeros: 0.0
sum with a square of 5.5: 137.5
reopened: value at (12, 12) 5.5, sum 137.5
shared by name: "sample"
another process: value at (12, 12) 5.5, sum 137.5
what it wrote: value at (0, 0) 1.0
"""


def test_the_lesson_says_what_it_teaches(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", ROOT / "examples" / "tutorial.py"]
    environment = {**os.environ, "TMPDIR": os.fspath(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    assert done.stdout == LESSON
    assert list(tmp_path.iterdir()) == [], "the folder of the lesson is gone"


def test_it_is_the_lesson_of_the_other_language() -> None:
    """Rust's says the same, but for what its compiler says instead."""
    text = (ROOT / "tests" / "tutorial.rs").read_text(encoding="utf-8")
    told = re.search(r'LESSON: &str = "\\\n(.*?)";', text, re.DOTALL)
    assert told
    theirs = told[1].replace('\\"', '"').splitlines()
    assert [line for line in LESSON.splitlines() if not line.startswith("writing to it")] == theirs

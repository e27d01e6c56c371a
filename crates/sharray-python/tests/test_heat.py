"""The simulation of examples/heat in two languages: ranks of either, or of both, come to the same, bit for bit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import until

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "heat"
TASK = ["--size", "90", "--steps", "25"]
#: Far more than any run here takes.
DEADLINE = 60.0


@pytest.fixture(scope="session")
def heat() -> str:
    """The Rust program, built: by whoever says so in the environment, or else by Cargo."""
    if built := os.environ.get("SHARRAY_HEAT"):
        return built
    cargo = shutil.which("cargo")
    if cargo is None or not (ROOT / "Cargo.toml").exists():
        pytest.skip("no cargo to build the Rust program with, and SHARRAY_HEAT does not name it")
    build = [cargo, "build", "--quiet", "--release", "--example", "heat", "--message-format", "json"]
    messages = subprocess.run(build, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    executables = [json.loads(message).get("executable") for message in messages]
    return str(next(executable for executable in executables if executable))


def result(folder: Path, words: list[str]) -> str:
    """Runs a program to its end; the line that tells its result. Nothing may be left in the folder."""
    environment = {**os.environ, "SHARRAY_DIR": str(folder)}
    run = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert list(folder.iterdir()) == []
    (line,) = (line for line in run.stdout.splitlines() if line.startswith("result: "))
    return line


def in_python(*words: str) -> list[str]:
    return [sys.executable, "-W", "error", str(EXAMPLE / "heat.py"), *TASK, *words]


@pytest.mark.parametrize("ranks", [str(ranks) for ranks in range(1, 9)])
def test_ranks_in_both_languages(folder: Path, heat: str, ranks: str) -> None:
    """All ranks in Python, and one of them in Rust: each comes to what the serial program comes to."""
    alone = result(folder, [heat, *TASK, "--serial"])
    assert result(folder, in_python("--ranks", ranks)) == alone
    assert result(folder, in_python("--ranks", ranks, "--rust", heat)) == alone


def test_a_viewer_draws_while_it_runs(folder: Path, heat: str, tmp_path: Path) -> None:
    """It attaches by name to a running simulation, without a display, and each of its pictures is a PNG."""
    environment = {**os.environ, "SHARRAY_DIR": str(folder)}
    pictures = tmp_path / "frames"
    words = [sys.executable, "-W", "error", str(EXAMPLE / "viewer.py"), "heat", "--out", str(pictures)]
    endless = [heat, "--size", "300", "--steps", "1000000000"]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as viewer:
        with subprocess.Popen(endless, env=environment, stderr=subprocess.DEVNULL) as simulation:
            try:
                until(lambda: len(list(pictures.glob("*.png"))) >= 2, "that it draws")
                simulation.terminate()
                simulation.wait(DEADLINE)
                said = viewer.communicate(timeout=DEADLINE)[0]
            finally:
                simulation.kill()
                viewer.kill()
    assert viewer.returncode == 0, said
    frames = sorted(pictures.iterdir())
    assert said.splitlines()[-1] == f"{len(frames)} frames in {pictures}"
    for frame in frames:
        png = frame.read_bytes()
        assert png.startswith(b"\x89PNG\r\n\x1a\n") and png.endswith(b"IEND\xaeB`\x82")

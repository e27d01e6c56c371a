"""The command ``sharray`` is installed with the package, and behaves as any command: its own tests are beside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sharray

SCRIPT = Path(sys.executable).parent / "sharray"
#: Far more than any of them takes.
DEADLINE = 30


def start(folder: Path, *arguments: str, command: tuple[str, ...] = (str(SCRIPT),)) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "SHARRAY_DIR": str(folder)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*command, *arguments], env=environment, **pipes)  # type: ignore[call-overload, no-any-return]


def run(folder: Path, *arguments: str, command: tuple[str, ...] = (str(SCRIPT),)) -> tuple[int, str, str]:
    process = start(folder, *arguments, command=command)
    out, err = process.communicate(timeout=DEADLINE)
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("command", [(str(SCRIPT),), (sys.executable, "-m", "sharray")], ids=["script", "module"])
def test_the_command_is_there(folder: Path, command: tuple[str, ...]) -> None:
    """What the package makes, its command finds; and the exit codes are the command's."""
    field = sharray.create("field", (3, 4), "f8", dir=folder)
    code, out, err = run(folder, "ls", command=command)
    assert (code, err) == (0, "")
    assert out.splitlines()[1].split()[:5] == ["field", "array", "float64", "(3,", "4)"]
    code, out, err = run(folder, "info", "nothing", command=command)
    assert (code, out) == (3, "")
    assert err.startswith("error: no array named")
    code, out, err = run(folder, command=command)
    assert (code, out) == (2, "")
    assert "Usage: sharray" in err
    del field


def test_ctrl_c_ends_it(folder: Path) -> None:
    """As it ends any command: without a traceback, with the exit code that shells know, and nothing is left behind."""
    with sharray.publish("camera", (4,), "u1", dir=folder) as camera:
        process = start(folder, "watch", "camera")
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"  SEQUENCE")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=DEADLINE)
        assert (process.returncode, err) == (130, b"")
        assert len(sharray.inspect("camera", dir=folder).participants) == 1
        del camera


def test_a_closed_pipe_is_no_error(folder: Path) -> None:
    field = sharray.create("field", (1 << 22,), "u1", dir=folder)
    process = start(folder, "get", "field", "-")
    assert process.stdout is not None
    assert process.stdout.read(6) == b"\x93NUMPY"
    process.stdout.close()
    assert process.wait(DEADLINE) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    del field


def test_files_are_those_of_numpy(folder: Path, tmp_path: Path) -> None:
    contents = np.arange(12, dtype=">i4").reshape(3, 4, order="F")
    np.save(tmp_path / "one.npy", contents)
    assert run(folder, "put", str(tmp_path / "one.npy"), "sim/one")[0] == 0
    assert run(folder, "get", "sim/one", str(tmp_path / "back.npy"))[0] == 0
    assert (tmp_path / "back.npy").read_bytes() == (tmp_path / "one.npy").read_bytes()


POINT = np.dtype([("x", "<f4"), ("y", "<f4", (2,))])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((3, 4), "f8"), ((), "u2"), ((5,), POINT), ((1024, 3), ">f4"), ((7, 5), "M8[ns]"), ((2, 3), "U3")],
    ids=str,
)
def test_numpy_alone_opens_what_info_says(folder: Path, shape: tuple[int, ...], dtype: object, order: str) -> None:
    """The line that ``sharray info`` prints is the array, or the slots of the stream, one of which holds the frame."""
    contents = np.zeros(shape, np.dtype(dtype), order=order)  # type: ignore[call-overload]
    contents.reshape(-1).view("u1")[...] = np.arange(contents.nbytes) % 7 if contents.dtype.kind != "U" else 0
    contents = np.array(contents, order=order)  # type: ignore[call-overload]
    field = sharray.create("field", data=contents, dir=folder)
    line = json.loads(run(folder, "info", "field", "--json")[1])["memmap"]
    found = eval(line, {"np": np})
    assert (found.dtype, found.shape) == (contents.dtype, contents.shape)
    assert found.tobytes("A") == contents.tobytes("A")
    with sharray.publish("stream", shape, dtype, order=order, dir=folder) as stream:
        with stream.loan() as frame:
            frame[...] = contents
        line = json.loads(run(folder, "info", "stream", "--json")[1])["memmap"]
        slots = eval(line, {"np": np})
        assert slots.dtype == contents.dtype
        count = sharray.inspect("stream", dir=folder).slots
        # The order of slots means nothing: one of them has the frame.
        axis = slots.shape.index(count) if slots.shape != (count, *shape) else 0
        frames = [np.take(slots, at, axis) for at in range(count)]
        assert any(one.shape == shape and np.array_equal(one, contents) for one in frames), line
        del frame, slots
    del field, found

"""A file that somebody cuts short while it is mapped ends no interpreter: whoever touched what is gone is told.

Each case is a process of its own, since what is tested would otherwise end the test, and since signal handlers are a whole
process's.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from textwrap import dedent

import helpers
import pytest
from helpers import Child

PRELUDE = """
import faulthandler
def cut(name, size=0):
    os.truncate(os.path.join(folder, name), size)
def told(act, *args):
    try:
        act(*args)
    except sharray.Truncated as error:
        tell("Truncated", error.found, error.expected - error.found > 0)
    else:
        tell("nothing")
def after(block):
    with block as a:
        return a.sum()
"""


def run(code: str, folder: Path) -> Child:
    return Child(PRELUDE + dedent(code), folder)


def says(child: Child, *lines: str) -> None:
    for line in lines:
        child.expect(line)
    assert child.process.wait(30) == 0


TOLD = "Truncated 0 True"


def test_arrays_in_place(folder: Path) -> None:
    code = """
    for name in "abcdefg":
        sharray.create(name, (1000, 10), "f8", dir=folder)
    def fresh(name):
        field = sharray.attach(name, dir=folder)
        cut(name)
        return field
    told(fresh("a").snapshot)
    field = fresh("b")
    told(lambda: after(field.read()))
    told(fresh("c").write)
    told(fresh("d").__setitem__, 3, 1.0)
    told(fresh("e")[500:].snapshot)
    field = sharray.attach("f", dir=folder)
    def read_on():
        with field.read() as a:
            cut("f")
            tell(a.sum())
    told(read_on)
    told(field.read)
    field = sharray.attach("g", dir=folder)
    def write_on():
        with field.write() as a:
            cut("g")
            a[...] = 1
    told(write_on)
    told(field.check_whole)
    """
    says(run(code, folder), TOLD, TOLD, TOLD, TOLD, TOLD, "0.0", TOLD, TOLD, TOLD, TOLD)


def test_live_views_are_zeros_and_the_handle_says_so(folder: Path) -> None:
    code = """
    field = sharray.create("a", data=np.ones(10000), dir=folder)
    view = np.asarray(field)
    cut("a")
    tell(view.sum())
    told(field.check_whole)
    """
    says(run(code, folder), "0.0", TOLD)


def test_streams(folder: Path) -> None:
    code = """
    def stream(name):
        camera = sharray.publish(name, shape=(100, 100), dtype="f8", dir=folder)
        camera.publish(1)
        return camera, sharray.subscribe(name, dir=folder)
    camera, viewer = stream("a")
    cut("a")
    told(viewer.latest)
    told(viewer.recv)
    told(camera.loan)
    camera, viewer = stream("b")
    def publish():
        with camera.loan() as a:
            cut("b")
            a[...] = 2
    told(publish)
    camera, viewer = stream("c")
    frame = viewer.latest()
    def look():
        with frame:
            a = frame.array
            cut("c")
            tell(a.sum())
    told(look)
    """
    says(run(code, folder), TOLD, TOLD, TOLD, TOLD, "0.0", TOLD)


def test_cells(folder: Path) -> None:
    code = """
    gain = sharray.cell("gain", 1.5, dir=folder)
    cut("gain")
    told(gain.load)
    told(gain.store, 2)
    told(gain.wait_changed)
    """
    says(run(code, folder), TOLD, TOLD, TOLD)


def test_somebody_who_waits_is_told(folder: Path) -> None:
    camera = Child("camera = sharray.publish('a', shape=10, dir=folder); tell('there'); hear()", folder)
    camera.expect("there")
    code = """
    viewer = sharray.subscribe("a", dir=folder)
    tell("waits")
    told(viewer.recv)
    """
    viewer = run(code, folder)
    viewer.expect("waits")
    (folder / "a").write_bytes(b"")
    says(viewer, TOLD)


def test_plain_files(folder: Path) -> None:
    code = """
    def fresh(mode="r+"):
        np.ones(10000).tofile(folder + "/data")
        return sharray.memmap(folder + "/data", "f8", mode)
    for mode in ("r", "r+", "c"):
        m = fresh(mode)
        cut("data")
        tell(m[5000:].sum())
        told(m.check_whole)
    m = fresh()
    cut("data")
    m[-1] = 5
    told(m.flush)
    def close():
        with fresh() as m:
            cut("data")
            m[9000]
    told(close)
    def scan():
        for block in fresh().blocks(1000):
            cut("data")
            block.sum()
    told(scan)
    # What is not touched is not missed.
    m = fresh("r")
    cut("data", 4096)
    tell(m[:512].sum())
    told(m.check_whole)
    """
    says(run(code, folder), *["0.0", TOLD] * 3, TOLD, TOLD, TOLD, "512.0", "nothing")


@pytest.mark.parametrize("when", ["before", "after", "between", "after, in a thread"])
def test_faulthandler_and_truncation_live_together(folder: Path, when: str) -> None:
    code = f"""
    import threading
    when = {when!r}
    if when != "before":
        faulthandler.disable()
    sharray.create("a", 10000, dir=folder)
    field = sharray.attach("a", dir=folder)
    np.ones(10000).tofile(folder + "/data")
    other = sharray.memmap(folder + "/data", "f8", "r")
    if when.startswith("after"):
        faulthandler.enable()
    if when == "between":
        faulthandler.enable()
        third = sharray.memmap(folder + "/data", "f8", "r")
    cut("a")
    if when.endswith("thread"):
        thread = threading.Thread(target=told, args=(field.snapshot,))
        thread.start()
        thread.join()
    else:
        told(field.snapshot)
    cut("data")
    tell(other.sum())
    # What is not ours ends the process, and is reported.
    np.ones(10000).tofile(folder + "/data")
    theirs = np.memmap(folder + "/data", "f8", "r")
    cut("data")
    theirs.sum()
    """
    first = "import faulthandler; faulthandler.enable()\n" if when == "before" else ""
    child = Child([sys.executable, "-c", first + helpers.PRELUDE + PRELUDE + dedent(code)], folder)
    child.expect(TOLD)
    child.expect("0.0")
    assert child.process.wait(30) == -signal.SIGBUS


def test_without_us_it_dies(folder: Path) -> None:
    """It shows that the others are not spared by chance."""
    code = """
    np.ones(10000).tofile(folder + "/data")
    theirs = np.memmap(folder + "/data", "f8", "r")
    cut("data")
    theirs.sum()
    """
    assert run(code, folder).process.wait(30) == -signal.SIGBUS

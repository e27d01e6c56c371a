"""Tables that grow: what is appended is there for all, in order, and never changes."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sharray
from helpers import Child, in_fork, is_asleep, running, until


def test_append_and_index(folder: Path) -> None:
    """Rows that one handle appends all handles see, as plain read-only ndarrays over the same bytes; those that were looked
    at before stay as they are, and where they are."""
    log = sharray.grow("log", (0, 2), "f8", dir=folder)
    other = sharray.grow("log", (0, 2), "f8", dir=folder)
    assert (len(log), log.shape, log.ndim, log.size, log.nbytes) == (0, (0, 2), 2, 0, 0)
    assert log.append([[1, 2], [3, 4]]) == range(0, 2)
    before = other[...]
    assert other.append(np.arange(6, dtype="i2").reshape(3, 2)) == range(2, 5)
    assert type(before) is np.ndarray and not before.flags.writeable
    assert before.tolist() == [[1, 2], [3, 4]] and log[...].tolist() == [[1, 2], [3, 4], [0, 1], [2, 3], [4, 5]]
    assert log[-1].tolist() == [4, 5] and log[1:3, 0].tolist() == [3, 0] and log[0, 1] == 2
    assert log[[0, 4]].tolist() == [[1, 2], [4, 5]] and log[log[:, 0] > 2].shape == (2, 2)
    assert [row.tolist() for row in log][1] == [3, 4] and (log.shape, log.nbytes) == ((5, 2), 80)
    assert np.shares_memory(log[...], log[2:4]) and before.ctypes.data == other[...].ctypes.data
    with pytest.raises(ValueError):
        before.flags.writeable = True
    with pytest.raises(IndexError):
        log[5]


def test_records(folder: Path) -> None:
    """Rows of a structured dtype are columns by name, without a copy."""
    log = sharray.grow("log", 0, [("time", "f8"), ("event", "U8"), ("at", "f4", (2,))], dir=folder)
    log.append([(0.5, "start", (1, 2)), (1.5, "stop", (3, 4))])
    assert log["event"].tolist() == ["start", "stop"] and log["at"][1].tolist() == [3, 4]
    assert np.shares_memory(log["time"], log[...]) and log[0]["time"] == 0.5


def test_rows_that_do_not_fit(folder: Path) -> None:
    """Refused, and nothing was appended: rows of another shape, values of another dtype, more than there is room for."""
    log = sharray.grow("log", (0, 2), "i4", max_len=3, dir=folder)
    log.append([[1, 2]])
    for rows in ([1, 2], [[1, 2, 3]], 5, [[[1, 2]]]):
        with pytest.raises(sharray.InvalidArgument, match="expected \\[_, \\[2\\]\\]"):
            log.append(rows)
    for rows in ([["a", "b"]], [[None, 1]]):
        with pytest.raises((ValueError, TypeError)):
            log.append(rows)
    with pytest.raises(sharray.TableFull, match="1 of at most 3") as raised:
        log.append(np.zeros((3, 2)))
    assert (raised.value.name, raised.value.len, raised.value.max_len) == ("log", 1, 3)
    assert isinstance(raised.value, OverflowError) and log[...].tolist() == [[1, 2]]
    with pytest.raises(ValueError, match="expected seconds"):
        log.append([[1, 2]], timeout=-1)


def test_attach_or_create(folder: Path) -> None:
    """`grow` takes what is there, however long; `attach` finds it; whatever is not such a table is refused."""
    first = sharray.grow("log", (0, 3), "f4", max_len=10, attributes={"unit": "K"}, dir=folder)
    first.append(np.ones((2, 3)))
    again = sharray.grow("log", (0, 3), "f4", max_len=99, dir=folder)
    assert (again.generation, len(again), again.max_len) == (first.generation, 2, 10)
    found = sharray.attach("log", dir=folder)
    assert isinstance(found, sharray.Table) and found.attributes == {"unit": "K"} and found.dtype == np.float32
    assert repr(found) == '<sharray.Table "log": float32 (2, 3)>'
    reader = sharray.attach("log", mode="r", dir=folder)
    assert reader.is_read_only and reader[...].sum() == 6 and "read-only" in repr(reader)
    with pytest.raises(sharray.ReadOnly):
        reader.append(np.ones((1, 3)))
    sharray.create("array", 3, dir=folder)
    for act in (
        lambda: sharray.grow("log", (0, 4), "f4", dir=folder),
        lambda: sharray.grow("log", (0, 3), "f8", dir=folder),
        lambda: sharray.grow("array", 0, dir=folder),
        lambda: sharray.open("log", (0, 3), "f4", dir=folder),
        lambda: sharray.cell("log", dir=folder),
    ):
        with pytest.raises(sharray.Mismatch, match="growable array"):
            act()
    for shape in (3, (1, 2), ()):
        with pytest.raises(sharray.InvalidArgument, match="begins without rows"):
            sharray.grow("new", shape, dir=folder)
    info = sharray.inspect("log", dir=folder)
    assert (info.kind, info.shape, info.max_len, info.committed) == ("table", (2, 3), 10, 0)
    rows = np.memmap(info.path, info.dtype, "r", info.data_offset, info.shape, info.order)
    assert rows.sum() == 6
    assert sharray.inspect("array", dir=folder).max_len is None


def test_what_numpy_sees(folder: Path) -> None:
    """An array, or a buffer: of the rows that are there, and read-only."""
    log = sharray.grow("log", 0, "i4", dir=folder)
    log.append([1, 2, 3])
    live = np.asarray(log)
    assert live.tolist() == [1, 2, 3] and np.shares_memory(live, log[...]) and not live.flags.writeable
    assert np.asarray(log, "f8").dtype == np.float64 and np.mean(log) == 2
    copied = np.array(log)
    copied[0] = 9
    assert log[0] == 1
    with pytest.raises(ValueError, match="without a copy"):
        log.__array__("f8", copy=False)
    view = memoryview(log)
    assert view.readonly and view.tolist() == [1, 2, 3]
    log.append([4])
    assert view.tolist() == [1, 2, 3] and np.asarray(log).tolist() == [1, 2, 3, 4]
    assert "(4,)" in log._repr_html_() and log.__dask_tokenize__()[2] == 4


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="needs NumPy 2.1 for read-only tensors")
def test_a_tensor_of_another_library(folder: Path) -> None:
    """It is of the rows that are there, and read-only."""
    log = sharray.grow("log", 0, "i4", dir=folder)
    log.append([1, 2, 3])
    tensor = np.from_dlpack(log)
    assert tensor.tolist() == [1, 2, 3] and np.shares_memory(tensor, log[...]) and not tensor.flags.writeable


def test_rows_outlive_the_handle(folder: Path) -> None:
    """What was looked at stays, and stays mapped, when the handle is closed and the name is gone; the handle says that it is
    closed."""
    log = sharray.grow("log", 0, "i8", dir=folder)
    log.append(np.arange(1000))
    rows, buffer = log[10:], memoryview(log)
    with log:
        pass
    sharray.unlink("log", dir=folder)
    gc.collect()
    assert log.is_closed and rows.sum() == 499455 and buffer[999] == 999 and "closed" in repr(log)
    for act in (lambda: log[0], lambda: log.append([1]), lambda: len(log), lambda: log.commit(), lambda: log.wait(1)):
        with pytest.raises(sharray.Closed):
            act()
    assert "closed" in log._repr_html_()


def test_handles_leave_nothing_behind(folder: Path) -> None:
    """Neither memory nor maps nor descriptors grow with tables that were attached and closed."""

    def maps() -> int:
        return Path("/proc/self/maps").read_text().count(str(folder))

    log = sharray.grow("log", 0, "i8", dir=folder)
    log.append(np.arange(10))
    for _ in range(50):
        with sharray.attach("log", dir=folder) as other:
            assert other[...].sum() == 45
    gc.collect()
    assert maps() <= 1
    log.close()
    gc.collect()
    assert maps() == 0


def test_billions_of_rows_cost_nothing(folder: Path) -> None:
    """A table has addresses for all its rows, and takes space as they come."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    log = sharray.grow("log", (0, 4), "f8", max_len=4_000_000_000, dir=folder)
    assert log.max_len == 4_000_000_000
    log.append(np.ones((1000, 4)))
    used = os.stat(folder / "log").st_blocks * 512
    assert used < 1 << 22 and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    assert log[...].sum() == 4000


def test_waiting(folder: Path) -> None:
    """It sleeps until there are enough rows, is over in time, and ends when the table is unlinked."""
    log = sharray.grow("log", 0, "i4", max_len=10, dir=folder)
    with pytest.raises(sharray.TimedOut):
        log.wait(1, timeout=0.01)
    with pytest.raises(sharray.InvalidArgument):
        log.wait(11)
    writer = Child("log = sharray.attach('log', dir=folder)\nhear()\nlog.append([1])\nlog.append([2, 3])\nhear()", folder)
    with running(lambda: log.wait(3, timeout=30)):
        until(lambda: is_asleep(writer.pid))
        writer.tell("go")
    assert log.wait(0, timeout=0) == 3
    with running(lambda: pytest.raises(sharray.Retired, log.wait, 4, timeout=30)):
        sharray.unlink("log", dir=folder)
    writer.tell("end")
    writer.succeed()


def test_following(folder: Path) -> None:
    """Each row once and in order, from now on or from a row on; after a time-out it goes on."""
    log = sharray.grow("log", 0, "i4", max_len=7, dir=folder)
    log.append([0, 1])
    new, some, all_rows = log.follow(timeout=0), log.follow(1, timeout=0), log.follow(0)
    with pytest.raises(sharray.TimedOut):
        next(new)
    assert next(some).tolist() == [1] and next(all_rows).tolist() == [0, 1]
    log.append([2])
    log.append([3, 4])
    assert next(new).tolist() == [2, 3, 4] and new.next_row == 5 and next(some).tolist() == [2, 3, 4]
    assert new.table is log and "row 5" in repr(new)
    log.append([5, 6])
    assert [rows.tolist() for rows in all_rows] == [[2, 3, 4, 5, 6]], "it ends when the table is full"
    other = sharray.grow("other", 0, "i4", dir=folder)
    other.append([1])
    sharray.unlink("other", dir=folder)
    assert [rows.tolist() for rows in other.follow(0)] == [[1]], "it ends when the table is unlinked"


def test_following_in_asyncio(folder: Path) -> None:
    """The same without stopping the loop; a time-out is the library's own."""
    log = sharray.grow("log", 0, "i4", dir=folder)

    async def main() -> list[int]:
        seen: list[int] = []

        async def append() -> None:
            for row in range(5):
                await asyncio.sleep(0.01)
                log.append([row])

        appending = asyncio.create_task(append())
        async for rows in log.follow(0):
            seen += rows.tolist()
            if len(seen) == 5:
                break
        await appending
        with pytest.raises(sharray.TimedOut):
            async for _ in log.follow(timeout=0.02):
                pass
        asyncio.get_running_loop().call_later(0.02, lambda: sharray.unlink("log", dir=folder))
        async for _ in log.follow():
            pass
        return seen

    assert asyncio.run(main()) == [0, 1, 2, 3, 4]


def test_many_append(folder: Path) -> None:
    """Processes and threads that append at once: each append is whole and none is lost."""
    log = sharray.grow("log", (0, 2), "i8", dir=folder)
    code = """
    log = sharray.attach("log", dir=folder)
    who = int(sys.argv[2])
    for number in range(200):
        log.append(np.full((3, 2), (who, number)))
    """
    children = [Child(code, folder, who) for who in range(2)]

    def append() -> None:
        for number in range(200):
            log.append(np.full((3, 2), (2, number)))

    with running(append):
        append_too = [child.succeed() for child in children]
    assert len(append_too) == 2 and len(log) == 1800
    batches = log[...].reshape(600, 3, 2)
    assert (batches == batches[:, :1]).all()
    for who in range(3):
        assert batches[batches[:, 0, 0] == who][:, 0, 1].tolist() == list(range(200))


def test_a_killed_appender(folder: Path) -> None:
    """Who dies while appending keeps nobody waiting, and leaves whole rows."""
    log = sharray.grow("log", (0, 100), "i8", dir=folder)
    code = """
    log = sharray.attach("log", dir=folder)
    tell("ready")
    while True:
        log.append(np.full((10, 100), len(log)))
    """
    for _ in range(5):
        child, before = Child(code, folder), len(log)
        child.expect("ready")
        log.wait(before + 50, timeout=30)
        child.kill()
        log.append(np.full((10, 100), len(log)), timeout=30)
    rows = log[...]
    assert (rows[::10, 0] == np.arange(0, len(rows), 10)).all() and (rows == rows[:, :1]).all()


def test_rows_are_made_before_the_role_is_taken(folder: Path) -> None:
    """What makes the rows may use the table itself."""
    log = sharray.grow("log", 0, "i8", dir=folder)
    other = sharray.attach("log", dir=folder)

    class Slow:
        def __array__(self, *_arguments: Any, **_options: Any) -> np.ndarray[Any, Any]:
            other.append([7])
            return np.array([8])

    assert log.append(Slow()) == range(1, 2) and log[...].tolist() == [7, 8]


def test_commits(folder: Path, tmp_path: Path) -> None:
    """What is committed is what a copy of the file has; commits count."""
    log = sharray.grow("log", 0, "i4", max_len=1000, dir=folder)
    log.append([1, 2, 3])
    assert (log.committed, log.commit(), log.committed) == (0, 3, 3)
    log.append([4])
    copy = folder / "copy"
    copy.write_bytes((folder / "log").read_bytes())
    copy.chmod(0o600)
    found = sharray.attach("copy", dir=folder)
    assert found[...].tolist() == [1, 2, 3] and sharray.inspect("copy", dir=folder).committed == 3
    with pytest.raises(sharray.ReadOnly):
        sharray.attach("log", mode="r", dir=folder).commit()


def test_pickles_by_name(folder: Path) -> None:
    """Unpickled, a handle attaches to the same table, or says that it is another one."""
    log = sharray.grow("log", 0, "i4", dir=folder)
    log.append([1])
    told = pickle.dumps(log)
    again = pickle.loads(told)
    again.append([2])
    assert log[...].tolist() == [1, 2] and again.generation == log.generation
    sharray.unlink("log", dir=folder)
    with pytest.raises(sharray.NotFound):
        pickle.loads(told)
    _new = sharray.grow("log", 0, "i4", dir=folder)
    with pytest.raises(sharray.Replaced):
        pickle.loads(told)


def test_in_a_forked_child(folder: Path) -> None:
    """A child attaches anew at first use, and rows that its parent looked at stay what they are."""
    log = sharray.grow("log", 0, "i4", dir=folder)
    log.append([1, 2])
    rows = log[...]

    def child() -> None:
        assert rows.tolist() == [1, 2]
        assert log.append([3]) == range(2, 3) and log[...].tolist() == [1, 2, 3]

    in_fork(child)
    assert log[...].tolist() == [1, 2, 3] and rows.tolist() == [1, 2]


def test_a_file_that_is_cut_short(folder: Path) -> None:
    """Zeros and an exception, and no death."""
    log = sharray.grow("log", 0, "i8", dir=folder)
    log.append(np.ones(1 << 16, int))
    rows = log[...]
    os.truncate(folder / "log", sharray.inspect("log", dir=folder).data_offset + 4096)
    assert rows.sum() == 512
    for act in (log.check_whole, lambda: len(log), lambda: log.append([1]), log.commit):
        with pytest.raises(sharray.Truncated):
            act()

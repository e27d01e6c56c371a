"""Cells: small values, loaded and stored whole."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import sharray
from helpers import Child, in_fork, running


def test_load_and_store(folder: Path) -> None:
    """What was stored last is what everybody loads: an array, or a scalar of a cell without dimensions."""
    pose = sharray.cell("robot/pose", np.zeros(3), dir=folder)
    other = sharray.cell("robot/pose", dir=folder)
    pose.store([1, 2, 3])
    assert other.load().tolist() == [1, 2, 3]
    other.store(5)
    assert pose.load().tolist() == [5, 5, 5]
    gain = sharray.cell("gain", 2.5, dir=folder)
    assert gain.load() == 2.5 and isinstance(gain.load(), np.float64) and gain.shape == ()
    flag = sharray.cell("flag", True, dir=folder)
    assert flag.load() is np.True_ or flag.load() == np.True_
    point = sharray.cell("point", (1, 2.5), dtype=[("id", "i4"), ("x", "f8")], dir=folder)
    point.store((7, 0.5))
    assert point.load()["id"] == 7 and point.load().item() == (7, 0.5)


def test_arrays_are_stored_however_they_stand(folder: Path) -> None:
    """An array that has the cell's dtype and shape is copied as it stands in memory: unless its items stand there in another
    order, with gaps or in other bytes."""
    items = np.arange(6.0).reshape(2, 3)
    gaps, longer = np.zeros((4, 6)), np.arange(12.0).reshape(4, 3)
    gaps[::2, ::2] = items
    cell = sharray.cell("cell", np.zeros((2, 3)), dir=folder)
    writer = sharray.cell("kept", np.zeros((2, 3)), dir=folder).writer()
    kept = sharray.cell("kept", dir=folder)
    for value in (
        items,
        np.asfortranarray(items),
        items.T.copy().T,
        items[::-1, ::-1].copy()[::-1, ::-1],
        gaps[::2, ::2],
        longer[:2],
        items.astype(">f8"),
        items.astype("i2"),
        np.ma.masked_array(items),
        items.tolist(),
    ):
        cell.store(np.zeros((2, 3)))
        cell.store(value)
        writer.store(np.zeros((2, 3)))
        writer.store(value)
        assert cell.load().tolist() == kept.load().tolist() == items.tolist()
    cell.store(items[:1])
    assert cell.load().tolist() == [[0, 1, 2], [0, 1, 2]]


def test_a_loaded_value_is_a_copy(folder: Path) -> None:
    """It is the caller's, writeable, and does not change."""
    cell = sharray.cell("cell", np.zeros(3), dir=folder)
    value = cell.load()
    cell.store(1)
    value += 5
    assert value.tolist() == [5, 5, 5] and cell.load().tolist() == [1, 1, 1]


def test_values_that_do_not_fit(folder: Path) -> None:
    """Refused, and the value stays."""
    cell = sharray.cell("cell", np.arange(3.0), dir=folder)
    for value in (np.zeros(4), np.zeros((2, 3)), "text", object()):
        with pytest.raises((ValueError, TypeError)):
            cell.store(value)
        with cell.writer() as writer, pytest.raises((ValueError, TypeError)):
            writer.store(value)
    assert cell.load().tolist() == [0, 1, 2] and cell.sequence == 1


def test_attach_or_create(folder: Path) -> None:
    """One that is there keeps its own value, and must be what is asked for."""
    with pytest.raises(sharray.NotFound):
        sharray.cell("cell", dir=folder)
    first = sharray.cell("cell", [1, 2], attributes={"unit": "m"}, dir=folder)
    again = sharray.cell("cell", [3, 4], dir=folder)
    assert again.load().tolist() == [1, 2] and again.generation == first.generation
    assert again.attributes == {"unit": "m"}
    for value in (1.0, [1.0, 2.0], [1, 2, 3]):
        with pytest.raises(sharray.Mismatch):
            sharray.cell("cell", value, dir=folder)
    with pytest.raises(TypeError):
        sharray.cell("other", 1, mode="r", dir=folder)
    with pytest.raises(sharray.TimedOut):
        sharray.cell("other", wait=0.02, dir=folder)


def test_the_role(folder: Path) -> None:
    """One at a time has the writer's role: others wait for it, or are told."""
    cell, other = sharray.cell("cell", 0, dir=folder), sharray.cell("cell", dir=folder)
    with cell.writer() as writer:
        for value in range(1000):
            writer.store(value)
        assert other.load() == 999
        with pytest.raises(sharray.Locked):
            other.store(1, timeout=0)
        with pytest.raises(sharray.Locked):
            other.writer(timeout=0)

        def elsewhere() -> None:
            with pytest.raises(sharray.TimedOut):
                other.store(1, timeout=0.02)

        with running(elsewhere):
            pass
        # This thread has the role: it would wait for itself.
        with pytest.raises(sharray.WouldDeadlock):
            other.store(1)
    with pytest.raises(sharray.Closed):
        writer.store(1)
    other.store(5, timeout=0)
    assert cell.load() == 5
    kept = cell.writer()
    del kept
    other.store(6, timeout=0)


def test_sequence_and_waiting(folder: Path) -> None:
    """A store is one; whoever waits for a change sees it."""
    cell, other = sharray.cell("cell", 0, dir=folder), sharray.cell("cell", dir=folder)
    assert cell.sequence == 1
    with pytest.raises(sharray.TimedOut):
        cell.wait_changed(timeout=0.02)
    with running(lambda: other.store(1)):
        assert cell.wait_changed(1, timeout=20) == 2
    assert cell.load() == 1
    sharray.unlink("cell", dir=folder)
    assert cell.is_retired
    with pytest.raises(sharray.Retired):
        cell.wait_changed(timeout=20)


def test_read_only(folder: Path) -> None:
    """It loads, and does not store."""
    cell = sharray.cell("cell", 1, dir=folder)
    reader = sharray.cell("cell", mode="r", dir=folder)
    cell.store(2)
    assert reader.is_read_only and reader.load() == 2
    for write in (lambda: reader.store(3), reader.writer):
        with pytest.raises(sharray.ReadOnly):
            write()


def test_closed(folder: Path) -> None:
    """It says so."""
    with sharray.cell("cell", 1, dir=folder) as cell:
        writer = cell.writer()
    assert cell.is_closed and "closed" in repr(cell)
    for use in (cell.load, lambda: cell.store(1), cell.writer, cell.wait_changed, lambda: cell.sequence):
        with pytest.raises(sharray.Closed):
            use()
    writer.store(4)
    writer.close()
    assert sharray.cell("cell", dir=folder).load() == 4


def test_pickle(folder: Path) -> None:
    """By name; another one under the name is not taken for it."""
    cell = sharray.cell("cell", 1, dir=folder)
    text = pickle.dumps(cell)
    pickle.loads(text).store(7)
    assert cell.load() == 7
    sharray.unlink("cell", dir=folder)
    with pytest.raises(FileNotFoundError):
        pickle.loads(text)
    sharray.cell("cell", 1, dir=folder)
    with pytest.raises(sharray.Replaced):
        pickle.loads(text)


def test_no_value_is_torn(folder: Path) -> None:
    """One process stores without pause; what is loaded meanwhile is always one of the values that were stored."""
    cell = sharray.cell("cell", np.zeros(64, "i8"), dir=folder)
    child = Child(
        """
        cell = sharray.cell("cell", dir=folder)
        tell("ready")
        with cell.writer() as writer:
            value = 0
            while os.getppid() != 1:
                value += 1
                writer.store(np.full(64, value))
        """,
        folder,
    )
    child.expect("ready")
    last, seen = 0, set()
    while len(seen) < 3000:
        value = cell.load()
        assert (value == value[0]).all() and value[0] >= last
        last = int(value[0])
        seen.add(last)
    child.kill()
    # The role of the dead is free, and the value is whole.
    assert (cell.load() == cell.load()[0]).all()
    cell.store(0, timeout=20)


def test_fork(folder: Path) -> None:
    """An inherited cell attaches again; the parent's role stays the parent's."""
    cell = sharray.cell("cell", 1, dir=folder)
    writer = cell.writer()

    def child() -> None:
        assert cell.load() == 1
        with pytest.raises(sharray.Forked):
            writer.store(2)
        with pytest.raises(sharray.Locked):
            cell.store(3, timeout=0)

    in_fork(child)
    writer.store(4)
    assert cell.load() == 4

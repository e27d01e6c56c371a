"""Arrays in place: three ways to a name, leases, parts, blocks."""

from __future__ import annotations

import copy
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sharray
from helpers import Child, running, until


def test_create_attach_open(folder: Path) -> None:
    """`create` makes what is not there, `attach` finds what is there, `open` does either; all see the same items."""
    made = sharray.create("sim/field", (10, 20), "f8", dir=folder)
    found = sharray.attach("sim/field", dir=folder)
    opened = sharray.open("sim/field", (10, 20), "f8", dir=folder)
    with made.write() as array:
        array[2:4] = 5.5
    for handle in (made, found, opened):
        with handle.read() as array:
            assert array.sum() == 2 * 20 * 5.5
        assert handle.generation == made.generation
    assert sharray.open("sim/other", 3, dir=folder).snapshot().tolist() == [0, 0, 0]


def test_create_never_replaces(folder: Path) -> None:
    """A name that is taken stays as it is."""
    field = sharray.create("field", data=[1, 2, 3], dir=folder)
    with pytest.raises(sharray.AlreadyExists) as raised:
        sharray.create("field", (5,), "u1", dir=folder)
    assert isinstance(raised.value, FileExistsError) and raised.value.name == "field"
    with pytest.raises(FileExistsError):
        sharray.create("field", data=[4], dir=folder)
    assert sharray.attach("field", dir=folder).snapshot().tolist() == [1, 2, 3]
    assert field.sequence == sharray.attach("field", dir=folder).sequence


def test_attach_to_nothing(folder: Path) -> None:
    """A missing name is a FileNotFoundError that tells the name and the place."""
    with pytest.raises(sharray.NotFound) as raised:
        sharray.attach("nothing", dir=folder)
    assert isinstance(raised.value, FileNotFoundError)
    assert raised.value.name == "nothing" and str(raised.value.directory) == str(folder)
    assert "nothing" in str(raised.value)


def test_mismatches(folder: Path) -> None:
    """What is there must be what was asked for: kind, dtype, shape, order. The error tells both."""
    sharray.create("field", (3, 4), "f8", dir=folder)
    sharray.publish("stream", (3,), dir=folder)
    sharray.cell("cell", 1.0, dir=folder)
    for open_it, words in [
        (lambda: sharray.open("field", (3, 4), "f4", dir=folder), ("float64", "float32")),
        (lambda: sharray.open("field", (4, 3), "f8", dir=folder), ("[3, 4]", "[4, 3]")),
        (lambda: sharray.open("field", (3, 4), "f8", order="F", dir=folder), ("C", "Fortran")),
        (lambda: sharray.attach("stream", dir=folder), ("stream",)),
        (lambda: sharray.attach("cell", dir=folder), ("cell",)),
        (lambda: sharray.subscribe("field", dir=folder), ("stream",)),
        (lambda: sharray.cell("field", dir=folder), ("cell",)),
        (lambda: sharray.cell("cell", 1, dir=folder), ("float64", "int64")),
        (lambda: sharray.publish("field", (3, 4), dir=folder), ("stream",)),
    ]:
        with pytest.raises(sharray.Mismatch) as raised:
            open_it()
        assert isinstance(raised.value, ValueError) and raised.value.expected and raised.value.found
        for word in words:
            assert word in str(raised.value), str(raised.value)


def test_contents_at_creation(folder: Path) -> None:
    """`data` is there before the name is: cast, broadcast, in either order, from anything that NumPy takes."""
    assert sharray.create("a", data=[[1, 2], [3, 4]], dir=folder).snapshot().tolist() == [[1, 2], [3, 4]]
    assert sharray.create("b", (2, 3), "f4", data=[1, 2, 3], dir=folder).snapshot().tolist() == [[1, 2, 3]] * 2
    fortran = sharray.create("c", data=np.arange(6).reshape(2, 3), order="F", dir=folder)
    assert fortran.order == "F" and fortran.snapshot().flags.f_contiguous
    np.testing.assert_array_equal(fortran.snapshot(), np.arange(6).reshape(2, 3))
    assert sharray.create("d", data=7.5, dir=folder).snapshot() == 7.5
    with pytest.raises(ValueError, match="broadcast"):
        sharray.create("e", (2,), data=[1, 2, 3], dir=folder)
    with pytest.raises(sharray.NotFound):
        sharray.inspect("e", dir=folder)


def test_bad_arguments(folder: Path) -> None:
    """Each is refused with an exception that a Python user expects, and leaves nothing."""
    for make, error in [
        (lambda: sharray.create("a", (3, -1), dir=folder), ValueError),
        (lambda: sharray.create("a", "x", dir=folder), TypeError),
        (lambda: sharray.create("a", 2.5, dir=folder), TypeError),
        (lambda: sharray.create("a", (1 << 40, 1 << 40), dir=folder), sharray.ShapeOverflow),
        (lambda: sharray.create("a", (1 << 63, 1), dir=folder), sharray.ShapeOverflow),
        (lambda: sharray.create("a", 10**30, dir=folder), sharray.ShapeOverflow),
        (lambda: sharray.create("a", 1 << 50, "u1", dir=folder), sharray.NoSpace),
        (lambda: sharray.create("a", 3, order="K", dir=folder), ValueError),
        (lambda: sharray.create("a", 3, blocks=0, dir=folder), sharray.InvalidArgument),
        (lambda: sharray.create("a", 3, attributes={"a": object()}, dir=folder), TypeError),
        (lambda: sharray.create("a", 3, participants=0, dir=folder), sharray.InvalidArgument),
        (lambda: sharray.create("../a", 3, dir=folder), sharray.InvalidName),
        (lambda: sharray.create("/dev/shm/a", 3, dir=folder), sharray.InvalidName),
        (lambda: sharray.create("", 3, dir=folder), sharray.InvalidName),
        (lambda: sharray.attach("a", mode="w", dir=folder), ValueError),
        (lambda: sharray.attach("a", wait=-1.0, dir=folder), ValueError),
        (lambda: sharray.attach("a", wait=float("nan"), dir=folder), ValueError),
        (lambda: sharray.attach(3, dir=folder), TypeError),
    ]:
        with pytest.raises(error):
            make()
    assert sharray.list(dir=folder) == []


def test_facts(folder: Path) -> None:
    """A handle tells of its array what an ndarray tells of itself, and what it was created with."""
    attributes = {"unit": "mm", "scale": [1, 2.5, None], "größe": {"a": True}}
    field = sharray.create("field", (2, 3, 4), ">i2", order="F", blocks=2, attributes=attributes, dir=folder)
    for handle in (field, sharray.attach("field", dir=folder)):
        assert handle.name == "field" and handle.order == "F" and handle.blocks == 2
        assert (handle.shape, handle.strides) == ((2, 3, 4), np.zeros((2, 3, 4), "i2", order="F").strides)
        assert (handle.ndim, handle.size, handle.itemsize, handle.nbytes, len(handle)) == (3, 24, 2, 48, 2)
        assert handle.attributes == attributes
        assert not (handle.is_read_only or handle.is_retired or handle.is_closed)
        assert len(handle.generation) == 16
    with pytest.raises(TypeError):
        len(sharray.create("scalar", (), dir=folder))


def test_huge_pages_and_permissions(folder: Path) -> None:
    """The file has the permissions asked for, and its items stand on 2 MiB if asked."""
    field = sharray.create("field", 3, permissions=0o640, huge_pages=True, dir=folder)
    info = sharray.inspect("field", dir=folder)
    assert info.path.stat().st_mode & 0o777 == 0o640
    assert info.data_offset % (2 << 20) == 0
    assert field.snapshot().tolist() == [0, 0, 0]


def test_writers_exclude_and_readers_share(folder: Path) -> None:
    """Two may read at a time; who writes is alone. Who does not wait is told who is there."""
    one, two = sharray.create("field", 4, dir=folder), sharray.attach("field", dir=folder)
    with one.read() as first, two.read(timeout=0) as second:
        assert first.sum() == second.sum() == 0
        with pytest.raises(sharray.Locked) as raised:
            sharray.attach("field", dir=folder).write(timeout=0)
        assert isinstance(raised.value, BlockingIOError) and raised.value.name == "field"
        assert raised.value.holders

    def elsewhere() -> None:
        for lease in (two.read, two.write, two.snapshot):
            with pytest.raises(sharray.Locked):
                lease(timeout=0)
            with pytest.raises(sharray.TimedOut):
                lease(timeout=0.01)

    with one.write(), running(elsewhere):
        pass


def test_waiting_for_oneself(folder: Path) -> None:
    """A thread that writes and asks for the array again would wait for ever: it is told."""
    field = sharray.create("field", 4, dir=folder)
    with field.write():
        for lease in (field.write, field.read, field.snapshot):
            with pytest.raises(sharray.WouldDeadlock) as raised:
                lease()
            assert isinstance(raised.value, RuntimeError)
    with field.read():
        with pytest.raises(sharray.WouldDeadlock):
            field.write()
        with field.read() as again:
            assert again.sum() == 0


def test_the_sequence(folder: Path) -> None:
    """Two for each write that has ended, and odd while one is under way."""
    field = sharray.create("field", 4, dir=folder)
    start = field.sequence
    assert start % 2 == 0
    with field.write() as array:
        assert field.sequence == start + 1
        array[0] = 1
    assert field.sequence == start + 2
    field[1] = 2
    with field.read():
        pass
    assert field.sequence == start + 4 == sharray.attach("field", mode="r", dir=folder).sequence


def test_wait_changed(folder: Path) -> None:
    """It returns once a write has ended, at once if that has been, and TimedOut if none comes."""
    field, other = sharray.create("field", 4, dir=folder), sharray.attach("field", dir=folder)
    before = field.sequence
    with pytest.raises(sharray.TimedOut):
        field.wait_changed(timeout=0.01)
    with pytest.raises(sharray.TimedOut):
        field.wait_changed(before, timeout=0)
    with running(lambda: other.__setitem__(0, 1.0)):
        after = field.wait_changed(before, timeout=20)
    assert after == field.sequence > before
    assert field.wait_changed(before, timeout=0) == after
    sharray.unlink("field", dir=folder)
    with pytest.raises(sharray.Retired):
        field.wait_changed(timeout=20)


def test_read_only(folder: Path) -> None:
    """A handle that may only read takes no part: nobody sees it, and it cannot write."""
    field = sharray.create("field", data=np.arange(12.0).reshape(3, 4), dir=folder)
    reader = sharray.attach("field", mode="r", dir=folder)
    assert reader.is_read_only and "read-only" in repr(reader)
    assert len(sharray.inspect("field", dir=folder).participants) == 1
    for write in (reader.write, lambda: reader.__setitem__(0, 1), reader[1].write, lambda: reader.as_memmap("r+")):
        with pytest.raises(sharray.ReadOnly) as raised:
            write()
        assert isinstance(raised.value, PermissionError)
    with reader.read() as array:
        assert array.sum() == 66
        field[0, 0] = 100
        assert array.sum() == 66
    with reader[1:, ::2].read() as array:
        assert array.tolist() == [[4, 6], [8, 10]]
    assert reader.snapshot()[0, 0] == 100 == np.asarray(reader)[0, 0]


INDICES: list[Any] = [
    0,
    -1,
    np.int64(1),
    slice(None),
    slice(1, 3),
    slice(None, None, -1),
    slice(None, None, 2),
    slice(10, 2),
    slice(4, 4),
    slice(100, 200),
    ...,
    None,
    (0, 1),
    (slice(1, None), 2),
    (..., 1),
    (1, ...),
    (slice(None), None, slice(None, None, -2), 0),
    (None, ..., None),
    (1, 2, 3),
    (),
    (..., slice(3, 0, -1)),
    slice(None, None, 2**62),
    slice(None, None, -(2**63)),
]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("index", INDICES, ids=str)
def test_parts(folder: Path, index: Any, order: str) -> None:
    """Indexing a handle gives a handle on that part, as slicing an ndarray does: to read, to write, to copy, to assign."""
    items = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    field = sharray.create("field", data=items, order=order, blocks=2, dir=folder)
    part, expected = field[index], items[index]
    assert (part.shape, part.ndim, part.size, part.dtype) == (expected.shape, expected.ndim, expected.size, items.dtype)
    with part.read() as array:
        np.testing.assert_array_equal(array, expected)
    np.testing.assert_array_equal(part.snapshot(), expected)
    np.testing.assert_array_equal(np.asarray(part), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(part)).snapshot(), expected)
    if expected.size:
        np.testing.assert_array_equal(part.as_memmap(), expected)
    with part.write() as array:
        array[...] = -array
    field[index] = 2 * field[index].snapshot()
    changed = items.copy()
    changed[index] *= -2
    np.testing.assert_array_equal(field.snapshot(), changed)
    if expected.ndim:
        np.testing.assert_array_equal(part[::-1][1:].snapshot(), changed[index][::-1][1:])


@pytest.mark.parametrize("index", [[0, 1], np.array([0, 1]), True, np.array([True, False]), 1.5, "a", (0, [1])], ids=str)
def test_indices_that_copy(folder: Path, index: Any) -> None:
    """What NumPy would make a copy of is refused: a handle's part is always a place."""
    field = sharray.create("field", (2, 3), dir=folder)
    with pytest.raises(TypeError):
        field[index]


@pytest.mark.parametrize("index", [2, -3, 2**70, -(2**70), (0, 3), (0, 0, 0), (..., ...), (0, ..., 0, 0)], ids=str)
def test_indices_out_of_bounds(folder: Path, index: Any) -> None:
    """An IndexError, as of an ndarray."""
    field = sharray.create("field", (2, 3), dir=folder)
    with pytest.raises(IndexError):
        field[index]


def test_one_item_is_a_number(folder: Path) -> None:
    """A handle without dimensions is a number where one is asked for. Python would take the bytes of its buffer for digits
    otherwise: these are those of "1234"."""
    field = sharray.create("field", data=np.array([[0x34333231, 0], [7, 8]], "<i4"), dir=folder)
    assert int(field[0, 0]) == float(field[0, 0]) == complex(field[0, 0]) == 0x34333231
    assert field[0, 0] and not field[0, 1] and field and not field[:0]
    assert int(sharray.create("real", data=2.5, dir=folder)) == 2
    for convert in (int, float, complex):
        with pytest.raises(TypeError):
            convert(field[0])
    with pytest.raises(ValueError):
        float(sharray.create("text", data="a", dir=folder))


def test_in(folder: Path) -> None:
    """It looks for an item, as NumPy does, and gives its lease back, found or not."""
    field = sharray.create("field", data=[[1, 2], [3, 4]], dir=folder)
    assert 3 in field and 5 not in field and 3 not in field[0]
    with field.write(timeout=0) as array:
        array[0, 0] = 5
        # By who writes it, waiting would be waiting for oneself.
        with pytest.raises(sharray.WouldDeadlock):
            _ = 5 in field
    assert 5 in field


def test_iterating_over_a_handle(folder: Path) -> None:
    """It ends."""
    field = sharray.create("field", data=[[1, 2], [3, 4]], dir=folder)
    assert [row.snapshot().tolist() for row in field] == [[1, 2], [3, 4]]
    assert list(field[:0]) == []
    with pytest.raises(TypeError):
        iter(field[0, 0])


def test_blocks(folder: Path) -> None:
    """Each block has a lock of its own: whoever writes one keeps nobody from the others."""
    field = sharray.create("field", (10, 3), "i4", blocks=4, dir=folder)
    other = sharray.attach("field", dir=folder)
    rows = [field.block(at).shape[0] for at in range(4)]
    assert sum(rows) == 10 and field.block(1, 2).shape[0] == rows[1] + rows[2]
    with field.block(1).write() as array:
        array[...] = 7
        with other.block(0).write(timeout=0) as first, other.block(2, 2).read(timeout=0) as last:
            first[...] = 1
            assert last.sum() == 0
        for busy in (other.block(1), other, other[rows[0]], other[:, 0], other[rows[0] - 1 : rows[0] + 1]):
            with pytest.raises(sharray.Locked):
                busy.read(timeout=0)
        with other[: rows[0]].read(timeout=0) as first:
            assert first.sum() == rows[0] * 3
    for bad in (lambda: field.block(4), lambda: field.block(0, 5), lambda: field.block(3, 2)):
        with pytest.raises((ValueError, IndexError)):
            bad()
    with pytest.raises(TypeError):
        field[1:].block(0)


def test_poison_is_of_a_block(folder: Path) -> None:
    """The other blocks are as whole as before."""
    field = sharray.create("field", (9, 3), "i4", blocks=3, dir=folder)
    with pytest.raises(KeyError):
        with field[4].write():
            raise KeyError
    assert sharray.inspect("field", dir=folder).poisoned == [1]
    with pytest.raises(sharray.Poisoned) as raised:
        field.snapshot()
    assert raised.value.block == 1
    assert field.block(0).snapshot().sum() == field[6:].snapshot().sum() == 0


def test_pickle_and_copy(folder: Path) -> None:
    """A handle pickles by name and attaches where it is unpickled; so do its parts. copy.copy() attaches again."""
    field = sharray.create("field", data=np.arange(12).reshape(3, 4), dir=folder)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(field, protocol))
        assert again.generation == field.generation
        again[0, 0] = protocol
        assert field.snapshot()[0, 0] == protocol
    field[0, 0] = 0
    assert len(pickle.dumps(sharray.create("large", (1000, 1000), dir=folder))) < 1000
    part = pickle.loads(pickle.dumps(field[1:, ::-2]))
    part[...] = 0
    assert field.snapshot().tolist() == [[0, 1, 2, 3], [4, 0, 6, 0], [8, 0, 10, 0]]
    reader = pickle.loads(pickle.dumps(sharray.attach("field", mode="r", dir=folder)))
    assert reader.is_read_only
    for again in (copy.copy(field), copy.deepcopy(field)):
        again[2, 2] = 9
        assert field.snapshot()[2, 2] == 9
    assert isinstance(pickle.loads(pickle.dumps(np.asarray(field))), np.ndarray)


def test_pickles_of_what_is_gone(folder: Path) -> None:
    """Unlinked, the name is not found; and another array under the name is not taken for the one that was pickled."""
    field = sharray.create("field", data=[1, 2], dir=folder)
    told = [pickle.dumps(field), pickle.dumps(field[1:])]
    sharray.unlink("field", dir=folder)
    for text in told:
        with pytest.raises(FileNotFoundError):
            pickle.loads(text)
    sharray.create("field", data=[1, 2], dir=folder)
    for text in told:
        with pytest.raises(sharray.Replaced) as raised:
            pickle.loads(text)
        assert isinstance(raised.value, FileNotFoundError)
    with pytest.raises(sharray.Replaced):
        field.as_memmap()


def test_a_pickle_that_lies(folder: Path) -> None:
    """A pickle that tells of items outside the array is refused: it might come from anywhere."""
    field = sharray.create("field", (3, 4), "f8", dir=folder)
    restore, told = field[1:].__reduce__()
    offset, row, axes = told[-1]
    for part in [
        (-8, 0, axes),
        (1 << 62, 0, axes),
        (offset, row, [(1 << 40, 8, 0)]),
        (offset, row, [(3, -(1 << 61), 0)]),
        (offset, row, [(1 << 62, 1 << 62, 1)] * 3),
        (8 * 12, 0, []),
        (8 * 11 + 1, 0, []),
    ]:
        with pytest.raises(ValueError):
            restore(*told[:-1], part)
    # A row that is none: the blocks that are leased would be others than those that are written.
    for row in (-5, 3, 1 << 62, -(1 << 63)):
        try:
            part = restore(*told[:-1], (0, row, [(2, 32, 1)]))
            part.snapshot(timeout=1)
        except ValueError:
            pass


def test_flush(folder: Path) -> None:
    """It returns, also of a part."""
    field = sharray.create("field", data=[1, 2], dir=folder)
    field.flush()
    field[1:].flush()


def test_two_processes(folder: Path) -> None:
    """What another process writes is here, and the lease that it holds is honoured here."""
    field = sharray.create("field", (100,), "i8", dir=folder)
    child = Child(
        """
        field = sharray.attach("field", dir=folder)
        with field.write() as a:
            a[...] = np.arange(100)
            tell("writing")
            hear()
        tell("done")
        """,
        folder,
    )
    child.expect("writing")
    with pytest.raises(sharray.Locked) as raised:
        field.read(timeout=0)
    assert child.pid in raised.value.holders
    assert child.pid in [it.pid for it in sharray.inspect("field", dir=folder).participants if it.writes]
    child.tell("go on")
    with field.read(timeout=20) as array:
        assert array.tolist() == list(range(100))
    child.expect("done")
    child.succeed()


def test_a_writer_that_was_killed(folder: Path) -> None:
    """What it wrote is half old and half new: poisoned, and nobody waits for the dead."""
    field = sharray.create("field", (100,), "i8", dir=folder)
    child = Child(
        """
        with sharray.attach("field", dir=folder).write() as a:
            a[:50] = 1
            tell("writing")
            hear()
        """,
        folder,
    )
    child.expect("writing")
    child.kill()
    with pytest.raises(sharray.Poisoned):
        field.read(timeout=20)
    lease = field.write(timeout=20)
    with lease as array:
        array[50:] = 1
        lease.clear_poison()
    assert field.snapshot().sum() == 100


def test_a_reader_that_was_killed(folder: Path) -> None:
    """Writers do not wait for a dead reader."""
    field = sharray.create("field", (100,), "i8", dir=folder)
    child = Child(
        """
        with sharray.attach("field", dir=folder).read() as a:
            tell("reading")
            hear()
        """,
        folder,
    )
    child.expect("reading")
    with pytest.raises(sharray.Locked):
        field.write(timeout=0)
    child.kill()
    with field.write(timeout=20) as array:
        array[...] = 1
    assert field.snapshot().sum() == 100


def test_threads_of_one_handle(folder: Path) -> None:
    """Handles are shared by threads: increments under a lease lose nothing."""
    field = sharray.create("field", (64,), "i8", dir=folder)

    def increment() -> None:
        for _ in range(200):
            with field.write() as array:
                array += 1
            del array

    threads = [threading.Thread(target=increment) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        items = field.snapshot()
        assert (items == items[0]).all()
    for thread in threads:
        thread.join()
    assert (field.snapshot() == 800).all()


def test_attach_waits_for_the_name(folder: Path) -> None:
    """`wait` bounds how long."""
    with pytest.raises(sharray.TimedOut):
        sharray.attach("field", wait=0.05, dir=folder)
    with pytest.raises(sharray.Error):
        sharray.attach("field", wait=0, dir=folder)
    child = Child(
        """
        tell("ready")
        field = sharray.attach("field", wait=30.0, dir=folder)
        tell(field.snapshot().tolist())
        """,
        folder,
    )
    child.expect("ready")
    sharray.create("field", data=[1, 2], dir=folder)
    child.expect("[1, 2]")
    child.succeed()
    until(lambda: len(sharray.inspect("field", dir=folder).participants) <= 1)

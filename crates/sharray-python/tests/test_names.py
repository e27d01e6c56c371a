"""Names and places: what there is, who takes part, what the dead leave, and how errors tell."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sharray
from helpers import Child, until


def test_list_and_inspect(folder: Path) -> None:
    """Everything there is, in the order of names, with what its file tells."""
    before = time.time()
    field = sharray.create("sim/field", (3, 4), ">f4", order="F", blocks=2, attributes={"unit": "m"}, dir=folder)
    stream = sharray.publish("camera", (2, 3), "u1", history=4, slots=9, dir=folder)
    stream.publish(np.ones((2, 3)))
    sharray.cell("robot/pose", np.zeros(3), dir=folder)
    infos = sharray.list(dir=folder)
    assert [(info.name, info.kind) for info in infos] == [("camera", "stream"), ("robot/pose", "cell"), ("sim/field", "array")]
    camera, _, info = infos
    assert (info.dtype, info.shape, info.order, info.blocks) == (np.dtype(">f4"), (3, 4), "F", 2)
    assert info.attributes == {"unit": "m"} and info.generation == field.generation
    assert info.path == folder / info.path.relative_to(folder) and info.path.stat().st_size == info.file_len
    assert before - 1 <= info.created <= time.time() + 1
    assert not info.is_retired and info.poisoned == [] and info.committed == 0
    assert (camera.history, camera.slots, camera.sequence, camera.is_closed) == (4, 9, 1, False)
    (producer,) = [it for it in camera.participants if it.is_producer]
    assert producer.pid == os.getpid() and producer.is_alive and not producer.is_lossless
    stream.close()
    assert sharray.inspect("camera", dir=folder).is_closed
    with field.write(), pytest.raises(AttributeError):
        info.shape = ()  # type: ignore[misc]
    assert "sim/field" in repr(info) and str(os.getpid()) in repr(producer)


def test_participants(folder: Path) -> None:
    """Who reads, writes and pins is told."""
    field = sharray.create("field", 4, dir=folder)
    stream = sharray.publish("stream", 4, dir=folder)
    subscriber = sharray.subscribe("stream", lossless=True, dir=folder)
    stream.publish(np.zeros(4))
    frame = subscriber.recv(timeout=0)
    (mine,) = [it for it in sharray.inspect("stream", dir=folder).participants if it.is_lossless]
    assert mine.pins == 1 and not mine.is_producer
    with field.write():
        assert sharray.inspect("field", dir=folder).participants[0].writes == 1
    with field.read():
        (it,) = sharray.inspect("field", dir=folder).participants
        assert it.pins + it.holds >= 1
    frame.close()  # type: ignore[union-attr]
    assert sum(it.pins for it in sharray.inspect("stream", dir=folder).participants) == 0


def test_unlink(folder: Path) -> None:
    """The name is free; those who are attached go on."""
    field = sharray.create("field", data=[1, 2], dir=folder)
    sharray.unlink("field", dir=folder)
    assert field.is_retired and sharray.list(dir=folder) == []
    field[0] = 5
    assert field.snapshot().tolist() == [5, 2]
    for missing in (sharray.unlink, sharray.inspect, sharray.attach, sharray.subscribe, sharray.cell):
        with pytest.raises(sharray.NotFound) as raised:
            missing("field", dir=folder)
        assert isinstance(raised.value, FileNotFoundError)
    with pytest.raises(sharray.NotFound):
        sharray.publish("field", dir=folder)
    assert not sharray.create("field", 1, dir=folder).is_retired


def test_directories(folder: Path) -> None:
    """A place is a path or a Directory; names of one are not those of another."""
    one, two = sharray.Directory(folder / "one"), sharray.Directory(str(folder / "two"))
    sharray.create("field", data=[1], dir=one)
    sharray.create("field", data=[2], dir=two)
    assert sharray.attach("field", dir=folder / "one").snapshot()[0] == 1
    assert sharray.attach("field", dir=two).snapshot()[0] == 2
    assert one.path == folder / "one" and os.fspath(one) == str(folder / "one") and "one" in repr(one)
    assert [info.name for info in one.list()] == ["field"]
    assert one.inspect("field").shape == (1,)
    again = pickle.loads(pickle.dumps(one))
    assert again.path == one.path and [info.name for info in again.list()] == ["field"]
    one.unlink("field")
    assert one.list() == [] and len(two.list()) == 1 and one.collect_garbage() == []


def test_the_default_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$SHARRAY_DIR says where, each time it is needed."""
    monkeypatch.setenv("SHARRAY_DIR", str(folder / "place"))
    sharray.create("field", 3)
    assert sharray.attach("field").shape == (3,)
    assert [info.name for info in sharray.list()] == ["field"] == [info.name for info in sharray.list(dir=folder / "place")]
    assert sharray.Directory().path == folder / "place"
    assert sharray.inspect("field").name == "field"
    sharray.unlink("field")
    assert sharray.collect_garbage() == []


def test_a_place_that_others_may_write_to(folder: Path) -> None:
    """It is refused, unless one says to trust them; then handles pickle with that trust."""
    place = folder / "open"
    place.mkdir()
    place.chmod(0o777)
    with pytest.raises(sharray.Untrusted) as raised:
        sharray.create("field", 3, dir=place)
    assert isinstance(raised.value, PermissionError) and str(raised.value.path) == str(place)
    trusting = sharray.Directory(place, trust_others=True)
    field = sharray.create("field", 3, dir=trusting)
    assert pickle.loads(pickle.dumps(field)).shape == (3,)
    again = pickle.loads(pickle.dumps(trusting))
    assert [info.name for info in again.list()] == ["field"]


@pytest.mark.parametrize("below", ["a", "a/b"])
def test_a_folder_within_a_name_that_others_may_write_to_is_refused(folder: Path, below: str) -> None:
    sharray.create("a/b/c", 3, dir=folder)
    (folder / below).chmod(0o777)
    for act in (sharray.attach, sharray.inspect, sharray.unlink):
        with pytest.raises(sharray.Untrusted) as raised:
            act("a/b/c", dir=folder)
        assert raised.value.path == folder / below
        assert "0777" in str(raised.value)
    with pytest.raises(sharray.Untrusted):
        sharray.create("a/b/d", 3, dir=folder)
    (folder / below).chmod(0o700)
    sharray.attach("a/b/c", dir=folder)



def test_permissions_that_nobody_trusts(folder: Path) -> None:
    """What others may write to could be neither attached nor unlinked in a place that trusts nobody: it is not created."""
    make: list[Callable[..., object]] = [
        lambda **options: sharray.create("name", 3, **options),
        lambda **options: sharray.publish("name", 3, **options),
        lambda **options: sharray.cell("name", 3, **options),
    ]
    trusting = sharray.Directory(folder, trust_others=True)
    for create in make:
        for permissions in (0o666, 0o620, 0o602):
            with pytest.raises(sharray.Untrusted) as raised:
                create(dir=folder, permissions=permissions)
            assert f"{permissions:04o}" in str(raised.value) and raised.value.path == folder / "name"
        assert list(folder.iterdir()) == []
        create(dir=trusting, permissions=0o666)
        sharray.unlink("name", dir=trusting)


@pytest.mark.parametrize("name", ["", "/", "a//b", "/a", "a/", ".", "..", "a/../b", ".hidden", "a b", "ä", "a\0b", "x" * 256])
def test_names_that_are_none(folder: Path, name: str) -> None:
    """A ValueError that shows the name; a path is never mistaken for one."""
    for use in (lambda: sharray.create(name, 3, dir=folder), lambda: sharray.attach(name, dir=folder)):
        with pytest.raises(sharray.InvalidName) as raised:
            use()
        assert isinstance(raised.value, ValueError) and raised.value.name == name


def test_garbage(folder: Path) -> None:
    """What a process leaves that was killed while it created an array goes; what is used stays."""
    kept = sharray.create("kept", 3, dir=folder)
    child = Child(
        """
        streams = [sharray.publish(f"stream-{i}", 100, dir=folder) for i in range(3)]
        tell("ready")
        hear()
        """,
        folder,
    )
    child.expect("ready")
    child.kill()
    assert isinstance(sharray.collect_garbage(dir=folder), list)
    assert kept.snapshot().sum() == 0 and "kept" in [info.name for info in sharray.list(dir=folder)]
    dead = sharray.inspect("stream-0", dir=folder).participants if "stream-0" in map(
        lambda info: info.name, sharray.list(dir=folder)
    ) else []
    assert not any(it.is_alive for it in dead)


def test_files_that_are_no_arrays(folder: Path) -> None:
    """Foreign, cut, changed: each is an error of its own kind, and the file stays as it was."""
    sharray.create("field", data=np.arange(1000), dir=folder)
    path = sharray.inspect("field", dir=folder).path
    good = path.read_bytes()

    def put(name: str, contents: bytes) -> None:
        target = path.with_name(path.name.replace("field", name))
        target.write_bytes(contents)
        target.chmod(0o600)

    put("foreign", b"not an array at all" * 1000)
    put("short", good[: len(good) - 100])
    put("empty", b"")
    put("changed", good[:100] + bytes([good[100] ^ 1]) + good[101:])
    put("newer", good[:8] + b"\x07" + good[9:])
    for name, classes, builtin in [
        ("foreign", sharray.NotAnArray, ValueError),
        ("short", sharray.Truncated, EOFError),
        ("empty", (sharray.NotAnArray, sharray.Truncated), (ValueError, EOFError)),
        ("changed", sharray.Corrupt, ValueError),
        ("newer", (sharray.UnsupportedFormat, sharray.Corrupt), ValueError),
    ]:
        before = path.with_name(path.name.replace("field", name)).read_bytes()
        for use in (sharray.attach, sharray.inspect):
            with pytest.raises(classes) as raised:
                use(name, dir=folder)
            assert isinstance(raised.value, builtin)
        assert path.with_name(path.name.replace("field", name)).read_bytes() == before
    with pytest.raises(sharray.Truncated) as raised:
        sharray.attach("short", dir=folder)
    assert raised.value.expected != raised.value.found


def test_a_copy_of_a_file(folder: Path) -> None:
    """What it says of who uses it is not true of the copy. Who may write sees to that; who only reads has to wait for one."""
    sharray.create("field", data=[1, 2, 3], dir=folder)
    sharray.cell("cell", 5, dir=folder)
    sharray.publish("stream", 3, dir=folder).publish(7)
    copy = sharray.Directory(folder / "copy")
    for name in ("field", "cell", "stream"):
        shutil.copy(folder / name, copy.path / name)
    for name, attach in [("field", sharray.attach), ("cell", sharray.cell), ("stream", sharray.subscribe)]:
        with pytest.raises(sharray.NeedsRecovery) as raised:
            attach(name, mode="r", dir=copy)
        assert isinstance(raised.value, OSError) and raised.value.name == name
        assert not attach(name, dir=copy).is_retired
        assert attach(name, mode="r", dir=copy).is_read_only
    assert sharray.attach("field", mode="r", dir=copy).snapshot().tolist() == [1, 2, 3]


def test_a_header_that_is_none(folder: Path) -> None:
    """Told by its file."""
    path = folder / "text.npy"
    path.write_bytes(b"not an array" * 10)
    for use in (lambda: sharray.import_npy(path, "field", dir=folder / "place"), lambda: sharray.open_npy(path)):
        with pytest.raises(sharray.InvalidPreamble, match="text.npy"):
            use()
    assert sharray.list(dir=folder / "place") == []


def test_a_file_system_without_locks(folder: Path) -> None:
    """Where a lock that was had keeps nobody out, the living could not be told from the dead: refused by name. Here the
    kernel is told to answer that a lock was had, and to take none."""
    call = {"x86_64": 72, "aarch64": 25}.get(os.uname().machine)
    if call is None:
        pytest.skip("the number of fcntl is not known here")
    child = Child(
        """
        import ctypes, struct
        # The call's number; if it is fcntl, its second argument; if that is F_OFD_SETLK, success without doing it.
        program = [(0x20, 0, 0, 0), (0x15, 0, 3, int(sys.argv[2])), (0x20, 0, 0, 24), (0x15, 0, 1, 37),
                   (0x06, 0, 0, 0x00050000), (0x06, 0, 0, 0x7FFF0000)]
        code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
        filter = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code)))
        prctl = ctypes.CDLL(None).prctl
        assert prctl(38, 1, 0, 0, 0) == 0 and prctl(22, 2, filter, 0, 0) == 0
        try:
            sharray.create("field", 3, dir=folder)
        except sharray.UnsupportedFilesystem as error:
            tell(isinstance(error, OSError), error.path, "exclude each other" in str(error))
        """,
        folder,
        call,
    )
    child.expect("True field True")
    child.succeed()
    assert sharray.list(dir=folder) == []


def test_too_many_participants(folder: Path) -> None:
    """A full table is told, and has room again when somebody has gone."""
    field = sharray.create("field", 3, participants=3, dir=folder)
    handles = [sharray.attach("field", dir=folder) for _ in range(2)]
    with pytest.raises(sharray.TooManyParticipants) as raised:
        sharray.attach("field", dir=folder)
    assert isinstance(raised.value, OSError) and raised.value.name == "field"
    handles.pop().close()
    until(lambda: sharray.attach("field", dir=folder))
    assert field.snapshot().sum() == 0


#: The builtin that a Python user would catch.
BASES: dict[str, type[BaseException]] = {
    "AlreadyExists": FileExistsError,
    "Closed": ValueError,
    "Corrupt": ValueError,
    "DurabilityLost": OSError,
    "ForbiddenFile": PermissionError,
    "Forked": RuntimeError,
    "Interrupted": InterruptedError,
    "InvalidArgument": ValueError,
    "InvalidName": ValueError,
    "InvalidPreamble": ValueError,
    "IoError": OSError,
    "Lagged": BufferError,
    "Locked": BlockingIOError,
    "Mismatch": ValueError,
    "MissingFile": FileNotFoundError,
    "NeedsRecovery": OSError,
    "NoFreeSlot": BlockingIOError,
    "NoSpace": OSError,
    "NotAFile": IsADirectoryError,
    "NotAnArray": ValueError,
    "NotFound": FileNotFoundError,
    "PeerDied": ConnectionResetError,
    "Poisoned": RuntimeError,
    "ProducerDied": ConnectionResetError,
    "ProducerPresent": BlockingIOError,
    "RankFailed": ChildProcessError,
    "RankTaken": BlockingIOError,
    "ReadOnly": PermissionError,
    "Replaced": FileNotFoundError,
    "Retired": FileNotFoundError,
    "ShapeOverflow": ValueError,
    "TableFull": OverflowError,
    "TimedOut": TimeoutError,
    "TooManyDimensions": ValueError,
    "TooManyParticipants": OSError,
    "TooManyPins": BufferError,
    "Truncated": EOFError,
    "UnsupportedDtype": TypeError,
    "UnsupportedFilesystem": OSError,
    "UnsupportedFormat": ValueError,
    "Untrusted": PermissionError,
    "WouldDeadlock": RuntimeError,
}


def test_every_exception() -> None:
    """Each class derives from sharray.Error and from its builtin, says where it is from, and has a docstring; none is
    missing here."""
    classes = {
        name: it
        for name, it in vars(sharray).items()
        if isinstance(it, type) and issubclass(it, Exception) and not issubclass(it, Warning) and name != "Error"
    }
    assert classes.keys() == BASES.keys()
    for name, it in classes.items():
        assert issubclass(it, sharray.Error) and issubclass(it, BASES[name]), name
        assert it.__module__ == "sharray" and it.__doc__ and name in sharray.__all__
        again = pickle.loads(pickle.dumps(it("what happened")))
        assert type(again) is it and str(again) == "what happened"
    assert issubclass(sharray.StaleViewWarning, RuntimeWarning)


def test_exceptions_cross_processes(folder: Path) -> None:
    """concurrent.futures pickles what a worker raised: its class, its message and its attributes arrive."""
    with pytest.raises(sharray.NotFound) as raised:
        sharray.attach("nothing", dir=folder)
    again: Any = pickle.loads(pickle.dumps(raised.value))
    assert type(again) is sharray.NotFound and str(again) == str(raised.value) and again.name == "nothing"


def test_errno(folder: Path) -> None:
    """What the operating system refused carries its number and its file, as every OSError does, says what was tried, and
    tells another process the same."""
    (folder / "text").write_text("not a folder")
    for use, number, path, tried in [
        (lambda: sharray.list(dir="/proc/self/nothing"), errno.ENOENT, "/proc/self/nothing", "create the folder"),
        (lambda: sharray.open_npy(folder / "no.npy"), errno.ENOENT, str(folder / "no.npy"), "open"),
        (lambda: sharray.save_npy(folder / "no" / "no.npy", np.eye(3)), errno.ENOENT, str(folder / "no/no.npy"), "replace"),
        (lambda: sharray.open_npy(folder), errno.EISDIR, str(folder), "open"),
        (lambda: sharray.list(dir=folder / "text"), errno.ENOTDIR, str(folder / "text"), "open"),
    ]:
        with pytest.raises(sharray.IoError) as raised:
            use()
        for error in (raised.value, pickle.loads(pickle.dumps(raised.value))):
            assert isinstance(error, OSError) and (error.errno, error.filename) == (number, path)
            assert str(error).startswith(f"cannot {tried}") and path in str(error) and type(error) is type(raised.value)


def test_what_is_public() -> None:
    """Everything in __all__ is there, tells where it is from, and has a docstring."""
    for name in sharray.__all__:
        it = getattr(sharray, name)
        assert it.__doc__ and it.__module__ == "sharray", name
    assert sharray.__doc__

"""What can go wrong: one exception for each kind of error, under one base.

Each also derives from the builtin that a Python user would catch, and carries what its message says as attributes: those
that are declared in its class.
"""

from pathlib import Path

__all__ = [
    "AlreadyExists",
    "Closed",
    "Corrupt",
    "DurabilityLost",
    "Error",
    "ForbiddenFile",
    "Forked",
    "Interrupted",
    "InvalidArgument",
    "InvalidName",
    "InvalidPreamble",
    "IoError",
    "Lagged",
    "Locked",
    "Mismatch",
    "MissingFile",
    "NeedsRecovery",
    "NoFreeSlot",
    "NoSpace",
    "NotAFile",
    "NotAnArray",
    "NotFound",
    "PeerDied",
    "Poisoned",
    "ProducerDied",
    "ProducerPresent",
    "RankFailed",
    "RankTaken",
    "ReadOnly",
    "Replaced",
    "Retired",
    "ShapeOverflow",
    "StaleViewWarning",
    "TableFull",
    "TimedOut",
    "TooManyDimensions",
    "TooManyParticipants",
    "TooManyPins",
    "Truncated",
    "UnsupportedDtype",
    "UnsupportedFilesystem",
    "UnsupportedFormat",
    "Untrusted",
    "WouldDeadlock",
]


class Error(Exception):
    """What every error of sharray derives from."""


class NotFound(Error, FileNotFoundError):
    """No array has the name."""

    name: str
    directory: Path


class AlreadyExists(Error, FileExistsError):
    """An array has the name already; it was left as it is."""

    name: str
    directory: Path


class InvalidName(Error, ValueError):
    """The text is not a name, or the name is taken by something that is not an array."""

    name: str


class Mismatch(Error, ValueError):
    """The array is not of the kind, dtype, shape or order that was expected."""

    name: str
    expected: str
    found: str


class NotAnArray(Error, ValueError):
    """The file is not a shared array."""

    path: Path


class UnsupportedFormat(Error, ValueError):
    """The file was written by a newer version of the format."""

    name: str
    expected: int
    found: int


class Truncated(Error, EOFError, ValueError):
    """The file is shorter or longer than its header says, or a plain file too short for the shape; or it was cut short by
    somebody else while it was mapped.

    Of plain and .npy files NumPy says so by a ValueError.
    """

    name: str
    expected: int
    found: int


class Corrupt(Error, ValueError):
    """The file contradicts itself. Nothing was changed."""

    name: str


class NeedsRecovery(Error, OSError):
    """The array was not used since the machine started: a writer has to attach it first."""

    name: str


class DurabilityLost(Error, OSError):
    """Writing the array to the disk has failed before: what the disk has of it is not known."""

    name: str


class UnsupportedFilesystem(Error, OSError):
    """The file system cannot tell living processes from dead ones."""

    path: Path


class Untrusted(Error, PermissionError):
    """Somebody else could change the file or its folder."""

    path: Path


class NoSpace(Error, OSError):
    """The file system is full: the array was not created, or the rows not appended."""

    name: str


class TableFull(Error, OverflowError):
    """A table cannot have so many rows: none of those given was appended."""

    name: str
    len: int
    max_len: int


class ShapeOverflow(Error, ValueError):
    """The shape describes more bytes than a process can address."""


class TooManyDimensions(Error, ValueError):
    """The shape has more dimensions than an array can have."""


class InvalidArgument(Error, ValueError):
    """An array, an option or a shape that the call cannot take."""

    name: str


class UnsupportedDtype(Error, TypeError, ValueError):
    """A dtype that cannot be shared, or mapped.

    Of a .npy file with objects NumPy says so by a ValueError.
    """


class InvalidPreamble(Error, ValueError):
    """The text before the payload is not a .npy header."""


class TimedOut(Error, TimeoutError):
    """The time given was over first."""

    name: str


class Retired(Error, FileNotFoundError):
    """The array was unlinked: nothing new will come under this handle."""

    name: str


class Replaced(Error, FileNotFoundError):
    """Another array has the name by now."""

    name: str


class ProducerPresent(Error, BlockingIOError):
    """The stream has a producer, and it is alive."""

    name: str
    pid: int


class ProducerDied(Error, ConnectionResetError):
    """The producer ended without closing the stream. Said once; waiting again waits for a successor."""

    name: str


class PeerDied(Error, ConnectionResetError):
    """A rank of the team died, left, or gave the round up. Every other rank is told, until they reset the team."""

    name: str
    rank: int


class RankTaken(Error, BlockingIOError):
    """Somebody is this rank of the team already, and is alive."""

    name: str
    rank: int
    pid: int


class RankFailed(Error, ChildProcessError):
    """A rank that `Team.spawn` had started did not end well: the first that failed."""

    name: str
    rank: int


class Interrupted(Error, InterruptedError):
    """`Team.spawn` was ended by a signal, and all ranks have ended. Ctrl-C is a KeyboardInterrupt instead."""

    name: str
    signal: int


class Lagged(Error, BufferError):
    """A lossless subscriber was evicted and lost frames. Said once."""

    name: str
    missed: int


class NoFreeSlot(Error, BlockingIOError):
    """Every slot is pinned, or a lossless subscriber has not read on."""

    name: str
    #: Process ids.
    holders: list[int]


class TooManyPins(Error, BufferError):
    """The handle holds as many frames, or parts of an array, as one handle can."""

    name: str


class Locked(Error, BlockingIOError):
    """Somebody uses the array, and the call was not to wait."""

    name: str
    #: Process ids.
    holders: list[int]


class Poisoned(Error, RuntimeError):
    """Whoever wrote the array last did not come to the end: its items may be half old and half new."""

    name: str
    block: int


class TooManyParticipants(Error, OSError):
    """The array's table of participants is full."""

    name: str


class WouldDeadlock(Error, RuntimeError):
    """Waiting would be waiting for oneself."""

    name: str


class Forked(Error, RuntimeError):
    """The object was inherited over fork: what the parent leased is not the child's."""

    name: str


class ReadOnly(Error, PermissionError):
    """The handle may only read."""

    name: str


class Closed(Error, ValueError):
    """The handle was closed."""

    name: str


class IoError(Error, OSError):
    """The operating system refused."""

    filename: str

    def __str__(self) -> str:
        # It names the file already, which OSError would add.
        return super().__str__() if self.strerror is None else self.strerror


class MissingFile(IoError, FileNotFoundError):
    """There is no such file."""


class ForbiddenFile(IoError, PermissionError):
    """The file, or its folder, may not be used so."""


class NotAFile(IoError, IsADirectoryError):
    """The path is that of a folder."""


class StaleViewWarning(RuntimeWarning):
    """A view of an array that was lent outlives what lent it."""

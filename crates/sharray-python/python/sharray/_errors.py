"""What can go wrong: one exception for each kind of error, under one base.

Each also derives from the builtin that a Python user would catch, and carries what its message says as attributes.
"""

__all__ = [
    "AlreadyExists",
    "Closed",
    "Corrupt",
    "Error",
    "Forked",
    "InvalidArgument",
    "InvalidName",
    "InvalidPreamble",
    "IoError",
    "Lagged",
    "Locked",
    "Mismatch",
    "NeedsRecovery",
    "NoFreeSlot",
    "NoSpace",
    "NotAnArray",
    "NotFound",
    "Poisoned",
    "ProducerDied",
    "ProducerPresent",
    "ReadOnly",
    "Replaced",
    "Retired",
    "ShapeOverflow",
    "StaleViewWarning",
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


class AlreadyExists(Error, FileExistsError):
    """An array has the name already; it was left as it is."""


class InvalidName(Error, ValueError):
    """The text is not a name, or the name is taken by something that is not an array."""


class Mismatch(Error, ValueError):
    """The array is not of the kind, dtype, shape or order that was expected."""


class NotAnArray(Error, ValueError):
    """The file is not a shared array."""


class UnsupportedFormat(Error, ValueError):
    """The file was written by a newer version of the format."""


class Truncated(Error, EOFError):
    """The file is shorter or longer than its header says."""


class Corrupt(Error, ValueError):
    """The file contradicts itself. Nothing was changed."""


class NeedsRecovery(Error, OSError):
    """The array was not used since the machine started: a writer has to attach it first."""


class UnsupportedFilesystem(Error, OSError):
    """The file system cannot tell living processes from dead ones."""


class Untrusted(Error, PermissionError):
    """Somebody else could change the file or its folder."""


class NoSpace(Error, OSError):
    """The file system is full: the array was not created."""


class ShapeOverflow(Error, ValueError):
    """The shape describes more bytes than a process can address."""


class TooManyDimensions(Error, ValueError):
    """The shape has more dimensions than an array can have."""


class InvalidArgument(Error, ValueError):
    """An array, an option or a shape that the call cannot take."""


class UnsupportedDtype(Error, TypeError):
    """A dtype that cannot be shared."""


class InvalidPreamble(Error, ValueError):
    """The text before the payload is not a .npy header."""


class TimedOut(Error, TimeoutError):
    """The time given was over first."""


class Retired(Error, FileNotFoundError):
    """The array was unlinked: nothing new will come under this handle."""


class Replaced(Error, FileNotFoundError):
    """Another array has the name by now."""


class ProducerPresent(Error, BlockingIOError):
    """The stream has a producer, and it is alive."""


class ProducerDied(Error, ConnectionResetError):
    """The producer ended without closing the stream. Said once; waiting again waits for a successor."""


class Lagged(Error, BufferError):
    """A lossless subscriber was evicted and lost frames. Said once."""


class NoFreeSlot(Error, BlockingIOError):
    """Every slot is pinned, or a lossless subscriber has not read on."""


class TooManyPins(Error, BufferError):
    """The handle holds as many frames, or parts of an array, as one handle can."""


class Locked(Error, BlockingIOError):
    """Somebody uses the array, and the call was not to wait."""


class Poisoned(Error, RuntimeError):
    """Whoever wrote the array last did not come to the end: its items may be half old and half new."""


class TooManyParticipants(Error, OSError):
    """The array's table of participants is full."""


class WouldDeadlock(Error, RuntimeError):
    """Waiting would be waiting for oneself."""


class Forked(Error, RuntimeError):
    """The object was inherited over fork: what the parent leased is not the child's."""


class ReadOnly(Error, PermissionError):
    """The handle may only read."""


class Closed(Error, ValueError):
    """The handle was closed."""


class IoError(Error, OSError):
    """The operating system refused."""


class StaleViewWarning(RuntimeWarning):
    """A view of an array that was lent outlives what lent it."""

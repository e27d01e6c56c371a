"""Named, typed n-dimensional arrays that processes share without copies, and survive each other.

A producer creates an array, a stream of them or a small value under a name; any number of other processes, Python or Rust,
attach by that name and see the same bytes.

Examples
--------
>>> with sharray.publish("camera", shape=(480, 640), dtype="u1", dir=folder) as camera:
...     viewer = sharray.subscribe("camera", dir=folder)
...     with camera.loan() as image:  # a writeable ndarray over shared memory
...         image[...] = 7
...     viewer.latest().array.mean()
np.float64(7.0)

>>> field = sharray.create("sim/field", (1000, 1000), "f8", dir=folder)
>>> with field.write() as a:
...     a[10:15, 10:15] = 5.5
>>> sharray.attach("sim/field", dir=folder).snapshot().sum()
np.float64(137.5)
"""

import os as _os

from sharray._errors import (
    AlreadyExists,
    Closed,
    Corrupt,
    DurabilityLost,
    Error,
    ForbiddenFile,
    Forked,
    Interrupted,
    InvalidArgument,
    InvalidName,
    InvalidPreamble,
    IoError,
    Lagged,
    Locked,
    Mismatch,
    MissingFile,
    NeedsRecovery,
    NoFreeSlot,
    NoSpace,
    NotAFile,
    NotAnArray,
    NotFound,
    PeerDied,
    Poisoned,
    ProducerDied,
    ProducerPresent,
    RankFailed,
    RankTaken,
    ReadOnly,
    Replaced,
    Retired,
    ShapeOverflow,
    StaleViewWarning,
    TableFull,
    TimedOut,
    TooManyDimensions,
    TooManyParticipants,
    TooManyPins,
    Truncated,
    UnsupportedDtype,
    UnsupportedFilesystem,
    UnsupportedFormat,
    Untrusted,
    WouldDeadlock,
)
from sharray._memmap import memmap, open_npy
from sharray._sharray import _after_fork  # pyright: ignore[reportPrivateUsage]
from sharray._sharray import (
    Array,
    Block,
    Cell,
    CellWriter,
    Directory,
    Follower,
    Frame,
    Info,
    Loan,
    Participant,
    Publisher,
    Read,
    Subscriber,
    Team,
    TeamArray,
    Table,
    Write,
    attach,
    cell,
    collect_garbage,
    create,
    grow,
    import_npy,
    import_raw,
    inspect,
    list,
    open,
    publish,
    save_npy,
    subscribe,
    unlink,
    wait_any,
)

__all__ = [
    "AlreadyExists",
    "Array",
    "Block",
    "Cell",
    "CellWriter",
    "Closed",
    "Corrupt",
    "DurabilityLost",
    "Directory",
    "Error",
    "Follower",
    "ForbiddenFile",
    "Forked",
    "Frame",
    "Info",
    "Interrupted",
    "InvalidArgument",
    "InvalidName",
    "InvalidPreamble",
    "IoError",
    "Lagged",
    "Loan",
    "Locked",
    "Mismatch",
    "MissingFile",
    "NeedsRecovery",
    "NoFreeSlot",
    "NoSpace",
    "NotAFile",
    "NotAnArray",
    "NotFound",
    "Participant",
    "PeerDied",
    "Poisoned",
    "ProducerDied",
    "ProducerPresent",
    "Publisher",
    "RankFailed",
    "RankTaken",
    "Read",
    "ReadOnly",
    "Replaced",
    "Retired",
    "ShapeOverflow",
    "StaleViewWarning",
    "Subscriber",
    "Team",
    "TeamArray",
    "Table",
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
    "Write",
    "attach",
    "cell",
    "collect_garbage",
    "create",
    "grow",
    "import_npy",
    "import_raw",
    "inspect",
    "list",
    "memmap",
    "open",
    "open_npy",
    "publish",
    "save_npy",
    "subscribe",
    "unlink",
    "wait_any",
]

_os.register_at_fork(after_in_child=_after_fork)

# Where users find it is what messages, pickles and documentation call it.
for _public in map(globals().__getitem__, __all__):
    if _public.__module__ != __name__:
        _public.__module__ = __name__

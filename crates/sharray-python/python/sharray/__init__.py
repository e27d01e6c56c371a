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

from sharray import _errors
from sharray._errors import *  # noqa: F403
from sharray._sharray import _after_fork
from sharray._sharray import (
    Array,
    Cell,
    CellWriter,
    Directory,
    Frame,
    Info,
    Loan,
    Participant,
    Publisher,
    Read,
    Subscriber,
    Write,
    attach,
    cell,
    collect_garbage,
    create,
    inspect,
    list,
    open,
    publish,
    subscribe,
    unlink,
    wait_any,
)

__all__ = [
    *_errors.__all__,
    "Array",
    "Cell",
    "CellWriter",
    "Directory",
    "Frame",
    "Info",
    "Loan",
    "Participant",
    "Publisher",
    "Read",
    "Subscriber",
    "Write",
    "attach",
    "cell",
    "collect_garbage",
    "create",
    "inspect",
    "list",
    "open",
    "publish",
    "subscribe",
    "unlink",
    "wait_any",
]

_os.register_at_fork(after_in_child=_after_fork)

for _name in _errors.__all__:
    getattr(_errors, _name).__module__ = "sharray"
for _name in __all__:
    if hasattr(globals()[_name], "__text_signature__") and not isinstance(globals()[_name], type):
        globals()[_name].__module__ = "sharray"
del _name

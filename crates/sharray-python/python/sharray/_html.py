"""How handles look in a notebook: what there is to know, a picture if it is one, and the items at the corners.

Looking changes nothing, waits for next to nothing and never fails: what cannot be had is left out, and why is said.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from sharray._errors import Error
from sharray._sharray import _thumbnail

if TYPE_CHECKING:
    from sharray import Array, Frame, Subscriber, Table

#: How many items are shown from either end of an axis.
EDGE = 3
#: The longest side of a picture, in items. What is longer is sampled.
SIDE = 256
#: Of arrays of so many bytes each item may be in another page of memory, or of a disk: fewer are looked at.
LARGE = 1 << 26
FEW = 64
#: What is smaller on a page is enlarged.
VISIBLE = 128
#: How many seconds a picture may wait for whoever writes.
PATIENCE = 0.05


def of_array(array: Array[Any]) -> str:
    """Also of a part. The picture is taken under a lease; the corners are read without one."""
    return _page(array, lambda: _facts(array.name, array.dtype, array.shape), lambda: _leased(array), array)


def of_table(table: Table[Any]) -> str:
    """Rows never change: no lease is needed."""
    return _page(table, lambda: _facts(table.name, table.dtype, table.shape), lambda: _drawn(np.asarray(table)), table)


def of_frame(frame: Frame[Any]) -> str:
    """A frame is pinned: it stays as it is."""
    facts = {"frame": str(frame.sequence)}
    return _page(frame, lambda: facts | _facts(None, frame.dtype, frame.shape), lambda: _drawn(frame.array), frame)


def of_subscriber(subscriber: Subscriber[Any]) -> str:
    """The newest frame. Which one is received next stays as it is."""

    def newest() -> str:
        frame = None if subscriber.is_closed else subscriber.latest()
        return "" if frame is None else _drawn(frame.array, f"frame {frame.sequence}")

    facts = lambda: _facts(subscriber.name, subscriber.dtype, subscriber.shape)  # noqa: E731
    return _page(subscriber, facts, newest, None)


def _page(handle: object, facts: Callable[[], dict[str, str]], picture: Callable[[], str], corners: Any) -> str:
    try:
        rows = "".join(f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in facts().items())
    except Exception:
        # Such as a table that was closed.
        return escape(repr(handle))
    return f"<table>{rows}</table>{_or_why_not(picture)}{_or_why_not(lambda: _corners(corners))}"


def _or_why_not(part: Callable[[], str]) -> str:
    try:
        return part()
    except Error as error:
        return f"<p>{escape(str(error))}</p>"
    except Exception:
        return ""


def _facts(name: str | None, dtype: np.dtype[Any], shape: tuple[int, ...]) -> dict[str, str]:
    size = dtype.itemsize * int(np.prod(shape, dtype=object))
    named = {} if name is None else {"name": name}
    return named | {"dtype": str(dtype), "shape": str(shape), "size": f"{size:,} bytes"}


def _leased(array: Array[Any]) -> str:
    if array.is_closed or not _is_picture(array.shape, array.dtype):
        return ""
    if array.is_read_only and array.nbytes > LARGE:
        # A handle that may not announce itself would copy the whole array.
        before = array.sequence
        drawn = _drawn(np.asarray(array))
        return drawn if array.sequence == before else drawn + "<p>It was written meanwhile.</p>"
    with array.read(timeout=PATIENCE) as items:
        return _drawn(items)


def _is_picture(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    is_plane, is_image = len(shape) == 2, len(shape) == 3 and shape[2] in (3, 4)
    return (is_plane or is_image) and 0 not in shape and dtype.names is None


def _drawn(items: np.ndarray[Any, Any], what: str = "") -> str:
    if not _is_picture(items.shape, items.dtype):
        return ""
    side = SIDE if items.nbytes <= LARGE else FEW
    down, right = (-(-length // side) for length in items.shape[:2])
    sample = items[::down, ::right]
    drawn = _thumbnail(sample.dtype, sample.shape, sample.tobytes())
    if drawn is None:
        return ""
    png, (width, height), ends = drawn
    times = max(VISIBLE // max(width, height), 1)
    said = [what] if what else []
    said += [f"{ends[0]:g} to {ends[1]:g}"] if ends else []
    said += [f"every {down} x {right}"] if down * right > 1 else []
    caption = escape(", ".join(said))
    return (
        f'<figure style="margin: 0"><img src="data:image/png;base64,{b64encode(png).decode()}" alt="{caption}" '
        f'width="{width * times}" height="{height * times}" style="image-rendering: pixelated">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _corners(array: Array[Any] | Table[Any] | Frame[Any] | None) -> str:
    if array is None or getattr(array, "is_closed", False) or 0 in array.shape:
        return ""
    live = np.asarray(array)
    # Each dimension doubles the corners: of many, the first items are as good.
    first = max(live.ndim - 3, 0)
    where = f"[{'0, ' * first}...]:\n" if first else ""
    # With a threshold NumPy itself looks at the ends of each axis only, and says that something is left out.
    text = where + np.array2string(live[(0,) * first], separator=" ", threshold=0, edgeitems=EDGE)
    return f"<pre>{escape(text)}</pre>"

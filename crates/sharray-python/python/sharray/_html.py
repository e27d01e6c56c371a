"""How handles look in a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sharray import Array, Table

#: How many items are shown from either end of an axis.
EDGE = 3


def of_array(array: Array[Any] | Table[Any]) -> str:
    """A table of what there is to know, and the items at the corners. Only those are read, without a lease."""
    facts = {
        "name": array.name,
        "dtype": str(array.dtype),
        "shape": str(array.shape),
        "size": f"{array.nbytes:,} bytes",
    }
    rows = "".join(f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in facts.items())
    corners = "" if array.is_closed or array.size == 0 else f"<pre>{escape(_corners(array))}</pre>"
    return f"<table>{rows}</table>{corners}"


def _corners(array: Array[Any] | Table[Any]) -> str:
    live = np.asarray(array)
    # Each dimension doubles the corners: of many, the first items are as good.
    first = max(live.ndim - 3, 0)
    where = f"[{'0, ' * first}...]:\n" if first else ""
    # With a threshold NumPy itself looks at the ends of each axis only, and says that something is left out.
    return where + np.array2string(live[(0,) * first], separator=" ", threshold=0, edgeitems=EDGE)

"""How handles look in a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sharray import Array

#: How many items are shown from either end of an axis.
EDGE = 3


def of_array(array: Array[Any]) -> str:
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


def _corners(array: Array[Any]) -> str:
    live = np.asarray(array)
    for axis, length in enumerate(array.shape):
        if length > 2 * EDGE:
            ends = np.r_[0:EDGE, length - EDGE : length]
            live = np.take(live, ends, axis=axis)
    return np.array2string(live, separator=" ", threshold=(2 * EDGE) ** 2)

"""What is easier said in Python about NumPy."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import numpy as np


def part_of(
    whole: np.memmap[Any, Any], offset: int, shape: list[int], strides: list[int]
) -> np.memmap[Any, Any]:
    """The part of a mapped array that starts ``offset`` bytes after its first item.

    It is made by indexing, so that what comes out knows its file and its place in it, as joblib needs.
    """
    # A byte at a time: NumPy's own checks see to it that the part is inside.
    flat = np.ndarray.__getitem__(whole.reshape(-1, order="A").view(np.uint8), slice(None))
    base = flat[offset : offset + whole.dtype.itemsize].view(whole.dtype)
    part = np.lib.stride_tricks.as_strided(base, shape, strides, subok=True)
    part.flags.writeable = whole.flags.writeable
    # A subclass is kept, which NumPy's types do not tell.
    return cast("np.memmap[Any, Any]", part)


def fitting(value: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """A value as an array of this dtype and shape, converted and broadcast as an assignment does it."""
    items = np.asarray(value, dtype)
    while items.ndim > len(shape) and items.shape[0] == 1:
        items = items[0]
    return np.broadcast_to(items, shape)


@cache
def is_told_by_buffers(dtype: np.dtype[Any]) -> bool:
    """Whether what NumPy reads from a buffer of this dtype is this dtype."""
    try:
        # Only from Python 3.12 on do NumPy's types tell that arrays are buffers.
        return np.asarray(memoryview(cast("Any", np.empty(1, dtype)))).dtype == dtype
    except (BufferError, RuntimeError, ValueError):
        return False

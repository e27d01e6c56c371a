"""Arrays larger than memory, so many rows at a time."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar

from sharray._errors import InvalidArgument
from sharray._progress import Progress, tell

if TYPE_CHECKING:
    from sharray import Read

_ArrayT = TypeVar("_ArrayT", bound=Any)
#: The first row of each block and the one after its last, brought and dropped in time.
Ranges = Iterator[tuple[int, int]]


def step_of(rows: SupportsIndex, ndim: int) -> int:
    """How many rows a block has."""
    step = operator.index(rows)
    if step < 1:
        raise InvalidArgument(f"rows is {step}, expected at least one")
    if ndim == 0:
        raise InvalidArgument("an array without dimensions has no rows")
    return step


def views(array: _ArrayT, ranges: Ranges | None, step: int, progress: Progress | None) -> Iterator[_ArrayT]:
    """Views of so many rows after each other; without ranges, nothing is brought or dropped."""
    count = len(array)
    if ranges is None:
        ranges = ((start, min(start + step, count)) for start in range(0, count, step))
    for start, end in ranges:
        yield array[start:end]
        if progress is not None:
            tell(progress, end - start, count)


def lent(read: Read[Any], ranges: Ranges | None, step: int, progress: Progress | None) -> Iterator[Any]:
    """The same of what a lease lends, which ends with them."""
    with read as array:
        yield from views(array, ranges, step, progress)

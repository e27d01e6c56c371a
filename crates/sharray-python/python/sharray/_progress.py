"""Progress, told to objects like the bars of ``tqdm``."""

from __future__ import annotations

from typing import Any, Protocol


class Progress(Protocol):
    """What ``progress=`` takes: a bar of ``tqdm``, or anything that can be told how much more is done."""

    def update(self, n: int, /) -> object:
        """So much more is done."""
        ...


def tell(bar: Any, more: int, all_of_it: int) -> None:
    """Tells a bar what is done since it was told last. One that does not know how much there is, is told that first."""
    if getattr(bar, "total", 0) is None:
        bar.total = all_of_it
    if more:
        bar.update(more)

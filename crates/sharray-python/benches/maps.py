"""What maps of plain files cost, and their views, beside NumPy's: `name value unit`, and ratios.

All are measured in turn, in rounds of one run, so that what disturbs the machine disturbs all of them. Figures are medians
of the rounds; a ratio is the median of the rounds' ratios. `--quick` only shows that everything runs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import timeit
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import sharray

#: Name, what is measured, how often in a round.
Operation = tuple[str, Callable[[], Any], int]


def measure(operations: list[Operation], ratios: list[tuple[str, str]], rounds: int) -> None:
    """Runs all operations in turn, and prints medians and ratios."""
    figures: dict[str, list[float]] = {name: [] for name, _, _ in operations}
    for _ in range(rounds):
        for name, operation, number in operations:
            figures[name].append(timeit.timeit(operation, number=number) / number)
    for name, seconds in figures.items():
        print(f"{name} {statistics.median(seconds) * 1e9:.0f} ns")
    for ours, theirs in ratios:
        ratio = statistics.median(one / two for one, two in zip(figures[ours], figures[theirs], strict=True))
        print(f"{ours}/{theirs} {ratio:.2f} x")


@contextmanager
def place() -> Iterator[str]:
    """A fresh folder in memory."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield folder


def maps(rounds: int, scale: int) -> None:
    """Maps of a plain file, and their views, beside numpy.memmap's."""
    with place() as folder:
        path = os.path.join(folder, "plain")
        np.zeros((32, 32)).tofile(path)
        few, many = max(1, scale // 40), scale
        operations: list[Operation] = []

        def of(library: str, memmap: Any) -> list[Operation]:
            m = memmap(path, "f8", "r+", shape=(32, 32))
            return [
                (f"{library}_item", lambda: m[3, 4], many),
                (f"{library}_row", lambda: m[3], many),
                (f"{library}_slice", lambda: m[3:5, ::2], many),
                (f"{library}_transpose", lambda: m.T, many),
                (f"{library}_reshape", lambda: m.reshape(-1), many),
                (f"{library}_open_r", lambda: memmap(path, "f8", "r", shape=(32, 32)), few),
                (f"{library}_open_r+", lambda: memmap(path, "f8", "r+"), few),
                (f"{library}_open_c", lambda: memmap(path, "f8", "c"), few),
                (f"{library}_open_w+", lambda: memmap(f"{path}.{library}", "f8", "w+", shape=(32, 32)), few),
            ]

        ours, theirs = of("map", sharray.memmap), of("numpy_map", np.memmap)
        measure(ours + theirs, [(one[0], two[0]) for one, two in zip(ours, theirs, strict=True)], rounds)


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that everything runs")
    is_quick = parser.parse_args().quick
    maps(rounds=2 if is_quick else 25, scale=100 if is_quick else 20_000)


if __name__ == "__main__":
    main()

"""What it takes to get at items: an element, a slice and a row of an array of 2048 rows."""

from __future__ import annotations

import os
from functools import partial

import numpy as np
from common import Line, compare, folder, options, per_call_ns, run_on

import sharray

STATEMENTS = {"element": "a[7, 5]", "slice": "a[16:32]", "row": "a[3]", "sum_of_row": "a[3].sum()"}
SHAPE = (2048, 64)


def main() -> None:
    """Measures."""
    chosen = options(__doc__, rounds=11)
    run_on(0)
    with folder() as path:
        file = os.path.join(path, "file")
        np.ones(SHAPE).tofile(file)
        field = sharray.create("field", data=np.ones(SHAPE), dir=path)
        with field.read() as lent:
            arrays = {
                "sharray": lent,
                "sharray_memmap": sharray.memmap(file, "f8", "r+", shape=SHAPE),
                "ndarray": np.ones(SHAPE),
                "np_memmap": np.memmap(file, "f8", "r+", shape=SHAPE),
            }

            def take(name: str, statement: str, array: np.ndarray) -> list[Line]:
                return [(name, per_call_ns(statement, {"a": array}, 0.002 if chosen.quick else 0.1), "ns")]

            names = [
                (f"python.access.{way}.{contender}", statement, array)
                for way, statement in STATEMENTS.items()
                for contender, array in arrays.items()
            ]
            compare(chosen, [(name, partial(take, name, *rest)) for name, *rest in names])


if __name__ == "__main__":
    main()

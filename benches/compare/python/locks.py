"""Entering and leaving a block that has something for itself, while nobody else wants it."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import threading
from functools import partial

from common import Line, compare, folder, options, per_call_ns, run_on

import sharray

STATEMENTS = {
    "sharray_write": "with field.write(): pass",
    "sharray_read": "with field.read(): pass",
    "multiprocessing_lock": "with shared: pass",
    "multiprocessing_value": "with value.get_lock(): pass",
    "threading_lock": "with private: pass",
    "flock": "flock(file, 2); flock(file, 8)",
}


def main() -> None:
    """Measures."""
    chosen = options(__doc__, rounds=11)
    run_on(0)
    with folder() as path, open(os.path.join(path, "file"), "w") as file:
        names = {
            "field": sharray.create("field", (128,), dir=path),
            "shared": multiprocessing.Lock(),
            "value": multiprocessing.Value("q", 0),
            "private": threading.Lock(),
            "flock": fcntl.flock,
            "file": file.fileno(),
        }

        def take(contender: str, statement: str) -> list[Line]:
            return [(f"python.lock.{contender}", per_call_ns(statement, names, 0.002 if chosen.quick else 0.1), "ns")]

        contenders = [(f"python.lock.{name}", partial(take, name, code)) for name, code in STATEMENTS.items()]
        compare(chosen, contenders)


if __name__ == "__main__":
    main()

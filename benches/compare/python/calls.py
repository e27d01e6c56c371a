"""Single calls of one process that has what it asks for: nobody waits, and nobody is woken."""

from __future__ import annotations

from functools import partial

import numpy as np
from common import Line, compare, folder, options, per_call_ns, run_on

import sharray

#: 64 bytes each.
STATEMENTS = {
    "latest.sharray": "latest()",
    "latest_array.sharray": "latest().array",
    "loan_publish.sharray": "with loan(): pass",
    "publish_array.sharray": "publish(items)",
    "load.sharray_cell": "load()",
    "store.sharray_cell": "store(items)",
    "store_kept.sharray_cell": "kept(items)",
    "sequence.sharray_cell": "cell.sequence",
    "snapshot.sharray": "snapshot()",
    # What a copy takes by itself, with and without a new array.
    "load.ndarray": "items.copy()",
    "store.ndarray": "other[:] = items",
}


def main() -> None:
    """Measures."""
    chosen = options(__doc__, rounds=11)
    run_on(0)
    items = np.zeros(8)
    with folder() as path, sharray.publish("camera", 8, dir=path) as camera:
        camera.publish(items)
        viewer, cell = sharray.subscribe("camera", dir=path), sharray.cell("cell", items, dir=path)
        kept = sharray.cell("kept", items, dir=path).writer()
        names = {
            "latest": viewer.latest,
            "loan": camera.loan,
            "publish": camera.publish,
            "cell": cell,
            "load": cell.load,
            "store": cell.store,
            "kept": kept.store,
            "snapshot": sharray.create("field", data=items, dir=path).snapshot,
            "items": items,
            "other": items.copy(),
        }

        def take(name: str, statement: str) -> list[Line]:
            return [(f"python.call.{name}", per_call_ns(statement, names, 0.002 if chosen.quick else 0.1), "ns")]

        compare(chosen, [(f"python.call.{name}", partial(take, name, code)) for name, code in STATEMENTS.items()])


if __name__ == "__main__":
    main()

"""np.memmap's part of a comparison: reads cases from a folder, does each in it, and says what came of it.

`table FOLDER` prints NumPy's version and a line a case. `hold PATH` maps a file, says so, and reads it all when told to.
`slices FOLDER` answers each question on its input: the shape and the items, in C order, of a slice of a file in the folder.
"""

import ast
import os
import sys
import warnings
from pathlib import Path

import numpy as np

warnings.simplefilter("ignore")


def table(folder):
    print(".".join(np.__version__.split(".")[:2]))
    for line in (folder / "cases").read_text().splitlines():
        index, kind, mode, dtype, offset, shape, order = ast.literal_eval(line)
        path = folder / f"{index}.numpy"
        try:
            if kind == "npy":
                array = np.load(path, mmap_mode=mode)
            else:
                array = np.memmap(path, dtype, mode, offset, shape, order)
            outcome = f"`{array.shape}`"
            if array.ndim > 1 and array.size:
                outcome += f", strides `{array.strides}`"
            del array
        except Exception as error:
            outcome = f"`{type(error).__name__}`"
        print(f"{outcome}; {os.path.getsize(path)}" if path.is_file() else outcome)


def hold(path):
    array = np.memmap(path, "u1", "r")
    print("mapped", flush=True)
    sys.stdin.readline()
    print("sum", int(array.sum()), flush=True)


def slices(folder):
    for line in sys.stdin:
        dtype, offset, shape, order, parts = ast.literal_eval(line)
        whole = np.memmap(folder / "data", dtype, "r", offset, shape, order)
        # The end first where a step is negative, as ndarray has it.
        index = tuple(part if isinstance(part, int) else slice(*part[:2]) for part in parts)
        steps = tuple(slice(None, None, part[2]) for part in parts if not isinstance(part, int))
        part = whole[index][steps]
        # For the other side to read: the same array, as NumPy saves it.
        np.save(folder / "saved.npy", np.asarray(whole))
        # From then on the file may be another one.
        print(part.shape, part.tobytes().hex(), sep="|", flush=True)


if __name__ == "__main__":
    {"table": table, "hold": hold, "slices": slices}[sys.argv[1]](Path(sys.argv[2]))

"""np.memmap's part of a comparison: reads cases from a folder, does each in it, and says what came of it.

`table FOLDER` prints NumPy's version and a line a case. `hold PATH` maps a file, says so, and reads it all when told to.
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


if __name__ == "__main__":
    {"table": table, "hold": hold}[sys.argv[1]](Path(sys.argv[2]))

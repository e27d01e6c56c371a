"""The lesson of every introduction to ``np.memmap``, and what comes after it: the same array shared by name.

``python examples/tutorial.py`` runs it in a fresh folder, and says what it does. ``examples/tutorial.rs`` is the same in Rust.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import sharray


def create_and_open(folder: Path) -> None:
    """A file of zeros, and the same file to look at."""
    path = folder / "zeros.dat"
    zeros = sharray.memmap(path, dtype="float64", mode="w+", shape=(1000, 1000))
    zeros.flush()
    print(f"created: {zeros.dtype} {list(zeros.shape)}, {path.stat().st_size} bytes")

    to_look_at = sharray.memmap(path, dtype="float64", mode="r", shape=(1000, 1000))
    print(f"opened to look at: sum {to_look_at.sum():.1f}, mode {to_look_at.mode}")
    try:
        to_look_at[0, 0] = 1.0
    except ValueError as error:
        print(f"writing to it: {error}")


def missing_file(folder: Path) -> None:
    """What is to be changed has to be there."""
    try:
        sharray.memmap(folder / "missing.dat", dtype="float64", mode="r+", shape=10)
    except FileNotFoundError:
        print("missing.dat: file not found")


def one_element(folder: Path) -> None:
    """One number is an array, too."""
    path = folder / "answer.dat"
    with sharray.memmap(path, dtype="int32", mode="w+", shape=1) as answer:
        answer[0] = 42
    print(f"one element: {sharray.memmap(path, dtype='int32', mode='r')}")
    print(f"its bytes: {sharray.memmap(path, mode='r').tolist()}")


def sample_program(folder: Path) -> None:
    """Create, change a part, close, and open again."""
    path = folder / "sample.dat"
    with sharray.memmap(path, dtype="float64", mode="w+", shape=(100, 100)) as sample:
        print(f"sum of zeros: {sample.sum():.1f}")
        sample[10:15, 10:15] = 5.5
        print(f"sum with a square of 5.5: {sample.sum():.1f}")
        sample.flush()

    sample = sharray.memmap(path, dtype="float64", mode="r", shape=(100, 100))
    print(f"reopened: value at (12, 12) {sample[12, 12]:.1f}, sum {sample.sum():.1f}")


def share_by_name(folder: Path) -> None:
    """A plain file has no lock. An array with a name has one: readers never see half a write."""
    sample = sharray.memmap(folder / "sample.dat", dtype="float64", mode="r", shape=(100, 100))
    shared = sharray.create("sample", data=sample, dir=folder / "arrays")
    print(f'shared by name: "{shared.name}"', flush=True)

    subprocess.run([sys.executable, __file__, "read", folder / "arrays"], check=True)
    with shared.read() as a:
        print(f"what it wrote: value at (0, 0) {a[0, 0]:.1f}")


def read_by_name(folder: Path) -> None:
    """The other process: it knows the name, and nothing else."""
    shared = sharray.attach("sample", dir=folder)
    with shared.read() as a:
        print(f"another process: value at (12, 12) {a[12, 12]:.1f}, sum {a.sum():.1f}")
    shared[0, 0] = 1.0


def lesson() -> None:
    with tempfile.TemporaryDirectory(prefix="sharray-tutorial-") as name:
        folder = Path(name)
        create_and_open(folder)
        missing_file(folder)
        one_element(folder)
        sample_program(folder)
        share_by_name(folder)


if __name__ == "__main__":
    # The second process of the last step is told what to do.
    if sys.argv[1:2] == ["read"]:
        read_by_name(Path(sys.argv[2]))
    else:
        lesson()

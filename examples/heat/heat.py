"""Heat, as a rank in Python: the same steps as `main.rs` makes, and ranks of both languages in one team.

    python examples/heat/heat.py --ranks 2 --size 512            # all ranks in Python
    python examples/heat/heat.py --ranks 2 --rust target/release/examples/heat      # rank 0 in Rust, the others in Python

The result is that of the Rust program, bit for bit: it prints the same number.
"""

import argparse
import pathlib
import sys

import numpy as np
import sharray

TIMEOUT = 60.0
RATE = 0.2
"""How much of the difference to its neighbours an item gives away in a step."""

ELEVATION = pathlib.Path(__file__).parents[2] / "tests/data/elevation.npy"


def main():
    parser = argparse.ArgumentParser(description="Diffusion of real elevations, by a team of processes.")
    parser.add_argument("--ranks", type=int, default=2, help="how many processes (default: 2)")
    parser.add_argument("--size", type=int, default=2048, help="how many rows and columns (default: 2048)")
    parser.add_argument("--steps", type=int, default=500, help="how many steps (default: 500)")
    parser.add_argument("--rust", help="the program heat, to be rank 0")
    parser.add_argument("--name", default="heat", help="the run's name (default: heat)")
    arguments = parser.parse_args()

    team = sharray.Team.spawned()
    if team is not None:
        return simulate(team, arguments)
    commands = {}
    if arguments.rust:
        commands[0] = [arguments.rust, "--size", str(arguments.size), "--steps", str(arguments.steps)]
    return sharray.Team.spawn(arguments.ranks, name=arguments.name, commands=commands)


def simulate(team, arguments):
    shape = (arguments.size, arguments.size)
    heat = team.array("heat", shape, data=lambda: elevation(arguments.size), timeout=TIMEOUT)
    while team.step < arguments.steps:
        with team.block(heat) as block:  # the old array, all of it, and this rank's rows of the new one
            step(block.old, block.rows, block.new)
        team.swap(timeout=TIMEOUT)
    if team.rank == 0:
        with heat.current.read() as state:
            print(f"result: {fnv(state.tobytes()):016x}")
    team.barrier(timeout=TIMEOUT)  # nobody leaves before all are done


def step(old, rows, new):
    """Makes some rows of the next state. The sums are in the order in which `kernel.rs` makes them."""
    new[:] = old[rows]  # the edge stays as it is
    first, end = max(rows.start, 1), min(rows.stop, len(old) - 1)
    above, here, below = (old[first + way : end + way, 1:-1] for way in (-1, 0, 1))
    left, right = old[first:end, :-2], old[first:end, 2:]
    around = (above + below) + (left + right)
    new[first - rows.start : end - rows.start, 1:-1] = here + RATE * (around - 4.0 * here)


def elevation(size):
    """The hills, spread over a field of another size as `elevation.rs` does it."""
    metres = np.load(ELEVATION).astype("f8")
    places = [np.arange(size) * ((length - 1) / (max(size, 2) - 1)) for length in metres.shape]
    corners = [np.minimum(place.astype(int), length - 2) for place, length in zip(places, metres.shape, strict=True)]
    (top, left), (down, right) = corners, (place - corner for place, corner in zip(places, corners, strict=True))
    top, down = top[:, None], down[:, None]
    above = metres[top, left] * (1.0 - right) + metres[top, left + 1] * right
    below = metres[top + 1, left] * (1.0 - right) + metres[top + 1, left + 1] * right
    return above * (1.0 - down) + below * down


def fnv(data):
    """A number by which two results are told apart (FNV-1a), as the Rust program prints it."""
    number = 0xCBF29CE484222325
    for byte in data:
        number = (number ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return number


if __name__ == "__main__":
    sys.exit(main())

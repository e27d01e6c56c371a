"""The producer: fills frames in place and publishes them. What producer.rs does, in Python.

usage: producer.py NAME [FILE.npy] [--frames N] [--stop-in K]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import sharray
from original import PATIENCE, Original, say


def produce(name: str, original: Original, frames: int, stop_in: int | None) -> None:
    """Publishes frames until the stream has `frames` of them. Stops in the middle of frame `stop_in`, if there is one."""
    # Creates the stream; or, if it is there and its producer died or closed it, takes it over.
    with sharray.publish(name, original.shape, original.dtype, order=original.order) as camera:
        say(event="ready", next=camera.sequence + 1)
        sys.stdin.readline()

        while camera.sequence < frames:
            number = camera.sequence + 1
            with camera.loan(PATIENCE) as frame:  # a free slot of shared memory, mine alone
                if number == stop_in:
                    stop_half_way(frame, original, number)
                original.fill(frame, number)
            # every subscriber sees it now

        say(event="closed", published=camera.sequence)
    # closed: subscribers get what is left, and then see its end
    sharray.unlink(name)


def stop_half_way(frame: np.ndarray, original: Original, number: int) -> None:
    """Leaves the frame half old and half new, and waits to be killed."""
    original.fill_half(frame, number)
    say(event="half", frame=number)
    time.sleep(PATIENCE)
    sys.exit("nobody killed the producer")


def main() -> None:
    parser = argparse.ArgumentParser(description="Plays the producer: it begins when you press Enter.")
    parser.add_argument("name", metavar="NAME", help="the stream")
    parser.add_argument("file", metavar="FILE.npy", nargs="?", type=Path, help="the array; without it, a photograph")
    parser.add_argument("--frames", metavar="N", type=int, help="how many frames")
    parser.add_argument("--stop-in", metavar="K", type=int, help="stop half way through frame K until it is killed")
    arguments = parser.parse_args()
    original = Original(arguments.file)
    produce(arguments.name, original, arguments.frames or original.default_frames(), arguments.stop_in)


if __name__ == "__main__":
    main()

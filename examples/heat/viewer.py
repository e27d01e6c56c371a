"""Looks on while `heat` runs, from another language, and draws each frame that it is in time for.

    cargo run --release --example heat -- --ranks 2 --steps 5000     # in one terminal
    python examples/heat/viewer.py heat --out frames                 # in another, before or after

It attaches by name and takes no part in the simulation: that neither waits for it nor notices when it is killed. It needs no
display: what it leaves is `frames/0001.png`, `frames/0002.png` and so on.
"""

import argparse
import pathlib
import struct
import zlib

import numpy as np
import sharray

COLORS = np.array([(36, 84, 64), (108, 152, 84), (224, 208, 144), (152, 100, 60), (248, 248, 248)], "f8")
"""From valleys to summits, as the simulation's own picture has them."""


def main():
    parser = argparse.ArgumentParser(description="Draws the frames of a running simulation.")
    parser.add_argument("run", nargs="?", default="heat", help="the run's name (default: heat)")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("frames"), help="the folder to draw into")
    parser.add_argument("--wait", type=float, default=60.0, help="seconds to wait for the simulation to begin")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    drawn = 0
    with sharray.subscribe(f"{arguments.run}/frames", wait=arguments.wait) as frames:
        ended = False
        while not ended:
            try:
                for frame in frames:  # ends when the simulation does
                    drawn += 1
                    draw(arguments.out / f"{drawn:04}.png", frame.array)
                    print(f"frame {frame.sequence}: {frame.missed} missed, mean {frame.array.mean():.3f}", flush=True)
                ended = True
            except sharray.ProducerDied:
                pass  # another process may take its place and go on
            except sharray.Retired:
                ended = True  # the run is over, and its arrays are gone
    print(f"{drawn} frames in {arguments.out}")


def draw(path, numbers):
    """Writes a PNG: colours from the least number to the greatest."""
    least, greatest = numbers.min(), numbers.max()
    places = (numbers - least) / max(greatest - least, 1e-300) * (len(COLORS) - 1)
    channels = [np.interp(places, np.arange(len(COLORS)), COLORS[:, channel]) for channel in range(3)]
    pixels = np.stack(channels, axis=-1).round().astype("u1")
    height, width = numbers.shape
    # Each row begins with a byte that says that it is stored as it is.
    rows = np.concatenate([np.zeros((height, 1), "u1"), pixels.reshape(height, width * 3)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 1)), (b"IEND", b"")]
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, body in chunks:
            file.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))


if __name__ == "__main__":
    main()

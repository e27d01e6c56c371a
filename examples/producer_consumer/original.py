"""The array that all frames are made of, and what makes them differ: the Python of original.rs and pattern.rs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

#: The longest that anybody here waits for anybody else, in seconds.
PATIENCE = 30.0

#: Grace Hopper, 600 x 512 x 3 bytes; US Navy, public domain.
PHOTOGRAPH = Path(__file__).with_name("portrait.npy")


def say(**event: Any) -> None:
    """Tells whoever started this program, or looks at the terminal, what happened."""
    print(json.dumps(event), flush=True)


class Original:
    """A .npy file; the photograph if there is none."""

    def __init__(self, file: Path | None = None):
        self.array = np.load(file or PHOTOGRAPH)
        self.dtype, self.shape = self.array.dtype, self.array.shape
        self.order = "C" if self.array.flags.c_contiguous else "F"
        self.bytes = flat_bytes(self.array)
        self.low_bits = low_bits(self.dtype)

    def fill(self, frame: np.ndarray, number: int) -> None:
        """Writes frame `number` where it shall be published."""
        words, rest, key = self._woven(number)
        to = flat_bytes(frame)
        np.bitwise_xor(words, key, out=to[: words.nbytes].view("<u8"))
        to[words.nbytes :] = rest

    def fill_half(self, frame: np.ndarray, number: int) -> None:
        """Writes the first half of frame `number`."""
        whole = np.empty(self.shape, self.dtype, self.order)
        self.fill(whole, number)
        half = -(-self.bytes.size // 2)
        flat_bytes(frame)[:half] = flat_bytes(whole)[:half]

    def is_in(self, frame: np.ndarray, number: int) -> bool:
        """Whether `frame` is frame `number` in every byte."""
        words, rest, key = self._woven(number)
        seen = flat_bytes(frame)
        is_long = seen.size == self.bytes.size
        same = is_long and (seen[: words.nbytes].view("<u8") ^ words == key).all()
        return bool(same and (seen[words.nbytes :] == rest).all())

    def check_stream(self, stream: Any) -> None:
        """Refuses a stream of something else: its frames could not be compared."""
        if (stream.dtype, stream.shape, stream.order) != (self.dtype, self.shape, self.order):
            sys.exit(f"{stream} does not hold this array")

    def default_frames(self) -> int:
        """A few seconds' worth."""
        return min(max(3_000_000_000 // max(self.bytes.size, 1), 20), 3_000)

    def _woven(self, number: int) -> tuple[np.ndarray, np.ndarray, np.uint64]:
        """The array in words of eight bytes; the rest, as it is in frame `number`; and what changes each word."""
        key = pattern(number, self.low_bits)
        words = self.bytes[: self.bytes.size // 8 * 8].view("<u8")
        rest = self.bytes[words.nbytes :]
        return words, rest ^ np.frombuffer(key, "u1")[: rest.size], np.frombuffer(key, "<u8")[0]


def flat_bytes(array: np.ndarray) -> np.ndarray:
    """The bytes of an array as they stand in memory; not a copy."""
    return array.reshape(-1, order="A").view("u1")


def pattern(number: int, bits: bytes) -> bytes:
    """What changes each eight bytes of a frame, by exclusive or: its number, spread over the bits that may change."""
    # An odd factor: numbers that follow each other then differ in many bits, and those that differ still do.
    rest = number * 0x9E37_79B9_7F4A_7C15 % 2**64
    key = 0
    for at in range(64):
        if bits[at // 8] >> at % 8 & 1:
            key |= (rest & 1) << at
            rest >>= 1
    return key.to_bytes(8, "little")


def low_bits(dtype: np.dtype) -> bytes:
    """Which bits of each eight bytes may change: the lowest of each number, so that a picture stays one."""
    if dtype.kind not in "biufc":
        return b"\xff" * 8
    sizes = {1: b"\x07", 2: b"\x0f\0", 4: b"\xff\0\0\0"}
    item = b"\x01" if dtype.kind == "b" else sizes.get(dtype.itemsize, b"\xff\xff\0\0\0\0\0\0")
    # NumPy's order of bytes is `>` for a dtype that is not this machine's.
    return (item[::-1] if dtype.byteorder == ">" else item) * (8 // len(item))

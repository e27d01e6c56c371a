"""A consumer: receives frames where they stand, without a copy, and checks each of them byte for byte. What consumer.rs
does, in Python.

usage: consumer.py NAME [FILE.npy] [--lossless]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import sharray
from original import PATIENCE, Original, say


def consume(name: str, original: Original, is_lossless: bool) -> None:
    """Receives frames until the producer closes the stream."""
    camera = sharray.subscribe(name, wait=PATIENCE, lossless=is_lossless)  # the producer waits for one that is lossless
    original.check_stream(camera)
    say(event="ready")

    tally = Tally()
    last = None  # stays pinned, so stays as it is, until the next one replaces it
    producer_died = False

    while True:
        try:
            frame = camera.recv(timeout=PATIENCE)
        except sharray.ProducerDied:  # said once; whoever goes on waiting gets the frames of a successor
            producer_died = True
            whole = original.is_in(last.array, last.sequence) if last else None
            say(event="died", frame=last.sequence if last else None, whole=whole)
            continue
        if frame is None:
            break
        latency = time.time() - frame.published
        tally.add(frame, latency, original.is_in(frame.array, frame.sequence))
        if producer_died:
            producer_died = False
            say(event="back", frame=frame.sequence)
        last = frame

    say(**tally.finish())
    if tally.torn:
        sys.exit(f"{tally.torn} frames were torn")


class Tally:
    """What a consumer has seen so far."""

    def __init__(self) -> None:
        self.received = self.missed = self.torn = self.bytes = 0
        self.newest = self.start = None
        self.latencies: list[float] = []

    def add(self, frame: sharray.Frame, latency: float, is_whole: bool) -> None:
        """Counts a frame. Its number must be the one that the frames before and the missed ones leave to it."""
        expected = frame.sequence if self.newest is None else self.newest + frame.missed + 1
        if frame.sequence != expected:
            sys.exit(f"received frame {frame.sequence}, expected {expected}")
        self.end = time.time()
        self.start = self.start or self.end - latency
        self.newest = expected
        self.received += 1
        self.missed += frame.missed
        self.torn += not is_whole
        self.bytes += frame.array.nbytes
        self.latencies.append(latency)

    def finish(self) -> dict[str, object]:
        """All of it, in the words of the Rust consumer."""
        self.latencies.sort()
        seconds = self.end - self.start if self.start else float("nan")
        return {
            "event": "done",
            "received": self.received,
            "missed": self.missed,
            "torn": self.torn,
            "frames_per_s": self.received / seconds,
            "gb_per_s": self.bytes / 1e9 / seconds,
            "p50_us": self.percentile_us(500),
            "p99_us": self.percentile_us(990),
            "p999_us": self.percentile_us(999),
        }

    def percentile_us(self, per_mille: int) -> float | None:
        """The latency that so many of a thousand frames do not exceed."""
        rank = -(-len(self.latencies) * per_mille // 1000)
        return self.latencies[rank - 1] * 1e6 if rank else None


def main() -> None:
    parser = argparse.ArgumentParser(description="Plays a consumer.")
    parser.add_argument("name", metavar="NAME", help="the stream")
    parser.add_argument("file", metavar="FILE.npy", nargs="?", type=Path, help="the array; without it, a photograph")
    parser.add_argument("--lossless", action="store_true", help="make the producer wait for this consumer")
    arguments = parser.parse_args()
    consume(arguments.name, Original(arguments.file), arguments.lossless)


if __name__ == "__main__":
    main()

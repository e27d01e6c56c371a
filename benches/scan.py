"""One pass of scan.rs in Python: prints wall seconds, processor seconds, KiB resident at most, blocks read, and the sum."""

import resource
import sys
import time

import numpy as np

CHUNK_BYTES = 1 << 20


def python_blocks(path):
    import sharray

    return sum(float(block.sum()) for block in sharray.memmap(path, "f8", "r").blocks(CHUNK_BYTES // 8))


def python_memmap(path):
    return float(np.memmap(path, "f8", "r").sum())


def python_read(path):
    buffer, total = np.empty(CHUNK_BYTES // 8), 0.0
    with open(path, "rb", buffering=0) as file:
        while length := file.readinto(buffer):
            total += float(buffer[: length // 8].sum())
    return total


def main():
    name, path = sys.argv[1:]
    way = {"python_blocks": python_blocks, "python_memmap": python_memmap, "python_read": python_read}[name]
    if way is python_blocks:
        # To load the library is no part of the scan.
        import sharray  # noqa: F401
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    total = way(path)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    processor = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    with open("/proc/self/status") as status:
        resident = next(line.split()[1] for line in status if line.startswith("VmHWM:"))
    print(wall, processor, resident, after.ru_inblock - before.ru_inblock, total)


if __name__ == "__main__":
    main()

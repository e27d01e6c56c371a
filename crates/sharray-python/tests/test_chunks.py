"""Scans of named arrays: all rows in turn, under one lease, and with little in memory where they are on a disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sharray
from helpers import resident_kib


class Bar:
    """Remembers what it is told."""

    total: int | None = None

    def __init__(self) -> None:
        self.told: list[int] = []

    def update(self, n: int) -> None:
        self.told.append(n)


@pytest.fixture(params=["in memory", "on a disk"])
def place(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> Path:
    return folder if request.param == "in memory" else tmp_path


@pytest.mark.parametrize("order", ["C", "F"])
def test_chunks_are_all_rows_in_turn(place: Path, order: Any) -> None:
    expected = np.asarray(np.arange(41 * 3000).reshape(41, 3000), order=order)
    field = sharray.create("field", data=expected, blocks=4, dir=place)
    for it, rows in ((field, expected), (field.block(1, 2), expected[11:31]), (field[3:, ::2], expected[3:, ::2])):
        bar = Bar()
        chunks = list(it.chunks(7, progress=bar, uncached=True))
        assert (np.concatenate(chunks) == rows).all()
        assert (bar.total, sum(bar.told)) == (len(rows), len(rows))
        assert [len(chunk) for chunk in chunks] == bar.told
        assert not any(chunk.flags.writeable for chunk in chunks)
    assert (field.snapshot() == expected).all()


def test_a_scan_is_one_lease(folder: Path) -> None:
    field = sharray.create("field", (10, 3), dir=folder)
    other = sharray.attach("field", dir=folder)
    chunks = field.chunks(4)
    with pytest.raises(sharray.Locked):
        other.write(timeout=0)
    next(chunks)
    with pytest.raises(sharray.Locked):
        other.write(timeout=0)
    assert sum(len(rest) for rest in chunks) == 6
    other[...] = 1
    # Left early, it ends with the iterator, begun or not.
    for begun in (False, True):
        chunks = field.chunks(4)
        if begun:
            next(chunks)
        del chunks
        other[...] = 2
    with other.write(), pytest.raises(sharray.Locked):
        field.chunks(4, timeout=0)


def test_a_scan_of_an_array_on_a_disk_stays_small(tmp_path: Path) -> None:
    writer = sharray.create("field", (128, 1 << 20), "u1", dir=tmp_path)
    for row in range(128):
        writer[row] = 1
    writer.flush()
    writer.close()
    field = sharray.attach("field", dir=tmp_path)
    sum_of_it, most = 0, 0
    before = resident_kib()
    for rows in field.chunks(1):
        sum_of_it += int(rows.sum(dtype="u8"))
        most = max(most, resident_kib())
    assert sum_of_it == 128 << 20
    assert most - before < 32 << 10


def test_who_may_only_read_scans_a_copy(place: Path) -> None:
    sharray.create("field", data=np.ones((64, 1 << 14)), dir=place)
    onlooker = sharray.attach("field", mode="r", dir=place)
    kept = list(onlooker.chunks(1))
    assert sum(rows.sum() for rows in kept) == 64 << 14


def test_chunks_have_rows(folder: Path) -> None:
    field = sharray.create("field", (2, 3), dir=folder)
    with pytest.raises(ValueError, match="at least one"):
        field.chunks(0)
    with pytest.raises(ValueError, match="dimensions"):
        field[0, 0].chunks(1)
    assert list(sharray.create("empty", (0, 3), dir=folder).chunks(1)) == []
    field.close()
    with pytest.raises(sharray.Closed):
        field.chunks(1)

"""Commits: what a stream is after the machine has stopped. A copy of its file is opened as the file is then."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import sharray


def test_a_commit_is_found(folder: Path) -> None:
    """The frame that was committed is there, whole, and not those after it; a successor goes on from it."""
    camera = sharray.publish("camera", (2, 3), "u1", dir=folder)
    assert camera.commit() == 0
    camera.publish(np.full((2, 3), 5), tags=(1, 2), time=7.5)
    assert camera.commit() == 1
    assert sharray.inspect("camera", dir=folder).committed == 1
    camera.publish(np.full((2, 3), 6))
    shutil.copy(folder / "camera", folder / "copy")

    frame = sharray.subscribe("copy", dir=folder).latest()
    assert frame is not None and frame.sequence == 1
    assert (frame.array == 5).all() and frame.tags == (1, 2) and frame.time == 7.5
    assert sharray.publish("copy", (2, 3), "u1", dir=folder).publish(np.zeros((2, 3))) == 2

    camera.close()
    with pytest.raises(sharray.Closed):
        camera.commit()


def test_a_commit_needs_two_slots(folder: Path) -> None:
    """A stream without them is refused, with what it lacks."""
    camera = sharray.publish("camera", 3, "u1", history=2, slots=3, dir=folder)
    camera.publish(np.zeros(3))
    with pytest.raises(sharray.InvalidArgument, match="3 slots, a commit needs 4"):
        camera.commit()


def test_a_found_array_is_unverified(folder: Path) -> None:
    """One that was made here is not."""
    field = sharray.create("field", 3, "f8", data=np.ones(3), dir=folder)
    field.flush()
    assert not field.is_unverified
    shutil.copy(folder / "field", folder / "copy")
    copy = sharray.attach("copy", dir=folder)
    assert copy.is_unverified and (copy.snapshot() == 1).all()

"""How handles look in a notebook: a picture of what is one, small, of one moment, at next to no cost; and never an error."""

from __future__ import annotations

import base64
import os
import re
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import sharray
from helpers import Child
from sharray._sharray import _thumbnail

#: The first colour and the last of the scale.
LOW, HIGH = (68, 1, 84), (253, 231, 37)


def picture(page: str) -> np.ndarray[Any, Any] | None:
    """The points of the picture on a page, or ``None``."""
    found = re.findall(r'src="data:image/png;base64,([^"]*)"', page)
    assert len(found) == page.count("<img") <= 1, page
    return decoded(base64.b64decode(found[0], validate=True)) if found else None


def decoded(png: bytes) -> np.ndarray[Any, Any]:
    """The points of a PNG of three colours of 8 bits."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        chunks[kind] = chunks.get(kind, b"") + png[at + 8 : at + 8 + length]
        at += length + 12
    width, height, *form = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert form == [8, 2, 0, 0, 0]
    data, rows = zlib.decompress(chunks[b"IDAT"]), []
    above = [0] * (3 * width)
    for y in range(height):
        kind, *line = data[y * (3 * width + 1) : (y + 1) * (3 * width + 1)]
        for x in range(3 * width):
            left, corner = (line[x - 3], above[x - 3]) if x >= 3 else (0, 0)
            guess = left + above[x] - corner
            nearest = min((left, above[x], corner), key=lambda one: abs(guess - one))
            line[x] = (line[x] + (0, left, above[x], (left + above[x]) // 2, nearest)[kind]) % 256
        rows.append(line)
        above = line
    return np.array(rows, "u1").reshape(height, width, 3)


def without_picture(page: str) -> str:
    return re.sub(r"<figure.*</figure>", "", page, flags=re.DOTALL)


def test_a_page_has_the_facts_and_the_corners(folder: Path) -> None:
    field = sharray.create("field", data=np.arange(1_000_000.0).reshape(1000, 1000), dir=folder)
    text = without_picture(field._repr_html_())
    for word in ("field", "float64", "(1000, 1000)", "8,000,000 bytes", "9.99999e+05", "9.97000e+05", "1.00200e+03", "..."):
        assert word in text, text
    assert "5.00" not in text and len(text) < 3000
    with field.write():
        assert field._repr_html_()
    lines = sharray.create("lines", data=["<b>", "&amp;"], dir=folder)._repr_html_()
    assert "&lt;b&gt;" in lines and "<b>" not in lines
    for at, shape in enumerate([(), (0,), (3, 0, 2), (100,), (20, 20, 20), (2,) * 24, (1000, 2)]):
        text = without_picture(sharray.create(f"other-{at}", shape, "i2", dir=folder)._repr_html_())
        assert str(shape) in text and len(text) < 20_000
    field.close()
    assert "field" in field._repr_html_()


def test_planes_are_heat_maps(folder: Path) -> None:
    """Each item a point, on the command's scale of colours, in any dtype that has numbers, and in either order."""
    for at, dtype in enumerate(["f8", ">f4", "i2", "?", "f2", "c16", "M8[s]"]):
        contents = np.array(np.arange(12).reshape(3, 4) >= 6, order="F" if at % 2 else "C").astype(dtype)
        field = sharray.create(f"field-{at}", data=contents, dir=folder)
        points = picture(field._repr_html_())
        assert points is not None and points.shape == (3, 4, 3), dtype
        assert (points[contents != contents[0, 0]] == HIGH).all() and tuple(points[0, 0]) == LOW, dtype
    assert "from" not in field._repr_html_() and "0 to 1" in field._repr_html_()


@pytest.mark.parametrize(
    "kind", ["e4m3fn", "e5m2", "e4m3fnuz", "e5m2fnuz", "e4m3b11fnuz", "e3m4", "e4m3", "e8m0fnu"], ids=str
)
def test_small_floats_are_those_of_ml_dtypes(folder: Path, kind: str) -> None:
    """Each of the 256 bytes is the number that the authors of the kind say."""
    dtype = np.dtype(getattr(ml_dtypes, f"float8_{kind}"))
    for byte, number in enumerate(np.arange(256, dtype="u1").view(dtype).astype("f8")):
        drawn = _thumbnail(dtype, (1, 1), bytes([byte]))
        assert drawn is not None
        assert drawn[2] == ((number, number) if np.isfinite(number) else None), byte
    contents = np.arange(256, dtype="u1").reshape(16, 16).view(dtype)
    assert picture(sharray.create("field", data=contents, dir=folder)._repr_html_()) is not None


def test_three_channels_are_an_image(folder: Path) -> None:
    rng = np.random.default_rng(1)
    for channels in (3, 4):
        contents = rng.integers(0, 256, (20, 30, channels), "u1")
        image = sharray.create(f"image-{channels}", data=contents, dir=folder)
        assert np.array_equal(picture(image._repr_html_()), contents[:, :, :3])
        # A part is what it shows.
        assert np.array_equal(picture(image[5:15, ::2]._repr_html_()), contents[5:15, ::2, :3])


def test_what_is_no_picture_has_none(folder: Path) -> None:
    for at, shape in enumerate([(), (9,), (5, 5, 5), (2, 2, 2, 3), (0, 3), (3, 0), (3, 0, 3)]):
        page = sharray.create(f"shape-{at}", shape, "f4", dir=folder)._repr_html_()
        assert picture(page) is None and str(shape) in page, page
    for at, dtype in enumerate(["S3", "U3", "V5", [("x", "f4"), ("<script>", "f4")]]):
        page = sharray.create(f"dtype-{at}", (4, 4), dtype, dir=folder)._repr_html_()
        assert picture(page) is None and "<script>" not in page and "(4, 4)" in page, page


def test_nothing_finite_is_seen(folder: Path) -> None:
    contents = np.zeros((4, 4))
    contents[1, 1], contents[2, 2] = np.nan, np.inf
    points = picture(sharray.create("odd", data=contents, dir=folder)._repr_html_())
    assert points is not None
    assert tuple(points[1, 1]) == (255, 0, 255) and tuple(points[2, 2]) == (255, 255, 255)
    page = sharray.create("all", data=np.full((4, 4), np.nan), dir=folder)._repr_html_()
    assert picture(page) is not None and "nan to" not in page


def test_pictures_are_small(folder: Path) -> None:
    """At most 256 points a side; of a large array fewer, whose pages are all that is touched."""
    field = sharray.create("field", data=np.arange(600 * 500.0).reshape(600, 500), dir=folder)
    page = field._repr_html_()
    points = picture(page)
    assert points is not None and points.shape == (200, 250, 3) and "every 3 x 2" in page
    noise = np.random.default_rng(1).integers(0, 256, (2000, 2000, 3), "u1")
    assert len(sharray.create("noise", data=noise, dir=folder)._repr_html_()) < 300_000
    large = sharray.create("large", (1 << 13, 1 << 11), "f8", dir=folder)
    for handle in (large, sharray.attach("large", mode="r", dir=folder)):
        start = time.monotonic()
        points = picture(handle._repr_html_())
        assert points is not None and max(points.shape) <= 64
        assert time.monotonic() - start < 5
    assert resident_kib("large") < 32 << 10


def resident_kib(name: str) -> int:
    """How much of a file is in this process's memory."""
    mapped, ours = 0, False
    with open("/proc/self/smaps") as smaps:
        for line in smaps:
            if "-" in line.split(" ")[0] and ":" not in line.split(" ")[0]:
                ours = line.rstrip().endswith(f"/{name}")
            elif ours and line.startswith("Rss:"):
                mapped += int(line.split()[1])
    return mapped


def test_a_picture_is_of_one_moment(folder: Path) -> None:
    """Another process writes all items alike, again and again: there is never a picture of two writes."""
    code = """
field, value = sharray.attach("field", dir=folder), 0
tell("writing")
while True:
    with field.write() as a:
        a[...] = value = value + 1
"""
    field = sharray.create("field", (300, 300), "u4", dir=folder)
    viewer = sharray.attach("field", mode="r", dir=folder)
    child = Child(code, folder)
    assert child.hear() == "writing"
    seen = 0
    deadline = time.monotonic() + 20
    while seen < 20 and time.monotonic() < deadline:
        for handle in (field, viewer):
            points = picture(handle._repr_html_())
            # It may be in use all the time: then there is none.
            if points is not None:
                assert (points == points[0, 0]).all()
                seen += 1
    child.kill()
    assert seen >= 20


def test_looking_takes_nothing(folder: Path) -> None:
    """What a subscriber receives next is the same, and nothing stays pinned."""
    with sharray.publish("camera", (4, 4), "u1", history=8, dir=folder) as camera:
        viewer = sharray.subscribe("camera", dir=folder)
        assert picture(viewer._repr_html_()) is None
        for value in range(1, 4):
            camera.publish(np.full((4, 4), value, "u1"))
        for _ in range(20):
            page = viewer._repr_html_()
        assert "frame 3" in page and picture(page) is not None
        frame = viewer.recv(timeout=0)
        assert frame is not None and frame.sequence == 1
        assert picture(frame._repr_html_()) is not None and "[[1" in frame._repr_html_()
        frame.close()
        assert sum(one.pins for one in sharray.inspect("camera", dir=folder).participants) == 0
    log = sharray.grow("log", (0, 5), "f4", dir=folder)
    assert picture(log._repr_html_()) is None
    log.append(np.arange(10, dtype="f4").reshape(2, 5))
    points = picture(log._repr_html_())
    assert points is not None and points.shape == (2, 5, 3)


def test_it_never_raises(folder: Path) -> None:
    """A closed, a poisoned, an unlinked, a shortened array, one in use, one of the parent's: each is told about, as far as can be."""

    def field(name: str) -> sharray.Array[Any]:
        return sharray.create(name, data=np.ones((300, 300)), dir=folder)

    closed = field("closed")
    closed.close()
    assert "closed" in closed._repr_html_()

    poisoned = field("poisoned")
    with pytest.raises(ZeroDivisionError), poisoned.write():
        raise ZeroDivisionError
    assert "poisoned" in poisoned._repr_html_() and picture(poisoned._repr_html_()) is None

    unlinked = field("unlinked")
    sharray.unlink("unlinked", dir=folder)
    assert picture(unlinked._repr_html_()) is not None

    short = field("short")
    os.truncate(folder / "short", 40_000)
    for _ in range(2):
        assert "(300, 300)" in short._repr_html_()

    held = field("held")
    with held.write() as items:
        items[...] = 2
        assert picture(held._repr_html_()) is None

    child = Child('with sharray.attach("held", dir=folder).write():\n    tell("held")\n    hear()', folder)
    assert child.hear() == "held"
    start = time.monotonic()
    page = held._repr_html_()
    assert picture(page) is None and "held" in page
    assert time.monotonic() - start < 5
    child.kill()

    camera = sharray.publish("camera", (4, 4), "u1", dir=folder)
    camera.publish(np.zeros((4, 4), "u1"))
    viewer = sharray.subscribe("camera", dir=folder)
    frame = viewer.latest()
    many = [viewer.latest() for _ in range(7)]
    assert "8 leases" in viewer._repr_html_()
    del many
    assert frame is not None
    frame.close()
    viewer.close()
    camera.close()
    assert "Frame" in frame._repr_html_() and "camera" in viewer._repr_html_()

    log = sharray.grow("log", (0, 5), "f4", dir=folder)
    log.close()
    assert "log" in log._repr_html_()


def test_a_forked_child_sees_it(folder: Path) -> None:
    field = sharray.create("field", data=np.ones((3, 3)), dir=folder)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if picture(field._repr_html_()) is not None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

"""Compares our files with NumPy's: `check FOLDER` reads our .npy preambles, `write FOLDER` makes NumPy's, and
`open FOLDER` reads whole files of ours with NumPy alone."""

import ast
import random
import sys
import warnings
from pathlib import Path

import ml_dtypes  # noqa: F401 (makes np.dtype("bfloat16") work)
import numpy as np
from numpy.lib import _format_impl
from numpy.lib import format as npy


def check(folder):
    """Loads each file with NumPy alone and looks for the bytes of each frame where they were put."""
    for line in (folder / "cases").read_text().splitlines():
        index, descr, attribute, fortran, shape, nslots, stride = ast.literal_eval(line)
        path = folder / f"{index}.npy"
        dtype = npy.descr_to_dtype(descr)
        size = int(np.prod(shape, dtype=int)) * dtype.itemsize
        payload = path.read_bytes()[-nslots * stride :] if stride else b""

        with open(path, "rb") as file:
            array = np.load(file)
            end = file.tell()
        with open(path, "rb") as file:
            version = npy.read_magic(file)
            told_shape, told_fortran, told_dtype = _format_impl._read_array_header(file, version)
            assert (path.stat().st_size - file.tell()) == nslots * stride, line
        assert told_fortran == fortran, line
        assert told_shape == array.shape, line
        assert nslots == 1 or end == path.stat().st_size, line

        for slot, frame in enumerate(frames(array, dtype, nslots, fortran)):
            assert frame.shape == shape and frame.dtype == dtype, (line, frame.dtype, frame.shape)
            found = frame.tobytes("F" if fortran else "C")
            if not has_padding(dtype):
                assert found == payload[slot * stride : slot * stride + size], line

        if attribute is not None:
            named = ast.literal_eval(attribute) if attribute.startswith("[") else attribute
            named = npy.descr_to_dtype(named)
            assert named.itemsize == dtype.itemsize and named != dtype, line


def frames(array, dtype, nslots, fortran):
    """The arrays of all slots, as docs/format.md says where they are."""
    for slot in range(nslots):
        if nslots == 1:
            frame = array
        elif array.dtype.names == ("frame",) and array.shape == (nslots,) and array.dtype != dtype:
            frame = array["frame"][slot, ...]
            frame = frame.T if fortran else frame
        else:
            frame = array[..., slot] if fortran else array[slot, ...]
        yield np.asarray(frame, dtype=dtype)


def open_files(folder):
    """Opens each file as docs/format.md says, in both ways, and compares every element of every slot.

    The elements of a slot are `base + index`, `index` counted in C order whatever the order in memory is; bases are
    multiples of 1000, one for each slot. `None` for files whose bytes are compared instead.
    """
    for line in (folder / "cases").read_text().splitlines():
        path, npy_offset, data_offset, descr, fortran, shape, nslots, stride, bases = ast.literal_eval(line)
        dtype, shape = npy.descr_to_dtype(descr), tuple(shape)
        with open(path, "rb") as file:
            file.seek(npy_offset)
            array = np.load(file)
        order = "F" if fortran else "C"
        mapped = np.memmap(path, dtype=array.dtype, mode="r", offset=data_offset, shape=array.shape, order=order)
        payload = Path(path).read_bytes()[data_offset:]
        assert len(payload) == nslots * stride, line
        found = []
        for frame, twin in zip(frames(array, dtype, nslots, fortran), frames(mapped, dtype, nslots, fortran), strict=True):
            assert frame.shape == twin.shape == shape and frame.dtype == twin.dtype == dtype, (line, frame.dtype)
            assert frame.tobytes(order) == twin.tobytes(order), line
            if bases is None:
                slot = len(found)
                size = frame.size * dtype.itemsize
                if not has_padding(dtype):
                    assert frame.tobytes(order) == payload[slot * stride : slot * stride + size], line
                found.append(slot)
                continue
            if not frame.size:
                continue
            index = np.arange(frame.size).reshape(shape)
            values = [frame] if dtype.names is None else [frame[name] for name in dtype.names if name != "_spare"]
            base = int(values[0].flat[0].real)
            for nth, value in enumerate(values):
                value = value.reshape(*shape, -1)
                for part in range(value.shape[-1]):
                    assert (value[..., part] == base + index + 100 * nth + 10 * part).all(), (line, frame)
            found.append(base)
        if bases is not None and np.prod(shape):
            assert sorted(found) == sorted(bases), (line, found)


def has_padding(dtype):
    """Whether copies of items may leave bytes out."""
    if dtype.subdtype:
        return has_padding(dtype.subdtype[0])
    if dtype.names is None:
        return False
    parts = [dtype.fields[name][0] for name in dtype.names]
    return sum(part.itemsize for part in parts) != dtype.itemsize or any(map(has_padding, parts))


SIMPLE = "? i1 u1 <i2 >i2 <u2 <i4 >u4 <i8 >i8 <u8 <f2 >f2 <f4 <f8 >f8 <c8 <c16 >c16 M8 m8 M8[ns] >M8[us] m8[25s] M8[7D] S10 U7 >U7 V3".split()
NAMES = ["a", "x y", "it's", 'q"', "both'\"", "é", "tab\t", "\xad", "0", "f0", "日本", "😀", "\u200b", "\\"]


def random_dtype(depth):
    """A structured dtype that a .npy file can tell; sub-arrays, padding, alignment and titles included."""
    names = random.sample(NAMES, random.randint(1, 4))
    fields = []
    for index, name in enumerate(names):
        dtype = random_dtype(depth - 1) if depth and random.random() < 0.3 else np.dtype(random.choice(SIMPLE))
        if random.random() < 0.2:
            name = (f"title {index}", name)
        shape = random.choice([(), (), (), (3,), (2, 3), (0,)])
        fields.append((name, dtype, shape) if shape else (name, dtype))
    dtype = np.dtype(fields, align=random.random() < 0.5)
    if dtype.itemsize == 0:
        return np.dtype([(names[0], "u1")])
    if random.random() < 0.3:
        fields = {name: (field[0], field[1] + 4, *field[2:]) for name, field in dtype.fields.items() if name in names}
        return np.dtype({
            "names": list(dtype.names),
            "formats": [fields[name][0] for name in dtype.names],
            "offsets": [fields[name][1] for name in dtype.names],
            "titles": [fields[name][2] if len(fields[name]) > 2 else None for name in dtype.names],
            "itemsize": dtype.itemsize + 4 + random.randint(0, 9),
        })
    return dtype


def write(folder):
    """Writes files as np.save does, but without the spaces that it leaves for growth."""
    random.seed(1)
    warnings.simplefilter("ignore")
    _format_impl.GROWTH_AXIS_MAX_DIGITS = 0
    dtypes = [np.dtype(code) for code in SIMPLE] + [random_dtype(2) for _ in range(300)]
    dtypes += [np.dtype([(f"field{i}", "f8") for i in range(n)]) for n in (100, 1000)]
    dtypes += [np.dtype([(c * 66000, "f8")]) for c in "aé日"]
    for index, dtype in enumerate(dtypes):
        for variant, (shape, order) in enumerate([((), "C"), ((3,), "C"), ((2, 3), "C"), ((2, 3), "F"), ((0, 3), "C")]):
            np.save(folder / f"{index}-{variant}.npy", np.zeros(shape, dtype, order))


if __name__ == "__main__":
    {"check": check, "write": write, "open": open_files}[sys.argv[1]](Path(sys.argv[2]))

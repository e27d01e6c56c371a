"""NumPy's dtypes in the words of a .npy header, in which the library reads and writes them."""

from __future__ import annotations

import ast
import importlib
from typing import Any

import numpy as np

from sharray._errors import UnsupportedDtype

#: The dtypes of ml_dtypes look like opaque bytes in a .npy header: they are told by their names.
_SMALL_FLOATS = frozenset(
    {
        "bfloat16",
        "float8_e3m4",
        "float8_e4m3",
        "float8_e4m3b11fnuz",
        "float8_e4m3fn",
        "float8_e4m3fnuz",
        "float8_e5m2",
        "float8_e5m2fnuz",
        "float8_e8m0fnu",
    }
)


def describe(dtype: Any) -> str:
    """The text from which the library makes its dtype."""
    told = _descr(np.dtype(dtype))
    return told if isinstance(told, str) else repr(told)


def _descr(dtype: Any) -> Any:
    if dtype.name in _SMALL_FLOATS:
        return dtype.name
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return (_descr(base), shape)
    if dtype.names is None:
        # StringDType has no code that means the same to another process, and that of dtypes which are not NumPy's own, as
        # int4 of ml_dtypes, says only how wide they are.
        is_known = dtype.kind in "?biufcmMSUVO" and dtype.type.__module__ == "numpy" and not dtype.hasobject
        return dtype.str if is_known else str(dtype)
    fields: list[Any] = []
    end = 0
    for name in dtype.names:
        field, offset, *title = dtype.fields[name]
        if offset < end:
            # A .npy header tells the fields one after the other.
            reason = f"field {name!r} starts at byte {offset}, expected {end} or more, where those before it end"
            raise UnsupportedDtype(f"dtype {dtype} cannot be shared: {reason}")
        if offset > end:
            fields.append(("", f"|V{offset - end}"))
        inner = _descr(field)
        told = (title[0], name) if title else name
        # A sub-array is told as a third item, as NumPy does.
        fields.append((told, *inner) if field.subdtype is not None else (told, inner))
        end = offset + field.itemsize
    if dtype.itemsize > end:
        fields.append(("", f"|V{dtype.itemsize - end}"))
    return fields


def restore(descr: str, attribute: str | None) -> np.dtype[Any]:
    """The dtype that a header's ``descr`` tells, together with the array's attribute ``dtype`` if it has one."""
    if attribute is None:
        return np.lib.format.descr_to_dtype(ast.literal_eval(descr))
    # Importing it teaches NumPy the names.
    importlib.import_module("ml_dtypes")

    text = attribute if attribute.startswith("[") else repr(attribute)
    return np.lib.format.descr_to_dtype(ast.literal_eval(text))

"""Plain files as arrays: ``numpy.memmap``'s twin, over a map that the library makes and keeps."""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, SupportsIndex, TypeAlias, TypeVar, cast, overload

import numpy as np
from numpy.typing import DTypeLike

from sharray._errors import InvalidArgument, ShapeOverflow, UnsupportedDtype
from sharray._progress import Progress
from sharray._scan import step_of, views
from sharray._sharray import _Map, _map_file, _map_npy  # pyright: ignore[reportPrivateUsage]

_ShapeT = TypeVar("_ShapeT", bound=Any)
_DTypeT = TypeVar("_DTypeT", bound="np.dtype[Any]")
_ScalarT = TypeVar("_ScalarT", bound=np.generic)

if TYPE_CHECKING:
    from typing_extensions import Self

    _Path: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
    _Shape: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
    _Mode: TypeAlias = Literal["r", "r+", "w+", "c", "readonly", "readwrite", "write", "copyonwrite"]
    _Order: TypeAlias = Literal["C", "F"] | None
    _Advice: TypeAlias = Literal["normal", "sequential", "random", "will-need", "huge-pages", "small-pages"]
    _KnownDType: TypeAlias = type[_ScalarT] | np.dtype[_ScalarT]


class _File(Protocol):
    """An open file."""

    def fileno(self) -> int: ...
    def read(self, n: int = ..., /) -> object: ...
    def seek(self, offset: int, whence: int = ..., /) -> object: ...


_WORDS = {"readonly": "r", "readwrite": "r+", "write": "w+", "copyonwrite": "c"}
_LETTERS = ("r", "c", "r+", "w+")

# Bound once: slices are made by the million.
_ndarray = np.ndarray
_getitem = np.ndarray.__getitem__


class memmap(np.memmap[_ShapeT, _DTypeT]):
    """A plain file as an array: no header, no lock, readable by anything.

    Use it where you would use `numpy.memmap`. It is one, with the same arguments and attributes, and differs in what it
    does to files: see below.

    Parameters
    ----------
    filename : path-like or file object
        The file.
    dtype : data-type, optional
        The items' dtype. Default: uint8.
    mode : {'r', 'r+', 'w+', 'c'}, optional
        To look at; to change in place, where a file that is too short grows; a new file; to change what this process alone
        sees.
    offset : int, optional
        Where the first item is in the file, in bytes.
    shape : int or tuple of int, optional
        The array's shape. Default: as many items as there are. Has to be given for a new file.
    order : {'C', 'F'}, optional
        How the items stand in the file.
    sparse : bool, optional
        Whether not to reserve the disk's blocks for what is new, as `numpy.memmap` does not: what is written is lost then when
        the disk is full, and `flush` says so.

    Attributes
    ----------
    filename : str or Path
        The file, as an absolute path.
    offset : int
        Where the first item is.
    mode : str
        The mode.

    Raises
    ------
    MissingFile, ForbiddenFile
        If there is no such file, or it may not be used so.
    Truncated
        If it is too short, and the mode is ``'r'`` or ``'c'``. Is a ValueError, too.
    UnsupportedDtype
        If the items are objects, or strings that are kept elsewhere: a file cannot hold those.
    NoSpace
        If the disk is full.

    Notes
    -----
    ``'w+'`` does not truncate: the new file is built beside the old one and takes its place. Whoever has the old one mapped keeps
    it, where `numpy.memmap` makes them die of SIGBUS. Whoever else cuts a file short ends nobody: see `check_whole`. Of a file object, which has no name to take, the file is kept and grows.

    There is no lock: who needs one has `create` and `attach`.

    Examples
    --------
    >>> folder.mkdir()
    >>> with sharray.memmap(folder / "data.dat", "f8", "w+", shape=(100, 100)) as m:
    ...     m[10:15, 10:15] = 5.5
    ...     m.flush()
    >>> m = sharray.memmap(folder / "data.dat", "f8", "r", shape=(100, 100))
    >>> m[12, 12], m.sum()
    (np.float64(5.5), np.float64(137.5))
    >>> isinstance(m, np.memmap)
    True
    """

    if TYPE_CHECKING:
        filename: Any
        offset: Any
        mode: Any
        _mmap: _Map | None

    @overload
    def __new__(
        cls,
        filename: _Path | _File,
        dtype: type[np.uint8] = ...,
        mode: _Mode = ...,
        offset: SupportsIndex = ...,
        shape: _Shape | None = ...,
        order: _Order = ...,
        *,
        sparse: bool = ...,
    ) -> memmap[Any, np.dtype[np.uint8]]: ...
    @overload
    def __new__(
        cls,
        filename: _Path | _File,
        dtype: _KnownDType[_ScalarT],
        mode: _Mode = ...,
        offset: SupportsIndex = ...,
        shape: _Shape | None = ...,
        order: _Order = ...,
        *,
        sparse: bool = ...,
    ) -> memmap[Any, np.dtype[_ScalarT]]: ...
    @overload
    def __new__(
        cls,
        filename: _Path | _File,
        dtype: DTypeLike,
        mode: _Mode = ...,
        offset: SupportsIndex = ...,
        shape: _Shape | None = ...,
        order: _Order = ...,
        *,
        sparse: bool = ...,
    ) -> memmap[Any, np.dtype[Any]]: ...
    def __new__(
        cls,
        filename: Any,
        dtype: Any = np.uint8,
        mode: str = "r+",
        offset: SupportsIndex = 0,
        shape: Any = None,
        order: str | None = "C",
        *,
        sparse: bool = False,
    ) -> Any:
        """Maps a file."""
        mode = _letters(mode)
        descr = _mappable(np.dtype(dtype))
        lengths = None if shape is None else _lengths(shape)
        at, letter = _offset(offset), _letter(order)
        if hasattr(filename, "read"):
            if lengths is not None and 0 in lengths:
                # Whether an empty file can be mapped, NumPy's versions say differently: here the one that is installed says it.
                np.memmap(filename, descr, cast("Any", mode), at, lengths, cast("Any", letter))
            # Writes what the file object keeps back, and tells whether it is one.
            filename.seek(0, 2)
            path, descriptor = str(getattr(filename, "name", "a file")), filename.fileno()
        else:
            path, descriptor = os.fsdecode(filename), None
        map_ = _map_file(path, descriptor, mode, descr.itemsize, at, lengths, letter, sparse)
        return _array(cls, map_, descr, _told(filename), mode)

    if not TYPE_CHECKING:
        def __array_finalize__(self, obj):
            # numpy.memmap asks whether memory is shared, which takes longer than to slice: its base tells of most views.
            map_ = getattr(obj, "_mmap", None)
            if map_ is not None and self.size > 0:
                base = self.base
                if base is obj or (base is not None and base is obj.base) or np.may_share_memory(self, obj):
                    self._mmap = map_
                    self.filename = obj.filename
                    self.offset = obj.offset
                    self.mode = obj.mode
                    return
            self._mmap = self.filename = self.offset = self.mode = None

        def __array_wrap__(self, arr, context=None, return_scalar=False):
            # As numpy.memmap has it, whose own looks for its own class: what is computed is no map.
            arr = _ndarray.__array_wrap__(self, arr, context)
            if self is arr or type(self) is not memmap:
                return arr
            if return_scalar:
                return arr[()]
            return arr.view(_ndarray)

        def __getitem__(self, index):
            part = _getitem(self, index)
            if type(part) is memmap and part._mmap is None:
                return part.view(_ndarray)
            return part

    def flush(self, *, wait: bool = True) -> None:
        """Asks the kernel to write what was changed to the disk.

        Other processes see every change at once; this is for when the machine stops.

        Parameters
        ----------
        wait : bool, optional
            Whether to wait until it is there.

        Raises
        ------
        IoError
            If the disk fails.
        Truncated
            If somebody cut the file short: what was written there is nowhere.
        Closed
            If it was closed.
        """
        if wait:
            # Of a view of NumPy's own map, it is NumPy's.
            if self._mmap is not None:
                self._mmap.flush()
        elif isinstance(self._mmap, _Map):
            self._mmap.flush(wait=False)

    def close(self) -> None:
        """Ends the use of the file: this array turns read-only, and can no longer be flushed.

        The file is unmapped when the array and all views of it are gone. Until then they show what is there: none of them
        becomes invalid.

        Examples
        --------
        >>> folder.mkdir()
        >>> m = sharray.memmap(folder / "data.dat", "i4", "w+", shape=3)
        >>> m.close()
        >>> m.flags.writeable
        False
        """
        self.flags.writeable = False
        if isinstance(self._mmap, _Map):
            self._mmap.close()

    def check_whole(self) -> None:
        """Raises if somebody cut the file short while it was mapped, and what is gone was touched.

        That ends no process, as it does with `numpy.memmap`: what is gone reads as zeros, and what is written there goes nowhere.
        Arrays have no way to say so themselves. `flush`, `blocks` and the end of a ``with`` block do, and this method.

        Raises
        ------
        Truncated
            If so.
        IoError
            If a page could not be had though the file is long enough: it was cut for a moment, its disk failed, or it is sparse
            and the disk is full.
        """
        if isinstance(self._mmap, _Map):
            self._mmap.check_whole()

    def advise(self, advice: _Advice) -> None:
        """Tells the kernel how the array will be used, which changes how fast it is and nothing else.

        Parameters
        ----------
        advice : {'normal', 'sequential', 'random', 'will-need', 'huge-pages', 'small-pages'}
            How: as the kernel sees fit; from the start to the end; here and there; soon; in pages of 2 MiB where the file
            system has such, or of the usual size.

        Raises
        ------
        IoError
            If the kernel cannot do so with this file.
        """
        if isinstance(self._mmap, _Map):
            self._mmap.advise(advice)

    def blocks(
        self, rows: SupportsIndex, *, progress: Progress | None = None, uncached: bool = False
    ) -> Iterator[Self]:
        """Views of so many rows after each other: for arrays larger than memory.

        The kernel is told to read ahead, and what is behind is dropped from this process's memory: a scan runs at the disk's
        speed with a block and some 4 MiB in memory. A block that is kept stays valid, and is read again when it is touched.

        Parameters
        ----------
        rows : int
            How many rows a block has; the last one has what is left.
        progress : object with update(n), optional
            Is told of the rows that are done, as a bar of ``tqdm`` is; if its ``total`` is None, that is set first.
        uncached : bool, optional
            Whether the kernel's cache forgets what is behind, too: for files that are read once and crowd out others.

        Yields
        ------
        memmap
            The rows.

        Notes
        -----
        Reading ahead and dropping is for the array that was opened; views of it are cut into blocks alike, and left to the
        kernel. In Fortran order, where the rows of the first axis are all over the file, scan the transpose of the file as an
        array in C order.

        Examples
        --------
        >>> folder.mkdir()
        >>> m = sharray.memmap(folder / "data.dat", "f8", "w+", shape=(1000, 10))
        >>> m[...] = 0.5
        >>> sum(block.sum() for block in m.blocks(64))
        np.float64(5000.0)
        """
        return self._blocks(step_of(rows, self.ndim), progress, uncached)

    def _blocks(self, step: int, progress: Progress | None, uncached: bool) -> Iterator[Self]:
        whole = self._mmap
        is_whole = isinstance(whole, _Map) and cast("Any", self.base) is whole and self.shape == whole.shape
        ranges = cast("_Map", whole).scan(step, uncached) if is_whole else None
        for block in views(self, ranges, step, progress):
            yield block
            self.check_whole()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        *exception: type[BaseException] | BaseException | TracebackType | None,
    ) -> None:
        self.close()
        # What the block has raised says more.
        if all(part is None for part in exception):
            self.check_whole()


@overload
def open_npy(
    path: _Path,
    mode: _Mode = ...,
    *,
    dtype: _KnownDType[_ScalarT],
    shape: _Shape | None = ...,
    order: _Order = ...,
    offset: SupportsIndex = ...,
    sparse: bool = ...,
) -> memmap[Any, np.dtype[_ScalarT]]: ...
@overload
def open_npy(
    path: _Path,
    mode: _Mode = ...,
    *,
    dtype: DTypeLike | None = ...,
    shape: _Shape | None = ...,
    order: _Order = ...,
    offset: SupportsIndex = ...,
    sparse: bool = ...,
) -> memmap[Any, np.dtype[Any]]: ...
def open_npy(
    path: Any,
    mode: str = "r",
    *,
    dtype: Any = None,
    shape: Any = None,
    order: str | None = None,
    offset: SupportsIndex = 0,
    sparse: bool = False,
) -> Any:
    """Maps a .npy file, which says itself what it holds.

    Parameters
    ----------
    path : path-like
        The file.
    mode : {'r', 'r+', 'w+', 'c'}, optional
        As for `memmap`. No mode changes the length of a file that is there; ``'w+'`` makes a new one, header and all.
    dtype : data-type, optional
        The items' dtype. What a file says has to be this one. Default, for a new file: float64.
    shape : int or tuple of int, optional
        The shape. What a file says has to be this one. Has to be given for a new file.
    order : {'C', 'F'}, optional
        How the items stand in the file. What a file says has to be this one. Default, for a new file: ``'C'``.
    offset : int, optional
        Where the .npy stream starts in the file.
    sparse : bool, optional
        As for `memmap`.

    Returns
    -------
    memmap

    Raises
    ------
    MissingFile, ForbiddenFile
        If there is no such file, or it may not be used so.
    InvalidPreamble, UnsupportedDtype
        If it is no .npy file, or one of objects. Both are ValueErrors; whatever a header says, no more than 2 MiB are read.
    Truncated
        If it is shorter than it says, in any mode.
    Mismatch
        If it is not as asked for.

    Notes
    -----
    ``numpy.load(path, mmap_mode="w+")`` empties the file and then fails. Here, a new file that is not given a shape is an error,
    and the old one stays until the new one is whole.

    Examples
    --------
    >>> folder.mkdir()
    >>> sharray.save_npy(folder / "eye.npy", np.eye(3))
    >>> with sharray.open_npy(folder / "eye.npy", "r+") as m:
    ...     m[0, 0] = 5
    >>> sharray.open_npy(folder / "eye.npy")
    memmap([[5., 0., 0.],
            [0., 1., 0.],
            [0., 0., 1.]])
    """
    mode = _letters(mode)
    lengths = None if shape is None else _lengths(shape)
    if mode == "w+" and dtype is None:
        dtype = np.float64
    letter = None if order is None else _letter(order)
    map_ = _map_npy(os.fsdecode(path), mode, dtype, _offset(offset), lengths, letter, sparse)
    return _array(memmap, map_, map_.dtype, _told(path), mode)


def _array(cls: type[Any], map_: _Map, dtype: np.dtype[Any], filename: str | Path | None, mode: str) -> Any:
    """The array over a map, which it has for its base."""
    array = np.ndarray.__new__(cls, map_.shape, dtype, cast("Any", map_), 0, None, cast("Any", map_.order))
    array._mmap = map_
    array.offset = map_.offset
    array.mode = mode
    array.filename = filename
    return array


def _letters(mode: str) -> str:
    letters = _WORDS.get(mode, mode)
    if letters not in _LETTERS:
        raise InvalidArgument(f"mode must be one of {[*_LETTERS, *_WORDS]!r} (got {mode!r})")
    return letters


def _letter(order: str | None) -> str:
    return "F" if order in ("F", "f") else _known_order(order)


def _known_order(order: str | None) -> str:
    if order not in (None, "C", "c", "A", "a", "K", "k"):
        raise InvalidArgument(f"order is {order!r}, expected 'C' or 'F'")
    return "C"


def _offset(offset: SupportsIndex) -> int:
    at = operator.index(offset)
    if not 0 <= at <= sys.maxsize:
        raise InvalidArgument(f"offset is {at}, expected a place in a file")
    return at


def _lengths(shape: Any) -> tuple[int, ...]:
    """A shape: one length or several."""
    if not isinstance(shape, (tuple, list)):
        try:
            shape = (operator.index(shape),)
        except TypeError:
            pass
    lengths = tuple(map(operator.index, cast("Sequence[SupportsIndex]", shape)))
    if any(length < 0 for length in lengths):
        raise InvalidArgument(f"shape is {lengths}, expected lengths that are not negative")
    if any(length > sys.maxsize for length in lengths):
        raise ShapeOverflow(f"shape is {lengths}, expected what a process can address")
    return lengths


def _mappable(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Refuses items that are elsewhere: a file cannot hold them, and to touch them would be to touch any memory."""
    if dtype.hasobject:
        raise UnsupportedDtype(f"dtype {dtype} cannot be mapped: its items are elsewhere, and a file cannot hold them")
    if dtype.itemsize == 0:
        raise UnsupportedDtype(f"dtype {dtype} cannot be mapped: its items have no bytes, expected at least one")
    return dtype


def _told(filename: Any) -> str | Path | None:
    """The file's name, as `numpy.memmap` tells it."""
    if isinstance(filename, Path):
        return filename.resolve()
    if isinstance(filename, os.PathLike):
        return Path(os.fsdecode(cast("os.PathLike[str]", filename))).resolve()
    if hasattr(filename, "read"):
        # An unnamed file has a number for a name.
        name = getattr(filename, "name", None)
        return os.path.abspath(name) if isinstance(name, str) else None
    return os.path.abspath(os.fsdecode(filename)) if isinstance(filename, str) else None

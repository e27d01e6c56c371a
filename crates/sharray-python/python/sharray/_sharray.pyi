"""Types of the extension module. What the functions do is told in their docstrings.

`Array`, `Publisher` and their like are generic in the scalar type of their items, as `numpy.typing.NDArray` is:
`Array[np.float64]`. A `Cell` is generic in what it loads: `Cell[NDArray[np.float64]]`, `Cell[np.int64]`. What is
attached by name has the dtype that the file tells, which no checker can know: it is `Array[Any]`.
"""

import builtins
from collections.abc import Callable, Coroutine, Iterator, Sequence
from os import PathLike
from pathlib import Path
from types import EllipsisType, GenericAlias, TracebackType
from typing import Any, Generic, Literal, Protocol, SupportsIndex, final, overload, type_check_only

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from typing_extensions import CapsuleType, Self, TypeAlias, TypeVar

from sharray._progress import Progress

# As the module itself tells it: with the functions that pickles call.
__all__ = [
    "Array",
    "Block",
    "Cell",
    "CellWriter",
    "Directory",
    "Follower",
    "Frame",
    "Info",
    "Loan",
    "Participant",
    "Publisher",
    "Read",
    "Subscriber",
    "Table",
    "Team",
    "TeamArray",
    "Write",
    "attach",
    "cell",
    "collect_garbage",
    "create",
    "grow",
    "import_npy",
    "import_raw",
    "inspect",
    "list",
    "open",
    "publish",
    "save_npy",
    "subscribe",
    "unlink",
    "wait_any",
    "_Map",
    "_Scan",
    "_after_fork",
    "_command",
    "_attach_array",
    "_attach_cell",
    "_attach_table",
    "_map_file",
    "_map_npy",
    "_subscribe_again",
    "_thumbnail",
]

_ScalarT = TypeVar("_ScalarT", bound=np.generic)
_ScalarT_co = TypeVar("_ScalarT_co", bound=np.generic, covariant=True, default=Any)
_GenericT = TypeVar("_GenericT", bound=np.generic)
_ValueT_co = TypeVar("_ValueT_co", covariant=True, default=Any)
_SubscriberT = TypeVar("_SubscriberT", bound=Subscriber[Any])

@type_check_only
class _HasDType(Protocol[_ScalarT_co]):
    @property
    def dtype(self) -> np.dtype[_ScalarT_co]: ...

# What NumPy can tell the scalar type of, as in its own stubs.
_KnownDType: TypeAlias = type[_ScalarT] | np.dtype[_ScalarT] | _HasDType[_ScalarT]
_Shape: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
_Place: TypeAlias = str | PathLike[str] | Directory
_Order: TypeAlias = Literal["C", "F"]
_Mode: TypeAlias = Literal["r", "r+"]
_Backpressure: TypeAlias = Literal["block", "evict", "error"]
_OneIndex: TypeAlias = SupportsIndex | slice | EllipsisType | None
_Index: TypeAlias = _OneIndex | tuple[_OneIndex, ...]
# What JSON can say.
_Attributes: TypeAlias = dict[str, Any]

@final
class Directory:
    def __new__(cls, path: str | PathLike[str] | None = None, *, trust_others: bool = False) -> Self: ...
    @property
    def path(self) -> Path: ...
    def list(self) -> builtins.list[Info]: ...
    def inspect(self, name: str) -> Info: ...
    def unlink(self, name: str) -> None: ...
    def collect_garbage(self) -> builtins.list[str]: ...
    def __fspath__(self) -> str: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

@final
class Participant:
    @property
    def pid(self) -> int: ...
    @property
    def is_alive(self) -> bool: ...
    @property
    def rank(self) -> int | None: ...
    @property
    def is_producer(self) -> bool: ...
    @property
    def is_lossless(self) -> bool: ...
    @property
    def behind(self) -> int: ...
    @property
    def pins(self) -> int: ...
    @property
    def holds(self) -> int: ...
    @property
    def writes(self) -> int: ...

@final
class Info:
    @property
    def name(self) -> str: ...
    @property
    def path(self) -> Path: ...
    @property
    def kind(self) -> Literal["array", "cell", "stream", "table", "team", "unknown"]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def max_len(self) -> int | None: ...
    @property
    def order(self) -> _Order: ...
    @property
    def file_len(self) -> int: ...
    @property
    def slots(self) -> int: ...
    @property
    def history(self) -> int: ...
    @property
    def sequence(self) -> int: ...
    @property
    def blocks(self) -> int: ...
    @property
    def poisoned(self) -> builtins.list[int]: ...
    @property
    def committed(self) -> int: ...
    @property
    def created(self) -> float: ...
    @property
    def participants(self) -> builtins.list[Participant]: ...
    @property
    def is_closed(self) -> bool: ...
    @property
    def is_broken(self) -> bool: ...
    @property
    def is_retired(self) -> bool: ...
    @property
    def data_offset(self) -> int: ...
    @property
    def npy_offset(self) -> int: ...
    @property
    def generation(self) -> bytes: ...
    @property
    def attributes(self) -> _Attributes: ...

@final
class Array(Generic[_ScalarT_co]):
    def read(self, timeout: float | None = None) -> Read[_ScalarT_co]: ...
    def write(self, timeout: float | None = None) -> Write[_ScalarT_co]: ...
    def snapshot(self, timeout: float | None = None) -> NDArray[_ScalarT_co]: ...
    def chunks(
        self,
        rows: SupportsIndex,
        *,
        progress: Progress | None = None,
        uncached: bool = False,
        timeout: float | None = None,
    ) -> Iterator[NDArray[_ScalarT_co]]: ...
    def block(self, index: SupportsIndex, count: SupportsIndex = 1) -> Self: ...
    def wait_changed(self, since: int | None = None, timeout: float | None = None) -> int: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...
    def export_npy(self, path: str | PathLike[str], *, progress: Progress | None = None) -> None: ...
    def export_raw(self, path: str | PathLike[str], *, progress: Progress | None = None) -> None: ...
    def as_memmap(self, mode: Literal["r", "r+", "c"] = "r") -> np.memmap[Any, np.dtype[_ScalarT_co]]: ...
    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> np.dtype[_ScalarT_co]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def strides(self) -> tuple[int, ...]: ...
    @property
    def ndim(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def itemsize(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def order(self) -> _Order: ...
    @property
    def blocks(self) -> int: ...
    @property
    def sequence(self) -> int: ...
    @property
    def attributes(self) -> _Attributes: ...
    @property
    def is_read_only(self) -> bool: ...
    @property
    def is_unverified(self) -> bool: ...
    @property
    def is_retired(self) -> bool: ...
    @property
    def is_closed(self) -> bool: ...
    @property
    def generation(self) -> bytes: ...
    def check_whole(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        *_exception: type[BaseException] | BaseException | TracebackType | None,
    ) -> None: ...
    def __getitem__(self, index: _Index, /) -> Self: ...
    def __setitem__(self, index: _Index, value: ArrayLike, /) -> None: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Self]: ...
    def __contains__(self, item: object, /) -> bool: ...
    def __bool__(self) -> bool: ...
    def __int__(self) -> int: ...
    def __float__(self) -> float: ...
    def __complex__(self) -> complex: ...
    @overload
    def __array__(self, dtype: None = None, copy: bool | None = None) -> NDArray[_ScalarT_co]: ...
    @overload
    def __array__(self, dtype: _KnownDType[_ScalarT], copy: bool | None = None) -> NDArray[_ScalarT]: ...
    @overload
    def __array__(self, dtype: DTypeLike, copy: bool | None = None) -> NDArray[Any]: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __dlpack__(self, **options: Any) -> CapsuleType: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    def __dask_tokenize__(self) -> tuple[object, ...]: ...
    def __reduce__(self) -> tuple[Any, ...]: ...
    @classmethod
    def __class_getitem__(cls, item: Any) -> GenericAlias: ...
    def _repr_html_(self) -> str: ...

@final
class Read(Generic[_ScalarT_co]):
    def __enter__(self) -> NDArray[_ScalarT_co]: ...
    def __exit__(
        self,
        _class: type[BaseException] | None = None,
        _value: BaseException | None = None,
        _traceback: TracebackType | None = None,
    ) -> None: ...
    @property
    def is_copy(self) -> bool: ...
    @classmethod
    def __class_getitem__(cls, item: Any) -> GenericAlias: ...

@final
class Write(Generic[_ScalarT_co]):
    def __enter__(self) -> NDArray[_ScalarT_co]: ...
    def __exit__(
        self,
        *exception: type[BaseException] | BaseException | TracebackType | None,
    ) -> None: ...
    @property
    def is_poisoned(self) -> bool: ...
    def clear_poison(self) -> None: ...
    @classmethod
    def __class_getitem__(cls, item: Any) -> GenericAlias: ...

@final
class Cell(Generic[_ValueT_co]):
    def load(self) -> _ValueT_co: ...
    def store(self, value: ArrayLike, timeout: float | None = None) -> None: ...
    def writer(self, timeout: float | None = None) -> CellWriter: ...
    def wait_changed(self, since: int | None = None, timeout: float | None = None) -> int: ...
    def close(self) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def sequence(self) -> int: ...
    @property
    def attributes(self) -> _Attributes: ...
    @property
    def is_read_only(self) -> bool: ...
    @property
    def is_retired(self) -> bool: ...
    @property
    def is_closed(self) -> bool: ...
    @property
    def generation(self) -> bytes: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        *_exception: type[BaseException] | BaseException | TracebackType | None,
    ) -> None: ...
    def __reduce__(self) -> tuple[Any, ...]: ...
    @classmethod
    def __class_getitem__(cls, item: Any) -> GenericAlias: ...

@final
class CellWriter:
    def store(self, value: ArrayLike) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        *_exception: type[BaseException] | BaseException | TracebackType | None,
    ) -> None: ...

@final
class Team:
    @staticmethod
    def join(name: str, rank: int, size: int, *, dir: _Place | None = None) -> Team: ...
    @staticmethod
    def spawned() -> Team | None: ...
    @staticmethod
    def spawn(
        size: int,
        *,
        name: str | None = None,
        restarts: int = 0,
        commands: dict[int, builtins.list[str]] | None = None,
        dir: _Place | None = None,
    ) -> None: ...
    def barrier(self, timeout: float | None = None) -> None: ...
    def reset(self, timeout: float | None = None) -> None: ...
    def sum(self, local: ArrayLike, timeout: float | None = None) -> Any: ...
    def min(self, local: ArrayLike, timeout: float | None = None) -> Any: ...
    def max(self, local: ArrayLike, timeout: float | None = None) -> Any: ...
    def gather(self, local: ArrayLike, timeout: float | None = None) -> NDArray[Any]: ...
    def broadcast(self, root: int, local: ArrayLike, timeout: float | None = None) -> Any: ...
    def array(
        self,
        name: str,
        shape: _Shape,
        dtype: DTypeLike | None = None,
        *,
        data: ArrayLike | Callable[[], ArrayLike] | None = None,
        timeout: float | None = None,
    ) -> TeamArray: ...
    def block(self, array: TeamArray) -> Block: ...
    def swap(self, timeout: float | None = None) -> None: ...
    @property
    def step(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def rank(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def is_broken(self) -> bool: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        *_exception: type[BaseException] | BaseException | TracebackType | None,
    ) -> None: ...

@final
class TeamArray:
    @property
    def current(self) -> Array[Any]: ...
    @property
    def name(self) -> str: ...

@final
class Block:
    @property
    def old(self) -> NDArray[Any]: ...
    @property
    def new(self) -> NDArray[Any]: ...
    @property
    def rows(self) -> slice: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        class_: type[BaseException] | None = None,
        value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...

@final
class Table(Generic[_ScalarT_co]):
    def append(self, rows: ArrayLike, timeout: float | None = None) -> range: ...
    def wait(self, len: SupportsIndex, timeout: float | None = None) -> int: ...
    def follow(self, start: SupportsIndex | None = None, timeout: float | None = None) -> Follower[_ScalarT_co]: ...
    def commit(self) -> int: ...
    def close(self) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> np.dtype[_ScalarT_co]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def ndim(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def max_len(self) -> int: ...
    @property
    def committed(self) -> int: ...
    @property
    def attributes(self) -> _Attributes: ...
    @property
    def is_read_only(self) -> bool: ...
    @property
    def is_retired(self) -> bool: ...
    @property
    def is_closed(self) -> bool: ...
    @property
    def generation(self) -> bytes: ...
    def check_whole(self) -> None: ...
    def __len__(self) -> int: ...
    # What NumPy makes of an index is an array or a scalar.
    def __getitem__(self, index: Any, /) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    @overload
    def __array__(self, dtype: None = None, copy: bool | None = None) -> NDArray[_ScalarT_co]: ...
    @overload
    def __array__(self, dtype: DTypeLike | None, copy: bool | None = None) -> NDArray[Any]: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __dlpack__(self, **options: Any) -> CapsuleType: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    def __dask_tokenize__(self) -> tuple[Any, ...]: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        *_exception: type[BaseException] | BaseException | TracebackType | None,
    ) -> None: ...
    def __reduce__(self) -> tuple[Any, ...]: ...
    def _repr_html_(self) -> str: ...
    @classmethod
    def __class_getitem__(cls, item: Any) -> GenericAlias: ...

@final
class Follower(Generic[_ScalarT_co]):
    @property
    def table(self) -> Table[_ScalarT_co]: ...
    @property
    def next_row(self) -> int: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> NDArray[_ScalarT_co]: ...
    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Coroutine[Any, Any, NDArray[_ScalarT_co]]: ...
    def _next(self, timeout: float | None) -> NDArray[_ScalarT_co] | None: ...
    @classmethod
    def __class_getitem__(cls, item: Any) -> GenericAlias: ...

@final
class Publisher(Generic[_ScalarT_co]):
    def loan(
        self,
        timeout: float | None = None,
        *,
        shape: _Shape | None = None,
        time: float | None = None,
        tags: tuple[int, int] = (0, 0),
    ) -> Loan[_ScalarT_co]: ...
    def publish(
        self,
        array: ArrayLike,
        timeout: float | None = None,
        *,
        time: float | None = None,
        tags: tuple[int, int] = (0, 0),
    ) -> int: ...
    def commit(self) -> int: ...
    def close(self) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> np.dtype[_ScalarT_co]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def order(self) -> _Order: ...
    @property
    def sequence(self) -> int: ...
    @property
    def is_retired(self) -> bool: ...
    @property
    def is_closed(self) -> bool: ...
    @property
    def generation(self) -> bytes: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        *exception: type[BaseException] | BaseException | TracebackType | None,
    ) -> None: ...
    @classmethod
    def __class_getitem__(cls, item: Any) -> GenericAlias: ...

@final
class Loan(Generic[_ScalarT_co]):
    time: float | None
    tags: tuple[int, int]
    def __enter__(self) -> NDArray[_ScalarT_co]: ...
    def __exit__(
        self,
        *exception: type[BaseException] | BaseException | TracebackType | None,
    ) -> None: ...
    def abort(self) -> None: ...
    @property
    def sequence(self) -> int | None: ...
    @classmethod
    def __class_getitem__(cls, item: Any) -> GenericAlias: ...

@final
class Subscriber(Generic[_ScalarT_co]):
    def latest(self) -> Frame[_ScalarT_co] | None: ...
    def recv(self, timeout: float | None = None) -> Frame[_ScalarT_co] | None: ...
    def frames(self, timeout: float | None = None) -> Iterator[Frame[_ScalarT_co]]: ...
    def close(self) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> np.dtype[_ScalarT_co]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def order(self) -> _Order: ...
    @property
    def sequence(self) -> int: ...
    @property
    def attributes(self) -> _Attributes: ...
    @property
    def is_read_only(self) -> bool: ...
    @property
    def is_retired(self) -> bool: ...
    @property
    def is_closed(self) -> bool: ...
    @property
    def generation(self) -> bytes: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> Frame[_ScalarT_co]: ...
    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Coroutine[Any, Any, Frame[_ScalarT_co]]: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        *_exception: type[BaseException] | BaseException | TracebackType | None,
    ) -> None: ...
    def __reduce__(self) -> tuple[Any, ...]: ...
    def _repr_html_(self) -> str: ...
    @classmethod
    def __class_getitem__(cls, item: Any) -> GenericAlias: ...

@final
class Frame(Generic[_ScalarT_co]):
    @property
    def array(self) -> NDArray[_ScalarT_co]: ...
    @property
    def sequence(self) -> int: ...
    @property
    def missed(self) -> int: ...
    @property
    def time(self) -> float: ...
    @property
    def time_ns(self) -> int: ...
    @property
    def published(self) -> float: ...
    @property
    def tags(self) -> tuple[int, int]: ...
    @property
    def dtype(self) -> np.dtype[_ScalarT_co]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    def check_whole(self) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        *_exception: type[BaseException] | BaseException | TracebackType | None,
    ) -> None: ...
    @overload
    def __array__(self, dtype: None = None, copy: bool | None = None) -> NDArray[_ScalarT_co]: ...
    @overload
    def __array__(self, dtype: _KnownDType[_ScalarT], copy: bool | None = None) -> NDArray[_ScalarT]: ...
    @overload
    def __array__(self, dtype: DTypeLike, copy: bool | None = None) -> NDArray[Any]: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __dlpack__(self, **options: Any) -> CapsuleType: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    def _repr_html_(self) -> str: ...
    @classmethod
    def __class_getitem__(cls, item: Any) -> GenericAlias: ...

@overload
def create(
    name: str,
    shape: _Shape,
    dtype: None = None,
    *,
    data: None = None,
    order: _Order | None = None,
    blocks: SupportsIndex = 1,
    attributes: _Attributes | None = None,
    participants: int = 64,
    permissions: int = 0o600,
    huge_pages: bool = False,
    dir: _Place | None = None,
) -> Array[np.float64]: ...
@overload
def create(
    name: str,
    shape: _Shape | None,
    dtype: _KnownDType[_ScalarT],
    *,
    data: ArrayLike | None = None,
    order: _Order | None = None,
    blocks: SupportsIndex = 1,
    attributes: _Attributes | None = None,
    participants: int = 64,
    permissions: int = 0o600,
    huge_pages: bool = False,
    dir: _Place | None = None,
) -> Array[_ScalarT]: ...
@overload
def create(
    name: str,
    shape: _Shape | None = None,
    *,
    dtype: _KnownDType[_ScalarT],
    data: ArrayLike | None = None,
    order: _Order | None = None,
    blocks: SupportsIndex = 1,
    attributes: _Attributes | None = None,
    participants: int = 64,
    permissions: int = 0o600,
    huge_pages: bool = False,
    dir: _Place | None = None,
) -> Array[_ScalarT]: ...
@overload
def create(
    name: str,
    shape: _Shape | None = None,
    dtype: None = None,
    *,
    data: _HasDType[_ScalarT],
    order: _Order | None = None,
    blocks: SupportsIndex = 1,
    attributes: _Attributes | None = None,
    participants: int = 64,
    permissions: int = 0o600,
    huge_pages: bool = False,
    dir: _Place | None = None,
) -> Array[_ScalarT]: ...
@overload
def create(
    name: str,
    shape: _Shape | None = None,
    dtype: DTypeLike | None = None,
    *,
    data: ArrayLike | None = None,
    order: _Order | None = None,
    blocks: SupportsIndex = 1,
    attributes: _Attributes | None = None,
    participants: int = 64,
    permissions: int = 0o600,
    huge_pages: bool = False,
    dir: _Place | None = None,
) -> Array[Any]: ...
@overload
def open(
    name: str,
    shape: _Shape,
    dtype: None = None,
    *,
    order: _Order = "C",
    blocks: SupportsIndex = 1,
    attributes: _Attributes | None = None,
    participants: int = 64,
    permissions: int = 0o600,
    huge_pages: bool = False,
    dir: _Place | None = None,
) -> Array[np.float64]: ...
@overload
def open(
    name: str,
    shape: _Shape,
    dtype: _KnownDType[_ScalarT],
    *,
    order: _Order = "C",
    blocks: SupportsIndex = 1,
    attributes: _Attributes | None = None,
    participants: int = 64,
    permissions: int = 0o600,
    huge_pages: bool = False,
    dir: _Place | None = None,
) -> Array[_ScalarT]: ...
@overload
def open(
    name: str,
    shape: _Shape,
    dtype: DTypeLike | None = None,
    *,
    order: _Order = "C",
    blocks: SupportsIndex = 1,
    attributes: _Attributes | None = None,
    participants: int = 64,
    permissions: int = 0o600,
    huge_pages: bool = False,
    dir: _Place | None = None,
) -> Array[Any]: ...
# Or a `Table`: a checker takes it for an array, and lets it be used as the other.
def attach(
    name: str,
    *,
    mode: _Mode = "r+",
    wait: float | None = None,
    dir: _Place | None = None,
) -> Array[Any] | Any: ...
@overload
def grow(
    name: str,
    shape: _Shape,
    dtype: None = None,
    *,
    max_len: int | None = None,
    attributes: _Attributes | None = None,
    participants: int = 64,
    permissions: int = 0o600,
    dir: _Place | None = None,
) -> Table[np.float64]: ...
@overload
def grow(
    name: str,
    shape: _Shape,
    dtype: _KnownDType[_ScalarT],
    *,
    max_len: int | None = None,
    attributes: _Attributes | None = None,
    participants: int = 64,
    permissions: int = 0o600,
    dir: _Place | None = None,
) -> Table[_ScalarT]: ...
@overload
def grow(
    name: str,
    shape: _Shape,
    dtype: DTypeLike | None = None,
    *,
    max_len: int | None = None,
    attributes: _Attributes | None = None,
    participants: int = 64,
    permissions: int = 0o600,
    dir: _Place | None = None,
) -> Table[Any]: ...
@overload
def publish(
    name: str,
    shape: _Shape,
    dtype: None = None,
    *,
    order: _Order = "C",
    history: int = 4,
    slots: int | None = None,
    backpressure: _Backpressure = "block",
    attributes: _Attributes | None = None,
    participants: int = 64,
    permissions: int = 0o600,
    huge_pages: bool = False,
    dir: _Place | None = None,
) -> Publisher[np.float64]: ...
@overload
def publish(
    name: str,
    shape: _Shape,
    dtype: _KnownDType[_ScalarT],
    *,
    order: _Order = "C",
    history: int = 4,
    slots: int | None = None,
    backpressure: _Backpressure = "block",
    attributes: _Attributes | None = None,
    participants: int = 64,
    permissions: int = 0o600,
    huge_pages: bool = False,
    dir: _Place | None = None,
) -> Publisher[_ScalarT]: ...
@overload
def publish(
    name: str,
    shape: _Shape | None = None,
    dtype: DTypeLike | None = None,
    *,
    order: _Order = "C",
    history: int = 4,
    slots: int | None = None,
    backpressure: _Backpressure = "block",
    attributes: _Attributes | None = None,
    participants: int = 64,
    permissions: int = 0o600,
    huge_pages: bool = False,
    dir: _Place | None = None,
) -> Publisher[Any]: ...
def subscribe(
    name: str,
    *,
    wait: float | None = None,
    lossless: bool = False,
    from_oldest: bool = False,
    mode: _Mode = "r+",
    dir: _Place | None = None,
) -> Subscriber[Any]: ...
@overload
def cell(
    name: str,
    value: NDArray[_ScalarT],
    dtype: None = None,
    *,
    mode: _Mode = "r+",
    wait: float | None = None,
    attributes: _Attributes | None = None,
    permissions: int = 0o600,
    dir: _Place | None = None,
) -> Cell[NDArray[_ScalarT]]: ...
@overload
def cell(
    name: str,
    value: _GenericT,
    dtype: None = None,
    *,
    mode: _Mode = "r+",
    wait: float | None = None,
    attributes: _Attributes | None = None,
    permissions: int = 0o600,
    dir: _Place | None = None,
) -> Cell[_GenericT]: ...
@overload
def cell(  # type: ignore[overload-overlap]
    name: str,
    value: bool,
    dtype: None = None,
    *,
    mode: _Mode = "r+",
    wait: float | None = None,
    attributes: _Attributes | None = None,
    permissions: int = 0o600,
    dir: _Place | None = None,
) -> Cell[np.bool]: ...
@overload
def cell(
    name: str,
    value: int,
    dtype: None = None,
    *,
    mode: _Mode = "r+",
    wait: float | None = None,
    attributes: _Attributes | None = None,
    permissions: int = 0o600,
    dir: _Place | None = None,
) -> Cell[np.int64]: ...
@overload
def cell(
    name: str,
    value: float,
    dtype: None = None,
    *,
    mode: _Mode = "r+",
    wait: float | None = None,
    attributes: _Attributes | None = None,
    permissions: int = 0o600,
    dir: _Place | None = None,
) -> Cell[np.float64]: ...
@overload
def cell(
    name: str,
    value: ArrayLike | None = None,
    dtype: DTypeLike | None = None,
    *,
    mode: _Mode = "r+",
    wait: float | None = None,
    attributes: _Attributes | None = None,
    permissions: int = 0o600,
    dir: _Place | None = None,
) -> Cell[Any]: ...
def list(*, dir: _Place | None = None) -> builtins.list[Info]: ...
def inspect(name: str, *, dir: _Place | None = None) -> Info: ...
def unlink(name: str, *, dir: _Place | None = None) -> None: ...
def collect_garbage(*, dir: _Place | None = None) -> builtins.list[str]: ...
def wait_any(subscribers: Sequence[_SubscriberT], timeout: float | None = None) -> builtins.list[_SubscriberT]: ...
def _attach_array(
    path: str | PathLike[str],
    trusts_others: bool,
    name: str,
    is_read_only: bool,
    generation: bytes,
    part: tuple[int, int, builtins.list[tuple[int, int, int]]] | None,
) -> Array[Any]: ...
def _attach_cell(
    path: str | PathLike[str], trusts_others: bool, name: str, is_read_only: bool, generation: bytes
) -> Cell[Any]: ...
def _attach_table(
    path: str | PathLike[str], trusts_others: bool, name: str, is_read_only: bool, generation: bytes
) -> Table[Any]: ...
def _subscribe_again(
    path: str | PathLike[str],
    trusts_others: bool,
    name: str,
    wishes: tuple[bool, bool, bool],
    generation: bytes,
) -> Subscriber[Any]: ...
def import_npy(
    path: str | PathLike[str],
    name: str,
    *,
    progress: Progress | None = None,
    blocks: SupportsIndex = 1,
    attributes: _Attributes | None = None,
    participants: int = 64,
    permissions: int = 0o600,
    huge_pages: bool = False,
    dir: _Place | None = None,
) -> Array[Any]: ...
@overload
def import_raw(
    path: str | PathLike[str],
    name: str,
    shape: _Shape,
    dtype: None = None,
    *,
    offset: int = 0,
    order: _Order = "C",
    progress: Progress | None = None,
    blocks: SupportsIndex = 1,
    attributes: _Attributes | None = None,
    participants: int = 64,
    permissions: int = 0o600,
    huge_pages: bool = False,
    dir: _Place | None = None,
) -> Array[np.float64]: ...
@overload
def import_raw(
    path: str | PathLike[str],
    name: str,
    shape: _Shape,
    dtype: _KnownDType[_ScalarT],
    *,
    offset: int = 0,
    order: _Order = "C",
    progress: Progress | None = None,
    blocks: SupportsIndex = 1,
    attributes: _Attributes | None = None,
    participants: int = 64,
    permissions: int = 0o600,
    huge_pages: bool = False,
    dir: _Place | None = None,
) -> Array[_ScalarT]: ...
@overload
def import_raw(
    path: str | PathLike[str],
    name: str,
    shape: _Shape,
    dtype: DTypeLike | None = None,
    *,
    offset: int = 0,
    order: _Order = "C",
    progress: Progress | None = None,
    blocks: SupportsIndex = 1,
    attributes: _Attributes | None = None,
    participants: int = 64,
    permissions: int = 0o600,
    huge_pages: bool = False,
    dir: _Place | None = None,
) -> Array[Any]: ...
def save_npy(path: str | PathLike[str], array: ArrayLike) -> None: ...
@final
class _Map:
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def order(self) -> _Order: ...
    @property
    def mode(self) -> Literal["r", "r+", "w+", "c"]: ...
    @property
    def offset(self) -> int: ...
    @property
    def closed(self) -> bool: ...
    def __len__(self) -> int: ...
    def flush(self, wait: bool = True) -> None: ...
    def advise(self, advice: str) -> None: ...
    def check_whole(self) -> None: ...
    def scan(self, rows: int, uncached: bool) -> _Scan: ...
    def close(self) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

@final
class _Scan:
    def __iter__(self) -> Self: ...
    def __next__(self) -> tuple[int, int]: ...

def _map_file(
    path: str | PathLike[str],
    descriptor: int | None,
    mode: str,
    itemsize: int,
    offset: int,
    shape: Sequence[int] | None,
    order: str,
    sparse: bool,
) -> _Map: ...
def _map_npy(
    path: str | PathLike[str],
    mode: str,
    dtype: object,
    offset: int,
    shape: Sequence[int] | None,
    order: str | None,
    sparse: bool,
) -> _Map: ...
def _after_fork() -> None: ...
def _command(arguments: Sequence[str]) -> int: ...
def _thumbnail(
    dtype: DTypeLike,
    shape: Sequence[int],
    items: bytes,
) -> tuple[bytes, tuple[int, int], tuple[float, float] | None] | None: ...

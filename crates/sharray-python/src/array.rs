//! Arrays in place: handles, and the lazy parts that indexing them makes.

use crate::dtype;
use crate::error::{Result, exception};
use crate::exchange::Progress;
use crate::handle::{Handle, Mapped, attach};
use crate::lease::{Read, Write};
use crate::options::{
    attach_within, attributes_of, attributes_to_python, generation_to_python, is_read_only, letter_of, order_of,
    place_of, shape_of,
};
use crate::part::{Part, Told};
use crate::table::Table;
use crate::view::{self, Placed, Strides};
use crate::wait::Patience;
use numpy::{PyArrayDescr, PyUntypedArray};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyEllipsis, PyRange, PyTuple};
use sharray::{AnyArray, AnyGrowable, AnyWriteGuard, ArrayBuilder, Directory, Error};
use std::ffi::c_int;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// An array that everyone sees change, or a part of one.
///
/// Made by `create`, `open` and `attach`, and by indexing such a handle. It holds no lease: `read` and `write` take
/// one for the time of a ``with`` block, and `snapshot` copies. It pickles by name: unpickled, it attaches.
///
/// Examples
/// --------
/// >>> field = sharray.create("sim/field", (4, 3), "f8", dir=folder)
/// >>> with field.write() as a:
/// ...     a[1:3] = 5.5
/// >>> with field[1].read() as row:
/// ...     print(row.sum())
/// 16.5
/// >>> field.snapshot().sum()
/// np.float64(33.0)
#[pyclass(frozen, weakref, module = "sharray")]
#[derive(Debug)]
pub(crate) struct Array {
    handle: Py<Handle>,
    part: Part,
    /// The blocks that the part is in.
    blocks: Range<usize>,
    is_whole: bool,
}

impl Array {
    pub(crate) fn new(py: Python<'_>, place: Directory, array: AnyArray) -> Result<Self> {
        let part = Part::whole(array.shape(), &array.strides());
        let blocks = 0..array.blocks();
        let handle = Py::new(py, Handle::new(py, place, array)?)?;
        Ok(Self { handle, part, blocks, is_whole: true })
    }

    fn handle(&self) -> &Handle {
        self.handle.get()
    }

    fn mapped(&self, py: Python<'_>) -> Result<Py<Mapped>> {
        self.handle().mapped(py)
    }

    /// The items as they are, whatever they are: nobody is kept from changing them.
    fn live<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyUntypedArray>> {
        let mapped = self.mapped(py)?;
        let base = mapped.get().array.as_ptr().wrapping_offset(self.part.offset()).cast_mut();
        let placed = Placed {
            base,
            shape: self.part.shape(),
            strides: Strides::Given(self.part.strides()),
            is_writeable: false,
        };
        let owner = mapped.into_bound(py).into_any();
        // SAFETY: the part is inside the array, which is mapped as long as the owner lives; it is not writeable.
        #[allow(unsafe_code, reason = "the condition is this type's to keep")]
        Ok(unsafe { view::array(py, self.handle().dtype(py), placed, owner) }?)
    }

    fn take_read<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> Result<Bound<'py, Read>> {
        let patience = Patience::of(timeout)?;
        let mapped = self.mapped(py)?;
        let array = &mapped.get().array;
        let guard = self.handle().wait(py, patience, |timeout| array.read_owned(self.blocks.clone(), timeout))?;
        let home = self.home(py);
        if let Some(read) = home.as_ref().and_then(|home| home.get().spare_read(py, &mapped)) {
            read.get().again(py, guard, home);
            return Ok(read.into_bound(py));
        }
        Read::new(py, self.handle(), home, mapped, &self.part, guard)
    }

    fn take_write<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> Result<Bound<'py, Write>> {
        let patience = Patience::of(timeout)?;
        let mapped = self.mapped(py)?;
        let array = &mapped.get().array;
        let guard = self.handle().wait(py, patience, |timeout| array.write_owned(self.blocks.clone(), timeout))?;
        let home = self.home(py);
        if let Some(write) = home.as_ref().and_then(|home| home.get().spare_write(py, &mapped)) {
            write.get().again(py, guard, home);
            return Ok(write.into_bound(py));
        }
        Write::new(py, self.handle(), home, mapped, &self.part, guard)
    }

    /// The array, if this is all of it.
    fn whole(&self, py: Python<'_>) -> Result<Py<Mapped>> {
        if !self.is_whole {
            let message = "a part is not exported by the kernel: save_npy(path, part.snapshot()) writes it";
            return Err(PyTypeError::new_err(message).into());
        }
        self.mapped(py)
    }

    /// Its only item as a number of Python. Without this Python would take the bytes for digits.
    fn as_number<'py>(&self, py: Python<'py>, method: &str) -> Result<Bound<'py, PyAny>> {
        if self.part.ndim() > 0 {
            let message = format!("an array of {} dimensions is not a number: index it first", self.part.ndim());
            return Err(PyTypeError::new_err(message).into());
        }
        Ok(self.copy(py, None)?.call_method0(method)?)
    }

    /// Where the context managers of this handle are kept to be used again: those of the whole array.
    fn home(&self, py: Python<'_>) -> Option<Py<Handle>> {
        self.is_whole.then(|| self.handle.clone_ref(py))
    }

    fn copy<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> Result<Bound<'py, PyUntypedArray>> {
        let mapped = self.mapped(py)?;
        let array = &mapped.get().array;
        let mut copy = view::empty(self.handle().dtype(py), self.part.shape(), array.order())?;
        if self.is_whole {
            // SAFETY: NumPy has just made it, packed and with as many items as the array has; nobody else knows it.
            #[allow(unsafe_code, reason = "it is filled in place")]
            let bytes = unsafe { view::bytes_of_new(&mut copy, array.size_bytes()) };
            self.handle().wait(py, Patience::of(timeout)?, |timeout| match timeout {
                Some(timeout) if timeout.is_zero() => array.try_read_into(bytes),
                Some(timeout) => array.read_into_timeout(bytes, timeout),
                None => array.read_into(bytes),
            })?;
        } else {
            let read = self.take_read(py, timeout)?;
            let copied = py.import("numpy")?.getattr("copyto")?.call1((&copy, read.get().lend(py)?));
            let released = Read::release(&read);
            copied?;
            released?;
        }
        Ok(copy)
    }
}

#[pymethods]
impl Array {
    /// Leases the array, or this part of it, for reading.
    ///
    /// Parameters
    /// ----------
    /// timeout : float, optional
    ///     How many seconds to wait for writers. ``None``: without limit; 0: not at all.
    ///
    /// Returns
    /// -------
    /// Read
    ///     A context manager that lends a read-only ndarray. While the block runs, nobody changes its items. Afterwards the
    ///     array shows whatever is there.
    ///
    /// Raises
    /// ------
    /// TimedOut, Locked
    ///     If somebody writes it all the time; `Locked` if the call was not to wait.
    /// Poisoned
    ///     If whoever wrote it last did not come to the end.
    /// WouldDeadlock
    ///     If this thread writes it.
    ///
    /// Notes
    /// -----
    /// Of an array that may only be read, a copy is lent.
    ///
    /// Examples
    /// --------
    /// >>> field = sharray.create("field", data=np.eye(3), dir=folder)
    /// >>> with field.read(timeout=1) as a:
    /// ...     print(a.sum(), a.flags.writeable)
    /// 3.0 False
    #[pyo3(signature = (timeout = None))]
    fn read<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> Result<Bound<'py, Read>> {
        self.take_read(py, timeout)
    }

    /// Leases the array, or this part of it, for writing.
    ///
    /// Parameters
    /// ----------
    /// timeout : float, optional
    ///     How many seconds to wait for readers and writers. ``None``: without limit; 0: not at all.
    ///
    /// Returns
    /// -------
    /// Write
    ///     A context manager that lends a writeable ndarray. While the block runs, nobody else reads or writes it. It is
    ///     read-only afterwards. A block that ends by an exception leaves the array poisoned: nobody may take what is half
    ///     written for whole.
    ///
    /// Raises
    /// ------
    /// TimedOut, Locked
    ///     If somebody uses it all the time; `Locked` if the call was not to wait.
    /// ReadOnly
    ///     If it may only be read.
    /// WouldDeadlock
    ///     If this thread reads or writes it already.
    ///
    /// Notes
    /// -----
    /// What is leased are the blocks that the part is in: all of the array, unless it was created with several.
    ///
    /// Examples
    /// --------
    /// >>> field = sharray.create("field", (3, 3), dir=folder)
    /// >>> with field.write() as a:
    /// ...     a += 1
    /// >>> with field[0].write(timeout=1) as row:
    /// ...     row[:] = 5
    /// >>> field.snapshot().sum()
    /// np.float64(21.0)
    #[pyo3(signature = (timeout = None))]
    fn write<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> Result<Bound<'py, Write>> {
        self.take_write(py, timeout)
    }

    /// A copy of the items, all of one moment.
    ///
    /// Parameters
    /// ----------
    /// timeout : float, optional
    ///     How many seconds to wait for writers. ``None``: without limit; 0: not at all.
    ///
    /// Returns
    /// -------
    /// numpy.ndarray
    ///
    /// Raises
    /// ------
    /// TimedOut, Locked, Poisoned, WouldDeadlock
    ///     As `read`.
    ///
    /// Examples
    /// --------
    /// >>> field = sharray.create("field", data=np.eye(2), dir=folder)
    /// >>> before = field.snapshot()
    /// >>> field[...] = 7
    /// >>> before
    /// array([[1., 0.],
    ///        [0., 1.]])
    #[pyo3(signature = (timeout = None))]
    fn snapshot<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> Result<Bound<'py, PyUntypedArray>> {
        self.copy(py, timeout)
    }

    /// Views of so many rows after each other, under one lease: for arrays on a disk that are larger than memory.
    ///
    /// The kernel is told to read ahead, and what is behind is dropped from this process's memory: a scan runs at the disk's
    /// speed with a chunk and some 4 MiB in memory. A chunk that is kept is read again when it is touched.
    ///
    /// Parameters
    /// ----------
    /// rows : int
    ///     How many rows a chunk has; the last one has what is left.
    /// progress : object with update(n), optional
    ///     Is told of the rows that are done, as a bar of ``tqdm`` is; if its ``total`` is None, that is set first.
    /// uncached : bool, optional
    ///     Whether the kernel's cache forgets what is behind, too: for arrays that are read once and crowd out others.
    /// timeout : float, optional
    ///     How many seconds to wait for whoever writes. ``None``: without limit; 0: not at all.
    ///
    /// Returns
    /// -------
    /// iterator of ndarray
    ///     The lease ends with it. A loop that is left early ends it when the iterator is gone, or closed.
    ///
    /// Raises
    /// ------
    /// TimedOut, Locked, Poisoned, WouldDeadlock
    ///     As `read`.
    ///
    /// Notes
    /// -----
    /// In memory nothing is dropped, and there the chunks are slices. So they are of a part, and in Fortran order. An array that may
    /// only be read is copied as a whole; `memmap` scans its file without a lease.
    ///
    /// Examples
    /// --------
    /// >>> field = sharray.create("field", data=np.full((1000, 10), 0.5), dir=folder)
    /// >>> sum(rows.sum() for rows in field.chunks(64))
    /// np.float64(5000.0)
    #[pyo3(signature = (rows, *, progress = None, uncached = false, timeout = None))]
    fn chunks<'py>(
        &self,
        py: Python<'py>,
        rows: &Bound<'py, PyAny>,
        progress: Option<&Bound<'py, PyAny>>,
        uncached: bool,
        timeout: Option<f64>,
    ) -> Result<Bound<'py, PyAny>> {
        let scan = py.import("sharray._scan")?;
        let step = scan.getattr("step_of")?.call1((rows, self.part.ndim()))?.extract()?;
        let read = self.take_read(py, timeout)?;
        let ranges = if self.is_whole { Some(read.get().scan(py, step, uncached)?) } else { None };
        Ok(scan.getattr("lent")?.call1((read, ranges, step, progress))?)
    }

    /// The handle of one block, or of some in a row.
    ///
    /// Parameters
    /// ----------
    /// index : int
    ///     The block.
    /// count : int, optional
    ///     How many, from this one on.
    ///
    /// Returns
    /// -------
    /// Array
    ///
    /// Examples
    /// --------
    /// Whoever writes one block keeps nobody from the others:
    ///
    /// >>> field = sharray.create("field", (100, 4), blocks=10, dir=folder)
    /// >>> field.block(2).shape
    /// (10, 4)
    /// >>> with field.block(2).write(), field.block(3).write(timeout=0):
    /// ...     pass
    #[pyo3(signature = (index, count = 1))]
    fn block(&self, py: Python<'_>, index: usize, count: usize) -> Result<Self> {
        if !self.is_whole {
            return Err(PyTypeError::new_err("a part has no blocks of its own: ask the whole array").into());
        }
        let rows = self.mapped(py)?.get().array.rows(index..index.saturating_add(count))?;
        let slice = pyo3::types::PySlice::new(py, rows.start as isize, rows.end as isize, 1);
        if self.part.ndim() == 0 {
            return self.__getitem__(PyEllipsis::get(py).as_any());
        }
        self.__getitem__(&slice.into_any())
    }

    /// Waits until a write has ended since the array had a certain sequence.
    ///
    /// Parameters
    /// ----------
    /// since : int, optional
    ///     What `sequence` was. Default: what it is now.
    /// timeout : float, optional
    ///     How many seconds to wait.
    ///
    /// Returns
    /// -------
    /// int
    ///     What `sequence` is then.
    ///
    /// Raises
    /// ------
    /// TimedOut
    ///     If nothing was written in time.
    /// Retired
    ///     If the array was unlinked meanwhile.
    ///
    /// Examples
    /// --------
    /// >>> field = sharray.create("field", 3, dir=folder)
    /// >>> seen = field.sequence
    /// >>> field[0] = 1.5
    /// >>> field.wait_changed(seen, timeout=1)
    /// 2
    #[pyo3(signature = (since = None, timeout = None))]
    fn wait_changed(&self, py: Python<'_>, since: Option<u64>, timeout: Option<f64>) -> Result<u64> {
        let mapped = self.mapped(py)?;
        let array = &mapped.get().array;
        let since = since.unwrap_or_else(|| array.sequence());
        let changed = |timeout: Option<Duration>| array.wait_changed(since, timeout.unwrap_or(Duration::MAX));
        self.handle().wait(py, Patience::of(timeout)?, changed)
    }

    /// Writes the array to the disk, as far as the system does, and waits until it is there: what `numpy.memmap.flush`
    /// does, and no more. If the machine stops while somebody writes, the disk may have a part of what was written.
    ///
    /// Raises
    /// ------
    /// IoError
    ///     The disk fails; from then on it is `DurabilityLost`, since the system would call a second attempt a success.
    fn flush(&self, py: Python<'_>) -> Result<()> {
        let mapped = self.mapped(py)?;
        let array = &mapped.get().array;
        Ok(py.detach(|| array.flush())?)
    }

    /// Detaches. Views that were made before stay valid; the handle and its parts do not.
    fn close(&self, py: Python<'_>) {
        self.handle().close(py);
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) {
        self.close(py);
    }

    /// Writes the array into a .npy file, byte for byte as `numpy.save` would.
    ///
    /// The file is built beside the path and takes its place when it is whole. The kernel copies, and shares the disk's blocks
    /// where the file system can. The array is leased for reading meanwhile.
    ///
    /// Parameters
    /// ----------
    /// path : path-like
    ///     The file. Nothing is added to its name.
    /// progress : object with update(n), optional
    ///     Is told of the bytes that are done, as a bar of ``tqdm`` is; if its ``total`` is None, that is set first.
    ///
    /// Raises
    /// ------
    /// NoSpace
    ///     If the disk is full. What was at the path stays there.
    /// Poisoned, WouldDeadlock
    ///     As `read`.
    ///
    /// Examples
    /// --------
    /// >>> field = sharray.create("field", data=np.eye(3), dir=folder)
    /// >>> field.export_npy(folder / "eye.npy")
    /// >>> np.load(folder / "eye.npy").sum()
    /// np.float64(3.0)
    #[pyo3(signature = (path, *, progress = None))]
    fn export_npy(&self, py: Python<'_>, path: PathBuf, progress: Option<&Bound<'_, PyAny>>) -> Result<()> {
        let (mapped, mut progress) = (self.whole(py)?, Progress::of(progress));
        let array = &mapped.get().array;
        let done = py.detach(|| array.export_npy_with(path, |done, all| progress.tell(done, all)));
        progress.end(done)
    }

    /// Writes the items alone into a file, in the array's order: what `numpy.fromfile` and `memmap` read.
    ///
    /// Parameters
    /// ----------
    /// path : path-like
    ///     The file.
    /// progress : object with update(n), optional
    ///     As for `export_npy`.
    ///
    /// Raises
    /// ------
    /// NoSpace, Poisoned, WouldDeadlock
    ///     As `export_npy`.
    ///
    /// Examples
    /// --------
    /// >>> field = sharray.create("field", data=np.arange(3), dir=folder)
    /// >>> field.export_raw(folder / "field.dat")
    /// >>> np.fromfile(folder / "field.dat", int)
    /// array([0, 1, 2])
    #[pyo3(signature = (path, *, progress = None))]
    fn export_raw(&self, py: Python<'_>, path: PathBuf, progress: Option<&Bound<'_, PyAny>>) -> Result<()> {
        let (mapped, mut progress) = (self.whole(py)?, Progress::of(progress));
        let array = &mapped.get().array;
        let done = py.detach(|| array.export_raw(path, |done, all| progress.tell(done, all)));
        progress.end(done)
    }

    /// A true `numpy.memmap` of the items, for programs that know those: joblib passes it to its workers as it is.
    ///
    /// Nobody is kept from changing the items meanwhile.
    ///
    /// Parameters
    /// ----------
    /// mode : {'r', 'r+', 'c'}, optional
    ///     As for `numpy.memmap`.
    ///
    /// Returns
    /// -------
    /// numpy.memmap
    ///
    /// Raises
    /// ------
    /// Replaced
    ///     If another array has the name by now.
    /// ReadOnly
    ///     If the handle may only read, and the map is to be written to.
    ///
    /// Examples
    /// --------
    /// >>> field = sharray.create("field", data=np.eye(3), dir=folder)
    /// >>> field[1:].as_memmap()
    /// memmap([[0., 1., 0.],
    ///         [0., 0., 1.]])
    #[pyo3(signature = (mode = "r"))]
    fn as_memmap<'py>(&self, py: Python<'py>, mode: &str) -> Result<Bound<'py, PyAny>> {
        if !["r", "r+", "c"].contains(&mode) {
            return Err(PyValueError::new_err(format!("mode is {mode:?}, expected 'r', 'r+' or 'c'")).into());
        }
        let mapped = self.mapped(py)?;
        let array = &mapped.get().array;
        if mode == "r+" && self.handle().is_read_only {
            return Err(Error::ReadOnly { name: self.handle().name.to_string() }.into());
        }
        let info = self.handle().place.inspect(&self.handle().name)?;
        if info.generation != self.handle().generation {
            let name = &self.handle().name;
            return Err(exception(py, "Replaced", name, &format!("another array has the name {name:?} by now")).into());
        }
        let options = PyDict::new(py);
        options.set_item("dtype", self.handle().dtype(py))?;
        options.set_item("mode", mode)?;
        options.set_item("offset", info.data_offset)?;
        options.set_item("shape", PyTuple::new(py, array.shape())?)?;
        options.set_item("order", letter_of(array.order()))?;
        let whole = py.import("numpy")?.getattr("memmap")?.call((info.path.as_os_str(),), Some(&options))?;
        if self.is_whole {
            return Ok(whole);
        }
        let helper = py.import("sharray._numpy")?.getattr("part_of")?;
        Ok(helper.call1((whole, self.part.offset(), self.part.shape(), self.part.strides()))?)
    }

    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        &self.handle().name
    }

    /// The items' dtype.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> Bound<'py, PyArrayDescr> {
        self.handle().dtype(py).clone()
    }

    /// Its shape.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.part.shape())
    }

    /// The distance in bytes from one item to the next along each dimension.
    #[getter]
    fn strides<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.part.strides())
    }

    /// How many dimensions it has.
    #[getter]
    fn ndim(&self) -> usize {
        self.part.ndim()
    }

    /// How many items it has.
    #[getter]
    fn size(&self) -> usize {
        self.part.size()
    }

    /// The bytes of one item.
    #[getter]
    fn itemsize(&self, py: Python<'_>) -> PyResult<usize> {
        self.handle().dtype(py).getattr("itemsize")?.extract()
    }

    /// The bytes of all items.
    #[getter]
    fn nbytes(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.size() * self.itemsize(py)?)
    }

    /// ``'C'`` or ``'F'``: how the items of the whole array stand in memory.
    #[getter]
    fn order(&self, py: Python<'_>) -> Result<&'static str> {
        Ok(letter_of(self.mapped(py)?.get().array.order()))
    }

    /// How many blocks the whole array is divided into, each with a lock of its own.
    #[getter]
    fn blocks(&self, py: Python<'_>) -> Result<usize> {
        Ok(self.mapped(py)?.get().array.blocks())
    }

    /// Two for each write that has ended, and one more while any is under way.
    #[getter]
    fn sequence(&self, py: Python<'_>) -> Result<u64> {
        Ok(self.mapped(py)?.get().array.sequence())
    }

    /// The facts that it was created with.
    #[getter]
    fn attributes<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        Ok(attributes_to_python(py, self.mapped(py)?.get().array.attributes())?)
    }

    /// Whether it can only be copied, because the file may only be read.
    #[getter]
    fn is_read_only(&self) -> bool {
        self.handle().is_read_only
    }

    /// Whether it was found and not written: it was last used before the machine started, or it is a copy of a file. If the
    /// machine lost its power while somebody wrote, the items are not what any write left.
    #[getter]
    fn is_unverified(&self, py: Python<'_>) -> Result<bool> {
        Ok(self.mapped(py)?.get().array.is_unverified())
    }

    /// Whether it was unlinked: those who are attached go on, nobody else can attach.
    #[getter]
    fn is_retired(&self, py: Python<'_>) -> Result<bool> {
        Ok(self.mapped(py)?.get().array.is_retired())
    }

    /// Raises if somebody cut the file short while it was mapped.
    ///
    /// Every other method says so too, and so does the end of a ``read()`` or ``write()`` block. This one is for those who look
    /// at live views, which cannot: what is gone reads as zeros there.
    ///
    /// Raises
    /// ------
    /// Truncated
    ///     If so. The handle is of no more use; a new one is, once the file is whole.
    /// IoError
    ///     If a page could not be had though the file is long enough: it was cut for a moment, or its disk failed.
    fn check_whole(&self, py: Python<'_>) -> Result<()> {
        Ok(self.mapped(py)?.get().array.check_whole()?)
    }

    /// Whether this handle was closed.
    #[getter]
    fn is_closed(&self, py: Python<'_>) -> bool {
        self.handle().is_closed(py)
    }

    /// Which incarnation of the name this is: unlinked and created again, an array has another one.
    #[getter]
    fn generation<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        generation_to_python(py, self.handle().generation)
    }

    /// The handle of a part of it: integers, slices, ``...`` and ``None``. It reads nothing yet, and pickles by name.
    fn __getitem__(&self, index: &Bound<'_, PyAny>) -> Result<Self> {
        let part = self.part.pick(index)?;
        let is_whole = self.is_whole && part == self.part;
        let blocks = part.blocks(&self.mapped(index.py())?.get().array)?;
        Ok(Self { handle: self.handle.clone_ref(index.py()), part, blocks, is_whole })
    }

    /// Writes to a part of it, under a lease.
    fn __setitem__(&self, py: Python<'_>, index: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> Result<()> {
        let part = self.__getitem__(index)?;
        // What does not fit is found out before anything is written.
        let fitting = py.import("sharray._numpy")?.getattr("fitting")?;
        let value = fitting.call1((value, part.handle().dtype(py), PyTuple::new(py, part.part.shape())?))?;
        let write = part.take_write(py, None)?;
        let done = write.get().lend(py).and_then(|items| Ok(items.set_item(PyEllipsis::get(py), value)?));
        Write::release(&write, done.is_err())?;
        done
    }

    fn __len__(&self) -> PyResult<usize> {
        let shape = self.part.shape();
        shape.first().copied().ok_or_else(|| PyTypeError::new_err("len() of an array without dimensions"))
    }

    fn __int__<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        self.as_number(py, "__int__")
    }

    fn __float__<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        self.as_number(py, "__float__")
    }

    fn __complex__<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        self.as_number(py, "__complex__")
    }

    fn __iter__<'py>(slf: &Bound<'py, Self>, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let Some(rows) = slf.get().part.shape().first() else {
            return Err(PyTypeError::new_err("an array without dimensions has no rows to iterate over").into());
        };
        let (range, row) = (PyRange::new(py, 0, *rows as isize)?, slf.getattr("__getitem__")?);
        Ok(py.import("builtins")?.getattr("map")?.call1((row, range))?)
    }

    /// That of its item; with dimensions, whether it has rows, as of any sequence.
    fn __bool__(&self, py: Python<'_>) -> Result<bool> {
        match self.part.shape().first() {
            Some(rows) => Ok(*rows > 0),
            None => Ok(self.copy(py, None)?.is_truthy()?),
        }
    }

    /// Whether any of the items equals it. Looks under a lease.
    fn __contains__(&self, py: Python<'_>, item: &Bound<'_, PyAny>) -> Result<bool> {
        let read = self.take_read(py, None)?;
        let found = read.get().lend(py).and_then(|items| Ok(items.contains(item)?));
        let released = Read::release(&read);
        let found = found?;
        released.map(|()| found)
    }

    /// The items as they are, read-only and live; a copy if `copy` says so or the dtype differs.
    #[pyo3(signature = (dtype = None, copy = None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> Result<Bound<'py, PyAny>> {
        let wanted = dtype.map(|dtype| PyArrayDescr::new(py, dtype.clone())).transpose()?;
        let has_it = wanted.as_ref().is_none_or(|wanted| wanted.eq(self.handle().dtype(py)).unwrap_or(false));
        if has_it && copy != Some(true) {
            return Ok(self.live(py)?.into_any());
        }
        if copy == Some(false) {
            let message = "the array has another dtype: it cannot be had without a copy";
            return Err(PyValueError::new_err(message).into());
        }
        let copied = self.copy(py, None)?.into_any();
        match wanted {
            Some(wanted) if !has_it => Ok(copied.call_method1("astype", (wanted,))?),
            _ => Ok(copied),
        }
    }

    #[allow(unsafe_code, reason = "the interpreter's own interface")]
    unsafe fn __getbuffer__(&self, py: Python<'_>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let live = self.live(py)?;
        // SAFETY: the interpreter gives what it asks to be filled.
        unsafe { view::lend_buffer(&live, view, flags) }
    }

    /// The items as they are, read-only and live, for another library.
    #[pyo3(signature = (**options))]
    fn __dlpack__<'py>(&self, py: Python<'py>, options: Option<&Bound<'py, PyDict>>) -> Result<Bound<'py, PyAny>> {
        Ok(self.live(py)?.call_method("__dlpack__", (), options)?)
    }

    fn __dlpack_device__<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        Ok(self.live(py)?.call_method0("__dlpack_device__")?)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let restore = py.import("sharray._sharray")?.getattr("_attach_array")?;
        let Handle { name, place, is_read_only, generation, .. } = self.handle();
        let part = if self.is_whole { None } else { Some(self.part.tell()) };
        let generation = PyBytes::new(py, generation);
        let told = (place.path().as_os_str(), place.trusts_others(), &**name, is_read_only, generation, part);
        (restore, told).into_pyobject(py)
    }

    /// What tells dask whether two handles show the same items: which array, which part, and how often it was written.
    fn __dask_tokenize__<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyTuple>> {
        let part = self.part.tell();
        let generation = PyBytes::new(py, &self.handle().generation);
        let sequence = self.mapped(py)?.get().array.sequence();
        Ok(("sharray.Array", generation, part, sequence).into_pyobject(py)?)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let shape = PyTuple::new(py, self.part.shape())?.repr()?;
        let dtype = self.handle().dtype(py).call_method0("__str__")?;
        let part = if self.is_whole { "" } else { "part of " };
        let state = match (self.is_closed(py), self.handle().is_read_only) {
            (true, _) => ", closed",
            (false, true) => ", read-only",
            (false, false) => "",
        };
        Ok(format!("<sharray.Array {part}{:?}: {dtype} {shape}{state}>", self.handle().name))
    }

    fn _repr_html_<'py>(slf: Bound<'py, Self>, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("sharray._html")?.getattr("of_array")?.call1((slf,))
    }

    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, pyo3::types::PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        class.py().import("types")?.getattr("GenericAlias")?.call1((class, item))
    }
}

/// The options that all functions that make arrays have.
fn builder_of(
    place: &Directory,
    blocks: usize,
    attributes: Option<&Bound<'_, PyDict>>,
    participants: u32,
    permissions: u32,
    huge_pages: bool,
) -> Result<ArrayBuilder<AnyArray>> {
    let mut builder = AnyArray::builder()
        .directory(place)
        .blocks(blocks)
        .participants(participants)
        .permissions(permissions)
        .huge_pages(huge_pages);
    for (key, value) in attributes_of(attributes)? {
        builder = builder.attribute(&key, value);
    }
    Ok(builder)
}

/// Creates an array in place.
///
/// Parameters
/// ----------
/// name : str
///     Its name: one or more parts of letters, digits, ``.``, ``_`` and ``-``, joined by ``/``.
/// shape : int or tuple of int, optional
///     Its shape. Default: that of `data`.
/// dtype : data-type, optional
///     Its dtype. Default: that of `data`, or float64.
/// data : array_like, optional
///     Its contents: nobody ever attaches to zeros.
/// order : {'C', 'F'}, optional
///     How the items stand in memory. Default: ``'C'``.
/// blocks : int, optional
///     Into how many blocks to divide it along its first axis, each with a lock of its own.
/// attributes : dict, optional
///     Facts to attach to it for ever; what JSON can say.
/// participants : int, optional
///     How many handles can be attached at a time.
/// permissions : int, optional
///     The permissions of the file, as for ``chmod``.
/// huge_pages : bool, optional
///     Whether to align the items so that the kernel can use pages of 2 MiB.
/// dir : path-like or Directory, optional
///     The place. Default: ``$SHARRAY_DIR``, or else ``/dev/shm/sharray-<uid>``.
///
/// Returns
/// -------
/// Array
///
/// Raises
/// ------
/// AlreadyExists
///     If the name is taken. What was there is left as it is.
/// UnsupportedDtype, ShapeOverflow, InvalidName, InvalidArgument, NoSpace
///
/// Examples
/// --------
/// >>> field = sharray.create("field", data=np.eye(3), dir=folder)
/// >>> field
/// <sharray.Array "field": float64 (3, 3)>
#[pyfunction]
#[pyo3(signature = (
    name, shape = None, dtype = None, *, data = None, order = None, blocks = 1, attributes = None, participants = 64,
    permissions = 0o600, huge_pages = false, dir = None
))]
#[allow(clippy::too_many_arguments, clippy::fn_params_excessive_bools, reason = "they are keywords in Python")]
pub(crate) fn create(
    py: Python<'_>,
    name: &str,
    shape: Option<&Bound<'_, PyAny>>,
    dtype: Option<&Bound<'_, PyAny>>,
    data: Option<&Bound<'_, PyAny>>,
    order: Option<&str>,
    blocks: usize,
    attributes: Option<&Bound<'_, PyDict>>,
    participants: u32,
    permissions: u32,
    huge_pages: bool,
    dir: Option<&Bound<'_, PyAny>>,
) -> Result<Array> {
    let place = place_of(dir)?;
    let numpy = py.import("numpy")?;
    let data = data.map(|data| numpy.getattr("asanyarray")?.call1((data,))).transpose()?;
    let dtype = match (dtype, &data) {
        (Some(dtype), _) => dtype::from_python(dtype)?,
        (None, Some(data)) => dtype::from_python(&data.getattr("dtype")?)?,
        (None, None) => sharray::DType::F64,
    };
    let shape = match (shape, &data) {
        (Some(shape), _) => shape_of(shape)?,
        (None, Some(data)) => shape_of(&data.getattr("shape")?)?,
        (None, None) => return Err(PyTypeError::new_err("create() needs a shape or data").into()),
    };
    let builder = builder_of(&place, blocks, attributes, participants, permissions, huge_pages)?
        .order(order_of(order.unwrap_or("C"))?);
    let Some(data) = data else {
        return Array::new(py, place, builder.create(name, &dtype, &shape)?);
    };
    let mut raised = None;
    let made = builder.create_with(name, &dtype, &shape, |guard| {
        fill_from(py, guard, &data).map_err(|error| {
            raised = Some(error);
            Error::InvalidArgument { name: name.to_owned(), reason: "its contents do not fit".to_owned() }
        })
    });
    match raised {
        Some(error) => Err(error.into()),
        None => Array::new(py, place, made?),
    }
}

/// Writes contents into a new array, as an assignment to it does.
pub(crate) fn fill_from(py: Python<'_>, guard: &mut AnyWriteGuard<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
    let (shape, descr) = (guard.shape(), dtype::to_python(py, guard.dtype())?);
    let strides: Vec<isize> = guard.strides().iter().map(|stride| *stride as isize).collect();
    let placed =
        Placed { base: guard.as_mut_ptr(), shape: &shape, strides: Strides::Given(&strides), is_writeable: true };
    // SAFETY: the guard lends the whole array to be written. The view is dropped before it, and nobody else sees it:
    // an assignment keeps no reference to where it copies.
    #[allow(unsafe_code, reason = "NumPy writes the items")]
    let target = unsafe { view::array(py, &descr, placed, py.None().into_bound(py)) };
    target.and_then(|target| target.set_item(PyEllipsis::get(py), data))
}

/// Attaches to an array in place, or to a table that grows.
///
/// Parameters
/// ----------
/// name : str
///     The array.
/// mode : {'r+', 'r'}, optional
///     ``'r'``: take no part, write nothing into the file, and read copies.
/// wait : float, optional
///     How many seconds to wait until the array exists.
/// dir : path-like or Directory, optional
///     The place.
///
/// Returns
/// -------
/// Array or Table
///     Its dtype, shape and order are those that the file tells.
///
/// Raises
/// ------
/// NotFound
///     If there is no such array.
/// Mismatch
///     If the name is that of a stream or a cell.
/// TimedOut
///     If it did not appear in time.
///
/// Examples
/// --------
/// >>> field = sharray.create("field", data=np.eye(3), dir=folder)
/// >>> sharray.attach("field", mode="r", dir=folder)
/// <sharray.Array "field": float64 (3, 3), read-only>
#[pyfunction]
#[pyo3(name = "attach", signature = (name, *, mode = "r+", wait = None, dir = None))]
pub(crate) fn attach_by_name(
    py: Python<'_>,
    name: &str,
    mode: &str,
    wait: Option<f64>,
    dir: Option<&Bound<'_, PyAny>>,
) -> Result<Py<PyAny>> {
    let place = place_of(dir)?;
    let (arrays, tables) = (AnyArray::builder().directory(&place), AnyGrowable::builder().directory(&place));
    let (arrays, tables) =
        if is_read_only(mode)? { (arrays.read_only(), tables.read_only()) } else { (arrays, tables) };
    let attempt = |wait: Option<Duration>| {
        let arrays = wait.map_or_else(|| arrays.clone(), |wait| arrays.clone().wait(wait));
        match arrays.attach(name) {
            // It is neither, or it is a table.
            Err(error @ Error::Mismatch { .. }) => match tables.attach(name) {
                Err(Error::Mismatch { .. }) => Err(error),
                other => other.map(Found::Table),
            },
            other => other.map(Found::Array),
        }
    };
    match attach_within(py, wait, attempt)? {
        Found::Array(array) => Ok(Py::new(py, Array::new(py, place, array)?)?.into_any()),
        Found::Table(table) => Ok(Py::new(py, Table::new(py, place, table)?)?.into_any()),
    }
}

/// What a name stands for.
enum Found {
    Array(AnyArray),
    Table(AnyGrowable),
}

/// Attaches to an array in place if it is there, or else creates it.
///
/// Parameters
/// ----------
/// name : str
///     The array.
/// shape : int or tuple of int
///     Its shape. One that is there must have it.
/// dtype : data-type, optional
///     Its dtype. Default: float64. One that is there must have it.
/// order : {'C', 'F'}, optional
///     How the items stand in memory. One that is there must have it.
/// blocks, attributes, participants, permissions, huge_pages : optional
///     As for `create`. One that is there keeps its own.
/// dir : path-like or Directory, optional
///     The place.
///
/// Returns
/// -------
/// Array
///
/// Raises
/// ------
/// Mismatch
///     If what is there is of another kind, dtype, shape or order.
///
/// Examples
/// --------
/// Whichever process comes first creates it:
///
/// >>> mine = sharray.open("field", (3, 3), "i4", dir=folder)
/// >>> yours = sharray.open("field", (3, 3), "i4", dir=folder)
/// >>> mine[0, 0] = 1
/// >>> int(yours.snapshot()[0, 0])
/// 1
#[pyfunction]
#[pyo3(signature = (
    name, shape, dtype = None, *, order = "C", blocks = 1, attributes = None, participants = 64, permissions = 0o600,
    huge_pages = false, dir = None
))]
#[allow(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub(crate) fn open(
    py: Python<'_>,
    name: &str,
    shape: &Bound<'_, PyAny>,
    dtype: Option<&Bound<'_, PyAny>>,
    order: &str,
    blocks: usize,
    attributes: Option<&Bound<'_, PyDict>>,
    participants: u32,
    permissions: u32,
    huge_pages: bool,
    dir: Option<&Bound<'_, PyAny>>,
) -> Result<Array> {
    let place = place_of(dir)?;
    let builder =
        builder_of(&place, blocks, attributes, participants, permissions, huge_pages)?.order(order_of(order)?);
    let dtype = dtype.map_or(Ok(sharray::DType::F64), dtype::from_python)?;
    let array = builder.open(name, &dtype, &shape_of(shape)?)?;
    Array::new(py, place, array)
}

/// Creates an array in place from a .npy file: its dtype, shape and order are what the file says.
///
/// The contents are there when the name appears. The kernel copies, and shares the disk's blocks where the file system can.
///
/// Parameters
/// ----------
/// path : path-like
///     The file.
/// name : str
///     The array's name.
/// progress : object with update(n), optional
///     Is told of the bytes that are done, as a bar of ``tqdm`` is; if its ``total`` is None, that is set first. What it
///     raises is raised when the copy is done.
/// blocks, attributes, participants, permissions, huge_pages : optional
///     As for `create`.
/// dir : path-like or Directory, optional
///     The place. Default: ``$SHARRAY_DIR``, or else ``/dev/shm/sharray-<uid>``.
///
/// Returns
/// -------
/// Array
///
/// Raises
/// ------
/// MissingFile
///     If there is no such file.
/// InvalidPreamble, Truncated, UnsupportedDtype
///     If it is not a whole .npy file, or holds objects.
/// AlreadyExists, NoSpace
///     As for `create`.
///
/// Examples
/// --------
/// >>> folder.mkdir()
/// >>> np.save(folder / "eye.npy", np.eye(3))
/// >>> sharray.import_npy(folder / "eye.npy", "eye", dir=folder)
/// <sharray.Array "eye": float64 (3, 3)>
#[pyfunction]
#[pyo3(signature = (
    path, name, *, progress = None, blocks = 1, attributes = None, participants = 64, permissions = 0o600,
    huge_pages = false, dir = None
))]
#[allow(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub(crate) fn import_npy(
    py: Python<'_>,
    path: PathBuf,
    name: &str,
    progress: Option<&Bound<'_, PyAny>>,
    blocks: usize,
    attributes: Option<&Bound<'_, PyDict>>,
    participants: u32,
    permissions: u32,
    huge_pages: bool,
    dir: Option<&Bound<'_, PyAny>>,
) -> Result<Array> {
    let place = place_of(dir)?;
    let builder = builder_of(&place, blocks, attributes, participants, permissions, huge_pages)?;
    let mut progress = Progress::of(progress);
    let made = py.detach(|| builder.import_npy_with(name, path, |done, all| progress.tell(done, all)));
    Array::new(py, place, progress.end(made)?)
}

/// Creates an array in place from a file without a header.
///
/// Parameters
/// ----------
/// path : path-like
///     The file.
/// name : str
///     The array's name.
/// shape : int or tuple of int
///     Its shape.
/// dtype : data-type, optional
///     Its dtype. Default: float64.
/// offset : int, optional
///     Where the first item is in the file, in bytes.
/// order : {'C', 'F'}, optional
///     How the items stand in the file, and in the array.
/// progress, blocks, attributes, participants, permissions, huge_pages : optional
///     As for `import_npy`.
/// dir : path-like or Directory, optional
///     The place. Default: ``$SHARRAY_DIR``, or else ``/dev/shm/sharray-<uid>``.
///
/// Returns
/// -------
/// Array
///
/// Raises
/// ------
/// MissingFile, Truncated, UnsupportedDtype, AlreadyExists, NoSpace
///     As for `import_npy`.
///
/// Examples
/// --------
/// >>> folder.mkdir()
/// >>> np.arange(6, dtype="i4").tofile(folder / "six.dat")
/// >>> sharray.import_raw(folder / "six.dat", "four", 4, "i4", offset=8, dir=folder).snapshot()
/// array([2, 3, 4, 5], dtype=int32)
#[pyfunction]
#[pyo3(signature = (
    path, name, shape, dtype = None, *, offset = 0, order = "C", progress = None, blocks = 1, attributes = None,
    participants = 64, permissions = 0o600, huge_pages = false, dir = None
))]
#[allow(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub(crate) fn import_raw(
    py: Python<'_>,
    path: PathBuf,
    name: &str,
    shape: &Bound<'_, PyAny>,
    dtype: Option<&Bound<'_, PyAny>>,
    offset: u64,
    order: &str,
    progress: Option<&Bound<'_, PyAny>>,
    blocks: usize,
    attributes: Option<&Bound<'_, PyDict>>,
    participants: u32,
    permissions: u32,
    huge_pages: bool,
    dir: Option<&Bound<'_, PyAny>>,
) -> Result<Array> {
    let place = place_of(dir)?;
    let builder =
        builder_of(&place, blocks, attributes, participants, permissions, huge_pages)?.order(order_of(order)?);
    let dtype = dtype.map_or(Ok(sharray::DType::F64), dtype::from_python)?;
    let shape = shape_of(shape)?;
    let mut progress = Progress::of(progress);
    let tell = |done, all| progress.tell(done, all);
    let made = py.detach(|| builder.import_raw(name, path, offset, &dtype, &shape, tell));
    Array::new(py, place, progress.end(made)?)
}

/// Unpickles a handle.
#[pyfunction]
#[pyo3(name = "_attach_array")]
pub(crate) fn attach_again(
    py: Python<'_>,
    path: PathBuf,
    trusts_others: bool,
    name: &str,
    is_read_only: bool,
    generation: [u8; 16],
    part: Option<Told>,
) -> Result<Array> {
    let place = if trusts_others { Directory::open_trusting_others(path)? } else { Directory::open(path)? };
    let whole = Array::new(py, place.clone(), attach(py, &place, name, is_read_only, generation)?)?;
    let Some(part) = part else { return Ok(whole) };
    let mapped = whole.mapped(py)?;
    let array = &mapped.get().array;
    let part = Part::heard(part, array)?;
    let blocks = part.blocks(array)?;
    Ok(Array { handle: whole.handle, part, blocks, is_whole: false })
}

//! A mapped, validated file: the one place where bytes become typed words.
//!
//! The identity page is read once with `pread`, checked against the file's true length and against the plan that its
//! own counts make, and kept as a private copy. Afterwards the shared bytes are touched in three ways only: control
//! words through atomics, at offsets that follow from the private copy; payloads through a lease, as raw pointers that
//! guard.rs lends out; and payloads without a lease, through sys/copy.rs.

#![allow(unsafe_code, reason = "offsets that were checked become words")]

mod durable;
mod header;
mod part;
mod room;
mod table;
mod world;

pub(crate) use part::Part;

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::layout::{
    self, CONTROL_OFF, Control, Counts, HUGE_PAGE, Identity, IdentityPage, LINE, PAGE, PARTICIPANTS_OFF, Participant,
    Region, SlotHeader,
};
use crate::npy;
use crate::protocol::word::{Word, World};
use crate::shape::{self, Order};
use crate::sys::copy::{AlignedBytes, copy_in, copy_out};
use crate::sys::fork::{Epoch, LockFile};
use crate::sys::mapping::Mapping;
use crate::sys::pages::Pages;
use crate::sys::{file, futex, process};
use header::{Attributes, read_header};
use std::fmt;
use std::fs::{File, Metadata};
use std::mem::offset_of;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::Ordering::{self, Relaxed};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Mutex, OnceLock};

/// Why an array cannot be where files are for reading and writing alone.
const NO_MAPS: &str = "its files cannot be mapped by several processes";

/// How much is copied before looking whether it is still of use.
const PART_BYTES: usize = 1 << 20;

/// The words of a slot's header before the frame's shape.
const SLOT_WORDS: usize = size_of::<SlotHeader>() / 8;

/// What an array's items are and how they are arranged; the same for every attach, for ever.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Form {
    pub(crate) kind: Kind,
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    pub(crate) order: Order,
}

impl Form {
    /// As an error message names it.
    pub(crate) fn describe(&self) -> String {
        if self.kind == Kind::Team {
            return self.kind.to_string();
        }
        if let (Kind::Growable, [_, row @ ..]) = (self.kind, self.shape.as_slice()) {
            return format!("{} of {}, each row of shape {row:?}", self.kind, self.dtype);
        }
        let order = if self.shape.len() > 1 { format!(", order {:?}", self.order) } else { String::new() };
        format!("{} of {} {:?}{order}", self.kind, self.dtype, self.shape)
    }

    pub(crate) fn size_bytes(&self) -> Result<usize> {
        shape::checked_size_bytes(&self.shape, self.dtype.itemsize())
    }

    /// How many blocks it can have. An array in place has a row in each, or one block, so that no two have an item in
    /// common.
    pub(crate) fn most_blocks(&self) -> u32 {
        let rows = self.shape.first().map_or(1, |rows| (*rows).max(1)).min(layout::MAX_BLOCKS as usize) as u32;
        match self.kind {
            Kind::InPlace => rows,
            Kind::Cell | Kind::Growable => 1,
            Kind::Stream | Kind::Team => layout::MAX_BLOCKS,
        }
    }
}

/// A file that is to be made.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) form: Form,
    pub(crate) flags: u32,
    pub(crate) slots: u32,
    pub(crate) ring: u32,
    pub(crate) participants: u32,
    pub(crate) blocks: u32,
    pub(crate) huge_pages: bool,
    pub(crate) attributes: Attributes,
}

/// What a frame's header says beside its version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// The frame's own shape, where it is not the declared one.
    pub(crate) shape: Option<Box<[usize]>>,
    pub(crate) monotonic_ns: u64,
    pub(crate) time_ns: u64,
    pub(crate) acquired_ns: u64,
    pub(crate) tags: [u64; 2],
}

/// Tells a file from all others, as long as somebody has it open: its device and its inode. A copy of an array is
/// another array, though its bytes say that it is the same.
pub(crate) type FileId = (u64, u64);

/// The file of one array as one attach of this process sees it.
pub(crate) struct Segment {
    name: String,
    identity: Identity,
    form: Form,
    size_bytes: u64,
    attributes: Attributes,
    mapping: Mapping,
    locks: LockFile,
    file: FileId,
    /// Whether the file had a name when it was opened.
    had_name: bool,
    /// One thread at a time looks for the dead: kernel locks do not exclude threads that share a description.
    recovering: Mutex<()>,
    own: OnceLock<u32>,
    epoch: Epoch,
}

impl Segment {
    /// Fills a nameless file according to `spec`: reserved, laid out, all words zero, nobody attached.
    pub(crate) fn create(name: &str, file: &File, spec: &Spec) -> Result<Self> {
        let io = |action| move |source: std::io::Error| Error::io(action, name, source);
        let size = spec.form.size_bytes()? as u64;
        let stride = if spec.slots == 1 { Some(size) } else { layout::slot_stride(size) };
        let too_large =
            || Error::ShapeOverflow { shape: spec.form.shape.clone(), itemsize: spec.form.dtype.itemsize() };
        let stride = stride.ok_or_else(too_large)?;
        let mut attributes = spec.attributes.clone();
        let told = spec.form.dtype.npy_attribute().map(serde_json::Value::from);
        if let Some(given) = attributes.get("dtype").filter(|given| Some(*given) != told.as_ref()) {
            let reason = format!("the attribute 'dtype' belongs to the format, and {given} does not tell the dtype");
            return Err(Error::invalid(name, reason));
        }
        attributes.extend(told.map(|dtype| ("dtype".to_owned(), dtype)));
        let attributes_text =
            if attributes.is_empty() { Vec::new() } else { serde_json::Value::Object(attributes).to_string().into() };
        let Form { dtype, shape, order, .. } = spec.form.clone();
        let told = npy::Preamble { dtype, order, shape }.of_slots(spec.slots as usize, stride as usize)?;
        let preamble = told.to_bytes(told.min_len())?;
        let (kind, flag) = spec.form.kind.to_bits();
        let counts = Counts {
            kind,
            flags: spec.flags | flag,
            nslots: spec.slots,
            slot_stride: stride,
            ring: spec.ring,
            nparts: spec.participants,
            nblocks: spec.blocks,
            ndim: spec.form.shape.len() as u32,
            attributes_len: attributes_text.len() as u64,
            preamble_len: preamble.len() as u64,
            align: if spec.huge_pages { HUGE_PAGE } else { PAGE },
        };
        let mut identity = Identity::plan(&counts).ok_or_else(too_large)?;
        identity.uuid = random()?;
        identity.created_ns = futex::wall_ns();
        identity.check(counts.ndim).map_err(|reason| Error::invalid(name, reason))?;

        room::make(name, file, &identity)?;
        step!();
        file.write_all_at(&attributes_text, identity.attributes.off).map_err(io("write"))?;
        step!();
        file.write_all_at(&preamble, identity.preamble.off).map_err(io("write"))?;
        step!();
        let text_crc = crc32c::crc32c_append(crc32c::crc32c(&preamble), &attributes_text);
        let page = IdentityPage::seal(identity, text_crc);
        file.write_all_at(bytemuck::bytes_of(&page), 0).map_err(io("write"))?;
        let segment = Self::open(name, file, true)?;
        segment.stamp();
        Ok(segment)
    }

    /// Reads, checks and maps a file. Takes no lock and registers nothing.
    pub(crate) fn open(name: &str, file: &File, writable: bool) -> Result<Self> {
        let meta = file.metadata().map_err(|error| Error::io("examine", name, error))?;
        Self::open_examined(name, file, &meta, writable, || None)
    }

    /// The same for a file of which `meta` is known. `second` opens what has its name by now, likely the same file.
    ///
    /// Locks need a description of their own, since a mapping keeps that through which it was made.
    pub(crate) fn open_examined(
        name: &str,
        file: &File,
        meta: &Metadata,
        writable: bool,
        second: impl FnOnce() -> Option<File>,
    ) -> Result<Self> {
        let io = |action| move |source: std::io::Error| Error::io(action, name, source);
        let (identity, form, attributes) = read_header(name, file, meta.len())?;
        let same = |other: &File| other.metadata().is_ok_and(|other| id_of(&other) == id_of(meta));
        let apart = || second().filter(same).map_or_else(|| file::reopen(file, writable), Ok);
        let locks = LockFile::open(apart).map_err(io("open a second description of"))?;
        // Checked against the file's own length, which fits.
        let mapping = Mapping::new(file, identity.file_len as usize, writable, locks.file());
        let mapping = mapping.map_err(|error| match error.raw_os_error() {
            Some(libc::ENODEV) => Error::UnsupportedFilesystem { path: name.into(), reason: NO_MAPS },
            _ => Error::io("map", name, error),
        })?;
        let epoch = Epoch::current().map_err(io("watch for forks of the process that uses"))?;
        let size_bytes = form.size_bytes()? as u64;
        let (recovering, own) = (Mutex::new(()), OnceLock::new());
        let (name, file, had_name) = (name.to_owned(), id_of(meta), meta.nlink() > 0);
        let segment = Self {
            name,
            identity,
            form,
            size_bytes,
            attributes,
            mapping,
            locks,
            file,
            had_name,
            recovering,
            own,
            epoch,
        };
        segment.touch();
        Ok(segment)
    }

    /// Touches the pages that an attach is about to look at, by stores that change nothing.
    ///
    /// A page that is first touched by a store is mapped alone. A load would map its neighbours with it, which costs
    /// more than both faults, there and when they are unmapped.
    fn touch(&self) {
        if self.mapping.is_writable() {
            for offset in [CONTROL_OFF + offset_of!(Control, head) as u64, PARTICIPANTS_OFF] {
                self.word64(offset).fetch_or(0, Relaxed);
            }
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn form(&self) -> &Form {
        &self.form
    }

    pub(crate) fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// Bytes of one whole array or frame.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.mapping.is_writable()
    }

    pub(crate) fn lock_file(&self) -> &File {
        self.locks.file()
    }

    /// Says which record is this attach's own.
    pub(crate) fn set_own(&self, participant: u32) {
        _ = self.own.set(participant);
    }

    /// Whether the process was forked since: the leases are the parent's.
    #[inline]
    pub(crate) fn is_inherited(&self) -> bool {
        self.epoch.is_over()
    }

    /// To be asked after the mapped bytes were used, and before what they said is believed: whether somebody cut the file
    /// short, so that some of them were zeros of our own. One load.
    ///
    /// # Errors
    /// [`Error::Truncated`]; [`Error::Io`] if the file is long enough by now, and still a page of it could not be had. Once
    /// said, it is said for ever: what this attach has mapped is the file no more.
    #[inline]
    pub(crate) fn check_whole(&self) -> Result<()> {
        if self.is_whole() { Ok(()) } else { self.explain_loss() }
    }

    /// Whether [`check_whole`](Self::check_whole) has nothing to say.
    #[inline]
    pub(crate) fn is_whole(&self) -> bool {
        self.mapping.loss().is_none()
    }

    #[cold]
    fn explain_loss(&self) -> Result<()> {
        self.mapping.loss().map_or(Ok(()), |loss| Err(loss.explain(&self.name, self.identity.file_len)))
    }

    pub(crate) fn corrupt(&self, reason: impl Into<String>) -> Error {
        Error::corrupt(&self.name, reason)
    }

    /// Set when the name was taken away; nothing new will come.
    pub(crate) fn retired(&self) -> &AtomicU32 {
        self.control32(offset_of!(Control, retired))
    }

    /// Whether the array was unlinked, by us or by something that cleans up files.
    pub(crate) fn is_retired(&self) -> bool {
        Word::load(self.retired(), Relaxed) != 0 || self.lock_file().metadata().is_ok_and(|meta| meta.nlink() == 0)
    }

    /// Whether it was unlinked before it was opened: by the library, which says so first, or by something else.
    pub(crate) fn was_retired(&self) -> bool {
        Word::load(self.retired(), Relaxed) != 0 || !self.had_name
    }

    pub(crate) fn file(&self) -> FileId {
        self.file
    }

    /// Whether the control words are from this boot of this machine and from this very file.
    pub(crate) fn is_current(&self) -> bool {
        self.stamps().iter().map(|word| Word::load(*word, Relaxed)).eq(self.valid_stamps())
    }

    /// Makes the control words valid for this boot and this file.
    pub(crate) fn stamp(&self) {
        for (word, value) in self.stamps().iter().zip(self.valid_stamps()).rev() {
            Word::store(*word, value, Ordering::Release);
        }
    }

    fn valid_stamps(&self) -> [u64; 4] {
        let ([high, low], (dev, ino)) = (process::boot_id(), self.file);
        [high, low, ino, dev]
    }

    fn stamps(&self) -> [&AtomicU64; 4] {
        let boot_id = offset_of!(Control, boot_id);
        let [ino, dev] = [offset_of!(Control, ino), offset_of!(Control, dev)];
        [boot_id, boot_id + 8, ino, dev].map(|offset| self.control64(offset))
    }

    /// Zeroes every control word but the stamps: nobody is here, nothing was published. That a sync has failed stays known:
    /// its mark says in which boot and file.
    ///
    /// What blocks say of their bytes stays, since the bytes do: that they are half written, and which copy of a cell
    /// is current. A block that was being written when the machine stopped is half written.
    pub(crate) fn clear_control(&self) {
        let lost = Word::load(self.durability_lost(), Relaxed);
        let stamps = CONTROL_OFF + offset_of!(Control, boot_id) as u64;
        let before = Region { off: CONTROL_OFF, len: stamps - CONTROL_OFF };
        let bitmaps = CONTROL_OFF + offset_of!(Control, occupied) as u64;
        let after = Region { off: bitmaps, len: CONTROL_OFF + PAGE - bitmaps };
        let participants = Region { off: PARTICIPANTS_OFF, len: u64::from(self.identity.nparts) * LINE };
        let identity = &self.identity;
        for region in [before, after, participants, identity.ring_words, identity.slot_headers] {
            for offset in (region.off..region.off + region.len).step_by(8) {
                Word::store(self.word64(offset), 0, Relaxed);
            }
        }
        Word::store(self.durability_lost(), lost, Relaxed);
        for block in (0..identity.nblocks).map_while(|block| self.block(block)) {
            let seq = Word::load(block.seq, Relaxed);
            if seq % 2 == 1 && !self.is_cell() {
                Word::store(block.poison, 1, Relaxed);
                Word::store(block.seq, seq.wrapping_add(1), Relaxed);
            }
            Word::store(block.wr, 0, Relaxed);
            Word::store(block.drain, 0, Relaxed);
        }
    }

    /// Where a slot's payload starts. Its bytes may be touched under a lease only.
    #[inline]
    pub(crate) fn payload(&self, slot: u32) -> Option<*mut u8> {
        let slot = (slot < self.identity.nslots).then_some(u64::from(slot))?;
        self.mapping.range(self.identity.data_off + slot * self.identity.slot_stride, self.size_bytes)
    }

    /// Copies `len` bytes of a slot's payload without a lease, as [`copy_out`](Self::copy_out) does. `None` also if
    /// there is not so much memory: a hostile file can have more than the machine.
    pub(crate) fn copy_payload(&self, slot: u32, len: u64, is_there: &dyn Fn() -> bool) -> Option<AlignedBytes> {
        let mut copy = AlignedBytes::zeroed(len)?;
        self.copy_out(slot, 0, bytemuck::cast_slice_mut(copy.words_mut(len)), is_there)?;
        Some(copy)
    }

    /// Copies a part of a slot's payload without a lease; what arrives may be torn. Gives up half way when `is_there`
    /// says that it is of no use any more. `None` if there are no such bytes.
    pub(crate) fn copy_out(
        &self,
        slot: u32,
        offset: u64,
        target: &mut [u8],
        is_there: &dyn Fn() -> bool,
    ) -> Option<()> {
        let source = self.payload(slot)?;
        let end = offset.checked_add(target.len() as u64)?;
        if end > self.size_bytes.next_multiple_of(8) {
            return None;
        }
        for (part, bytes) in target.chunks_mut(PART_BYTES).enumerate() {
            // Whoever calls has just looked.
            if part > 0 && !is_there() {
                break;
            }
            let at = offset as usize + part * PART_BYTES;
            // SAFETY: `payload` checked that the slot is inside the mapping, and this is a part of it; slots start at
            // multiples of 128 bytes, so reading up to the next multiple of 8 stays inside the slot's stride or the
            // last page of the file.
            unsafe { copy_out(source.cast_const().cast(), at, bytes) };
        }
        Some(())
    }

    /// Loads one of a cell's two copies of its value; what arrives may be torn.
    #[inline]
    pub(crate) fn load_copy(&self, copy: u32, target: &mut [u8]) {
        if let Some(source) = self.payload(copy).filter(|_| target.len() as u64 <= self.size_bytes) {
            // SAFETY: as in `copy_out`.
            unsafe { copy_out(source.cast_const().cast(), 0, target) };
        }
    }

    /// Stores bytes in a slot, from the word on in which `offset` is. The caller alone may write there, as the writer of a
    /// cell or as the rank whose slot it is, and who reads them meanwhile does not believe it.
    #[inline]
    pub(crate) fn copy_in(&self, slot: u32, offset: u64, source: &[u8]) {
        let offset = offset & !7;
        let fits = offset + source.len() as u64 <= self.size_bytes;
        if let Some(target) = self.payload(slot).filter(|_| fits) {
            // SAFETY: `payload` checked that the slot is inside the mapping; a slot's stride is a multiple of 128 bytes in a
            // file with several, so writing up to the next multiple of 8 stays inside it.
            unsafe { copy_in(source, target.wrapping_add(offset as usize).cast()) };
        }
    }

    /// Whether the file is on a disk, from which its pages come and to which they go.
    pub(crate) fn is_on_disk(&self) -> bool {
        !file::is_in_memory(self.lock_file())
    }

    /// The pages of the first slot: all items of an array in place.
    pub(crate) fn pages(&self) -> Pages<'_> {
        self.mapping.pages(self.identity.data_off, self.size_bytes, self.lock_file())
    }

    /// Writes the header of a slot that this attach has loaned.
    #[inline]
    pub(crate) fn write_header(&self, slot: u32, header: &FrameHeader) -> Option<()> {
        let shape = header.shape.as_deref().unwrap_or(&self.form.shape);
        let len = shape.iter().product::<usize>() * self.form.dtype.itemsize();
        let (fixed, dims) = self.slot_words(slot)?.split_first_chunk::<SLOT_WORDS>()?;
        for (offset, value) in [
            (offset_of!(SlotHeader, len), len as u64),
            (offset_of!(SlotHeader, monotonic_ns), header.monotonic_ns),
            (offset_of!(SlotHeader, time_ns), header.time_ns),
            (offset_of!(SlotHeader, acquired_ns), header.acquired_ns),
            (offset_of!(SlotHeader, tags), header.tags[0]),
            (offset_of!(SlotHeader, tags) + 8, header.tags[1]),
        ] {
            Word::store(&fixed[offset / 8], value, Relaxed);
        }
        for (word, dim) in dims.iter().zip(shape) {
            Word::store(word, *dim as u64, Relaxed);
        }
        Some(())
    }

    /// Reads and checks the header of a slot. Torn without a lease, as its payload is; never out of range.
    #[inline]
    pub(crate) fn read_header(&self, slot: u32) -> Result<FrameHeader> {
        let words = self.slot_words(slot).and_then(<[AtomicU64]>::split_first_chunk::<SLOT_WORDS>);
        let (fixed, dims) = words.ok_or_else(|| self.corrupt("a word names a slot that cannot be"))?;
        let word = |offset: usize| Word::load(&fixed[offset / 8], Relaxed);
        let is_declared =
            dims.iter().zip(&self.form.shape).all(|(dim, declared)| Word::load(dim, Relaxed) == *declared as u64);
        Ok(FrameHeader {
            shape: if is_declared { None } else { Some(self.read_shape(dims)?) },
            monotonic_ns: word(offset_of!(SlotHeader, monotonic_ns)),
            time_ns: word(offset_of!(SlotHeader, time_ns)),
            acquired_ns: word(offset_of!(SlotHeader, acquired_ns)),
            tags: [word(offset_of!(SlotHeader, tags)), word(offset_of!(SlotHeader, tags) + 8)],
        })
    }

    /// The bytes of a frame with this header, no more than the declared shape has.
    pub(crate) fn frame_len(&self, header: &FrameHeader) -> u64 {
        let len = |shape: &[usize]| (shape.iter().product::<usize>() * self.form.dtype.itemsize()) as u64;
        header.shape.as_deref().map_or(self.size_bytes, len)
    }

    fn read_shape(&self, dims: &[AtomicU64]) -> Result<Box<[usize]>> {
        let shape: Box<[usize]> = dims.iter().map(|dim| Word::load(dim, Relaxed) as usize).collect();
        if self.fits(&shape) { Ok(shape) } else { Err(self.corrupt("a frame is larger than its slot")) }
    }

    /// Whether a frame of this shape can be published here: as many dimensions, and no more bytes than declared.
    pub(crate) fn fits(&self, shape: &[usize]) -> bool {
        shape.len() == self.form.shape.len()
            && shape::checked_size_bytes(shape, self.form.dtype.itemsize())
                .is_ok_and(|size| size as u64 <= self.size_bytes)
    }

    /// The words of a slot's header: the fixed ones, then one for each dimension.
    #[inline]
    fn slot_words(&self, slot: u32) -> Option<&[AtomicU64]> {
        if slot >= self.identity.nslots {
            return None;
        }
        let ndim = self.form.shape.len();
        let base = self.identity.slot_headers.off + u64::from(slot) * layout::slot_header_stride(ndim as u32);
        let first: *const AtomicU64 = self.word64(base);
        // SAFETY: the header of each slot is that many words in a row, before the payload, accessed as `word64`.
        Some(unsafe { std::slice::from_raw_parts(first, SLOT_WORDS + ndim) })
    }

    /// Who a record says it belongs to, for people to read.
    pub(crate) fn process(&self, participant: u32) -> process::Process {
        let [pid, pid_namespace, start_time] = self.description(participant).map(|word| word.load(Relaxed));
        process::Process { pid: pid as u32, pid_namespace, start_time }
    }

    fn description(&self, participant: u32) -> [&AtomicU64; 3] {
        let base = PARTICIPANTS_OFF + u64::from(participant.min(self.identity.nparts - 1)) * LINE;
        let [pid, namespace, start] =
            [offset_of!(Participant, pid), offset_of!(Participant, pid_namespace), offset_of!(Participant, start_time)];
        [pid, namespace, start].map(|offset| self.word64(base + offset as u64))
    }

    #[inline]
    fn control32(&self, offset: usize) -> &AtomicU32 {
        self.word32(CONTROL_OFF + offset as u64)
    }

    #[inline]
    fn control64(&self, offset: usize) -> &AtomicU64 {
        self.word64(CONTROL_OFF + offset as u64)
    }

    /// A control word. `offset` follows from checked counts and stands before the payload, at a multiple of 4.
    #[inline]
    fn word32(&self, offset: u64) -> &AtomicU32 {
        // SAFETY: see `word64`.
        unsafe { AtomicU32::from_ptr(self.at(offset).cast()) }
    }

    /// A control word. `offset` follows from checked counts and stands before the payload, at a multiple of 8.
    #[inline]
    fn word64(&self, offset: u64) -> &AtomicU64 {
        // SAFETY: `at` points into the mapping, which lives as long as `self`; the offset is a multiple of the word's
        // size by layout.rs; every process accesses this word through atomics of this width only. A read-only mapping
        // is only ever loaded from, with relaxed order.
        unsafe { AtomicU64::from_ptr(self.at(offset).cast()) }
    }

    #[inline]
    fn at(&self, offset: u64) -> *mut u8 {
        debug_assert!(offset < self.identity.data_off, "control words stand before the payload");
        self.mapping.base().wrapping_add(offset as usize)
    }
}

fn id_of(meta: &Metadata) -> FileId {
    (meta.dev(), meta.ino())
}

fn random() -> Result<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::io("read random bytes from", "the kernel", std::io::Error::other(error)))?;
    Ok(bytes)
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("name", &self.name)
            .field("form", &format_args!("{}", self.form.describe()))
            .field("uuid", &format_args!("{:032x}", u128::from_be_bytes(self.identity.uuid)))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

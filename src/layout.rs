//! Every number of the file format, version 1: the records, their offsets, and how a file is laid out from its counts.
//!
//! ```text
//! 0            identity        immutable; read with pread, checked, never read again
//! 4096         control         atomic words; worthless after a reboot or a copy
//! 8192         superblock A    durable state
//! 12288        superblock B
//! 16384        participants    nparts x 128
//!              blocks          nblocks x 128        (all kinds but streams)
//!              ring            ring x 8             (streams)
//!              slot headers    nslots x (64 + 8 ndim, rounded up to 128)   (streams)
//!              attributes      UTF-8 JSON
//!              .npy preamble   ends at data_off
//! data_off     payload         slot 0, slot 1, ...
//! ```
//!
//! Words that different processes write stand [`LINE`] bytes apart: two cache lines, because the prefetcher of x86
//! fetches them in pairs. docs/format.md shows the same numbers; a test compares it with [`format_table`].

use bytemuck::{Pod, Zeroable};
use std::fmt::Write as _;
use std::mem::{offset_of, size_of};

/// The first eight bytes of every file.
pub(crate) const MAGIC: [u8; 8] = *b"SHARRAY\0";
/// The first eight bytes of a superblock that was ever written.
pub(crate) const SUPERBLOCK_MAGIC: [u8; 8] = *b"SHARRAYC";
/// The format that this library writes and reads.
///
/// # Examples
/// ```
/// use sharray::{AnyArray, DType, FORMAT_VERSION};
/// use std::os::unix::fs::FileExt;
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// AnyArray::builder().directory(&place).create("field", &DType::U8, &[4])?;
/// let mut number = [0; 4];                            // behind the eight bytes of the magic
/// std::fs::File::open(place.path().join("field"))?.read_exact_at(&mut number, 8)?;
/// assert_eq!(u32::from_le_bytes(number), FORMAT_VERSION);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub const VERSION: u32 = 1;
/// Reads back as itself on a little-endian machine only.
pub(crate) const BYTE_ORDER_MARK: u32 = 0x0102_0304;
/// The format's page, whatever the machine's page is.
pub(crate) const PAGE: u64 = 4096;
/// The payload's alignment where huge pages are asked for.
pub(crate) const HUGE_PAGE: u64 = 2 << 20;
/// The distance of words that different processes write.
pub(crate) const LINE: u64 = 128;
/// Where the control page starts.
pub(crate) const CONTROL_OFF: u64 = PAGE;
/// Where the two superblocks start.
pub(crate) const SUPERBLOCKS_OFF: [u64; 2] = [2 * PAGE, 3 * PAGE];
/// Where the participant table starts.
pub(crate) const PARTICIPANTS_OFF: u64 = 4 * PAGE;
/// The most participants: their index plus one has ten bits, and one value of those is taken.
pub(crate) const MAX_PARTICIPANTS: u32 = 1022;
/// The most slots: a slot's index has sixteen bits in `head`.
pub(crate) const MAX_SLOTS: u32 = 65_535;
/// The most blocks of an array in place.
pub(crate) const MAX_BLOCKS: u32 = 65_535;
/// The longest attributes and the longest .npy preamble.
pub(crate) const MAX_TEXT_LEN: u64 = 1 << 20;
/// Frames that one participant can pin at a time.
pub(crate) const PINS: u32 = 8;
/// Words of a bitmap with one bit per participant.
pub(crate) const BITMAP_WORDS: u32 = 16;

/// Kernel locks are taken on bytes far past any end of file, from here on.
const LOCK_BASE: i64 = 1 << 62;
/// Shared by everyone attached; exclusive: nobody else is.
pub(crate) const LOCK_MEMBERS: i64 = LOCK_BASE;
/// Exclusive while the name of the file changes.
pub(crate) const LOCK_NAME: i64 = LOCK_BASE + 1;
/// Exclusive while a frame is made durable.
pub(crate) const LOCK_COMMIT: i64 = LOCK_BASE + 2;
/// Exclusive while a rank joins its team.
pub(crate) const LOCK_JOIN: i64 = LOCK_BASE + 3;
/// The first participant's byte.
pub(crate) const LOCK_PARTICIPANTS: i64 = LOCK_BASE + 1024;
/// The first of the bytes on which an attach tries what the file system's locks are worth.
pub(crate) const LOCK_TRIALS: i64 = LOCK_BASE + (1 << 20);

/// The kinds of array, as [`Identity::kind`].
pub(crate) mod kind {
    pub(crate) const IN_PLACE: u32 = 1;
    pub(crate) const STREAM: u32 = 2;
    pub(crate) const GROWABLE: u32 = 3;
    pub(crate) const TEAM: u32 = 4;
}

/// The bits of [`Identity::flags`].
pub(crate) mod flags {
    pub(crate) const CELL: u32 = 1;
    pub(crate) const SPARSE: u32 = 2;
    pub(crate) const DURABLE: u32 = 4;
    pub(crate) const KNOWN: u32 = CELL | SPARSE | DURABLE;
}

/// Page 0. Everything here is written before the file has a name, and never again.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct IdentityPage {
    pub(crate) identity: Identity,
    pub(crate) reserved: [u8; 3896],
    pub(crate) text_crc: u32,
    pub(crate) crc: u32,
}

/// What page 0 says of the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Identity {
    pub(crate) magic: [u8; 8],
    pub(crate) version: u32,
    pub(crate) byte_order: u32,
    pub(crate) header_len: u64,
    pub(crate) file_len: u64,
    pub(crate) uuid: [u8; 16],
    pub(crate) data_off: u64,
    pub(crate) slot_stride: u64,
    pub(crate) nslots: u32,
    pub(crate) ring: u32,
    pub(crate) nparts: u32,
    pub(crate) nblocks: u32,
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) blocks: Region,
    pub(crate) ring_words: Region,
    pub(crate) slot_headers: Region,
    pub(crate) attributes: Region,
    pub(crate) preamble: Region,
    pub(crate) reserved0: u64,
    pub(crate) max_bytes: u64,
    pub(crate) created_ns: u64,
}

/// Where a part of the file stands, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Region {
    pub(crate) off: u64,
    pub(crate) len: u64,
}

/// Page 1: the offsets of the control words. Never borrowed, only measured.
#[allow(dead_code, reason = "the fields are places in the file, used through offset_of!")]
#[repr(C)]
pub(crate) struct Control {
    pub(crate) prod: u32,
    pad0: [u8; 124],
    pub(crate) head: u64,
    pad1: [u8; 120],
    pub(crate) intent: u64,
    pad2: [u8; 120],
    pub(crate) notify: u32,
    pad3: [u8; 124],
    pub(crate) room: u32,
    pad4: [u8; 124],
    pub(crate) bar: u32,
    pad5: [u8; 124],
    pub(crate) durable: u64,
    pub(crate) pending: u64,
    pub(crate) durability_lost: u32,
    pub(crate) unverified: u32,
    pad6: [u8; 104],
    pub(crate) retired: u32,
    pad7: u32,
    pub(crate) len: u64,
    pub(crate) cap_bytes: u64,
    pad8: [u8; 104],
    pub(crate) boot_id: [u64; 2],
    pub(crate) ino: u64,
    pub(crate) dev: u64,
    pad9: [u8; 480],
    pub(crate) occupied: [u64; 16],
}

/// Pages 2 and 3: what a durable commit says of the payload. The crc at the end covers everything before it.
///
/// `len` is the number of the frame's bytes, and will be that of the rows of an array that grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Superblock {
    pub(crate) magic: [u8; 8],
    pub(crate) uuid: [u8; 16],
    pub(crate) commit_no: u64,
    pub(crate) seq: u64,
    pub(crate) slot: u32,
    pub(crate) reserved0: u32,
    pub(crate) len: u64,
    pub(crate) time_ns: u64,
    pub(crate) acquired_ns: u64,
    pub(crate) tags: [u64; 2],
    pub(crate) data_xxh3: u64,
    pub(crate) shape: [u64; 32],
    pub(crate) reserved1: [u8; 3740],
    pub(crate) crc: u32,
}

impl Superblock {
    /// The checksum that [`Superblock::crc`] must hold.
    pub(crate) fn checksum(&self) -> u32 {
        crc32c::crc32c(&bytemuck::bytes_of(self)[..offset_of!(Self, crc)])
    }
}

/// One entry of the participant table: who is here, and what it holds.
#[allow(dead_code, reason = "the fields are places in the file, used through offset_of!")]
#[repr(C)]
pub(crate) struct Participant {
    pub(crate) state: u64,
    pub(crate) pid: u64,
    pub(crate) pid_namespace: u64,
    pub(crate) start_time: u64,
    pub(crate) attached_ns: u64,
    pad1: [u8; 24],
    pub(crate) rd: u32,
    pub(crate) bar_arr: u32,
    pub(crate) cursor: u64,
    pub(crate) pin: [u32; 8],
    pad2: [u8; 16],
}

/// One entry of the block table: the lock of one block of an array in place.
#[allow(dead_code, reason = "the fields are places in the file, used through offset_of!")]
#[repr(C)]
pub(crate) struct Block {
    pub(crate) wr: u32,
    pub(crate) drain: u32,
    pub(crate) seq: u64,
    pub(crate) poison: u32,
    pad0: [u8; 108],
}

/// The fixed part of a slot's header; the frame's shape follows, one `u64` per dimension.
#[allow(dead_code, reason = "the fields are places in the file, used through offset_of!")]
#[repr(C)]
pub(crate) struct SlotHeader {
    pub(crate) ver: u64,
    pub(crate) len: u64,
    pub(crate) monotonic_ns: u64,
    pub(crate) time_ns: u64,
    pub(crate) acquired_ns: u64,
    pub(crate) tags: [u64; 2],
    pub(crate) xxh3: u64,
}

const _: () = {
    assert!(size_of::<IdentityPage>() as u64 == PAGE);
    assert!(offset_of!(IdentityPage, identity) == 0);
    assert!(offset_of!(Identity, header_len) == 16);
    assert!(offset_of!(Identity, uuid) == 32);
    assert!(offset_of!(Identity, data_off) == 48);
    assert!(offset_of!(Identity, nslots) == 64);
    assert!(offset_of!(Identity, kind) == 80);
    assert!(offset_of!(Identity, blocks) == 88);
    assert!(offset_of!(Identity, max_bytes) == 176);
    assert!(offset_of!(Identity, created_ns) == 184);
    assert!(offset_of!(IdentityPage, text_crc) == 4088);
    assert!(offset_of!(IdentityPage, crc) == 4092);
    assert!(offset_of!(Control, head) == 0x080);
    assert!(offset_of!(Control, intent) == 0x100);
    assert!(offset_of!(Control, notify) == 0x180);
    assert!(offset_of!(Control, room) == 0x200);
    assert!(offset_of!(Control, bar) == 0x280);
    assert!(offset_of!(Control, durable) == 0x300);
    assert!(offset_of!(Control, retired) == 0x380);
    assert!(offset_of!(Control, boot_id) == 0x400);
    assert!(offset_of!(Control, occupied) == 0x600);
    assert!(size_of::<Control>() as u64 <= PAGE);
    assert!(size_of::<Superblock>() as u64 == PAGE);
    assert!(offset_of!(Superblock, crc) == 4092);
    assert!(size_of::<Participant>() as u64 == LINE);
    assert!(offset_of!(Participant, rd) == 64);
    assert!(offset_of!(Participant, cursor) == 72);
    assert!(offset_of!(Participant, pin) == 80);
    assert!(size_of::<Block>() as u64 == LINE);
    assert!(size_of::<SlotHeader>() == 64);
};

/// What a file's layout follows from.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) nslots: u32,
    pub(crate) slot_stride: u64,
    pub(crate) ring: u32,
    pub(crate) nparts: u32,
    pub(crate) nblocks: u32,
    pub(crate) ndim: u32,
    pub(crate) attributes_len: u64,
    pub(crate) preamble_len: u64,
    /// The alignment of the payload: [`PAGE`], or [`HUGE_PAGE`] where huge pages are asked for.
    pub(crate) align: u64,
}

/// Bytes from one slot header to the next.
pub(crate) fn slot_header_stride(ndim: u32) -> u64 {
    (size_of::<SlotHeader>() as u64 + 8 * u64::from(ndim)).next_multiple_of(LINE)
}

/// Bytes from one slot to the next: frames of a page or more start on pages, smaller ones on lines.
pub(crate) fn slot_stride(size_bytes: u64) -> Option<u64> {
    size_bytes.checked_next_multiple_of(if size_bytes >= PAGE { PAGE } else { LINE })
}

impl Identity {
    /// Lays a file out. The uuid and the time of creation are the caller's to fill in.
    ///
    /// Returns `None` when the file would be longer than `i64::MAX` bytes.
    pub(crate) fn plan(counts: &Counts) -> Option<Self> {
        let mut end = PARTICIPANTS_OFF + u64::from(counts.nparts) * LINE;
        let mut take = |len: u64, align: u64| {
            let off = end.next_multiple_of(align);
            end = off + len;
            Region { off, len }
        };
        let is_stream = counts.kind == kind::STREAM;
        let headers = if is_stream { u64::from(counts.nslots) * slot_header_stride(counts.ndim) } else { 0 };
        let blocks = take(u64::from(counts.nblocks) * LINE, LINE);
        let ring_words = take(u64::from(counts.ring) * 8, LINE);
        let slot_headers = take(headers, LINE);
        let attributes = take(counts.attributes_len, LINE);
        let data_off = (end + counts.preamble_len).next_multiple_of(counts.align);
        let preamble = Region { off: data_off - counts.preamble_len, len: counts.preamble_len };
        let payload = u64::from(counts.nslots).checked_mul(counts.slot_stride)?;
        let file_len = data_off.checked_add(payload).filter(|&len| i64::try_from(len).is_ok())?;
        Some(Self {
            magic: MAGIC,
            version: VERSION,
            byte_order: BYTE_ORDER_MARK,
            header_len: data_off,
            file_len,
            data_off,
            slot_stride: counts.slot_stride,
            nslots: counts.nslots,
            ring: counts.ring,
            nparts: counts.nparts,
            nblocks: counts.nblocks,
            kind: counts.kind,
            flags: counts.flags,
            max_bytes: if counts.kind == kind::GROWABLE { payload } else { 0 },
            blocks,
            ring_words,
            slot_headers,
            attributes,
            preamble,
            ..Self::zeroed()
        })
    }

    /// Checks everything that can be checked without the text: a valid identity is exactly what [`Identity::plan`] makes.
    ///
    /// Comparing with the plan leaves no field that a hostile file could choose: offsets and lengths all follow from the
    /// counts, and the counts are capped here.
    pub(crate) fn check(&self, ndim: u32) -> Result<(), &'static str> {
        let is_stream = self.kind == kind::STREAM;
        if !(kind::IN_PLACE..=kind::TEAM).contains(&self.kind) {
            return Err("its kind is unknown");
        }
        if self.nparts == 0 || self.nparts > MAX_PARTICIPANTS {
            return Err("its number of participants is out of range");
        }
        if self.nslots == 0 || self.nslots > MAX_SLOTS || self.nblocks > MAX_BLOCKS {
            return Err("its number of slots or blocks is out of range");
        }
        if is_stream != (self.ring >= 2) || self.ring > self.nslots || is_stream != (self.nblocks == 0) {
            return Err("its ring or block table does not fit its kind");
        }
        let is_cell = self.flags & flags::CELL != 0;
        let slots_fit = match self.kind {
            kind::IN_PLACE => self.nslots == 1 + u32::from(is_cell),
            kind::GROWABLE => self.nslots == 1,
            kind::TEAM => self.nslots == self.nblocks && self.nslots == self.nparts,
            _ => true,
        };
        if !slots_fit || (is_cell && self.kind != kind::IN_PLACE) {
            return Err("its slots or its flags do not fit its kind");
        }
        if self.attributes.len > MAX_TEXT_LEN || self.preamble.len > MAX_TEXT_LEN {
            return Err("its attributes or its .npy header are too long");
        }
        let counts = |align| Counts {
            kind: self.kind,
            flags: self.flags,
            nslots: self.nslots,
            slot_stride: self.slot_stride,
            ring: self.ring,
            nparts: self.nparts,
            nblocks: self.nblocks,
            ndim,
            attributes_len: self.attributes.len,
            preamble_len: self.preamble.len,
            align,
        };
        let matches = |align| {
            let plan = Self::plan(&counts(align));
            plan.is_some_and(|plan| Self { uuid: self.uuid, created_ns: self.created_ns, ..plan } == *self)
        };
        if [PAGE, HUGE_PAGE].into_iter().any(matches) {
            Ok(())
        } else {
            Err("its offsets do not follow from its counts")
        }
    }
}

impl IdentityPage {
    /// What its reserved bytes must be.
    pub(crate) const UNUSED: [u8; 3896] = [0; 3896];

    /// The page as it is written, with its checksums. `text_crc` is that of the preamble and the attributes.
    pub(crate) fn seal(identity: Identity, text_crc: u32) -> Self {
        let page = Self { identity, text_crc, ..Self::zeroed() };
        Self { crc: page.checksum(), ..page }
    }

    /// The checksum that [`IdentityPage::crc`] must hold.
    pub(crate) fn checksum(&self) -> u32 {
        crc32c::crc32c(&bytemuck::bytes_of(self)[..offset_of!(Self, crc)])
    }
}

/// The table of the format's offsets in Markdown, as docs/format.md shows it.
///
/// It is made from the records that the library itself uses, so a tool that prints it tells the truth.
///
/// # Examples
/// ```
/// let table = sharray::format_table();
/// assert!(table.contains("| `magic` |"), "{table}");
/// ```
#[allow(clippy::too_many_lines, reason = "it is one table")]
pub fn format_table() -> String {
    let mut text = String::new();
    macro_rules! table {
        ($title:literal, $base:expr, $($record:ident { $($field:ident: $kind:literal),* $(,)? }),* $(,)?) => {
            _ = writeln!(text, "### {}\n\n| offset | field | type |\n|---:|---|---|", $title);
            $($( _ = writeln!(text, "| {} | `{}` | {} |", $base + offset_of!($record, $field) as u64, stringify!($field), $kind); )*)*
            text.push('\n');
        };
    }
    table!(
        "Identity (page 0)",
        0,
        Identity {
            magic: "8 bytes",
            version: "u32",
            byte_order: "u32",
            header_len: "u64",
            file_len: "u64",
            uuid: "16 bytes",
            data_off: "u64",
            slot_stride: "u64",
            nslots: "u32",
            ring: "u32",
            nparts: "u32",
            nblocks: "u32",
            kind: "u32",
            flags: "u32",
            blocks: "u64 offset, u64 length",
            ring_words: "u64 offset, u64 length",
            slot_headers: "u64 offset, u64 length",
            attributes: "u64 offset, u64 length",
            preamble: "u64 offset, u64 length",
            max_bytes: "u64",
            created_ns: "u64",
        },
        IdentityPage { text_crc: "u32", crc: "u32" },
    );
    table!(
        "Control (page 1)",
        CONTROL_OFF,
        Control {
            prod: "u32",
            head: "u64",
            intent: "u64",
            notify: "u32",
            room: "u32",
            bar: "u32",
            durable: "u64",
            pending: "u64",
            durability_lost: "u32",
            unverified: "u32",
            retired: "u32",
            len: "u64",
            cap_bytes: "u64",
            boot_id: "2 x u64",
            ino: "u64",
            dev: "u64",
            occupied: "16 x u64",
        }
    );
    table!(
        "Superblock (pages 2 and 3), from its page's start",
        0,
        Superblock {
            magic: "8 bytes",
            uuid: "16 bytes",
            commit_no: "u64",
            seq: "u64",
            slot: "u32",
            len: "u64",
            time_ns: "u64",
            acquired_ns: "u64",
            tags: "2 x u64",
            data_xxh3: "u64",
            shape: "32 x u64",
            crc: "u32",
        }
    );
    table!(
        "Participant (128 bytes each), from the entry's start",
        0,
        Participant {
            state: "u64",
            pid: "u64",
            pid_namespace: "u64",
            start_time: "u64",
            attached_ns: "u64",
            rd: "u32",
            bar_arr: "u32",
            cursor: "u64",
            pin: "8 x u32",
        }
    );
    table!(
        "Block (128 bytes each), from the entry's start",
        0,
        Block { wr: "u32", drain: "u32", seq: "u64", poison: "u32" }
    );
    table!(
        "Slot header (64 bytes and 8 for each dimension, rounded up to 128), from its start",
        0,
        SlotHeader {
            ver: "u64",
            len: "u64",
            monotonic_ns: "u64",
            time_ns: "u64",
            acquired_ns: "u64",
            tags: "2 x u64",
            xxh3: "u64",
        }
    );
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

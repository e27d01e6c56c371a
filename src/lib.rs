// The links of the pages, which lead to files, lead to modules here: of two definitions the first one holds.
#![cfg_attr(doc, doc = include_str!("pages/links.md"))]
// Its programs run in the tests of the pages, as processes and in a fresh folder.
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]

#[cfg(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")))]
compile_error!(
    "sharray needs 64-bit little-endian Linux: its files are little-endian and mapped whole, and it stands on futexes \
     and on locks of open file descriptions"
);

#[macro_use]
mod step;
#[macro_use]
mod options;

// The programs in them run in the tests of the pages, as those of the README do.
#[cfg(all(doc, not(doctest)))]
pub mod pages;

mod array;
mod attachment;
mod cell;
mod commit;
mod directory;
mod dtype;
mod element;
mod error;
mod expect;
mod growable;
mod guard;
mod held;
mod kind;
mod layout;
mod memmap;
mod npy;
mod npy_file;
mod protocol;
mod scan;
mod segment;
mod shape;
mod stream;
mod sys;
mod team;
mod truncation;
mod view;

pub use array::{AnyArray, ArrayBuilder, SharedArray};
pub use cell::{AnyCell, AnyCellWriter, CellBuilder, CellWriter, OwnedCellWriter, SharedCell};
pub use directory::{Directory, Info, ParticipantInfo, collect_garbage, inspect, list, unlink};
pub use dtype::{ByteOrder, DType, Field, Number, Struct, Subarray, TimeUnit};
pub use element::{Bool, Element};
pub use error::{Error, Result};
pub use growable::{AnyFollow, AnyGrowable, Follow, GrowableArray, GrowableBuilder};
pub use guard::{AnyReadGuard, AnyWriteGuard, OwnedReadGuard, OwnedWriteGuard, ReadGuard, WriteGuard};
pub use kind::Kind;
pub use layout::{VERSION as FORMAT_VERSION, format_table};
pub use memmap::{Advice, AnyMemmap, AnyMemmapBuilder, AnyMode, Memmap, MemmapBuilder, memmap, open_npy, save_npy};
pub use scan::{Chunks, ChunksMut, Scan};
pub use shape::{MAX_NDIM, Order};
pub use sharray_derive::Element;
pub use stream::{
    AnyFrame, AnyFrames, AnyLoan, AnyPublisher, AnySubscriber, Backpressure, Frame, Frames, Loan, OwnedLoan, Publisher,
    PublisherBuilder, Source, Subscriber, SubscriberBuilder, wait_any,
};

pub use team::{AnyTeamArray, Block, Launcher, Patience, Reduction, Team, TeamArray, TeamBuilder};
pub use truncation::survive_truncation;

/// How a plain file is mapped.
pub use memmap::mode as Mode;

/// The kinds of dtype, as [`DType::kind`] answers.
pub use dtype::Kind as DTypeKind;

#[doc(hidden)]
pub mod __private {
    pub use bytemuck;
}
#[cfg(feature = "step")]
#[doc(hidden)]
pub use step::{Watcher, kill_after, pause_after, steps_left, watch};

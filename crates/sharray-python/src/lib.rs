//! The Python package `sharray`: the same arrays, the same bytes. This is its extension module; what Python sees of it is
//! in `python/sharray/`.

#![allow(
    clippy::doc_markdown,
    clippy::doc_link_with_quotes,
    rustdoc::broken_intra_doc_links,
    reason = "what Python shows is written as Python's documentation is"
)]
#![allow(clippy::cast_possible_wrap, reason = "no array has more bytes than an isize can count")]
#![allow(clippy::needless_pass_by_value, reason = "what a function of Python is given is its own")]
#![allow(clippy::struct_field_names, reason = "a handle has what it is a handle of")]

mod array;
mod cell;
mod command;
mod dtype;
mod error;
mod exchange;
mod follower;
mod frame;
mod gil;
mod handle;
mod launcher;
mod lease;
mod memmap;
mod options;
mod part;
mod place;
mod publisher;
mod subscriber;
mod table;
mod team;
mod team_array;
mod turns;
mod view;
mod wait;

#[pyo3::pymodule]
mod _sharray {
    #[pymodule_export]
    use crate::array::{Array, attach_again, attach_by_name, create, import_npy, import_raw, open};
    #[pymodule_export]
    use crate::cell::{Cell, CellWriter, attach_cell_again, cell};
    #[pymodule_export]
    use crate::command::{command, thumbnail};
    #[pymodule_export]
    use crate::follower::Follower;
    #[pymodule_export]
    use crate::frame::Frame;
    #[pymodule_export]
    use crate::lease::{Read, Write};
    #[pymodule_export]
    use crate::memmap::{Map, Scan, map_file, map_npy, save_npy};
    #[pymodule_export]
    use crate::place::{Directory, Info, Participant, collect_garbage, inspect, list, unlink};
    #[pymodule_export]
    use crate::publisher::{Loan, Publisher, publish};
    #[pymodule_export]
    use crate::subscriber::{Subscriber, subscribe, subscribe_again, wait_any};
    #[pymodule_export]
    use crate::table::{Table, attach_table_again, grow};
    #[pymodule_export]
    use crate::team::Team;
    #[pymodule_export]
    use crate::team_array::{Block, TeamArray};
    #[pymodule_export]
    use crate::turns::after_fork;

    /// A file that somebody else cuts short ends no interpreter. Where a sandbox forbids it, it is as it was without us.
    #[pymodule_init]
    #[allow(clippy::unnecessary_wraps, reason = "what Python calls may fail")]
    fn init(_module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        _ = sharray::survive_truncation();
        Ok(())
    }
}

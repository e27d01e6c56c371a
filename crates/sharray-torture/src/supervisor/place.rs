//! The folder of a run, and the arrays in it that last.

use crate::Outcome;
use crate::arrays::{CELLS, Cell, FIELDS, Reader, STREAMS, Stream, TABLES};
use ndarray::IxDyn;
use sharray::Directory;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Where everything of a run is. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) directory: Directory,
    /// Attached to every array that lasts, so that it never is garbage.
    pub(crate) keepers: Vec<Reader>,
}

impl Place {
    /// Makes the folder, in memory if there is such a place, and the arrays.
    pub(crate) fn new() -> Outcome<Self> {
        let memory = Path::new("/dev/shm");
        let above = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new().prefix("sharray-torture-").tempdir_in(above);
        let folder = folder.map_err(|error| format!("cannot make a folder: {error}"))?;
        std::fs::create_dir(folder.path().join("journals"))
            .map_err(|error| format!("cannot make a folder: {error}"))?;
        let directory = Directory::open(folder.path().join("arrays")).map_err(|error| error.to_string())?;
        let mut place = Self { folder, directory, keepers: Vec::new() };
        for stream in STREAMS.iter().filter(|stream| stream.is_lasting) {
            place.make(stream).map_err(|error| error.to_string())?;
        }
        place.make_others().map_err(|error| error.to_string())?;
        Ok(place)
    }

    /// What nobody collects need not be kept.
    fn make_others(&self) -> sharray::Result<()> {
        for field in FIELDS.iter().filter(|field| field.is_lasting) {
            field.builder(&self.directory).create(field.name, IxDyn(field.shape))?;
        }
        for cell in CELLS.iter().filter(|cell| cell.is_lasting) {
            Cell::builder(&self.directory).create(cell.name, [0; 16])?;
        }
        for table in TABLES.iter().filter(|table| table.is_lasting) {
            table.builder(&self.directory).create(table.name, [0, table.words])?;
        }
        Ok(())
    }

    fn make(&mut self, stream: &Stream) -> sharray::Result<()> {
        drop(stream.writer(&self.directory).create(stream.name, [stream.words])?);
        self.keepers.push(Stream::reader(&self.directory).attach(stream.name)?);
        Ok(())
    }

    /// Where everything is.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the arrays are.
    pub(crate) fn arrays(&self) -> PathBuf {
        self.folder.path().join("arrays")
    }

    /// Where a worker writes down what it does.
    pub(crate) fn journal(&self, number: u64) -> PathBuf {
        self.folder.path().join("journals").join(number.to_string())
    }

    /// Leaves the folder as it is, for whoever wants to look.
    pub(crate) fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}

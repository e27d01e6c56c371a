//! Memory that processes share by path, for what is written by hand.

use memmap2::{MmapOptions, MmapRaw};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64};

const MEMORY: &str = "/dev/shm";

/// A fresh folder in memory. When the value goes it is removed, and with it the objects of shared memory beside it whose
/// names begin as its own: iceoryx2's, which stand there, and some of which it leaves.
#[derive(Debug)]
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// Makes one.
    ///
    /// # Errors
    /// The kernel's.
    pub fn new() -> io::Result<Self> {
        tempfile::Builder::new().prefix("sharray-compare-").tempdir_in(MEMORY).map(Self)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let name = self.path().file_name().unwrap_or_default().as_bytes();
        for beside in fs::read_dir(MEMORY).into_iter().flatten().flatten() {
            if beside.path() != self.path() && beside.file_name().as_bytes().starts_with(name) {
                // What is left is in nobody's way.
                _ = fs::remove_file(beside.path());
            }
        }
    }
}

/// A file, mapped for reading and writing.
#[derive(Debug)]
pub struct Shared(MmapRaw);

impl Shared {
    /// Opens the file, or makes it; either way it has so many bytes then.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(path: &Path, len: usize) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        file.set_len(len as u64)?;
        Self::of(&file)
    }

    /// Maps all of an open file.
    ///
    /// # Errors
    /// The kernel's.
    pub fn of(file: &File) -> io::Result<Self> {
        MmapOptions::new().map_raw(file).map(Self)
    }

    /// Where it begins.
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.0.as_mut_ptr()
    }

    /// A word of 32 bits; `at` counts words of 32 bits.
    ///
    /// # Panics
    /// If it stands beyond the end.
    pub fn word32(&self, at: usize) -> &AtomicU32 {
        assert!(at < self.0.len() / 4, "it stands in the file");
        let words: *mut u32 = self.0.as_mut_ptr().cast();
        // SAFETY: inside the mapping, as was just checked, aligned, and only accessed through atomics of one width each.
        unsafe { AtomicU32::from_ptr(words.wrapping_add(at)) }
    }

    /// A word of 64 bits; `at` counts words of 64 bits.
    ///
    /// # Panics
    /// If it stands beyond the end.
    pub fn word64(&self, at: usize) -> &AtomicU64 {
        assert!(at < self.0.len() / 8, "it stands in the file");
        let words: *mut u64 = self.0.as_mut_ptr().cast();
        // SAFETY: as for `word32`.
        unsafe { AtomicU64::from_ptr(words.wrapping_add(at)) }
    }

    /// Writes eight words of 64 bits, as fast as the machine can; `at` counts words.
    ///
    /// # Panics
    /// If they stand beyond the end.
    #[inline]
    pub fn write(&self, at: usize, words: [u64; 8]) {
        // SAFETY: inside the mapping and aligned. Others may read meanwhile: what they read then, they do not use.
        unsafe { self.eight(at).write_volatile(words) }
    }

    /// Reads eight words of 64 bits; `at` counts words. If somebody writes them meanwhile it is old words and new ones, and not
    /// to be used.
    ///
    /// # Panics
    /// If they stand beyond the end.
    #[inline]
    pub fn read(&self, at: usize) -> [u64; 8] {
        // SAFETY: inside the mapping and aligned, and any bits are words.
        unsafe { self.eight(at).read_volatile() }
    }

    fn eight(&self, at: usize) -> *mut [u64; 8] {
        assert!(at + 8 <= self.0.len() / 8, "they stand in the file");
        let words: *mut u64 = self.0.as_mut_ptr().cast();
        words.wrapping_add(at).cast()
    }
}

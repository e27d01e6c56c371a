//! What the builders of all kinds have in common.

use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::layout::MAX_PARTICIPANTS;
use crate::shape::Order;

/// How often `open` looks again when a name comes and goes between its looks.
const TRIES: u32 = 100;

/// Where an array is, and what a new one is to be beside its dtype and shape.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) directory: Option<Directory>,
    pub(crate) participants: u32,
    pub(crate) order: Order,
    pub(crate) permissions: u32,
    pub(crate) huge_pages: bool,
    pub(crate) attributes: serde_json::Map<String, serde_json::Value>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            directory: None,
            participants: 64,
            order: Order::C,
            permissions: 0o600,
            huge_pages: false,
            attributes: serde_json::Map::new(),
        }
    }
}

impl Options {
    pub(crate) fn place(&self) -> Result<Directory> {
        self.directory.clone().map_or_else(Directory::default_place, Ok)
    }

    /// Refuses a table of participants that cannot be.
    pub(crate) fn check(&self, name: &str) -> Result<()> {
        if (1..=MAX_PARTICIPANTS).contains(&self.participants) {
            return Ok(());
        }
        let reason = format!("it has room for {} participants, expected 1 to {MAX_PARTICIPANTS}", self.participants);
        Err(Error::invalid(name, reason))
    }
}

/// Attaches to what is there, or else creates it, however often the name comes and goes meanwhile.
pub(crate) fn attach_or_create<R>(
    name: &str,
    attach: impl Fn() -> Result<R>,
    create: impl Fn() -> Result<R>,
) -> Result<R> {
    for _ in 0..TRIES {
        match attach() {
            Err(Error::NotFound { .. }) => {}
            found => return found,
        }
        match create() {
            Err(Error::AlreadyExists { .. }) => {}
            made => return made,
        }
    }
    Err(Error::TimedOut { name: name.to_owned() })
}

/// The methods that every builder with `options` has.
macro_rules! common_options {
    ($what:literal) => {
        #[doc = concat!("Where the ", $what, " is or shall be. Default: [`Directory::default_place`](crate::Directory::default_place).")]
        #[must_use]
        pub fn directory(mut self, directory: &crate::Directory) -> Self {
            self.options.directory = Some(directory.clone());
            self
        }

        #[doc = concat!("How many handles can be attached at a time, up to 1022. Default: 64. For a new ", $what, ".")]
        #[must_use]
        pub fn participants(mut self, participants: u32) -> Self {
            self.options.participants = participants;
            self
        }

        #[doc = concat!("The permissions of the file, as for `chmod`. Default: `0o600`. For a new ", $what, ".")]
        ///
        /// Another user needs a [`Directory::open_trusting_others`](crate::Directory::open_trusting_others) to attach; so
        /// does everybody if others may write to it, and it is created in such a one only.
        #[must_use]
        pub fn permissions(mut self, mode: u32) -> Self {
            self.options.permissions = mode & 0o777;
            self
        }

        #[doc = concat!("Attaches a fact to a new ", $what, ", for ever: units, a serial number, a calibration.")]
        #[must_use]
        pub fn attribute(mut self, key: &str, value: impl Into<serde_json::Value>) -> Self {
            self.options.attributes.insert(key.to_owned(), value.into());
            self
        }
    };
}

/// Those that only builders of arrays have.
macro_rules! array_options {
    ($what:literal) => {
        #[doc = concat!("How the items stand in memory. Default: [`Order::C`](crate::Order::C). For a new ", $what, "; `open` refuses one that is there and has another.")]
        #[must_use]
        pub fn order(mut self, order: crate::Order) -> Self {
            self.options.order = order;
            self
        }

        #[doc = concat!("Aligns the payload so that the kernel can use pages of 2 MiB. For a new ", $what, ".")]
        #[must_use]
        pub fn huge_pages(mut self, yes: bool) -> Self {
            self.options.huge_pages = yes;
            self
        }
    };
}

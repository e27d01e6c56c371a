//! What only the operating system can do. Nothing here knows what an array is.

pub(crate) mod byte_lock;
pub(crate) mod copy;
pub(crate) mod file;
pub(crate) mod fork;
pub(crate) mod futex;
pub(crate) mod mapping;
pub(crate) mod pages;
pub(crate) mod plain;
pub(crate) mod process;
pub(crate) mod replace;
pub(crate) mod sigbus;
pub(crate) mod transfer;

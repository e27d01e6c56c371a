//! Progress bars: on a terminal, and nowhere else.

use crate::interrupt::Interrupt;
use indicatif::{ProgressBar, ProgressStyle};

/// A bar of bytes on standard error, which shows nothing unless that is a terminal. It goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// Of bytes, of which it will be said how many there are.
    pub(crate) fn of_bytes(what: &str) -> Self {
        Self::new(what, "{msg} {wide_bar} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} to go")
    }

    /// Of bytes, of which nobody knows how many there will be.
    pub(crate) fn of_a_pipe(what: &str) -> Self {
        Self::new(what, "{msg} {binary_bytes}, {binary_bytes_per_sec}")
    }

    /// Of files that are looked at.
    pub(crate) fn of_files(what: &str) -> Self {
        Self::new(what, "{msg} {wide_bar} {pos} of {len} files")
    }

    fn new(what: &str, template: &str) -> Self {
        let bar = ProgressBar::no_length();
        // The templates are those above: they are known to be good.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        Self(bar)
    }

    pub(crate) fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    /// What the library's copies tell their progress to.
    pub(crate) fn follow(&self, interrupt: &Interrupt) -> impl FnMut(u64, u64) {
        move |done, total| {
            self.0.set_length(total);
            self.0.set_position(done);
            interrupt.stop_here();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

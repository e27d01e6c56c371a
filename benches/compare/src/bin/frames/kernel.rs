//! Sockets and pipes: frames are copied into the kernel and out of it.

use crate::work::{Consumer, Producer};
use nix::fcntl::{FcntlArg, fcntl};
use sharray_compare::{Outcome, Part, kernel, role};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

/// The most that a pipe holds for who is nobody in particular.
const PIPE: i32 = 1 << 20;

pub(crate) struct Out<W> {
    to: W,
    own: Vec<u64>,
}

impl<W: Write> Producer for Out<W> {
    fn put(&mut self, fill: &mut dyn FnMut(&mut [u64])) -> Outcome {
        fill(&mut self.own);
        Ok(self.to.write_all(bytemuck::cast_slice(&self.own))?)
    }
}

pub(crate) struct Back<R> {
    from: R,
    own: Vec<u64>,
}

impl<R: Read> Consumer for Back<R> {
    fn take(&mut self, look: &mut dyn FnMut(&[u64]) -> Outcome) -> Outcome {
        self.from.read_exact(bytemuck::cast_slice_mut(&mut self.own))?;
        look(&self.own)
    }
}

pub(crate) fn socket_out(part: &Part, words: usize) -> Outcome<Out<UnixStream>> {
    let (to, _) = UnixListener::bind(part.folder.join("socket"))?.accept()?;
    Ok(Out { to, own: vec![0; words] })
}

pub(crate) fn socket_back(part: &Part, words: usize) -> Outcome<Back<UnixStream>> {
    let from = role::retry(|| UnixStream::connect(part.folder.join("socket")))?;
    Ok(Back { from, own: vec![0; words] })
}

pub(crate) fn pipe_out(part: &Part, words: usize) -> Outcome<Out<File>> {
    let to = kernel::fifo(&part.folder.join("pipe"), true)?;
    fcntl(&to, FcntlArg::F_SETPIPE_SZ(PIPE))?;
    Ok(Out { to, own: vec![0; words] })
}

pub(crate) fn pipe_back(part: &Part, words: usize) -> Outcome<Back<File>> {
    Ok(Back { from: kernel::fifo(&part.folder.join("pipe"), false)?, own: vec![0; words] })
}

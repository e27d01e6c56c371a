//! Pipes and sockets: the message goes through the kernel.

use crate::talk::{Channel, Message, Side};
use nix::errno::Errno;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use sharray_compare::{Outcome, Part, role};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// One end to read from and one to write to.
pub(crate) struct Ends<R, W>(R, W);

impl<R: Read, W: Write> Channel for Ends<R, W> {
    fn send(&mut self, message: &Message) -> Outcome {
        Ok(self.1.write_all(bytemuck::cast_slice(message))?)
    }

    fn receive(&mut self) -> Outcome<Message> {
        let mut message = [0; 8];
        self.0.read_exact(bytemuck::cast_slice_mut(&mut message))?;
        Ok(message)
    }
}

/// Two named pipes.
pub(crate) fn pipe(part: &Part, side: Side) -> Outcome<Ends<File, File>> {
    let [questions, answers] = [Side::Answer, Side::Ask].map(|to| part.folder.join(to.inward()));
    // Opening one waits for the other end, so both sides open them in this order.
    Ok(match side {
        Side::Ask => {
            let out = open(&questions, true)?;
            Ends(open(&answers, false)?, out)
        }
        Side::Answer => Ends(open(&questions, false)?, open(&answers, true)?),
    })
}

fn open(path: &Path, writes: bool) -> io::Result<File> {
    match mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(()) | Err(Errno::EEXIST) => File::options().read(!writes).write(writes).open(path),
        Err(error) => Err(error.into()),
    }
}

/// A pair of connected stream sockets.
pub(crate) fn socket(part: &Part, side: Side) -> Outcome<Ends<UnixStream, UnixStream>> {
    let path = part.folder.join("socket");
    let socket = match side {
        Side::Ask => role::retry(|| UnixStream::connect(&path))?,
        Side::Answer => UnixListener::bind(&path)?.accept()?.0,
    };
    Ok(Ends(socket.try_clone()?, socket))
}

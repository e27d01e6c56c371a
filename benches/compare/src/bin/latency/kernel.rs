//! Pipes and sockets: the message goes through the kernel.

use crate::talk::{Channel, Message, Side};
use sharray_compare::{Outcome, Part, kernel, role};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

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
            let out = kernel::fifo(&questions, true)?;
            Ends(kernel::fifo(&answers, false)?, out)
        }
        Side::Answer => Ends(kernel::fifo(&questions, false)?, kernel::fifo(&answers, true)?),
    })
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

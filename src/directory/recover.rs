//! What dead processes left, put right at once and not by whoever meets it next.

use super::{Access, Directory, ParticipantInfo};
use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::protocol::participant;

impl Directory {
    /// Undoes what dead participants of an array held, and returns them as they were found.
    ///
    /// Nobody has to call this: whoever waits for a dead process does the same for what it needs. It is for looking after an
    /// array by hand. A block that one of them was writing is poisoned afterwards, as it is by any recovery, and the
    /// producer's role is free.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::InvalidArgument`] for a team, which only its own ranks can put right;
    /// [`Error::ReadOnly`] or [`Error::Io`] without permission to write; those of attaching.
    ///
    /// # Examples
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let place = sharray::Directory::open(folder.path())?;
    /// let camera = sharray::Publisher::<u8, ndarray::Ix1>::builder().directory(&place).create("camera", [4])?;
    /// assert!(place.recover("camera")?.is_empty(), "its producer lives");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recover(&self, name: &str) -> Result<Vec<ParticipantInfo>> {
        let info = self.inspect(name)?;
        // Whoever attaches to a team is one of its ranks.
        if info.kind == Kind::Team {
            let reason = "a team is put right by its ranks: one joins in the place of the dead, and all reset it";
            return Err(Error::invalid(name, reason));
        }
        // Before attaching, which may take the record of one of them.
        let mut found = info.participants;
        let attachment = self.attach(name, Access::ReadWrite)?;
        let me = attachment.writer()?;
        let recovered = participant::recover_dead(attachment.segment(), me);
        attachment.believe(recovered.map_err(|fault| attachment.explain(fault)))?;
        found.retain(|participant| !participant.is_alive);
        Ok(found)
    }
}

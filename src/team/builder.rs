//! Options for a team.

use super::{SLOT_BYTES, Team};
use crate::attachment::{Attachment, explain};
use crate::directory::{Access, Creation, Directory};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::expect::check_kind;
use crate::kind::Kind;
use crate::layout::{LOCK_JOIN, MAX_PARTICIPANTS};
use crate::options::attach_or_create;
use crate::protocol::World;
use crate::protocol::barrier;
use crate::protocol::participant::{self, Participant};
use crate::segment::{Form, Segment, Spec};
use crate::shape::Order;
use crate::sys::byte_lock::{self, Mode};
use crate::sys::futex;
use std::time::Duration;

/// How long a rank may seem taken: others probe whether it lives.
const PROBES_NS: u64 = 100_000_000;

/// How long a rank waits for others that are joining.
const PATIENCE_NS: u64 = 10_000_000_000;

/// Options for joining a team.
///
/// # Examples
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let place = sharray::Directory::open(folder.path())?;
/// let alone = sharray::Team::builder().directory(&place).join("sim", 0, 1)?;
/// assert_eq!((alone.rank(), alone.size()), (0, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TeamBuilder {
    directory: Option<Directory>,
}

impl TeamBuilder {
    /// Where the team is or shall be. Default: [`Directory::default_place`].
    #[must_use]
    pub fn directory(mut self, directory: &Directory) -> Self {
        self.directory = Some(directory.clone());
        self
    }

    /// Joins the team of this name as rank `rank` of `size`, and creates it if it is not there.
    ///
    /// # Errors
    /// As for [`Team::join`].
    pub fn join(&self, name: &str, rank: u32, size: u32) -> Result<Team> {
        if size == 0 || size > MAX_PARTICIPANTS || rank >= size {
            let reason =
                format!("rank {rank} of {size} cannot be, expected a rank below a size of 1 to {MAX_PARTICIPANTS}");
            return Err(Error::invalid(name, reason));
        }
        let place = self.directory.clone().map_or_else(Directory::default_place, Ok)?;
        let attach = || {
            place.attach_by(name, Access::ReadWrite, |segment| {
                check_team(&segment, size)?;
                Attachment::join_by(segment, |segment| take_rank(segment, rank))
            })
        };
        let create = || {
            let creation = Creation { spec: &spec(size), permissions: 0o600 };
            place.create(name, &creation, |_| Ok(())).and_then(|()| attach())
        };
        let attachment = attach_or_create(name, attach, create)?;
        Team::new(attachment, place.clone())
    }
}

/// What a team's slots are.
fn form() -> Form {
    Form { kind: Kind::Team, dtype: DType::U8, shape: vec![SLOT_BYTES], order: Order::C }
}

fn spec(size: u32) -> Spec {
    Spec {
        form: form(),
        flags: 0,
        slots: size,
        ring: 0,
        participants: size,
        blocks: size,
        huge_pages: false,
        attributes: serde_json::Map::new(),
    }
}

fn check_team(segment: &Segment, size: u32) -> Result<()> {
    check_kind(segment.name(), segment.form(), Kind::Team)?;
    if *segment.form() != form() {
        return Err(segment.corrupt("its slots are not those of a team"));
    }
    if segment.participants() == size {
        return Ok(());
    }
    let team_of = |size| format!("a team of size {size}");
    let (expected, found) = (team_of(size), team_of(segment.participants()));
    Err(Error::Mismatch { name: segment.name().to_owned(), expected, found })
}

/// Takes the record of a rank, and makes it a member. One rank after the other joins: see [`barrier::join`].
fn take_rank(segment: &Segment, rank: u32) -> Result<Participant> {
    let io = |action| move |error| Error::io(action, segment.name(), error);
    let file = segment.lock_file();
    wait_for(segment, PATIENCE_NS, || {
        byte_lock::try_lock(file, LOCK_JOIN, Mode::Exclusive).map(|locked| locked.then_some(())).map_err(io("lock"))
    })?
    .ok_or_else(|| Error::TimedOut { name: segment.name().to_owned() })?;
    let fault = |fault| explain(segment, fault);
    let me = wait_for(segment, PROBES_NS, || participant::attach_as(segment, rank).map_err(fault))?;
    let me = me.ok_or_else(|| {
        let pid = segment.process(rank).pid;
        Error::RankTaken { name: segment.name().to_owned(), rank, pid }
    })?;
    barrier::join(segment, me).map_err(fault)?;
    byte_lock::unlock(file, LOCK_JOIN).map_err(io("unlock"))?;
    Ok(me)
}

/// Tries something again and again that others hinder for a moment; `None` if they do for longer.
fn wait_for<R>(
    segment: &Segment,
    patience_ns: u64,
    mut attempt: impl FnMut() -> Result<Option<R>>,
) -> Result<Option<R>> {
    let deadline_ns = futex::now_ns() + patience_ns;
    loop {
        if let Some(done) = attempt()? {
            return Ok(Some(done));
        }
        segment.check_whole()?;
        if futex::now_ns() > deadline_ns {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

//! What belongs to others, what others may change, and what is no file: an error of its own kind each, from the folders that a
//! name tells to the file itself; and what was found stays what it was.

mod support;

use ndarray::Ix1;
use nix::sys::stat::{Mode as Bits, SFlag, makedev, mknod};
use nix::unistd::{Gid, Uid, chown, geteuid, mkfifo, setgid, setgroups, setuid};
use sharray::{AnyMemmap, AnyMode, Directory, Error, Mode, SharedArray};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::ExitCode;
use support::child::{Child, Task};
use support::stream;
use support::{Outcome, Roles, Test, ensure, ensure_eq, main as run};

const ROLES: Roles = &[("nobody", nobody)];

fn main() -> ExitCode {
    let lacks_root = || (!geteuid().is_root()).then(|| "the superuser's rights".to_owned());
    run(
        ROLES,
        vec![
            Test::new("folders_of_a_name_that_others_may_write_to", writable_folders),
            Test::new("folders_of_a_name_that_belong_to_others", foreign_folders).lacking(lacks_root()),
            Test::new("who_may_not", without_rights).lacking(lacks_root()),
            Test::new("what_is_no_plain_file", no_files),
        ],
    )
}

/// The one whom nothing belongs to.
const NOBODY: u32 = 65_534;

type Field = SharedArray<u64, Ix1>;

fn attach(place: &Directory, name: &str) -> sharray::Result<()> {
    Field::builder().directory(place).attach(name).map(drop)
}

fn create(place: &Directory, name: &str) -> sharray::Result<()> {
    Field::builder().directory(place).create(name, [4]).map(drop)
}

fn set_mode(path: &Path, bits: u32) -> Outcome {
    Ok(fs::set_permissions(path, Permissions::from_mode(bits))?)
}

/// All that goes through a folder refuses it by its name, and leaves what is there.
fn is_refused(place: &Directory, folder: &Path, says: &str) -> Outcome {
    let before = stream::leftovers(place.path())?;
    for (what, outcome) in [
        ("attach", attach(place, "a/b/c")),
        ("read-only attach", Field::builder().directory(place).read_only().attach("a/b/c").map(drop)),
        ("open", Field::builder().directory(place).open("a/b/c", [4]).map(drop)),
        ("create", create(place, "a/b/c")),
        ("create another", create(place, "a/b/d")),
        ("create below", create(place, "a/b/new/d")),
        ("inspect", place.inspect("a/b/c").map(drop)),
        ("unlink", place.unlink("a/b/c")),
    ] {
        match outcome {
            Err(Error::Untrusted { path, reason }) => {
                ensure!(path == folder && reason.contains(says), "{what}: {}: {reason}", path.display());
            }
            // That there is one it may say before it looks at the folders.
            Err(Error::AlreadyExists { .. }) if what == "create" => {}
            other => return Err(format!("{what} in {} answers {other:?}", folder.display()).into()),
        }
    }
    ensure!(place.list()?.is_empty() && place.collect_garbage()?.is_empty(), "nothing is listed or collected");
    ensure_eq!(stream::leftovers(place.path())?, before, "what is there");
    attach(&Directory::open_trusting_others(place.path())?, "a/b/c").map_err(Into::into)
}

/// Whoever may write to a folder of a name can put another file in the place of the array.
fn writable_folders() -> Outcome {
    let folder = stream::fresh_folder()?;
    let place = Directory::open(folder.path())?;
    create(&place, "a/b/c")?;
    for below in ["a", "a/b"] {
        let path = place.path().join(below);
        for bits in [0o770, 0o702, 0o777, 0o1777] {
            set_mode(&path, bits)?;
            is_refused(&place, &path, &format!("{bits:04o}"))?;
        }
        for bits in [0o700, 0o755, 0o500] {
            set_mode(&path, bits)?;
            attach(&place, "a/b/c")?;
        }
        set_mode(&path, 0o700)?;
    }
    Ok(place.unlink("a/b/c")?)
}

fn foreign_folders() -> Outcome {
    let folder = stream::fresh_folder()?;
    let place = Directory::open(folder.path())?;
    create(&place, "a/b/c")?;
    for below in ["a", "a/b"] {
        let path = place.path().join(below);
        chown(&path, Some(Uid::from_raw(NOBODY)), None)?;
        is_refused(&place, &path, "it belongs to user 65534, expected 0")?;
        chown(&path, Some(Uid::from_raw(0)), None)?;
    }
    Ok(attach(&place, "a/b/c")?)
}

/// The superuser's folders and files, and somebody who has no rights to them but what their modes give to all.
fn without_rights() -> Outcome {
    let folder = stream::fresh_folder()?;
    let place = Directory::open(folder.path())?;
    Field::builder().directory(&place).permissions(0o644).create("readable", [4])?;
    create(&place, "secret")?;
    fs::write(folder.path().join("data"), [1; 64])?;
    fs::write(folder.path().join("private"), [1; 64])?;
    set_mode(&folder.path().join("private"), 0o600)?;
    let closed = stream::fresh_folder()?;
    set_mode(folder.path(), 0o755)?;
    set_mode(closed.path(), 0o700)?;
    let args = [folder.path(), closed.path()].map(|path| path.display().to_string());
    let before = stream::leftovers(folder.path())?;
    Child::start("nobody", args)?.succeed()?;
    ensure_eq!(stream::leftovers(folder.path())?, before, "what is there");
    Ok(())
}

/// Child: gives up all rights, and tries.
fn nobody(task: &Task) -> Outcome {
    setgroups(&[])?;
    setgid(Gid::from_raw(NOBODY))?;
    setuid(Uid::from_raw(NOBODY))?;
    let folder = Path::new(task.arg(0)?);
    let forbidden = |outcome: sharray::Result<()>| match outcome {
        Err(Error::Io { source, path, .. }) => {
            source.kind() == std::io::ErrorKind::PermissionDenied && path.starts_with("/")
        }
        other => {
            eprintln!("{other:?}");
            false
        }
    };
    let opened = Directory::open(folder).map(drop);
    ensure!(
        matches!(&opened, Err(Error::Untrusted { reason, .. }) if reason.contains("user 0")),
        "it is root's: {opened:?}"
    );
    ensure!(forbidden(Directory::open(task.arg(1)?).map(drop)), "a folder that is closed");
    ensure!(forbidden(Directory::open(folder.join("new")).map(drop)), "a folder that cannot be made");
    let place = Directory::open_trusting_others(folder)?;
    let array = Field::builder().directory(&place).attach("readable")?;
    ensure!(array.is_read_only(), "it may only be read");
    ensure_eq!(array.snapshot()?.len(), 4, "its items");
    ensure!(matches!(array.write().map(drop), Err(Error::ReadOnly { .. })), "it cannot be written");
    ensure!(forbidden(attach(&place, "secret")), "an array that is closed");
    ensure!(forbidden(place.inspect("secret").map(drop)), "nor looked at");
    ensure!(forbidden(create(&place, "new")), "nothing can be created");
    ensure!(forbidden(create(&place, "new/below")), "nor below a new folder");
    ensure!(forbidden(place.unlink("readable")), "nor unlinked");
    ensure!(place.collect_garbage()?.is_empty(), "nor collected");
    ensure_eq!(place.list()?.len(), 1, "arrays that may be seen");
    ensure_eq!(sharray::memmap::<u8>(folder.join("data")).open()?.view()[5], 1, "a file that may be read");
    for (file, mode) in
        [("data", AnyMode::ReadWrite), ("data", AnyMode::Write), ("private", AnyMode::Read), ("new", AnyMode::Write)]
    {
        let outcome = AnyMemmap::builder(folder.join(file)).mode(mode).shape(&[8]).open().map(drop);
        ensure!(forbidden(outcome), "{file}, mode {mode}");
    }
    Ok(())
}

/// A plain file is neither a folder nor a device, nor the other end of a pipe that one would wait for. A link leads to what it
/// names, as for everybody.
fn no_files() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    mkfifo(&path("pipe"), Bits::S_IRWXU)?;
    let _socket = UnixListener::bind(path("socket"))?;
    fs::create_dir(path("folder"))?;
    symlink("nowhere", path("dangling"))?;
    symlink("loop", path("loop"))?;
    symlink("pipe", path("link"))?;
    let mut names = vec!["pipe", "socket", "folder", "dangling", "loop", "link"];
    for (name, kind, device) in [("zero", SFlag::S_IFCHR, makedev(1, 5)), ("disk", SFlag::S_IFBLK, makedev(7, 250))] {
        match mknod(&path(name), kind, Bits::S_IRWXU, device) {
            Ok(()) => names.push(name),
            Err(reason) => eprintln!("no device node was tried: {reason}"),
        }
    }
    for name in names {
        for mode in [AnyMode::Read, AnyMode::ReadWrite, AnyMode::CopyOnWrite, AnyMode::Write] {
            if (name, mode) == ("dangling", AnyMode::Write) {
                continue;
            }
            for outcome in [
                AnyMemmap::builder(path(name)).mode(mode).shape(&[8]).open().map(drop),
                AnyMemmap::builder(path(name)).mode(mode).shape(&[8]).open_npy().map(drop),
            ] {
                let is_right = matches!(&outcome, Err(Error::Io { path: told, .. }) if *told == path(name));
                ensure!(is_right, "{name}, mode {mode}: {outcome:?}");
            }
        }
        ensure!(fs::symlink_metadata(path(name)).is_ok(), "{name} is gone");
    }
    // A new file takes the place that a link leads to.
    AnyMemmap::builder(path("dangling")).mode(Mode::Write).shape(&[8]).open()?;
    ensure_eq!(fs::read(path("nowhere"))?.len(), 8, "what the link leads to");
    Ok(())
}

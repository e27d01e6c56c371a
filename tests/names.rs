//! Names and places: how arrays come to be, are found, and go; whom a place trusts; what garbage is.

#[path = "support/bytes.rs"]
mod bytes;
#[path = "support/place.rs"]
mod place;

use ndarray::{Ix0, Ix1};
use nix::fcntl::{FcntlArg, fcntl};
use nix::unistd::{Uid, chown, geteuid};
use place::{Outcome, PATIENCE, Place, eventually, in_child, is_child, refusal, run, takes_at_least};
use sharray::{AnyPublisher, AnySubscriber, DType, Directory, Error, Kind, Order, Publisher, Subscriber};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

const SOON: Duration = Duration::from_millis(30);
/// The variable that names the default place.
const DEFAULT: &str = "SHARRAY_DIR";
/// A user who owns nothing: `nobody`.
const NOBODY: u32 = 65_534;

type Stream = Publisher<u64, Ix0>;
type Reader = Subscriber<u64, Ix0>;

fn create(place: &Directory, name: &str) -> Result<Stream, Error> {
    Publisher::builder().directory(place).participants(4).create(name, ())
}

fn attach(place: &Directory, name: &str) -> Result<Reader, Error> {
    Subscriber::builder().directory(place).attach(name)
}

fn publish(publisher: &mut Stream, value: u64) -> Result<u64, Error> {
    let mut loan = publisher.loan()?;
    loan.view_mut().fill(value);
    Ok(loan.publish())
}

fn mode(path: &Path) -> Result<u32, std::io::Error> {
    Ok(fs::metadata(path)?.mode() & 0o7777)
}

fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

// ---------------------------------------------------------------- coming and going

/// Create makes, attach finds, open does either, inspect and list tell, unlink removes.
#[test]
fn an_array_comes_is_found_and_goes() -> Outcome {
    let place = Place::new()?;
    assert!(matches!(refusal(attach(&place, "s")), Error::NotFound { .. }));
    let error = refusal(Publisher::<u64, Ix0>::builder().directory(&place).attach("s"));
    assert!(error.to_string().contains("\"s\"") && error.to_string().contains(&place.path().display().to_string()));
    assert!(matches!(refusal(place.inspect("s")), Error::NotFound { .. }));
    assert!(matches!(refusal(place.unlink("s")), Error::NotFound { .. }));
    assert!(place.list()?.is_empty());

    let before = SystemTime::now();
    let builder = AnyPublisher::builder().directory(&place).order(Order::Fortran).history(3).participants(4);
    let mut publisher = builder.open("s", &DType::I16, &[4, 2])?;
    publisher.loan()?.publish();
    let _subscriber = AnySubscriber::builder().directory(&place).lossless().attach("s")?;
    let info = place.inspect("s")?;
    assert_eq!((info.name.as_str(), &info.path), ("s", &place.file("s")));
    assert_eq!(
        (info.kind, &info.dtype, &info.shape[..], info.order),
        (Kind::Stream, &DType::I16, &[4, 2][..], Order::Fortran)
    );
    assert_eq!((info.slots, info.history, info.sequence), (7, 3, 1));
    assert_eq!((info.is_closed, info.is_retired, info.attributes.len()), (false, false, 0));
    assert_eq!(info.file_len, fs::metadata(place.file("s"))?.len());
    assert!(info.created >= before && info.created <= SystemTime::now());
    assert!(info.npy_offset < info.data_offset && info.data_offset < info.file_len);
    let roles: Vec<_> = info.participants.iter().map(|one| (one.is_alive, one.is_producer, one.is_lossless)).collect();
    assert_eq!(roles, [(true, true, false), (true, false, true)]);
    assert_eq!(info.producer().map(|producer| producer.pid), Some(std::process::id()));
    assert!(matches!(refusal(builder.open("s", &DType::I16, &[4, 2])), Error::ProducerPresent { .. }));

    drop(publisher);
    let again = builder.open("s", &DType::I16, &[4, 2])?;
    assert_eq!((again.sequence(), place.inspect("s")?.generation), (1, info.generation));
    place.unlink("s")?;
    assert!(matches!(refusal(place.unlink("s")), Error::NotFound { .. }));
    assert_eq!((place.list()?.len(), fs::read_dir(place.path())?.count()), (0, 0));
    Ok(())
}

/// A name may have folders in it. They come with their first array and go with their last.
#[test]
fn folders_come_and_go_with_their_arrays() -> Outcome {
    let place = Place::new()?;
    let names = ["a", "b/c", "b/d/e/f", "b/d/g", "z.1-2_3"];
    let streams: Vec<_> = names.iter().map(|name| create(&place, name)).collect::<Result<_, _>>()?;
    assert_eq!(place.names()?, names);
    assert_eq!(attach(&place, "b/d/e/f")?.name(), "b/d/e/f");
    assert_eq!(place.inspect("b/d/e/f")?.path, place.file("b/d/e/f"));
    place.unlink("b/d/e/f")?;
    assert!(!place.file("b/d/e").exists() && place.file("b/d").exists());
    place.unlink("b/d/g")?;
    assert!(!place.file("b/d").exists() && place.file("b").exists());
    // What is not an array keeps its folder.
    fs::write(place.file("b/notes.txt"), "mine")?;
    place.unlink("b/c")?;
    assert_eq!(fs::read_to_string(place.file("b/notes.txt"))?, "mine");
    assert_eq!(place.names()?, ["a", "z.1-2_3"]);
    drop(streams);
    Ok(())
}

/// A name is an array or a folder of arrays, never both.
#[test]
fn a_name_is_an_array_or_a_folder() -> Outcome {
    let place = Place::new()?;
    let _both = (create(&place, "array")?, create(&place, "folder/array")?);
    for (name, told) in [
        ("array/below", "a part of it is an array, not a folder"),
        ("array/below/further", "a part of it is an array, not a folder"),
        ("folder", "it is a folder of arrays"),
    ] {
        for error in [
            refusal(create(&place, name)),
            refusal(attach(&place, name)),
            refusal(Publisher::<u64, Ix0>::builder().directory(&place).open(name, ())),
            refusal(Subscriber::<u64, Ix0>::builder().directory(&place).wait(PATIENCE).attach(name)),
            refusal(place.inspect(name)),
            refusal(place.unlink(name)),
        ] {
            assert!(matches!(error, Error::InvalidName { .. }), "{error}");
            assert_eq!(error.to_string(), format!("{name:?} cannot name an array: {told}"));
        }
    }
    assert_eq!(place.names()?, ["array", "folder/array"]);
    Ok(())
}

/// Create leaves what is there as it is, to the byte.
#[test]
fn create_replaces_nothing() -> Outcome {
    let place = Place::new()?;
    let mut first = create(&place, "s")?;
    publish(&mut first, 7)?;
    let (bytes, inode) = (fs::read(place.file("s"))?, fs::metadata(place.file("s"))?.ino());
    for error in [
        refusal(create(&place, "s")),
        refusal(AnyPublisher::builder().directory(&place).create("s", &DType::U8, &[1 << 20])),
        refusal(AnyPublisher::builder().directory(&place).open("s", &DType::U8, &[1 << 20])),
    ] {
        assert!(matches!(error, Error::AlreadyExists { .. } | Error::Mismatch { .. }), "{error}");
    }
    assert!(fs::read(place.file("s"))?.len() == bytes.len() && fs::metadata(place.file("s"))?.ino() == inode);
    assert_eq!(attach(&place, "s")?.latest()?.map(|frame| *frame.view().into_scalar()), Some(7));
    assert_eq!(fs::read_dir(place.path())?.count(), 1, "something was left behind");
    Ok(())
}

/// Of many that create the same name at once one succeeds, and every other is told that it exists.
#[test]
fn one_of_many_creates() -> Outcome {
    let place = Place::new()?;
    for round in 0..20 {
        let name = format!("deep/{round}/s");
        let barrier = Barrier::new(8);
        let made: Vec<_> = thread::scope(|scope| {
            let race = |index: u64| {
                let (place, name, barrier) = (&*place, &name, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let content = ndarray::arr0(index);
                    Publisher::builder().directory(place).participants(9).create_from(name, &content)
                })
            };
            let threads: Vec<_> = (0..8).map(race).collect();
            threads.into_iter().map(|thread| thread.join().expect("it did not panic")).collect()
        });
        let winner = made.iter().position(Result::is_ok).ok_or("nobody created it")?;
        for (index, result) in made.iter().enumerate().filter(|(index, _)| *index != winner) {
            assert!(matches!(result, Err(Error::AlreadyExists { .. })), "{index}: {result:?}");
        }
        // Whoever finds the name finds it with its content.
        let content = attach(&place, &name)?.latest()?.map(|frame| *frame.view().into_scalar());
        assert_eq!(content, Some(winner as u64));
        drop(made);
        place.unlink(&name)?;
    }
    assert_eq!(fs::read_dir(place.path())?.count(), 0);
    Ok(())
}

/// Of many that open the same name while it comes and goes, each gets a stream of its own or a typed answer.
#[test]
fn opening_races_with_unlinking() -> Outcome {
    let place = Place::new()?;
    let opened = thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut opened = 0;
                    for _ in 0..60 {
                        match Publisher::<u64, Ix0>::builder().directory(&place).participants(8).open("a/b", ()) {
                            Ok(mut publisher) => {
                                opened += 1;
                                publish(&mut publisher, 1).expect("a publisher that was let in can publish");
                                match place.unlink("a/b") {
                                    Ok(()) | Err(Error::NotFound { .. }) => {}
                                    Err(error) => panic!("{error}"),
                                }
                            }
                            Err(Error::ProducerPresent { .. }) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                    opened
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("it did not panic")).sum::<u32>()
    });
    assert!(opened >= 60, "{opened}");
    Ok(())
}

/// What is not a name is refused by every call, before anything is looked at.
#[test]
fn hostile_names_are_refused() -> Outcome {
    let place = Place::new()?;
    let outside = place.file("outside");
    fs::create_dir(&outside)?;
    let inner = Directory::open(outside.join("inner"))?;
    drop(create(&place, "target")?);
    let long = "x".repeat(256);
    let deep = format!("{}x", "x/".repeat(128));
    for name in [
        "",
        "/",
        "//",
        ".",
        "..",
        "../target",
        "a/../../target",
        "a/..",
        "./a",
        "a/.",
        "a//b",
        "/a",
        "a/",
        ".hidden",
        "a/.hidden",
        "a b",
        "a\tb",
        "a\nb",
        "a\0b",
        "a\\b",
        "a:b",
        "~",
        "*",
        "?",
        "$HOME",
        "é",
        "日本",
        "😀",
        "\u{202e}a",
        "a\u{301}",
        "ａ",
        "%2e%2e",
        &long,
        &deep,
        "/etc/passwd",
        "/proc/self/mem",
    ] {
        for error in [
            refusal(create(&inner, name)),
            refusal(attach(&inner, name)),
            refusal(Subscriber::<u64, Ix0>::builder().directory(&inner).wait(PATIENCE).attach(name)),
            refusal(Publisher::<u64, Ix0>::builder().directory(&inner).open(name, ())),
            refusal(inner.inspect(name)),
            refusal(inner.unlink(name)),
        ] {
            assert!(matches!(error, Error::InvalidName { .. }), "{name:?}: {error}");
            let text = error.to_string();
            assert!(!text.contains('\n') && !text.contains('\0'), "{text:?}");
        }
    }
    assert_eq!(fs::read_dir(inner.path())?.count(), 0);
    // The longest that are names.
    for name in ["x".repeat(255), format!("{}x", "x/".repeat(127))] {
        drop(create(&inner, &name)?);
        assert_eq!(attach(&inner, &name)?.name(), name);
        inner.unlink(&name)?;
    }
    assert_eq!((fs::read_dir(inner.path())?.count(), place.names()?), (0, vec!["target".to_owned()]));
    Ok(())
}

// ---------------------------------------------------------------- places

/// Without a directory in the builder, arrays are in `$SHARRAY_DIR`, which is made if it is not there.
#[test]
fn the_default_place_is_where_the_variable_says() -> Outcome {
    let place = Place::new()?;
    let folder = place.file("new");
    run(in_child("uses_the_default_place")?.env(DEFAULT, &folder))?;
    assert_eq!((mode(&folder)?, fs::read_dir(&folder)?.count()), (0o700, 1));
    let directory = Directory::open(&folder)?;
    assert_eq!(attach(&directory, "kept")?.sequence(), 1);
    Ok(())
}

#[test]
#[ignore = "a part of another test, which runs it in a process of its own"]
fn uses_the_default_place() -> Outcome {
    let Some(folder) = std::env::var_os(DEFAULT).filter(|_| is_child()) else { return Ok(()) };
    assert_eq!(Directory::default_place()?.path(), folder);
    let mut publisher = Publisher::<u64, Ix0>::create("kept", ())?;
    publish(&mut publisher, 1)?;
    assert!(Subscriber::<u64, Ix0>::attach("kept")?.latest()?.is_some());
    drop(publisher);
    assert_eq!(Publisher::<u64, Ix0>::open("kept", ())?.sequence(), 1);
    assert_eq!(Publisher::<u64, Ix0>::attach("kept")?.sequence(), 1);
    let other = Publisher::create_from("other", &ndarray::arr0(5_u64))?;
    assert_eq!(Directory::default_place()?.list()?.len(), 2);
    Directory::default_place()?.unlink("other")?;
    assert!(other.is_retired());
    Ok(())
}

/// Without the variable, or with an empty one, it is a folder of this user's in memory.
#[test]
fn the_default_place_is_in_memory() -> Outcome {
    if !Path::new("/dev/shm").is_dir() {
        eprintln!("not tried: there is no /dev/shm");
        return Ok(());
    }
    run(in_child("finds_the_default_place")?.env(DEFAULT, ""))?;
    run(in_child("finds_the_default_place")?.env_remove(DEFAULT))
}

#[test]
#[ignore = "a part of another test, which runs it in a process of its own"]
fn finds_the_default_place() -> Outcome {
    if !is_child() {
        return Ok(());
    }
    let place = Directory::default_place()?;
    assert_eq!(place.path(), Path::new(&format!("/dev/shm/sharray-{}", geteuid())));
    assert_eq!(mode(place.path())?, 0o700);
    Ok(())
}

/// A place that is not a folder, or that cannot be made, is an error that names it.
#[test]
fn a_place_is_a_folder() -> Outcome {
    let place = Place::new()?;
    fs::write(place.file("file"), "")?;
    for path in [place.file("file"), place.file("file/below"), place.file("not/there")] {
        let error = refusal(Directory::open(&path));
        assert!(
            matches!(error, Error::Io { .. }) && error.to_string().contains(&path.display().to_string()),
            "{error}"
        );
    }
    let directory = Directory::open(place.file("made"))?;
    assert_eq!((mode(directory.path())?, Directory::open(place.file("made/"))?.path()), (0o700, directory.path()));
    Ok(())
}

/// Files are for their user alone unless the builder says otherwise, whatever the process's mask is; folders can be
/// entered by whoever may read the array in them.
#[test]
fn permissions_are_as_asked_for() -> Outcome {
    let place = Place::new()?;
    drop(create(&place, "default/s")?);
    assert_eq!((mode(&place.file("default/s"))?, mode(&place.file("default"))?), (0o600, 0o700));
    for (asked, file, folder) in
        [(0o644, 0o644, 0o755), (0o640, 0o640, 0o750), (0o400, 0o400, 0o700), (0o10_600, 0o600, 0o700)]
    {
        let name = format!("m{asked:o}/s");
        let builder = Publisher::<u64, Ix0>::builder().directory(&place).participants(4).permissions(asked);
        let mut publisher = builder.create(&name, ())?;
        publish(&mut publisher, 1)?;
        assert_eq!(mode(&place.file(&name))?, file);
        // A mask can take bits from a folder, never give any.
        let found = mode(&place.file(&format!("m{asked:o}")))?;
        assert!(found & !folder == 0 && found & 0o700 == 0o700, "{found:o}");
        assert!(attach(&place, &name)?.latest()?.is_some());
    }
    Ok(())
}

/// A file that others may write to could be neither attached nor unlinked by who trusts nobody: it is not created.
#[test]
fn permissions_that_nobody_trusts_are_refused() -> Outcome {
    let place = Place::new()?;
    for bits in [0o666, 0o620, 0o602] {
        let builder = Publisher::<u64, Ix0>::builder().participants(4).permissions(bits);
        let error = refusal(builder.clone().directory(&place).create("sub/s", ()));
        assert!(
            matches!(error, Error::Untrusted { .. }) && error.to_string().contains(&format!("{bits:04o}")),
            "{error}"
        );
        assert!(!place.file("sub").exists());
        let trusting = Directory::open_trusting_others(place.path())?;
        drop(builder.directory(&trusting).create("sub/s", ())?);
        trusting.unlink("sub/s")?;
    }
    Ok(())
}

/// A folder or a file that others may write to is refused by name and mode, unless the caller trusts them.
#[test]
fn what_others_may_write_to_is_not_trusted() -> Outcome {
    let place = Place::new()?;
    let folder = place.file("folder");
    drop(create(&Directory::open(&folder)?, "s")?);
    for bits in [0o770, 0o702, 0o777, 0o1777] {
        set_mode(&folder, bits)?;
        let error = refusal(Directory::open(&folder));
        let text = error.to_string();
        assert!(matches!(error, Error::Untrusted { .. }), "{text}");
        assert!(text.contains(&format!("{bits:04o}")) && text.contains("folder") && text.contains("0755"), "{text}");
        let trusting = Directory::open_trusting_others(&folder)?;
        assert!(attach(&trusting, "s").is_ok());
    }
    for bits in [0o700, 0o755, 0o500] {
        set_mode(&folder, bits)?;
        assert!(attach(&Directory::open(&folder)?, "s").is_ok());
    }
    let directory = Directory::open(&folder)?;
    for bits in [0o660, 0o602, 0o666] {
        set_mode(&folder.join("s"), bits)?;
        for error in [
            refusal(attach(&directory, "s")),
            refusal(directory.inspect("s")),
            refusal(directory.unlink("s")),
            refusal(Publisher::<u64, Ix0>::builder().directory(&directory).open("s", ())),
        ] {
            assert!(
                matches!(error, Error::Untrusted { .. }) && error.to_string().contains(&format!("{bits:04o}")),
                "{error}"
            );
        }
        assert!(directory.list()?.is_empty() && directory.collect_garbage()?.is_empty());
        assert!(attach(&Directory::open_trusting_others(&folder)?, "s").is_ok());
    }
    set_mode(&folder, 0o700)?;
    Ok(())
}

/// What belongs to someone else is refused, and the error says to whom.
#[test]
fn what_belongs_to_others_is_not_trusted() -> Outcome {
    if !geteuid().is_root() {
        eprintln!("not tried: only the superuser can give files away");
        return Ok(());
    }
    let place = Place::new()?;
    let folder = place.file("folder");
    drop(create(&Directory::open(&folder)?, "s")?);
    let (nobody, root) = (Some(Uid::from_raw(NOBODY)), Some(Uid::from_raw(0)));
    chown(&folder.join("s"), nobody, None)?;
    let directory = Directory::open(&folder)?;
    for error in [refusal(attach(&directory, "s")), refusal(directory.inspect("s")), refusal(directory.unlink("s"))] {
        let told = error.to_string();
        assert!(matches!(error, Error::Untrusted { .. }), "{told}");
        assert!(told.contains("it belongs to user 65534, expected 0"), "{told}");
    }
    chown(&folder, nobody, None)?;
    assert!(refusal(Directory::open(&folder)).to_string().contains("it belongs to user 65534, expected 0"));
    let trusting = Directory::open_trusting_others(&folder)?;
    assert!(attach(&trusting, "s").is_ok());
    trusting.unlink("s")?;
    chown(&folder, root, None)?;
    Ok(())
}

/// A link in the place of a folder could lead anywhere: it is refused, and nothing is made behind it.
#[test]
fn links_are_not_followed() -> Outcome {
    let place = Place::new()?;
    let (real, link) = (place.file("real"), place.file("link"));
    drop(create(&Directory::open(&real)?, "s")?);
    symlink(&real, &link)?;
    for path in [link.clone(), place.file("link/")] {
        let error = refusal(Directory::open(&path));
        assert!(matches!(error, Error::Untrusted { .. }) && error.to_string().contains("symbolic link"), "{error}");
        assert!(attach(&Directory::open_trusting_others(&path)?, "s").is_ok());
    }
    // Below a place too.
    for name in ["link/s", "link/new", "link/new/s"] {
        for error in [refusal(create(&place, name)), refusal(attach(&place, name)), refusal(place.unlink(name))] {
            let is_there = matches!(error, Error::AlreadyExists { .. }) && name == "link/s";
            assert!(is_there || matches!(error, Error::NotAnArray { .. }), "{error}");
        }
    }
    let inside: Vec<PathBuf> =
        fs::read_dir(&real)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    assert_eq!(inside, [real.join("s")]);
    assert_eq!(place.names()?, ["real/s"], "a link is not listed a second time");
    Ok(())
}

/// A folder of someone else's below the place hides what is in it, and nothing else.
#[test]
fn unreadable_folders_are_passed_over() -> Outcome {
    if !geteuid().is_root() {
        return lists_beside_an_unreadable_folder();
    }
    let mut child = in_child("lists_beside_an_unreadable_folder")?;
    match run(std::os::unix::process::CommandExt::uid(&mut child, NOBODY)) {
        Err(reason) if reason.is::<std::io::Error>() => {
            eprintln!("not tried: nobody else can run this program: {reason}");
            Ok(())
        }
        done => done,
    }
}

#[test]
#[ignore = "a part of another test, which runs it as a user who may not read everything"]
fn lists_beside_an_unreadable_folder() -> Outcome {
    let place = Place::new()?;
    let _both = (create(&place, "a/s")?, create(&place, "b/s")?);
    set_mode(&place.file("a"), 0)?;
    let (names, garbage) = (place.names(), place.collect_garbage());
    set_mode(&place.file("a"), 0o700)?;
    assert_eq!(
        (names?, garbage?.len()),
        (if geteuid().is_root() { vec!["a/s".into(), "b/s".into()] } else { vec!["b/s".to_owned()] }, 0)
    );
    Ok(())
}

// ---------------------------------------------------------------- waiting for a name

/// Who waits for a name gets it when it is there, whether its folder is there already or not.
#[test]
fn a_name_is_waited_for() -> Outcome {
    let place = Place::new()?;
    for name in ["s", "new/s", "very/deep/down/s"] {
        thread::scope(|scope| -> Outcome {
            let waits: Vec<_> = [false, true]
                .into_iter()
                .map(|read_only| {
                    let builder = Subscriber::<u64, Ix0>::builder().directory(&place).wait(PATIENCE);
                    let builder = if read_only { builder.read_only() } else { builder };
                    scope.spawn(move || builder.attach(name))
                })
                .collect();
            thread::sleep(SOON);
            assert!(waits.iter().all(|wait| !wait.is_finished()));
            let mut publisher = create(&place, name)?;
            for wait in waits {
                let mut subscriber = wait.join().expect("it did not panic")?;
                publish(&mut publisher, 1)?;
                assert!(subscriber.recv_timeout(PATIENCE)?.is_some());
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// It is no use to wait for what is there but cannot be had, and a wait ends at its time.
/// To watch a folder costs the kernel ten milliseconds and more at the end: whoever finds the name at once need not.
#[test]
fn a_name_that_is_there_is_not_waited_for() -> Outcome {
    let place = Place::new()?;
    let _publisher = create(&place, "there")?;
    let builder = Subscriber::<u64, Ix0>::builder().directory(&place).wait(PATIENCE);
    let attach = |_| {
        let start = Instant::now();
        builder.attach("there").map(|_| start.elapsed())
    };
    let times = (0..50).map(attach).collect::<Result<Vec<_>, _>>()?;
    let shortest = times.iter().min().copied().unwrap_or_default();
    assert!(shortest < Duration::from_millis(2), "the fastest of 50 took {shortest:?}");
    Ok(())
}

#[test]
fn waiting_for_a_name_ends() -> Outcome {
    let place = Place::new()?;
    let builder = Subscriber::<u64, Ix0>::builder().directory(&place);
    for name in ["s", "a/b/s"] {
        let error = takes_at_least(SOON, || refusal(builder.clone().wait(SOON).attach(name)));
        assert!(matches!(&error, Error::TimedOut { name: found } if found == name), "{error}");
    }
    let _other = Publisher::<f32, Ix1>::builder().directory(&place).create("other", [3])?;
    fs::write(place.file("text"), "text")?;
    assert!(matches!(refusal(builder.clone().wait(PATIENCE).attach("other")), Error::Mismatch { .. }));
    assert!(matches!(refusal(builder.clone().wait(PATIENCE).attach("text")), Error::NotAnArray { .. }));
    assert!(fs::read_dir(place.path())?.count() == 2, "waiting made something");
    Ok(())
}

// ---------------------------------------------------------------- unlinked while attached

/// Those who are attached go on, their waits say so, new ones find nothing, and the name is free for another array.
#[test]
fn an_unlinked_array_goes_on_for_those_attached() -> Outcome {
    let place = Place::new()?;
    let mut publisher = create(&place, "a/s")?;
    let mut lossy = attach(&place, "a/s")?;
    let mut onlooker = Subscriber::<u64, Ix0>::builder().directory(&place).read_only().attach("a/s")?;
    let old = place.inspect("a/s")?;
    publish(&mut publisher, 1)?;
    let waits: Vec<_> = [attach(&place, "a/s")?, attach(&place, "a/s")?]
        .into_iter()
        .map(|mut subscriber| {
            thread::spawn(move || {
                let error = refusal(subscriber.recv_timeout(PATIENCE));
                (error, subscriber.is_retired())
            })
        })
        .collect();
    thread::sleep(SOON);
    place.unlink("a/s")?;
    for wait in waits {
        let (error, is_retired) = wait.join().expect("it did not panic");
        assert!(matches!(&error, Error::Retired { name } if name == "a/s") && is_retired, "{error}");
    }
    assert!(publisher.is_retired() && lossy.is_retired() && onlooker.is_retired());
    assert!(matches!(refusal(attach(&place, "a/s")), Error::NotFound { .. }));
    assert!(matches!(refusal(place.inspect("a/s")), Error::NotFound { .. }));
    assert!(!place.file("a").exists());

    // Frames still go from one to the other; only waiting is in vain.
    publish(&mut publisher, 2)?;
    for subscriber in [&mut lossy, &mut onlooker] {
        for value in 1..3 {
            let frame = subscriber.recv_timeout(PATIENCE)?.ok_or("two frames were published")?;
            assert_eq!(frame.view().into_scalar(), &value);
        }
        assert!(matches!(refusal(subscriber.recv_timeout(PATIENCE)), Error::Retired { .. }));
        assert!(subscriber.try_recv()?.is_none());
        assert_eq!(subscriber.latest()?.map(|frame| frame.sequence()), Some(2));
    }

    // The next of the name is another array.
    let mut next = create(&place, "a/s")?;
    publish(&mut next, 100)?;
    assert_ne!(place.inspect("a/s")?.generation, old.generation);
    assert!(!next.is_retired() && publisher.is_retired());
    assert_eq!(attach(&place, "a/s")?.latest()?.map(|frame| *frame.view().into_scalar()), Some(100));
    publish(&mut publisher, 3)?;
    assert_eq!(lossy.latest()?.map(|frame| *frame.view().into_scalar()), Some(3));
    drop((publisher, lossy, onlooker));
    assert_eq!(place.names()?, ["a/s"]);
    assert!(!next.is_retired());
    Ok(())
}

/// A publisher that waits for a slot of a stream that was unlinked is told so; one that need not wait goes on.
#[test]
fn a_waiting_publisher_learns_that_its_stream_was_unlinked() -> Outcome {
    let place = Place::new()?;
    let mut publisher = Publisher::<u64, Ix0>::builder().directory(&place).history(2).create("s", ())?;
    let _lossless = Subscriber::<u64, Ix0>::builder().directory(&place).lossless().attach("s")?;
    publish(&mut publisher, 1)?;
    publish(&mut publisher, 2)?;
    let waits = thread::spawn(move || publisher.loan().map(|loan| loan.sequence()));
    thread::sleep(SOON);
    assert!(!waits.is_finished());
    place.unlink("s")?;
    assert!(matches!(refusal(waits.join().expect("it did not panic")), Error::Retired { .. }));
    Ok(())
}

/// A file that something else removes, a cleaner of old files or `rm`, is noticed by those who wait.
#[test]
fn a_file_removed_by_others_is_noticed() -> Outcome {
    let place = Place::new()?;
    let mut publisher = create(&place, "s")?;
    let builder = Subscriber::<u64, Ix0>::builder().directory(&place);
    let waits = [builder.clone().attach("s")?, builder.read_only().attach("s")?]
        .map(|mut subscriber| thread::spawn(move || refusal(subscriber.recv_timeout(PATIENCE))));
    thread::sleep(SOON);
    fs::remove_file(place.file("s"))?;
    for wait in waits {
        assert!(matches!(wait.join().expect("it did not panic"), Error::Retired { .. }));
    }
    assert!(publisher.is_retired());
    publish(&mut publisher, 1)?;
    assert!(matches!(refusal(place.unlink("s")), Error::NotFound { .. }));
    let again = create(&place, "s")?;
    assert!(!again.is_retired());
    Ok(())
}

/// A process that died between telling the members and removing the name: the next who comes finishes its work.
#[test]
fn an_unfinished_unlink_is_finished() -> Outcome {
    let place = Place::new()?;
    let retire = |name: &str| -> Outcome {
        let file = File::options().write(true).open(place.file(name))?;
        Ok(file.write_all_at(&1_u32.to_le_bytes(), bytes::offset("Control", "retired") as u64)?)
    };
    for name in ["a/attached", "a/created", "a/opened", "a/unlinked", "a/looked-at", "a/collected"] {
        drop(create(&place, name)?);
        retire(name)?;
        assert!(place.inspect(name)?.is_retired);
    }
    assert!(matches!(refusal(attach(&place, "a/attached")), Error::NotFound { .. }));
    assert!(!place.file("a/attached").exists());
    // An onlooker may not write, so it leaves the file, and does not take it for an array.
    let onlooker = Subscriber::<u64, Ix0>::builder().directory(&place).read_only();
    assert!(matches!(refusal(onlooker.attach("a/looked-at")), Error::NotFound { .. }));
    assert!(place.file("a/looked-at").exists());
    let created = create(&place, "a/created")?;
    assert!(!created.is_retired() && !place.inspect("a/created")?.is_retired);
    let opened = Publisher::<u64, Ix0>::builder().directory(&place).participants(4).open("a/opened", ())?;
    assert!(!opened.is_retired() && !place.inspect("a/opened")?.is_retired);
    place.unlink("a/unlinked")?;
    assert_eq!(place.collect_garbage()?, ["a/collected", "a/looked-at"]);
    assert_eq!(place.names()?, ["a/created", "a/opened"]);
    Ok(())
}

// ---------------------------------------------------------------- garbage

/// In the default place, in memory: leftovers, what is retired, and streams that nobody has. Nothing else, and nothing
/// that somebody has.
#[test]
fn garbage_is_what_nobody_will_need() -> Outcome {
    let place = Place::new()?;
    run(in_child("collects_garbage")?.env(DEFAULT, place.path()))
}

fn leftover(path: &Path) -> std::io::Result<File> {
    fs::write(path, "half an array")?;
    File::options().read(true).write(true).open(path)
}

/// As a creator does while it fills a file that has a temporary name.
fn lock_name(file: &File) -> Outcome {
    let mut lock: nix::libc::flock =
        nix::libc::flock { l_type: 0, l_whence: 0, l_start: (1 << 62) + 1, l_len: 1, l_pid: 0 };
    lock.l_type = i16::try_from(nix::libc::F_WRLCK)?;
    fcntl(file, FcntlArg::F_OFD_SETLK(&lock))?;
    Ok(())
}

#[test]
#[ignore = "a part of another test, which runs it in a process of its own"]
fn collects_garbage() -> Outcome {
    let Some(folder) = std::env::var_os(DEFAULT).filter(|_| is_child()) else { return Ok(()) };
    let place = Directory::default_place()?;
    let file = |name: &str| Path::new(&folder).join(name);
    let is_in_memory = file("").starts_with("/dev/shm");

    let mut live = create(&place, "live/produced")?;
    publish(&mut live, 1)?;
    drop((create(&place, "live/read")?, create(&place, "live/looked-at")?));
    let mut reader = attach(&place, "live/read")?;
    let onlooker = Subscriber::<u64, Ix0>::builder().read_only().attach("live/looked-at")?;
    let held = {
        let mut publisher = create(&place, "live/frame")?;
        publish(&mut publisher, 9)?;
        let subscriber = attach(&place, "live/frame")?;
        subscriber.latest()?.ok_or("a frame was published")?
    };
    let mut closed = create(&place, "gone/closed")?;
    publish(&mut closed, 1)?;
    drop(closed);
    let died = create(&place, "gone/died")?;
    assert!(
        thread::spawn(move || {
            let _died = died;
            std::panic::resume_unwind(Box::new(()))
        })
        .join()
        .is_err()
    );
    drop(create(&place, "gone/retired")?);
    let retired = File::options().write(true).open(file("gone/retired"))?;
    retired.write_all_at(&1_u32.to_le_bytes(), bytes::offset("Control", "retired") as u64)?;

    // Leftovers: one whose maker is dead, one whose maker is at work.
    leftover(&file(".sharray-dead"))?;
    leftover(&file("gone/.sharray-dead"))?;
    let at_work = leftover(&file(".sharray-at-work"))?;
    lock_name(&at_work)?;
    // What is not ours, and what is ours but never garbage: arrays in place, cells, tables, teams.
    fs::write(file("notes.txt"), "mine")?;
    fs::write(file(".hidden"), "mine")?;
    let mut kept = vec!["live/frame", "live/looked-at", "live/produced", "live/read"];
    for name in ["cell", "growable", "in-place-c", "team"] {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1").join(name);
        bytes::forge(&file(name), &fs::read(golden)?)?;
        kept.push(name);
    }
    // A copy of a stream that was not opened since: nobody can say whether somebody needs it.
    bytes::write(&file("copied"), &fs::read(file("gone/closed"))?)?;
    kept.push("copied");
    kept.sort_unstable();

    let mut expected = vec![".sharray-dead", "gone/.sharray-dead", "gone/retired"];
    if is_in_memory {
        expected.extend(["gone/closed", "gone/died"]);
    } else {
        kept.extend(["gone/closed", "gone/died"]);
        kept.sort_unstable();
    }
    expected.sort_unstable();
    // The same folder as a place of its own is not the default place: streams are no garbage there.
    let other = Directory::open(&folder)?;
    drop(create(&other, "gone/too")?);
    assert_eq!(other.collect_garbage()?, [".sharray-dead", "gone/.sharray-dead", "gone/retired"]);
    if is_in_memory {
        expected.push("gone/too");
    } else {
        kept.push("gone/too");
        kept.sort_unstable();
    }
    expected.retain(|name| !name.contains("dead") && !name.contains("retired"));
    assert_eq!(place.collect_garbage()?, expected);

    let names: Vec<_> = place.list()?.into_iter().map(|info| info.name).collect();
    assert_eq!(names, kept);
    assert!(file("notes.txt").exists() && file(".hidden").exists() && file(".sharray-at-work").exists());
    assert!(place.collect_garbage()?.is_empty());

    // Everyone that lives goes on.
    publish(&mut live, 2)?;
    assert_eq!(attach(&place, "live/produced")?.sequence(), 2);
    let mut successor = Publisher::<u64, Ix0>::builder().directory(&place).attach("live/read")?;
    publish(&mut successor, 5)?;
    assert!(
        reader.frames().timeout(PATIENCE).flatten().any(|frame| *frame.view().into_scalar() == 5) || {
            // The end of its first producer comes first.
            reader.recv_timeout(PATIENCE)?.is_some_and(|frame| *frame.view().into_scalar() == 5)
        }
    );
    assert!(!onlooker.is_retired() && !held.is_inherited());
    assert_eq!(held.view().into_scalar(), &9);
    // And is garbage when it has left.
    drop((live, successor, reader, onlooker, held, at_work));
    let collected = place.collect_garbage()?;
    let live = ["live/frame", "live/looked-at", "live/produced", "live/read"];
    assert_eq!(collected.iter().filter(|name| live.contains(&name.as_str())).count(), if is_in_memory { 4 } else { 0 });
    assert!(collected.contains(&".sharray-at-work".to_owned()));
    Ok(())
}

/// On a disk nothing is garbage for having nobody: an array there is meant to be found again.
#[test]
fn streams_on_a_disk_are_no_garbage() -> Outcome {
    let above = std::env::temp_dir();
    if nix::sys::statfs::statfs(&above)?.filesystem_type() == nix::sys::statfs::TMPFS_MAGIC {
        eprintln!("not tried: {} is not on a disk", above.display());
        return Ok(());
    }
    let place = Place::within(above)?;
    run(in_child("collects_garbage")?.env(DEFAULT, place.path()))
}

/// While streams come and go, a collector in another process damages none that somebody has.
#[test]
fn a_collector_disturbs_nobody() -> Outcome {
    let place = Place::new()?;
    let mut child = in_child("collects_garbage_for_a_while")?;
    child.env(DEFAULT, place.path()).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut collector: std::process::Child = Command::spawn(&mut child)?;
    eventually("the collector is at work", || place.file("sharray-ready").exists());
    for round in 0..150 {
        let name = format!("f{}/s", round % 3);
        let mut publisher = match create(&place, &name) {
            // It is the one of three rounds ago, which the collector has not come to.
            Err(Error::AlreadyExists { .. }) => match Publisher::builder().directory(&place).attach(&name) {
                Err(Error::NotFound { .. }) => continue,
                found => found?,
            },
            made => made?,
        };
        assert!(!publisher.is_retired(), "round {round}");
        let mut subscriber = attach(&place, &name)?;
        let sequence = publish(&mut publisher, round)?;
        drop(publisher);
        // Only the subscriber has it now.
        let frame = subscriber.recv_timeout(PATIENCE)?.ok_or("a frame was published")?;
        assert_eq!((frame.sequence(), *frame.view().into_scalar(), frame.missed()), (sequence, round, 0));
        assert!(!subscriber.is_retired() && place.file(&name).exists(), "round {round}");
    }
    fs::remove_file(place.file("sharray-ready"))?;
    assert!(collector.wait()?.success());
    Ok(())
}

#[test]
#[ignore = "a part of another test, which runs it in a process of its own"]
fn collects_garbage_for_a_while() -> Outcome {
    let Some(folder) = std::env::var_os(DEFAULT).filter(|_| is_child()) else { return Ok(()) };
    let ready = Path::new(&folder).join("sharray-ready");
    let place = Directory::default_place()?;
    fs::write(&ready, "")?;
    let start = std::time::Instant::now();
    while ready.exists() && start.elapsed() < PATIENCE * 2 {
        place.collect_garbage()?;
    }
    Ok(())
}

/// What cannot be created leaves no folders behind: while one stood, nobody could create an array of its name.
#[test]
fn a_failed_create_leaves_no_folders() -> Outcome {
    let place = Place::new()?;
    let too_large = AnyPublisher::builder().directory(&place).create("deep/er/one", &DType::U8, &[1 << 50]);
    assert!(matches!(too_large, Err(Error::NoSpace { .. })), "{too_large:?}");
    assert!(!place.file("deep").exists(), "a folder was left");
    AnyPublisher::builder().directory(&place).create("deep", &DType::U8, &[8])?;
    Ok(())
}

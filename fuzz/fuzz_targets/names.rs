//! Any text as a name, in a folder of any layout: it names what is in the folder or nothing, and what is beside the folder
//! stays as it is.
#![no_main]

#[path = "../support/exercise.rs"]
mod exercise;
#[path = "../../tests/support/place.rs"]
mod place;

use exercise::{check, everything};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use place::Place;
use sharray::{AnyArray, DType, Directory, Error};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

/// A folder beside the one that has the names, with an array in it. Nobody may come here.
struct Grounds {
    outer: Place,
    /// Every byte of the array there.
    before: Vec<u8>,
    inside: Directory,
}

thread_local! {
    static GROUNDS: Grounds = Grounds::new().expect("a folder in memory");
}

impl Grounds {
    fn new() -> std::result::Result<Self, Box<dyn std::error::Error>> {
        let outer = Place::new()?;
        AnyArray::builder().directory(&outer).participants(2).create("beside", &DType::U8, &[4])?;
        let before = fs::read(outer.file("beside"))?;
        make_folder(&outer.file("names"))?;
        let inside = Directory::open(outer.file("names"))?;
        Ok(Self { outer, before, inside })
    }

    fn path(&self) -> PathBuf {
        self.outer.file("names")
    }

    fn check(&self) {
        let mut beside: Vec<_> = fs::read_dir(self.outer.path()).expect("it is there").flatten().collect();
        beside.retain(|entry| entry.file_name() != "names");
        assert!(beside.len() == 1 && beside[0].file_name() == "beside", "{beside:?}");
        assert!(fs::read(self.outer.file("beside")).is_ok_and(|now| now == self.before), "it was changed");
    }
}

fuzz_target!(|input: &[u8]| {
    GROUNDS.with(|grounds| _ = play(grounds, &mut Unstructured::new(input)));
});

fn play(grounds: &Grounds, input: &mut Unstructured<'_>) -> Result<()> {
    let things = input.arbitrary::<u8>()?;
    // Most texts are no names, which takes no folder to find out.
    for _ in 0..if things < 240 { 0 } else { things - 239 } {
        let (kind, path) = (input.arbitrary::<u8>()?, short_path(input)?);
        make(grounds, kind, &path);
    }
    let name = String::from_utf8_lossy(input.bytes(input.len())?).into_owned();
    one(grounds, &name, things);
    if things >= 240 {
        grounds.check();
        for entry in fs::read_dir(grounds.path()).expect("it is there").flatten() {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let remove = |path: &Path| if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            remove(&entry.path()).expect("it is ours");
        }
    }
    Ok(())
}

fn one(grounds: &Grounds, name: &str, things: u8) {
    let place = &grounds.inside;
    let found = place.inspect(name);
    let is_refused = matches!(found, Err(Error::InvalidName { .. }));
    // A folder has a name, too, though none of an array.
    assert!(is_refused || is_name(name), "{name:?} was taken for a name");
    assert!(!is_refused || !is_name(name) || things >= 240, "{name:?} is one");
    if let Ok(info) = found {
        assert_eq!((info.name.as_str(), &info.path), (name, &grounds.path().join(name)));
        let real = fs::canonicalize(&info.path).expect("it is there");
        assert!(real.starts_with(fs::canonicalize(grounds.path()).expect("it is there")), "{real:?}");
    }
    if things >= 240 {
        let builder = AnyArray::builder().directory(place).participants(2);
        if let Some(made) = check("create", || tolerant(builder.create(name, &DType::U8, &[4]))).flatten() {
            assert_eq!(made.name(), name);
            assert!(fs::symlink_metadata(grounds.path().join(name)).is_ok_and(|found| found.is_file()));
        }
        everything(place, name);
    }
}

/// A path can be longer than the system takes, and that is the system's to say.
fn tolerant<T>(answer: sharray::Result<T>) -> sharray::Result<Option<T>> {
    match answer {
        Err(Error::Io { .. }) => Ok(None),
        other => other.map(Some),
    }
}

/// What the documentation calls a name.
fn is_name(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter))
    };
    text.len() <= 255 && text.split('/').all(is_part)
}

/// One to three parts of few letters, so that things and names meet.
fn short_path(input: &mut Unstructured<'_>) -> Result<PathBuf> {
    let mut path = PathBuf::new();
    for _ in 0..input.int_in_range(1..=3)? {
        path.push(input.choose(&["a", "b", "c", ".a", "A", "a.npy", ".sharray-a"])?);
    }
    Ok(path)
}

/// Makes a thing in the folder, if it can be made: what stands there already may be in the way.
fn make(grounds: &Grounds, kind: u8, path: &Path) {
    let at = grounds.path().join(path);
    let leads_out = |at: &Path| fs::symlink_metadata(at).is_ok_and(|found| found.is_symlink());
    if at.ancestors().any(leads_out) {
        return;
    }
    _ = at.parent().map(make_folder);
    _ = match kind % 8 {
        0 => make_folder(&at),
        1 => fs::write(&at, "not an array"),
        2 => symlink(grounds.outer.path(), &at),
        3 => symlink(grounds.outer.file("beside"), &at),
        4 => symlink("..", &at),
        5 => symlink("../beside", &at),
        6 => symlink(&at, &at),
        _ => fs::copy(grounds.outer.file("beside"), &at).map(drop),
    };
}

fn make_folder(at: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().mode(0o700).recursive(true).create(at)
}

//! Plain files as arrays: what each mode does to the file and lets the caller do, where the items are found, and that
//! nothing that was there is damaged by a call that fails.

#[path = "support/place.rs"]
mod place;

use ndarray::{Array1, Array2, Axis, Ix0, Ix1, Ix2, IxDyn, array, s};
use place::{Outcome, refusal};
use sharray::{Advice, AnyMemmap, AnyMode, DType, Error, Memmap, Mode, Order, memmap};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

/// A fresh folder, on a disk where there is one.
fn folder() -> Result<tempfile::TempDir, std::io::Error> {
    tempfile::Builder::new().prefix("sharray-test-").tempdir()
}

/// A file with these bytes in a fresh folder.
fn file_of(bytes: &[u8]) -> Result<(tempfile::TempDir, PathBuf), std::io::Error> {
    let folder = folder()?;
    let path = folder.path().join("data.dat");
    fs::write(&path, bytes)?;
    Ok((folder, path))
}

/// What is written through a map is in the file for whoever reads files, and the other way round.
#[test]
fn a_map_and_the_file_are_one() -> Outcome {
    let (_folder, path) = file_of(&[1, 0, 0, 0, 2, 0, 0, 0])?;
    let mut m = memmap::<i32>(&path).mode(Mode::ReadWrite).open()?;
    assert_eq!(m.view(), array![1, 2]);
    m.view_mut()[1] = 0x0403_0201;
    assert_eq!(fs::read(&path)?, [1, 0, 0, 0, 1, 2, 3, 4]);
    fs::File::options().write(true).open(&path).and_then(|file| {
        use std::os::unix::fs::FileExt;
        file.write_all_at(&[9], 0)
    })?;
    assert_eq!(m.view()[0], 9);
    m.flush()?;
    m.flush_rows(1..2)?;
    m.flush_async()?;
    assert!(matches!(refusal(m.flush_rows(1..3)), Error::InvalidArgument { .. }));
    m.close();
    Ok(())
}

/// A copy on write changes nothing but what this process sees, and has nothing to flush.
#[test]
fn copies_on_write_stay_private() -> Outcome {
    let (_folder, path) = file_of(&[1, 2, 3, 4])?;
    let mut m = memmap::<u8>(&path).mode(Mode::CopyOnWrite).open()?;
    m.view_mut().fill(7);
    assert_eq!(m.view(), array![7, 7, 7, 7]);
    assert_eq!(fs::read(&path)?, [1, 2, 3, 4]);
    // Not even a scan loses what was written.
    let seen: Vec<u8> = m.chunks(3).flat_map(|chunk| chunk.to_vec()).collect();
    assert_eq!(seen, [7; 4]);
    m.into_any().flush()?;
    assert_eq!(fs::read(&path)?, [1, 2, 3, 4]);
    Ok(())
}

/// Read-only files can be read and copied on write, and nothing else; the run-time form says so instead of the compiler.
#[test]
fn what_may_only_be_read_is_not_written() -> Outcome {
    let (_folder, path) = file_of(&[0; 8])?;
    let mut m = AnyMemmap::builder(&path).open()?;
    assert!(m.as_mut_ptr().is_none() && !m.is_writable());
    assert!(matches!(refusal(m.view_mut::<u8, Ix1>()), Error::ReadOnly { name } if name.ends_with("data.dat")));
    assert!(matches!(refusal(m.bytes_mut()), Error::ReadOnly { .. }));
    m.flush()?;
    let m = AnyMemmap::builder(&path).mode(AnyMode::ReadWrite).open()?;
    assert!(m.as_mut_ptr().is_some() && m.is_writable());
    Ok(())
}

/// Where items are, in both orders and at any offset, is where ndarray and NumPy say.
#[test]
fn items_are_where_the_order_says() -> Outcome {
    let bytes: Vec<u8> = (0..200).collect();
    let (_folder, path) = file_of(&bytes)?;
    let c = memmap::<u8>(&path).offset(16).shape([4, 5]).open()?;
    assert_eq!(c.view()[[2, 3]], 16 + 13);
    let f = memmap::<u8>(&path).offset(16).shape([4, 5]).order(Order::Fortran).open()?;
    assert_eq!(f.view()[[2, 3]], 16 + 2 + 3 * 4);
    assert_eq!((f.strides(), f.offset(), f.size_bytes()), (&[1, 4][..], 16, 20));
    // Past the first page.
    let long: Vec<u8> = (0..20_000_u32).map(|i| (i % 251) as u8).collect();
    fs::write(&path, &long)?;
    let far = memmap::<u8>(&path).offset(12_345).open()?;
    assert_eq!(far.view().as_slice(), Some(&long[12_345..]));
    Ok(())
}

/// A scalar has no dimensions; an array without items needs no bytes, wherever it starts. NumPy cannot map an empty file.
#[test]
fn scalars_and_empty_arrays_are_arrays() -> Outcome {
    let (folder, path) = file_of(&[])?;
    let empty = memmap::<f64>(&path).open()?;
    assert_eq!(empty.view().shape(), [0]);
    let empty = memmap::<f64>(&path).shape([0, 4]).offset(3).mode(Mode::ReadWrite).open();
    assert_eq!(empty?.view().shape(), [0, 4]);
    assert_eq!(fs::metadata(&path)?.len(), 3, "it ends where the array does");

    let path = folder.path().join("scalar.dat");
    let mut scalar = memmap::<i32>(&path).mode(Mode::Write).shape(()).open()?;
    scalar.view_mut()[()] = 42;
    assert_eq!(fs::read(&path)?, [42, 0, 0, 0]);
    let scalar: Memmap<i32, Ix0> = memmap(&path).shape(()).open()?;
    assert_eq!(scalar.view().first(), Some(&42));
    Ok(())
}

/// A typed view of items that stand where the type cannot is refused before anything happens; a copy can be had.
#[test]
fn unaligned_items_are_copied_or_refused() -> Outcome {
    let mut bytes = vec![0xff; 3];
    bytes.extend([1.5_f64, -2.0].iter().flat_map(|item| item.to_le_bytes()));
    let (_folder, path) = file_of(&bytes)?;
    let error = refusal(memmap::<f64>(&path).offset(3).open());
    assert!(error.to_string().contains("byte 3, expected a multiple of 8"), "{error}");
    refusal(memmap::<f64>(&path).offset(3).shape([9]).mode(Mode::Write).open());
    refusal(memmap::<f64>(&path).offset(3).shape([9]).mode(Mode::ReadWrite).open());
    assert_eq!(fs::read(&path)?, bytes, "nothing was replaced or extended");

    let any = AnyMemmap::builder(&path).offset(3).dtype(DType::F64).open()?;
    assert_eq!(any.to_array::<f64, Ix1>()?, array![1.5, -2.0]);
    assert!(matches!(refusal(any.view::<f64, Ix1>()), Error::InvalidArgument { .. }));
    assert!(matches!(refusal(any.view::<f32, Ix1>()), Error::Mismatch { .. }));
    assert!(matches!(refusal(any.to_array::<f64, Ix2>()), Error::Mismatch { .. }));
    // Bytes can stand anywhere.
    assert_eq!(
        memmap::<[u8; 1]>(&path).open().map_err(|error| error.to_string()).err().map(|e| e.contains("field")),
        Some(true)
    );
    Ok(())
}

/// A file that is too short for the shape is an error that names both lengths, except where it may grow. It grows by zeros.
#[test]
fn short_files_grow_only_where_they_may() -> Outcome {
    let (_folder, path) = file_of(&[1; 10])?;
    for mode in [AnyMode::Read, AnyMode::CopyOnWrite] {
        let error = refusal(AnyMemmap::builder(&path).mode(mode).shape(&[11]).open());
        assert!(matches!(error, Error::Truncated { found: 10, expected: 11, .. }), "{error}");
        let error = refusal(AnyMemmap::builder(&path).mode(mode).offset(11).open());
        assert!(matches!(error, Error::Truncated { found: 10, expected: 11, .. }), "{error}");
    }
    for (len, sparse) in [(20, false), (10_000, true)] {
        let m = memmap::<u8>(&path).mode(Mode::ReadWrite).sparse(sparse).shape([len]).open()?;
        assert_eq!(m.view().slice(s![..10]), Array1::from_elem(10, 1));
        assert!(m.view().iter().skip(10).all(|item| *item == 0));
        assert_eq!(fs::metadata(&path)?.len(), len as u64);
    }
    // A file that is longer stays so.
    drop(memmap::<u8>(&path).mode(Mode::ReadWrite).shape([5]).open()?);
    assert_eq!(fs::metadata(&path)?.len(), 10_000);
    Ok(())
}

/// Lengths that are no whole number of items, sizes that overflow, missing shapes: an error each, and the file as it was.
#[test]
fn impossible_requests_change_nothing() -> Outcome {
    let (folder, path) = file_of(&[1; 10])?;
    let error = refusal(memmap::<i32>(&path).open());
    assert!(error.to_string().contains("10 bytes from byte 0 on, expected a multiple of the 4"), "{error}");
    let any = || AnyMemmap::builder(&path).dtype(DType::F64);
    assert!(matches!(refusal(any().mode(Mode::Write).open()), Error::InvalidArgument { .. }));
    for mode in [AnyMode::Read, AnyMode::ReadWrite, AnyMode::Write, AnyMode::CopyOnWrite] {
        let error = refusal(any().mode(mode).shape(&[usize::MAX, 2]).open());
        assert!(matches!(error, Error::ShapeOverflow { .. }), "{error}");
        let error = refusal(any().mode(mode).offset(u64::MAX).shape(&[1]).open());
        assert!(matches!(error, Error::ShapeOverflow { .. }), "{error}");
        let error = refusal(any().mode(mode).shape(&[1; 33]).open());
        assert!(matches!(error, Error::TooManyDimensions { ndim: 33, .. }), "{error}");
    }
    let missing = folder.path().join("missing");
    for mode in [AnyMode::Read, AnyMode::ReadWrite, AnyMode::CopyOnWrite] {
        let error = refusal(AnyMemmap::builder(&missing).mode(mode).shape(&[1]).open());
        let is_not_found = matches!(&error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound);
        assert!(is_not_found, "{error}");
    }
    for odd in [folder.path(), std::path::Path::new("/dev/null")] {
        refusal(AnyMemmap::builder(odd).open());
        refusal(AnyMemmap::builder(odd).mode(Mode::Write).shape(&[1]).open());
    }
    assert!(fs::read(&path)?.starts_with(&[1; 10]));
    assert_eq!(fs::read_dir(folder.path())?.count(), 1, "nothing is left behind");
    assert_eq!(AnyMode::from_letters("rw"), None);
    Ok(())
}

/// More than there is room for is said when the file is opened, not by SIGBUS when it is written; the file is as it was.
#[test]
fn a_full_disk_is_an_error_at_once() -> Outcome {
    // In memory, where the kernel sees at once that there is not so much.
    let place = place::Place::new()?;
    let path = place.file("data.dat");
    fs::write(&path, [1; 10])?;
    for mode in [AnyMode::ReadWrite, AnyMode::Write] {
        let error = refusal(AnyMemmap::builder(&path).mode(mode).shape(&[1 << 50]).open());
        assert!(matches!(error, Error::NoSpace { bytes, .. } if bytes > (1 << 49)), "{error}");
        assert_eq!(fs::read(&path)?, [1; 10]);
    }
    assert_eq!(place.path().read_dir()?.count(), 1, "nothing is left behind");
    // Room is not asked for where it is not wanted.
    let sparse = AnyMemmap::builder(&path).mode(Mode::Write).sparse(true).shape(&[1 << 40]).open()?;
    assert_eq!(sparse.bytes()[1 << 39], 0);
    Ok(())
}

/// A new file takes the place of the old one whole. The old one stays what it was for those who have it.
#[test]
fn a_new_file_does_not_touch_the_old() -> Outcome {
    let (_folder, path) = file_of(&vec![1; 8192])?;
    let old = memmap::<u8>(&path).mode(Mode::ReadWrite).open()?;
    let new = memmap::<u8>(&path).mode(Mode::Write).shape([3]).open()?;
    assert_eq!(fs::read(&path)?, [0; 3]);
    assert_eq!(new.view(), ndarray::array![0, 0, 0]);
    assert!(old.view().iter().all(|item| *item == 1));
    Ok(())
}

/// Permissions, links and their targets outlive a replacement; what may not be written is not replaced.
#[test]
fn a_new_file_stands_as_the_old_one_did() -> Outcome {
    let (folder, path) = file_of(&[1; 8])?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640))?;
    let link = folder.path().join("link");
    symlink("data.dat", &link)?;
    drop(memmap::<u8>(&link).mode(Mode::Write).shape([2]).open()?);
    assert!(fs::symlink_metadata(&link)?.is_symlink());
    assert_eq!(fs::read(&path)?, [0; 2]);
    assert_eq!(fs::metadata(&path)?.mode() & 0o7777, 0o640);

    // A link to nothing makes what it leads to, as `open` would.
    let dangling = folder.path().join("dangling");
    symlink(folder.path().join("target"), &dangling)?;
    drop(memmap::<u8>(&dangling).mode(Mode::Write).shape([2]).open()?);
    assert_eq!(fs::read(folder.path().join("target"))?, [0; 2]);

    let others_may = fs::metadata(folder.path().join("target"))?.mode();
    let made = folder.path().join("made");
    fs::write(&made, [])?;
    assert_eq!(others_may, fs::metadata(&made)?.mode(), "as the umask says");
    Ok(())
}

/// Chunks cover every row once, in both orders and along any axis, whatever the number of rows is; so do those to be written.
#[test]
fn chunks_cover_every_row_once() -> Outcome {
    let (_folder, path) = file_of(&[0; 7 * 30])?;
    for order in [Order::C, Order::Fortran] {
        for rows in [1, 2, 7, 100] {
            let mut m = memmap::<u8>(&path).mode(Mode::ReadWrite).shape([7, 30]).order(order).open()?;
            m.view_mut().fill(0);
            let mut told = Vec::new();
            let chunks = m.chunks_mut(rows).progress(|done, all| told.push((done, all)));
            assert_eq!(chunks.len(), 7_usize.div_ceil(rows));
            for (i, mut chunk) in chunks.enumerate() {
                chunk += u8::try_from(i + 1)?;
            }
            let expected = Array2::from_shape_fn((7, 30), |(row, _)| (row / rows + 1) as u8);
            assert_eq!(m.view(), expected, "{order:?} {rows}");
            assert_eq!((told.first(), told.last()), (Some(&(0, 7)), Some(&(7, 7))));
            let seen: Vec<_> = m.chunks(rows).uncached().collect();
            assert_eq!(ndarray::concatenate(Axis(0), &seen)?, expected);
            let columns: Vec<_> = m.chunks(rows).axis(Axis(1)).collect();
            assert_eq!(ndarray::concatenate(Axis(1), &columns)?, expected);
            assert_eq!(m.scan(rows).flatten().collect::<Vec<_>>(), (0..7).collect::<Vec<_>>());
        }
    }
    Ok(())
}

/// What a scan drops behind itself comes back from the file, also what was just written.
#[test]
fn what_is_dropped_is_not_lost() -> Outcome {
    let folder = folder()?;
    let path = folder.path().join("long.dat");
    let mut m = memmap::<u64>(&path).mode(Mode::Write).offset(24).shape([3000, 1000]).open()?;
    for (i, mut rows) in m.chunks_mut(100).uncached().enumerate() {
        rows.fill(i as u64);
    }
    let views: Vec<_> = m.chunks(100).uncached().collect();
    for (i, rows) in views.iter().enumerate() {
        assert!(rows.iter().all(|item| *item == i as u64), "{i}");
    }
    assert_eq!(fs::metadata(&path)?.len(), 24 + 24_000_000);
    Ok(())
}

/// A scan has little of the file in memory, however long the file is.
#[test]
fn a_scan_stays_small() -> Outcome {
    let resident = || -> Result<usize, Box<dyn std::error::Error>> {
        let status = fs::read_to_string("/proc/self/smaps_rollup")?;
        let line = status.lines().find(|line| line.starts_with("Rss:")).ok_or("no Rss")?;
        Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse::<usize>()? / 1024)
    };
    let folder = folder()?;
    let path = folder.path().join("long.dat");
    let mut m = memmap::<u8>(&path).mode(Mode::Write).shape([256, 1 << 20]).open()?;
    let before = resident()?;
    for mut rows in m.chunks_mut(2) {
        rows.fill(1);
    }
    let (mut sum, mut most) = (0, 0);
    for rows in m.chunks(2) {
        sum += rows.iter().map(|item| usize::from(*item)).sum::<usize>();
        most = most.max(resident()?.saturating_sub(before));
    }
    assert_eq!(sum, 256 << 20);
    // Other tests of this program may be at work, and none of them needs much.
    assert!(most < 128, "{most} MiB of 256 were in memory");
    Ok(())
}

#[cfg(feature = "rayon")]
#[test]
fn threads_share_the_chunks() -> Outcome {
    use rayon::iter::ParallelIterator;
    let folder = folder()?;
    let path = folder.path().join("long.dat");
    let mut m = memmap::<u64>(&path).mode(Mode::Write).shape([10_000, 100]).open()?;
    m.view_mut().iter_mut().zip(0..).for_each(|(item, i)| *item = i);
    let sum: u64 = m.par_chunks(77).map(|rows| rows.sum()).sum();
    assert_eq!(sum, 999_999 * 1_000_000 / 2);
    Ok(())
}

/// Advice never changes what is there. Huge pages are an error where there are none.
#[test]
fn advice_changes_nothing() -> Outcome {
    let (_folder, path) = file_of(&vec![3; 100_000])?;
    let m = memmap::<u8>(&path).open()?;
    for advice in [Advice::Normal, Advice::Sequential, Advice::Random, Advice::WillNeed] {
        m.advise(advice)?;
        m.advise_range(advice, 5000..60_000)?;
        assert!(m.view().iter().all(|item| *item == 3));
    }
    if let Err(error) = m.advise(Advice::HugePages) {
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }
    assert!(matches!(refusal(m.advise_range(Advice::Normal, 0..100_001)), Error::InvalidArgument { .. }));
    Ok(())
}

/// A file that is open already is mapped as it is: nothing is replaced, whatever the mode is.
#[test]
fn open_files_are_mapped_in_place() -> Outcome {
    let (_folder, path) = file_of(&[5; 4])?;
    let file = fs::File::options().read(true).write(true).open(&path)?;
    let any = AnyMemmap::builder("<open file>").mode(Mode::Write).shape(&[6]).open_in(file)?;
    assert_eq!(any.bytes(), [5, 5, 5, 5, 0, 0]);
    assert_eq!(fs::read(&path)?, [5, 5, 5, 5, 0, 0]);
    Ok(())
}

/// Python's threads share the run-time form.
#[test]
fn maps_may_be_shared_by_threads() {
    fn is_shareable<S: Send + Sync>() {}
    is_shareable::<AnyMemmap>();
    is_shareable::<Memmap<f64, IxDyn, Mode::CopyOnWrite>>();
}

//! Scans of arrays in place: chunks of what a read lease lends. On a disk they leave little in memory; nowhere do they lose
//! anything, and nobody writes while they run.

#[path = "support/place.rs"]
mod place;

use ndarray::{Array2, ArrayD, Axis, Ix2, IxDyn};
use place::{Outcome, Place, refusal};
use sharray::{AnyArray, Error, Order, SharedArray};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Arrays in memory, and arrays on a disk where the temporary folder is on one.
fn places() -> Result<[Place; 2], Box<dyn std::error::Error>> {
    Ok([Place::new()?, Place::within(std::env::temp_dir())?])
}

fn field(place: &Place, shape: [usize; 2], order: Order) -> sharray::Result<SharedArray<u32, Ix2>> {
    SharedArray::builder().directory(place).order(order).blocks(4).create("field", shape)
}

/// Chunks are the rows of what is lent, once each: of all blocks and of some, in both orders and along any axis.
#[test]
fn chunks_are_the_rows_that_are_lent() -> Outcome {
    for place in places()? {
        for order in [Order::C, Order::Fortran] {
            let field = field(&place, [41, 3000], order)?;
            let expected = Array2::from_shape_fn((41, 3000), |(row, column)| (row * 3000 + column) as u32);
            field.write()?.assign(&expected);
            for guard in [field.read()?, field.read_blocks(1..3)?, field.read_block(3)?] {
                for axis in [Axis(0), Axis(1)] {
                    for rows in [1, 7, 5000] {
                        let mut told = Vec::new();
                        let chunks = guard.chunks(rows).axis(axis).uncached().progress(|done, _| told.push(done));
                        let chunks: Vec<_> = chunks.collect();
                        assert_eq!(chunks.len(), guard.len_of(axis).div_ceil(rows));
                        assert_eq!(ndarray::concatenate(axis, &chunks)?, *guard, "{order:?} {axis:?} {rows}");
                        assert_eq!(told.last(), Some(&guard.len_of(axis)));
                    }
                }
            }
            assert_eq!(*field.read()?, expected);
            place.unlink("field")?;
        }
    }
    Ok(())
}

/// The same of a dtype that is known at run time: ranges of rows, counted from the first that is lent.
#[test]
fn run_time_dtypes_are_scanned_too() -> Outcome {
    for place in places()? {
        let typed = field(&place, [41, 3000], Order::C)?;
        typed.write()?.fill(1);
        let any = AnyArray::builder().directory(&place).attach("field")?;
        let (guard, owned) = (any.read_blocks(2..4, None)?, any.read_owned(2..4, None)?);
        let view = guard.view::<u32, Ix2>().ok_or("it is one")?;
        let rows: Vec<usize> = guard.scan(3).flatten().collect();
        assert_eq!(rows, (0..view.nrows()).collect::<Vec<_>>());
        assert_eq!(owned.scan(3).flatten().collect::<Vec<_>>(), rows);
        assert!(view.iter().all(|item| *item == 1));
        place.unlink("field")?;
    }
    Ok(())
}

/// What the kernel tells of this process's mappings of a file: the values of one line of each.
fn told(path: &Path, what: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    // Its number tells a mapping: a file that was built without a name is never told by one.
    let inode = fs::metadata(path)?.ino().to_string();
    let (mut is_it, mut values) = (false, Vec::new());
    for line in fs::read_to_string("/proc/self/smaps")?.lines() {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            [key, ..] if key.ends_with(':') => {
                values.extend(line.strip_prefix(what).filter(|_| is_it).map(str::to_owned));
            }
            [_, _, _, _, number, ..] => is_it = number == inode,
            _ => {}
        }
    }
    Ok(values)
}

/// The KiB of a file that this process has in memory.
fn resident_kib(path: &Path) -> Result<usize, Box<dyn std::error::Error>> {
    let each = told(path, "Rss:")?;
    Ok(each.iter().map(|kib| kib.trim().trim_end_matches(" kB").parse::<usize>()).sum::<Result<_, _>>()?)
}

/// That a map is read in order is told to the kernel for as long as it is scanned: a loop that is left early leaves nothing
/// behind.
#[test]
fn the_kernel_is_told_of_the_end() -> Outcome {
    let place = Place::within(std::env::temp_dir())?;
    let field = field(&place, [64, 1 << 10], Order::C)?;
    let path = place.file("field");
    let is_in_order =
        || Ok::<_, Box<dyn std::error::Error>>(told(&path, "VmFlags:")?.iter().any(|it| it.contains(" sr")));
    let is_on_disk = !is_in_memory(&path)?;
    let guard = field.read()?;
    let mut chunks = guard.chunks(8);
    assert!(chunks.next().is_some());
    assert_eq!(is_in_order()?, is_on_disk);
    drop(chunks);
    assert!(!is_in_order()?);
    assert_eq!(guard.chunks(8).count(), 8);
    assert!(!is_in_order()?);
    Ok(())
}

/// On a disk a scan has a chunk and some 4 MiB in memory. What it drops is not lost, nor what was just written and is not on the
/// disk yet; in memory, where there is no disk to bring it back, nothing is dropped.
#[test]
fn a_scan_of_an_array_on_a_disk_stays_small() -> Outcome {
    for (place, is_on_disk) in places()?.into_iter().zip([false, true]) {
        if is_on_disk && is_in_memory(&place.file(""))? {
            eprintln!("not run: the temporary folder is in memory");
            continue;
        }
        let field = field(&place, [64, 1 << 18], Order::C)?;
        field.write()?.fill(7);
        let path = place.file("field");
        let mut most = 0;
        let guard = field.read()?;
        for (row, rows) in guard.chunks(1).enumerate() {
            assert!(rows.iter().all(|item| *item == 7));
            // What was there before the scan goes as it comes by.
            if row > 48 {
                most = most.max(resident_kib(&path)?.saturating_sub((63 - row) * 1024));
            }
        }
        assert_eq!(most > 32 << 10, !is_on_disk, "{most} KiB");
        assert!(guard.iter().all(|item| *item == 7));
    }
    Ok(())
}

fn is_in_memory(path: &Path) -> Result<bool, nix::Error> {
    Ok(nix::sys::statfs::statfs(path)?.filesystem_type() == nix::sys::statfs::TMPFS_MAGIC)
}

/// A scan is one lease: writers wait for its end, and all chunks are of one state.
#[test]
fn nobody_writes_during_a_scan() -> Outcome {
    let place = Place::new()?;
    let field = field(&place, [40, 10], Order::C)?;
    let other = AnyArray::builder().directory(&place).attach("field")?;
    let guard = field.read()?;
    let mut chunks = guard.chunks(8);
    assert!(chunks.next().is_some());
    let refused = std::thread::scope(|scope| scope.spawn(|| refusal(other.try_write())).join());
    assert!(matches!(refused, Ok(Error::Locked { .. })), "{refused:?}");
    assert_eq!(chunks.count(), 4);
    drop(guard);
    assert!(other.try_write().is_ok());
    Ok(())
}

/// Who may only read the file is lent a copy, and that is nowhere else: nothing of it is dropped.
#[test]
fn copies_are_scanned_and_kept() -> Outcome {
    for place in places()? {
        let field = field(&place, [64, 1 << 16], Order::C)?;
        field.write()?.fill(7);
        let onlooker = SharedArray::<u32, IxDyn>::builder().directory(&place).read_only().attach("field")?;
        let guard = onlooker.read()?;
        assert!(guard.is_copy());
        assert_eq!(guard.chunks(1).uncached().count(), 64);
        assert_eq!(guard.view(), ArrayD::from_elem(vec![64, 1 << 16], 7));
    }
    Ok(())
}

#[cfg(feature = "rayon")]
#[test]
fn threads_share_the_chunks() -> Outcome {
    use rayon::iter::ParallelIterator;
    for place in places()? {
        let field = field(&place, [10_000, 100], Order::C)?;
        field.write()?.iter_mut().zip(0..).for_each(|(item, i)| *item = i % 1000);
        let guard = field.read()?;
        assert_eq!(guard.par_chunks(77).map(|rows| rows.sum()).sum::<u32>(), 1000 * 999 / 2 * 1000);
    }
    Ok(())
}

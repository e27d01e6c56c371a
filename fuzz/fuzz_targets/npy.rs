//! A .npy file of any bytes is an array or an error, soon and in little memory. An array is what the file holds, and a new
//! file made of it tells the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sharray::{AnyMemmap, AnyMode, DType, Result};
use std::fs;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    // In memory, where a file costs little.
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    let path = folder.path().join("given.npy");
    fs::write(&path, bytes).expect("room for a small file");
    if let Ok(map) = AnyMemmap::builder(&path).open_npy() {
        let start = usize::try_from(map.offset()).expect("inside the file");
        assert_eq!(map.bytes(), &bytes[start..start + map.size_bytes()]);
        assert_eq!(map.size_bytes(), map.shape().iter().product::<usize>() * map.dtype().itemsize());
        let again = written_again(&map, &folder.path().join("again.npy")).expect("what was read can be written");
        // As NumPy does where `ml_dtypes` is, a header that names a small float is understood; written are its bytes alone.
        let descr = map.dtype().descr();
        let told = DType::parse(descr.trim_matches('\'')).expect("what was written can be read");
        assert_eq!((again.dtype(), again.shape()), (&told, map.shape()));
        assert_eq!(again.strides(), map.strides());
        assert_eq!(again.bytes(), map.bytes());
    }
});

fn written_again(map: &AnyMemmap, path: &Path) -> Result<AnyMemmap> {
    let new = AnyMemmap::builder(path).dtype(map.dtype().clone()).shape(map.shape()).order(map.order());
    new.mode(AnyMode::Write).create_npy_with(|new| new.bytes_mut().map(|bytes| bytes.copy_from_slice(map.bytes())))?;
    AnyMemmap::builder(path).open_npy()
}

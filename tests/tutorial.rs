//! The lesson prints what it teaches, and leaves nothing behind.

use std::process::Command;

const LESSON: &str = "\
created: float64 [1000, 1000], 8000000 bytes
opened to look at: sum 0.0, mode r
missing.dat: file not found
one element: [42]
its bytes: [42, 0, 0, 0]
sum of zeros: 0.0
sum with a square of 5.5: 137.5
reopened: value at (12, 12) 5.5, sum 137.5
shared by name: \"sample\"
another process: value at (12, 12) 5.5, sum 137.5
what it wrote: value at (0, 0) 1.0
";

#[test]
fn the_lesson_says_what_it_teaches() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    // Built as this test was, so that it is neither missing nor old.
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--quiet", "--example", "tutorial"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args((!cfg!(debug_assertions)).then_some("--release"));
    command.args(cfg!(feature = "step").then_some("--features=step"));
    command.args(cfg!(feature = "rayon").then_some("--features=rayon"));
    let output = command.env("TMPDIR", folder.path()).output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout)?, LESSON);
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 0, "the folder of the lesson is gone");
    Ok(())
}

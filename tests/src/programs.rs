//! The project's own programs, as cargo built them beside this test.

use std::path::PathBuf;
use std::process::Command;

/// `roundhouse` or `job-init`.
///
/// # Panics
/// When it has not been built.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a file");
    // target/<profile>/deps/<test>
    let folder = test.parent().and_then(|deps| deps.parent()).expect("a test lies in target/<profile>/deps");
    let path = folder.join(name);
    assert!(path.exists(), "{} is not built; run `make test`, or cargo build --workspace", path.display());
    path
}

pub fn roundhouse() -> Command {
    Command::new(program("roundhouse"))
}

pub fn job_init() -> Command {
    Command::new(program("job-init"))
}

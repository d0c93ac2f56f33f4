//! The project's own programs, as cargo built them beside this test or bench.

use std::path::PathBuf;
use std::process::Command;

/// `roundhouse` or `job-init`.
///
/// # Panics
/// When it has not been built.
pub fn program(name: &str) -> PathBuf {
    let path = profile_folder().join(name);
    assert!(path.exists(), "{} is not built; run `make test`, or cargo build --workspace", path.display());
    path
}

/// `target/<profile>`: a program lies there itself, a test in `deps` below.
pub fn profile_folder() -> PathBuf {
    let own = std::env::current_exe().expect("a process has a file");
    let folder = own.parent().expect("a file lies in a folder");
    match folder.parent() {
        Some(above) if folder.ends_with("deps") => above.to_owned(),
        _ => folder.to_owned(),
    }
}

pub fn roundhouse() -> Command {
    Command::new(program("roundhouse"))
}

pub fn job_init() -> Command {
    Command::new(program("job-init"))
}

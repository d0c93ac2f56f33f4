//! The Python clients and servers of `tests/peers`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use roundhouse_tests::programs;

/// A script in the environment that `make tools-test` laid.
pub(crate) fn python(script: &str) -> Command {
    let target = programs::profile_folder();
    let python = target.parent().expect("target/<profile>").join("peers/bin/python");
    assert!(python.exists(), "{} is not there; run `make tools-test`", python.display());
    let mut command = Command::new(python);
    command.arg("-u").arg(peer(script));
    command
}

fn peer(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(script)
}

/// What it prints, on both; it must end well.
#[track_caller]
pub(crate) fn said(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", both(&output));
    both(&output)
}

pub(crate) fn both(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

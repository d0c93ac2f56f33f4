//! The harness keeps its word: nothing that it started outlives the test.

use std::process::Command;

use roundhouse_tests::{Background, SOON, Signal, TempDir, eventually};

#[test]
fn nothing_outlives_a_test_that_is_killed() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_starts-and-hangs"));
    // What is killed does not tidy up; this does it for it.
    let directory = TempDir::new().unwrap();
    command.env("TMPDIR", directory.path());
    let test = Background::spawn(command);
    let line = test.wait_line(SOON, "started ");
    let (_, pid) = line.split_once("started ").unwrap();
    test.signal(Signal::KILL);
    test.wait_exit(SOON);
    // Reaped by init, or a zombie where there is none to reap it.
    eventually(SOON, "its program dies with it", || {
        match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) if !stat.contains(") Z ") => Err(stat),
            _ => Ok(()),
        }
    });
}

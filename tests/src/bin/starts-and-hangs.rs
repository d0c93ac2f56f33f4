//! A program for a test to kill: starts another one as a test does, says its pid, and waits.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::process::Command;

use roundhouse_tests::{Background, SOON};

fn main() {
    let mut command = Command::new("sleep");
    command.arg("100");
    // Started by a thread that ends: the program must not end with it.
    let program = std::thread::spawn(|| Background::spawn(command)).join().unwrap();
    assert_eq!(program.exit_status(), None);
    println!("started {}", program.pid());
    program.wait_exit(SOON * 2);
}

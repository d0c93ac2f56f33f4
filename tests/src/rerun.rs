//! A test that is a program: for what happens to a process that is killed.

use std::process::Command;

/// This test binary, running one `#[ignore]`d test (its full path) and nothing else, its output uncaptured. What it
/// needs to know goes into its environment.
pub fn rerun(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a running program has a file"));
    command.args([test, "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command
}

#[cfg(test)]
mod tests {
    use super::rerun;
    use crate::{Background, SOON, Signal, eventually};
    use std::process::Command;

    #[test]
    fn nothing_outlives_a_test_that_is_killed() {
        let test = Background::spawn(rerun("rerun::tests::starts_a_program_and_hangs"));
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

    #[test]
    #[ignore = "a part of the test above, which runs it as a program"]
    fn starts_a_program_and_hangs() {
        let mut command = Command::new("sleep");
        command.arg("100");
        // Started by a thread that ends: the program must not end with it.
        let program = std::thread::spawn(|| Background::spawn(command)).join().unwrap();
        assert_eq!(program.exit_status(), None);
        println!("started {}", program.pid());
        program.wait_exit(SOON * 2);
    }
}

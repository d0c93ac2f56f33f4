//! A program that runs while the test goes on.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use tempfile::TempDir;

use crate::eventually;
use crate::spawn::spawn;

/// Lines of each log that a failed test prints.
const TAIL: usize = 30;

/// A running (or ended) program. Dropping it kills its whole process group.
///
/// The program is not reaped before the drop: its pid stays its own, so that no signal ever hits a stranger.
#[derive(Debug)]
pub struct Background {
    name: String,
    child: Child,
    logs: TempDir,
}

impl Background {
    /// Starts the program, its output going to files.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn spawn(command: Command) -> Background {
        let name = command.get_program().to_string_lossy().into_owned();
        Background::try_spawn(command).unwrap_or_else(|error| panic!("cannot start {name}: {error}"))
    }

    pub fn try_spawn(mut command: Command) -> io::Result<Background> {
        let logs = TempDir::new()?;
        let program = PathBuf::from(command.get_program());
        command.stdin(Stdio::null());
        command.stdout(File::create(logs.path().join("stdout"))?);
        command.stderr(File::create(logs.path().join("stderr"))?);
        let child = spawn(command)?;
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Background { name, child, logs })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends the signal to the program alone, not to its group. One that has ended does not notice.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.own_pid(), signal).expect("an unreaped child can be signalled");
    }

    /// `None` while it runs.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status =
            waitid(WaitId::Pid(self.own_pid()), options).expect("an unreaped child can be waited for")?;
        let code = status.exit_status().map(|code| code << 8);
        code.or(status.terminating_signal()).map(ExitStatus::from_raw)
    }

    /// # Panics
    /// When it still runs at the deadline.
    #[track_caller]
    pub fn wait_exit(&self, deadline: Duration) -> ExitStatus {
        eventually(deadline, &format!("{} ends", self.name), || self.exit_status())
    }

    /// What it has written so far.
    pub fn stdout(&self) -> String {
        self.read("stdout")
    }

    pub fn stderr(&self) -> String {
        self.read("stderr")
    }

    /// The first whole line, on stdout or stderr, that contains `text`.
    ///
    /// # Panics
    /// At the deadline, or as soon as the program has ended without having written it.
    #[track_caller]
    pub fn wait_line(&self, deadline: Duration, text: &str) -> String {
        let what = format!("{} writes a line with `{text}`", self.name);
        let found = eventually(deadline, &what, || {
            // Asked first: what it wrote before its end is read below.
            let ended = self.exit_status();
            match (self.find(text), ended) {
                (Some(line), _) => Some(Ok(line)),
                (None, Some(status)) => Some(Err(status)),
                (None, None) => None,
            }
        });
        found.unwrap_or_else(|status| panic!("{what}: it ended with {status} and did not"))
    }

    fn find(&self, text: &str) -> Option<String> {
        [self.stdout(), self.stderr()].iter().find_map(|log| {
            let whole = &log[..log.rfind('\n')?];
            whole.lines().find(|line| line.contains(text)).map(str::to_owned)
        })
    }

    fn read(&self, log: &str) -> String {
        let bytes = std::fs::read(self.logs.path().join(log)).expect("the log is ours");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn own_pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The end of both logs, for a person.
    pub(crate) fn tail(&self) -> String {
        let mut text = String::new();
        for (name, log) in [("stdout", self.stdout()), ("stderr", self.stderr())] {
            let lines: Vec<&str> = log.lines().collect();
            if !lines.is_empty() {
                let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
                text += &format!("--- {name} of {} (pid {}) ---\n{tail}\n", self.name, self.pid());
            }
        }
        text
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprint!("{}", self.tail());
        }
        // A supervisor's command is in a session of its own, so the group is not all. What is stopped starts nothing new
        // while its children are looked for.
        let _ = kill_process(self.own_pid(), Signal::STOP);
        kill_descendants(self.own_pid());
        // Its own group, which the unreaped leader keeps from being anybody else's.
        let _ = kill_process_group(self.own_pid(), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Children of children first: a parent that is still there keeps its children's pids from being reused.
fn kill_descendants(parent: Pid) {
    let pid = parent.as_raw_nonzero();
    // proc(5): the children of each thread.
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    for thread in threads {
        let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        let children =
            children.split_whitespace().filter_map(|child| child.parse().ok().and_then(Pid::from_raw));
        for child in children {
            let _ = kill_process(child, Signal::STOP);
            kill_descendants(child);
            let _ = kill_process(child, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SOON;

    fn shell(script: &str) -> Background {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Background::spawn(command)
    }

    #[test]
    fn output_and_exit_are_seen() {
        let program = shell("echo out; echo err >&2; exit 7");
        assert_eq!(program.wait_line(SOON, "out"), "out");
        assert_eq!(program.wait_line(SOON, "err"), "err");
        assert_eq!(program.wait_exit(SOON).code(), Some(7));
        assert_eq!((program.stdout(), program.stderr()), ("out\n".into(), "err\n".into()));
    }

    #[test]
    fn a_signal_is_delivered_and_shows_in_the_status() {
        let program = shell("trap 'echo term; exit 3' TERM; echo ready; while :; do sleep 0.01; done");
        program.wait_line(SOON, "ready");
        assert_eq!(program.exit_status(), None);
        program.signal(Signal::TERM);
        program.wait_line(SOON, "term");
        assert_eq!(program.wait_exit(SOON).code(), Some(3));
        let program = shell("sleep 100");
        program.signal(Signal::KILL);
        assert_eq!(program.wait_exit(SOON).signal(), Some(9));
    }

    #[test]
    fn dropping_it_takes_its_children_along() {
        let program = shell("sleep 100 & echo pid $!; wait");
        let line = program.wait_line(SOON, "pid ");
        let child = line.trim_start_matches("pid ").to_owned();
        drop(program);
        // Reaped by init, or a zombie where there is none to reap it.
        eventually(SOON, "the grandchild is gone", || {
            match std::fs::read_to_string(format!("/proc/{child}/stat")) {
                Ok(stat) if !stat.contains(") Z ") => Err(stat),
                _ => Ok(()),
            }
        });
    }

    #[test]
    #[should_panic(expected = "it ended with exit status: 0 and did not")]
    fn a_program_that_ends_is_not_waited_for() {
        shell("echo something else").wait_line(SOON, "the line");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let error = Background::try_spawn(Command::new("/nonexistent/program")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}

//! Runs the real program, and waits for what it and its command do: never for time.
#![allow(dead_code)] // Each test binary uses its own part of this.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Test code, though in no test function.

pub(crate) mod etcd;

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_job-init");

/// How long anything may take before a test gives up. Far above what it takes on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A running program and the lines it writes.
pub(crate) struct Running {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

/// `job-init <arguments>`, started with a clean slate of its own variables.
pub(crate) fn job_init(arguments: &[&str]) -> Running {
    start(afresh(PROGRAM).args(arguments))
}

/// The program with no signal ignored; a shell's background jobs and what `nohup` starts pass theirs on.
pub(crate) fn afresh(program: &str) -> Command {
    let mut env = Command::new("env");
    env.args(["--default-signal", program]);
    env
}

/// `job-init <options> -- perl -e <script>`; the script's output is not buffered.
pub(crate) fn with_perl(options: &[&str], script: &str) -> Running {
    let script = format!("$| = 1; {script}");
    job_init(&[options, &["--", "perl", "-MPOSIX", "-e", &script]].concat())
}

pub(crate) fn start(command: &mut Command) -> Running {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stdout = lines(child.stdout.take().unwrap());
    let stderr = lines(child.stderr.take().unwrap());
    Running { child, stdout, stderr }
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of stdout.
    pub(crate) fn line(&self) -> String {
        self.stdout.recv_timeout(DEADLINE).expect("a line on stdout")
    }

    /// Lines of stderr up to one that contains `part`.
    pub(crate) fn stderr_until(&self, part: &str) -> String {
        loop {
            let line = self.stderr.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("no `{part}` on stderr"));
            if line.contains(part) {
                return line;
            }
        }
    }

    pub(crate) fn expect(&self, line: &str) {
        assert_eq!(self.line(), line);
    }

    /// What is left of stdout until all who hold it have closed it.
    pub(crate) fn rest(&self) -> Vec<String> {
        let mut rest = Vec::new();
        while let Ok(line) = self.stdout.recv_timeout(DEADLINE) {
            rest.push(line);
        }
        rest
    }

    pub(crate) fn signal(&self, signal: &str) {
        send(signal, self.pid());
    }

    /// The exit status; a program that a signal ended has none, and fails the test.
    pub(crate) fn status(&mut self) -> i32 {
        let status = until_some("the program's end", || self.child.try_wait().unwrap());
        status.code().unwrap_or_else(|| panic!("ended by signal {:?}", status.signal()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A failed test leaves nothing behind: the third TERM kills the group.
        for _ in 0..3 {
            if matches!(self.child.try_wait(), Ok(None)) {
                send("TERM", self.pid());
                thread::sleep(Duration::from_millis(5));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// kill(1), because the standard library sends nothing but KILL.
pub(crate) fn send(signal: &str, pid: u32) {
    let sent = Command::new("kill").args(["-s", signal, &pid.to_string()]).status().unwrap();
    assert!(sent.success(), "cannot send {signal} to {pid}");
}

/// Waits for a condition nobody announces.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    until_some(what, || condition().then_some(()));
}

/// Waits for a value nobody announces.
pub(crate) fn until_some<T>(what: &str, mut value: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = value() {
            return value;
        }
        assert!(start.elapsed() < DEADLINE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A field of /proc/<pid>/status, `None` where there is no such process.
pub(crate) fn proc_status(pid: u32, field: &str) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(&format!("{field}:")))?;
    Some(value(line))
}

pub(crate) fn is_stopped(pid: u32) -> bool {
    proc_status(pid, "State").is_some_and(|state| state.starts_with('T'))
}

/// What stands behind the colon of a line such as /proc/<pid>/status has.
pub(crate) fn value(line: &str) -> String {
    line.split_once(':').unwrap().1.trim().to_owned()
}

/// Whether a set of signals as /proc prints it holds a signal.
pub(crate) fn contains(set: &str, signal: u32) -> bool {
    let set = u64::from_str_radix(set.trim(), 16).unwrap();
    set & (1 << (signal - 1)) != 0
}

fn lines(from: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

//! A system program that is run for its answer, within limits. Shared by the gateway and lvs-sync.

use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long it may take, and how much it may say.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// What takes longer waits for a lock that nobody gives back.
    pub deadline: Duration,
    /// Bytes; what comes beyond is cut.
    pub answer: u64,
}

impl Limits {
    /// For programs that answer in milliseconds and say some KiB.
    pub const BRIEF: Limits = Limits { deadline: Duration::from_secs(5), answer: 1 << 20 };
}

/// Where they are when PATH, as that of many services, leaves the administrator's directories out.
const ELSEWHERE: [&str; 2] = ["/usr/sbin", "/sbin"];

#[derive(Debug)]
pub struct Answer {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    #[error("not found in PATH, /usr/sbin or /sbin")]
    Missing,
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
    #[error(transparent)]
    Io(#[from] io::Error),
}

pub fn run(name: &str, arguments: &[&str], input: &str, limits: Limits) -> Result<Answer, ProgramError> {
    let mut child = spawn(name, arguments)?;
    let result = converse(&mut child, input, limits);
    if result.is_err() {
        // It may have ended by itself.
        let _ = child.kill();
    }
    let status = child.wait()?;
    let (stdout, stderr) = result?;
    Ok(Answer { status, stdout, stderr })
}

fn spawn(name: &str, arguments: &[&str]) -> Result<Child, ProgramError> {
    let places = std::iter::once(name.to_owned()).chain(ELSEWHERE.map(|place| format!("{place}/{name}")));
    for program in places {
        let mut command = Command::new(program);
        // What it says is read for its meaning, so it must be in one language.
        command.args(arguments).env("LC_ALL", "C");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            spawned => return Ok(spawned?),
        }
    }
    Err(ProgramError::Missing)
}

/// A thread for each pipe, since any of them may block while another is full. They end with the program at the latest.
fn converse(child: &mut Child, input: &str, limits: Limits) -> Result<(String, String), ProgramError> {
    let until = Instant::now() + limits.deadline;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    if let Some(mut stdin) = stdin {
        let input = input.to_owned();
        // It may end before it has read all; why, it says itself.
        thread::spawn(move || stdin.write_all(input.as_bytes()));
    }
    let (stdout, stderr) = (read(stdout, limits.answer), read(stderr, limits.answer));
    let receive = |pipe: mpsc::Receiver<io::Result<String>>| {
        let left = until.saturating_duration_since(Instant::now());
        pipe.recv_timeout(left).map_err(|_| ProgramError::Late(limits.deadline))?.map_err(ProgramError::Io)
    };
    Ok((receive(stdout)?, receive(stderr)?))
}

fn read(pipe: Option<impl Read + Send + 'static>, most: u64) -> mpsc::Receiver<io::Result<String>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let result = pipe.map_or(Ok(0), |pipe| pipe.take(most).read_to_end(&mut bytes));
        // Nobody waits any more after the deadline.
        let _ = sender.send(result.map(|_| String::from_utf8_lossy(&bytes).into_owned()));
    });
    receiver
}

/// What a program said first about a failure: the rest points at places in its input.
pub fn first_line(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("it failed and did not say why");
    line.trim().chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_and_both_outputs_of_any_size_pass() {
        let input = "x".repeat(200_000);
        let answer = run("sh", &["-c", "tee /dev/stderr; exit 3"], &input, Limits::BRIEF).unwrap();
        assert_eq!((answer.stdout.len(), answer.stderr.len()), (input.len(), input.len()));
        assert_eq!(answer.status.code(), Some(3));
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let began = Instant::now();
        let deadline = Duration::from_millis(50);
        let result = run("sleep", &["60"], "", Limits { deadline, ..Limits::BRIEF });
        assert!(matches!(result, Err(ProgramError::Late(after)) if after == deadline));
        assert!(began.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_missing_program_is_told_apart() {
        assert!(matches!(run("no-such-program", &[], "", Limits::BRIEF), Err(ProgramError::Missing)));
    }
}

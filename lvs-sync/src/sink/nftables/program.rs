//! A program that is run for its answer, under a deadline.

use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// A table of ten thousand destinations takes about a second; what takes much longer waits for a lock that nobody gives
/// back.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// Of an answer: a destination is some hundred bytes.
const ANSWER: u64 = 256 << 20;

/// Where it is when PATH, as that of many services, leaves the administrator's directories out.
const ELSEWHERE: [&str; 2] = ["/usr/sbin", "/sbin"];

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: ExitStatus,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramError {
    #[error("not found in PATH, /usr/sbin or /sbin")]
    Missing,
    #[error("no answer within the deadline")]
    Late,
    #[error(transparent)]
    Io(#[from] io::Error),
}

pub(super) fn run(name: &str, arguments: &[&str], input: &str) -> Result<Answer, ProgramError> {
    run_until(name, arguments, input, Instant::now() + DEADLINE)
}

fn run_until(name: &str, arguments: &[&str], input: &str, deadline: Instant) -> Result<Answer, ProgramError> {
    let mut child = spawn(name, arguments)?;
    let answers = converse(&mut child, input, deadline);
    if answers.is_err() {
        // It may have ended by itself.
        let _ = child.kill();
    }
    let status = child.wait()?;
    let (stdout, stderr) = answers?;
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
fn converse(child: &mut Child, input: &str, deadline: Instant) -> Result<(String, String), ProgramError> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    if let Some(mut stdin) = stdin {
        let input = input.to_owned();
        // It may end before it has read all; why, it says itself.
        thread::spawn(move || stdin.write_all(input.as_bytes()));
    }
    let (stdout, stderr) = (read(stdout), read(stderr));
    let received = |pipe: mpsc::Receiver<io::Result<String>>| {
        let left = deadline.saturating_duration_since(Instant::now());
        pipe.recv_timeout(left).map_err(|_| ProgramError::Late)?.map_err(ProgramError::Io)
    };
    Ok((received(stdout)?, received(stderr)?))
}

fn read(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<io::Result<String>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let result = pipe.map_or(Ok(0), |pipe| pipe.take(ANSWER).read_to_end(&mut bytes));
        // Nobody waits any more after the deadline.
        let _ = sender.send(result.map(|_| String::from_utf8_lossy(&bytes).into_owned()));
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_and_both_outputs_of_any_size_pass() {
        let input = "x".repeat(200_000);
        let answer = run("sh", &["-c", "tee /dev/stderr; exit 3"], &input).unwrap();
        assert_eq!((answer.stdout.len(), answer.stderr.len()), (input.len(), input.len()));
        assert_eq!(answer.status.code(), Some(3));
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let began = Instant::now();
        let result = run_until("sleep", &["60"], "", began + Duration::from_millis(50));
        assert!(matches!(result, Err(ProgramError::Late)));
        assert!(began.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_missing_program_is_told_apart() {
        assert!(matches!(run("no-such-program", &[], ""), Err(ProgramError::Missing)));
    }
}

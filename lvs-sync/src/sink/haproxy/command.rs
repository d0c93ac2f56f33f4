//! Other programs, with a deadline: `haproxy -c`, and whatever reloads HAProxy here.

use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Far below what a reload takes, far above what a look costs.
pub(super) const POLL: Duration = Duration::from_millis(10);
/// Of what a program says on stderr, for its reason; the rest is read and forgotten.
const HEARD: u64 = 64 << 10;

/// How it ended.
pub(super) fn run(command: &mut Command, deadline: Duration) -> io::Result<ExitStatus> {
    // What it starts in the background may outlive it, and would hold a pipe open.
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    wait(&mut child, deadline)
}

/// How it ended, and what it said on stderr. For programs that leave none behind.
pub(super) fn hear(command: &mut Command, deadline: Duration) -> io::Result<(ExitStatus, String)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let stderr = child.stderr.take();
    // Read beside the waiting: a full pipe would hold it up.
    let heard = thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = stderr.by_ref().take(HEARD).read_to_end(&mut text);
            let _ = io::copy(&mut stderr, &mut io::sink());
        }
        String::from_utf8_lossy(&text).into_owned()
    });
    let status = wait(&mut child, deadline)?;
    Ok((status, heard.join().unwrap_or_default()))
}

fn wait(child: &mut Child, deadline: Duration) -> io::Result<ExitStatus> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("it did not end within {deadline:?}"),
            ));
        }
        thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn its_end_and_its_words_are_told() {
        assert_eq!(run(&mut shell("exit 3"), LONG).unwrap().code(), Some(3));
        let (status, said) = hear(&mut shell("echo no >&2; exit 1"), LONG).unwrap();
        assert_eq!((status.code(), said.as_str()), (Some(1), "no\n"));
        // More than a pipe holds.
        let (status, said) = hear(&mut shell("head -c 300000 /dev/zero >&2"), LONG).unwrap();
        assert!(status.success());
        assert_eq!(said.len(), 64 << 10);
    }

    #[test]
    fn one_that_hangs_is_killed() {
        let error = run(&mut shell("exec sleep 100"), Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(run(&mut Command::new("/nonexistent"), LONG).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}

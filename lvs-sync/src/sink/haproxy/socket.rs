//! The Runtime API (management.txt, 9.3): a line is sent, the answer comes, and HAProxy closes.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::sink::SinkError;

/// To be connected, and between two pieces of an answer: HAProxy answers in a millisecond, or hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// For a whole answer: a dump of some ten thousand servers comes in pieces.
const WHOLE: Duration = Duration::from_secs(10);
/// A server is some 500 bytes of a dump.
const MOST: usize = 64 << 20;

#[derive(Clone, Debug)]
pub(super) struct RuntimeApi {
    path: PathBuf,
}

impl RuntimeApi {
    pub(super) fn new(path: PathBuf) -> RuntimeApi {
        RuntimeApi { path }
    }

    /// What HAProxy answers to one line, whatever it is.
    ///
    /// The connection stays open for writing until then: `wait` ends when its client has nothing more to say.
    pub(super) fn ask(&self, line: &str) -> Result<String, SinkError> {
        let mut stream = self.connect().map_err(|error| self.unreachable(error))?;
        let answer = exchange(&mut stream, line).map_err(SinkError::io(format!(
            "HAProxy gives no answer to `{line}` at {}",
            self.path.display()
        )))?;
        if answer.starts_with("Permission denied") {
            return Err(self.denied(line));
        }
        Ok(answer)
    }

    /// The socket is of a lower level than the line needs.
    pub(super) fn denied(&self, line: &str) -> SinkError {
        let (path, write) = (self.path.display(), self.to_write());
        SinkError::Refused(format!("HAProxy does not let `{line}` be done at {path}; {write}"))
    }

    fn connect(&self) -> io::Result<UnixStream> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // Before the connect, which waits as long for its turn in the backlog (socket(7), SO_SNDTIMEO).
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.connect(&SockAddr::unix(&self.path)?)?;
        Ok(UnixStream::from(OwnedFd::from(socket)))
    }

    fn unreachable(&self, error: io::Error) -> SinkError {
        let path = self.path.display();
        match error.kind() {
            ErrorKind::NotFound => {
                SinkError::Refused(format!("there is no socket {path}; {}", self.to_write()))
            }
            ErrorKind::PermissionDenied => SinkError::Refused(format!(
                "the socket {path} is for another user; run this as a user whom its `mode`, `user` and `group` let in: {}",
                self.to_write()
            )),
            _ => SinkError::Io { what: format!("HAProxy does not answer at {path}"), source: error },
        }
    }

    fn to_write(&self) -> String {
        format!(
            "write `stats socket {} mode 660 level admin` in section `global` of HAProxy's configuration, and reload it",
            self.path.display()
        )
    }
}

fn exchange(stream: &mut UnixStream, line: &str) -> io::Result<String> {
    stream.write_all(format!("{line}\n").as_bytes())?;
    let (mut answer, mut piece) = (Vec::new(), [0; 64 << 10]);
    let end = Instant::now() + WHOLE;
    loop {
        match stream.read(&mut piece) {
            // Some bytes of a dump can be those of a server's own words.
            Ok(0) => return Ok(String::from_utf8_lossy(&answer).into_owned()),
            Ok(n) => answer.extend_from_slice(&piece[..n]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(ErrorKind::TimedOut.into()),
            Err(error) => return Err(error),
        }
        if answer.len() > MOST {
            return Err(io::Error::other(format!("the answer is longer than {MOST} bytes")));
        }
        if Instant::now() >= end {
            return Err(ErrorKind::TimedOut.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::path::Path;
    use std::thread;

    use super::*;

    /// Answers one connection after another.
    fn server(path: &Path, mut serve: impl FnMut(UnixStream) + Send + 'static) {
        let listener = UnixListener::bind(path).unwrap();
        thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(&mut serve));
    }

    #[test]
    fn an_answer_is_all_that_comes_until_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        server(&path, |mut stream| {
            let mut line = [0; 10];
            stream.read_exact(&mut line).unwrap();
            assert_eq!(&line, b"show info\n");
            // Who has closed its side by now has interrupted a `wait`.
            stream.set_nonblocking(true).unwrap();
            assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
            stream.set_nonblocking(false).unwrap();
            stream.write_all(b"Name: ").unwrap();
            stream.write_all(b"HAProxy\n\n").unwrap();
        });
        assert_eq!(RuntimeApi::new(path).ask("show info").unwrap(), "Name: HAProxy\n\n");
    }

    #[test]
    fn one_that_hangs_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let mut kept = Vec::new();
        server(&path, move |stream| kept.push(stream));
        let began = Instant::now();
        let error = RuntimeApi::new(path).ask("show info").unwrap_err();
        assert!(matches!(&error, SinkError::Io { source, .. } if source.kind() == ErrorKind::TimedOut));
        assert!(error.to_string().contains("`show info`"), "{error}");
        assert!(began.elapsed() < PATIENCE * 2, "{:?}", began.elapsed());
    }

    #[test]
    fn a_socket_that_is_none_says_what_to_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let error = RuntimeApi::new(path.clone()).ask("show info").unwrap_err();
        let line = format!("stats socket {} mode 660 level admin", path.display());
        assert!(matches!(&error, SinkError::Refused(text) if text.contains(&line)), "{error}");
        // What a dead process leaves behind.
        drop(UnixListener::bind(&path).unwrap());
        let error = RuntimeApi::new(path).ask("show info").unwrap_err();
        assert!(matches!(error, SinkError::Io { .. }), "{error}");
    }

    #[test]
    fn a_socket_of_a_lower_level_says_what_to_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        server(&path, |mut stream| {
            stream.read_exact(&mut [0; 24]).unwrap();
            stream.write_all(b"Permission denied\n\n").unwrap();
        });
        let error = RuntimeApi::new(path).ask("set server a/b weight 1").unwrap_err();
        assert!(matches!(&error, SinkError::Refused(text) if text.contains("level admin")), "{error}");
    }
}

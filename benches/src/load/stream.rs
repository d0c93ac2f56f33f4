//! Bulk: somebody who sends as much as he can, and somebody who only counts it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use rustix::net::{RecvFlags, recv};

/// Bytes of one connection.
pub const LENGTH: u64 = 100_000_000;
const PIECE: usize = 1 << 20;

/// Sends [`LENGTH`] bytes to whoever connects and closes, until the process ends.
pub fn source(at: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(at)?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever only looked whether somebody listens is gone before the end.
            thread::spawn(move || drop(send(stream)));
        }
    });
    Ok(())
}

fn send(mut stream: TcpStream) -> io::Result<()> {
    let piece = vec![7; PIECE];
    let mut left = LENGTH;
    while left > 0 {
        let some = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        stream.write_all(&piece[..some])?;
        left -= some as u64;
    }
    Ok(())
}

/// So many at a time, each so often. Bytes in all.
///
/// # Panics
/// When a connection brings less than [`LENGTH`].
pub fn drain(at_once: usize, times: usize, one: impl Fn() -> io::Result<u64> + Sync) -> io::Result<u64> {
    thread::scope(|scope| {
        let each = || {
            (0..times).try_fold(0, |sum, _| {
                let count = one()?;
                assert_eq!(count, LENGTH, "a connection was cut short");
                Ok(sum + count)
            })
        };
        let running: Vec<_> = (0..at_once).map(|_| scope.spawn(each)).collect();
        running.into_iter().map(|one| one.join().expect("it does not panic")).sum()
    })
}

/// What comes from there until the end.
pub fn count(at: SocketAddr) -> io::Result<u64> {
    throw_away(&TcpStream::connect(at)?)
}

/// The body of the answer to this request, after which the server closes.
pub fn download(at: SocketAddr, request: &[u8]) -> io::Result<u64> {
    let mut stream = BufReader::new(TcpStream::connect(at)?);
    stream.get_mut().write_all(request)?;
    let mut line = String::new();
    // The head ends with an empty line.
    while line != "\r\n" {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let begun = stream.buffer().len() as u64;
    Ok(begun + throw_away(stream.get_ref())?)
}

/// Has the kernel do it where the bytes are (tcp(7), MSG_TRUNC), so that the client costs as little as it can.
fn throw_away(stream: &TcpStream) -> io::Result<u64> {
    let mut buffer = vec![0; PIECE];
    let mut total = 0;
    loop {
        match recv(stream, &mut buffer[..], RecvFlags::TRUNC)? {
            (_, 0) => return Ok(total),
            (_, count) => total += count as u64,
        }
    }
}

/// Reads to the end; the end may come without a close_notify, since the length is known.
pub fn read(stream: &mut impl Read) -> io::Result<u64> {
    let mut buffer = vec![0; 64 << 10];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(total),
            count => total += count? as u64,
        }
    }
}

//! HTTP or not: a request line ends in `HTTP/1.0` or `HTTP/1.1` (RFC 9112, 3).

use std::io;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"];
/// A longer first line is no request that a sample gets.
const MAX_LINE: usize = 8 << 10;
/// What looks like the beginning of a request, and stops there, is echoed after this.
const PATIENCE: Duration = Duration::from_secs(1);

/// What was read to find out, and whether it is HTTP. Waits for the first byte as long as it takes.
pub(super) async fn first_bytes(stream: &mut TcpStream) -> io::Result<(Vec<u8>, bool)> {
    let mut read = Vec::new();
    stream.read_buf(&mut read).await?;
    let more = async {
        loop {
            if let Some(answer) = is_http(&read) {
                return Ok::<bool, io::Error>(answer);
            }
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(false);
            }
        }
    };
    let answer = tokio::time::timeout(PATIENCE, more).await.unwrap_or(Ok(false))?;
    Ok((read, answer))
}

/// `None`: too early to say.
fn is_http(read: &[u8]) -> Option<bool> {
    let begins = |method: &str| {
        let method = method.as_bytes();
        match read.get(method.len()) {
            Some(after) => read.starts_with(method) && *after == b' ',
            None => method.starts_with(read),
        }
    };
    if read.is_empty() || read.len() > MAX_LINE || !METHODS.into_iter().any(begins) {
        return Some(false);
    }
    let end = read.iter().position(|byte| *byte == b'\n')?;
    let line = read[..end].strip_suffix(b"\r").unwrap_or(&read[..end]);
    Some(line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_request_line_is_http() {
        assert_eq!(is_http(b"GET / HTTP/1.1\r\n"), Some(true));
        assert_eq!(is_http(b"POST /a HTTP/1.0\nx"), Some(true));
        assert_eq!(is_http(b"GET key\r\n"), Some(false), "Redis has a GET too");
        assert_eq!(is_http(b"hello"), Some(false));
        assert_eq!(is_http(b"GETX / HTTP/1.1\r\n"), Some(false));
        assert_eq!(is_http(b""), Some(false));
        assert_eq!(is_http(b"GE"), None);
        assert_eq!(is_http(b"GET / HT"), None);
        assert_eq!(is_http(&[b"GET /".as_slice(), &[b'a'; MAX_LINE]].concat()), Some(false));
    }
}

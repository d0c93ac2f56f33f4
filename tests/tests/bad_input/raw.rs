//! Bytes as they are, and whatever comes back.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use roundhouse_tests::SOON;

/// A reply as far as it came before the server closed.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) text: String,
}

impl Raw {
    /// 0 where nothing came.
    pub(crate) fn status(&self) -> u16 {
        self.text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    pub(crate) fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    /// # Panics
    /// When there is no JSON after the head.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.body()).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends the bytes and reads until the server closes; a server that does not close fails the test.
#[track_caller]
pub(crate) fn exchange(server: SocketAddr, bytes: &[u8]) -> Raw {
    let mut stream = open(server);
    // A server that has read enough closes, and the rest cannot be written.
    let _ = stream.write_all(bytes);
    read_to_end(stream)
}

/// The same from a client that ends its side behind the bytes.
#[track_caller]
pub(crate) fn half_closed(server: SocketAddr, bytes: &[u8]) -> Raw {
    let mut stream = open(server);
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    read_to_end(stream)
}

#[track_caller]
pub(crate) fn open(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.set_write_timeout(Some(SOON)).unwrap();
    stream
}

/// A reset counts as an end: the server closed with our bytes unread.
#[track_caller]
pub(crate) fn read_to_end(mut stream: TcpStream) -> Raw {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 << 10];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&bytes)),
        }
    }
    Raw { text: String::from_utf8_lossy(&bytes).into_owned() }
}

//! What a connection begins with, looked at without taking it (recv(2), MSG_PEEK): a PROXY header, a TLS ClientHello.
//!
//! Looking leaves every byte where it is, so that whoever serves the connection reads it from its first byte on, and
//! what was not a header is not lost. All of it has to fit into the socket's receive buffer, which the limits of both
//! see to.

use std::future::poll_fn;
use std::io;
use std::task::{Context as Poller, Poll, ready};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::plane::Reason;
use crate::proxy_protocol::{self, Header, Parsed};
use crate::tls::hello::{self, ClientHello, Outcome, Reader};

/// A first look; most of what is looked at is shorter.
const FIRST_LOOK: usize = 2 << 10;

/// Why nothing was decided.
#[derive(Debug)]
pub(super) enum Cut {
    /// The peer said that no more comes.
    Ended,
    /// What decides must lie within `most` bytes, and does not.
    TooLong,
    Failed,
}

/// Looks at the first bytes again whenever more have come, until `judge` says what they are.
pub(super) async fn peek<T>(
    stream: &TcpStream,
    most: usize,
    mut judge: impl FnMut(&[u8]) -> Option<T>,
) -> Result<T, Cut> {
    let mut bytes = vec![0; FIRST_LOOK.min(most)];
    poll_fn(|cx| poll_peek(cx, stream, &mut bytes, most, &mut judge)).await
}

pub(super) fn poll_peek<T>(
    cx: &mut Poller<'_>,
    stream: &TcpStream,
    bytes: &mut Vec<u8>,
    most: usize,
    judge: &mut impl FnMut(&[u8]) -> Option<T>,
) -> Poll<Result<T, Cut>> {
    loop {
        ready!(stream.poll_read_ready(cx)).map_err(|_| Cut::Failed)?;
        let mut look = None;
        let taken = stream.try_io(Interest::READABLE, || {
            let (n, _) = recv(stream, bytes.as_mut_slice(), RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
            let judged = judge(&bytes[..n]);
            let full = n == bytes.len();
            let decided = judged.is_some() || full;
            look = Some((judged, full, n));
            // Undecided, with nothing more to see: what comes next is an event of its own (epoll(7), edge-triggered).
            if decided { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
        });
        match (look, taken) {
            (Some((Some(judged), ..)), _) => return Poll::Ready(Ok(judged)),
            (Some((None, true, _)), _) if bytes.len() >= most => return Poll::Ready(Err(Cut::TooLong)),
            (Some((None, true, _)), _) => {
                let larger = (bytes.len() * 4).min(most);
                bytes.resize(larger, 0);
            }
            (Some((None, false, n)), _) if has_ended(stream, n) => return Poll::Ready(Err(Cut::Ended)),
            (Some((None, false, _)), _) => {}
            (None, Err(error))
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            (None, Err(_)) => return Poll::Ready(Err(Cut::Failed)),
            (None, Ok(())) => return Poll::Ready(Err(Cut::Ended)),
        }
    }
}

/// Takes the PROXY header that a trusted peer must begin with.
pub(crate) async fn proxy_header(stream: &TcpStream) -> Result<Header, Reason> {
    let looked = peek(stream, proxy_protocol::MAX_HEADER, |bytes| match proxy_protocol::parse(bytes) {
        Parsed::Incomplete => None,
        parsed => Some(parsed),
    });
    match looked.await {
        Ok(Parsed::Header { header, consumed }) => {
            take(stream, consumed).map_err(|_| Reason::HelloCut)?;
            // Whoever forwards for the whole world forwards nobody of this machine (RFC 1122, 3.2.1.3).
            match header.source().is_some_and(|source| source.ip().to_canonical().is_loopback()) {
                true if !is_local(stream) => Err(Reason::ProxyInvalid),
                _ => Ok(header),
            }
        }
        Ok(Parsed::NotProxy) => Err(Reason::ProxyMissing),
        Ok(Parsed::Invalid(_) | Parsed::Incomplete) | Err(Cut::TooLong) => Err(Reason::ProxyInvalid),
        Err(Cut::Ended | Cut::Failed) => Err(Reason::HelloCut),
    }
}

/// Whether the peer is on this machine: then it may well speak for others on it.
fn is_local(stream: &TcpStream) -> bool {
    stream.peer_addr().is_ok_and(|peer| peer.ip().to_canonical().is_loopback())
}

/// What a TLS client says first; it is left for whoever the job is.
pub(crate) async fn client_hello(stream: &TcpStream) -> Result<ClientHello, Refusal> {
    let mut reader = Reader::default();
    let looked = peek(stream, hello::MAX_BYTES, |bytes| match reader.feed(bytes) {
        Outcome::Incomplete => None,
        outcome => Some(outcome),
    });
    match looked.await {
        Ok(Outcome::Hello(hello)) => Ok(hello),
        Ok(Outcome::NotTls) => Err(Refusal { reason: Reason::NotTls, alert: None }),
        Ok(Outcome::Invalid(error)) => {
            Err(Refusal { reason: Reason::HelloInvalid, alert: Some(error.alert()) })
        }
        Ok(Outcome::Incomplete) | Err(Cut::TooLong) => {
            Err(Refusal { reason: Reason::HelloInvalid, alert: Some(RECORD_OVERFLOW) })
        }
        Err(Cut::Ended | Cut::Failed) => Err(Refusal { reason: Reason::HelloCut, alert: None }),
    }
}

/// RFC 8446, 6.
const RECORD_OVERFLOW: u8 = 22;

/// Why a TLS client is not served, and the alert that tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) alert: Option<u8>,
}

/// Says it, and hears the client out for a moment: a socket that is closed with unread bytes resets, and a reset
/// overtakes the alert (RFC 2525, 2.17).
pub(crate) async fn refuse(stream: &TcpStream, refusal: Refusal) {
    let Some(alert) = refusal.alert else { return drop(stream.set_zero_linger()) };
    let parting = async {
        if stream.try_write(&hello::alert_record(alert)).is_err() {
            return;
        }
        let _ = rustix::net::shutdown(stream, rustix::net::Shutdown::Write);
        let (mut scratch, mut heard) = ([0; 1024], 0);
        while heard < hello::MAX_BYTES && stream.readable().await.is_ok() {
            match stream.try_read(&mut scratch) {
                Ok(0) => return,
                Ok(n) => heard += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    let _ = tokio::time::timeout(PARTING, parting).await;
}

/// For a refused client to take its alert: a round trip to anywhere.
const PARTING: Duration = Duration::from_secs(1);

/// What a client's first bytes are, as far as it matters to an instance that believes PROXY headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Plain,
    Proxy,
}

/// Ready as soon as the first bytes can no longer become a PROXY header, or have begun one. Nothing is waited for that
/// the client does not send by itself.
pub(super) fn poll_start(cx: &mut Poller<'_>, stream: &TcpStream) -> Poll<Result<Start, Cut>> {
    let mut bytes = vec![0; 12];
    poll_peek(cx, stream, &mut bytes, 12, &mut start).map(|looked| match looked {
        // Its end came before a whole signature: what there is goes through as it is.
        Err(Cut::Ended | Cut::TooLong) => Ok(Start::Plain),
        looked => looked,
    })
}

fn start(bytes: &[u8]) -> Option<Start> {
    proxy_protocol::has_signature(bytes).map(|has| if has { Start::Proxy } else { Start::Plain })
}

/// Whether nothing comes after the `n` bytes that were seen: they do not say so while they are left where they are.
fn has_ended(stream: &TcpStream, n: usize) -> bool {
    let mut state = [PollFd::new(stream, PollFlags::RDHUP)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    if poll(&mut state, Some(&now)).is_err() || state[0].revents().is_empty() {
        return false;
    }
    // The rest may have come with the end, after the look.
    let mut bytes = vec![0; n + 1];
    let again = recv(stream, bytes.as_mut_slice(), RecvFlags::PEEK | RecvFlags::DONTWAIT);
    !again.is_ok_and(|(now, _)| now > n)
}

/// Takes what has come already, up to what goes with a SYN. The runtime is not asked: it has not heard of it yet.
pub(super) fn said_already(stream: &TcpStream) -> Vec<u8> {
    let mut bytes = [0; WITH_SYN];
    // An end or an error is seen again by whoever reads next.
    let taken = recv(stream, bytes.as_mut_slice(), RecvFlags::DONTWAIT).map_or(0, |(n, _)| n);
    bytes[..taken].to_vec()
}

/// Bytes of a full segment without options (RFC 7413, 4.1.2).
const WITH_SYN: usize = 1_400;

/// Takes the bytes that were looked at.
fn take(stream: &TcpStream, mut n: usize) -> io::Result<()> {
    let mut bytes = [0; 512];
    while n > 0 {
        let part = n.min(bytes.len());
        // Not asked of the runtime: it may not have heard yet that the socket can be read.
        match recv(stream, &mut bytes[..part], RecvFlags::DONTWAIT)?.0 {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            taken => n -= taken,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    fn ends_with_z(bytes: &[u8]) -> Option<usize> {
        bytes.iter().position(|byte| *byte == b'z').map(|at| at + 1)
    }

    #[tokio::test]
    async fn bytes_that_come_one_by_one_are_seen_and_left() {
        let (mut client, server) = pair().await;
        let sent = [vec![b'a'; 5_000], b"zrest".to_vec()].concat();
        let looking = peek(&server, 8_192, ends_with_z);
        let sending = async {
            for byte in &sent[..100] {
                client.write_all(&[*byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            client.write_all(&sent[100..]).await.unwrap();
        };
        let (found, ()) = tokio::join!(looking, sending);
        assert_eq!(found.unwrap(), 5_001);
        take(&server, 5_001).unwrap();
        let mut rest = [0; 4];
        tokio::io::AsyncReadExt::read_exact(&mut { server }, &mut rest).await.unwrap();
        assert_eq!(&rest, b"rest");
    }

    #[tokio::test]
    async fn an_end_is_noticed_while_bytes_are_left() {
        let (mut client, server) = pair().await;
        client.write_all(b"aaa").await.unwrap();
        client.shutdown().await.unwrap();
        assert!(matches!(peek(&server, 100, ends_with_z).await, Err(Cut::Ended)));
        let (client, server) = pair().await;
        drop(client);
        assert!(matches!(peek(&server, 100, ends_with_z).await, Err(Cut::Ended)));
    }

    #[tokio::test]
    async fn what_is_too_long_is_not_waited_for() {
        let (mut client, server) = pair().await;
        client.write_all(&[b'a'; 200]).await.unwrap();
        assert!(matches!(peek(&server, 100, ends_with_z).await, Err(Cut::TooLong)));
    }
}

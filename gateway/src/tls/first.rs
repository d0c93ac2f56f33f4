//! A client's first words: its whole ClientHello, or why there is none.

use std::future::poll_fn;
use std::io::{self, ErrorKind, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};
use tokio_rustls::rustls::server::{Accepted, AcceptedAlert, Acceptor};
use tokio_rustls::rustls::{AlertDescription, Error, PeerIncompatible};

use super::error::TlsError;

/// A record's header, a handshake message's, and its first field, which is the client's version (RFC 5246, 6.2.1 and
/// 7.4.1.2).
const HEAD: usize = 11;

/// What rustls has bounded at 64 KiB.
pub(super) async fn words<S>(stream: &mut S) -> Result<Accepted, (TlsError, Vec<u8>)>
where
    S: AsyncRead + Unpin,
{
    let (mut acceptor, mut head) = (Acceptor::default(), Vec::with_capacity(HEAD));
    loop {
        let read = poll_fn(|context| {
            let reader = &mut Reader { stream: &mut *stream, context, head: &mut head };
            match acceptor.read_tls(reader) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
                read => Poll::Ready(read),
            }
        });
        match read.await {
            Ok(0) => return Err((TlsError::Closed(ErrorKind::UnexpectedEof.into()), Vec::new())),
            Ok(_) => {}
            Err(error) => return Err((TlsError::Closed(error), Vec::new())),
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => return Ok(accepted),
            Ok(None) => {}
            Err((error, alert)) => return Err(refusal(error, alert, &head)),
        }
    }
}

/// A fatal alert in the clear, as every one before the ServerHello is: its content type, version 1.2 as every record
/// says since then, two bytes (RFC 8446, 5.1 and 6).
pub(super) fn fatal(alert: AlertDescription) -> Vec<u8> {
    vec![21, 3, 3, 0, 2, 2, alert.into()]
}

fn refusal(error: Error, mut alert: AcceptedAlert, head: &[u8]) -> (TlsError, Vec<u8>) {
    match error {
        // Before 1.2 there was no such extension (RFC 5246, 7.4.1.4.1). rustls misses it before it looks at the
        // version, and its handshake_failure would not tell an old client that it is old (RFC 8446, 4.1.2).
        Error::PeerIncompatible(PeerIncompatible::SignatureAlgorithmsExtensionRequired) if is_old(head) => {
            let error = Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered);
            (TlsError::Version(error), fatal(AlertDescription::ProtocolVersion))
        }
        error => {
            let mut written = Vec::new();
            // To memory, so nothing is left over.
            let _ = alert.write_all(&mut written);
            (TlsError::first(error), written)
        }
    }
}

fn is_old(head: &[u8]) -> bool {
    head.get(HEAD - 2..HEAD).is_some_and(|version| version < [3, 3].as_slice())
}

/// What a stream has now, its first bytes kept.
struct Reader<'a, 'b, S> {
    stream: &'a mut S,
    context: &'a mut Context<'b>,
    head: &'a mut Vec<u8>,
}

impl<S: AsyncRead + Unpin> Read for Reader<'_, '_, S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(into);
        match Pin::new(&mut *self.stream).poll_read(self.context, &mut buffer) {
            Poll::Pending => Err(ErrorKind::WouldBlock.into()),
            Poll::Ready(read) => {
                read?;
                let missing = HEAD - self.head.len();
                self.head.extend(buffer.filled().iter().take(missing));
                Ok(buffer.filled().len())
            }
        }
    }
}

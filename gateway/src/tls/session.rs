//! Handshakes: the client's first words, the rest of them, and the other side's part.
//!
//! A peer that is refused gets its alert: it is written at once, then our half is closed, and what the peer had sent is
//! read, because a socket that is closed with unread bytes resets (RFC 2525, 2.17), and a reset overtakes the alert.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::rustls::AlertDescription;
use tokio_rustls::server::StartHandshake;
use tokio_rustls::{TlsConnector, client, server};

use super::client::ClientTls;
use super::error::{Side, TlsError};
use super::first::{self, fatal};
use super::server::ServerTls;

/// For a refused peer to take its alert: a round trip to anywhere.
const PARTING: Duration = Duration::from_secs(1);
/// Bytes of a refused peer that are read: a flight of the handshake with a long chain, and then some.
const PARTING_BYTES: usize = 64 << 10;

/// A client that has said what it wants, and got nothing yet.
pub struct Hello<S> {
    start: StartHandshake<S>,
    server_name: Option<Box<str>>,
    deadline: Deadline,
}

#[derive(Clone, Copy)]
struct Deadline {
    at: Instant,
    timeout: Duration,
}

/// Reads a ClientHello. `timeout` is for the whole handshake, [`Hello::finish`] included, and so for how long a caller
/// may think between the two. rustls bounds the hello at 64 KiB.
pub async fn hello<S>(mut stream: S, timeout: Duration) -> Result<Hello<S>, TlsError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let deadline = Deadline { at: Instant::now() + timeout, timeout };
    match timeout_at(deadline.at, first::words(&mut stream)).await {
        Ok(Ok(accepted)) => {
            let server_name = accepted.client_hello().server_name().map(Box::from);
            Ok(Hello { start: StartHandshake::from_parts(accepted, stream), server_name, deadline })
        }
        Ok(Err((error, alert))) => {
            refuse(stream, &alert, &error).await;
            Err(error)
        }
        Err(_) => Err(deadline.passed()),
    }
}

/// [`hello`] and [`Hello::finish`], for who does not look between.
pub async fn accept<S>(
    stream: S,
    tls: &ServerTls,
    timeout: Duration,
) -> Result<server::TlsStream<S>, TlsError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    hello(stream, timeout).await?.finish(tls).await
}

/// The client's part, towards an instance.
pub async fn connect<S>(
    stream: S,
    tls: &ClientTls,
    timeout: Duration,
) -> Result<client::TlsStream<S>, TlsError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let deadline = Deadline { at: Instant::now() + timeout, timeout };
    let connector = TlsConnector::from(tls.config().clone());
    let shaking = connector.connect(tls.server_name().clone(), stream).into_fallible();
    match timeout_at(deadline.at, shaking).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err((error, mut stream))) => {
            // The alert is out; who dials again does not wait for the other side to read it.
            let _ = timeout_at(deadline.at, stream.shutdown()).await;
            Err(TlsError::later(error, Side::Client))
        }
        Err(_) => Err(deadline.passed()),
    }
}

impl<S> Hello<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// In lower case. An address is no name (RFC 6066, 3): such a client names none.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// Protocols that the client offers (RFC 7301), its favourite first.
    pub fn alpn(&self) -> Vec<Box<[u8]>> {
        self.start.client_hello().alpn().into_iter().flatten().map(Box::from).collect()
    }

    pub async fn finish(self, tls: &ServerTls) -> Result<server::TlsStream<S>, TlsError> {
        if let Some((alert, error)) = self.unserved(tls) {
            refuse(self.start.io, &fatal(alert), &error).await;
            return Err(error);
        }
        let Hello { start, deadline, .. } = self;
        let shaking = start.into_stream(tls.config().clone()).into_fallible();
        match timeout_at(deadline.at, shaking).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err((error, stream))) => {
                let error = TlsError::later(error, Side::Server);
                part(stream, &error).await;
                Err(error)
            }
            Err(_) => Err(deadline.passed()),
        }
    }

    /// For a caller that has nothing under the name, whatever the certificates.
    pub async fn unrecognized(self) -> TlsError {
        let error = TlsError::UnrecognizedName(self.server_name().unwrap_or_default().into());
        refuse(self.start.io, &fatal(AlertDescription::UnrecognisedName), &error).await;
        error
    }

    fn unserved(&self, tls: &ServerTls) -> Option<(AlertDescription, TlsError)> {
        let certificates = tls.certificates().load();
        match self.server_name() {
            _ if certificates.is_empty() => {
                Some((AlertDescription::HandshakeFailure, TlsError::NoCertificate))
            }
            Some(name) if certificates.by_name(name).is_none() => {
                Some((AlertDescription::UnrecognisedName, TlsError::UnrecognizedName(name.into())))
            }
            Some(_) | None => None,
        }
    }
}

impl Deadline {
    fn passed(self) -> TlsError {
        TlsError::Timeout(self.timeout)
    }
}

/// Says why in the clear.
async fn refuse<S>(mut stream: S, alert: &[u8], error: &TlsError)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if let Ok(Ok(())) = timeout(PARTING, stream.write_all(alert)).await {
        part(stream, error).await;
    }
}

/// Closes so that what was written arrives.
async fn part<S>(mut stream: S, error: &TlsError)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // Nobody is there to take an alert, or the peer has sent one and wants none.
    if matches!(error, TlsError::Closed(_) | TlsError::Alert(_)) {
        return;
    }
    let parting = async {
        stream.flush().await?;
        stream.shutdown().await?;
        let (mut scratch, mut read) = ([0; 1024], 0);
        while read < PARTING_BYTES {
            match stream.read(&mut scratch).await? {
                0 => break,
                n => read += n,
            }
        }
        std::io::Result::Ok(())
    };
    // What goes wrong now has no listener left.
    let _ = timeout(PARTING, parting).await;
}

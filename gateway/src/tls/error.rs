//! How a handshake fails, said once for the log, the metric and whoever dials again.

use std::io;
use std::time::Duration;

use tokio_rustls::rustls::{AlertDescription, Error, PeerIncompatible};

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the peer does not speak TLS ({0}); connect with TLS, as https:// does, or to a port without it")]
    NotTls(Error),
    #[error(
        "no certificate has the name `{0}`; write it into a certificate's subjectAltName and add that to certs/"
    )]
    UnrecognizedName(Box<str>),
    #[error("there is no certificate to show; add one to certs/")]
    NoCertificate,
    #[error(
        "the client's certificate is refused: {0}; give it one that the entrypoint's client CA has signed"
    )]
    ClientCertificate(Error),
    #[error(
        "the server's certificate is refused: {0}; name the server as its certificate does, and the CA that signed it"
    )]
    ServerCertificate(Error),
    #[error("no version in common ({0}); speak TLS 1.2 or 1.3")]
    Version(Error),
    #[error("the handshake was not done within {0:?}")]
    Timeout(Duration),
    #[error("the peer closed before the handshake was done: {0}")]
    Closed(io::Error),
    #[error("the peer refused with the alert {0:?}; its log says why")]
    Alert(AlertDescription),
    #[error("no handshake: {0}")]
    Handshake(Error),
}

/// Whose handshake it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Server,
    Client,
}

impl TlsError {
    /// One of ten words, for a metric's label.
    pub fn reason(&self) -> &'static str {
        match self {
            TlsError::NotTls(_) => "not_tls",
            TlsError::UnrecognizedName(_) => "unrecognized_name",
            TlsError::NoCertificate => "no_certificate",
            TlsError::ClientCertificate(_) => "client_certificate",
            TlsError::ServerCertificate(_) => "server_certificate",
            TlsError::Version(_) => "version",
            TlsError::Timeout(_) => "timeout",
            TlsError::Closed(_) => "closed",
            TlsError::Alert(_) => "alert",
            TlsError::Handshake(_) => "handshake",
        }
    }

    /// Before the client has said one thing that is TLS.
    pub(super) fn first(error: Error) -> TlsError {
        match error {
            Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => TlsError::NotTls(error),
            error => TlsError::of(error, Side::Server),
        }
    }

    pub(super) fn later(error: io::Error, side: Side) -> TlsError {
        // rustls's own, which tokio-rustls wraps, or the socket's.
        match error.downcast() {
            // The first words of a server that is none.
            Ok(error @ Error::InvalidMessage(_)) if side == Side::Client => TlsError::NotTls(error),
            Ok(error) => TlsError::of(error, side),
            Err(error) => TlsError::Closed(error),
        }
    }

    fn of(error: Error, side: Side) -> TlsError {
        match error {
            Error::AlertReceived(AlertDescription::ProtocolVersion)
            | Error::PeerIncompatible(
                PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled
                | PeerIncompatible::SupportedVersionsExtensionRequired
                | PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            ) => TlsError::Version(error),
            Error::AlertReceived(alert) => TlsError::Alert(alert),
            Error::NoCertificatesPresented | Error::InvalidCertificate(_) => match side {
                Side::Server => TlsError::ClientCertificate(error),
                Side::Client => TlsError::ServerCertificate(error),
            },
            error => TlsError::Handshake(error),
        }
    }
}

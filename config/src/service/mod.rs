//! What a job serves, how it is checked and how it wants to be served: the parts that the jobs file, the registry's records and the
//! API have in common, in the JSON shapes of the API.
//!
//! Reading ignores unknown fields, so that an older program reads a newer record; a value out of bounds is
//! refused with what to write instead.

mod access;
mod app;
mod balance;
mod check;
mod connections;
mod outage;
mod port;
mod protocol;
mod tls;

pub use access::DefaultAccess;
pub use app::App;
pub use balance::{Balance, Policy};
pub use check::{Check, CheckKind};
pub use connections::{JobLimits, OnUnhealthy, Timeouts};
pub use outage::{Outage, Stale};
pub use port::{HttpVersion, Port, ProxyVersion};
pub use protocol::Protocol;
pub use tls::{OriginateTls, TrustedCa};

use thiserror::Error;

use crate::names::DomainName;

/// What is wrong with a part of a job, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ServiceError {
    #[error("unknown protocol `{text}`; write tcp, udp, http, grpc or tls")]
    Protocol { text: String },

    #[error("unknown check kind `{text}`; this version knows tcp")]
    CheckKind { text: String },

    #[error("port 0 cannot be dialled; write 1 to 65535")]
    PortZero,

    #[error("`proxy` does not go with {protocol}; leave it out, or write protocol tcp")]
    Proxy { protocol: Protocol },

    #[error(
        "`tls` is for ports without TLS, and on protocol tls the client's own TLS reaches the instance; leave it out, \
         or write protocol tcp"
    )]
    TlsTwice,

    #[error("`tls` runs over TCP, and this port is udp; leave it out")]
    TlsOverUdp,

    #[error("`http` does not go with {protocol}; leave {version} out, or write protocol http")]
    HttpVersion { version: HttpVersion, protocol: Protocol },

    #[error("gRPC is HTTP/2; leave `http` out, or write \"h2c\", or \"h2\" where there is `tls`")]
    GrpcOverH1,

    #[error("h2c is HTTP/2 without TLS, and this port has `tls`; write \"h2\"")]
    H2cInTls,

    #[error("h2 is HTTP/2 in TLS, and this port has none; write \"h2c\", or add `tls`")]
    H2WithoutTls,

    #[error("server name `{name}` is a wildcard; write the one name that is in the certificate")]
    ServerName { name: DomainName },

    #[error(
        "`ca` is no PEM; write what stands from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----, line breaks \
         included, or {{\"file\":\"/path\"}}"
    )]
    CaNoPem,

    #[error("`ca` has a private key; write only the certificates of who signs")]
    KeyInCa,

    #[error(
        "`ca` is no absolute path; write it as the gateway sees it, as in {{\"file\":\"/etc/tls/ca.pem\"}}"
    )]
    CaPath,

    #[error("check {field} `{value}` is out of bounds; write `{least}` to `{most}`")]
    Bounds { field: &'static str, value: String, least: String, most: String },
}

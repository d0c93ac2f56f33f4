//! From where to where a row goes, and what is spoken there.

use std::net::SocketAddr;
use std::sync::LazyLock;

use roundhouse_benches::load::{Certificate, HOST};
use roundhouse_tests::Loopback;

const BACKEND: u16 = 7_500;
/// Where peers listen.
const LISTEN: u16 = 7_600;

static HOSTS: LazyLock<Vec<String>> = LazyLock::new(|| vec![HOST.to_owned()]);

#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    /// Each contender has an address of its own in it.
    pub(crate) net: &'a Loopback,
    pub(crate) backend: SocketAddr,
    pub(crate) spoken: Spoken<'a>,
    /// All of them go to the backend.
    pub(crate) hosts: &'a [String],
    /// What shows that it leads there.
    pub(crate) asked: Asked<'a>,
    /// Lines for HAProxy's `defaults`.
    pub(crate) haproxy: &'a str,
}

/// By the client. To the backend it is HTTP/1.1 over TCP, but for gRPC.
#[derive(Clone, Copy)]
pub(crate) enum Spoken<'a> {
    Http1,
    Http1Tls(&'a Certificate),
    /// Without an upgrade: the client begins with it (RFC 9113, 3.3).
    Http2,
    Http2Tls(&'a Certificate),
    /// HTTP/2 on both sides, without TLS.
    Grpc,
}

/// A request as the row has them, and what must come back.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) path: &'a str,
    /// A POST where there is one.
    pub(crate) body: &'a str,
    pub(crate) answer: Answer<'a>,
}

#[derive(Clone, Copy)]
pub(crate) enum Answer<'a> {
    Text(&'a str),
    Length(usize),
}

impl Way<'_> {
    /// To a backend that is there or will be, with [`HOST`] as the only host.
    pub(crate) fn new<'a>(net: &'a Loopback, spoken: Spoken<'a>, asked: Asked<'a>) -> Way<'a> {
        let backend = SocketAddr::new(net.app(0), BACKEND);
        Way { net, backend, spoken, hosts: &HOSTS, asked, haproxy: "" }
    }

    /// Where the peer with this number listens, from 1.
    pub(crate) fn listen(&self, peer: u8) -> SocketAddr {
        SocketAddr::new(self.net.app(peer), LISTEN)
    }
}

impl<'a> Spoken<'a> {
    pub(crate) fn certificate(self) -> Option<&'a Certificate> {
        match self {
            Spoken::Http1Tls(certificate) | Spoken::Http2Tls(certificate) => Some(certificate),
            Spoken::Http1 | Spoken::Http2 | Spoken::Grpc => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Spoken::Http1 => "HTTP/1.1",
            Spoken::Http1Tls(_) => "HTTP/1.1 in TLS",
            Spoken::Http2 => "HTTP/2 without TLS",
            Spoken::Http2Tls(_) => "HTTP/2 in TLS",
            Spoken::Grpc => "gRPC",
        }
    }

    pub(crate) fn is_grpc(self) -> bool {
        matches!(self, Spoken::Grpc)
    }
}

impl Asked<'static> {
    /// The 30 bytes of every backend.
    pub(crate) const SMALL: Asked<'static> =
        Asked { path: "/", body: "", answer: Answer::Text("thirty bytes make up this body") };
}

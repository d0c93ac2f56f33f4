//! What shows that a contender does what is measured: it answers as the row will ask, keeps its connections to the
//! backend, and routes by Host.

mod http1;
mod http2;

use std::io;
use std::net::SocketAddr;

use roundhouse_benches::backend::KEPT;

use self::http1::Http1;
use self::http2::Http2;
use crate::way::{Answer, Asked, Spoken, Way};

/// Connections to the backend are shared by all clients; with some workers each has its own.
const CLIENTS: usize = 8;
const UNKNOWN: &str = "unknown.example.org";

/// What came back.
pub(crate) struct Said {
    /// 200, and of gRPC a status of 0 in the trailers.
    good: bool,
    status: u16,
    body: String,
}

trait Client {
    fn ask(&mut self, host: &str, path: &str, body: &str) -> io::Result<Said>;
}

pub(crate) fn attempt(at: SocketAddr, way: Way<'_>) -> io::Result<()> {
    let host = &way.hosts[way.hosts.len() / 2];
    let mut client = open(at, way.spoken)?;
    // The second time on a connection that was kept.
    for _ in 0..2 {
        right(&client.ask(host, way.asked.path, way.asked.body)?, way.asked)?;
    }
    let mut most = 0;
    for _ in 0..CLIENTS {
        let said = open(at, way.spoken)?.ask(host, KEPT, "")?;
        most = most.max(said.body.parse().map_err(|_| refused("which request it was", &said))?);
    }
    if most < 2 {
        return Err(io::Error::other("connections to the backend are not kept"));
    }
    match open(at, way.spoken)?.ask(UNKNOWN, way.asked.path, "") {
        Ok(said) if said.good => Err(io::Error::other("a host that is nobody's is answered")),
        _ => Ok(()),
    }
}

fn open<'a>(at: SocketAddr, spoken: Spoken<'a>) -> io::Result<Box<dyn Client + 'a>> {
    Ok(match spoken {
        Spoken::Http1 => Box::new(Http1::open(at)?),
        Spoken::Http1Tls(certificate) => Box::new(Http1::open_tls(at, certificate)?),
        Spoken::Http2 => Box::new(Http2::open(at, None, false)?),
        Spoken::Http2Tls(certificate) => Box::new(Http2::open(at, Some(certificate), false)?),
        Spoken::Grpc => Box::new(Http2::open(at, None, true)?),
    })
}

fn right(said: &Said, asked: Asked<'_>) -> io::Result<()> {
    let right = match asked.answer {
        Answer::Text(text) => said.body == text,
        Answer::Length(length) => said.body.len() == length,
    };
    if said.good && right { Ok(()) } else { Err(refused("the answer of the backend", said)) }
}

fn refused(wanted: &str, said: &Said) -> io::Error {
    let start: String = said.body.chars().take(100).collect();
    io::Error::other(format!(
        "{wanted} was wanted; status {}, {} bytes: {start}",
        said.status,
        said.body.len()
    ))
}

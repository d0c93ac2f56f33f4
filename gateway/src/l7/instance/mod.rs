//! Connections to instances: kept alive between requests, one pool a worker, taken and given back without a lock.
//!
//! ```text
//! open: HTTP/1.1: an idle one, else dial (and TLS) ─► one request at a time ─► back to the pool
//!       HTTP/2:   one that has room for a stream, else dial ─► many at a time
//! ```

mod answer;
mod h2_client;
mod pool;

use std::io;
use std::sync::Arc;

use roundhouse_config::{HttpVersion, Port};

pub(super) use self::answer::{Answering, NoAnswer};
use self::h2_client::Shared;
use self::pool::Key;
pub(super) use self::pool::{H1Instance, IDLE, Pool};
use super::Engine;
use super::request::Request;
use crate::l4::{self, Stream, TcpWire, TlsWire};
use crate::table::{Endpoint, JobEntry};
use crate::tls::{Alpn, ClientTls};

/// A place at an instance for one request.
pub(super) enum Instance {
    H1(H1Instance),
    H2(Shared),
}

impl Instance {
    /// Whether it has carried a request before: then the instance may have closed it just now.
    pub(super) fn is_reused(&self) -> bool {
        match self {
            Instance::H1(instance) => instance.is_reused(),
            Instance::H2(shared) => shared.is_reused(),
        }
    }
}

/// A kept connection, else a new one.
pub(super) async fn open(
    engine: &Engine,
    endpoint: &Arc<Endpoint>,
    job: &JobEntry,
    port: &Port,
    request: &Request,
) -> io::Result<Instance> {
    let speaks = speaks(port, request);
    let tls = match &port.tls {
        None => None,
        Some(tls) => Some(engine.context.originate(tls, speaks.alpn(), job).map_err(io::Error::other)?),
    };
    let key = Key::new(endpoint, tls.as_ref());
    if speaks != Speaks::H2 {
        let kept =
            engine.pool.borrow_mut().take(key, engine.context.connections().now(), !request.is_idempotent());
        if let Some(kept) = kept {
            return Ok(Instance::H1(kept));
        }
    }
    if speaks != Speaks::H1
        && let Some(shared) = h2_client::shared(engine, key).await?
    {
        return Ok(Instance::H2(shared));
    }
    let dialling = h2_client::Dialling::begin(engine, key, speaks == Speaks::H2);
    let stream =
        connect(engine, endpoint, job, tls.as_ref()).await.inspect_err(|error| dialling.failed(error))?;
    match (speaks, stream.is_h2()) {
        (Speaks::H2, _) | (Speaks::Either, true) => {
            let begun = h2_client::begin(engine, key, endpoint, stream).await;
            begun.inspect_err(|error| dialling.failed(error)).map(Instance::H2)
        }
        (Speaks::H1 | Speaks::Either, _) => Ok(Instance::H1(H1Instance::new(key, endpoint.clone(), stream))),
    }
}

async fn connect(
    engine: &Engine,
    endpoint: &Arc<Endpoint>,
    job: &JobEntry,
    tls: Option<&ClientTls>,
) -> io::Result<Stream> {
    let stream = l4::dial(&engine.context, endpoint, job).await?;
    let Some(tls) = tls else { return Ok(Stream::Plain(TcpWire::new(stream))) };
    let timeout = engine.context.limits().hello_timeout;
    let shaken = Box::pin(crate::tls::connect(stream, tls, timeout)).await;
    Ok(Stream::Tls(TlsWire::new(shaken.map_err(io::Error::other)?)))
}

/// What is spoken to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    H1,
    H2,
    /// What it chooses in the TLS handshake.
    Either,
}

impl Speaks {
    fn alpn(self) -> Alpn {
        match self {
            Speaks::H1 => &[b"http/1.1"],
            Speaks::H2 => &[b"h2"],
            Speaks::Either => &[b"h2", b"http/1.1"],
        }
    }
}

fn speaks(port: &Port, request: &Request) -> Speaks {
    match port.http {
        // What an instance makes of WebSocket over HTTP/2 (RFC 8441) is known only once it is asked.
        HttpVersion::Auto if request.line.websocket => Speaks::H1,
        HttpVersion::Auto if port.protocol == roundhouse_config::Protocol::Grpc => Speaks::H2,
        HttpVersion::Auto if port.tls.is_some() => Speaks::Either,
        HttpVersion::Auto | HttpVersion::H1 => Speaks::H1,
        HttpVersion::H2c | HttpVersion::H2 => Speaks::H2,
    }
}

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
pub(super) use self::h2_client::Shared;
use self::pool::Key;
pub(super) use self::pool::{H1Instance, IDLE, Pool};
use super::Engine;
use super::request::Request;
use super::route::Routed;
use crate::l4::{self, Stream, TcpWire, TlsWire};
use crate::table::{Endpoint, JobEntry};
use crate::tls::{Alpn, ClientTls};

/// A place at an instance for one request.
pub(super) enum Instance {
    H1(Box<H1Instance>),
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

/// How an endpoint is spoken to for a request.
pub(super) struct To {
    key: Key,
    speaks: Speaks,
    tls: Option<ClientTls>,
}

impl To {
    pub(super) fn of(
        engine: &Engine,
        endpoint: &Arc<Endpoint>,
        routed: &Routed,
        request: &Request,
    ) -> io::Result<To> {
        let port = &routed.port.port;
        let speaks = speaks(port, request);
        let tls = match &port.tls {
            None => None,
            Some(tls) => {
                let made = engine.context.originate(tls, speaks.alpn(), &routed.job);
                Some(made.map_err(io::Error::other)?)
            }
        };
        Ok(To { key: Key::new(endpoint, tls.as_ref()), speaks, tls })
    }

    /// On a connection that is there.
    pub(super) fn at_hand(&self, engine: &Engine, request: &Request) -> Option<Instance> {
        let mut pool = engine.pool.borrow_mut();
        if self.speaks != Speaks::H2 {
            let now = engine.context.connections().now();
            if let Some(kept) = pool.take(self.key, now, !request.is_idempotent()) {
                return Some(Instance::H1(kept));
            }
        }
        if self.speaks == Speaks::H1 {
            return None;
        }
        pool.h2.get_mut(&self.key)?.with_room().map(Instance::H2)
    }

    /// On one that somebody dials just now, else on a new one.
    pub(super) async fn open(
        &self,
        engine: &Engine,
        endpoint: &Arc<Endpoint>,
        job: &JobEntry,
    ) -> io::Result<Instance> {
        let To { key, speaks, tls } = self;
        if *speaks != Speaks::H1
            && let Some(shared) = h2_client::shared(engine, *key).await?
        {
            return Ok(Instance::H2(shared));
        }
        let dialling = h2_client::Dialling::begin(engine, *key, *speaks == Speaks::H2);
        let stream =
            connect(engine, endpoint, job, tls.as_ref()).await.inspect_err(|error| dialling.failed(error))?;
        match (speaks, stream.is_h2()) {
            (Speaks::H2, _) | (Speaks::Either, true) => {
                let begun = h2_client::begin(engine, *key, endpoint, stream).await;
                begun.inspect_err(|error| dialling.failed(error)).map(Instance::H2)
            }
            (Speaks::H1 | Speaks::Either, _) => {
                Ok(Instance::H1(Box::new(H1Instance::new(*key, endpoint.clone(), stream))))
            }
        }
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

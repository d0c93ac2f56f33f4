//! TCP both ways: access -> route -> pick -> forward -> record.
//!
//! ```text
//! preface (PROXY header, ClientHello: looked at, not taken) ─► job port ─► connect ─► relay ─► record
//! ```
//!
//! The relay is a machine without sockets ([`relay`]); [`drive`] is its tokio driver, over [`wire`]s that are sockets or
//! TLS. Every read goes into one buffer that the worker's connections share, so that an idle one holds none, and bulk
//! goes through pooled [`pipes`].

mod connect;
mod drive;
mod pipes;
pub(crate) mod preface;
mod relay;
mod stream;
mod tls;
mod wire;

use std::rc::Rc;

use roundhouse_config::{Port, ProxyVersion};
use tokio::net::TcpStream;

use self::connect::{Connected, First};
use crate::capacity::Full;
use crate::plane::{Connection, Context, Reason, count};
use crate::proxy_protocol::{Out, Transport, encode_v1, encode_v2};
use crate::table::{JobEntry, PortEntry};

pub use self::connect::{Attempts, ConnectError, dial, is_our_shortage};
pub(crate) use self::drive::{Desk, End, Ended, Lane, Opening, Side, relay};
pub(crate) use self::stream::Stream;
pub(crate) use self::tls::{TlsFacts, TlsWire};
pub(crate) use self::wire::{TcpWire, Wire};

/// What the instance is told of the client, before anything else.
fn proxy_header(connection: &Connection, port: &Port) -> Vec<u8> {
    let (source, destination) = (connection.client(), connection.local.get());
    match port.proxy {
        None => Vec::new(),
        Some(ProxyVersion::V1) => encode_v1(source, destination).to_vec(),
        Some(ProxyVersion::V2) => encode_v2(&Out {
            source,
            destination,
            transport: Transport::Stream,
            jobname: connection.jobname().as_deref(),
            unique_id: None,
            checksum: true,
        }),
    }
}

/// One worker's.
pub struct Engine {
    context: Rc<Context>,
    desk: Rc<Desk>,
}

impl Engine {
    pub(crate) fn new(context: Rc<Context>, desk: Rc<Desk>) -> Engine {
        Engine { context, desk }
    }

    /// Serves one client to its end.
    pub(crate) async fn serve<C: Wire>(
        &self,
        connection: &Connection,
        client: &C,
        job: &JobEntry,
        port: &PortEntry,
    ) {
        let context = &*self.context;
        let limits = context.limits();
        let _slot = match job.enter(context.client(connection.client().ip())) {
            Ok(slot) => slot,
            Err(Full::All) => return self.refuse(client, Reason::JobFull),
            Err(Full::Client) => return self.refuse(client, Reason::ClientFull),
        };
        let served = match &port.port.tls {
            None => {
                self.forward(connection, client, job, port, async |stream| Ok(TcpWire::new(stream))).await
            }
            Some(tls) => {
                let timeout = limits.hello_timeout;
                let tls = context.originate(tls, &[], job);
                let ready = async |stream| {
                    let tls = tls.as_ref().map_err(|error| std::io::Error::other(error.clone()))?;
                    let stream = crate::tls::connect(stream, tls, timeout).await;
                    stream.map(TlsWire::new).map_err(std::io::Error::other)
                };
                // Boxed, so that those without TLS to the instance do not have its size.
                Box::pin(self.forward(connection, client, job, port, ready)).await
            }
        };
        match served {
            Ok(ended) => self.record(connection, job, &ended),
            Err(error) => {
                count(&context.counters().no_backend, 1);
                // Not louder: a dead job may be dialled ten thousand times a second. It is counted, and health is logged.
                let (job, client_address) = (&job.label, connection.client());
                tracing::debug!(%job, port = %port.name(), client = %client_address, %error, "no backend");
                self.refuse(client, Reason::NoBackend);
            }
        }
    }

    /// Pick, dial and relay.
    async fn forward<C: Wire, I: Wire>(
        &self,
        connection: &Connection,
        client: &C,
        job: &JobEntry,
        port: &PortEntry,
        ready: impl AsyncFn(TcpStream) -> std::io::Result<I>,
    ) -> Result<Ended, ConnectError> {
        let context = &*self.context;
        // Boxed: what dialling needs is gone when the relay begins, which is for longer.
        let (Connected { wire: instance, endpoint, .. }, opening) =
            Box::pin(self.open(connection, client, job, port, ready)).await?;
        connection.serve_at(endpoint);
        connection.time_out(job.idle_timeout(context.limits()), job.lifetime(context.limits()));
        Ok(relay(&self.desk, context.connections(), connection, (client, &instance), opening).await)
    }

    /// A connection to an instance that knows what the gateway has to say, and what is left of the client's first words.
    async fn open<C: Wire, I: Wire>(
        &self,
        connection: &Connection,
        client: &C,
        job: &JobEntry,
        port: &PortEntry,
        ready: impl AsyncFn(TcpStream) -> std::io::Result<I>,
    ) -> Result<(Connected<I>, Opening), ConnectError> {
        let said = proxy_header(connection, &port.port);
        let guarded = connection.guarded.get() || port.port.proxy.is_some();
        // Nothing can go before what the gateway says, nor before a handshake, nor before it was looked at.
        let early = match client.plain() {
            Some(client) if self.context.dials_fast() && !guarded && port.port.tls.is_none() => {
                let mut said = Vec::new();
                client.on_socket(&mut |client| said = preface::said_already(client));
                said
            }
            _ => Vec::new(),
        };
        let first = First { said: &said, early: &early };
        let connected = connect::connect(&self.context, job, port, first, ready).await?;
        let opening = match guarded {
            true => Opening::Guarded,
            false => Opening::Read { bytes: early, taken: connected.taken },
        };
        Ok((connected, opening))
    }

    /// A reset tells the client at once; there is no protocol to say more in.
    pub(crate) fn refuse<C: Wire>(&self, client: &C, reason: Reason) {
        self.context.counters().reasons.add(reason);
        client.reset();
    }

    fn record(&self, connection: &Connection, job: &JobEntry, ended: &Ended) {
        let counters = self.context.counters();
        let (to_instance, to_client) = connection.bytes();
        count(&counters.bytes_to_instances, to_instance);
        count(&counters.bytes_to_clients, to_client);
        let (reason, error) = match ended {
            Ended::Complete => (None, None),
            Ended::Because(reason) => (Some(*reason), None),
            Ended::Failed { by: Side::Client, error } => (Some(Reason::ResetByClient), Some(error)),
            Ended::Failed { by: Side::Instance, error } => (Some(Reason::ResetByInstance), Some(error)),
        };
        if let Some(reason) = reason {
            counters.reasons.add(reason);
        }
        let client = connection.client();
        let (job, id) = (&job.label, connection.id());
        tracing::debug!(%job, %id, %client, to_instance, to_client, ?reason, ?error, "closed");
    }
}

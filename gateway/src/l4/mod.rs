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
mod refusal;
mod relay;
mod stream;
mod tls;
mod wire;

use std::rc::Rc;

use roundhouse_config::{App, Port, Protocol, ProxyVersion};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use self::connect::{Connected, First};
use self::refusal::Greeted;
use crate::access::{Asking, Judged, Judgement};
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

/// A client that was let in.
#[derive(Default)]
struct Admitted {
    /// What it said before that.
    words: refusal::Words,
    /// It is to say who it is in its answer to the instance's greeting.
    claims: bool,
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
        let admitted = match self.judge(connection, job, port) {
            Judgement::Allowed(_) => None,
            // Boxed: what a refusal needs is no part of those who are let in.
            Judgement::Denied(judged) => {
                match Box::pin(self.turn_away(connection, client, job, port, judged)).await {
                    Some(admitted) => Some(Box::new(admitted)),
                    None => return,
                }
            }
        };
        let _slot = match job.enter(context.client(connection.client().ip())) {
            Ok(slot) => slot,
            Err(Full::All) => return self.refuse(client, Reason::JobFull),
            Err(Full::Client) => return self.refuse(client, Reason::ClientFull),
        };
        let served = match &port.port.tls {
            None => {
                let ready = async |stream| Ok(TcpWire::new(stream));
                self.forward(connection, client, (job, port), admitted, ready).await
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
                Box::pin(self.forward(connection, client, (job, port), admitted, ready)).await
            }
        };
        match served {
            Ok(ended) => self.record(connection, job, &ended),
            // It was told so.
            Err(ConnectError::Denied) => self.record(connection, job, &Ended::Because(Reason::Denied)),
            Err(error) => {
                count(&context.counters().no_backend, 1);
                // Not louder: a dead job may be dialled ten thousand times a second. It is counted, and health is logged.
                let (job, client_address) = (&job.label, connection.client());
                tracing::debug!(%job, port = %port.name(), client = %client_address, %error, "no backend");
                self.refuse(client, Reason::NoBackend);
            }
        }
    }

    /// Whether the client may come in, by what is known of it now.
    fn judge(&self, connection: &Connection, job: &JobEntry, port: &PortEntry) -> Judgement {
        let said = connection.said();
        let asking = Asking::of_connection(connection, said.as_deref(), port.unseen());
        self.context.gate().judge(|| asking, &job.label, port.asked())
    }

    /// The same, while it is in.
    fn may_stay(&self, connection: &Connection, job: &JobEntry, port: &PortEntry) -> bool {
        let said = connection.said();
        let asking = Asking::of_connection(connection, said.as_deref(), port.unseen());
        self.context.gate().still_allows(&asking, &job.label, port.asked())
    }

    /// A client that is not let in: it may have registered just now, or say who it is. `None`: it was refused.
    async fn turn_away<C: Wire>(
        &self,
        connection: &Connection,
        client: &C,
        job: &JobEntry,
        port: &PortEntry,
        judged: Judged,
    ) -> Option<Admitted> {
        let context = &*self.context;
        let mut judged = judged;
        if judged.miss {
            let peer = connection.client().ip();
            if context.gate().access().catch_up().caught_up(peer, judged.revision).await {
                match self.judge(connection, job, port) {
                    Judgement::Allowed(_) => return Some(Admitted::default()),
                    Judgement::Denied(again) => judged = again,
                }
            }
        }
        let app = job.app().filter(|_| port.port.protocol == Protocol::Tcp);
        let Some(app) = app else {
            self.refuse(client, Reason::Denied);
            return None;
        };
        let deadline = Instant::now() + context.limits().hello_timeout;
        if !judged.claimable {
            context.counters().reasons.add(Reason::Denied);
            refusal::refuse(client, app, connection, deadline).await;
            return None;
        }
        if app == App::MySql {
            return Some(Admitted { claims: true, ..Admitted::default() });
        }
        let Ok(Ok(Some(words))) = timeout_at(deadline, refusal::claim(client, app, connection)).await else {
            self.refuse(client, Reason::Denied);
            return None;
        };
        if let Judgement::Allowed(_) = self.judge(connection, job, port) {
            return Some(Admitted { words, claims: false });
        }
        context.counters().reasons.add(Reason::Denied);
        refusal::refuse_claimed(client, app, connection, words, deadline).await;
        None
    }

    /// Pick, dial and relay.
    async fn forward<C: Wire, I: Wire>(
        &self,
        connection: &Connection,
        client: &C,
        (job, port): (&JobEntry, &PortEntry),
        admitted: Option<Box<Admitted>>,
        ready: impl AsyncFn(TcpStream) -> std::io::Result<I>,
    ) -> Result<Ended, ConnectError> {
        let context = &*self.context;
        // Boxed: what dialling needs is gone when the relay begins, which is for longer.
        let (instance, opening) =
            Box::pin(self.open(connection, client, (job, port), admitted, ready)).await?;
        // Rules and addresses may have changed while it was dialled; from here on whoever changes them finds it.
        if !self.may_stay(connection, job, port) {
            connection.end(Reason::Revoked);
        }
        connection.time_out(job.idle_timeout(context.limits()), job.lifetime(context.limits()));
        Ok(relay(&self.desk, context.connections(), connection, (client, &instance), opening).await)
    }

    /// MySQL's greeting goes to the client, whose answer says who it is; the answer, if it is let in.
    async fn greet<C: Wire, I: Wire>(
        &self,
        connection: &Connection,
        client: &C,
        (job, port): (&JobEntry, &PortEntry),
        instance: &I,
    ) -> Option<Vec<u8>> {
        let deadline = Instant::now() + self.context.limits().hello_timeout;
        let greeted = timeout_at(deadline, refusal::greet(client, instance, connection)).await;
        match greeted {
            Ok(Ok(Greeted::Said { words, refusal })) => match self.judge(connection, job, port) {
                Judgement::Allowed(_) => return Some(words),
                Judgement::Denied(_) => refusal::say(client, &refusal, deadline).await,
            },
            Ok(Ok(Greeted::Refused)) => {}
            Ok(Err(_)) | Err(_) => client.reset(),
        }
        instance.reset();
        None
    }

    /// A connection to an instance that knows what the gateway has to say, and what is left of the client's first words.
    async fn open<C: Wire, I: Wire>(
        &self,
        connection: &Connection,
        client: &C,
        (job, port): (&JobEntry, &PortEntry),
        admitted: Option<Box<Admitted>>,
        ready: impl AsyncFn(TcpStream) -> std::io::Result<I>,
    ) -> Result<(I, Opening), ConnectError> {
        let said = proxy_header(connection, &port.port);
        let Admitted { words, claims } = admitted.map(|admitted| *admitted).unwrap_or_default();
        // Words that were read as a database's begin with no PROXY header.
        let was_read = claims || !words.is_empty();
        let guarded = !was_read && (connection.guarded.get() || port.port.proxy.is_some());
        // Nothing can go before what the gateway says, nor before a handshake, nor before it was looked at.
        let early = match client.plain() {
            _ if was_read => words,
            Some(client) if self.context.dials_fast() && !guarded && port.port.tls.is_none() => {
                let mut said = Vec::new();
                client.on_socket(&mut |client| said = preface::said_already(client));
                said
            }
            _ => Vec::new(),
        };
        let with_syn = if said.is_empty() && port.port.tls.is_none() { &*early } else { &[] };
        let first = First { said: &said, early: with_syn };
        let Connected { wire, endpoint, taken } =
            connect::connect(&self.context, job, port, first, ready).await?;
        connection.serve_at(endpoint);
        if claims {
            let words = self.greet(connection, client, (job, port), &wire).await;
            let bytes = words.ok_or(ConnectError::Denied)?;
            return Ok((wire, Opening::Read { bytes, taken: 0 }));
        }
        let opening = match guarded {
            true => Opening::Guarded,
            false => Opening::Read { bytes: early, taken },
        };
        Ok((wire, opening))
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

//! From an accepted connection to the engine that serves it: where it came in decides what it may begin with, and what
//! chooses the job.
//!
//! ```text
//! VIP, captured      ─► the address chooses ──────────────────────────────► L4 | L7
//! entrypoint ─► (PROXY header) ─► http: L7, by Host
//!                              ├► https: handshake ─► L7, by Host
//!                              ├► tls: ClientHello ─► by SNI ─► (handshake, if it ends here) ─► L4
//!                              └► tcp: its job ─► L4
//! ```

use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use roundhouse_config::{EntrypointProtocol, Protocol};
use rustix::net::sockopt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::Site;
use super::accept::enter;
use crate::capacity::{Most, Slot};
use crate::entrypoint::Entrypoint;
use crate::l4::preface::{Refusal, client_hello, proxy_header, refuse};
use crate::l4::{Stream, TcpWire, TlsWire, Wire};
use crate::plane::{Context, Entered, Kind, Reason, count};
use crate::proxy_protocol::Command;
use crate::table::{JobEntry, PortEntry, Target};
use crate::tls::hello::ServerName;
use crate::tls::{TlsError, peer_jobname};
use crate::{l4, l7};

/// What a worker does with a connection.
pub(super) struct Engines {
    pub(super) context: Rc<Context>,
    pub(super) l4: l4::Engine,
    pub(super) l7: Rc<l7::Engine>,
    /// Handshakes under way: a storm of them must not starve what is open.
    handshakes: tokio::sync::Semaphore,
}

/// Where a connection leads, once all is known that chooses it.
struct Led {
    client: Stream,
    to: To,
    slots: Slots,
}

/// A connection's places at the entrypoint and among its client's, where they are counted.
type Slots = [Option<Slot>; 2];

enum To {
    Job(Arc<JobEntry>, Arc<PortEntry>),
    Requests(l7::Scope),
}

impl Engines {
    pub(super) fn new(context: Rc<Context>) -> Engines {
        let desk = Rc::new(l4::Desk::default());
        let l4 = l4::Engine::new(context.clone(), desk.clone());
        let l7 = Rc::new(l7::Engine::new(context.clone(), desk));
        let handshakes = tokio::sync::Semaphore::new(context.limits().handshakes as usize);
        Engines { context, l4, l7, handshakes }
    }

    /// What serves a connection to its end; `None`: nothing, it was refused. Where the site alone says where it leads that is
    /// its engine and nothing around it: ten thousand quiet connections are ten thousand of these.
    pub(super) fn serve(self: &Rc<Self>, socket: OwnedFd, entered: Entered, site: Site) -> Option<Serving> {
        let led = match &site {
            Site::Vip(_) | Site::Captured => self.at_address(&entered, socket),
            Site::Entrypoint(entrypoint) if entrypoint.asks_nothing() => {
                self.at_open_entrypoint(&entered, socket, entrypoint)
            }
            Site::Hub(_) | Site::Entrypoint(_) => {
                // First, so that it is counted as gone where the runtime does not take it.
                let arrived = Arrived::new(self, entered);
                let stream = watched(socket)?;
                return Some(Box::pin(arrived.asking(stream, site)));
            }
        };
        Arrived::new(self, entered).led(led, site.entrypoint())
    }

    /// The address chooses the job.
    fn at_address(&self, entered: &Entered, socket: OwnedFd) -> Result<Led, Reason> {
        let slots = self.admit(entered, &socket, None)?;
        let local = entered.local.get();
        let to = match self.context.look(|table| table.by_address(local)) {
            // The job went while the client connected, or the port is UDP's; where all ports are captured, no job's.
            Some((_, port)) if port.port.protocol == Protocol::Udp => return nowhere(&socket),
            None => return nowhere(&socket),
            Some((_, port)) if port.port.protocol.is_http() => To::Requests(l7::Scope::Vip),
            Some((job, port)) => To::Job(job, port),
        };
        Ok(Led { client: Stream::Plain(TcpWire::unwatched(socket)), to, slots })
    }

    async fn at_hub(&self, entered: &Entered, stream: TcpStream) -> Result<Led, Reason> {
        let slots = self.admit(entered, &stream, None)?;
        let port = entered.local.get().port();
        let to = match self.context.look(|table| table.hub_port(port)) {
            None => return nowhere(&stream),
            Some(Target::ByHost) => To::Requests(l7::Scope::ByHost),
            Some(Target::BySni) => {
                let deadline = Instant::now() + self.context.limits().hello_timeout;
                let found = self.by_sni(&stream, deadline, |table, worker, name| {
                    table.by_sni(worker, name?, |entry| entry.port.port == port)
                });
                let (job, entry) = found.await?;
                To::Job(job, entry)
            }
            Some(Target::Job(job, entry)) => To::Job(job, entry),
        };
        Ok(Led { client: Stream::Plain(TcpWire::accepted(stream)), to, slots })
    }

    /// One that says where its connections lead before they say anything.
    fn at_open_entrypoint(
        &self,
        entered: &Entered,
        socket: OwnedFd,
        entrypoint: &Arc<Entrypoint>,
    ) -> Result<Led, Reason> {
        let slots = self.admit(entered, &socket, Some(entrypoint))?;
        let Some(to) = self.from(entrypoint) else { return nowhere(&socket) };
        Ok(Led { client: Stream::Plain(TcpWire::unwatched(socket)), to, slots })
    }

    /// Where all connections of an entrypoint lead.
    fn from(&self, entrypoint: &Entrypoint) -> Option<To> {
        let settings = &entrypoint.settings;
        match settings.protocol {
            EntrypointProtocol::Http | EntrypointProtocol::Https => Some(To::Requests(l7::Scope::ByHost)),
            EntrypointProtocol::Tcp => {
                let label = settings.job.as_ref()?;
                let found = self.context.look(|table| table.named_port(label, settings.port.as_ref(), true));
                found.map(|(job, port)| To::Job(job, port))
            }
            // By the server's name; and UDP's sockets are not TCP's.
            EntrypointProtocol::Tls | EntrypointProtocol::Udp => None,
        }
    }

    async fn at_entrypoint(
        &self,
        entered: &Entered,
        stream: TcpStream,
        entrypoint: &Arc<Entrypoint>,
    ) -> Result<Led, Reason> {
        let deadline = Instant::now() + self.context.limits().hello_timeout;
        self.believe(entered, &stream, entrypoint, deadline).await.inspect_err(|_| reset(&stream))?;
        let slots = self.admit(entered, &stream, Some(entrypoint))?;
        let settings = &entrypoint.settings;
        let to = match settings.protocol {
            EntrypointProtocol::Tls => {
                entered.kind.set(Kind::Tls);
                let found =
                    self.by_sni(&stream, deadline, |table, worker, name| match (&settings.job, name) {
                        (Some(label), _) => {
                            table.named_port(label, settings.port.as_ref(), settings.terminate)
                        }
                        (None, name) => {
                            table.by_sni(worker, name?, |entry| entry.takes_tls(settings.terminate))
                        }
                    });
                let (job, port) = found.await?;
                To::Job(job, port)
            }
            _ => match self.from(entrypoint) {
                Some(to) => to,
                None => return nowhere(&stream),
            },
        };
        let client = match settings.ends_tls() {
            false => Stream::Plain(TcpWire::accepted(stream)),
            true => Stream::Tls(Box::pin(self.handshake(entered, stream, entrypoint, deadline)).await?),
        };
        Ok(Led { client, to, slots })
    }

    /// Who the client is: the peer, or whoever a trusted peer says.
    async fn believe(
        &self,
        entered: &Entered,
        stream: &TcpStream,
        entrypoint: &Entrypoint,
        deadline: Instant,
    ) -> Result<(), Reason> {
        if entrypoint.settings.trust_proxy.is_empty() {
            return Ok(());
        }
        // A second header, or one of a peer that is not trusted, must not be believed by an instance either.
        entered.guarded.set(true);
        if !entrypoint.trusts(entered.client().ip()) {
            return Ok(());
        }
        let header = timeout_at(deadline, proxy_header(stream)).await;
        let header = header.map_err(|_| Reason::HelloTimeout)??;
        if header.command == Command::Proxied {
            if let Some(addresses) = header.addresses {
                entered.set_client(addresses.source);
                entered.local.set(addresses.destination);
            }
            entered.set_jobname(header.tlvs.jobname);
        }
        Ok(())
    }

    /// Where the client's server name leads; the hello is left in the socket.
    async fn by_sni(
        &self,
        stream: &TcpStream,
        deadline: Instant,
        find: impl FnOnce(&crate::table::Table, usize, Option<&str>) -> Found,
    ) -> Result<(Arc<JobEntry>, Arc<PortEntry>), Reason> {
        let hello = match timeout_at(deadline, client_hello(stream)).await {
            Ok(hello) => hello,
            Err(_) => Err(Refusal { reason: Reason::HelloTimeout, alert: None }),
        };
        let found = hello.and_then(|hello| {
            let name = hello.server_name.as_ref().map(ServerName::as_str);
            let found = self.context.look(|table| find(table, self.context.index, name));
            let alert = Some(crate::tls::hello::UNRECOGNIZED_NAME);
            found.ok_or(Refusal { reason: Reason::UnknownName, alert })
        });
        match found {
            Ok(found) => Ok(found),
            Err(refusal) => {
                refuse(stream, refusal).await;
                Err(refusal.reason)
            }
        }
    }

    /// The client's TLS ends here.
    async fn handshake(
        &self,
        entered: &Entered,
        stream: TcpStream,
        entrypoint: &Entrypoint,
        deadline: Instant,
    ) -> Result<TlsWire, Reason> {
        entered.kind.set(Kind::Tls);
        let Some(tls) = &entrypoint.tls else {
            reset(&stream);
            return Err(Reason::Handshake);
        };
        let Ok(Ok(_turn)) = timeout_at(deadline, self.handshakes.acquire()).await else {
            reset(&stream);
            return Err(Reason::HelloTimeout);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let stream = crate::tls::accept(stream, tls, left).await.map_err(|error| {
            tracing::debug!(client = %entered.client(), %error, "no handshake");
            match error {
                TlsError::NotTls(_) => Reason::NotTls,
                TlsError::UnrecognizedName(_) => Reason::UnknownName,
                TlsError::Timeout(_) => Reason::HelloTimeout,
                TlsError::Closed(_) => Reason::HelloCut,
                _ => Reason::Handshake,
            }
        })?;
        // Proved, whatever a PROXY header said.
        if let Some(jobname) = stream.get_ref().1.peer_certificates().and_then(peer_jobname) {
            entered.set_certified(jobname.into());
        }
        Ok(TlsWire::new(stream))
    }

    /// Its places at the entrypoint, and among the connections that this client may have on the gateway, which are
    /// counted only where that is limited.
    fn admit(
        &self,
        entered: &Entered,
        socket: &impl AsFd,
        entrypoint: Option<&Arc<Entrypoint>>,
    ) -> Result<Slots, Reason> {
        let per_client = self.context.limits().connections_per_client;
        if entrypoint.is_none() && per_client.is_none() {
            return Ok(Slots::default());
        }
        let client = self.context.client(entered.client().ip());
        let enter_all = || {
            let here = entrypoint.map(|entrypoint| enter(entrypoint, client)).transpose()?;
            let most = Most { connections: None, per_client };
            let of_client = per_client.map(|_| self.context.capacity().enter(most, client)).transpose();
            Ok([here, of_client.map_err(|_| Reason::ClientFull)?])
        };
        enter_all().inspect_err(|_| reset(socket))
    }
}

fn nowhere(socket: &impl AsFd) -> Result<Led, Reason> {
    reset(socket);
    Err(Reason::NoRoute)
}

/// Closing it from now on is a reset (socket(7), SO_LINGER).
fn reset(socket: &impl AsFd) {
    let _ = sockopt::set_socket_linger(socket, Some(Duration::ZERO));
}

/// The runtime knows of it.
fn watched(socket: OwnedFd) -> Option<TcpStream> {
    TcpStream::from_std(socket.into())
        .inspect_err(|error| tracing::warn!(%error, "connection lost: the runtime did not take it"))
        .ok()
}

type Found = Option<(Arc<JobEntry>, Arc<PortEntry>)>;

pub(super) type Serving = Pin<Box<dyn Future<Output = ()>>>;

/// Counts a connection as open for as long as it is.
struct Open(Rc<Engines>);

impl Drop for Open {
    fn drop(&mut self) {
        count(&self.0.context.counters().open, 1u64.wrapping_neg());
    }
}

/// A connection that came in.
struct Arrived {
    open: Open,
    entered: Entered,
}

impl Arrived {
    fn new(engines: &Rc<Engines>, entered: Entered) -> Arrived {
        Arrived { open: Open(engines.clone()), entered }
    }

    /// Its first words say where it leads. That takes more memory than what comes then, so it is boxed, and gone by then.
    async fn asking(self, stream: TcpStream, site: Site) {
        let Arrived { open: Open(engines), entered } = &self;
        let led = match &site {
            Site::Entrypoint(entrypoint) => {
                Box::pin(engines.at_entrypoint(entered, stream, entrypoint)).await
            }
            Site::Hub(_) | Site::Vip(_) | Site::Captured => Box::pin(engines.at_hub(entered, stream)).await,
        };
        if let Some(serving) = self.led(led, site.entrypoint()) {
            serving.await;
        }
    }

    fn led(self, led: Result<Led, Reason>, entrypoint: Option<Arc<Entrypoint>>) -> Option<Serving> {
        match led {
            Ok(Led { client: stream, to: To::Requests(scope), slots }) => {
                let Arrived { open, entered } = self;
                entered.kind.set(Kind::Http);
                let engine = open.0.l7.clone();
                let guest = l7::Guest { entered, stream, scope, entrypoint };
                Some(Box::pin(engine.serve(guest, (open, slots))))
            }
            Ok(Led { client: Stream::Plain(client), to: To::Job(job, port), slots }) => {
                Some(Box::pin(self.relayed(client, job, port, slots)))
            }
            Ok(Led { client: Stream::Tls(client), to: To::Job(job, port), slots }) => {
                Some(Box::pin(self.relayed(client, job, port, slots)))
            }
            Err(reason) => {
                self.refused(reason);
                None
            }
        }
    }

    /// No `async fn`, for the reason that [`l7::Engine::serve`] has.
    fn relayed<C: Wire>(
        self,
        client: C,
        job: Arc<JobEntry>,
        port: Arc<PortEntry>,
        slots: Slots,
    ) -> impl Future<Output = ()> {
        let Arrived { open, entered } = self;
        async move {
            let _ = &slots;
            open.0.l4.serve(&entered, &client, &job, &port).await;
        }
    }

    fn refused(&self, reason: Reason) {
        let Arrived { open: Open(engines), entered } = self;
        engines.context.counters().reasons.add(reason);
        tracing::debug!(client = %entered.client(), local = %entered.local.get(), %reason, "refused");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is large belongs into a box that is gone when the relay begins, or the connection is at rest.
    #[test]
    fn the_task_of_a_quiet_connection_is_small() {
        fn relayed<F: Future>(
            _: impl Fn(Arrived, TcpWire, Arc<JobEntry>, Arc<PortEntry>, Slots) -> F,
        ) -> usize {
            size_of::<F>()
        }
        fn answered<F: Future>(_: impl Fn(Rc<l7::Engine>, l7::Guest, (Open, Slots)) -> F) -> usize {
            size_of::<F>()
        }
        let (relayed, answered) = (relayed(Arrived::relayed), answered(l7::Engine::serve));
        // 448 and 768 are classes of jemalloc's. With the features that the workspace's tests want of it, the runtime's
        // socket is a word larger than in what is shipped.
        assert!(relayed <= 720 && answered <= 456, "{relayed} and {answered} bytes");
    }
}

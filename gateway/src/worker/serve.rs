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

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use roundhouse_config::{EntrypointProtocol, Protocol};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::Site;
use super::accept::enter;
use crate::capacity::{Most, Slot};
use crate::entrypoint::Entrypoint;
use crate::l4::preface::{Refusal, client_hello, proxy_header, refuse};
use crate::l4::{TlsWire, Wire};
use crate::plane::{Context, Entered, Kind, Reason};
use crate::proxy_protocol::Command;
use crate::table::{JobEntry, PortEntry, Target};
use crate::tls::{TlsError, peer_jobname};
use crate::{l4, l7};

/// A connection that was just accepted.
pub(super) struct Arrival {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    /// The address that was dialled.
    pub(super) local: SocketAddr,
    pub(super) site: Site,
}

/// What a worker does with a connection.
pub(super) struct Engines {
    pub(super) context: Rc<Context>,
    pub(super) l4: l4::Engine,
    pub(super) l7: Rc<l7::Engine>,
    /// Handshakes under way: a storm of them must not starve what is open.
    handshakes: tokio::sync::Semaphore,
}

/// Why a connection is not served.
type Served = Result<(), Reason>;

impl Engines {
    pub(super) fn new(context: Rc<Context>) -> Engines {
        let (l4, l7) = (l4::Engine::new(context.clone()), Rc::new(l7::Engine::new(context.clone())));
        let handshakes = tokio::sync::Semaphore::new(context.limits().handshakes as usize);
        Engines { context, l4, l7, handshakes }
    }

    /// To its end.
    pub(super) async fn serve(self: Rc<Self>, arrival: Arrival) {
        let _open = Open(&self.context);
        let Arrival { stream, peer, local, site } = arrival;
        let entered = self.context.connections().enter(Kind::Tcp, peer, local);
        let served = match &site {
            Site::Vip(_) | Site::Captured => self.at_address(&entered, stream).await,
            Site::Hub(_) => self.at_hub(&entered, stream).await,
            // Boxed: what a connection begins with takes more memory than relaying it does.
            Site::Entrypoint(entrypoint) => Box::pin(self.at_entrypoint(&entered, stream, entrypoint)).await,
        };
        if let Err(reason) = served {
            self.context.counters().reasons.add(reason);
            tracing::debug!(%peer, %local, %reason, "refused");
        }
    }

    /// The address chooses the job.
    async fn at_address(self: &Rc<Self>, entered: &Entered, stream: TcpStream) -> Served {
        let _slot = self.admit(entered, &stream)?;
        let local = entered.local.get();
        match self.context.look(|table| table.by_address(local)) {
            // The job went while the client connected, or the port is UDP's; where all ports are captured, no job's.
            Some((_, port)) if port.port.protocol == Protocol::Udp => self.nowhere(&stream),
            None => self.nowhere(&stream),
            Some((_, port)) if port.port.protocol.is_http() => {
                self.http(entered, stream, l7::Scope::Vip(local)).await
            }
            Some((job, port)) => self.relay(entered, stream, &job, &port).await,
        }
    }

    fn nowhere(&self, stream: &TcpStream) -> Served {
        stream.reset();
        Err(Reason::NoRoute)
    }

    async fn at_hub(self: &Rc<Self>, entered: &Entered, stream: TcpStream) -> Served {
        let _slot = self.admit(entered, &stream)?;
        let port = entered.local.get().port();
        match self.context.look(|table| table.hub_port(port)) {
            None => self.nowhere(&stream),
            Some(Target::ByHost) => self.http(entered, stream, l7::Scope::ByHost { tls: false }).await,
            Some(Target::BySni) => {
                let deadline = Instant::now() + self.context.limits().hello_timeout;
                let found = self.by_sni(&stream, deadline, |table, worker, name| {
                    table.by_sni(worker, name?, |entry| entry.port.port == port)
                });
                let (job, entry) = found.await?;
                self.relay(entered, stream, &job, &entry).await
            }
            Some(Target::Job(job, entry)) => self.relay(entered, stream, &job, &entry).await,
        }
    }

    async fn at_entrypoint(
        self: &Rc<Self>,
        entered: &Entered,
        stream: TcpStream,
        entrypoint: &Arc<Entrypoint>,
    ) -> Served {
        let deadline = Instant::now() + self.context.limits().hello_timeout;
        self.believe(entered, &stream, entrypoint, deadline).await.inspect_err(|_| stream.reset())?;
        let client = self.context.client(entered.client.get().ip());
        let _place = enter(entrypoint, client).inspect_err(|_| stream.reset())?;
        let _slot = self.admit(entered, &stream)?;
        let settings = &entrypoint.settings;
        match settings.protocol {
            EntrypointProtocol::Http => self.http(entered, stream, l7::Scope::ByHost { tls: false }).await,
            EntrypointProtocol::Https => {
                let wire = self.handshake(entered, stream, entrypoint, deadline).await?;
                self.http(entered, wire, l7::Scope::ByHost { tls: true }).await
            }
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
                match settings.terminate {
                    false => self.relay(entered, stream, &job, &port).await,
                    true => {
                        let wire = self.handshake(entered, stream, entrypoint, deadline).await?;
                        self.relay(entered, wire, &job, &port).await
                    }
                }
            }
            EntrypointProtocol::Tcp => {
                let label = settings.job.as_ref();
                let found = self.context.look(|table| table.named_port(label?, settings.port.as_ref(), true));
                let Some((job, port)) = found else {
                    stream.reset();
                    return Err(Reason::NoRoute);
                };
                self.relay(entered, stream, &job, &port).await
            }
            // Its sockets are not TCP's.
            EntrypointProtocol::Udp => Err(Reason::NoRoute),
        }
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
        if !entrypoint.trusts(entered.client.get().ip()) {
            return Ok(());
        }
        let header = timeout_at(deadline, proxy_header(stream)).await;
        let header = header.map_err(|_| Reason::HelloTimeout)??;
        if header.command == Command::Proxied {
            if let Some(addresses) = header.addresses {
                entered.client.set(addresses.source);
                entered.local.set(addresses.destination);
            }
            *entered.jobname.borrow_mut() = header.tlvs.jobname.map(Into::into);
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
            let name = hello.server_name.as_ref().map(|name| name.as_str());
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
            stream.reset();
            return Err(Reason::Handshake);
        };
        let Ok(Ok(_turn)) = timeout_at(deadline, self.handshakes.acquire()).await else {
            stream.reset();
            return Err(Reason::HelloTimeout);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let stream = crate::tls::accept(stream, tls, left).await.map_err(|error| {
            tracing::debug!(client = %entered.client.get(), %error, "no handshake");
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
            *entered.jobname.borrow_mut() = Some(jobname.into());
        }
        Ok(TlsWire::new(stream))
    }

    /// A place among the connections that this client may have on the gateway; counted only where that is limited.
    fn admit(&self, entered: &Entered, stream: &TcpStream) -> Result<Option<Slot>, Reason> {
        let most = Most { connections: None, per_client: self.context.limits().connections_per_client };
        if most == Most::default() {
            return Ok(None);
        }
        let client = self.context.client(entered.client.get().ip());
        self.context.capacity().enter(most, client).map(Some).map_err(|_| {
            stream.reset();
            Reason::ClientFull
        })
    }

    async fn relay<C: Wire>(&self, entered: &Entered, client: C, job: &JobEntry, port: &PortEntry) -> Served {
        self.l4.serve(entered, &client, job, port).await;
        Ok(())
    }

    /// Boxed, so that a relayed connection, of which there are many more, does not have its size.
    async fn http(&self, entered: &Entered, wire: impl Wire + 'static, scope: l7::Scope) -> Served {
        entered.kind.set(Kind::Http);
        let served = Box::pin(self.l7.serve(wire, entered.client.get(), scope));
        tokio::select! {
            () = served => Ok(()),
            reason = entered.ended() => Err(reason),
        }
    }
}

type Found = Option<(Arc<JobEntry>, Arc<PortEntry>)>;

/// Counts a connection as open for as long as it is.
struct Open<'a>(&'a Context);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.counters().open.fetch_sub(1, Relaxed);
    }
}

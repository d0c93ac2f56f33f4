//! Accepting, and nothing that could stop it.

use std::cell::Cell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::lent::{HANDSHAKES, Lent};
use super::{Command, ListenerId, Site};
use crate::phase::Phase;
use crate::plane::Context;
use crate::{l4, l7};

/// Without descriptors accepting again at once would only spin.
const BACKOFF: Duration = Duration::from_millis(50);

/// A quiet client is asked for a sign of life after this (tcp(7), TCP_KEEPIDLE).
const SILENCE: Duration = Duration::from_secs(60);

struct Door {
    context: Rc<Context>,
    peers: Vec<mpsc::UnboundedSender<Command>>,
    next: Cell<usize>,
    arrivals: mpsc::UnboundedSender<(TcpStream, SocketAddr, Site)>,
}

/// Until the phase is Draining and the last connection is done, or the drain deadline is over.
pub(super) async fn run(
    context: Rc<Context>,
    peers: Vec<mpsc::UnboundedSender<Command>>,
    mut inbox: mpsc::UnboundedReceiver<Command>,
) {
    let (arrivals, mut arrived) = mpsc::unbounded_channel();
    let engines = Rc::new(Engines {
        l4: l4::Engine::new(context.clone()),
        l7: Rc::new(l7::Engine::new(context.clone())),
        context: context.clone(),
    });
    let sweeper = engines.clone();
    let sweeping = tokio::task::spawn_local(async move { sweeper.l7.sweep().await });
    let door = Rc::new(Door { context: context.clone(), peers, next: Cell::new(context.index), arrivals });
    let mut listeners: HashMap<ListenerId, Vec<Lent>> = HashMap::new();
    let mut connections = JoinSet::new();
    let mut phase = context.phase();
    loop {
        tokio::select! {
            command = inbox.recv() => match command {
                Some(Command::Listen { id, listener, site }) => match TcpListener::from_std(listener) {
                    Ok(listener) => {
                        let listener = Rc::new(listener);
                        let task = tokio::task::spawn_local(door.clone().accept(listener.clone(), site));
                        listeners.entry(id).or_default().push(Lent::new(listener, site, task));
                    }
                    Err(error) => tracing::error!(%error, "listener lost: the runtime did not take it"),
                },
                Some(Command::Close(id)) => {
                    for lent in listeners.remove(&id).into_iter().flatten() {
                        lent.refuse_new();
                        let door = door.clone();
                        tokio::task::spawn_local(async move {
                            tokio::time::sleep(HANDSHAKES).await;
                            lent.close(|stream, peer, site| door.adopt(stream, peer, site)).await;
                        });
                    }
                }
                Some(Command::Serve { stream, peer, site }) => door.adopt(stream, peer, site),
                None => break,
            },
            Some((stream, peer, site)) = arrived.recv() => {
                connections.spawn_local(engines.clone().serve(stream, peer, site));
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            _ = phase.wait_for(|phase| *phase == Phase::Draining) => break,
        }
    }
    let listeners: Vec<Lent> = listeners.into_values().flatten().collect();
    listeners.iter().for_each(Lent::refuse_new);
    tokio::time::sleep(HANDSHAKES).await;
    for lent in listeners {
        lent.close(|stream, peer, site| door.adopt(stream, peer, site)).await;
    }
    // Connections handed over just before; new ones cannot come any more.
    inbox.close();
    while let Ok(command) = inbox.try_recv() {
        if let Command::Serve { stream, peer, site } = command {
            door.adopt(stream, peer, site);
        }
    }
    while let Ok((stream, peer, site)) = arrived.try_recv() {
        connections.spawn_local(engines.clone().serve(stream, peer, site));
    }
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(context.limits().drain, finished).await.is_err() {
        tracing::warn!(
            worker = context.index,
            open = connections.len(),
            "drain deadline over; closing what is open"
        );
    }
    sweeping.abort();
}

impl Door {
    async fn accept(self: Rc<Self>, listener: Rc<TcpListener>, site: Site) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.place(stream, peer, site),
                Err(error) => {
                    self.context.counters().accept_errors.fetch_add(1, Relaxed);
                    // A client that hung up while it waited is no reason to wait.
                    if error.kind() != std::io::ErrorKind::ConnectionAborted {
                        tracing::warn!(%error, "accept failed");
                        tokio::time::sleep(BACKOFF).await;
                    }
                }
            }
        }
    }

    /// Entrypoints have a socket on every worker, and the kernel has chosen. A VIP has one socket in all, so its
    /// connections are handed round.
    fn place(&self, stream: TcpStream, peer: SocketAddr, site: Site) {
        let turn = self.next.get();
        self.next.set(turn.wrapping_add(1));
        let worker = turn % self.peers.len();
        if site == Site::Entrypoint || worker == self.context.index {
            return self.keep(stream, peer, site);
        }
        let Ok(stream) = stream.into_std() else { return };
        if let Err(mpsc::error::SendError(Command::Serve { stream, peer, site })) =
            self.peers[worker].send(Command::Serve { stream, peer, site })
        {
            self.adopt(stream, peer, site);
        }
    }

    fn adopt(&self, stream: std::net::TcpStream, peer: SocketAddr, site: Site) {
        match TcpStream::from_std(stream) {
            Ok(stream) => self.keep(stream, peer, site),
            Err(error) => tracing::warn!(%error, "connection lost: the runtime did not take it"),
        }
    }

    fn keep(&self, stream: TcpStream, peer: SocketAddr, site: Site) {
        let counters = self.context.counters();
        if counters.open.load(Relaxed) >= u64::from(self.context.limits().connections) {
            // Refusing early and visibly beats serving everybody badly.
            counters.refused.fetch_add(1, Relaxed);
            let _ = stream.set_zero_linger();
            return;
        }
        counters.accepted.fetch_add(1, Relaxed);
        counters.open.fetch_add(1, Relaxed);
        // The worker's own loop holds the other end for as long as it runs.
        let _ = self.arrivals.send((stream, peer, site));
    }
}

/// What a worker does with a connection.
struct Engines {
    context: Rc<Context>,
    l4: l4::Engine,
    l7: Rc<l7::Engine>,
}

impl Engines {
    async fn serve(self: Rc<Self>, stream: TcpStream, peer: SocketAddr, site: Site) {
        // A proxy's small writes are whole messages.
        let _ = stream.set_nodelay(true);
        // A client that lost its power says nothing; without this its connection would be open for ever.
        let _ = SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(SILENCE));
        let _open = Open(&self.context);
        let address = match site {
            Site::Entrypoint => return self.l7.serve(stream, peer, l7::Scope::ByHost).await,
            Site::Vip(address) => address,
        };
        let dialled = self.context.look(|table| table.by_address(address));
        match dialled {
            // The job went while the client connected.
            None => drop(stream),
            Some((_, port)) if port.port.protocol.is_http() => {
                self.l7.serve(stream, peer, l7::Scope::Vip(address)).await;
            }
            Some((job, port)) => self.l4.serve(stream, peer, &job, &port).await,
        }
    }
}

/// Counts a connection as open for as long as it is.
struct Open<'a>(&'a Context);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.counters().open.fetch_sub(1, Relaxed);
    }
}

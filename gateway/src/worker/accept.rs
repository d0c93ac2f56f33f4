//! Accepting, and nothing that could stop it.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with, sockopt};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use super::serve::Engines;
use super::spare::Spare;
use super::{Command, Site};
use crate::capacity::{Full, Most};
use crate::plane::{Context, Kind, Reason, count};

/// Without descriptors accepting again at once would only spin.
const BACKOFF: Duration = Duration::from_millis(50);
/// Accepted at a time; then the worker's connections have their turn.
const BATCH: usize = 64;
/// The same complaint is made once in this time.
const COMPLAIN: Duration = Duration::from_secs(5);

pub(super) struct Door {
    context: Rc<Context>,
    peers: Vec<mpsc::UnboundedSender<Command>>,
    next: Cell<usize>,
    engines: Rc<Engines>,
    spare: RefCell<Spare>,
    complained: Cell<Option<tokio::time::Instant>>,
}

impl Door {
    pub(super) fn new(
        context: Rc<Context>,
        peers: Vec<mpsc::UnboundedSender<Command>>,
        engines: Rc<Engines>,
    ) -> Door {
        let next = Cell::new(context.index);
        let spare = RefCell::new(Spare::new());
        Door { context, peers, next, engines, spare, complained: Cell::default() }
    }

    pub(super) async fn accept(self: Rc<Self>, listener: Rc<AsyncFd<TcpListener>>, site: Rc<RefCell<Site>>) {
        loop {
            // It fails only when the runtime ends.
            let Ok(mut ready) = listener.readable().await else { return };
            for _ in 0..BATCH {
                let accepted =
                    acceptfrom_with(listener.get_ref(), SocketFlags::NONBLOCK | SocketFlags::CLOEXEC);
                match accepted {
                    Ok((socket, Some(peer))) => match SocketAddr::try_from(peer) {
                        Ok(peer) => self.place(socket, peer, &site.borrow()),
                        Err(_) => drop(socket),
                    },
                    // A client that hung up while it waited is no reason to wait.
                    Ok((_, None)) | Err(Errno::CONNABORTED | Errno::INTR) => {}
                    Err(Errno::AGAIN) => {
                        ready.clear_ready();
                        break;
                    }
                    Err(error) => {
                        self.cannot(error, listener.get_ref());
                        tokio::time::sleep(BACKOFF).await;
                        break;
                    }
                }
            }
            tokio::task::yield_now().await;
        }
    }

    fn cannot(&self, error: Errno, listener: &TcpListener) {
        count(&self.context.counters().accept_errors, 1);
        if matches!(error, Errno::MFILE | Errno::NFILE) {
            for _ in 0..self.spare.borrow_mut().refuse_waiting(listener) {
                self.context.counters().reasons.add(Reason::Descriptors);
            }
        }
        let now = tokio::time::Instant::now();
        if self.complained.get().is_none_or(|before| now - before >= COMPLAIN) {
            self.complained.set(Some(now));
            tracing::warn!(%error, "accept failed; clients are refused until it succeeds again");
        }
    }

    /// Entrypoints have a socket on every worker, and the kernel has chosen. A VIP has one socket in all, so its
    /// connections are handed round.
    fn place(&self, socket: OwnedFd, peer: SocketAddr, site: &Site) {
        if !site.is_handed_round() {
            return self.keep(socket, peer, site.clone());
        }
        let turn = self.next.get();
        self.next.set(turn.wrapping_add(1));
        let worker = turn % self.peers.len();
        if worker == self.context.index {
            return self.keep(socket, peer, site.clone());
        }
        let command = Command::Serve { socket, peer, site: site.clone() };
        if let Err(mpsc::error::SendError(Command::Serve { socket, peer, site })) =
            self.peers[worker].send(command)
        {
            self.keep(socket, peer, site);
        }
    }

    /// Serves it here, unless a limit is reached: refusing early and visibly beats serving everybody badly.
    pub(super) fn keep(&self, socket: OwnedFd, peer: SocketAddr, site: Site) {
        let counters = self.context.counters();
        let open = counters.open.load(Relaxed);
        if open >= u64::from(self.context.limits().connections) {
            count(&counters.refused, 1);
            return self.refuse(&socket, Reason::WorkerFull);
        }
        // Asked for only where the listener's address does not say it.
        let Ok(local) = site.address().map_or_else(|| local_address(&socket), Ok) else { return };
        count(&counters.accepted, 1);
        count(&counters.open, 1);
        let entered = self.context.connections().enter(Kind::Tcp, canonical(peer), canonical(local));
        if let Some(serving) = self.engines.serve(socket, entered, site) {
            tokio::task::spawn_local(serving);
        }
    }

    fn refuse(&self, socket: &OwnedFd, reason: Reason) {
        self.context.counters().reasons.add(reason);
        let _ = sockopt::set_socket_linger(socket, Some(Duration::ZERO));
    }
}

/// The address that was dialled (getsockname(2)), also when the packet was captured on its way to it.
fn local_address(socket: &OwnedFd) -> io::Result<SocketAddr> {
    let address = SocketAddr::try_from(rustix::net::getsockname(socket)?);
    address.map_err(|_| io::ErrorKind::Unsupported.into())
}

/// IPv4 on a socket of IPv6 comes in IPv6's clothes (RFC 4291, 2.5.5.2): the client's end, and ours too.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(_) => address,
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(ip) => SocketAddr::new(ip.into(), v6.port()),
            None => address,
        },
    }
}

/// A place at an entrypoint.
pub(super) fn enter(
    entrypoint: &Arc<crate::entrypoint::Entrypoint>,
    client: ipnet::IpNet,
) -> Result<crate::capacity::Slot, Reason> {
    let settings = &entrypoint.settings;
    let most = Most { connections: settings.connections, per_client: settings.connections_per_client };
    entrypoint.capacity.enter(most, client).map_err(|full| match full {
        Full::All => Reason::EntrypointFull,
        Full::Client => Reason::ClientFull,
    })
}

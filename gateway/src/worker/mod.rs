//! The data plane: N threads, each with a current-thread runtime, its own listeners and its own upstream connections.
//!
//! ```text
//! control ──lend, take back──► worker: accept ─► (hand round) ─► serve: L4 relay | L7 exchange
//!                                 │ reads Shared: table (ArcSwap), limits, phase
//! ```
//!
//! Listening sockets are made by the control plane and lent: entrypoints to every worker (SO_REUSEPORT), VIPs to one
//! each, which hands accepted connections round. Nothing else is shared on the hot path.

mod accept;
mod datagrams;
mod lender;
mod lent;
mod ready;
mod run;
mod serve;
mod spare;

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime::LocalOptions;
use tokio::sync::{mpsc, oneshot};

pub use self::lender::{Lender, ListenerId};
use crate::entrypoint::Entrypoint;
use crate::plane::{Context, Filter, Plane, Reason, Recheck, Shown};

/// Where a connection came in, which says what chooses its job.
#[derive(Clone, Debug)]
pub enum Site {
    /// A configured listener: its settings choose, or the Host, or the SNI.
    Entrypoint(Arc<Entrypoint>),
    /// The address chooses the job, the Host never does.
    Vip(SocketAddr),
    /// The same, by the address that the packet was on its way to.
    Captured,
    /// A port of a hub's own address: one job's, or by Host, or by SNI.
    Hub(SocketAddr),
}

impl Site {
    /// A socket of its own on one worker, so that 10,000 jobs have 10,000 sockets and no more.
    fn is_handed_round(&self) -> bool {
        matches!(self, Site::Vip(_))
    }

    /// The one address that is dialled to come in here.
    fn address(&self) -> Option<SocketAddr> {
        let address = match self {
            Site::Vip(address) | Site::Hub(address) => *address,
            Site::Entrypoint(entrypoint) => entrypoint.settings.listen.socket_addr(),
            Site::Captured => return None,
        };
        (!address.ip().is_unspecified() && address.port() != 0).then_some(address)
    }

    fn entrypoint(self) -> Option<Arc<Entrypoint>> {
        match self {
            Site::Entrypoint(entrypoint) => Some(entrypoint),
            Site::Vip(_) | Site::Captured | Site::Hub(_) => None,
        }
    }
}

pub(crate) enum Command {
    Listen {
        id: ListenerId,
        listener: std::net::TcpListener,
        site: Site,
    },
    /// A UDP socket, of which this worker is the one owner.
    Receive {
        id: ListenerId,
        socket: std::net::UdpSocket,
        site: Site,
    },
    /// What comes in by this listener from now on comes in by that site.
    Resite {
        id: ListenerId,
        site: Site,
    },
    Unlisten(ListenerId),
    /// A connection that another worker accepted.
    Serve {
        socket: OwnedFd,
        peer: SocketAddr,
        site: Site,
    },
    /// Every connection that fits ends; how many there were is told to whoever asks.
    End {
        filter: Arc<Filter>,
        reason: Reason,
        ended: Option<oneshot::Sender<usize>>,
    },
    /// Connections whose clients may no longer be where they are end.
    Recheck(Arc<Recheck>),
    List {
        filter: Arc<Filter>,
        most: usize,
        list: oneshot::Sender<Vec<Shown>>,
    },
}

pub struct Workers {
    threads: Vec<JoinHandle<()>>,
    lender: Lender,
}

impl Workers {
    /// One thread for each of the plane's counters.
    pub fn start(plane: &Plane) -> std::io::Result<Workers> {
        let (senders, inboxes): (Vec<_>, Vec<_>) =
            plane.counters.iter().map(|_| mpsc::unbounded_channel::<Command>()).unzip();
        let mut threads = Vec::new();
        for (index, inbox) in inboxes.into_iter().enumerate() {
            let plane = plane.clone();
            let peers = senders.clone();
            let thread = thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
                if let Err(error) = start(plane, index, peers, inbox) {
                    tracing::error!(worker = index, %error, "worker cannot start");
                }
            })?;
            threads.push(thread);
        }
        Ok(Workers { threads, lender: Lender::new(senders) })
    }

    pub fn lender(&self) -> Lender {
        self.lender.clone()
    }

    /// Returns when every worker has finished what it had: the plane's phase must be Draining.
    pub fn join(self) {
        drop(self.lender);
        for thread in self.threads {
            // A panicked worker has been reported by its panic already.
            let _ = thread.join();
        }
    }
}

fn start(
    plane: Plane,
    index: usize,
    peers: Vec<mpsc::UnboundedSender<Command>>,
    inbox: mpsc::UnboundedReceiver<Command>,
) -> std::io::Result<()> {
    // Its tasks are in the runtime's own queue; a LocalSet would be a second one inside it.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let context = Rc::new(Context::new(plane, index));
    runtime.block_on(run::run(context.clone(), peers, inbox));
    // What is cut off with it may have something to record.
    drop(runtime);
    context.access_log().finish();
    Ok(())
}

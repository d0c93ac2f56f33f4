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
mod lender;
mod lent;

use std::net::SocketAddr;
use std::rc::Rc;
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc;

pub use self::lender::{Lender, ListenerId};
use crate::plane::{Context, Plane};

/// Where a connection came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// An HTTP entrypoint: the Host chooses.
    Entrypoint,
    /// The address chooses the job, the Host never does.
    Vip(SocketAddr),
}

pub(crate) enum Command {
    Listen {
        id: ListenerId,
        listener: std::net::TcpListener,
        site: Site,
    },
    Close(ListenerId),
    /// A connection that another worker accepted.
    Serve {
        stream: std::net::TcpStream,
        peer: SocketAddr,
        site: Site,
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
                if let Err(error) = run(plane, index, peers, inbox) {
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

fn run(
    plane: Plane,
    index: usize,
    peers: Vec<mpsc::UnboundedSender<Command>>,
    inbox: mpsc::UnboundedReceiver<Command>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    let context = Rc::new(Context::new(plane, index));
    local.block_on(&runtime, accept::run(context, peers, inbox));
    Ok(())
}

//! The authoritative name server of the zone and of the public domains that pools publish, over UDP and TCP: every answer
//! is read off the current table.
//!
//! ```text
//! udp, tcp ─► answer: header, EDNS, rcode ─► names: question → node ─► records: node, type → records ─► fit: bytes
//!               └─► subnet: where the client is
//! ```
//!
//! - [`answer()`] is pure: table and query in, bytes out. A change is visible in the next answer, for nothing is kept
//!   between two of them.
//! - Nothing recurses or forwards: outside the zone and those domains is REFUSED, so strangers get nothing to amplify with.
//! - Work is bounded before it is begun: one question, a short query, no more records than the answer has room for.
//! - A job answers its VIP whatever its health: who takes the connection is the gateway's business, not the resolver's
//!   cache. Only `<label>.instances` names the instances themselves.
//! - Missing names and types are cached for seconds only (RFC 2308), or a job would stay unknown after it appeared.

mod answer;
mod fit;
mod names;
mod records;
mod subnet;
mod tcp;
mod udp;

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use roundhouse_registry::Store;
use tokio::sync::watch;

use crate::phase::Phase;
use crate::table::Table;

pub use self::answer::{Asker, Transport, answer};
pub use self::records::Terms;

/// How often port 0 is tried: the kernel chooses the UDP port, and TCP's same number may be taken.
const ATTEMPTS: usize = 16;

/// A bound server that does not serve yet: an address in use is known before anything else starts.
#[derive(Debug)]
pub struct Server {
    udp: UdpSocket,
    tcp: TcpListener,
}

impl Server {
    /// One UDP socket and one TCP listener at the same port; with port 0 at one that is free for both. Without
    /// `SO_REUSEPORT`: a second server at the address is an error, not a silent half of the queries.
    pub fn bind(listen: SocketAddr) -> io::Result<Server> {
        let mut attempts = if listen.port() == 0 { ATTEMPTS } else { 1 };
        loop {
            attempts -= 1;
            match bind_both(listen) {
                Err(error) if attempts > 0 && error.kind() == io::ErrorKind::AddrInUse => {}
                result => return result,
            }
        }
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }

    /// Answers until the gateway drains. Meant for a current-thread runtime; `ttl` is in seconds. The store says how old
    /// the table may be.
    pub async fn run(
        self,
        table: Arc<ArcSwap<Table>>,
        store: Arc<Store>,
        ttl: u32,
        mut stop: watch::Receiver<Phase>,
    ) {
        let zone = Served { table, store, ttl };
        let sockets = tokio::net::UdpSocket::from_std(self.udp)
            .and_then(|udp| Ok((udp, tokio::net::TcpListener::from_std(self.tcp)?)));
        let (udp, tcp) = match sockets {
            Ok(sockets) => sockets,
            Err(error) => {
                tracing::error!(%error, "DNS is not served: its sockets cannot be polled");
                return;
            }
        };
        tokio::select! {
            () = udp::serve(&udp, &zone) => {}
            () = tcp::serve(&tcp, &zone) => {}
            // A sender that is gone ends it too: nobody could tell us any more.
            _ = stop.wait_for(|phase| *phase == Phase::Draining) => {}
        }
    }
}

fn bind_both(listen: SocketAddr) -> io::Result<Server> {
    let udp = UdpSocket::bind(listen)?;
    let tcp = TcpListener::bind(udp.local_addr()?)?;
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    Ok(Server { udp, tcp })
}

/// What every query is answered from.
#[derive(Clone)]
struct Served {
    table: Arc<ArcSwap<Table>>,
    store: Arc<Store>,
    ttl: u32,
}

impl Served {
    /// The decoder is not ours and eats foreign bytes: should it ever panic, that query goes unanswered and the rest
    /// of the host still resolves.
    fn answer(&self, query: &[u8], asker: Asker) -> Option<Vec<u8>> {
        let table = self.table.load();
        let contact = self.store.contact();
        let stale = contact.lost.is_some().then(|| contact.stale(Instant::now()));
        let terms = Terms { ttl: self.ttl, stale };
        catch_unwind(AssertUnwindSafe(|| answer(&table, terms, query, asker))).unwrap_or_default()
    }
}

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

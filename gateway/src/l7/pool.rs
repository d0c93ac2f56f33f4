//! Keep-alive connections to instances, one pool a worker: taken and given back without a lock.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::socket::Socket;
use super::upload::Upload;
use crate::l4::TcpWire;

/// Idle connections kept to one address; more than this only ages.
const KEPT: usize = 64;
/// Shorter than the keep-alive timeouts that servers commonly have (nginx 75 s, Apache 5 s being the awkward one), so
/// that we are mostly the side that closes.
pub(super) const IDLE: Duration = Duration::from_secs(4);

/// A connection to an instance with no request on it.
pub(super) struct Upstream {
    address: SocketAddr,
    sender: SendRequest<Upload>,
    reused: bool,
}

#[derive(Default)]
pub(super) struct Pool {
    idle: HashMap<SocketAddr, Vec<(Upstream, Instant)>>,
}

impl Upstream {
    /// Takes over a fresh connection; its I/O runs as a task of this worker.
    pub(super) async fn open(
        stream: TcpStream,
        address: SocketAddr,
        stall: Duration,
    ) -> io::Result<Upstream> {
        let (sender, connection) = http1::Builder::new()
            .handshake(Socket::new(TcpWire::new(stream), stall))
            .await
            .map_err(io::Error::other)?;
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%address, %error, "upstream connection ended");
            }
        });
        Ok(Upstream { address, sender, reused: false })
    }

    /// Whether it has carried a request before: then the instance may have closed it just now.
    pub(super) fn is_reused(&self) -> bool {
        self.reused
    }

    pub(super) fn sender(&mut self) -> &mut SendRequest<Upload> {
        &mut self.sender
    }
}

impl Pool {
    /// The connection used last that is open and ready. One whose last request is still being sent (its answer came
    /// early) is not, and is passed over until it is.
    pub(super) fn take(&mut self, address: SocketAddr) -> Option<Upstream> {
        let idle = self.idle.get_mut(&address)?;
        idle.retain(|(upstream, since)| since.elapsed() < IDLE && !upstream.sender.is_closed());
        let ready = idle.iter().rposition(|(upstream, _)| upstream.sender.is_ready())?;
        Some(idle.remove(ready).0)
    }

    pub(super) fn give(&mut self, mut upstream: Upstream) {
        if upstream.sender.is_closed() {
            return;
        }
        upstream.reused = true;
        let idle = self.idle.entry(upstream.address).or_default();
        if idle.len() < KEPT {
            idle.push((upstream, Instant::now()));
        }
    }

    pub(super) fn forget(&mut self, address: SocketAddr) {
        self.idle.remove(&address);
    }

    pub(super) fn sweep(&mut self) {
        self.idle.retain(|_, idle| {
            idle.retain(|(upstream, since)| since.elapsed() < IDLE && !upstream.sender.is_closed());
            !idle.is_empty()
        });
    }
}

//! Keep-alive connections to instances, one pool a worker: taken and given back without a lock.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::upload::Upload;

/// Idle connections kept to one address; more than this only ages.
const KEPT: usize = 64;
/// Shorter than the keep-alive timeouts that servers commonly have (nginx 75 s, Apache 5 s being the awkward one), so
/// that we are mostly the side that closes.
const IDLE: Duration = Duration::from_secs(4);

/// A connection to an instance with no request on it.
pub(super) struct Upstream {
    address: SocketAddr,
    sender: SendRequest<Upload>,
    reused: bool,
}

#[derive(Default)]
pub(super) struct Pool {
    idle: HashMap<SocketAddr, Vec<(Upstream, Instant)>>,
    swept: Option<Instant>,
}

impl Upstream {
    /// Takes over a fresh connection; its I/O runs as a task of this worker.
    pub(super) async fn open(stream: TcpStream, address: SocketAddr) -> io::Result<Upstream> {
        let (sender, connection) =
            http1::Builder::new().handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
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
    /// The connection used last, if one is idle and still open.
    pub(super) fn take(&mut self, address: SocketAddr) -> Option<Upstream> {
        let idle = self.idle.get_mut(&address)?;
        while let Some((upstream, since)) = idle.pop() {
            if since.elapsed() < IDLE && !upstream.sender.is_closed() {
                return Some(upstream);
            }
        }
        self.idle.remove(&address);
        None
    }

    pub(super) fn give(&mut self, mut upstream: Upstream) {
        let now = Instant::now();
        self.sweep(now);
        if upstream.sender.is_closed() {
            return;
        }
        upstream.reused = true;
        let idle = self.idle.entry(upstream.address).or_default();
        if idle.len() < KEPT {
            idle.push((upstream, now));
        }
    }

    pub(super) fn forget(&mut self, address: SocketAddr) {
        self.idle.remove(&address);
    }

    /// Addresses that nobody asks for any more must not keep their connections.
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|swept| now.duration_since(swept) < IDLE) {
            return;
        }
        self.swept = Some(now);
        self.idle.retain(|_, idle| {
            idle.retain(|(_, since)| now.duration_since(*since) < IDLE);
            !idle.is_empty()
        });
    }
}

//! TCP both ways: access -> route -> pick -> forward -> record.
//!
//! The route is the VIP that was dialled. The relay is a machine without sockets ([`relay`]); [`pump`] is its tokio
//! driver. Buffers are taken only once a socket is readable, so an idle connection holds none.

mod buffer;
mod connect;
mod pump;
mod relay;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::net::TcpStream;

use self::buffer::BufferPool;
use crate::plane::Context;
use crate::table::{JobEntry, PortEntry, Work};

pub use self::connect::{Attempts, ConnectError, Connected, connect, dial, is_our_shortage};

/// One worker's.
pub struct Engine {
    context: Rc<Context>,
    buffers: RefCell<BufferPool>,
}

impl Engine {
    pub fn new(context: Rc<Context>) -> Engine {
        Engine { context, buffers: RefCell::default() }
    }

    /// Serves one client to its end.
    pub async fn serve(&self, client: TcpStream, peer: SocketAddr, job: &JobEntry, port: &PortEntry) {
        let context = &*self.context;
        let connected = match connect(context, job, port).await {
            Ok(connected) => connected,
            Err(error) => {
                context.counters().no_backend.fetch_add(1, Relaxed);
                // Not louder: a dead job may be dialled ten thousand times a second. It is counted, and health is logged.
                tracing::debug!(job = %job.label, port = %port.name(), %peer, %error, "no backend");
                // A reset tells the client at once; there is no protocol to say more in.
                let _ = client.set_zero_linger();
                return;
            }
        };
        let work = Work::begin(connected.endpoint.clone());
        let moved = pump::run(context.limits().idle_timeout, &self.buffers, &client, &connected.stream).await;
        drop(work);
        context.counters().bytes_to_instances.fetch_add(moved.to_instance, Relaxed);
        context.counters().bytes_to_clients.fetch_add(moved.to_client, Relaxed);
        tracing::debug!(job = %job.label, %peer, instance = %connected.endpoint.address, ?moved, "closed");
    }
}

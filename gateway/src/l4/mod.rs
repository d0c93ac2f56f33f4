//! TCP both ways: access -> route -> pick -> forward -> record.
//!
//! The route is the VIP that was dialled. The relay is a machine without sockets ([`relay`]); [`pump`] is its tokio
//! driver. Buffers are taken only once a socket is readable, so an idle connection holds none.

mod buffer;
mod connect;
mod pump;
mod relay;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::net::TcpStream;

use crate::table::{JobEntry, PortEntry};
use crate::worker::Context;

pub use self::buffer::BufferPool;
pub use self::connect::{ConnectError, Connected, connect, dial, is_our_shortage};

/// Serves one client to its end.
pub async fn serve(context: &Context, client: TcpStream, peer: SocketAddr, job: &Arc<JobEntry>, port: &PortEntry) {
    let connected = match connect(context, job, port).await {
        Ok(connected) => connected,
        Err(error) => {
            context.counters().no_backend.fetch_add(1, Relaxed);
            tracing::warn!(job = %job.label, port = %port.name(), %peer, %error, "no backend");
            // A reset tells the client at once; there is no protocol to say more in.
            let _ = client.set_zero_linger();
            return;
        }
    };
    let live = &connected.endpoint.live;
    live.open.fetch_add(1, Relaxed);
    live.served.fetch_add(1, Relaxed);
    let moved = pump::run(context, &client, &connected.stream).await;
    live.open.fetch_sub(1, Relaxed);
    context.counters().bytes_to_instances.fetch_add(moved.to_instance, Relaxed);
    context.counters().bytes_to_clients.fetch_add(moved.to_client, Relaxed);
    tracing::debug!(job = %job.label, %peer, instance = %connected.endpoint.address, ?moved, "closed");
}

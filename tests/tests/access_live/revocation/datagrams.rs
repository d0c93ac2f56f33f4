//! UDP, where a client learns of its end by hearing nothing more.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use roundhouse_tests::{SOON, eventually_async, seen};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::world::World;

/// A client with a session on the gateway.
pub(crate) struct Session {
    socket: UdpSocket,
    to: SocketAddr,
}

impl Session {
    pub(crate) async fn open(from: IpAddr, to: SocketAddr) -> Session {
        let socket = UdpSocket::bind((from, 0)).await.expect("a socket");
        let session = Session { socket, to };
        session.is_there().await;
        session
    }

    /// Its datagrams come back; one may be lost.
    pub(crate) async fn is_there(&self) {
        eventually_async(SOON, "a datagram comes back", async || self.asks().await).await;
    }

    async fn asks(&self) -> bool {
        let mut back = [0; 16];
        if self.socket.send_to(b"hello", self.to).await.is_err() {
            return false;
        }
        timeout(Duration::from_millis(200), self.socket.recv_from(&mut back))
            .await
            .is_ok_and(|read| read.is_ok())
    }

    /// There is no session any more, and none begins.
    pub(crate) async fn is_gone(&self, world: &World) {
        let own = self.socket.local_addr().expect("a bound socket has an address").to_string();
        let sessions = || {
            let all = world.gateway.connections("?job=dg");
            all.into_iter().filter(|session| session["client"] == own.as_str()).collect::<Vec<_>>()
        };
        eventually_async(SOON, "the session is gone", async || seen(sessions(), Vec::is_empty)).await;
        // Whatever came back before that.
        let mut back = [0; 16];
        while self.socket.try_recv_from(&mut back).is_ok() {}
        let refused = world.gateway.reason("denied");
        let again = async || {
            self.socket.send_to(b"hello", self.to).await.expect("it can be sent");
            seen(world.gateway.reason("denied"), |now| *now > refused)
        };
        eventually_async(SOON, "a datagram is refused", again).await;
        assert!(self.socket.try_recv_from(&mut back).is_err() && sessions().is_empty());
    }
}

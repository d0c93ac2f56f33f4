//! A network that can be cut.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Forwards TCP from a port of its own to a server. While it is cut, connections end and no new one is served; the
/// server itself never notices, and others still reach it directly.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    whole: Arc<watch::Sender<bool>>,
    task: JoinHandle<()>,
}

impl Wire {
    /// Needs a tokio runtime.
    pub async fn to(server: SocketAddr) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let whole = Arc::new(watch::Sender::new(true));
        let task = tokio::spawn(forward(listener, server, whole.clone()));
        Wire { address, whole, task }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.cut();
        self.task.abort();
    }
}

async fn forward(listener: TcpListener, server: SocketAddr, whole: Arc<watch::Sender<bool>>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let mut whole = whole.subscribe();
        if !*whole.borrow() {
            continue;
        }
        tokio::spawn(async move {
            let Ok(mut server) = TcpStream::connect(server).await else { return };
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut server) => {}
                _ = whole.wait_for(|whole| !whole) => {}
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_cut_ends_what_stands_and_lets_nothing_new_through() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Wire::to(server.local_addr().unwrap()).await;
        let mut client = TcpStream::connect(wire.address()).await.unwrap();
        client.write_all(b"one").await.unwrap();
        let mut end = server.accept().await.unwrap().0;
        let mut three = [0; 3];
        end.read_exact(&mut three).await.unwrap();
        assert_eq!(&three, b"one");
        wire.cut();
        assert!(matches!(client.read(&mut three).await, Ok(0) | Err(_)));
        let mut late = TcpStream::connect(wire.address()).await.unwrap();
        assert!(matches!(late.read(&mut three).await, Ok(0) | Err(_)));
        wire.mend();
        let mut client = TcpStream::connect(wire.address()).await.unwrap();
        let mut end = server.accept().await.unwrap().0;
        end.write_all(b"two").await.unwrap();
        client.read_exact(&mut three).await.unwrap();
        assert_eq!(&three, b"two");
    }
}

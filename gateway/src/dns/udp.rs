//! UDP: a datagram in, a datagram out.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::net::UdpSocket;

use super::answer::MAX_QUERY;
use super::{Asker, Served, Transport};

/// Datagrams read before TCP, which shares the thread, has its turn.
const BATCH: usize = 64;

/// After an error that is not one datagram's (no buffers, say); reading on at once would only spin.
const PAUSE: Duration = Duration::from_millis(10);

/// Never returns.
pub(super) async fn serve(socket: &UdpSocket, served: &Served) {
    // One byte more than is taken: a longer datagram is cut to it by the kernel and seen to be too long.
    let mut buffer = vec![0; MAX_QUERY + 1];
    loop {
        let result = socket.readable().await;
        if let Err(error) = result.and_then(|()| answer_batch(socket, served, &mut buffer)) {
            tracing::debug!(%error, "reading DNS queries");
            tokio::time::sleep(PAUSE).await;
        }
        tokio::task::yield_now().await;
    }
}

fn answer_batch(socket: &UdpSocket, served: &Served, buffer: &mut [u8]) -> std::io::Result<()> {
    for _ in 0..BATCH {
        match socket.try_recv_from(buffer) {
            Ok((length, client)) => {
                let asker = Asker { address: client.ip(), transport: Transport::Udp };
                if let Some(answer) = served.answer(&buffer[..length], asker) {
                    // A full queue or an unreachable client loses an answer, as the network may; the client asks again.
                    let _ = socket.try_send_to(&answer, client);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            // What an earlier answer met at its client.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

//! TCP (RFC 7766): queries one after the other on a connection, each behind its length in two bytes.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::answer::MAX_QUERY;
use super::{Asker, Served, Transport};

/// Connections at once; more wait in the listener's queue, where they cost us nothing.
const MAX_CONNECTIONS: usize = 256;

/// For a whole query to arrive, and for an answer to be taken: a client that sends a byte now and then holds its
/// place no longer than one that sends nothing.
const IDLE: Duration = Duration::from_secs(10);

/// After a failed accept: out of descriptors, most likely, and asking again at once would only spin.
const PAUSE: Duration = Duration::from_millis(100);

/// Never returns; the connections end with it.
pub(super) async fn serve(listener: &TcpListener, served: &Served) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = open.join_next() => {}
            accepted = listener.accept(), if open.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, client)) => {
                    let asker = Asker { address: client.ip(), transport: Transport::Tcp };
                    open.spawn(converse(stream, asker, served.clone()));
                }
                Err(error) => {
                    tracing::debug!(%error, "accepting a DNS connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Until either side has had enough; whichever it was, the connection is over and nobody else's business.
async fn converse(mut stream: TcpStream, asker: Asker, served: Served) {
    let _ = stream.set_nodelay(true);
    let (read, mut write) = stream.split();
    let mut read = BufReader::with_capacity(MAX_QUERY, read);
    let mut query = Vec::new();
    while let Ok(Ok(())) = timeout(IDLE, next_query(&mut read, &mut query)).await {
        let Some(framed) = served.answer(&query, asker).and_then(|answer| framed(&answer)) else {
            return;
        };
        let Ok(Ok(())) = timeout(IDLE, write.write_all(&framed)).await else { return };
    }
}

async fn next_query(read: &mut (impl AsyncReadExt + Unpin), query: &mut Vec<u8>) -> io::Result<()> {
    let length = usize::from(read.read_u16().await?);
    if length == 0 || length > MAX_QUERY {
        return Err(io::ErrorKind::InvalidData.into());
    }
    query.resize(length, 0);
    read.read_exact(query).await.map(|_| ())
}

/// Length and answer in one write, which is one segment (RFC 7766, 8).
fn framed(answer: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(answer.len()).ok()?;
    Some([&length.to_be_bytes(), answer].concat())
}

//! Everything comes back, and the end of it too.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Stop;

/// Told to stop, a connection that is silent for this long is done.
const QUIET: Duration = Duration::from_millis(100);

pub(super) async fn serve(mut stream: TcpStream, read: &[u8], mut stop: Stop) -> io::Result<()> {
    stream.write_all(read).await?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = tokio::select! {
            biased;
            length = stream.read(&mut buffer) => length?,
            () = quiet(&mut stop) => 0,
        };
        if length == 0 {
            return stream.shutdown().await;
        }
        stream.write_all(&buffer[..length]).await?;
    }
}

async fn quiet(stop: &mut Stop) {
    let _ = stop.wait_for(|stop| *stop).await;
    tokio::time::sleep(QUIET).await;
}

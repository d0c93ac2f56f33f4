//! Backends of the bench's own, for what nginx is none for: each a thread of this process, until that ends.

mod bodies;
mod grpc;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread;

use tokio::net::TcpStream;

pub use self::bodies::bodies;
pub use self::grpc::{frame, grpc};

/// Where an answer says which request of its connection it is for: whether connections are kept.
pub const KEPT: &str = "/kept";

/// Every connection in a task of one thread.
fn serve<F: Future<Output = ()> + 'static>(
    at: SocketAddr,
    connection: impl Fn(TcpStream) -> F + Send + 'static,
) -> io::Result<()> {
    let listener = TcpListener::bind(at)?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::spawn(move || {
        runtime.block_on(tokio::task::LocalSet::new().run_until(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("it does not block");
            loop {
                // Nobody waits for one that was given up before it was taken.
                let Ok((stream, _)) = listener.accept().await else { continue };
                let _ = stream.set_nodelay(true);
                tokio::task::spawn_local(connection(stream));
            }
        }));
    });
    Ok(())
}

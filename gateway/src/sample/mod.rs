//! `roundhouse sample`: something to try the gateway on.
//!
//! The first bytes of a connection decide: an HTTP/1.x request is answered with who answers, anything else is echoed
//! byte by byte. SIGTERM takes no new connection, finishes the exchanges in flight and ends within two seconds, so that
//! a rolling restart under job-init cuts nobody.

mod echo;
mod http;
mod sniff;

use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use roundhouse_config::Listen;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// From SIGTERM to the end; the rest of the two seconds is for starting and stopping.
const FINISH: Duration = Duration::from_millis(1_800);
/// After EMFILE and its like.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone, Debug, clap::Args)]
pub struct SampleOptions {
    /// Where to listen.
    #[arg(long, value_name = "ADDR")]
    pub listen: Listen,
    /// What it calls itself in its answers.
    #[arg(long)]
    pub name: String,
    /// What is spoken; without it each connection's first bytes decide.
    #[arg(long, value_enum)]
    pub protocol: Option<SampleProtocol>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum SampleProtocol {
    Tcp,
    Http,
}

/// Who answers.
#[derive(Debug)]
struct Identity {
    name: String,
    address: SocketAddr,
    /// Told by job-init.
    instance: Option<String>,
}

/// Becomes true once.
type Stop = watch::Receiver<bool>;

pub fn run(options: SampleOptions) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut term = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let address = options.listen.socket_addr();
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
        let address = listener.local_addr()?;
        let _ = writeln!(io::stderr(), "{} listens on {address}", options.name);
        let stopped = async {
            tokio::select! {
                _ = term.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let identity = Identity { name: options.name, address, instance: std::env::var("INSTANCE_ID").ok() };
        serve(listener, options.protocol, identity, stopped).await;
        Ok(())
    })
}

async fn serve(
    listener: TcpListener,
    protocol: Option<SampleProtocol>,
    identity: Identity,
    stopped: impl Future<Output = ()>,
) {
    let (stopping, stop) = watch::channel(false);
    let identity = Arc::new(identity);
    let mut connections = JoinSet::new();
    let mut stopped = pin!(stopped);
    loop {
        tokio::select! {
            () = &mut stopped => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, protocol, identity.clone(), stop.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    // What the kernel has taken by now was accepted in the client's eyes.
    while let Ok(Ok((stream, _))) = tokio::time::timeout(Duration::ZERO, listener.accept()).await {
        connections.spawn(connection(stream, protocol, identity.clone(), stop.clone()));
    }
    drop(listener);
    stopping.send_replace(true);
    let _ = tokio::time::timeout(FINISH, async { while connections.join_next().await.is_some() {} }).await;
}

async fn connection(
    mut stream: TcpStream,
    protocol: Option<SampleProtocol>,
    identity: Arc<Identity>,
    mut stop: Stop,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (read, speaks_http) = match protocol {
        Some(protocol) => (Vec::new(), protocol == SampleProtocol::Http),
        None => tokio::select! {
            read = sniff::first_bytes(&mut stream) => read?,
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        },
    };
    match speaks_http {
        true => http::serve(stream, read, identity, stop).await,
        false => echo::serve(stream, &read, stop).await,
    }
}

#[cfg(test)]
mod tests;

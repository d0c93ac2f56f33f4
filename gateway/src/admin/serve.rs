//! Connections of the API: how many, how slow, and how they end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{MAX_WATCHES, router};
use crate::phase::Phase;
use crate::shared::Shared;

/// Every watch, and as many others. More wait in the listener's backlog.
const MAX_CONNECTIONS: usize = 2 * MAX_WATCHES;
/// For a whole request head; a connection that idles longer is closed too.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// What an ordinary request in flight gets when the gateway stops.
const FINISH: Duration = Duration::from_secs(2);
/// After EMFILE and its like: long enough not to spin, short enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the gateway drains; open watches end at once, other requests within [`FINISH`].
pub async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut phase = shared.phase.clone();
    let service = TowerToHyperService::new(router(shared));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = draining(&mut phase) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, service.clone(), phase.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "admin: cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(
    stream: TcpStream,
    service: TowerToHyperService<Router>,
    mut phase: watch::Receiver<Phase>,
) {
    // Answers are small and waited for.
    let _ = stream.set_nodelay(true);
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service)
    );
    tokio::select! {
        // A client that goes away in the middle is no event of ours.
        _ = connection.as_mut() => return,
        () = draining(&mut phase) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(FINISH, connection).await;
}

/// Also when nobody is left who could say so.
pub(super) async fn draining(phase: &mut watch::Receiver<Phase>) {
    let _ = phase.wait_for(|phase| *phase == Phase::Draining).await;
}

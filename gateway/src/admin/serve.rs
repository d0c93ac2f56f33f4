//! Connections of the API: how many, how slow, and how they end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::caller::Peer;
use super::stall::{self, Impatient};
use super::tls::Certificate;
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

/// For a whole TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves until the gateway drains; open watches end at once, other requests within [`FINISH`]. With a certificate it
/// is TLS and nothing else.
pub async fn serve(listener: TcpListener, certificate: Option<Certificate>, shared: Arc<Shared>) {
    let mut phase = shared.phase.clone();
    let service = TowerToHyperService::new(router(shared));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = draining(&mut phase) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, peer)) => {
                    // Answers are small and waited for.
                    let _ = stream.set_nodelay(true);
                    let service = of_peer(service.clone(), Peer(peer.ip()));
                    let stream = Impatient::new(stream, stall::PATIENCE);
                    let phase = phase.clone();
                    match certificate.as_ref().map(Certificate::acceptor) {
                        None => connections.spawn(connection(stream, service, phase)),
                        Some(acceptor) => connections.spawn(secured(stream, acceptor, service, phase)),
                    };
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

/// What answers the requests of a connection.
trait Requests:
    Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Send + 'static
{
}

impl<S> Requests for S where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Send + 'static
{
}

/// Requests that know where they come from.
fn of_peer(service: TowerToHyperService<Router>, peer: Peer) -> impl Requests {
    service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        service.call(request)
    })
}

async fn secured(
    stream: Impatient<TcpStream>,
    acceptor: TlsAcceptor,
    service: impl Requests,
    mut phase: watch::Receiver<Phase>,
) {
    let shaken = tokio::select! {
        shaken = timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)) => shaken,
        () = draining(&mut phase) => return,
    };
    match shaken {
        Ok(Ok(stream)) => connection(stream, service, phase).await,
        Ok(Err(error)) => tracing::debug!(%error, "admin: no TLS handshake"),
        Err(_) => tracing::debug!("admin: the TLS handshake took too long"),
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    service: impl Requests,
    mut phase: watch::Receiver<Phase>,
) {
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
    let _ = timeout(FINISH, connection).await;
}

/// Also when nobody is left who could say so.
pub(super) async fn draining(phase: &mut watch::Receiver<Phase>) {
    let _ = phase.wait_for(|phase| *phase == Phase::Draining).await;
}

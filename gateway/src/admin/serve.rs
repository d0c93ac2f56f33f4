//! Connections of the API: how many, how slow, and how they end.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
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
use tokio_rustls::server::TlsStream;

use super::caller::Peer;
use super::stall::{self, Impatient};
use super::tls::Certificate;
use super::{MAX_WATCHES, Problem, router};
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
/// is TLS and nothing else but an answer that says so.
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
                    let phase = phase.clone();
                    match certificate.as_ref().map(Certificate::acceptor) {
                        None => connections.spawn(connection(patient(stream), service, phase)),
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

fn patient(stream: TcpStream) -> Impatient<TcpStream> {
    Impatient::new(stream, stall::PATIENCE)
}

async fn secured(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    service: impl Requests,
    mut phase: watch::Receiver<Phase>,
) {
    let shaking = async {
        let mut first = [0];
        stream.peek(&mut first).await?;
        Ok(match first {
            // A method's first letter, where a handshake begins with 22.
            [b'A'..=b'Z'] => Shaken::Plain(patient(stream)),
            _ => Shaken::Tls(Box::new(acceptor.accept(patient(stream)).await?)),
        })
    };
    let shaken: Result<io::Result<Shaken>, _> = tokio::select! {
        shaken = timeout(HANDSHAKE_TIMEOUT, shaking) => shaken,
        () = draining(&mut phase) => return,
    };
    match shaken {
        Ok(Ok(Shaken::Tls(stream))) => connection(*stream, service, phase).await,
        Ok(Ok(Shaken::Plain(stream))) => connection(stream, service_fn(speaks_tls), phase).await,
        Ok(Err(error)) => tracing::debug!(%error, "admin: no TLS handshake"),
        Err(_) => tracing::debug!("admin: the TLS handshake took too long"),
    }
}

enum Shaken {
    Tls(Box<TlsStream<Impatient<TcpStream>>>),
    /// A request in the clear: it is told that, and nothing else.
    Plain(Impatient<TcpStream>),
}

async fn speaks_tls(_: Request<Incoming>) -> Result<Response, Infallible> {
    let detail = "this port speaks TLS; write https:// instead of http://";
    Ok(([(header::CONNECTION, "close")], Problem::bad_request(detail)).into_response())
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

//! Over HTTP/2 in the clear: a task for each stream.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{hash, pattern, wanted};
use crate::http2::{drained, send};

/// It ends with the value; needs a tokio runtime.
pub(crate) struct Origin {
    accepting: JoinHandle<()>,
    /// Streams that their client took back.
    pub(crate) cancelled: Arc<AtomicUsize>,
    pub(crate) connections: Arc<AtomicUsize>,
    /// Those of them that have not ended.
    pub(crate) open: Arc<AtomicUsize>,
}

impl Origin {
    pub(crate) async fn start(address: SocketAddr) -> Origin {
        let listener = TcpListener::bind(address).await.expect("the address is the test's own");
        let (cancelled, connections) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let open = Arc::<AtomicUsize>::default();
        let (count, opened, now) = (cancelled.clone(), connections.clone(), open.clone());
        let accepting = tokio::spawn(async move {
            let mut serving = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                opened.fetch_add(1, Relaxed);
                now.fetch_add(1, Relaxed);
                let open = Counted(now.clone());
                let cancelled = count.clone();
                stream.set_nodelay(true).unwrap();
                serving.spawn(async move {
                    let _open = open;
                    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                    let mut streams = tokio::task::JoinSet::new();
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        let cancelled = cancelled.clone();
                        streams.spawn(async move {
                            if answer(request, respond)
                                .await
                                .is_err_and(|error| error.reason() == Some(Reason::CANCEL))
                            {
                                cancelled.fetch_add(1, Relaxed);
                            }
                        });
                    }
                });
            }
        });
        Origin { accepting, cancelled, connections, open }
    }
}

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let (parts, mut stream) = request.into_parts();
    let path = parts.uri.path();
    if let Some(n) = wanted(path) {
        let response = Response::builder().header("content-length", n).body(()).unwrap();
        if parts.method == http::Method::HEAD {
            return respond.send_response(response, true).map(drop);
        }
        return send(respond.send_response(response, false)?, pattern(n).into(), None).await;
    }
    if path == "/stall" {
        let mut out = respond.send_response(Response::new(()), false)?;
        let reason = std::future::poll_fn(|cx| out.poll_reset(cx)).await?;
        return Err(reason.into());
    }
    let body = drained(&mut stream).await?;
    let trailers = stream.trailers().await?.unwrap_or_default();
    if path != "/echo" {
        return send(respond.send_response(Response::new(()), false)?, Bytes::from_static(b"ok"), None).await;
    }
    let mut tail = HeaderMap::new();
    tail.insert("x-hash", hash(&body).parse().unwrap());
    tail.extend(trailers);
    send(respond.send_response(Response::new(()), false)?, body.into(), Some(tail)).await
}

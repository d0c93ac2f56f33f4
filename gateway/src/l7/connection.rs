//! One client connection over hyper: requests in turn, until it ends, the gateway drains, or the client is too slow.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::net::TcpStream;

use super::exchange::exchange;
use super::tap::Tap;
use super::{Engine, Scope, reply};
use crate::phase::Phase;

/// A head with more fields than this is an attack or a loop.
const MAX_FIELDS: usize = 100;
/// A client that asks again within this time gets its answer from a draining gateway.
const LAST_CALL: Duration = Duration::from_secs(1);

impl Engine {
    /// Serves one client to its end.
    pub async fn serve(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr, scope: Scope) {
        let context = &*self.context;
        let tap = Tap::new(stream);
        let limits = context.limits();
        let service = service_fn(|request| {
            tap.request_complete();
            let (engine, scope) = (self.clone(), scope.clone());
            async move {
                let mut response = exchange(&engine, peer, &scope, request).await;
                if engine.context.is_draining() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_buf_size(usize::try_from(limits.head.0).unwrap_or(usize::MAX).max(8 << 10))
            .max_headers(MAX_FIELDS)
            .half_close(true)
            .serve_connection(tap.clone(), service);
        let mut connection = pin!(connection);
        // A client may be about to send on a connection that is idle now. Its next answer says that it is the last, and
        // only a connection that stays quiet is closed from our side.
        let mut phase = context.phase();
        let mut last_call = pin!(async {
            let _ = phase.wait_for(|phase| *phase == Phase::Draining).await;
            tokio::time::sleep(LAST_CALL).await;
        });
        let mut told = false;
        let ended = loop {
            tokio::select! {
                ended = connection.as_mut() => break ended,
                () = last_call.as_mut(), if !told => {
                    told = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "connection ended");
            if tap.pending() > 0 {
                tap.last_words(&reply::unfinished_head(&error, tap.pending(), limits.header_timeout));
            }
        }
    }
}

//! The HTTP side: who answers, slowly where asked, a stream of events, an echo of bodies of any length.

use std::convert::Infallible;
use std::io::{self, Cursor};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::{Identity, Stop};

/// The longest wait that can be asked for.
const MAX_WAIT: Duration = Duration::from_secs(60);
const EVENT: Duration = Duration::from_secs(1);

type Body = UnsyncBoxBody<Bytes, hyper::Error>;

pub(super) async fn serve(
    stream: TcpStream,
    read: Vec<u8>,
    identity: Arc<Identity>,
    mut stop: Stop,
) -> io::Result<()> {
    let (reader, writer) = stream.into_split();
    let stream = tokio::io::join(Cursor::new(read).chain(reader), writer);
    let until = stop.clone();
    let service = service_fn(move |request| answer(request, identity.clone(), until.clone()));
    // A client may close its side and wait for the answer.
    let mut server = http1::Builder::new();
    server.half_close(true).timer(TokioTimer::new());
    let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        done = connection.as_mut() => return done.map_err(io::Error::other),
        _ = stop.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await.map_err(io::Error::other)
}

async fn answer(
    request: Request<Incoming>,
    who: Arc<Identity>,
    stop: Stop,
) -> Result<Response<Body>, Infallible> {
    if request.uri().path() == "/slow" {
        tokio::time::sleep(wait(request.uri().query())).await;
    }
    let (kind, body) = match (request.method(), request.uri().path()) {
        (&Method::POST | &Method::PUT | &Method::PATCH, _) => {
            let kind = request.headers().get(CONTENT_TYPE).cloned();
            (
                kind.unwrap_or(HeaderValue::from_static("application/octet-stream")),
                request.into_body().boxed_unsync(),
            )
        }
        (&Method::GET, "/sse") => (HeaderValue::from_static("text/event-stream"), events(who, stop)),
        _ => (HeaderValue::from_static("text/plain; charset=utf-8"), text(who.line())),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

impl Identity {
    fn line(&self) -> String {
        let instance = self.instance.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
        format!("{} {}{instance}\n", self.name, self.address)
    }
}

/// `ms=N` of the query.
fn wait(query: Option<&str>) -> Duration {
    let asked = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .find_map(|pair| pair.strip_prefix("ms=")?.parse().ok());
    asked.map_or(Duration::ZERO, Duration::from_millis).min(MAX_WAIT)
}

fn text(line: String) -> Body {
    Full::new(Bytes::from(line)).map_err(|never| match never {}).boxed_unsync()
}

/// One a second, from at once until the program stops.
fn events(who: Arc<Identity>, stop: Stop) -> Body {
    let first = (0_u64, stop);
    let events = stream::unfold(first, move |(n, mut stop)| {
        let who = who.clone();
        async move {
            if n > 0 {
                tokio::select! {
                    () = tokio::time::sleep(EVENT) => {}
                    _ = stop.wait_for(|stop| *stop) => return None,
                }
            }
            let event = format!("id: {n}\ndata: {}\n\n", who.line().trim_end());
            Some((Ok(Frame::data(Bytes::from(event))), (n + 1, stop)))
        }
    });
    StreamBody::new(events).boxed_unsync()
}

//! HTTP/1.1 with bodies: read to their end before the answer, which says how long they were. nginx answers before it
//! has read one, and no proxy keeps a connection then.

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::KEPT;

pub fn bodies(at: SocketAddr) -> io::Result<()> {
    super::serve(at, connection)
}

async fn connection(stream: TcpStream) {
    let requests = Rc::new(Cell::new(0_u64));
    let service = service_fn(move |request: Request<Incoming>| {
        requests.set(requests.get() + 1);
        answer(request, requests.get())
    });
    // A client that goes away has what it wanted.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, number: u64) -> Result<Response<Full<Bytes>>, Infallible> {
    let kept = request.uri().path() == KEPT;
    let mut body = request.into_body();
    let mut length = 0;
    while let Some(Ok(frame)) = body.frame().await {
        length += frame.data_ref().map_or(0, Bytes::len) as u64;
    }
    let said = if kept { number } else { length };
    Ok(Response::new(Full::from(said.to_string())))
}

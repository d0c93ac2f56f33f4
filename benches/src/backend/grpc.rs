//! gRPC over HTTP/2 without TLS: a unary call is answered with one message and the status in trailers.

use std::io;
use std::net::SocketAddr;

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::TcpStream;

use super::KEPT;

const MESSAGE: &[u8] = b"thirty bytes make up this body";
/// A connection may carry every stream of a load.
const STREAMS: u32 = 1_000;

pub fn grpc(at: SocketAddr) -> io::Result<()> {
    super::serve(at, connection)
}

/// A message behind its prefix: not compressed, and its length (gRPC over HTTP/2, "Length-Prefixed-Message").
pub fn frame(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.put_slice(message);
    frame.freeze()
}

async fn connection(stream: TcpStream) {
    let mut builder = h2::server::Builder::new();
    let handshake = builder.max_concurrent_streams(STREAMS).handshake::<_, Bytes>(stream);
    let Ok(mut connection) = handshake.await else { return };
    let mut number = 0_u64;
    while let Some(Ok((request, respond))) = connection.accept().await {
        number += 1;
        tokio::task::spawn_local(call(request, respond, number));
    }
}

/// Whoever resets his stream is not answered.
async fn call(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, number: u64) -> Option<()> {
    let kept = request.uri().path() == KEPT;
    let mut body = request.into_body();
    while let Some(data) = body.data().await {
        let length = data.ok()?.len();
        body.flow_control().release_capacity(length).ok()?;
    }
    let head = Response::builder().header("content-type", "application/grpc").body(()).ok()?;
    let mut stream = respond.send_response(head, false).ok()?;
    let message = if kept { frame(number.to_string().as_bytes()) } else { frame(MESSAGE) };
    stream.send_data(message, false).ok()?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    stream.send_trailers(trailers).ok()
}

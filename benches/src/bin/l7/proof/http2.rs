//! HTTP/2 over TCP or TLS, and gRPC over it.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use roundhouse_benches::backend::frame;
use roundhouse_benches::compare::ATTEMPT;
use roundhouse_benches::load::{Certificate, HOST};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::{Client, Said};

/// Before the message of a gRPC frame: whether it is compressed, and its length.
const PREFIX: usize = 5;

pub(super) struct Http2 {
    runtime: Runtime,
    requests: SendRequest<Bytes>,
    tls: bool,
    grpc: bool,
}

impl Http2 {
    pub(super) fn open(at: SocketAddr, certificate: Option<&Certificate>, grpc: bool) -> io::Result<Http2> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let requests = soon(&runtime, async {
            let stream = TcpStream::connect(at).await?;
            let Some(certificate) = certificate else { return handshake(stream).await };
            let name = ServerName::try_from(HOST).map_err(io::Error::other)?;
            let stream = TlsConnector::from(certificate.offering(&["h2"])).connect(name, stream).await?;
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                handshake(stream).await
            } else {
                Err(io::Error::other("HTTP/2 is not agreed to (ALPN)"))
            }
        })?;
        Ok(Http2 { runtime, requests, tls: certificate.is_some(), grpc })
    }
}

impl Client for Http2 {
    fn ask(&mut self, host: &str, path: &str, body: &str) -> io::Result<Said> {
        let scheme = if self.tls { "https" } else { "http" };
        let mut request = Request::builder().uri(format!("{scheme}://{host}{path}"));
        if self.grpc {
            request = request.header("content-type", "application/grpc").header("te", "trailers");
        }
        let posts = self.grpc || !body.is_empty();
        let request =
            request.method(if posts { "POST" } else { "GET" }).body(()).map_err(io::Error::other)?;
        let body = if self.grpc { frame(body.as_bytes()) } else { Bytes::copy_from_slice(body.as_bytes()) };
        let (requests, grpc) = (self.requests.clone(), self.grpc);
        soon(&self.runtime, async move {
            let mut requests = requests.ready().await.map_err(io::Error::other)?;
            let (answer, mut stream) = requests.send_request(request, !posts).map_err(io::Error::other)?;
            if posts {
                stream.send_data(body, true).map_err(io::Error::other)?;
            }
            said(answer, grpc).await.map_err(io::Error::other)
        })
    }
}

async fn said(answer: h2::client::ResponseFuture, grpc: bool) -> Result<Said, h2::Error> {
    let (head, mut stream) = answer.await?.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        body.extend_from_slice(&data);
    }
    let trailers = stream.trailers().await?.unwrap_or_default();
    let status = head.status.as_u16();
    let fine = !grpc || trailers.get("grpc-status").is_some_and(|status| status == "0");
    let message = body.get(if grpc { PREFIX } else { 0 }..).unwrap_or_default();
    Ok(Said { good: status == 200 && fine, status, body: String::from_utf8_lossy(message).into_owned() })
}

/// The connection goes on whenever something is waited for.
async fn handshake(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> io::Result<SendRequest<Bytes>> {
    let (requests, connection) = h2::client::handshake(stream).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    Ok(requests)
}

fn soon<T>(runtime: &Runtime, what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    runtime.block_on(async { tokio::time::timeout(ATTEMPT * 2, what).await.map_err(io::Error::other)? })
}

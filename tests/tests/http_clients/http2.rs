//! An HTTP/2 client of the tests' own, over the h2 crate.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Method, Request};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::stage::Stage;

/// For a whole exchange on a loaded machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) struct Http2 {
    pub(crate) sender: SendRequest<Bytes>,
    /// Its I/O; it ends with the connection.
    pub(crate) running: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
}

impl Http2 {
    /// In the clear, with prior knowledge (RFC 9113, 3.3).
    pub(crate) async fn dial(server: SocketAddr) -> Http2 {
        Http2::dial_with(server, &Builder::new()).await
    }

    pub(crate) async fn dial_with(server: SocketAddr, builder: &Builder) -> Http2 {
        let stream = TcpStream::connect(server).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Http2::over(stream, builder).await
    }

    /// On the https entrypoint, by ALPN.
    pub(crate) async fn dial_tls(stage: &Stage, name: &str) -> Http2 {
        let stream = TcpStream::connect(stage.https).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let stream = TlsConnector::from(stage.tls(b"h2")).connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Http2::over(stream, &Builder::new()).await
    }

    async fn over<S>(stream: S, builder: &Builder) -> Http2
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = builder.handshake(stream).await.unwrap();
        Http2 { sender, running: tokio::spawn(connection) }
    }

    pub(crate) async fn get(&self, url: &str) -> Result<Answer, h2::Error> {
        let request = Request::get(url).body(()).unwrap();
        timeout(LONG, async {
            let (response, _) = self.sender.clone().ready().await?.send_request(request, true)?;
            Answer::read(response.await?).await
        })
        .await
        .unwrap_or_else(|_| panic!("GET {url} takes too long"))
    }

    /// Sends the body while the answer comes.
    pub(crate) async fn post(
        &self,
        url: &str,
        body: Bytes,
        trailers: Option<HeaderMap>,
    ) -> Result<Answer, h2::Error> {
        let request = Request::builder().method(Method::POST).uri(url).body(()).unwrap();
        timeout(LONG, async {
            let (response, stream) = self.sender.clone().ready().await?.send_request(request, false)?;
            // It may fail because the answer is there already.
            let sending = tokio::spawn(send(stream, body, trailers));
            let answer = Answer::read(response.await?).await;
            sending.abort();
            answer
        })
        .await
        .unwrap_or_else(|_| panic!("POST {url} takes too long"))
    }
}

impl Answer {
    pub(crate) async fn read(response: http::Response<RecvStream>) -> Result<Answer, h2::Error> {
        let status = response.status().as_u16();
        let mut stream = response.into_body();
        let body = drained(&mut stream).await?;
        let trailers = stream.trailers().await?.unwrap_or_default();
        Ok(Answer { status, body, trailers })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// All of a body.
pub(crate) async fn drained(stream: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut body = Vec::new();
    while let Some(bytes) = stream.data().await {
        let bytes = bytes?;
        stream.flow_control().release_capacity(bytes.len())?;
        body.extend_from_slice(&bytes);
    }
    Ok(body)
}

/// A body as fast as the peer takes it, and its end.
pub(crate) async fn send(
    mut stream: SendStream<Bytes>,
    mut body: Bytes,
    trailers: Option<HeaderMap>,
) -> Result<(), h2::Error> {
    while !body.is_empty() {
        let room = room(&mut stream, body.len()).await?;
        stream.send_data(body.split_to(room.min(body.len())), false)?;
    }
    match trailers {
        Some(trailers) => stream.send_trailers(trailers),
        None => stream.send_data(Bytes::new(), true),
    }
}

/// So many bytes may be sent now, up to `most`.
pub(crate) async fn room(stream: &mut SendStream<Bytes>, most: usize) -> Result<usize, h2::Error> {
    stream.reserve_capacity(most);
    while stream.capacity() == 0 {
        let more = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
        // The stream is over.
        more.unwrap_or(Err(Reason::STREAM_CLOSED.into()))?;
    }
    Ok(stream.capacity().min(most))
}

//! Every version of HTTP in, every one out: bodies and trailers arrive whole.

use std::io::BufReader;

use bytes::Bytes;
use http::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::http2::Http2;
use crate::origin::{h1, h2, hash, pattern};
use crate::stage::Stage;

/// What came back: status, body, and the trailers `x-hash` and `x-client`.
type Echoed = (u16, Vec<u8>, String, String);

/// Chunked and with a trailer, on a connection that closes.
async fn by_h1<S>(mut stream: S, body: &[u8]) -> Echoed
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let head =
        "POST /echo HTTP/1.1\r\nhost: web.jobs\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for chunk in body.chunks(70_000) {
        stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await.unwrap();
        stream.write_all(&[chunk, b"\r\n"].concat()).await.unwrap();
    }
    stream.write_all(b"0\r\nx-client: tail\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let mut answer = BufReader::new(&answer[..]);
    let head = h1::read_head(&mut answer).unwrap().expect("an answer");
    let (body, trailers) = h1::read_body(&mut answer, &head).unwrap();
    let status = head[0].split(' ').nth(1).unwrap().parse().unwrap();
    let trailer = |name| h1::field(&trailers, name).unwrap_or_default().to_owned();
    (status, body, trailer("x-hash"), trailer("x-client"))
}

async fn by_h2(client: &Http2, scheme: &str, body: &[u8]) -> Echoed {
    let trailers = HeaderMap::from_iter([("x-client".parse().unwrap(), "tail".parse().unwrap())]);
    let url = format!("{scheme}://web.jobs/echo");
    let answer = client.post(&url, Bytes::copy_from_slice(body), Some(trailers)).await.unwrap();
    let trailer = |name: &str| {
        answer.trailers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    };
    (answer.status, answer.body.clone(), trailer("x-hash"), trailer("x-client"))
}

async fn all_ways(instance: &str) {
    let stage = Stage::start();
    let (mut _h1, mut _h2) = (None, None);
    match instance {
        "h1" => _h1 = Some(h1::start(stage.app(0))),
        _ => _h2 = Some(h2::Origin::start(stage.app(0)).await),
    }
    stage.job("web", &format!(r#""http":"{instance}""#), &[stage.app(0)]);
    for size in [0, 1, 16_384, 1_000_000, 5_000_000] {
        let body = pattern(size);
        let expected = (200, hash(&body), hash(&body), "tail".to_owned());
        let check = |way: &str, (status, body, told, trailer): Echoed| {
            assert_eq!((status, hash(&body), told, trailer), expected, "{way} -> {instance}, {size} bytes");
        };
        let clear = || TcpStream::connect(stage.gateway.http());
        check("h1", by_h1(clear().await.unwrap(), &body).await);
        let client = Http2::dial(stage.gateway.http()).await;
        check("h2c", by_h2(&client, "http", &body).await);
        check("h2c again", by_h2(&client, "http", &body).await);
        let name = ServerName::try_from("web.jobs").unwrap();
        let stream = TcpStream::connect(stage.https).await.unwrap();
        let stream = TlsConnector::from(stage.tls(b"http/1.1")).connect(name, stream).await.unwrap();
        check("h1 in TLS", by_h1(stream, &body).await);
        let client = Http2::dial_tls(&stage, "web.jobs").await;
        check("h2 in TLS", by_h2(&client, "https", &body).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_version_to_http_1() {
    all_ways("h1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_version_to_http_2() {
    all_ways("h2c").await;
}

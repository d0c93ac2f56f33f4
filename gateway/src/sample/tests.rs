use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

struct Sample {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Sample {
    async fn start(protocol: Option<SampleProtocol>) -> Sample {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let identity = Identity { name: "app2".into(), address, instance: Some("id-1".into()) };
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let server = tokio::spawn(serve(listener, protocol, identity, stopped));
        Sample { address, stop, server }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends, closes the sending side, reads to the end.
    async fn exchange(&self, text: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        rest(&mut stream).await
    }
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    timeout(Duration::from_secs(5), stream.read_to_end(&mut text)).await.unwrap().unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn the_first_bytes_decide() {
    let sample = Sample::start(None).await;
    let answer = sample.exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with(&format!("app2 {} id-1\n", sample.address)), "{answer}");
    let head = sample.exchange("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(head.contains("content-length: ") && head.ends_with("\r\n\r\n"), "{head}");
    assert_eq!(sample.exchange("GET key\r\nmore").await, "GET key\r\nmore");
    assert_eq!(sample.exchange("").await, "");
    let body = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    assert!(sample.exchange(body).await.ends_with("\r\n\r\nhello"));
}

#[tokio::test]
async fn a_connection_is_kept_and_a_told_protocol_is_not_guessed() {
    let sample = Sample::start(Some(SampleProtocol::Tcp)).await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(sample.exchange(request).await, request);
    let sample = Sample::start(Some(SampleProtocol::Http)).await;
    let answers = sample.exchange(&request.repeat(2)).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    assert!(sample.exchange("hello\r\n\r\n").await.contains("400"));
}

#[tokio::test]
async fn stopping_finishes_what_is_in_flight() {
    let sample = Sample::start(None).await;
    let mut slow = sample.connect().await;
    slow.write_all(b"GET /slow?ms=300 HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut events = sample.connect().await;
    events.write_all(b"GET /sse HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut echo = sample.connect().await;
    echo.write_all(b"ping").await.unwrap();
    let mut ping = [0; 4];
    echo.read_exact(&mut ping).await.unwrap();
    // All three are known to be served when the first event is there.
    let mut first = [0; 16];
    events.read_exact(&mut first).await.unwrap();

    let began = std::time::Instant::now();
    sample.stop.send(()).unwrap();
    assert!(rest(&mut slow).await.contains("app2 "));
    assert!(rest(&mut events).await.contains("data: app2 "));
    assert_eq!(rest(&mut echo).await, "");
    sample.server.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2));
    assert!(TcpStream::connect(sample.address).await.is_err());
}

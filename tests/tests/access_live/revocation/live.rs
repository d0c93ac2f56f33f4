//! Many live clients at once, and when each of them came to its end.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use h2::RecvStream;
use h2::client::SendRequest;
use roundhouse_tests::{SOON, eventually_async, seen};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// Streams of one HTTP/2 connection.
const STREAMS: usize = 100;
/// Clients that connect at a time: listeners have a backlog.
const AT_ONCE: usize = 64;

/// What one client is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tcp,
    Events,
    WebSocket,
}

/// Clients from one address; dropping it ends them.
pub(crate) struct Live {
    size: usize,
    seen: Arc<Seen>,
    reading: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    words: AtomicUsize,
    ended: AtomicUsize,
    last: Mutex<Option<Instant>>,
    /// Ends that looked like the answer's own.
    complete: AtomicUsize,
}

impl Live {
    pub(crate) fn new() -> Live {
        Live { size: 0, seen: Arc::default(), reading: JoinSet::new() }
    }

    /// So many more, each of which an instance has greeted.
    pub(crate) async fn open(size: usize, kind: Kind, from: IpAddr, to: SocketAddr) -> Live {
        let opening = stream::iter(0..size).map(|_| async move { open(kind, from, to).await });
        let mut live = Live::new();
        let streams: Vec<TcpStream> =
            opening.buffer_unordered(AT_ONCE).map(|opened| opened.expect("a live client")).collect().await;
        for stream in streams {
            live.keep(stream);
        }
        live
    }

    /// The same on streams of HTTP/2; `fields`: what each of them says besides.
    pub(crate) async fn open_streams(
        size: usize,
        from: IpAddr,
        to: SocketAddr,
        fields: &[(&str, &str)],
    ) -> Live {
        let mut live = Live::new();
        while live.size < size {
            let sender = Http2::dial(from, to).await;
            for _ in 0..STREAMS.min(size - live.size) {
                let (status, body) = sender.get(fields).await;
                assert_eq!(status, 200);
                live.read_stream(body, sender.clone());
            }
        }
        live.words(size).await;
        live
    }

    pub(crate) fn read_stream(&mut self, mut body: RecvStream, connection: Http2) {
        self.size += 1;
        let seen = self.seen.clone();
        self.reading.spawn(async move {
            // It ends with its last sender.
            let _connection = connection;
            while let Some(word) = body.data().await {
                let Ok(word) = word else { return seen.end(false) };
                let _ = body.flow_control().release_capacity(word.len());
                seen.words.fetch_add(1, Relaxed);
            }
            seen.end(true);
        });
    }

    /// One that was opened already.
    pub(crate) fn keep(&mut self, mut stream: TcpStream) {
        self.size += 1;
        let seen = self.seen.clone();
        // Its greeting.
        seen.words.fetch_add(1, Relaxed);
        self.reading.spawn(async move {
            let (mut bytes, mut last) = ([0; 256], Vec::new());
            while let Ok(n @ 1..) = stream.read(&mut bytes).await {
                seen.words.fetch_add(bytes[..n].windows(4).filter(|part| part == b"tick").count(), Relaxed);
                last = bytes[..n].to_vec();
            }
            seen.end(last.ends_with(b"0\r\n\r\n"));
        });
    }

    /// Until so many words of instances have come.
    pub(crate) async fn words(&self, count: usize) {
        let what = format!("{count} words for {} clients", self.size);
        eventually_async(SOON * 3, &what, async || {
            seen(self.seen.words.load(Relaxed), |words| *words >= count)
        })
        .await;
    }

    /// Until all are gone; how long after `since` the last one was.
    pub(crate) async fn all_gone(&self, since: Instant) -> Duration {
        let gone = async || seen(self.seen.ended.load(Relaxed), |ended| *ended == self.size);
        eventually_async(SOON, &format!("{} clients are gone", self.size), gone).await;
        assert_eq!(self.seen.complete.load(Relaxed), 0, "an answer that was cut looks like a whole one");
        let last = self.seen.last.lock().unwrap().expect("one was the last");
        last.saturating_duration_since(since)
    }

    /// All are there, and hear what instances say; `tick` has them say it.
    pub(crate) async fn all_there(&self, tick: impl FnOnce()) {
        let before = self.seen.words.load(Relaxed);
        tick();
        self.words(before + self.size).await;
        assert_eq!(self.seen.ended.load(Relaxed), 0, "of {}", self.size);
    }
}

impl Seen {
    fn end(&self, complete: bool) {
        self.complete.fetch_add(usize::from(complete), Relaxed);
        *self.last.lock().unwrap() = Some(Instant::now());
        self.ended.fetch_add(1, Relaxed);
    }
}

/// Connected and greeted, or what it was refused with.
pub(crate) async fn open(kind: Kind, from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    open_after("", kind, from, to).await
}

/// With a PROXY header before all else.
pub(crate) async fn open_after(
    header: &str,
    kind: Kind,
    from: IpAddr,
    to: SocketAddr,
) -> io::Result<TcpStream> {
    let mut stream = connect(from, to).await?;
    stream.write_all(header.as_bytes()).await?;
    let mut greeting = Vec::new();
    let end: &[u8] = b"tick";
    let request = match kind {
        Kind::Tcp => "",
        Kind::Events => "GET /events HTTP/1.1\r\nhost: live.jobs\r\n\r\n",
        Kind::WebSocket => {
            "GET /socket HTTP/1.1\r\nhost: live.jobs\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        }
    };
    stream.write_all(request.as_bytes()).await?;
    while !greeting.windows(end.len()).any(|part| part == end) {
        if stream.read_buf(&mut greeting).await? == 0 || greeting.starts_with(b"HTTP/1.1 4") {
            return Err(io::Error::other(String::from_utf8_lossy(&greeting).into_owned()));
        }
    }
    Ok(stream)
}

async fn connect(from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from, 0))?;
    let stream = tokio::time::timeout(SOON, socket.connect(to)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A connection of HTTP/2, which is there for as long as one of its copies.
#[derive(Clone)]
pub(crate) struct Http2(SendRequest<Bytes>);

impl Http2 {
    pub(crate) async fn dial(from: IpAddr, to: SocketAddr) -> Http2 {
        let stream = connect(from, to).await.expect("it listens");
        let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        tokio::spawn(connection);
        Http2(sender)
    }

    pub(crate) async fn get(&self, fields: &[(&str, &str)]) -> (u16, RecvStream) {
        let mut request = http::Request::get("http://live.jobs/events");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut sender = self.0.clone().ready().await.expect("room for a stream");
        let (response, _) =
            sender.send_request(request.body(()).expect("a request"), true).expect("a stream");
        let response = tokio::time::timeout(SOON, response).await.expect("a head in time").expect("a head");
        (response.status().as_u16(), response.into_body())
    }
}

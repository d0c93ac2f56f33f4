//! A request in each version of HTTP, and what became of it on both sides.

use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use roundhouse_tests::http::{Connection, Reply};
use roundhouse_tests::strict::Message;
use roundhouse_tests::try_dial;
use tokio::net::TcpSocket;

use crate::stage::Stage;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    /// The host that it comes from.
    pub(crate) from: u8,
    pub(crate) to: SocketAddr,
    /// Before anything of HTTP.
    pub(crate) preface: &'a [u8],
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) host: &'a str,
    pub(crate) fields: &'a [(&'a str, &'a str)],
}

/// What is to become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    /// The instance gets it, as this JOBNAME's.
    Passes(&'a str),
    /// By a rule, a guard or for want of one.
    Denied,
    /// It is no request that the gateway takes from anybody.
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

impl<'a> Ask<'a> {
    /// `GET /public` of the shop by name.
    pub(crate) fn of(stage: &Stage, from: u8) -> Ask<'a> {
        Ask {
            from,
            to: stage.gateway.http(),
            preface: b"",
            method: "GET",
            target: "/public",
            host: "shop.jobs",
            fields: &[],
        }
    }

    /// Whatever else it says, in both versions of HTTP.
    #[track_caller]
    pub(crate) fn is(&self, stage: &Stage, verdict: Verdict<'_>) {
        for version in [Version::Http1, Version::Http2] {
            self.is_in(version, stage, verdict);
        }
    }

    /// What the instance got, if that was anything.
    #[track_caller]
    pub(crate) fn is_in(&self, version: Version, stage: &Stage, verdict: Verdict<'_>) -> Option<Message> {
        let reply = match version {
            Version::Http1 => self.over_http1(stage),
            Version::Http2 => self.over_http2(stage),
        };
        let reason = |reply: &Reply| reply.header("x-roundhouse-reason").map(str::to_owned);
        let mut got = stage.shop.take();
        match (verdict, &reply) {
            (Verdict::Passes(jobname), Ok(reply)) if reply.status == 200 && reply.body == "seen" => {
                assert_eq!(got.len(), 1, "{version:?} {self:?}: {got:?}");
                let message = got.remove(0).whole().unwrap_or_else(|| panic!("{version:?} {self:?}"));
                assert_eq!(message.field("x-jobname"), Some(jobname), "{version:?} {self:?}: {message:?}");
                let claims =
                    |name: &str| name.replace('_', "-").starts_with("x-jobname") && name != "x-jobname";
                assert!(
                    !message.fields.iter().any(|(name, _)| claims(name)),
                    "{version:?} {self:?}: {message:?}"
                );
                return Some(message);
            }
            (Verdict::Denied, Ok(reply)) if reply.status == 403 => {
                assert_eq!(
                    reason(reply).as_deref(),
                    Some("access-denied"),
                    "{version:?} {self:?}: {reply:?}"
                );
                assert_eq!(reply.header("x-jobname"), None, "{reply:?}");
            }
            (Verdict::Refused, Ok(reply)) if (400..500).contains(&reply.status) && reply.status != 403 => {}
            (Verdict::Refused, Err(_)) => {}
            _ => {
                panic!("{version:?} {self:?}: expected {verdict:?}, got {reply:?}; the instance got {got:?}")
            }
        }
        assert!(got.is_empty(), "{version:?} {self:?}: {reply:?}, and the instance got {got:?}");
        None
    }

    pub(crate) fn over_http1(&self, stage: &Stage) -> io::Result<Reply> {
        let mut stream = try_dial(Some(stage.address(self.from)), self.to)?;
        stream.write_all(self.preface)?;
        let fields = [&[("host", self.host)], self.fields].concat();
        Connection::over(stream).request_with(self.method, self.target, &fields, "")
    }

    pub(crate) fn over_http2(&self, stage: &Stage) -> io::Result<Reply> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let asking = self.asking_http2(stage.address(self.from));
        runtime.block_on(async { tokio::time::timeout(roundhouse_tests::SOON, asking).await })?
    }

    async fn asking_http2(&self, from: IpAddr) -> io::Result<Reply> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from, 0))?;
        let mut stream = socket.connect(self.to).await?;
        tokio::io::AsyncWriteExt::write_all(&mut stream, self.preface).await?;
        let (sender, connection) = h2::client::handshake(stream).await.map_err(io::Error::other)?;
        let running = tokio::spawn(connection);
        let mut request =
            http::Request::builder().method(self.method).uri(format!("http://{}{}", self.host, self.target));
        for (name, value) in self.fields {
            request = request.header(*name, value.as_bytes());
        }
        let request = request.body(()).map_err(io::Error::other)?;
        let reply = async {
            let mut sender = sender.ready().await?;
            let (response, _) = sender.send_request(request, true)?;
            read(response.await?).await
        };
        let reply = reply.await.map_err(io::Error::other);
        running.abort();
        reply
    }
}

async fn read(response: http::Response<h2::RecvStream>) -> Result<Reply, h2::Error> {
    let (parts, mut stream) = response.into_parts();
    let mut body = Vec::<Bytes>::new();
    while let Some(bytes) = stream.data().await {
        let bytes = bytes?;
        stream.flow_control().release_capacity(bytes.len())?;
        body.push(bytes);
    }
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(Reply {
        status: parts.status.as_u16(),
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: String::from_utf8_lossy(&body.concat()).into_owned(),
    })
}

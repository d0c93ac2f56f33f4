//! The two calls whose bodies are as long as a registry: they are streamed, and have a deadline for silence only.

use std::io::{self, Read};
use std::pin::pin;
use std::time::Duration;

use anyhow::{anyhow, bail};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::transfer::{Options, Report};

const CONNECT: Duration = Duration::from_secs(5);
/// Between two pieces of an export. The first comes once the gateway has listed its registry.
const SILENCE: Duration = Duration::from_secs(30);
/// From the last byte of an import to its answer: hundreds of thousands of records at etcd's pace.
const IMPORT: Duration = Duration::from_secs(15 * 60);
/// Bytes of a report or a problem.
const MAX_ANSWER: usize = 16 << 20;
/// Bytes of a file that are sent at a time.
const PIECE: usize = 64 << 10;

type Body = BoxBody<Bytes, io::Error>;

/// Gives each piece to `take`.
pub(super) async fn export(
    authority: &str,
    mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let request = request(authority, Method::GET, "/v1/export")
        .body(Empty::new().map_err(|never| match never {}).boxed())?;
    exchange(authority, request, SILENCE, async |response| {
        let mut body = response.into_body();
        loop {
            let frame = timeout(SILENCE, body.frame()).await;
            match frame.map_err(|_| silent(authority, SILENCE))? {
                None => return Ok(()),
                Some(frame) => {
                    let frame = frame.map_err(|error| gone(authority, &error))?;
                    frame.data_ref().map_or(Ok(()), |piece| take(piece))?;
                }
            }
        }
    })
    .await
}

pub(super) async fn import(
    authority: &str,
    file: impl Read + Send + Sync + 'static,
    options: Options,
    quarantined: bool,
) -> anyhow::Result<Report> {
    let mode = serde_json::to_value(options.mode)?;
    let path = format!(
        "/v1/import?mode={}&grace={}&dry_run={}&quarantined={quarantined}",
        mode.as_str().unwrap_or_default(),
        options.grace,
        options.dry_run
    );
    let pieces = stream::iter(pieces(file)).boxed_body();
    let request = request(authority, Method::POST, &path)
        .header(header::CONTENT_TYPE, "application/x-ndjson")
        .body(pieces)?;
    exchange(authority, request, IMPORT, async |response| {
        let answer = whole(authority, response).await?;
        serde_json::from_slice(&answer).map_err(|error| {
            anyhow!(
                "http://{authority} answered something that is no report: {error}; is this the admin address?"
            )
        })
    })
    .await
}

fn request(authority: &str, method: Method, path: &str) -> hyper::http::request::Builder {
    Request::builder().method(method).uri(path).header(header::HOST, authority)
}

/// Sends, and reads a 2xx answer; any other is the error that it tells.
async fn exchange<T>(
    authority: &str,
    request: Request<Body>,
    deadline: Duration,
    read: impl AsyncFnOnce(Response<Incoming>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let stream = timeout(CONNECT, TcpStream::connect(authority)).await;
    let stream = stream.map_err(|_| silent(authority, CONNECT))?.map_err(|error| gone(authority, &error))?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // The connection is driven here, so that nothing outlives the call.
    let mut connection = pin!(connection);
    let mut answered = pin!(answered(authority, sender, request, deadline, read));
    let mut driving = true;
    loop {
        tokio::select! {
            answer = &mut answered => return answer,
            _ = &mut connection, if driving => driving = false,
        }
    }
}

async fn answered<T>(
    authority: &str,
    mut sender: SendRequest<Body>,
    request: Request<Body>,
    deadline: Duration,
    read: impl AsyncFnOnce(Response<Incoming>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let response = timeout(deadline, sender.send_request(request)).await;
    let response =
        response.map_err(|_| silent(authority, deadline))?.map_err(|error| gone(authority, &error))?;
    if response.status().is_success() {
        return read(response).await;
    }
    #[derive(Deserialize)]
    struct Problem {
        detail: String,
    }
    let status = response.status();
    match serde_json::from_slice(&whole(authority, response).await?) {
        Ok(Problem { detail }) => bail!(detail),
        Err(_) => bail!("http://{authority} answered {status}; is this the admin address of a gateway?"),
    }
}

async fn whole(authority: &str, response: Response<Incoming>) -> anyhow::Result<Bytes> {
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect();
    let body = timeout(SILENCE, body).await.map_err(|_| silent(authority, SILENCE))?;
    Ok(body.map_err(|error| anyhow!("http://{authority} stopped answering: {error}"))?.to_bytes())
}

fn pieces(mut file: impl Read) -> impl Iterator<Item = io::Result<Bytes>> {
    std::iter::from_fn(move || {
        let mut piece = vec![0; PIECE];
        match file.read(&mut piece) {
            Ok(0) => None,
            Ok(length) => {
                piece.truncate(length);
                Some(Ok(piece.into()))
            }
            Err(error) => Some(Err(error)),
        }
    })
}

trait BoxedBody {
    fn boxed_body(self) -> Body;
}

impl<S> BoxedBody for S
where
    S: stream::Stream<Item = io::Result<Bytes>> + Send + Sync + 'static,
{
    fn boxed_body(self) -> Body {
        use futures_util::StreamExt as _;
        BodyExt::boxed(StreamBody::new(self.map(|piece| piece.map(Frame::data))))
    }
}

fn silent(authority: &str, deadline: Duration) -> anyhow::Error {
    anyhow!("http://{authority} does not answer: nothing within {deadline:?}")
}

fn gone(authority: &str, error: &dyn std::error::Error) -> anyhow::Error {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    anyhow!(
        "http://{authority} does not answer: {error}{cause}; start it with `roundhouse run`, name another gateway with \
         --server or ROUNDHOUSE_SERVER, or go to the registry itself with --config or --registry"
    )
}

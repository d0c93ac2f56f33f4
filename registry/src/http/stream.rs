//! An answer that is read while it comes, and a body that is made while it is sent.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt, Collected, Full, Limited, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{HttpClient, HttpError};

const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// The server may wait a second for the revision that is asked for.
const HEAD_DEADLINE: Duration = Duration::from_secs(3);
/// Of an error's body.
const MAX_PROBLEM: usize = 64 << 10;

/// The body of an answer. It has no deadline of its own: that is for its reader, who knows what comes.
pub struct Stream {
    body: Incoming,
    client: HttpClient,
    /// Ends with the body.
    _connection: JoinSet<()>,
}

impl HttpClient {
    /// `GET`, until the head of a 2xx answer of this media type is there; everything else is an error, within
    /// [`CONNECT_DEADLINE`] and [`HEAD_DEADLINE`].
    pub async fn open(&self, path: &str, media_type: &str) -> Result<Stream, HttpError> {
        self.open_within(path, media_type, HEAD_DEADLINE).await
    }

    /// The same for an answer whose head takes its time.
    pub async fn open_within(
        &self,
        path: &str,
        media_type: &str,
        patience: Duration,
    ) -> Result<Stream, HttpError> {
        let request = self.request(Method::GET, path, &[("accept", media_type)], Full::default())?;
        self.begin(request, media_type, patience).await
    }

    /// `POST` of a body in pieces, which is answered in JSON. `patience` is for all of the body and the answer's head.
    pub async fn upload(
        &self,
        path: &str,
        media_type: &str,
        pieces: impl Iterator<Item = io::Result<Bytes>> + Send + 'static,
        patience: Duration,
    ) -> Result<Stream, HttpError> {
        let body = StreamBody::new(stream::iter(pieces).map(|piece| piece.map(Frame::data)));
        let headers = [("accept", "application/json"), ("content-type", media_type)];
        self.begin(self.request(Method::POST, path, &headers, body)?, "application/json", patience).await
    }

    async fn begin<B>(
        &self,
        request: Request<B>,
        media_type: &str,
        patience: Duration,
    ) -> Result<Stream, HttpError>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let path = request.uri().path().to_owned();
        let connect = timeout(CONNECT_DEADLINE, self.dial.connect()).await;
        let stream = connect
            .map_err(|_| self.unavailable(&format!("no connection within {CONNECT_DEADLINE:?}")))?
            .map_err(|reason| self.unavailable(&reason))?;
        let mut connections = JoinSet::new();
        let asked = async {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            // Boxed: the body need not be Unpin.
            connections.spawn(async { drop(Box::pin(connection).await) });
            sender.send_request(request).await
        };
        let late = || self.unavailable(&format!("no answer within {patience:?}"));
        let answer = timeout(patience, asked).await.map_err(|_| late())?;
        let answer = answer.map_err(|error| self.unavailable(&error))?;
        if !answer.status().is_success() {
            return Err(timeout(patience, self.refusal(answer)).await.map_err(|_| late())?);
        }
        let found = answer.headers().get(header::CONTENT_TYPE).and_then(|found| found.to_str().ok());
        if !found.is_some_and(|found| found.starts_with(media_type)) {
            return Err(self.strange(&format!("{path} is {}, not {media_type}", found.unwrap_or("nothing"))));
        }
        Ok(Stream { body: answer.into_body(), client: self.clone(), _connection: connections })
    }

    async fn refusal(&self, answer: Response<Incoming>) -> HttpError {
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_PROBLEM).collect().await;
        self.refused(status, &body.map(Collected::to_bytes).unwrap_or_default())
    }
}

impl Stream {
    /// The next part; `None` after the last of a body that is whole.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        loop {
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
                Some(Err(error)) => return Err(self.client.unavailable(&error)),
                None => return Ok(None),
            }
        }
    }

    /// The next part, or an error where none comes for so long.
    pub async fn chunk_within(&mut self, patience: Duration) -> Result<Option<Bytes>, HttpError> {
        match timeout(patience, self.chunk()).await {
            Ok(chunk) => chunk,
            Err(_) => Err(self.unavailable(&format!("nothing more within {patience:?}"))),
        }
    }

    pub(crate) fn unavailable(&self, reason: &dyn std::fmt::Display) -> HttpError {
        self.client.unavailable(reason)
    }

    pub(crate) fn strange(&self, reason: &dyn std::fmt::Display) -> HttpError {
        self.client.strange(reason)
    }
}

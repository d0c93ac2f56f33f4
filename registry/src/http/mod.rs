//! A client of another gateway's HTTP API, for programs without a registry of their own: job-init, lvs-sync, guards and
//! the CLI.
//!
//! ```text
//! HttpClient ─► call         one request, one whole answer: registration, the CLI
//!    │       └► open         one request, an answer read while it comes: kv::http (snapshot and watch)
//!    └ Bearer                who asks; never in a log
//! sse                        the text of a watch as events
//! ```
//!
//! One request a connection over HTTP/1.1: these are a few calls a minute, and a connection that is not kept cannot go
//! stale.

mod bearer;
pub mod registration;
pub mod sse;
mod stream;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

pub use self::bearer::{Bearer, BearerError};
pub use self::stream::Stream;

const DEADLINE: Duration = Duration::from_secs(5);
const MAX_ANSWER: usize = 256 << 20;

#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nobody answered: try again later.
    #[error("{server} does not answer: {reason}")]
    Unavailable { server: String, reason: String },
    /// The server said no; its own sentence.
    #[error("{message}")]
    Refused { status: StatusCode, message: String },
    #[error("{server} answered with something that is not its API: {reason}; is this the admin address?")]
    Strange { server: String, reason: String },
}

#[derive(Clone, Debug)]
pub struct HttpClient {
    authority: String,
    token: Option<Bearer>,
}

pub struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
}

/// An RFC 9457 problem document, as far as a client needs it.
#[derive(Deserialize)]
struct Problem {
    title: String,
    #[serde(default)]
    detail: Option<String>,
}

impl HttpClient {
    /// `authority` is `host:port`.
    pub fn new(authority: impl Into<String>) -> HttpClient {
        HttpClient { authority: authority.into(), token: None }
    }

    /// Sent with every request from now on; `None` sends none.
    #[must_use]
    pub fn with_token(self, token: Option<Bearer>) -> HttpClient {
        HttpClient { token, ..self }
    }

    pub fn server(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// A 2xx answer; everything else is an error with the server's sentence.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<Answer, HttpError> {
        let request = self.request(method, path, headers, body)?;
        let answer = tokio::time::timeout(DEADLINE, self.exchange(request))
            .await
            .map_err(|_| self.unavailable(&format!("no answer within {DEADLINE:?}")))??;
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(self.refused(answer.status, &answer.body))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<Request<Full<Bytes>>, HttpError> {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, &self.authority);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token.header());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Full::new(Bytes::from(body.unwrap_or_default()))).map_err(|error| self.strange(&error))
    }

    /// The server's own sentence; for a token that is missing or wrong, also where it is to be written.
    fn refused(&self, status: StatusCode, body: &[u8]) -> HttpError {
        let said = match serde_json::from_slice::<Problem>(body) {
            Ok(Problem { title, detail }) => detail.unwrap_or(title),
            Err(_) => format!("{} answered {status}", self.server()),
        };
        let message = match (status, &self.token) {
            (StatusCode::UNAUTHORIZED, None) => {
                format!(
                    "{said}; no token was sent: put one into {} or name its file in {}",
                    bearer::TEXT,
                    bearer::FILE
                )
            }
            (StatusCode::UNAUTHORIZED, Some(token)) => {
                format!("{said}; the token of {} was sent", token.source())
            }
            (StatusCode::FORBIDDEN, Some(token)) => {
                format!("{said}; asked with the token of {}", token.source())
            }
            _ => said,
        };
        HttpError::Refused { status, message }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, HttpError> {
        let stream = TcpStream::connect(&self.authority).await.map_err(|error| self.unavailable(&error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.unavailable(&error))?;
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(|error| self.unavailable(&error))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_ANSWER)
                .collect()
                .await
                .map_err(|error| self.unavailable(&error))?;
            Ok(Answer { status, body: body.to_bytes() })
        };
        // The connection is driven here, so that nothing outlives the call.
        let mut connection = std::pin::pin!(connection);
        let mut exchange = std::pin::pin!(exchange);
        let mut driving = true;
        loop {
            tokio::select! {
                answer = &mut exchange => return answer,
                _ = &mut connection, if driving => driving = false,
            }
        }
    }

    fn unavailable(&self, reason: &dyn std::fmt::Display) -> HttpError {
        HttpError::Unavailable { server: self.server(), reason: reason.to_string() }
    }

    fn strange(&self, reason: &dyn std::fmt::Display) -> HttpError {
        HttpError::Strange { server: self.server(), reason: reason.to_string() }
    }
}

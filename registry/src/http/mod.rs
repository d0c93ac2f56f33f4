//! A client of another gateway's HTTP API, for programs without a registry of their own: job-init, lvs-sync, guards and
//! the CLI.
//!
//! ```text
//! HttpClient ─► call         one request, one whole answer: registration, presence, the CLI
//!    │  │    ├► open         one request, an answer read while it comes: kv::http (snapshot and watch), an export
//!    │  │    └► upload       one request whose body is made while it is sent: an import
//!    │  └ Bearer             who asks; never in a log
//!    └ Dial                  TCP, and over it TLS where the URL says https
//! sse                        the text of a watch as events
//! ```
//!
//! One request a connection over HTTP/1.1: these are a few calls a minute, and a connection that is not kept cannot go
//! stale.

mod bearer;
mod dial;
pub mod presence;
pub mod registration;
pub mod sse;
mod stream;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use roundhouse_config::RegistryUrl;
use roundhouse_config::access::ApiAccess;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use self::bearer::{Bearer, BearerError, TokenSource};
use self::dial::Dial;
pub use self::dial::Roots;
pub use self::stream::Stream;

const DEADLINE: Duration = Duration::from_secs(5);
const MAX_ANSWER: usize = 256 << 20;

#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nobody answered: try again later.
    #[error("{server} does not answer: {reason}")]
    Unavailable { server: String, reason: String },
    /// The server said no; its own sentence, and the field that it names.
    #[error("{message}")]
    Refused { status: StatusCode, message: String, field: Option<String> },
    #[error("{server} answered with something that is not its API: {reason}; is this the admin address?")]
    Strange { server: String, reason: String },
}

#[derive(Clone, Debug)]
pub struct HttpClient {
    dial: Dial,
    token: TokenSource,
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
    #[serde(default)]
    path: Option<String>,
}

impl HttpClient {
    /// `authority` is `host:port`, spoken to without TLS.
    pub fn new(authority: impl Into<String>) -> HttpClient {
        HttpClient { dial: Dial { authority: authority.into(), roots: None }, token: TokenSource::None }
    }

    /// The gateway at the URL, and the token that the access or the environment names. `None`: it is no gateway's URL.
    pub fn at(url: &RegistryUrl, access: &ApiAccess) -> Result<Option<HttpClient>, BearerError> {
        let RegistryUrl::Http { authority, tls } = url else { return Ok(None) };
        let roots = tls.then(|| access.ca.clone().map_or(Roots::System, Roots::File));
        let token = match &access.token_file {
            Some(file) => TokenSource::File(file.clone()),
            None => TokenSource::from_env()?,
        };
        Ok(Some(HttpClient { dial: Dial { authority: authority.clone(), roots }, token }))
    }

    /// Over TLS from now on.
    #[must_use]
    pub fn with_tls(mut self, roots: Roots) -> HttpClient {
        self.dial.roots = Some(roots);
        self
    }

    /// Sent with every request from now on; `None` sends none.
    #[must_use]
    pub fn with_token(self, token: Option<Bearer>) -> HttpClient {
        HttpClient { token: token.map_or(TokenSource::None, TokenSource::Fixed), ..self }
    }

    pub fn server(&self) -> String {
        self.dial.url()
    }

    /// A 2xx answer; everything else is an error with the server's sentence.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<Answer, HttpError> {
        let json = body.as_ref().map(|_| ("content-type", "application/json"));
        let headers: Vec<_> = json.into_iter().chain(headers.iter().copied()).collect();
        let request = self.request(method, path, &headers, Full::new(body.unwrap_or_default().into()))?;
        let answer = tokio::time::timeout(DEADLINE, self.exchange(request))
            .await
            .map_err(|_| self.unavailable(&format!("no answer within {DEADLINE:?}")))??;
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(self.refused(answer.status, &answer.body))
    }

    fn request<B>(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: B,
    ) -> Result<Request<B>, HttpError> {
        let mut request =
            Request::builder().method(method).uri(path).header(header::HOST, &self.dial.authority);
        // A token that cannot be read now may be readable later.
        if let Some(token) = self.token.read().map_err(|error| self.unavailable(&error))? {
            request = request.header(header::AUTHORIZATION, token.header());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body).map_err(|error| self.strange(&error))
    }

    /// The server's own sentence; for a token that is missing or wrong, also where it is to be written.
    fn refused(&self, status: StatusCode, body: &[u8]) -> HttpError {
        let (said, field) = match serde_json::from_slice::<Problem>(body) {
            Ok(Problem { title, detail, path }) => (detail.unwrap_or(title), path),
            Err(_) => (format!("{} answered {status}", self.server()), None),
        };
        let message = match (status, self.token.name()) {
            (StatusCode::UNAUTHORIZED, None) => {
                format!(
                    "{said}; no token was sent: put one into {} or name its file in {}",
                    bearer::TEXT,
                    bearer::FILE
                )
            }
            (StatusCode::UNAUTHORIZED, Some(source)) => format!("{said}; the token of {source} was sent"),
            (StatusCode::FORBIDDEN, Some(source)) => format!("{said}; asked with the token of {source}"),
            _ => said,
        };
        HttpError::Refused { status, message, field }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, HttpError> {
        let stream = self.dial.connect().await.map_err(|reason| self.unavailable(&reason))?;
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

    fn json(&self, body: &impl Serialize) -> Result<Vec<u8>, HttpError> {
        serde_json::to_vec(body).map_err(|error| self.strange(&error))
    }

    fn parsed<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, HttpError> {
        serde_json::from_slice(body).map_err(|error| self.strange(&error))
    }

    fn unavailable(&self, reason: &dyn std::fmt::Display) -> HttpError {
        HttpError::Unavailable { server: self.server(), reason: reason.to_string() }
    }

    fn strange(&self, reason: &dyn std::fmt::Display) -> HttpError {
        HttpError::Strange { server: self.server(), reason: reason.to_string() }
    }
}

/// `None`: there is no such thing.
fn found(answer: Result<Answer, HttpError>) -> Result<Option<Answer>, HttpError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(HttpError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

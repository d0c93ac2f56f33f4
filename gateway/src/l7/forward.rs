//! Pick an instance, send the request, give back its answer; try another where that is safe.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, Uri, Version};

use super::download::Download;
use super::pool::Upstream;
use super::upload::Upload;
use super::{Engine, headers};
use crate::l4::{self, Attempts, ConnectError, is_our_shortage};
use crate::table::{Endpoint, JobEntry, PortEntry, Work};

/// For a request and the head of its answer together. Long polls are answered within minutes; what takes longer is
/// stuck.
const ANSWER: Duration = Duration::from_secs(600);

pub(super) enum ForwardError {
    NoBackend(ConnectError),
    /// It took the request and gave no answer.
    BadGateway {
        address: SocketAddr,
        error: hyper::Error,
    },
    /// It took the request and was silent for too long.
    Silent {
        address: SocketAddr,
    },
}

/// RFC 9110, 9.2.2. Sending one of these twice means what sending it once means.
fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}

pub(super) async fn forward(
    engine: &Rc<Engine>,
    job: &JobEntry,
    port: &PortEntry,
    parts: Parts,
    body: Incoming,
) -> Result<Response<Download>, ForwardError> {
    let context = &*engine.context;
    let mut upload = Upload::new(body, context.limits().body_idle);
    // A body goes once. Without one, an idempotent request may be sent again.
    let repeatable = upload.is_empty() && is_idempotent(&parts.method);
    let mut attempts = Attempts::default();
    let mut last = ForwardError::NoBackend(ConnectError::Nobody);
    while let Some(endpoint) = attempts.next(context, port) {
        let address = endpoint.address;
        let mut upstream = match open(engine, &endpoint, job).await {
            Ok(upstream) => upstream,
            Err(error) if is_our_shortage(&error) => {
                return Err(ForwardError::NoBackend(ConnectError::Exhausted(error)));
            }
            Err(error) => {
                attempts.failed(&endpoint, &error);
                context.counters().retries.fetch_add(1, Relaxed);
                last =
                    ForwardError::NoBackend(ConnectError::Failed { tried: attempts.count(), address, error });
                continue;
            }
        };
        let work = Work::begin(endpoint.clone());
        let sent = upstream.sender().try_send_request(request(&parts, upload));
        let mut failed = match tokio::time::timeout(ANSWER, sent).await {
            Ok(Ok(response)) => return Ok(answer(engine, response, upstream, work)),
            Ok(Err(failed)) => failed,
            Err(_) => return Err(ForwardError::Silent { address }),
        };
        if upstream.is_reused() {
            // The instance closed a kept connection just now, which is no fault; its others are as old.
            engine.pool.borrow_mut().forget(address);
        } else {
            attempts.unanswered(&endpoint);
        }
        // A request that never left this process comes back whole, body and all.
        let unsent = failed.take_message();
        let again = repeatable || unsent.is_some();
        last = ForwardError::BadGateway { address, error: failed.into_error() };
        if !again {
            break;
        }
        upload = unsent.map_or(Upload::Empty, Request::into_body);
        context.counters().retries.fetch_add(1, Relaxed);
    }
    Err(last)
}

/// An idle connection, else a new one.
async fn open(engine: &Engine, endpoint: &Arc<Endpoint>, job: &JobEntry) -> std::io::Result<Upstream> {
    let kept = engine.pool.borrow_mut().take(endpoint.address);
    if let Some(kept) = kept {
        return Ok(kept);
    }
    let stream = l4::dial(&engine.context, endpoint, job).await?;
    Upstream::open(stream, endpoint.address, engine.context.limits().body_idle).await
}

/// The request as the instance gets it: origin form, HTTP/1.1.
fn request(parts: &Parts, upload: Upload) -> Request<Upload> {
    let unknown_length = !upload.is_empty() && upload.size_hint().exact().is_none();
    let mut request = Request::new(upload);
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = origin_form(&parts.uri);
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = parts.headers.clone();
    if unknown_length {
        // hyper takes a GET for one without a body unless it is told.
        request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    request
}

/// RFC 9112, 3.2.1; `OPTIONS *` stays as it is.
fn origin_form(uri: &Uri) -> Uri {
    let path = uri.path_and_query().map_or("/", hyper::http::uri::PathAndQuery::as_str);
    path.parse().unwrap_or_default()
}

fn answer(
    engine: &Rc<Engine>,
    response: Response<Incoming>,
    upstream: Upstream,
    work: Work,
) -> Response<Download> {
    let (mut parts, body) = response.into_parts();
    headers::end_hop(&mut parts.headers);
    parts.version = Version::HTTP_11;
    let is_event_stream = parts
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("text/event-stream"));
    Response::from_parts(parts, Download::from_instance(engine, body, upstream, work, is_event_stream))
}

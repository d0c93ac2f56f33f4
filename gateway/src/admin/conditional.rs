//! `If-None-Match` of a read (RFC 9110, 13.1.2): 304 where the client has what there is.
//!
//! An ETag is its record's revision. What a GET shows besides the record (an instance's health, who is connected) changes
//! without it, so whoever wants that asks without a condition.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;

/// The condition of a GET or a HEAD; a write's is for its handler.
pub(super) fn unless(request: &Request) -> Vec<HeaderValue> {
    match *request.method() {
        Method::GET | Method::HEAD => {
            request.headers().get_all(header::IF_NONE_MATCH).iter().cloned().collect()
        }
        _ => Vec::new(),
    }
}

pub(super) fn apply(condition: &[HeaderValue], mut response: Response) -> Response {
    let Some(etag) = response.headers().get(header::ETAG).filter(|_| response.status() == StatusCode::OK)
    else {
        return response;
    };
    if condition.iter().any(|list| names(list, etag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        // What is said of a body that is not there (RFC 9110, 15.4.5).
        for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
            response.headers_mut().remove(name);
        }
        *response.body_mut() = Body::empty();
    }
    response
}

/// Weak comparison (8.8.3.2): a proxy may have weakened what we gave.
fn names(list: &HeaderValue, etag: &HeaderValue) -> bool {
    let (Ok(list), Ok(etag)) = (list.to_str(), etag.to_str()) else { return false };
    let mut tags = list.split(',').map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_the_tag_or_everything() {
        let names = |list| names(&HeaderValue::from_static(list), &HeaderValue::from_static("\"17\""));
        for same in ["\"17\"", "*", "\"1\", \"17\"", "W/\"17\"", "\"1\",W/\"17\" "] {
            assert!(names(same), "{same}");
        }
        for other in ["", "17", "\"1\"", "\"170\"", "\"1\", \"7\""] {
            assert!(!names(other), "{other}");
        }
    }
}

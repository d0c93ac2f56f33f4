//! Whether a request is one that a route is for. No allocation: it is asked of several routes a request.

use std::cmp::Reverse;

use roundhouse_registry::record::RouteMatch;
use roundhouse_registry::record::domain::{Condition, HeaderMatch, Method};

use super::Asked;
use crate::table::path::is_under;

/// A route's, as they are written.
#[derive(Debug)]
pub(super) struct Conditions(pub(super) RouteMatch);

impl Conditions {
    /// `path` is the request's in its normalised form.
    pub(super) fn hold(&self, path: &str, asked: &impl Asked) -> bool {
        let RouteMatch { path: prefix, methods, headers, .. } = &self.0;
        let method = |methods: &[Method]| methods.iter().any(|one| one.as_str() == asked.method());
        is_under(path, prefix)
            && (methods.is_empty() || method(methods))
            && headers.iter().all(|header| holds(header, asked))
    }

    /// The lower comes first: a longer path, of equal ones that with methods, then that with more headers.
    /// Paths of one length exclude each other, and those of one path stay together for whoever reads the list.
    pub(super) fn rank(&self) -> impl Ord {
        let RouteMatch { path, methods, headers, .. } = &self.0;
        (Reverse(path.len()), path, methods.is_empty(), Reverse(headers.len()))
    }
}

fn holds(header: &HeaderMatch, asked: &impl Asked) -> bool {
    let mut values = asked.headers(header.name.as_str());
    match &header.condition {
        Condition::Equals(wanted) => values.any(|value| value.trim_ascii() == wanted.as_str().as_bytes()),
        Condition::Prefix(wanted) => {
            values.any(|value| value.trim_ascii_start().starts_with(wanted.as_str().as_bytes()))
        }
        Condition::Present(wanted) => values.next().is_some() == *wanted,
    }
}

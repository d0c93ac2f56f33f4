//! A head with fields changed, for the routes that say so: rebuilt, since what is asked for seldom need not be quick.

use std::borrow::Cow;

use roundhouse_registry::record::domain::HeaderEdits;

use super::request::Request;
use super::response::Response;
use super::supplies::Supplies;
use crate::h1::{Head, RequestLine, Span};

/// What is taken out, then put in.
#[derive(Debug, Default)]
pub(super) struct Changes<'a> {
    removed: Vec<Cow<'a, str>>,
    added: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Changes<'a> {
    pub(super) fn of(edits: &'a HeaderEdits) -> Changes<'a> {
        let mut changes = Changes::default();
        for name in &edits.remove {
            changes.remove(name.as_str());
        }
        for (name, value) in edits.set.iter() {
            changes.set(name.as_str(), value.as_str());
        }
        for (name, value) in edits.add.iter() {
            changes.add(name.as_str(), value.as_str());
        }
        changes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }

    pub(super) fn remove(&mut self, name: impl Into<Cow<'a, str>>) {
        self.removed.push(name.into());
    }

    pub(super) fn add(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) {
        self.added.push((name.into(), value.into()));
    }

    pub(super) fn set(&mut self, name: &'a str, value: impl Into<Cow<'a, str>>) {
        self.remove(name);
        self.add(name, value);
    }

    fn write(&self, from: &Head, to: &mut Head) {
        to.nominates = from.nominates;
        for field in &from.fields {
            let name = from.name(field);
            if !self.removed.iter().any(|removed| name.eq_ignore_ascii_case(removed.as_bytes())) {
                to.push_field(name, from.value(field));
            }
        }
        for (name, value) in &self.added {
            to.push_field(name.as_bytes(), value.as_bytes());
        }
    }

    pub(super) fn in_response(&self, response: &mut Response, supplies: &Supplies) {
        if self.is_empty() {
            return;
        }
        let mut head = supplies.head();
        let phrase = head.push(response.phrase());
        self.write(&response.head, &mut head);
        supplies.give_head(response.replace_head(head, phrase));
    }

    /// A copy, since the request as it came is still looked at.
    pub(super) fn in_request(&self, request: &Request, supplies: &Supplies) -> Request {
        let mut head = supplies.head();
        let mut moved = |span: Span| head.push(request.head.bytes(span));
        let line = RequestLine {
            method: moved(request.line.method),
            path: moved(request.line.path),
            authority: request.line.authority.map(moved),
            ..request.line
        };
        self.write(&request.head, &mut head);
        Request { head, line, tls: request.tls }
    }
}

//! What a path is to those who read it.
//!
//! A request is passed on as it was received, and servers do not agree on what its path means: nginx takes an escaped
//! slash for a slash, WHATWG URL (4.4) a backslash; some resolve `..` and some look for a prefix in what they got; some
//! know parameters of segments, and to some `//` begins with a host (RFC 3986, 4.2). So a path has all of these readings.
//! A rule that forbids one of them forbids it, and it is let in only if each of them would be.
//!
//! Routes go by the first reading alone: whoever is led elsewhere by another one is not let in anywhere by that.

use std::borrow::Cow;

use memchr::memchr;
use roundhouse_registry::access::{Decision, Http, Policy, Query, Table};

use crate::table::{decoded, normalised};

/// Of an ordinary path there is one, and nothing is allocated for it.
#[derive(Clone, Debug)]
pub(crate) struct Readings<'a> {
    usual: Cow<'a, str>,
    others: Vec<String>,
}

impl<'a> Readings<'a> {
    /// Of a path with its query, as it was received.
    pub(crate) fn of(target: &'a str) -> Readings<'a> {
        let usual = normalised(target);
        let mut readings = Readings { usual, others: Vec::new() };
        let is_plain =
            matches!(readings.usual, Cow::Borrowed(_)) && memchr(b'\\', target.as_bytes()).is_none();
        if !is_plain {
            let path = target.split(['?', '#']).next().unwrap_or_default();
            readings.read(path);
            if let Some(path) = separated(path) {
                readings.read(&path);
            }
        }
        readings
    }

    pub(crate) fn into_owned(self) -> Readings<'static> {
        Readings { usual: Cow::Owned(self.usual.into_owned()), others: self.others }
    }

    /// What rules are compared with.
    pub(crate) fn seen<'s>(&'s self, method: &'s str) -> Http<'s> {
        Http::Seen { method, path: &self.usual }
    }

    pub(crate) fn others(&self) -> &[String] {
        &self.others
    }

    fn read(&mut self, path: &str) {
        self.add(normalised(path).into_owned());
        self.add(decoded(path));
        if let Some(after) = path.strip_prefix("//") {
            let after = after.find('/').map_or("/", |at| &after[at..]);
            self.add(normalised(after).into_owned());
        }
    }

    fn add(&mut self, reading: String) {
        if self.usual != reading && !self.others.contains(&reading) {
            self.others.push(reading);
        }
    }
}

/// With a slash for whatever somebody takes for one, if there is any.
fn separated(path: &str) -> Option<String> {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find(['%', '\\']) {
        let (before, found) = rest.split_at(at);
        out.push_str(before);
        let escape = found.get(..3).map(str::to_ascii_lowercase);
        let (slash, length) = match escape.as_deref() {
            _ if found.starts_with('\\') => (true, 1),
            Some("%2f" | "%5c") => (true, 3),
            _ => (false, 1),
        };
        out.push_str(if slash { "/" } else { "%" });
        rest = &found[length..];
    }
    out.push_str(rest);
    (out != path).then_some(out)
}

/// The decision about the reading that is let in the least, and the question that it answers; `others`: the readings
/// beside that of the query.
pub(crate) fn decide<'t, 'q>(
    table: &'t Table,
    policy: &'t Policy,
    query: Query<'q>,
    others: &'q [String],
) -> (Query<'q>, Decision<'t>) {
    let mut least = (query, table.decide(policy, &query));
    let Http::Seen { method, .. } = query.http else { return least };
    for path in others {
        if !least.1.allows() {
            break;
        }
        let query = Query { http: Http::Seen { method, path }, ..query };
        let decision = table.decide(policy, &query);
        // One that would be denied if the rules that are tried out were in force is to be heard of.
        if !decision.allows() || (least.1.would.is_none() && decision.would.is_some()) {
            least = (query, decision);
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(target: &str) -> Vec<String> {
        let readings = Readings::of(target);
        [vec![readings.usual.into_owned()], readings.others].concat()
    }

    #[test]
    fn each_way_of_reading_is_among_them() {
        for (target, expected) in [
            ("/a/b?c=..%2f", &["/a/b"][..]),
            ("/a.b/c", &["/a.b/c"]),
            ("/%61", &["/a"]),
            ("/x/..%2fa", &["/x/..%2Fa", "/a", "/x/../a"]),
            ("/%2Fa", &["/%2Fa", "/a", "//a", "/"]),
            ("/x\\..\\a", &["/x\\..\\a", "/a", "/x/../a"]),
            ("/x%5C..\\a", &["/x%5C..\\a", "/a", "/x/../a"]),
            ("/a/../b", &["/b", "/a/../b"]),
            ("/a/..;c/b", &["/b", "/a/..;c/b"]),
            ("//h/a", &["/h/a", "//h/a", "/a"]),
            ("//h", &["/h", "//h", "/"]),
            ("/a%", &["/a%"]),
            ("/a%2", &["/a%2"]),
            ("*", &["/*", "*"]),
        ] {
            assert_eq!(all(target), expected, "{target}");
        }
    }

    #[test]
    fn an_ordinary_path_is_borrowed_and_has_one_reading() {
        for path in ["/", "/a", "/a/b.html?c=%2e/../;", "/a.b/c"] {
            let readings = Readings::of(path);
            assert!(matches!(readings.usual, Cow::Borrowed(_)) && readings.others.capacity() == 0, "{path}");
        }
    }
}

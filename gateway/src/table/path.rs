//! The form of a path that routes are matched against. The request is forwarded as it was received.
//!
//! One meaning each (RFC 3986, 6.2.2): percent-encoded unreserved characters are themselves, so `%2e%2e` is `..`; dot
//! segments are resolved and never climb above the root; empty segments (`//`) are dropped; `;parameters` of a segment
//! are dropped; an encoded slash (`%2f`) is a character of its segment and never a separator.

use std::borrow::Cow;

/// Always begins with `/`. The query is not part of it. Most paths are in this form already and are given back as they
/// are, at the price of one look at each byte.
pub(crate) fn normalised(path: &str) -> Cow<'_, str> {
    match plain(path) {
        Some(path) => Cow::Borrowed(path),
        None => Cow::Owned(rebuilt(path)),
    }
}

/// The path without its query, if nothing in it could have another form: no escape, no parameter, no empty segment and
/// none that begins with a dot.
fn plain(path: &str) -> Option<&str> {
    if !path.starts_with('/') {
        return None;
    }
    let mut slash = false;
    for (at, byte) in path.bytes().enumerate() {
        match byte {
            b'?' | b'#' => return Some(&path[..at]),
            b'%' | b';' => return None,
            b'/' | b'.' if slash => return None,
            _ => slash = byte == b'/',
        }
    }
    Some(path)
}

fn rebuilt(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut segments: Vec<String> = Vec::new();
    let mut folder = true;
    for raw in path.split('/').skip(usize::from(path.starts_with('/'))) {
        let segment = decoded(raw.split(';').next().unwrap_or_default());
        folder = matches!(segment.as_str(), "" | "." | "..");
        match segment.as_str() {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    let mut path = format!("/{}", segments.join("/"));
    if folder && !segments.is_empty() {
        path.push('/');
    }
    path
}

/// Whether `path` (normalised) lies under `prefix`, segment by segment: `/blog` has `/blog/1` and not `/blogger`.
pub(crate) fn is_under(path: &str, prefix: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'),
        None => prefix.strip_suffix('/').is_some_and(|folder| path == folder),
    }
}

/// Unreserved characters (RFC 3986, 2.3) decoded, other escapes in upper case.
pub(crate) fn decoded(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let mut out = String::with_capacity(segment.len());
    let mut rest = segment;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let start = segment.len() - rest.len() + at;
        let hex = bytes.get(start + 1..start + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') => {
                out.push(char::from(byte));
                rest = &rest[at + 3..];
            }
            Some(byte) => {
                out.push_str(&format!("%{byte:02X}"));
                rest = &rest[at + 3..];
            }
            None => {
                out.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_trick_has_one_meaning() {
        for (given, meant) in [
            ("/", "/"),
            ("", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("//a///b", "/a/b"),
            ("/a/./b/../c", "/a/c"),
            ("/../../etc", "/etc"),
            ("/%2e%2e/admin", "/admin"),
            ("/%61dmin", "/admin"),
            ("/a%2fb", "/a%2Fb"),
            ("/admin;x=1/y;z", "/admin/y"),
            ("/a?b/../c", "/a"),
            ("/a%", "/a%"),
            ("/a%zz", "/a%zz"),
            ("/a%2", "/a%2"),
        ] {
            assert_eq!(normalised(given), meant, "{given}");
        }
    }

    #[test]
    fn an_ordinary_path_costs_no_allocation() {
        for path in ["/", "/a", "/a/b.html?c=%2e/../;", "/größe/", "/a.b/c"] {
            assert!(matches!(normalised(path), Cow::Borrowed(_)), "{path}");
        }
    }

    #[test]
    fn a_prefix_ends_at_a_segment() {
        assert!(is_under("/blog", "/blog") && is_under("/blog/1", "/blog") && is_under("/x", "/"));
        assert!(is_under("/blog", "/blog/") && is_under("/blog/1", "/blog/"));
        assert!(!is_under("/blogger", "/blog") && !is_under("/", "/blog"));
    }

    proptest! {
        #[test]
        fn normalising_never_climbs_and_is_final(path in "[/a-c.%2eEfF;é]{0,40}") {
            let once = normalised(&path);
            prop_assert!(once.starts_with('/') && !once.contains("//"), "{once}");
            prop_assert!(once.split('/').all(|segment| segment != ".." && segment != "."), "{once}");
        }

        #[test]
        fn what_is_given_back_as_it_is_was_normal(path in "/?[/a-c.%2e;é?#]{0,12}") {
            prop_assert_eq!(normalised(&path), rebuilt(&path));
        }
    }
}

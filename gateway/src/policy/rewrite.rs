//! The target that an instance is asked for, where it is another than the client's.
//!
//! A prefix is replaced in the form that the route was matched against. So what an instance is asked for is always under the
//! new prefix, whatever dots and escapes the client wrote: a replacement in the received text would let `/blog/../admin`
//! through to whoever rewrites `/blog`.

use roundhouse_registry::record::domain::Rewrite as Record;

use crate::table::normalised;

#[derive(Debug)]
pub struct Rewrite {
    prefix: Option<Prefix>,
    /// The Host that the instance reads.
    pub host: Option<Box<str>>,
}

/// One prefix of a path in place of another.
#[derive(Debug)]
pub(super) struct Prefix {
    /// Without a `/` at its end.
    matched: Box<str>,
    new: Box<str>,
}

impl Rewrite {
    /// `matched` is the route's own prefix.
    pub fn new(record: &Record, matched: &str) -> Rewrite {
        Rewrite {
            prefix: record.prefix.as_deref().map(|new| Prefix::new(matched, new)),
            host: record.host.as_ref().map(|host| host.as_str().into()),
        }
    }

    /// Path and query for the instance, of those that were received; `None`: as they are.
    pub fn target(&self, received: &str) -> Option<String> {
        let prefix = self.prefix.as_ref()?;
        // `OPTIONS *` asks about the server and has no path.
        received.starts_with('/').then(|| prefix.replaced(received) + query(received))
    }
}

impl Prefix {
    pub(super) fn new(matched: &str, new: &str) -> Prefix {
        Prefix { matched: matched.strip_suffix('/').unwrap_or(matched).into(), new: new.into() }
    }

    /// The path of `received`, which the route matched; without its query.
    pub(super) fn replaced(&self, received: &str) -> String {
        let path = normalised(received);
        let rest = path.strip_prefix(&*self.matched).unwrap_or_default();
        if rest.is_empty() {
            return self.new.to_string();
        }
        format!("{}{rest}", self.new.strip_suffix('/').unwrap_or(&self.new))
    }
}

/// With its `?`; empty where there is none.
pub(super) fn query(target: &str) -> &str {
    let target = target.split('#').next().unwrap_or_default();
    target.find('?').map_or("", |at| &target[at..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target(matched: &str, new: &str, received: &str) -> Option<String> {
        Rewrite { prefix: Some(Prefix::new(matched, new)), host: None }.target(received)
    }

    #[test]
    fn the_matched_prefix_is_replaced_and_the_query_kept() {
        for (matched, new, received, expected) in [
            ("/blog", "/", "/blog", "/"),
            ("/blog", "/", "/blog/", "/"),
            ("/blog", "/", "/blog/1?a=/b", "/1?a=/b"),
            ("/blog", "/b", "/blog/1", "/b/1"),
            ("/blog", "/b/", "/blog/1", "/b/1"),
            ("/blog/", "/b/", "/blog", "/b/"),
            ("/", "/app", "/", "/app/"),
            ("/", "/app", "/x/?q", "/app/x/?q"),
            ("/", "/", "/x", "/x"),
        ] {
            assert_eq!(target(matched, new, received).as_deref(), Some(expected), "{matched} {received}");
        }
        assert_eq!(target("/", "/app", "*"), None);
        assert_eq!(Rewrite { prefix: None, host: None }.target("/x"), None);
    }

    #[test]
    fn nobody_leaves_the_new_prefix() {
        assert_eq!(target("/blog", "/b", "/blog/%2e%2e/blog/../blog/x").as_deref(), Some("/b/x"));
        assert_eq!(target("/blog", "/b", "//%62log//x;a=1").as_deref(), Some("/b/x"));
    }

    proptest! {
        #[test]
        fn what_is_asked_for_is_under_the_new_prefix(rest in "[/a.%2e;?#]{0,20}") {
            let received = format!("/blog/{rest}");
            if crate::table::is_under(&normalised(&received), "/blog") {
                let asked = target("/blog", "/new", &received).unwrap();
                prop_assert!(crate::table::is_under(&normalised(&asked), "/new"), "{asked}");
            }
        }
    }
}

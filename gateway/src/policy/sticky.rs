//! The cookie that keeps a client at its instance (RFC 6265): its value is the instance's id.
//!
//! It is a wish and no order. An instance that is gone, drains or is no longer among those that the route leads to is
//! passed over, and the client gets a new cookie; nobody gains anything by making one up.

use std::fmt::Write;

use roundhouse_registry::InstanceId;
use roundhouse_registry::record::domain::{SameSite, Sticky as Record};

#[derive(Debug)]
pub struct Sticky {
    name: Box<str>,
    /// From `Path` on.
    attributes: Box<str>,
    /// `None`: where the request came by https.
    secure: Option<bool>,
}

impl Sticky {
    /// `path` is the route's prefix: routes that lead elsewhere have cookies of their own.
    pub fn new(record: &Record, path: &str) -> Sticky {
        let name: Box<str> = record.cookie.as_str().into();
        // Browsers take such a cookie for the whole host alone (RFC 6265bis, 4.1.3.2).
        let path = if name.starts_with("__Host-") { "/" } else { cookie_path(path) };
        let mut attributes = format!("; Path={path}");
        if let Some(ttl) = record.ttl {
            let _ = write!(attributes, "; Max-Age={}", ttl.as_secs());
        }
        attributes += "; HttpOnly";
        attributes += match record.same_site {
            None => "",
            Some(SameSite::Lax) => "; SameSite=Lax",
            Some(SameSite::Strict) => "; SameSite=Strict",
            Some(SameSite::None) => "; SameSite=None",
        };
        Sticky { name, attributes: attributes.into(), secure: record.secure }
    }

    /// Of a request's `Cookie` fields. Browsers send that of the longest path first (RFC 6265, 5.4).
    pub fn instance<'a>(&self, cookies: impl Iterator<Item = &'a [u8]>) -> Option<InstanceId> {
        let pairs = cookies.flat_map(|line| line.split(|byte| *byte == b';'));
        pairs.filter_map(|pair| self.value(pair.trim_ascii())).find_map(|value| value.parse().ok())
    }

    fn value<'a>(&self, pair: &'a [u8]) -> Option<&'a str> {
        let value = pair.strip_prefix(self.name.as_bytes())?.strip_prefix(b"=")?;
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        std::str::from_utf8(value).ok()
    }

    /// The value of `Set-Cookie`, for a client whose cookie is none or another's.
    pub fn set_cookie(&self, instance: InstanceId, https: bool) -> String {
        let Sticky { name, attributes, secure } = self;
        let secure = if secure.unwrap_or(https) { "; Secure" } else { "" };
        format!("{name}={instance}{attributes}{secure}")
    }
}

/// A cookie's path `/blog/` would not be sent with `/blog`, which the route has (RFC 6265, 5.1.4). One that could end
/// the attribute is not written.
fn cookie_path(path: &str) -> &str {
    let path = path.strip_suffix('/').unwrap_or(path);
    let plain = path.starts_with('/') && path.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b';');
    if plain { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sticky(record: &str, path: &str) -> Sticky {
        Sticky::new(&serde_json::from_str(record).unwrap(), path)
    }

    fn id() -> InstanceId {
        "0a1b2c3d-0000-4000-8000-000000000001".parse().unwrap()
    }

    #[test]
    fn the_cookie_says_what_the_record_does() {
        let plain = sticky(r#"{"cookie":"who"}"#, "/");
        assert_eq!(plain.set_cookie(id(), false), format!("who={}; Path=/; HttpOnly", id()));
        assert_eq!(plain.set_cookie(id(), true), format!("who={}; Path=/; HttpOnly; Secure", id()));
        let all = sticky(r#"{"cookie":"w","ttl":"1h","secure":true,"same_site":"none"}"#, "/blog/");
        let expected = format!("w={}; Path=/blog; Max-Age=3600; HttpOnly; SameSite=None; Secure", id());
        assert_eq!(all.set_cookie(id(), false), expected);
        let host = sticky(r#"{"cookie":"__Host-w","secure":true}"#, "/blog");
        assert!(host.set_cookie(id(), true).contains("; Path=/;"));
        let odd = sticky(r#"{"cookie":"w","secure":false}"#, "/a;Domain=evil");
        assert_eq!(odd.set_cookie(id(), true), format!("w={}; Path=/; HttpOnly", id()));
    }

    #[test]
    fn the_first_that_is_an_instance_is_meant() {
        let sticky = sticky(r#"{"cookie":"who"}"#, "/");
        let found = |lines: &[&str]| sticky.instance(lines.iter().map(|line| line.as_bytes()));
        let cookie = format!("who={}", id());
        assert_eq!(found(&[&format!("a=b; {cookie}; c")]), Some(id()));
        assert_eq!(found(&["who=x; whoever=y", &cookie]), Some(id()));
        assert_eq!(found(&[&format!("who=\"{}\"", id())]), Some(id()));
        for none in ["", "who", "who=", "who=\"", "xwho=1", &cookie.to_uppercase(), &format!("a{cookie}")] {
            assert_eq!(found(&[none]), None, "{none}");
        }
        assert_eq!(sticky.instance([&b"who=\xff\xfe; who=\x00"[..]].into_iter()), None);
    }

    proptest! {
        #[test]
        fn what_is_set_comes_back(before in "[a-z=; \"]{0,20}", after in "[a-z=; \"]{0,20}", bits: u128) {
            let id: InstanceId = uuid::Uuid::from_u128(bits).to_string().parse().unwrap();
            let sticky = sticky(r#"{"cookie":"WHO"}"#, "/");
            let set = sticky.set_cookie(id, false);
            let sent = format!("{before};{};{after}", set.split(';').next().unwrap());
            prop_assert_eq!(sticky.instance([sent.as_bytes()].into_iter()), Some(id));
        }
    }
}

//! Public host names.

use std::net::IpAddr;
use std::sync::Arc;

use super::{NameError, host::MAX_NAME, label::check_label};
use crate::text::{name_traits, quoted};

/// A public host name bound to a job, such as `blog.coding.net` or `*.coding.net`; lower-cased, without
/// a trailing dot. A single label (`localhost`) is allowed, an IP address is not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainName(Arc<str>);

impl DomainName {
    /// Whether the first label is `*`, which stands for any one label.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with("*.")
    }

    fn check(text: &str) -> Result<String, NameError> {
        let domain = text.strip_suffix('.').unwrap_or(text);
        let bare = domain.trim_start_matches('[').trim_end_matches(']');
        if bare.parse::<IpAddr>().is_ok() {
            return Err(NameError::Address { text: quoted(text) });
        }
        if !domain.is_ascii() {
            return Err(NameError::NotAscii { text: quoted(text) });
        }
        if domain.contains([':', '/']) {
            return Err(NameError::NotJustHost { text: quoted(text) });
        }
        if domain.len() > MAX_NAME {
            let (length, limit) = (domain.len(), MAX_NAME);
            return Err(NameError::TooLong { what: "domain", text: quoted(text), length, limit });
        }
        let domain = domain.to_ascii_lowercase();
        let host = domain.strip_prefix("*.").unwrap_or(&domain);
        if host.contains('*') {
            return Err(NameError::Wildcard { text: quoted(text) });
        }
        host.split('.').try_for_each(|label| check_label("domain label", label))?;
        // Browsers read a name whose last label is a number as an address (WHATWG URL, "ends in a number").
        if host.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit())) {
            return Err(NameError::Address { text: quoted(text) });
        }
        Ok(domain)
    }
}

name_traits!(DomainName);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(text: &str) -> String {
        text.parse::<DomainName>().unwrap_err().to_string()
    }

    #[test]
    fn host_names_are_folded() {
        let domain: DomainName = "Blog.Coding.NET.".parse().unwrap();
        assert_eq!(domain.as_str(), "blog.coding.net");
        assert!(!domain.is_wildcard());
        assert!("*.coding.net".parse::<DomainName>().unwrap().is_wildcard());
        assert_eq!("localhost".parse::<DomainName>().unwrap().as_str(), "localhost");
    }

    #[test]
    fn what_is_no_host_name_is_refused() {
        for address in ["10.0.0.1", "::1", "[::1]", "10.0.0.1.", "999.999.999.999", "1"] {
            assert!(refusal(address).contains("is an IP address"), "{address}");
        }
        assert!(refusal("blog.coding.net:80").contains("carries a port"));
        assert!(refusal("http://blog.coding.net").contains("carries a port or a path"));
        assert!(refusal("a.*.net").contains("`*.example.net`"));
        assert!(refusal("*").contains("`*.example.net`"));
        assert!(refusal("blög.net").contains("xn--"));
        assert!(refusal("").contains("empty"));
        assert!(refusal(&"a.".repeat(130)).contains("at most 253"));
    }

    proptest! {
        #[test]
        fn any_text_round_trips_or_is_refused(text in "\\PC*|[*]?[a-zA-Z0-9.-]{0,20}") {
            if let Ok(domain) = text.parse::<DomainName>() {
                prop_assert_eq!(domain.as_str().parse::<DomainName>().unwrap(), domain);
            }
        }
    }
}

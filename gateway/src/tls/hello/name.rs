//! The name that a client asks for.

use std::fmt;
use std::net::IpAddr;

/// RFC 1035, 2.3.4, without the trailing dot.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A host name in lower case and without the trailing dot: letters, digits, `-` and `_` in labels of 1 to 63.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerName(Box<str>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("is longer than {MAX_NAME} bytes")]
    TooLong,
    #[error("is an IP address; connect by host name, for a server name is never an address (RFC 6066, 3)")]
    Address,
    #[error("has an empty label or one of more than {MAX_LABEL} bytes")]
    Label,
    #[error(
        "has a byte that no host name has; use letters, digits, `-`, `_` and dots (`xn--` for the others)"
    )]
    Character,
}

impl ServerName {
    /// A trailing dot is forgiven though RFC 6066, 3 has none: it means the same name.
    pub fn parse(bytes: &[u8]) -> Result<ServerName, NameError> {
        let bytes = bytes.strip_suffix(b".").unwrap_or(bytes);
        if bytes.len() > MAX_NAME {
            return Err(NameError::TooLong);
        }
        let Some(text) = str::from_utf8(bytes).ok().filter(|text| text.is_ascii()) else {
            return Err(NameError::Character);
        };
        if is_address(text) {
            return Err(NameError::Address);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !text.bytes().all(allowed) {
            return Err(NameError::Character);
        }
        if !text.split('.').all(|label| (1..=MAX_LABEL).contains(&label.len())) {
            return Err(NameError::Label);
        }
        Ok(ServerName(text.to_ascii_lowercase().into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Also in the shorter forms that inet_aton(3) takes, such as `127.1`: names have a letter in their last label
/// (RFC 1123, 2.1).
fn is_address(text: &str) -> bool {
    let unbracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let numbers = text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    numbers || unbracketed.parse::<IpAddr>().is_ok()
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<String, NameError> {
        ServerName::parse(text.as_bytes()).map(|name| name.to_string())
    }

    #[test]
    fn every_spelling_of_a_name_is_one_name() {
        for text in ["app2.jobs", "APP2.Jobs", "app2.jobs."] {
            assert_eq!(parse(text).unwrap(), "app2.jobs", "{text}");
        }
        for text in
            ["localhost", "1111.app2.jobs", "_main._tcp.x", "xn--bcher-kva.example", "-a-", "1.2.3.4a"]
        {
            assert_eq!(parse(text).unwrap(), text);
        }
    }

    #[test]
    fn an_address_is_no_name() {
        for text in
            ["10.0.0.7", "10.0.0.7.", "127.1", "2130706433", "::1", "[::1]", "::ffff:10.0.0.7", "010.0.0.7"]
        {
            assert_eq!(parse(text), Err(NameError::Address), "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["a b", "a:443", "a/b", "*.example", "a\0.example", "bücher.example", "fe80::1%lo", "[a]"]
        {
            assert_eq!(parse(text), Err(NameError::Character), "{text}");
        }
        assert_eq!(ServerName::parse(b"a\xff"), Err(NameError::Character));
        for text in ["", ".", "..", ".a", "a..b", "a..", &"a".repeat(64)] {
            assert_eq!(parse(text), Err(NameError::Label), "{text}");
        }
        let longest = [["a".repeat(63).as_str(); 3].join("."), "a".repeat(61)].join(".");
        assert_eq!(parse(&longest).unwrap().len(), 253);
        assert_eq!(parse(&format!("{longest}.")).unwrap().len(), 253);
        assert_eq!(parse(&format!("{longest}a")), Err(NameError::TooLong));
    }

    proptest! {
        #[test]
        fn parsing_twice_is_parsing_once(text in "[a-zA-Z0-9._:*-]{0,70}") {
            if let Ok(name) = parse(&text) {
                prop_assert!(!name.ends_with('.') && !name.bytes().any(|byte| byte.is_ascii_uppercase()));
                prop_assert_eq!(parse(&name).unwrap(), name);
            }
        }
    }
}

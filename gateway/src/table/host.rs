//! From a `Host` header or a dialled name to the form in which names are looked up.

use std::borrow::Cow;

/// RFC 1035, 2.3.4; a longer one is no name.
const MAX_NAME: usize = 253;

/// Bytes of names, and of addresses in brackets.
const ALLOWED: [bool; 256] = {
    let (mut allowed, mut byte) = ([false; 256], 0);
    while byte < 128 {
        let is = byte as u8;
        allowed[byte] = is.is_ascii_alphanumeric() || matches!(is, b'-' | b'.' | b'_' | b'[' | b']' | b':');
        byte += 1;
    }
    allowed
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    #[error("the Host is empty")]
    Empty,
    #[error("the Host is longer than {MAX_NAME} bytes")]
    TooLong,
    #[error("the Host has a character that no host name has")]
    Character,
    #[error("the Host has a port that is no number from 1 to 65535")]
    Port,
}

/// `App2.jobs.Coding.net.:1111` becomes `app2.jobs.coding.net`; the port is checked and dropped (the listener that took
/// the request says more than the header).
pub fn host_name(host: &str) -> Result<Cow<'_, str>, HostError> {
    // Most have none, and a search from the front is the quicker one.
    let colon = memchr::memchr(b':', host.as_bytes()).and_then(|_| host.rsplit_once(':'));
    let (name, port) = match colon {
        // The colons of an IPv6 literal are inside its brackets.
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    if let Some(port) = port
        && !matches!(port.parse::<u16>(), Ok(1..))
        && !port.is_empty()
    {
        return Err(HostError::Port);
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        return Err(HostError::Empty);
    }
    if name.len() > MAX_NAME {
        return Err(HostError::TooLong);
    }
    // Both of all bytes at once, without a way out: each request asks.
    let (mut wrong, mut capital) = (false, false);
    for byte in name.bytes() {
        wrong |= !ALLOWED[usize::from(byte)];
        capital |= byte.is_ascii_uppercase();
    }
    match (wrong, capital) {
        (true, _) => Err(HostError::Character),
        (false, true) => Ok(Cow::Owned(name.to_ascii_lowercase())),
        (false, false) => Ok(Cow::Borrowed(name)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_spelling_of_a_name_is_one_name() {
        for text in
            ["app2.jobs", "APP2.jobs", "app2.jobs.", "app2.jobs:1111", "App2.Jobs.:1111", "app2.jobs:"]
        {
            assert_eq!(host_name(text).unwrap(), "app2.jobs", "{text}");
        }
        assert_eq!(host_name("[::1]:80").unwrap(), "[::1]");
        assert_eq!(host_name("[::1]").unwrap(), "[::1]");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        assert_eq!(host_name(""), Err(HostError::Empty));
        assert_eq!(host_name("."), Err(HostError::Empty));
        assert_eq!(host_name("a b"), Err(HostError::Character));
        assert_eq!(host_name("a/b"), Err(HostError::Character));
        assert_eq!(host_name("a:70000"), Err(HostError::Port));
        assert_eq!(host_name("a:0"), Err(HostError::Port));
        assert_eq!(host_name(&"a".repeat(254)), Err(HostError::TooLong));
    }

    proptest! {
        #[test]
        fn looking_up_twice_is_looking_up_once(text in "\\PC{0,40}") {
            if let Ok(name) = host_name(&text) {
                let name = name.into_owned();
                if let Ok(again) = host_name(&name) {
                    prop_assert!(again == name || name.ends_with('.') || name.contains(':'));
                }
            }
        }
    }
}

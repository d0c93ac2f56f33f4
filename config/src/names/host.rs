//! Names of hosts as machines and container networks bear them.

/// RFC 1035's 255 octets on the wire, less the root label and the first length byte.
pub(super) const MAX_NAME: usize = 253;

/// Whether `text` can name a host: labels of letters, digits, `-` and `_`. Underscores are no host names in
/// DNS, but container networks and hosts files have them.
pub(crate) fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    text.len() <= MAX_NAME && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_looser_names_than_jobs() {
        for text in ["host-1", "Box_2.rack.example", "10.0.0.1"] {
            assert!(is_host_name(text), "{text}");
        }
        for text in ["", "a..b", "a b", "a:1", &"a.".repeat(200), &"a".repeat(64)] {
            assert!(!is_host_name(text), "{text}");
        }
    }
}

//! Protocol versions as they are offered.

use std::fmt;

/// As on the wire: 0x0304 is TLS 1.3.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u16);

impl Version {
    pub const TLS10: Version = Version(0x0301);
    pub const TLS12: Version = Version(0x0303);
    pub const TLS13: Version = Version(0x0304);

    /// TLS 1.0 to whatever follows 1.3. Not SSL, DTLS (0xfe..), drafts (0x7f..) or what is reserved to be ignored
    /// (RFC 8701: 0x0a0a, 0x1a1a and so on).
    pub(super) fn is_tls(self) -> bool {
        self >= Version::TLS10 && self.0 >> 8 == 3
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0x0300 => f.write_str("SSL 3.0"),
            0x0301..=0x0304 => write!(f, "TLS 1.{}", self.0 - 0x0301),
            other => write!(f, "version {other:#06x}"),
        }
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_their_names() {
        let name = |version: u16| Version(version).to_string();
        assert_eq!([0x0300, 0x0301, 0x0304].map(name), ["SSL 3.0", "TLS 1.0", "TLS 1.3"]);
        assert_eq!(name(0x0a0a), "version 0x0a0a");
    }

    #[test]
    fn what_is_reserved_is_no_version() {
        assert!([0x0301, 0x0304, 0x0305].iter().all(|version| Version(*version).is_tls()));
        assert!(
            ![0x0300, 0x0002, 0x0a0a, 0xfafa, 0x7f1c, 0xfefd]
                .iter()
                .any(|version| Version(*version).is_tls())
        );
    }
}

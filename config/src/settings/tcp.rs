//! `[tcp]`: how TCP connections are made.

use super::reader::Section;

/// How TCP connections are made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TcpSettings {
    /// Whether instances are dialled with TCP Fast Open (RFC 7413). Default false: the first bytes may then reach an
    /// instance twice (section 2.1), and not every request may be repeated. It also asks for `net.ipv4.tcp_fastopen`
    /// on the instance's host; where that is off nothing is lost and nothing is gained.
    pub fast_open: bool,
}

impl TcpSettings {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let default = Self::default();
        let settings = Self { fast_open: section.truth("fast_open", true).unwrap_or(default.fast_open) };
        section.refuse_unknown();
        settings
    }
}

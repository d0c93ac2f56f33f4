//! What a client is told before its connection is closed (RFC 8446, 6).

/// For a name that nothing is known by: nobody but the table can say that.
pub const UNRECOGNIZED_NAME: u8 = 112;

pub(super) const UNEXPECTED_MESSAGE: u8 = 10;
pub(super) const RECORD_OVERFLOW: u8 = 22;
pub(super) const ILLEGAL_PARAMETER: u8 = 47;
pub(super) const DECODE_ERROR: u8 = 50;
pub(super) const PROTOCOL_VERSION: u8 = 70;

const ALERT: u8 = 21;
const FATAL: u8 = 2;

/// One record, in the clear as all is before the server's hello, and of the version that every client takes.
pub fn alert_record(description: u8) -> [u8; 7] {
    [ALERT, 3, 3, 0, 2, FATAL, description]
}

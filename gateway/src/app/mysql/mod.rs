//! MySQL's and MariaDB's protocol up to the client's answer to the greeting ("Client/Server Protocol" in the MySQL
//! Source Code Documentation: Protocol Basics, Connection Phase; "Connection Phase" in MariaDB's documentation).
//!
//! The server speaks first, and its greeting holds the salt that the client's proof of its password is made from: it
//! must be the real server's. The client's answer then holds its connection attributes, two of which are ours.

mod greeting;
mod response;

use std::net::IpAddr;

use super::{MAX_TEXT, Parsed, shown};

pub(crate) use self::greeting::{Greeting, greeting};
pub(crate) use self::response::{Response, response};

/// Of a packet without its header. A client's attributes have at most 64 KiB (libmysqlclient's own limit), and a few
/// hundred bytes as a rule.
const MAX_PAYLOAD: usize = 64 << 10;
/// With as many bytes as this, the outcome is never `Incomplete`.
pub(crate) const MAX_BYTES: usize = HEADER + MAX_PAYLOAD;

/// Three bytes of length, one of sequence (Protocol Basics, MySQL Packets).
const HEADER: usize = 4;

/// The first byte of an ERR_Packet.
const ERR: u8 = 0xff;

/// Capabilities, named as in the documents but for their CLIENT_.
const CONNECT_WITH_DB: u32 = 1 << 3;
const PROTOCOL_41: u32 = 1 << 9;
const SSL: u32 = 1 << 11;
const SECURE_CONNECTION: u32 = 1 << 15;
const PLUGIN_AUTH: u32 = 1 << 19;
const CONNECT_ATTRS: u32 = 1 << 20;
const PLUGIN_AUTH_LENENC_CLIENT_DATA: u32 = 1 << 21;

/// Of a user's name, in characters, as it is shown: MariaDB's longest is 128, MySQL's 32.
const MAX_USER: usize = 128;

/// In place of a greeting. No SQLSTATE: it is for clients of protocol 4.1, which nobody is before the capabilities are
/// agreed on, and servers leave it out as well.
pub(crate) fn refusal_at_connect(client: IpAddr) -> Vec<u8> {
    let client = client.to_canonical();
    let text = format!("Host '{client}' is not allowed to connect to this server");
    error(0, ER_HOST_NOT_PRIVILEGED, "", &text)
}

/// In place of the server's verdict on a login. `sequence` is that of the client's packet.
pub(crate) fn refusal_after_response(sequence: u8, user: &str, client: IpAddr) -> Vec<u8> {
    let (user, client) = (shown(user, MAX_USER), client.to_canonical());
    let text = format!("Access denied for user '{user}'@'{client}'");
    error(sequence.wrapping_add(1), ER_ACCESS_DENIED_ERROR, "#28000", &text)
}

/// To a client whose answer to the greeting is wrong, as `sentence` says.
pub(crate) fn complaint(sentence: &str) -> Vec<u8> {
    let text = format!("Bad handshake: {}", shown(sentence, MAX_TEXT));
    error(RESPONSE_SEQUENCE.wrapping_add(1), ER_HANDSHAKE_ERROR, "#08S01", &text)
}

const ER_HANDSHAKE_ERROR: u16 = 1043;
const ER_ACCESS_DENIED_ERROR: u16 = 1045;
const ER_HOST_NOT_PRIVILEGED: u16 = 1130;

/// The greeting has 0.
const RESPONSE_SEQUENCE: u8 = 1;

fn error(sequence: u8, code: u16, state: &str, text: &str) -> Vec<u8> {
    let payload = [&[ERR], &code.to_le_bytes()[..], state.as_bytes(), text.as_bytes()].concat();
    let [low, middle, high, _] = (payload.len() as u32).to_le_bytes();
    [&[low, middle, high, sequence], payload.as_slice()].concat()
}

struct Packet<'a> {
    sequence: u8,
    payload: &'a [u8],
}

fn packet(bytes: &[u8]) -> Parsed<Packet<'_>> {
    let [low, middle, high, rest @ ..] = bytes else { return Parsed::Incomplete };
    let length = u32::from_le_bytes([*low, *middle, *high, 0]) as usize;
    match (length, rest) {
        (0, _) => Parsed::Wrong("the packet is empty"),
        (length, _) if length > MAX_PAYLOAD => Parsed::Wrong("the packet is too long"),
        (length, [sequence, rest @ ..]) => match rest.get(..length) {
            Some(payload) => {
                Parsed::Whole { value: Packet { sequence: *sequence, payload }, length: HEADER + length }
            }
            None => Parsed::Incomplete,
        },
        (_, []) => Parsed::Incomplete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As MariaDB 10.11 says it, but for its name.
    #[test]
    fn before_a_greeting_there_is_no_state() {
        let expected = b"\x3b\0\0\0\xff\x6a\x04Host '10.0.0.9' is not allowed to connect to this server";
        assert_eq!(refusal_at_connect("10.0.0.9".parse().unwrap()), expected);
        assert_eq!(refusal_at_connect("::ffff:10.0.0.9".parse().unwrap()), expected);
    }

    #[test]
    fn after_a_response_there_is_one() {
        let client = "fd00::9".parse().unwrap();
        let expected = b"\x2f\0\0\x02\xff\x15\x04#28000Access denied for user 'a?b'@'fd00::9'";
        assert_eq!(refusal_after_response(1, "a\nb", client), expected);
        assert_eq!(refusal_after_response(255, "", client)[3], 0);
        let longest = refusal_after_response(1, &"\u{10ffff}".repeat(1_000), client);
        assert!(longest.len() < 700);
        let expected = b"\x25\0\0\x02\xff\x13\x04#08S01Bad handshake: the packet is";
        assert_eq!(complaint("the packet is")[3..], expected[3..]);
    }

    #[test]
    fn a_length_is_that_of_the_payload() {
        let error = complaint("x");
        assert_eq!(usize::from(error[0]), error.len() - HEADER);
        assert_eq!(greeting(&error), Parsed::Whole { value: Greeting::Refusal, length: error.len() });
    }
}

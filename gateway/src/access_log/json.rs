//! JSON (RFC 8259) into a buffer, without any allocation but the buffer's growth.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

/// Bytes of a text that are shown; of a longer one follows how many more there were. A path of 2 KiB is a path that
/// somebody reads; what is longer is a token or an attack, and one line must not be a page.
pub const MAX_TEXT: usize = 2048;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// An object that is being written.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    pub(super) fn open(out: &'a mut Vec<u8>) -> Object<'a> {
        out.push(b'{');
        Object { out, is_empty: true }
    }

    pub(super) fn close(self) {
        self.out.push(b'}');
    }

    pub(super) fn text(&mut self, name: &str, bytes: &[u8]) {
        self.name(name);
        text(self.out, bytes);
    }

    /// Text of our own that needs no escape.
    pub(super) fn word(&mut self, name: &str, word: &[u8]) {
        self.name(name);
        self.quoted(|out| out.extend_from_slice(word));
    }

    pub(super) fn number(&mut self, name: &str, number: u64) {
        self.name(name);
        put_number(self.out, number);
    }

    pub(super) fn ip(&mut self, name: &str, address: IpAddr) {
        self.name(name);
        self.quoted(|out| put_ip(out, address.to_canonical()));
    }

    pub(super) fn address(&mut self, name: &str, address: SocketAddr) {
        self.name(name);
        self.quoted(|out| {
            match address.ip().to_canonical() {
                IpAddr::V4(v4) => put_ip(out, v4.into()),
                IpAddr::V6(v6) => put(out, format_args!("[{v6}]")),
            }
            out.push(b':');
            put_number(out, address.port().into());
        });
    }

    pub(super) fn shown(&mut self, name: &str, value: impl std::fmt::Display) {
        self.name(name);
        self.quoted(|out| put(out, format_args!("{value}")));
    }

    pub(super) fn object(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.name(name);
        let mut inner = Object::open(self.out);
        fill(&mut inner);
        inner.close();
    }

    /// Names are our own, or names of fields, which have neither quotes nor backslashes in them.
    fn name(&mut self, name: &str) {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
        self.quoted(|out| out.extend_from_slice(name.as_bytes()));
        self.out.push(b':');
    }

    fn quoted(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        self.out.push(b'"');
        fill(self.out);
        self.out.push(b'"');
    }
}

/// Any bytes, as a string that a terminal may show too. What is no UTF-8 becomes U+FFFD, as
/// [`String::from_utf8_lossy`] has it.
pub(super) fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    let shown = &bytes[..cut(bytes)];
    out.push(b'"');
    // Nearly all text is this.
    if shown.iter().all(|byte| is_plain(*byte)) {
        out.extend_from_slice(shown);
    } else {
        for chunk in shown.utf8_chunks() {
            escaped(out, chunk.valid());
            if !chunk.invalid().is_empty() {
                out.extend_from_slice(b"\\ufffd");
            }
        }
    }
    if shown.len() < bytes.len() {
        out.extend_from_slice("…[".as_bytes());
        put_number(out, (bytes.len() - shown.len()) as u64);
        out.extend_from_slice(b" more]");
    }
    out.push(b'"');
}

/// Where text is cut: not within a character.
fn cut(bytes: &[u8]) -> usize {
    if bytes.len() <= MAX_TEXT {
        return bytes.len();
    }
    // The longest character has four bytes, all but the first of which go on.
    let goes_on = |at: &usize| bytes[*at] & 0b1100_0000 == 0b1000_0000;
    (MAX_TEXT - 3..=MAX_TEXT).rev().find(|at| !goes_on(at)).unwrap_or(MAX_TEXT)
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn escaped(out: &mut Vec<u8>, text: &str) {
    let mut plain_from = 0;
    for (at, character) in text.char_indices() {
        let is_special = character == '"' || character == '\\' || character.is_control();
        if !is_special {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[plain_from..at]);
        plain_from = at + character.len_utf8();
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            // C0, DEL and C1: none is over U+009F.
            control => {
                let code = control as usize;
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[DIGITS[code >> 4 & 15], DIGITS[code & 15]]);
            }
        }
    }
    out.extend_from_slice(&text.as_bytes()[plain_from..]);
}

pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut from = digits.len();
    loop {
        from -= 1;
        digits[from] = DIGITS[(number % 10) as usize];
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[from..]);
}

fn put_ip(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            for (n, octet) in v4.octets().into_iter().enumerate() {
                if n > 0 {
                    out.push(b'.');
                }
                put_number(out, octet.into());
            }
        }
        IpAddr::V6(v6) => put(out, format_args!("{v6}")),
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a Vec does not fail.
    let _ = out.write_fmt(text);
}

//! Chunks (RFC 9112, 7.1) taken off, byte by byte where it must be and in one move where it can.

use super::Malformed;

/// Digits of a size: more would not fit 64 bits, leading zeros included.
const DIGITS: u8 = 16;
/// Bytes of a chunk's extensions: nobody needs them, so they are passed over, and bounded.
const EXTENSION: u32 = 4 << 10;
/// Bytes of trailers.
const TRAILERS: usize = 16 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In the digits of a size, of which there have been so many.
    Size {
        so_far: u64,
        digits: u8,
    },
    /// Behind them, where white space may stand (RFC 9112, 7.1.1: BWS) before an extension,
    AfterSize {
        size: u64,
    },
    /// in an extension: so many bytes of it, perhaps inside of quotes.
    Extension {
        size: u64,
        bytes: u32,
        quoted: bool,
        escaped: bool,
    },
    /// At the LF of a size's line.
    SizeLf {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    /// In a trailer's line, or at the last empty one, which has had so many bytes.
    Trailer {
        line: u32,
    },
    TrailerLf {
        line: u32,
    },
    Done,
}

#[derive(Debug)]
pub(crate) struct Chunks {
    at: At,
    /// Whole lines, the last empty one left out.
    trailers: Vec<u8>,
}

impl Chunks {
    pub(super) fn new() -> Chunks {
        Chunks { at: At::Size { so_far: 0, digits: 0 }, trailers: Vec::new() }
    }

    /// Whether a body may begin so: for whoever has not said yet that there is one.
    pub(super) fn begin(bytes: &[u8]) -> Result<(), Malformed> {
        let mut chunks = Chunks::new();
        for byte in bytes {
            chunks.step(*byte)?;
            if matches!(chunks.at, At::Data { .. } | At::Done) {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn is_done(&self) -> bool {
        self.at == At::Done
    }

    pub(super) fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Takes the framing off: content is moved to the front of `bytes`. How much of it there is, and how many bytes were
    /// taken: all of them, unless the end was among them.
    pub(super) fn take(&mut self, bytes: &mut [u8]) -> Result<(usize, usize), Malformed> {
        let (mut content, mut i) = (0, 0);
        while i < bytes.len() && self.at != At::Done {
            if let At::Data { left } = self.at {
                let n = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - i);
                if content != i {
                    bytes.copy_within(i..i + n, content);
                }
                (content, i) = (content + n, i + n);
                let left = left - n as u64;
                self.at = if left == 0 { At::DataCr } else { At::Data { left } };
                continue;
            }
            self.step(bytes[i])?;
            i += 1;
        }
        Ok((content, i))
    }

    fn step(&mut self, byte: u8) -> Result<(), Malformed> {
        self.at = match (self.at, byte) {
            (At::Size { so_far, digits }, byte) if byte.is_ascii_hexdigit() => {
                if digits == DIGITS {
                    return Err(Malformed::syntax("a chunk's size is larger than 64 bits count"));
                }
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                At::Size { so_far: so_far << 4 | u64::from(digit), digits: digits + 1 }
            }
            (At::Size { so_far: size, digits: 1.. } | At::AfterSize { size }, byte) => {
                after_size(size, byte)?
            }
            (At::Extension { size, bytes, quoted, escaped }, byte) => {
                extension(size, bytes, quoted, escaped, byte)?
            }
            (At::SizeLf { size: 0 }, b'\n') => At::Trailer { line: 0 },
            (At::SizeLf { size }, b'\n') => At::Data { left: size },
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => At::Size { so_far: 0, digits: 0 },
            (At::Trailer { line }, b'\r') => At::TrailerLf { line },
            (At::Trailer { line }, byte) if is_text(byte) => {
                self.keep(byte)?;
                At::Trailer { line: line + 1 }
            }
            (At::TrailerLf { line: 0 }, b'\n') => At::Done,
            (At::TrailerLf { .. }, b'\n') => {
                self.keep(b'\r')?;
                self.keep(b'\n')?;
                At::Trailer { line: 0 }
            }
            (At::Size { .. }, _) => {
                return Err(Malformed::syntax("a chunk begins without its size in hexadecimal"));
            }
            (At::DataCr | At::DataLf, _) => {
                return Err(Malformed::syntax("a chunk has more bytes than its size says"));
            }
            _ => {
                return Err(Malformed::syntax(
                    "a chunk's lines do not end with CR LF, or have control bytes",
                ));
            }
        };
        Ok(())
    }

    fn keep(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.trailers.len() == TRAILERS {
            return Err(Malformed::too_large("the trailers have more than 16 KiB; send less"));
        }
        self.trailers.push(byte);
        Ok(())
    }
}

fn after_size(size: u64, byte: u8) -> Result<At, Malformed> {
    match byte {
        b' ' | b'\t' => Ok(At::AfterSize { size }),
        b';' => Ok(At::Extension { size, bytes: 0, quoted: false, escaped: false }),
        b'\r' => Ok(At::SizeLf { size }),
        _ => Err(Malformed::syntax(
            "a chunk's size is followed by what is no extension; write digits and CR LF",
        )),
    }
}

fn extension(size: u64, bytes: u32, quoted: bool, escaped: bool, byte: u8) -> Result<At, Malformed> {
    // A CR inside of quotes ends the line for some readers and not for others, so it is nowhere allowed.
    match byte {
        b'\r' if !quoted => Ok(At::SizeLf { size }),
        _ if !is_text(byte) => Err(Malformed::syntax("a chunk's extension has a control byte")),
        _ if bytes == EXTENSION => Err(Malformed::too_large("a chunk's extensions have more than 4 KiB")),
        _ => {
            let (quoted, escaped) = match (byte, escaped) {
                (b'"', false) => (!quoted, false),
                (b'\\', false) => (quoted, quoted),
                // What follows a backslash is itself (RFC 9110, 5.6.4).
                _ => (quoted, false),
            };
            Ok(At::Extension { size, bytes: bytes + 1, quoted, escaped })
        }
    }
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

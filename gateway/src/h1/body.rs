//! A body's framing, taken off and put on.

use super::chunk::Chunks;
use super::{Length, Malformed};

/// What [`Encoder::around`] may write before content: a size in hexadecimal and its line's end.
pub(crate) const HEADROOM: usize = 18;
/// And after it: the line's end, and the last chunk.
pub(crate) const TAILROOM: usize = 7;

/// Reads a body to its end, in whichever framing it comes.
#[derive(Debug)]
pub(crate) enum Decoder {
    Known { left: u64 },
    Chunked(Box<Chunks>),
    UntilClose { ended: bool },
}

/// What some bytes of a body came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// Content: so many bytes, which now stand at the front.
    pub(crate) content: usize,
    /// Bytes that belonged to the body; those behind it are the next message's.
    pub(crate) taken: usize,
}

impl Decoder {
    pub(crate) fn new(length: Length) -> Decoder {
        match length {
            Length::Known(left) => Decoder::Known { left },
            Length::Chunked => Decoder::Chunked(Box::new(Chunks::new())),
            Length::UntilClose => Decoder::UntilClose { ended: false },
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        match self {
            Decoder::Known { left } => *left == 0,
            Decoder::Chunked(chunks) => chunks.is_done(),
            Decoder::UntilClose { ended } => *ended,
        }
    }

    pub(crate) fn take(&mut self, bytes: &mut [u8]) -> Result<Decoded, Malformed> {
        match self {
            Decoder::Known { left } => {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= n as u64;
                Ok(Decoded { content: n, taken: n })
            }
            Decoder::Chunked(chunks) => {
                let (content, taken) = chunks.take(bytes)?;
                Ok(Decoded { content, taken })
            }
            Decoder::UntilClose { .. } => Ok(Decoded { content: bytes.len(), taken: bytes.len() }),
        }
    }

    /// The connection has ended; false if that is in the middle of the body.
    pub(crate) fn end(&mut self) -> bool {
        if let Decoder::UntilClose { ended } = self {
            *ended = true;
        }
        self.is_done()
    }

    /// Bytes that will come as they are, if that is known.
    pub(crate) fn plain(&self) -> Option<u64> {
        match self {
            Decoder::Known { left } => Some(*left),
            Decoder::Chunked(_) => None,
            Decoder::UntilClose { .. } => Some(u64::MAX),
        }
    }

    /// They went by without being looked at.
    pub(crate) fn passed(&mut self, bytes: u64) {
        if let Decoder::Known { left } = self {
            *left = left.saturating_sub(bytes);
        }
    }

    /// Field lines behind the last chunk, each with its end.
    pub(crate) fn trailers(&self) -> &[u8] {
        match self {
            Decoder::Chunked(chunks) => chunks.trailers(),
            Decoder::Known { .. } | Decoder::UntilClose { .. } => &[],
        }
    }
}

/// Writes a body in the framing that its head has announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoder {
    /// As it is: its length was said, or its end is the connection's.
    Plain,
    Chunked,
}

impl Encoder {
    pub(crate) fn new(length: Length) -> Encoder {
        match length {
            Length::Known(_) | Length::UntilClose => Encoder::Plain,
            Length::Chunked => Encoder::Chunked,
        }
    }

    /// The framing around content that stands in `buffer` at [`HEADROOM`], with [`TAILROOM`] behind it; where the whole
    /// then stands. The last chunk only where no trailers follow: those go by [`Self::end`].
    pub(crate) fn around(self, buffer: &mut [u8], content: usize, last: bool) -> std::ops::Range<usize> {
        let end = HEADROOM + content;
        match self {
            Encoder::Plain => HEADROOM..end,
            Encoder::Chunked if content == 0 => {
                let tail: &[u8] = if last { b"0\r\n\r\n" } else { b"" };
                buffer[HEADROOM..HEADROOM + tail.len()].copy_from_slice(tail);
                HEADROOM..HEADROOM + tail.len()
            }
            Encoder::Chunked => {
                let tail: &[u8] = if last { b"\r\n0\r\n\r\n" } else { b"\r\n" };
                buffer[end..end + tail.len()].copy_from_slice(tail);
                let mut from = HEADROOM - 2;
                buffer[from..HEADROOM].copy_from_slice(b"\r\n");
                let mut rest = content;
                while rest > 0 {
                    from -= 1;
                    buffer[from] = b"0123456789abcdef"[rest & 15];
                    rest >>= 4;
                }
                from..end + tail.len()
            }
        }
    }

    /// What stands before content that is written from where it is,
    pub(crate) fn before(self, content: usize, out: &mut Vec<u8>) {
        if self == Encoder::Chunked && content > 0 {
            let mut frame = [0; HEADROOM];
            let mut at = HEADROOM - 2;
            frame[at..].copy_from_slice(b"\r\n");
            let mut rest = content;
            while rest > 0 {
                at -= 1;
                frame[at] = b"0123456789abcdef"[rest & 15];
                rest >>= 4;
            }
            out.extend_from_slice(&frame[at..]);
        }
    }

    /// and behind it.
    pub(crate) fn after(self, content: usize, last: bool) -> &'static [u8] {
        match (self, content > 0, last) {
            (Encoder::Plain, ..) | (Encoder::Chunked, false, false) => b"",
            (Encoder::Chunked, true, false) => b"\r\n",
            (Encoder::Chunked, true, true) => b"\r\n0\r\n\r\n",
            (Encoder::Chunked, false, true) => b"0\r\n\r\n",
        }
    }

    /// The end, with trailers: whole field lines.
    pub(crate) fn end(self, trailers: &[u8], out: &mut Vec<u8>) {
        if self == Encoder::Chunked {
            out.extend_from_slice(b"0\r\n");
            out.extend_from_slice(trailers);
            out.extend_from_slice(b"\r\n");
        }
    }
}

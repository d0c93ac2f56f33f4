//! The field `traceparent`: `version-traceid-parentid-flags`, in lower-case hexadecimal (3.2).

use std::fmt;

/// What a new trace is made of: its id, and that of its first span.
pub type Random = [u8; 24];

/// A trace, and the span of it that a request comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    trace: [u8; 16],
    span: [u8; 8],
    sampled: bool,
}

/// Version 00 is as long as that, and every later one begins with as much.
const LENGTH: usize = 55;
const SAMPLED: u8 = 1;

impl TraceParent {
    /// A new trace.
    pub fn new(random: Random, sampled: bool) -> TraceParent {
        let (mut trace, mut span) = ([0; 16], [0; 8]);
        trace.copy_from_slice(&random[..16]);
        span.copy_from_slice(&random[16..]);
        TraceParent { trace: valid(trace), span: valid(span), sampled }
    }

    /// Reads a field. `None`: it breaks a rule of 3.2.2, and whoever receives it begins a new trace.
    pub fn parse(field: &[u8]) -> Option<TraceParent> {
        let (head, rest) = field.split_at_checked(LENGTH)?;
        let dashes = [2, 35, 52].iter().all(|at| head[*at] == b'-');
        let [version] = hex(&head[..2])?;
        // 3.2.2.1 forbids ff. A later version may go on after a dash, 00 may not (4.3).
        let goes_on_well = match version {
            0xff => false,
            0 => rest.is_empty(),
            _ => rest.is_empty() || rest[0] == b'-',
        };
        if !dashes || !goes_on_well {
            return None;
        }
        let (trace, span, [flags]) = (hex(&head[3..35])?, hex(&head[36..52])?, hex(&head[53..])?);
        let exist = trace != [0; 16] && span != [0; 8];
        exist.then_some(TraceParent { trace, span, sampled: flags & SAMPLED != 0 })
    }

    /// The same trace, from another span of it; one of zeros only is no span and becomes one.
    pub fn child(self, span: [u8; 8]) -> TraceParent {
        TraceParent { span: valid(span), ..self }
    }

    /// Whether whoever began it may have recorded it (3.2.2.5.1).
    pub fn is_sampled(self) -> bool {
        self.sampled
    }

    /// The field, in version 00 and without flags that it does not know (3.2.2.5.2).
    pub fn text(self) -> [u8; LENGTH] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        text[3..35].copy_from_slice(&self.trace_id());
        text[36..52].copy_from_slice(&self.span_id());
        text[54] += u8::from(self.sampled);
        text
    }

    /// In hexadecimal, as in [`TraceParent::text`].
    pub fn trace_id(self) -> [u8; 32] {
        digits(self.trace)
    }

    /// Of the span that the request comes from; in hexadecimal.
    pub fn span_id(self) -> [u8; 16] {
        digits(self.span)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().iter().try_for_each(|byte| write!(f, "{}", char::from(*byte)))
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// All zeros is no id.
fn valid<const N: usize>(mut id: [u8; N]) -> [u8; N] {
    if id == [0; N] {
        id[N - 1] = 1;
    }
    id
}

/// Exactly `N` bytes in lower-case digits.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    (text.len() == 2 * N).then_some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// Without a table to look in, so that the compiler does many at once.
fn digit_of(value: u8) -> u8 {
    value + if value < 10 { b'0' } else { b'a' - 10 }
}

fn digits<const N: usize, const M: usize>(bytes: [u8; N]) -> [u8; M] {
    let mut text = [0; M];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit_of(byte >> 4), digit_of(byte & 15)]);
    }
    text
}

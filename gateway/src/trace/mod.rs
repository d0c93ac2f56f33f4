//! W3C Trace Context, level 1 (w3.org/TR/trace-context): which trace a request belongs to. Section numbers in this folder
//! are those of that text.
//!
//! ```text
//! traceparent of the request ─► traced ─┬─ theirs   both fields go on as they came
//!                                       └─ ours     both are taken away, a new traceparent is added
//! ```
//!
//! - The gateway makes no span of its own, so a valid `traceparent` is passed on to the byte: a new parent id would name a
//!   span that nobody ever sends to a collector. The log has the trace id of every request.
//! - One that is invalid, missing or there twice begins a new trace, and its `tracestate` goes (2.2.4, 3.2): it belongs to
//!   a trace that nobody knows.
//! - No I/O, no allocation. Randomness is an argument.

mod parent;

pub use self::parent::{Random, TraceParent};

/// The trace of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traced {
    pub parent: TraceParent,
    pub origin: Origin,
}

/// Who began a trace, which says what becomes of `traceparent` and `tracestate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The client, or somebody before it: both fields are passed on as they came.
    Theirs,
    /// The gateway: both are taken away, and `traceparent` is [`TraceParent::text`].
    Ours,
}

/// Which trace a request with these `traceparent` fields belongs to, each without the white space around it. A new one is
/// made of `random`, and its flag says whether this exchange is `sampled`.
pub fn traced<'a>(
    fields: impl IntoIterator<Item = &'a [u8]>,
    random: impl FnOnce() -> Random,
    sampled: bool,
) -> Traced {
    let mut fields = fields.into_iter();
    let theirs = match (fields.next(), fields.next()) {
        (Some(field), None) => TraceParent::parse(field),
        _ => None,
    };
    match theirs {
        Some(parent) => Traced { parent, origin: Origin::Theirs },
        None => Traced { parent: TraceParent::new(random(), sampled), origin: Origin::Ours },
    }
}

#[cfg(test)]
mod tests;

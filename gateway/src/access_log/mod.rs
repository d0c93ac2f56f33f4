//! The access log: a line of JSON for each HTTP exchange, in the schema of docs/access-log.md.
//!
//! ```text
//! engine ─► Recorder (one a worker) ─► sampled? ─► line ─► buffer ─ full, or twice a second ─► queue ─► Writer (a thread)
//! ```
//!
//! - **Traffic never waits.** A line is written into the worker's own buffer. Full buffers go over one bounded queue to one
//!   thread, which alone touches the file. While that is slow the queue fills, whole buffers are dropped, and their lines
//!   are counted.
//! - **Nothing is lost that could be kept.** [`Recorder::tick`] hands over what waits; [`Recorder::finish`] does so at the
//!   worker's end, and [`Writer::finish`] waits for the file.
//! - **A line is valid JSON whatever the client sent**, and bounded: text is escaped, and cut at [`MAX_TEXT`].
//! - The schema has a number. Within one, fields are only added; what exists keeps its meaning.

mod entry;
mod file;
mod json;
mod line;
mod recorder;
mod sample;
mod state;
mod time;
mod writer;

pub use self::entry::{End, Entry, Instance, Protocol, Route, Tls};
pub use self::json::MAX_TEXT;
pub use self::recorder::{AccessLog, Recorder};
pub use self::state::State;
pub use self::writer::Writer;

/// `v` of each line.
const SCHEMA: u64 = 1;

#[cfg(test)]
mod tests;

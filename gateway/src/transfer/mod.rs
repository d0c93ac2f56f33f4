//! Everything that a registry has, in one file, and from there into another registry.
//!
//! ```text
//! Kv::list ─► Lines (text and checksum) ─► file ─► Reader (all of it checked) ─► plan (pure) ─► import (transactions)
//! ```
//!
//! The file is JSON lines, for `less` and `jq`:
//!
//! ```text
//! {"roundhouse_export":1,"origin":"cdf8…","prefix":"/roundhouse/v1","revision":17,"at":1763694008,"entries":2}
//! {"key":"jobs/app2","value":{…},"created":5,"revision":17}
//! {"key":"vips/app2","value":{"offset":1},"created":6,"revision":6}
//! {"entries":2,"sha256":"9f86…"}
//! ```
//!
//! - The last line counts the entries and hashes every byte before it: a file that was cut short or altered is refused
//!   before anything is written.
//! - Every record moves, whatever its kind, certificates' keys and tokens too; so the file is its owner's alone. What a
//!   live gateway or director says of itself (`gateways/`, `directors/`, `leaders/`) stays behind: on the new registry they
//!   say it themselves.
//! - What was held by a lease moves under ONE fresh lease, the grace: a gateway on the new registry serves it at once,
//!   and a registrar that comes there takes its own keys over, since its UUID is the same. Who has not come when the
//!   grace ends is gone. (An entry does not say how long its lease was, so there is one class of them.)
//! - An import can be repeated: what is there already and equal is passed over. So one that was interrupted is
//!   continued by running it again.

mod check;
mod format;
mod import;
mod plan;
mod pools;
mod read;
mod report;
#[cfg(test)]
mod tests;

use roundhouse_registry::kv::Entry;

pub use self::check::{Misfit, misfits};
pub use self::format::Lines;
pub use self::import::{Grace, ImportError, Options, Progress, import};
pub use self::plan::{Conflict, Mode};
pub use self::read::{Contents, MAX_BYTES, ReadError, Reader};
pub use self::report::{Count, Report, list};

/// The layout of the file. A reader refuses another one.
const VERSION: u32 = 1;

/// What lives only as long as the program that wrote it, in the registry where it wrote it.
const PRESENCE: [&str; 3] = ["gateways", "directors", "leaders"];

fn moves(entry: &Entry) -> bool {
    !PRESENCE.contains(&kind(&entry.key))
}

/// The first part of a key: `jobs` of `jobs/app2`.
fn kind(key: &str) -> &str {
    key.split_once('/').map_or(key, |(kind, _)| kind)
}

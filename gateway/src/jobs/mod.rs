//! Jobs files: from what a file says to what the registry has.
//!
//! ```text
//! JobsFile ─► Desired (hosts looked up) ─┐
//!                                        ├─► plan (pure) ─► changes ─► written: by the CLI over the API (`apply`),
//!       API or Snapshot ─► Current ──────┘                             or here, by the Registry (a watched file)
//! ```
//!
//! A file named in the settings (`[jobs] files`) is applied when the gateway starts and whenever it changes:
//!
//! ```text
//! Watched: a look every second ─► changed, and the same twice? ─► read ─► Application: job by job ─► Shared::jobs_files
//!                                                                  │          └─ failed: again, with back-off
//!                                                                  └─ wrong: told in log and status, nothing is touched
//! ```
//!
//! - What is left out of a file follows `apply`'s rule: jobs and domains stay. A static instance that vanishes from it is
//!   deregistered if the file put it; [`owner`] says how that is known.
//! - A file that is broken, empty or gone changes nothing: the last good state stays, and `GET /v1/status` says why.
//! - Gateways that watch the same file do not fight: each writes only what differs, under the condition that it has not
//!   changed since, and looks again if it has. The second one finds nothing to do.
//! - A label is in one file: the first of the settings that has it.

mod application;
mod current;
mod desired;
mod fields;
mod file;
mod owner;
mod plan;
mod status;
mod watched;

pub(crate) use self::current::{Current, Stored};
pub(crate) use self::desired::Desired;
pub(crate) use self::fields::differences;
pub(crate) use self::file::check;
pub(crate) use self::plan::{Action, Change, Record, Subject, plan};
pub(crate) use self::status::Status;
pub(crate) use self::watched::watch;

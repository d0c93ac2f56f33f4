//! `roundhouse registry export`, `import` and `diff`: everything from one registry to another.
//!
//! ```text
//! export  Place ─► Lines ─► a new file (0600) ─► checked as an import would ─► renamed into place
//! import  file ─► Reader (all of it) ─► Place: transactions, or POST /v1/import
//! ```
//!
//! [`Place`] is the registry: by a running gateway's API (`--server`), or directly (`--config`, `--registry`). What the
//! file says and what an import does is [`crate::transfer`]'s.

mod export;
mod import;
mod place;
mod remote;

use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};

use self::place::Direct;
use super::server::Server;
use super::{Outcome, Output};
use crate::transfer::{Grace, Mode};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RegistryCommand {
    /// Write everything to a file that only its owner can read: certificates' keys and tokens are in it.
    Export {
        /// `-`: to stdout.
        file: PathBuf,
        #[command(flatten)]
        from: Direct,
    },
    /// Write everything that a file has to a registry. Run again after an interruption, it goes on from there.
    Import {
        file: PathBuf,
        #[command(flatten)]
        to: Direct,
        #[command(flatten)]
        how: How,
        /// Print what would be done, and do nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Show by kind what `import` would write (exit status 2: something).
    Diff {
        file: PathBuf,
        #[command(flatten)]
        to: Direct,
        #[command(flatten)]
        how: How,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct How {
    /// Into a registry that has other records too; what is in the file as well must be equal.
    #[arg(long, conflicts_with = "replace")]
    merge: bool,
    /// As --merge, but what is in the file becomes as it is there. Deletes nothing.
    #[arg(long)]
    replace: bool,
    /// How long instances and other leased records stay while their registrars are awaited.
    #[arg(long, default_value_t)]
    grace: Grace,
    /// Move records that would be quarantined as they are, instead of refusing the file.
    #[arg(long)]
    quarantined: bool,
}

impl How {
    fn mode(&self) -> Mode {
        match (self.merge, self.replace) {
            (true, _) => Mode::Merge,
            (_, true) => Mode::Replace,
            (false, false) => Mode::Fresh,
        }
    }
}

pub(super) async fn run(
    command: RegistryCommand,
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    match command {
        RegistryCommand::Export { file, from } => {
            export::export(&file, from.place(server)?, output, out).await
        }
        RegistryCommand::Import { file, to, how, dry_run } => {
            import::import(&file, to.place(server)?, &how, dry_run, output, out).await?;
            Ok(Outcome::Ok)
        }
        RegistryCommand::Diff { file, to, how } => {
            let report = import::import(&file, to.place(server)?, &how, true, output, out).await?;
            Ok(if report.changes() { Outcome::Different } else { Outcome::Ok })
        }
    }
}

/// Seconds since the epoch.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

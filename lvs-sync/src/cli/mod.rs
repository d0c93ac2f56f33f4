//! The command line.
//!
//! ```text
//! run                    until SIGTERM: each sink kept equal to the registry
//! plan, apply --once     what would be done, and doing it, without anybody staying
//! status, adopt, release of a director that runs, or of the state file of one that does not
//! ```
//!
//! Answers go to stdout, what went wrong to stderr. Exit status: 0 it is so, 1 something failed or a pool has a problem,
//! 2 `plan` has changes.

mod lead;
mod once;
mod options;
mod ownership;
mod shown;
mod status;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use roundhouse_config::DirectorSettings;
use tracing_subscriber::EnvFilter;

use self::options::{Command, CommandLine};
use crate::run;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Ok,
    /// And every reason was printed.
    Failed,
    Different,
}

pub fn main() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(message) => {
            // clap would say 2 for a wrong command line, which here means changes.
            let wrong = message.use_stderr();
            let _ = message.print();
            return ExitCode::from(u8::from(wrong));
        }
    };
    match execute(&line, &mut io::stdout()) {
        Ok(Outcome::Ok) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::from(1),
        Ok(Outcome::Different) => ExitCode::from(2),
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn execute(line: &CommandLine, out: &mut impl Write) -> anyhow::Result<Outcome> {
    let settings = DirectorSettings::from_file(&line.config).with_context(|| {
        format!("{} cannot be used; name another file with --config", line.config.display())
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match &line.command {
        Command::Run => {
            log();
            runtime.block_on(run::run(settings)).map(|()| Outcome::Ok)
        }
        Command::Plan { force, table } => {
            runtime.block_on(once::plan(&settings, *force, *table, line.output, out))
        }
        Command::Apply { once: _, force } => {
            runtime.block_on(once::apply(&settings, *force, line.output, out))
        }
        Command::Status => runtime.block_on(status::status(&settings, line.output, out)),
        Command::Adopt(which) => runtime.block_on(ownership::adopt(&settings, which, line.output, out)),
        Command::Release(which) => runtime.block_on(ownership::release(&settings, which, line.output, out)),
    }
}

fn log() {
    let filter = EnvFilter::try_from_env("LVS_SYNC_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let colour = io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colour).init();
}

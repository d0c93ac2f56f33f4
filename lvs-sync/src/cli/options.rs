//! What can be said.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::model::ServiceKey;

/// Makes load-balancer tables (IPVS, nftables, HAProxy, AWS) equal to the registry.
#[derive(Debug, Parser)]
#[command(name = "lvs-sync", version, arg_required_else_help = true)]
pub(super) struct CommandLine {
    /// Its settings.
    #[arg(
        long,
        global = true,
        env = "LVS_SYNC_CONFIG",
        default_value = "lvs-sync.toml",
        value_name = "FILE"
    )]
    pub(super) config: PathBuf,
    /// How answers are printed.
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Table)]
    pub(super) output: Output,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Keep the sinks equal to the registry until SIGTERM or Ctrl-C. What is programmed stays then.
    Run,
    /// Print what would be done, and do nothing (exit status 2: something).
    Plan {
        /// As if somebody had looked twice: what vanished is believed to be gone.
        #[arg(long)]
        force: bool,
        /// Print the whole of what the sinks shall hold instead, as `ipvsadm -Sn` would.
        #[arg(long)]
        table: bool,
    },
    /// Make the sinks equal to the registry once, and end. What drains is left to the next time.
    Apply {
        /// So that nobody believes that it goes on.
        #[arg(long, required = true)]
        once: bool,
        /// What vanished is believed to be gone, without a second look.
        #[arg(long)]
        force: bool,
    },
    /// Show what the director on this host does.
    Status,
    /// Take over services that somebody else has made, as they are: from then on they are ours.
    Adopt(Which),
    /// Give up services: they stay as they are, and are not ours any more.
    Release(Release),
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// As `plan` names them: tcp/203.0.113.10:80, fwmark/7/v4, group/blog.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(super) services: Vec<ServiceKey>,
    /// Every service that a pool wants.
    #[arg(long)]
    pub(super) all: bool,
}

#[derive(Debug, Args)]
pub(super) struct Release {
    #[command(flatten)]
    pub(super) which: Which,
    /// Remove them from the sink too, without draining.
    #[arg(long)]
    pub(super) remove: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn what_could_be_taken_for_something_else_is_refused() {
        let taken = |words: &[&str]| CommandLine::try_parse_from(["lvs-sync"].iter().chain(words)).is_ok();
        assert!(taken(&["apply", "--once"]) && taken(&["plan", "-o", "json"]) && taken(&["adopt", "--all"]));
        assert!(taken(&["release", "tcp/203.0.113.10:80", "--remove"]));
        assert!(!taken(&["apply"]) && !taken(&["adopt"]) && !taken(&["adopt", "203.0.113.10:80"]));
        assert!(!taken(&["release", "--all", "group/blog"]));
    }
}

//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use roundhouse_config::{JobName, Selector, duration};
use roundhouse_registry::record::{Name, Network, Role};

use super::access::AccessCommand;
use super::cert::CertCommand;
use super::connections::{CloseOptions, Which};
use super::domain::DomainCommand;
use super::get::What;
use super::guard::GuardCommand;
use super::pool::PoolCommand;
use super::registry::RegistryCommand;
use super::rule::RuleCommand;
use crate::sample::SampleOptions;
use crate::tour::TourOptions;

/// Service-discovery gateway and L4/L7 load balancer.
#[derive(Debug, Parser)]
#[command(name = "roundhouse", version, arg_required_else_help = true)]
pub(super) struct CommandLine {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Args)]
pub(super) struct Global {
    /// The gateway to ask: its admin address.
    #[arg(long, global = true, env = "ROUNDHOUSE_SERVER", default_value = "http://127.0.0.1:8400")]
    pub(super) server: String,
    /// Who signed the certificate of an https:// gateway, in PEM [default: whom the system trusts].
    #[arg(long, global = true, env = "ROUNDHOUSE_CA", value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
    /// The file that holds the token [default: ROUNDHOUSE_TOKEN, or the file that ROUNDHOUSE_TOKEN_FILE names].
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// How answers are printed.
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Table)]
    pub(super) output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the gateway until SIGTERM or Ctrl-C.
    Run {
        /// Its settings; defaults without one.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Wait for a registry that is not there yet, instead of ending with an error.
        #[arg(long)]
        wait: bool,
    },
    /// Say everything that is wrong with settings (.toml), rules files (.toml with [[rule]] or [[guard]]) or jobs files.
    Check {
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Make the registry as a jobs file, or a rules file (.toml), says. What is not in the file is left alone.
    Apply {
        file: PathBuf,
        /// For rules files: delete the rules that are not in the file. Guards stay.
        #[arg(long)]
        prune: bool,
        /// Print what would be done, and do nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Show what `apply` would change, field by field (exit status 2: something).
    Diff {
        file: PathBuf,
        /// As with `apply --prune`.
        #[arg(long)]
        prune: bool,
    },
    /// List what there is.
    Get(GetOptions),
    /// Show one job with its instances: `describe job app2`, or `describe app2`.
    Describe {
        #[arg(required = true, num_args = 1..=2, value_name = "JOB")]
        words: Vec<String>,
    },
    /// Give an instance no new work: app2/<id>, the beginning of an id, or app2/<address:port>.
    Drain { instance: String },
    /// Give an instance work again.
    Undrain { instance: String },
    /// End live connections: those of a job, an instance or a client, one by its id, or all.
    Close(CloseOptions),
    /// What is served although the registry no longer has it: list it with `get holds`, end it with `holds release`.
    #[command(subcommand)]
    Holds(HoldsCommand),
    /// Make and revoke the API's tokens; `get tokens` lists them.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Public host names and where they lead; `get domains` lists them.
    #[command(subcommand)]
    Domain(DomainCommand),
    /// Certificates of domains; `get certs` lists them.
    #[command(subcommand)]
    Cert(CertCommand),
    /// Access rules: who may or may not reach which job; `get rules` lists them.
    #[command(subcommand)]
    Rule(RuleCommand),
    /// Jobs that let in only whom a rule lets in; `get guards` lists them.
    #[command(subcommand)]
    Guard(GuardCommand),
    /// What is published at VIPs of carrier lines; `get pools` lists it.
    #[command(subcommand)]
    Pool(Box<PoolCommand>),
    /// What the access rules make of a peer.
    #[command(subcommand)]
    Access(AccessCommand),
    /// Say where a name, an address or a URL leads, and why (exit status 1: nowhere).
    Explain(ExplainOptions),
    /// Move everything that the registry has: export it to a file, import it from one.
    #[command(subcommand)]
    Registry(RegistryCommand),
    /// Serve something to try the gateway on: HTTP requests are answered, anything else is echoed.
    Sample(SampleOptions),
    /// Start a gateway with the jobs of a jobs file, and say what to try.
    Tour(TourOptions),
}

#[derive(Debug, Args)]
pub(super) struct GetOptions {
    pub(super) what: What,
    #[command(flatten)]
    pub(super) which: Which,
    /// Connections that are listed at most, up to 10000 [default: 1000].
    #[arg(long, value_name = "COUNT")]
    pub(super) limit: Option<usize>,
}

#[derive(Debug, Subcommand)]
pub(super) enum HoldsCommand {
    /// Believe the registry: stop serving what it no longer has.
    Release {
        /// A job (app2), one of its instances (app2/<id>), or a record (domains/blog.coding.net).
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        what: Option<String>,
        /// Everything that is held.
        #[arg(long)]
        all: bool,
    },
    /// Write back the records that the registry lost with its history. Instances come back by themselves.
    Restore,
}

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token and print its text, once: it is kept nowhere.
    Add(NewToken),
    /// Revoke a token; whoever uses it is cut off within a second.
    Rm { id: Name },
}

#[derive(Debug, Args)]
pub(super) struct NewToken {
    pub(super) id: Name,
    /// read, register (own instances only), operate (everything but tokens and keys), hub (reads keys) or admin.
    #[arg(long, value_parser = role)]
    pub(super) role: Role,
    /// Where it may be used from; for `register`, where the instances may be. May be repeated [default: anywhere, and for
    /// `register` the bearer's own address].
    #[arg(long, value_delimiter = ',', value_name = "RANGE")]
    pub(super) cidr: Vec<Network>,
    /// For `register`: the only jobs, such as pdl.im_cop.coding.
    #[arg(long, value_name = "SELECTOR")]
    pub(super) jobname: Option<Selector>,
    /// How long it is good, such as 90d [default: until it is revoked].
    #[arg(long, value_parser = duration::parse, value_name = "DURATION")]
    pub(super) expires: Option<Duration>,
    /// What it is for.
    #[arg(long, default_value = "")]
    pub(super) note: String,
}

fn role(text: &str) -> Result<Role, String> {
    let found = Role::ALL.into_iter().find(|role| role.as_str() == text);
    found.ok_or_else(|| format!("write one of {}", Role::ALL.map(Role::as_str).join(", ")))
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
    fn global_options_go_anywhere() {
        let line = CommandLine::try_parse_from([
            "roundhouse",
            "get",
            "jobs",
            "-o",
            "json",
            "--server",
            "http://h:1",
        ]);
        let line = line.unwrap();
        assert_eq!((line.global.output, line.global.server.as_str()), (Output::Json, "http://h:1"));
    }

    #[test]
    fn a_close_says_what_it_closes() {
        let taken =
            |words: &[&str]| CommandLine::try_parse_from(["roundhouse", "close"].iter().chain(words)).is_ok();
        assert!(taken(&["--all"]) && taken(&["--id", "0-1"]) && taken(&["--job", "a", "--client", "::1"]));
        assert!(!taken(&[]) && !taken(&["--all", "--job", "a"]) && !taken(&["--all", "--id", "0-1"]));
    }
}

#[derive(Debug, Args)]
pub(super) struct ExplainOptions {
    /// A name with its port, a URL or an address.
    pub(super) target: String,
    /// Say too whether somebody at this address would be let in, and which rule decides.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) from: Option<IpAddr>,
    /// Whom somebody there says that it is.
    #[arg(long = "as", value_name = "JOBNAME", requires = "from")]
    pub(super) claimed: Option<JobName>,
}

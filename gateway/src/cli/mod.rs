//! The operator's commands.
//!
//! ```text
//! run, tour, sample     start something here
//! check                 read files, say everything that is wrong with them
//! apply, diff           a jobs file or a rules file ─► plan (pure) ─► the gateway's API
//! domain, cert, rule, guard, pool    one record, amended: what is there ─► what it shall be (pure) ─► the gateway's API
//! registry              everything out to a file, and in from one: by a gateway, or without
//! get, describe, drain, undrain, close, token, explain, access    ask a running gateway, over its API
//! ```
//!
//! Answers go to stdout, what went wrong to stderr; no colour, so that a pipe sees what a person sees.
//! A stderr that nobody reads changes no exit status.
//! Exit status: 0 it is so, 1 it failed, 2 `diff` found differences or `access test` a refusal.

mod access;
mod apply;
mod cert;
mod check;
mod columns;
mod connections;
mod describe;
mod domain;
mod drain;
mod explain;
mod get;
mod guard;
mod holds;
mod moment;
mod options;
mod pool;
mod registry;
mod rule;
mod rules_file;
mod run;
mod said;
mod server;
mod token;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use roundhouse_registry::State;

use self::get::What;
use self::options::{Command, CommandLine, GetOptions, Global, HoldsCommand, Output, TokenCommand};
use self::server::Server;

/// What the exit status says; errors come with their sentence instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Ok,
    /// And every reason was printed.
    Failed,
    Different,
    /// The peer would be kept out.
    Denied,
}

pub fn main() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(message) => {
            // clap would say 2 for a wrong command line, which here means differences.
            let wrong = message.use_stderr();
            let _ = message.print();
            return ExitCode::from(u8::from(wrong));
        }
    };
    match execute(line, &mut io::stdout()) {
        Ok(Outcome::Ok) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::from(1),
        Ok(Outcome::Different | Outcome::Denied) => ExitCode::from(2),
        Err(error) if reader_is_gone(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn execute(line: CommandLine, out: &mut impl Write) -> anyhow::Result<Outcome> {
    let Global { server, ca, token_file, output } = line.global;
    match line.command {
        Command::Run { config, wait } => run::run(config, wait),
        Command::Check { files } => check::check(&files, output, out),
        Command::Sample(options) => crate::sample::run(options).map(|()| Outcome::Ok),
        Command::Tour(options) => crate::tour::run(&options).map(|()| Outcome::Ok),
        command => {
            let server = Server::new(&server, ca, token_file)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(ask(command, &server, output, out))
        }
    }
}

/// The commands that talk to a gateway.
async fn ask(
    command: Command,
    server: &Server,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<Outcome> {
    match command {
        Command::Apply { file, prune, dry_run: false } => {
            apply::apply(&file, prune, server, output, out).await
        }
        Command::Apply { file, prune, dry_run: true } => {
            let outcome = apply::diff(&file, prune, server, output, out).await?;
            Ok(if outcome == Outcome::Different { Outcome::Ok } else { outcome })
        }
        Command::Diff { file, prune } => apply::diff(&file, prune, server, output, out).await,
        Command::Holds(HoldsCommand::Release { what, all: _ }) => {
            holds::release(what.as_deref(), server, output, out).await
        }
        Command::Holds(HoldsCommand::Restore) => holds::restore(server, output, out).await,
        Command::Get(GetOptions { what: What::Connections, which, limit }) => {
            connections::get(&which, limit, server, output, out).await
        }
        Command::Get(GetOptions { what, which, limit }) => {
            if which.is_given() || limit.is_some() {
                anyhow::bail!(
                    "--job, --instance, --client and --limit are for `get connections`; leave them out"
                );
            }
            get::get(what, server, output, out).await
        }
        Command::Close(options) => connections::close(&options, server, output, out).await,
        Command::Describe { words } => describe::describe(&words, server, output, out).await,
        Command::Drain { instance } => drain::set_state(&instance, State::Draining, server, out).await,
        Command::Undrain { instance } => drain::set_state(&instance, State::Up, server, out).await,
        Command::Token(TokenCommand::Add(new)) => token::add(&new, server, output, out).await,
        Command::Token(TokenCommand::Rm { id }) => token::remove(&id, server, out).await,
        Command::Domain(command) => domain::run(command, server, output, out).await,
        Command::Cert(command) => cert::run(command, server, output, out).await,
        Command::Rule(command) => rule::run(command, server, output, out).await,
        Command::Pool(command) => pool::run(*command, server, output, out).await,
        Command::Guard(command) => guard::run(command, server, output, out).await,
        Command::Access(command) => access::run(command, server, output, out).await,
        Command::Explain(options) => explain::explain(&options, server, output, out).await,
        Command::Registry(command) => registry::run(command, server, output, out).await,
        Command::Run { .. } | Command::Check { .. } | Command::Sample(_) | Command::Tour(_) => {
            Ok(Outcome::Ok)
        }
    }
}

/// `roundhouse get jobs | head` is no error.
fn reader_is_gone(error: &anyhow::Error) -> bool {
    let broken = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
    error.downcast_ref::<io::Error>().is_some_and(broken)
}

/// What the gateway finds odd about what was written, a line each.
fn warn(warnings: &serde_json::Value) {
    for warning in warnings.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str) {
        let _ = writeln!(io::stderr(), "warning: {}", columns::clean(warning));
    }
}

fn print_json(value: &serde_json::Value, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{value:#}")
}

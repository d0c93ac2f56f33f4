//! `job-init`: PID 1 that runs one command, registers it and takes it out again.
//!
//! ```text
//! options, environment, job-init.toml ─► settings ─► command ─► run ──► exit status
//!                                                               │ ▲
//!                                        actions: send, drain … │ │ facts: signals, ends, news, time
//!                                                               ▼ │
//!                                              supervise (pure)   registrar (thread, only with a registry)
//! ```
//!
//! - Signals are blocked before any thread exists and read from a signalfd by one loop, [`run`], which alone reaps.
//! - What happens next is decided by [`supervise`], which makes no system call.
//! - The command inherits what init was given: signal mask, ignored signals, descriptors ([`command`]).
//! - The registry is never in the command's way: it starts, runs and ends without one too.

mod address;
mod command;
mod environment;
mod exit;
mod file;
mod log;
mod options;
mod pool;
mod port;
mod ready;
mod register;
mod registrar;
mod rewrite;
mod run;
mod settings;
mod signal;
mod supervise;
mod sys;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use rustix::process::{getpid, set_child_subreaper};

use crate::command::Inheritance;
use crate::exit::ExitStatus;
use crate::log::log;
use crate::options::CommandLine;
use crate::registrar::RegistrarThread;
use crate::run::Run;
use crate::settings::Settings;
use crate::sys::mask::SignalSet;
use crate::sys::signalfd::SignalFd;

fn main() -> ExitCode {
    let status = supervise().unwrap_or_else(|error| {
        log!("{error:#}");
        ExitStatus::INIT_FAILED
    });
    status.into()
}

fn supervise() -> anyhow::Result<ExitStatus> {
    let inheritance = Inheritance::remember().context("cannot block signals")?;
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => return Ok(print(&error)),
    };
    let settings = match Settings::resolve(line.options, line.config.as_deref()) {
        Ok(settings) => settings,
        Err(problems) => {
            problems.iter().for_each(|problem| log!("{problem}"));
            return Ok(ExitStatus::INIT_FAILED);
        }
    };
    let signals = SignalFd::new(&SignalSet::all()).context("cannot read signals")?;
    adopt_orphans();

    let variables = settings.identity.as_ref().map(environment::variables).unwrap_or_default();
    let inheritance = inheritance.with_own_session(settings.policy.own_session);
    let command = match command::start(&line.command, variables, inheritance) {
        Ok(command) => command,
        Err(error) => {
            log!("cannot start `{}`: {error}", line.command[0].display());
            return Ok(settings.exit_map.apply(ExitStatus::not_started(&error)));
        }
    };
    let registrar = settings.plan.and_then(|plan| {
        RegistrarThread::start(plan).inspect_err(|error| log!("not registered: no registrar: {error}")).ok()
    });
    let run = Run::new(settings.policy, signals, command, registrar);
    let status = run.until_finished().context("the main loop failed")?;
    Ok(settings.exit_map.apply(status))
}

/// PID 1 inherits all orphans of its namespace; anywhere else it has to be asked for (prctl(2),
/// PR_SET_CHILD_SUBREAPER).
fn adopt_orphans() {
    let own = getpid();
    if own.is_init() {
        return;
    }
    if let Err(error) = set_child_subreaper(Some(own)) {
        log!("orphans of the command will not be reaped here: {error}");
    }
}

/// Help and version are answers; everything else clap says is a refusal.
fn print(error: &clap::Error) -> ExitStatus {
    // Nobody to tell is no reason to end differently.
    let _ = error.print();
    if error.use_stderr() { ExitStatus::INIT_FAILED } else { ExitStatus::exited(0) }
}

//! What only a reload changes: which frontends and backends there are, and how they are.

use std::collections::BTreeSet;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::fragment::Fragment;
use super::running::Running;
use super::socket::RuntimeApi;
use super::{Options, command};
use crate::model::ServiceKey;

/// For the command, and then for the new process to answer: it parses, binds and takes over in a second or two.
const PATIENCE: Duration = Duration::from_secs(5);
/// When the command is given once more, if the process is the same as before: a master that is about to start itself anew
/// after a reload, some 20 ms, takes no notice of the next SIGUSR2 (seen with 2.6).
const AGAIN: Duration = Duration::from_secs(2);
/// A look is a whole dump.
const LOOKS: Duration = Duration::from_millis(50);

/// Why the new fragment does not run.
pub(super) enum NotReloaded {
    /// Nobody was told how: the file waits for somebody who does.
    ByHand(String),
    /// Nobody could be told to.
    Failed(String),
    /// It was tried. HAProxy goes on as it was, and would not start with the file.
    NotTaken(String),
    Late,
}

/// Reloads, and waits until the services are as they are written. `running`: what was seen last.
pub(super) fn reload(
    options: &Options,
    api: &RuntimeApi,
    written: &Fragment,
    services: &BTreeSet<ServiceKey>,
    until: Option<Instant>,
    running: &mut Running,
) -> Result<(), NotReloaded> {
    let file = options.fragment.display();
    let Some(words) = options.reload.as_deref() else {
        let message =
            format!("{file} is written; reload HAProxy, which runs with `-f {file}`, or write `reload`");
        return Err(NotReloaded::ByHand(message));
    };
    let before = running.process.clone();
    tell(words).map_err(NotReloaded::Failed)?;
    let (end, again) = (Instant::now() + PATIENCE, Instant::now() + AGAIN);
    let mut again = until.is_none_or(|until| until > again).then_some(again);
    loop {
        // One that does not answer in between is about to.
        if let Ok(found) = Running::look(api) {
            *running = found;
            if services.iter().all(|key| runs(written, key, running, options.check)) {
                return Ok(());
            }
        }
        if running.process == before && again.take_if(|again| Instant::now() >= *again).is_some() {
            tell(words).map_err(NotReloaded::Failed)?;
        }
        if Instant::now() >= end {
            let missing = services.iter().find(|key| !runs(written, key, running, options.check));
            let missing = missing.map(ToString::to_string).unwrap_or_default();
            return Err(NotReloaded::NotTaken(format!(
                "HAProxy was reloaded, and {PATIENCE:?} later {missing} is not as it was written; see HAProxy's log (most \
                 often an address that it cannot bind to), and that it runs with `-f {file}`, which is as it was before"
            )));
        }
        thread::sleep(LOOKS);
    }
}

fn tell(words: &[String]) -> Result<(), String> {
    let line = words.join(" ");
    let Some((program, arguments)) = words.split_first() else {
        return Err(
            "`reload` is empty; write a command, such as [\"systemctl\", \"reload\", \"haproxy\"]".into()
        );
    };
    match command::run(Command::new(program).args(arguments), PATIENCE) {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the reload command `{line}` ended with {status}")),
        Err(error) => Err(format!("the reload command `{line}` failed: {error}")),
    }
}

fn runs(written: &Fragment, key: &ServiceKey, running: &Running, check: bool) -> bool {
    match written.sections.get(key) {
        Some(section) => section.is_run_by(running, check),
        None => !running.backends.contains_key(key),
    }
}

/// Of these services, those that are not yet as they are written.
pub(super) fn needed(
    written: &Fragment,
    services: BTreeSet<ServiceKey>,
    running: &Running,
    check: bool,
) -> BTreeSet<ServiceKey> {
    services.into_iter().filter(|key| !runs(written, key, running, check)).collect()
}

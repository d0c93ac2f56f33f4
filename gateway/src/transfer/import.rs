//! A plan carried out: a transaction at a time, each only if nothing of it has changed since it was looked at.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use roundhouse_config::duration;
use roundhouse_registry::kv::{Commit, Kv, KvError, LeaseId, Revision, Txn};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::plan::{Conflict, Mode, Plan, Put, plan};
use super::report::list;
use super::{Contents, Report};

/// etcd takes no more operations in a transaction,
const MAX_OPS: usize = 128;
/// and no request over 1.5 MiB.
const MAX_TXN: usize = 1 << 20;
/// Times that the registry is looked at again because somebody changed what the import is about.
const ROUNDS: usize = 16;

/// How long leased records are there without their registrars. A minute is several of a registrar's rounds, with a
/// restart of the gateway that it talks to among them.
const GRACE: Duration = Duration::from_secs(60);
const GRACES: std::ops::RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(3600);

/// A grace that is long enough to be one, and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace(Duration);

impl FromStr for Grace {
    type Err = String;

    fn from_str(text: &str) -> Result<Grace, String> {
        let grace = duration::parse(text).map_err(|error| error.to_string())?;
        if GRACES.contains(&grace) {
            return Ok(Grace(grace));
        }
        let [least, most] = [*GRACES.start(), *GRACES.end()].map(duration::format);
        Err(format!("a grace of {text} is out of bounds; write {least} to {most}"))
    }
}

impl fmt::Display for Grace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&duration::format(self.0))
    }
}

impl Default for Grace {
    fn default() -> Grace {
        Grace(GRACE)
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    pub mode: Mode,
    pub grace: Grace,
    pub dry_run: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Nothing was written.
    #[error(transparent)]
    Unreachable(KvError),
    /// Nothing was written, unless an import was interrupted before.
    #[error("{} record(s) of the registry stand against the import:\n{}\n{hint}", conflicts.len(), list(conflicts))]
    Refused { conflicts: Vec<Conflict>, hint: &'static str },
    #[error(
        "{source}; {written} of {of} records are written: run the import again, and it goes on from there"
    )]
    Interrupted { written: usize, of: usize, source: KvError },
    #[error("the registry changed under every attempt; {written} records are written: run the import again")]
    Busy { written: usize },
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub written: usize,
    pub of: usize,
}

/// Writes what the file has and the registry lacks. `now` in seconds since the epoch.
pub async fn import(
    kv: &dyn Kv,
    contents: &Contents,
    options: Options,
    now: u64,
    mut progress: impl FnMut(Progress),
) -> Result<Report, ImportError> {
    let mut done = Done::default();
    for _ in 0..ROUNDS {
        let listing = kv.list().await.map_err(|source| done.interrupted(source))?;
        let plan = plan(&contents.entries, &listing.entries, options.mode, now);
        if !plan.conflicts.is_empty() {
            return Err(ImportError::Refused { hint: hint(options.mode), conflicts: plan.conflicts });
        }
        done.revision = done.revision.max(listing.revision);
        if options.dry_run {
            return Ok(done.report(&plan, options));
        }
        done.of = done.written + plan.units.iter().map(Vec::len).sum::<usize>();
        let whole = done.write(kv, &plan, options.grace.0, &mut progress).await;
        if whole.map_err(|source| done.interrupted(source))? {
            return Ok(done.report(&plan, options));
        }
    }
    Err(ImportError::Busy { written: done.written })
}

fn hint(mode: Mode) -> &'static str {
    match mode {
        Mode::Fresh => {
            "import into an empty registry, or add with --merge (what both have must be equal), \
             or overwrite with --replace (deletes nothing)"
        }
        Mode::Merge => "make them as in the file, or overwrite them with --replace (deletes nothing)",
        Mode::Replace => "make room for them first: these are not overwritten",
    }
}

#[derive(Default)]
struct Done {
    written: usize,
    of: usize,
    revision: Revision,
    lease: Option<(LeaseId, Instant)>,
    /// What earlier rounds wrote is equal in the last one's plan.
    kinds: std::collections::BTreeMap<String, super::Count>,
}

impl Done {
    /// `false`: something changed since the plan was made.
    async fn write(
        &mut self,
        kv: &dyn Kv,
        plan: &Plan,
        grace: Duration,
        progress: &mut impl FnMut(Progress),
    ) -> Result<bool, KvError> {
        if self.kinds.is_empty() {
            self.kinds = plan.kinds.clone();
        }
        for puts in transactions(&plan.units) {
            let lease = match puts.iter().any(|put| put.leased) {
                true => Some(self.lease(kv, grace).await?),
                false => None,
            };
            let txn = puts.iter().fold(Txn::new(), |txn, put| {
                let lease = lease.filter(|_| put.leased);
                txn.when(put.when.clone()).put(put.key.clone(), put.value.clone(), lease)
            });
            match kv.commit(txn).await? {
                Commit::Done(revision) => self.revision = self.revision.max(revision),
                Commit::Refused => return Ok(false),
            }
            self.written += puts.len();
            progress(Progress { written: self.written, of: self.of });
        }
        // The grace begins when everything is there.
        for lease in plan.graces.iter().copied().chain(self.lease.map(|(lease, _)| lease)) {
            match kv.keep_alive(lease).await {
                Ok(()) | Err(KvError::NoLease(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Granted with the first record that needs it, and kept while the writing goes on.
    async fn lease(&mut self, kv: &dyn Kv, grace: Duration) -> Result<LeaseId, KvError> {
        if let Some((lease, kept)) = &mut self.lease {
            if kept.elapsed() > grace / 3 {
                kv.keep_alive(*lease).await?;
                *kept = Instant::now();
            }
            return Ok(*lease);
        }
        let lease = kv.grant(grace).await?;
        self.lease = Some((lease, Instant::now()));
        Ok(lease)
    }

    fn interrupted(&self, source: KvError) -> ImportError {
        match self.of {
            0 => ImportError::Unreachable(source),
            of => ImportError::Interrupted { written: self.written, of, source },
        }
    }

    fn report(self, plan: &Plan, options: Options) -> Report {
        let kinds = if self.kinds.is_empty() { plan.kinds.clone() } else { self.kinds };
        Report { dry_run: options.dry_run, revision: self.revision, kinds, left: plan.left.clone() }
    }
}

/// As few as the limits allow; a unit stays whole unless it is too large by itself.
fn transactions(units: &[Vec<Put>]) -> Vec<Vec<&Put>> {
    let mut all: Vec<Vec<&Put>> = Vec::new();
    let (mut ops, mut bytes) = (MAX_OPS, 0);
    for part in units.iter().flat_map(|unit| unit.chunks(MAX_OPS)) {
        let size: usize = part.iter().map(|put| put.key.len() + put.value.len()).sum();
        match all.last_mut() {
            Some(last) if ops + part.len() <= MAX_OPS && bytes + size <= MAX_TXN => {
                last.extend(part);
                (ops, bytes) = (ops + part.len(), bytes + size);
            }
            _ => {
                all.push(part.iter().collect());
                (ops, bytes) = (part.len(), size);
            }
        }
    }
    all
}

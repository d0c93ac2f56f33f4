//! A guard in a program of one's own: a server, a database proxy, and through `registry/capi` whatever can call C.
//!
//! ```text
//! registry (etcd or a gateway's API) ─► one thread ─► table ─► check ─► Decision
//!                                           └─► snapshot on disk ─► the next start without a registry
//! ```
//!
//! - [`Guard::open`] answers once there is something to decide from: the registry, else the snapshot, else the bootstrap
//!   file. With none of them it fails: a door that nobody watches is not opened.
//! - [`Guard::check`] takes a fraction of a microsecond, no lock and no memory, from any thread.
//! - A registry that goes away changes no verdict by itself. Each decision says of which revision it is and how old.
//! - What was decided may change: whoever keeps connections open looks at them again at each of [`Guard::changes`].
//!
//! A guard does not outlive fork(2): its thread stays in the parent. Open it in the child. One that was opened before
//! decides on, and says after 5 s how old its knowledge is.

mod ask;
mod decision;
mod known;
mod open;
mod run;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use roundhouse_config::Label;
use tokio::sync::watch;

pub use self::ask::{Ask, peer};
pub use self::decision::Decision;
pub use self::known::Status;
pub use self::open::{OpenError, Options};
use self::run::Running;
use super::{Decision as Decided, Reason, Verdict};
use crate::kv::Revision;
use crate::record::Timestamp;

/// A miss is settled well within it; see [`CatchUp`](super::CatchUp).
const SETTLED: Duration = Duration::from_secs(1);

/// Watches the door of one job. Dropping it ends its thread, after a last look at the snapshot on disk.
pub struct Guard {
    job: Label,
    running: Running,
}

impl Guard {
    /// Blocks for as long as [`Options::wait`] at most: call it before you serve.
    pub fn open(options: Options) -> Result<Guard, OpenError> {
        let running = Running::start(options.prepare()?)?;
        Ok(Guard { job: options.job, running })
    }

    /// Whether the peer may come to the job's port. `claimed`: the JOBNAME that it says it has.
    pub fn check(&self, peer: IpAddr, claimed: Option<&str>, port: u16) -> Decision {
        self.check_with(&Ask::new(peer, port).claiming(claimed))
    }

    pub fn check_with(&self, ask: &Ask<'_>) -> Decision {
        let known = &self.running.known;
        let (table, stale) = (known.table(), known.stale());
        let decided = match table.policy(&self.job) {
            None => Decided::without_rules(Verdict::Deny, Reason::NoJob),
            Some(policy) => {
                let port = policy.port(ask.port);
                table.decide(policy, &ask.query(port, Timestamp::now(), stale))
            }
        };
        Decision::new(&decided, table.revision, stale)
    }

    /// The same; a peer that nobody knows is looked for once more, which takes some milliseconds, and half a second at
    /// most. Not where the registry is known to be away. On any executor.
    pub async fn check_fresh(&self, ask: &Ask<'_>) -> Decision {
        let decision = self.check_with(ask);
        if !is_worth_a_look(&decision) {
            return decision;
        }
        let (catch_up, peer, decided) = (self.running.catch_up.clone(), ask.peer, decision.revision);
        let caught_up = self.running.runtime.spawn(async move { catch_up.caught_up(peer, decided).await });
        // A thread that is gone has caught up with nothing.
        self.settle(ask, decision, caught_up.await.unwrap_or(false))
    }

    /// [`Guard::check_fresh`] for a thread that may wait, which an executor's may not.
    pub fn check_fresh_blocking(&self, ask: &Ask<'_>) -> Decision {
        let decision = self.check_with(ask);
        if !is_worth_a_look(&decision) {
            return decision;
        }
        let (catch_up, peer, decided) = (self.running.catch_up.clone(), ask.peer, decision.revision);
        let (done, answer) = std::sync::mpsc::channel();
        self.running.runtime.spawn(async move {
            // Who asked waits no longer than it wants to.
            let _ = done.send(catch_up.caught_up(peer, decided).await);
        });
        self.settle(ask, decision, answer.recv_timeout(SETTLED).unwrap_or(false))
    }

    /// Wakes when decisions may have become other ones: with a new revision, and with the old one where a hold ended or a
    /// rule expired. Sessions that were let in are asked about again then; see [`Decision::revokes`].
    pub fn changes(&self) -> watch::Receiver<Revision> {
        self.running.known.changes()
    }

    pub fn status(&self) -> Status {
        self.running.known.status()
    }

    /// `caught_up`: the table knows more than the one that decided.
    fn settle(&self, ask: &Ask<'_>, decision: Decision, caught_up: bool) -> Decision {
        if !caught_up {
            return decision;
        }
        let again = self.check_with(ask);
        if again.may_be_a_miss() {
            self.running.catch_up.remember(ask.peer);
        }
        again
    }
}

/// A registry that is away knows of nobody who came.
fn is_worth_a_look(decision: &Decision) -> bool {
    decision.may_be_a_miss() && decision.stale.is_zero()
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("job", &self.job).field("status", &self.status()).finish()
    }
}

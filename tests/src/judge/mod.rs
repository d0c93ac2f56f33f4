//! One judge for every fault that a registry can have.
//!
//! ```text
//! begin ─► traffic to every job, a look at every job's endpoints, etcd's chronicle
//!   │  the fault … cpu: what it costs to be cut off, without traffic
//!   │  healed ─► caught_up, agrees: within 3 s the gateway's table is etcd's, and what /v1/holds lists
//! verdict ─► no request failed, no job was empty, and what was applied is etcd's history
//! ```

mod agree;
mod cpu;
mod traffic;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use roundhouse_registry::Revision;

use self::traffic::Traffic;
use crate::history::{self, Checked, Chronicle};
use crate::soak::promised;
use crate::{Gateway, Outcome, SOON, eventually_async, http};

/// After a fault is over, the table is right again within this time.
const HEALED: Duration = Duration::from_secs(3);
/// Between two looks at a whole table.
const AGAIN: Duration = Duration::from_millis(100);
/// Of one core, while the registry is away.
const CPU_AWAY: f64 = 0.05;
const CPU_STRETCH: Duration = Duration::from_secs(4);

/// Watches one gateway.
pub struct Judge {
    pub chronicle: Chronicle,
    admin: SocketAddr,
    pid: u32,
    recorded: PathBuf,
    entrypoint: SocketAddr,
    /// Jobs that get requests.
    served: Vec<String>,
    /// Jobs that must never be empty.
    watched: Vec<String>,
    traffic: Option<Traffic>,
    outcome: Outcome,
    slowest: Duration,
    cpu: Option<f64>,
}

/// What there is to say after a fault that did no harm.
#[derive(Debug)]
pub struct Verdict {
    pub requests: u64,
    /// From the end of a fault to the right table, the slowest.
    pub healed: Duration,
    /// Of one core, while the registry was away.
    pub cpu: Option<f64>,
    pub checked: Checked,
}

impl Judge {
    /// The gateway must have its jobs already, and `record = "applied.jsonl"`; the chronicle runs since before them.
    pub fn begin(gateway: &Gateway, chronicle: Chronicle, labels: &[String]) -> Judge {
        Judge::watching(gateway, chronicle, labels, labels)
    }

    /// The same with jobs that are looked at and get no requests.
    pub fn watching(gateway: &Gateway, chronicle: Chronicle, served: &[String], watched: &[String]) -> Judge {
        let mut judge = Judge {
            chronicle,
            admin: gateway.admin(),
            pid: gateway.process().pid(),
            recorded: gateway.folder().join(Judge::RECORD),
            entrypoint: gateway.http(),
            served: served.to_vec(),
            watched: watched.to_vec(),
            traffic: None,
            outcome: Outcome::default(),
            slowest: Duration::ZERO,
            cpu: None,
        };
        judge.go_on();
        judge
    }

    /// What the gateway's `registry.record` must be.
    pub const RECORD: &str = "applied.jsonl";

    /// What the gateway uses while it is cut off from the registry, which must be little.
    pub async fn cpu_while_away(&mut self) {
        self.quiet();
        let used = cpu::share(self.pid, CPU_STRETCH).await;
        assert!(used <= CPU_AWAY, "{:.1} % of a core, cut off and idle", used * 100.0);
        self.cpu = Some(used.max(self.cpu.unwrap_or_default()));
        self.go_on();
    }

    /// Until the gateway has what was written after the fault, while others go on writing.
    pub async fn caught_up(&mut self, healed: Instant) {
        let mark = self.chronicle.mark().await;
        let what = format!("the gateway has revision {mark}");
        let admin = self.admin;
        let at = eventually_async(self.left(healed), &what, async || reached(admin, mark)).await;
        self.slowest = self.slowest.max(at.saturating_duration_since(healed));
    }

    /// Until the gateway's table is what etcd has now and what `/v1/holds` lists, and nothing else.
    pub async fn agrees(&mut self, healed: Instant) {
        let mark = self.chronicle.mark().await;
        let admin = self.admin;
        let look = async || {
            reached(admin, mark)?;
            let fresh = self.chronicle.fresh().await;
            let seen = agree::agrees(admin, &fresh);
            if seen.is_err() {
                // Ten thousand entries are work for the gateway too, which has a table to mend.
                tokio::time::sleep(AGAIN).await;
            }
            seen
        };
        let at = eventually_async(self.left(healed), "the table agrees with etcd", look).await;
        self.slowest = self.slowest.max(at.saturating_duration_since(healed));
    }

    /// Ends the traffic and says what is left to say.
    ///
    /// # Panics
    /// When a request failed, a job was empty, or what the gateway recorded is not etcd's history.
    pub async fn verdict(mut self) -> Verdict {
        self.agrees(Instant::now()).await;
        let requests = self.nobody_noticed();
        let account = self.chronicle.account().await;
        let (admin, mark) = (self.admin, account.at);
        eventually_async(SOON, "the gateway reaches the end", async || reached(admin, mark)).await;
        let recorded = history::recorded(&self.recorded);
        let checked = account.check(&recorded).unwrap_or_else(|wrong| panic!("{wrong}"));
        Verdict { requests, healed: self.slowest, cpu: self.cpu, checked }
    }

    /// Ends the traffic. Answers how many requests there were.
    ///
    /// # Panics
    /// When one failed, or a job was empty.
    pub fn nobody_noticed(&mut self) -> u64 {
        self.quiet();
        let Outcome { requests, failed, reasons } = &self.outcome;
        assert_eq!(*failed, 0, "of {requests} requests: {reasons:#?}");
        *requests
    }

    fn go_on(&mut self) {
        self.traffic = Some(Traffic::begin(self.entrypoint, self.admin, &self.served, &self.watched));
    }

    fn quiet(&mut self) {
        if let Some(traffic) = self.traffic.take() {
            self.outcome.add(traffic.end());
        }
    }

    fn left(&self, healed: Instant) -> Duration {
        promised(HEALED).saturating_sub(healed.elapsed())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { requests, healed, cpu, checked } = self;
        write!(f, "{requests} requests, 0 failed; right again after {:.2} s", healed.as_secs_f64())?;
        if let Some(cpu) = cpu {
            write!(f, "; cut off {:.1} % of a core", cpu * 100.0)?;
        }
        let Checked { listings, revisions } = checked;
        write!(f, "; {revisions} revisions and {listings} listings are etcd's")
    }
}

/// When it was seen that the gateway has the revision and hears the registry.
fn reached(admin: SocketAddr, revision: Revision) -> Result<Instant, String> {
    let status =
        http::get(admin, &admin.to_string(), "/v1/status").map_err(|error| error.to_string())?.json();
    let at = Instant::now();
    let here = status["revision"].as_u64().unwrap_or_default() >= revision.0;
    if here && status["registry"]["lost"].is_null() {
        Ok(at)
    } else {
        Err(format!("revision {}: {}", status["revision"], status["registry"]))
    }
}

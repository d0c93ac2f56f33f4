//! A sink's thread: when a round is made, and what is told of it.

use std::sync::Arc;
use std::time::Duration;

use roundhouse_registry::Store;
use roundhouse_registry::presence::Campaign;
use roundhouse_registry::record::{self, Timestamp};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::vips::Binder;
use crate::model::ServiceKey;
use crate::sync::{self, Chosen, Report, Round, StateFile, Sync};

/// After a sink, or a file, that did not do.
const RETRY: Duration = Duration::from_secs(5);
/// Operations of one round that have a line each.
const LOGGED: usize = 200;
/// A resync that is overdue, on a sink that another director has.
const SHORTEST: Duration = Duration::from_secs(1);
/// While the registry is lost: when it is back without news, nobody says so.
const LOST: Duration = Duration::from_secs(1);

pub(super) struct Worker {
    pub(super) sync: Sync,
    /// For a sink that several directors share.
    pub(super) campaign: Option<Campaign>,
    pub(super) store: Arc<Store>,
    pub(super) file: Arc<StateFile>,
    pub(super) tell: watch::Sender<Shown>,
    pub(super) inbox: mpsc::Receiver<Order>,
    pub(super) binder: Option<Binder>,
    pub(super) resync: Duration,
}

/// What a person wants.
pub(super) enum Order {
    /// A round with a look at the sink first.
    Look,
    Adopt(Chosen, oneshot::Sender<Result<Vec<ServiceKey>, String>>),
    Release {
        chosen: Chosen,
        remove: bool,
        done: oneshot::Sender<Result<Vec<ServiceKey>, String>>,
    },
    End(oneshot::Sender<()>),
}

/// What the last round came to, for status, metrics and presence.
pub(super) struct Shown {
    pub(super) sink: record::Sink,
    pub(super) report: Option<Report>,
    /// Why the last round was none.
    pub(super) error: Option<String>,
    /// Another director has the sink.
    pub(super) standby: bool,
    /// What of this host's settings will not do.
    pub(super) warnings: Vec<String>,
}

impl Shown {
    pub(super) fn new(sink: record::Sink) -> Shown {
        Shown { sink, report: None, error: None, standby: false, warnings: Vec::new() }
    }

    pub(super) fn json(&self, now: Timestamp) -> Value {
        let mut shown = match &self.report {
            Some(report) => sync::json(report, now),
            None => json!({ "sink": self.sink }),
        };
        shown["error"] = json!(self.error);
        shown["standby"] = json!(self.standby);
        shown["warnings"] = json!(self.warnings);
        shown
    }
}

impl Worker {
    pub(super) async fn run(mut self) {
        let mut changes = self.store.changes();
        let mut resync = Instant::now();
        let mut look = true;
        loop {
            look |= resync <= Instant::now();
            changes.mark_unchanged();
            let leads = self.until();
            let next = match (self.store.contact().lost.is_some(), leads) {
                (true, _) => Some(Instant::now() + LOST),
                (false, Err(Standby)) => {
                    // Whoever leads in between changes the sink.
                    look = true;
                    None
                }
                (false, Ok(until)) => {
                    if look {
                        resync = Instant::now() + self.resync;
                    }
                    let next = self.round(look, until).await;
                    if look {
                        self.warn();
                    }
                    look = false;
                    next
                }
            };
            self.stand_by(leads.is_err());
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = sleep_until(next.unwrap_or(resync).min(resync.max(Instant::now() + SHORTEST))) => {}
                () = seat_changed(&mut self.campaign), if self.campaign.is_some() => {}
                order = self.inbox.recv() => match order {
                    Some(order) => if !self.obey(order, &mut look) { return },
                    None => return,
                },
            }
        }
    }

    /// Until when a call may be begun; without end where nobody else has the sink.
    fn until(&self) -> Result<Option<std::time::Instant>, Standby> {
        let Some(campaign) = &self.campaign else { return Ok(None) };
        let leadership = campaign.leadership().ok_or(Standby)?;
        leadership.valid_until.checked_sub(self.sync.sink.longest_call()).map(Some).ok_or(Standby)
    }

    fn stand_by(&self, standby: bool) {
        self.tell.send_if_modified(|shown| {
            let changed = shown.standby != standby;
            if changed {
                tracing::info!(sink = %shown.sink, standby, "another director has the sink, or has it no more");
            }
            shown.standby = standby;
            // What another one does is not for us to tell.
            if standby {
                shown.report = None;
            }
            changed
        });
    }

    /// A round, and when the next is due by itself.
    async fn round(&mut self, look: bool, until: Option<std::time::Instant>) -> Option<Instant> {
        match self.rounds(look, until).await {
            Ok(next) => next,
            Err(error) => {
                let error = format!("{error:#}");
                self.tell.send_modify(|shown| {
                    if shown.error.as_ref() != Some(&error) {
                        tracing::error!(sink = %shown.sink, error, "not in step with the registry");
                    }
                    shown.error = Some(error);
                });
                Some(Instant::now() + RETRY)
            }
        }
    }

    /// Again at once, with a look, if the sink was not as believed or somebody is found to be dead.
    async fn rounds(
        &mut self,
        look: bool,
        until: Option<std::time::Instant>,
    ) -> anyhow::Result<Option<Instant>> {
        let mut round = Round { look, until, ..Round::default() };
        loop {
            let snapshot = self.store.load();
            if let Some(binder) = &self.binder {
                super::bind(binder, &mut self.sync, &snapshot, &self.file)?;
            }
            let kind = self.sync.sink.kind();
            let file = &self.file;
            let report =
                self.sync.round(&snapshot, Timestamp::now(), round, |state| file.save(kind, state))?;
            if let Some(binder) = &self.binder {
                super::unbind(binder, &mut self.sync, &snapshot, &self.file)?;
            }
            let (again, to_probe) = (report.again, report.to_probe.clone());
            let next = next(&report);
            self.show(report);
            if !to_probe.is_empty() {
                self.sync.probes().ask(&to_probe).await;
                if self.sync.probes().any_dead() {
                    continue;
                }
            }
            if !again || round.look {
                return Ok(if again { Some(Instant::now() + RETRY) } else { next });
            }
            round.look = true;
        }
    }

    fn show(&mut self, report: Report) {
        log(&report);
        self.tell.send_modify(|shown| {
            let known = shown.report.as_ref().map(|report| &report.plan.problems);
            for problem in &report.plan.problems {
                if known.is_none_or(|known| !known.contains(problem)) {
                    tracing::warn!(sink = %report.sink, "{problem}");
                }
            }
            // They are told in the log; what is kept is how it is.
            let mut report = report;
            report.plan.ops = Vec::new();
            shown.report = Some(report);
            shown.error = None;
        });
    }

    /// Told again whenever they change.
    fn warn(&mut self) {
        let warnings = self.sync.sink.warnings();
        self.tell.send_if_modified(|shown| {
            let changed = shown.warnings != warnings;
            for warning in warnings.iter().filter(|warning| !shown.warnings.contains(warning)) {
                tracing::warn!(sink = %shown.sink, "{warning}");
            }
            shown.warnings = warnings;
            changed
        });
    }

    /// Whether it goes on.
    fn obey(&mut self, order: Order, look: &mut bool) -> bool {
        let kind = self.sync.sink.kind();
        *look = true;
        self.sync.try_all();
        match order {
            Order::Look => {}
            Order::Adopt(chosen, done) => {
                let snapshot = self.store.load();
                let adopted = self.sync.adopt(&chosen, &snapshot, Timestamp::now());
                let saved = self.file.save(kind, self.sync.state());
                let _ = done.send(
                    adopted
                        .map_err(|error| error.to_string())
                        .and_then(|keys| saved.map(|()| keys).map_err(|error| error.to_string())),
                );
            }
            Order::Release { chosen, remove, done } => {
                let released = self.sync.release(&chosen, remove);
                let saved = self.file.save(kind, self.sync.state());
                let _ = done.send(
                    released
                        .map_err(|error| error.to_string())
                        .and_then(|keys| saved.map(|()| keys).map_err(|error| error.to_string())),
                );
            }
            Order::End(done) => {
                let _ = done.send(());
                return false;
            }
        }
        true
    }
}

/// A line for each operation, unless there are so many that nobody would read them.
fn log(report: &Report) {
    let sink = report.sink;
    if report.plan.ops.len() > LOGGED {
        tracing::info!(%sink, operations = report.plan.ops.len(), failed = report.failed.len(), "done");
        return;
    }
    for op in &report.plan.ops {
        match report.failed.iter().find(|failed| failed.op == *op) {
            Some(failed) => tracing::warn!(%sink, %op, error = %failed.error, "not done"),
            None => tracing::info!(%sink, %op, "done"),
        }
    }
}

/// Another director has the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standby;

async fn seat_changed(campaign: &mut Option<Campaign>) {
    let ended = match campaign {
        Some(campaign) => !campaign.changed().await,
        None => true,
    };
    if ended {
        std::future::pending::<()>().await;
    }
}

/// When to look again although nothing is heard.
fn next(report: &Report) -> Option<Instant> {
    let now = Timestamp::now();
    // A whole second's clock may be late by nearly one.
    let next = report.plan.next.into_iter().chain(report.retry).min();
    next.map(|next| Instant::now() + next.since(now).max(Duration::from_millis(250)))
}

//! Keeps a director's own record, `directors/<id>`, in the registry, for ever.
//!
//! ```text
//! announce ──► keep alive every TTL/3, and see that the record is one's own ──► lease lost: announce again
//!    ▲  refused, unreachable: again with jittered back-off        │  record gone: put again under the same lease
//!    └────────────────────────────────────────────────────────────┘
//! ```
//!
//! What the record says lives here, so one that was lost comes back as it was, and it changes at any time: DNS answers by
//! `applied` and `lines`, so these are told at once; what is only shown (revision, drift) is told once a second.
//!
//! Two programs with one id would undo each other's word. The record is put only if it is absent or one's own; another's
//! is waited for during one TTL, since a former self that crashed is gone by then, and after that it is a refusal that
//! names the other one's host.
//!
//! A presence that cannot say that it is there goes on asking and stops nothing: what its program does is its own affair.

mod target;
mod telling;

use std::time::Duration;

use roundhouse_config::RegistrySettings;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use self::telling::Telling;
use crate::kv::{LeaseId, Revision};
use crate::record::{Director, Key, ValueError};
use crate::remote::{Heartbeat, LEAVE_DEADLINE, LOST, Refusal, Report, Retry, Target, jittered};
pub use crate::remote::{Progress, RemoteError};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PresenceError {
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error("`{0}` is no director's id; write 1-253 letters, digits, `-`, `_`, `.` or `:`, as in `lvs-1`")]
    Id(String),
    #[error("the director's record: {0}")]
    Record(#[from] ValueError),
}

enum Command {
    Leave(oneshot::Sender<()>),
}

/// A handle to the task; dropping it stops the keepalives, and the lease runs out.
#[derive(Debug)]
pub struct Presence {
    wanted: watch::Sender<Director>,
    commands: mpsc::Sender<Command>,
    progress: watch::Receiver<Progress>,
}

impl Presence {
    /// Nothing is dialled here. Needs a tokio runtime, current-thread or not.
    pub fn start(
        registry: &RegistrySettings,
        id: impl Into<String>,
        director: Director,
        ttl: Duration,
    ) -> Result<Presence, PresenceError> {
        let id: String = id.into();
        if Key::parse(&format!("directors/{id}")).is_err() {
            return Err(PresenceError::Id(id));
        }
        director.validate()?;
        let target = Target::new(registry)?;
        let (wanted, told) = watch::channel(director);
        let (commands, inbox) = mpsc::channel(8);
        let (report, progress) = Report::new();
        let retry = Retry::new(ttl, Instant::now());
        tokio::spawn(Task { target, id, ttl, wanted: told, inbox, report, retry, held: None }.run());
        Ok(Presence { wanted, commands, progress })
    }

    /// What the record says from now on. What is wrong with it is told as progress.
    pub fn set(&self, director: Director) {
        self.wanted.send_if_modified(|now| {
            let new = *now != director;
            *now = director;
            new
        });
    }

    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Revokes the own lease, within 2 s or not at all.
    pub async fn leave(self) {
        let (done, left) = oneshot::channel();
        let _ = tokio::time::timeout(LEAVE_DEADLINE, async {
            if self.commands.send(Command::Leave(done)).await.is_ok() {
                // The task ending is an answer too.
                let _ = left.await;
            }
        })
        .await;
    }
}

struct Task {
    target: Target,
    id: String,
    ttl: Duration,
    wanted: watch::Receiver<Director>,
    inbox: mpsc::Receiver<Command>,
    report: Report,
    retry: Retry,
    /// It may live on in a registry that went silent.
    held: Option<Held>,
}

/// The own record, as the registry was last told it.
struct Held {
    lease: LeaseId,
    revision: Revision,
    telling: Telling,
}

/// Why the record is no longer kept.
enum Lost {
    To(String),
    /// The handle is gone, or somebody has asked to leave.
    Over,
}

impl Task {
    async fn run(mut self) {
        loop {
            let pause = match self.announce().await {
                Ok(heartbeat) => {
                    self.retry.succeeded();
                    self.report.say(Progress::Registered);
                    match self.keep(heartbeat).await {
                        Lost::To(reason) => self.report.say(Progress::Pending { error: Some(reason) }),
                        Lost::Over => return,
                    }
                    LOST
                }
                Err(refusal) => {
                    if matches!(refusal, Refusal::Unreachable(_)) {
                        self.retry.left_behind(Instant::now());
                    }
                    let (progress, pause) = self.retry.after(refusal, Instant::now());
                    self.report.say(progress);
                    pause
                }
            };
            let until = Instant::now() + jittered(pause);
            tokio::select! {
                command = self.inbox.recv() => {
                    if let Some(Command::Leave(done)) = command {
                        self.leave(done).await;
                    }
                    return;
                }
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    async fn announce(&mut self) -> Result<Heartbeat, Refusal> {
        let director = self.wanted.borrow_and_update().clone();
        // Perhaps only the way to the registry was lost.
        if let Some(Held { lease, .. }) = self.held {
            if let Some(revision) = self.target.tell(&self.id, &director, lease).await? {
                self.held = Some(Held { lease, revision, telling: Telling::told(director, Instant::now()) });
                return Ok(Heartbeat::overdue(self.ttl, Instant::now()));
            }
            self.held = None;
        }
        let asked = Instant::now();
        let (lease, revision) = self.target.announce(&self.id, &director, self.ttl).await?;
        self.held = Some(Held { lease, revision, telling: Telling::told(director, Instant::now()) });
        Ok(Heartbeat::new(self.ttl, asked))
    }

    /// Until the record is lost.
    async fn keep(&mut self, mut heartbeat: Heartbeat) -> Lost {
        loop {
            let due = self.held.as_ref().and_then(|held| held.telling.due(&self.wanted.borrow()));
            tokio::select! {
                command = self.inbox.recv() => {
                    if let Some(Command::Leave(done)) = command {
                        self.leave(done).await;
                    }
                    return Lost::Over;
                }
                changed = self.wanted.changed() => {
                    if changed.is_err() {
                        return Lost::Over;
                    }
                }
                () = tokio::time::sleep_until(heartbeat.next()) => {
                    let asked = Instant::now();
                    match self.beat(&mut heartbeat, asked).await {
                        Ok(()) => self.report.say_if_new(Progress::Registered),
                        Err(Missed::Gone(reason)) => return Lost::To(reason),
                        Err(Missed::Refused(refusal)) => {
                            let reason = self.report.failed(refusal);
                            if heartbeat.failed(asked, Instant::now()) {
                                return Lost::To(reason);
                            }
                            tracing::warn!(%reason, "keepalive failed; tried again until a TTL has gone by");
                        }
                    }
                }
                () = tokio::time::sleep_until(due.unwrap_or(heartbeat.next())), if due.is_some() => {
                    match self.tell().await {
                        Ok(()) => self.report.say_if_new(Progress::Registered),
                        Err(Missed::Gone(reason)) => return Lost::To(reason),
                        Err(Missed::Refused(refusal)) => {
                            let reason = self.report.failed(refusal);
                            tracing::warn!(%reason, "the director's record is not written; tried again in a second");
                        }
                    }
                }
            }
        }
    }

    /// One keepalive, and a look whether the record is still there and one's own: somebody may have deleted it.
    async fn beat(&mut self, heartbeat: &mut Heartbeat, asked: Instant) -> Result<(), Missed> {
        let Some(held) = &self.held else { return Err(gone()) };
        if !self.target.keep_alive(held.lease).await? {
            return Err(gone());
        }
        heartbeat.answered(asked);
        if self.target.told(&self.id).await? != Some(held.revision) {
            self.tell().await?;
        }
        Ok(())
    }

    /// Writes what the record should say.
    async fn tell(&mut self) -> Result<(), Missed> {
        let Some(held) = &mut self.held else { return Err(gone()) };
        let director = self.wanted.borrow_and_update().clone();
        match self.target.tell(&self.id, &director, held.lease).await {
            Ok(Some(revision)) => {
                (held.revision, held.telling) = (revision, Telling::told(director, Instant::now()));
                Ok(())
            }
            Ok(None) => Err(gone()),
            Err(Refusal::Taken(reason)) => Err(Missed::Gone(reason)),
            Err(refusal) => {
                held.telling.failed(Instant::now());
                Err(refusal.into())
            }
        }
    }

    async fn leave(&mut self, done: oneshot::Sender<()>) {
        if let Some(held) = &self.held
            && let Err(refusal) = self.target.withdraw(&self.id, held.lease).await
        {
            let reason = self.report.failed(refusal);
            tracing::warn!(%reason, "lease not revoked; it will run out");
        }
        let _ = done.send(());
    }
}

/// Why a call did nothing for the record.
enum Missed {
    /// It has to be announced again.
    Gone(String),
    Refused(Refusal),
}

impl From<Refusal> for Missed {
    fn from(refusal: Refusal) -> Missed {
        Missed::Refused(refusal)
    }
}

fn gone() -> Missed {
    Missed::Gone("the lease is gone from the registry".to_owned())
}

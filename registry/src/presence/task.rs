//! What runs: it announces, keeps alive, tells and campaigns, and ends with its handle.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::Command;
use super::campaign::Seats;
use super::telling::Telling;
use crate::kv::{LeaseId, Revision};
use crate::record::{Director, Leader, Name, Timestamp};
use crate::remote::{Heartbeat, LOST, Progress, Refusal, Report, Retry, Target, jittered};

pub(super) struct Task {
    pub(super) target: Target,
    pub(super) id: String,
    pub(super) ttl: Duration,
    pub(super) wanted: watch::Receiver<Director>,
    pub(super) inbox: mpsc::UnboundedReceiver<Command>,
    pub(super) report: Report,
    pub(super) retry: Retry,
    pub(super) seats: Seats,
    /// It may live on in a registry that went silent.
    pub(super) held: Option<Held>,
}

/// The own record, as the registry was last told it.
pub(super) struct Held {
    lease: LeaseId,
    revision: Revision,
    telling: Telling,
}

/// Why the record is not kept any longer.
enum End {
    Lost(String),
    /// The handle is gone, or somebody has asked to leave.
    Over,
}

/// Why a call did nothing.
enum Missed {
    /// Nobody wants any more.
    Over,
    /// The record has to be announced again.
    Gone(String),
    Refused(Refusal),
}

impl Task {
    pub(super) async fn run(mut self) {
        loop {
            let pause = match self.announce().await {
                Ok(heartbeat) => {
                    self.retry.succeeded();
                    self.report.say(Progress::Registered);
                    let end = self.keep(heartbeat).await;
                    self.seats.vacate();
                    match end {
                        End::Lost(reason) => self.report.say(Progress::Pending { error: Some(reason) }),
                        End::Over => return,
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
            if !self.wait(jittered(pause)).await {
                return;
            }
        }
    }

    async fn announce(&mut self) -> Result<Heartbeat, Refusal> {
        let director = self.wanted.borrow_and_update().clone();
        // Perhaps only the way to the registry was lost.
        if let Some(Held { lease, .. }) = self.held {
            if let Some(revision) = self.target.tell(&self.id, &director, lease).await? {
                let telling = Telling::told(director, Instant::now());
                self.held = Some(Held { lease, revision, telling });
                return Ok(Heartbeat::overdue(self.ttl, Instant::now()));
            }
            self.held = None;
        }
        // Whatever is seen of a place from now on may still be what the former lease had.
        self.seats.forget();
        let asked = Instant::now();
        let (lease, revision) = self.target.announce(&self.id, &director, self.ttl).await?;
        let telling = Telling::told(director, Instant::now());
        self.held = Some(Held { lease, revision, telling });
        Ok(Heartbeat::new(self.ttl, asked))
    }

    async fn keep(&mut self, mut heartbeat: Heartbeat) -> End {
        // A lease that may be about to end is kept alive first.
        let overdue = heartbeat.next() <= Instant::now();
        let mut done = if overdue { Ok(()) } else { self.stand(&heartbeat).await };
        loop {
            match done {
                Ok(()) => self.report.say_if_new(Progress::Registered),
                Err(Missed::Over) => return End::Over,
                Err(Missed::Gone(reason)) => return End::Lost(reason),
                Err(Missed::Refused(refusal)) => {
                    let reason = self.report.failed(refusal);
                    if Instant::now() > heartbeat.ends() {
                        return End::Lost(reason);
                    }
                    tracing::warn!(%reason, "the registry was not told; tried again until a TTL has gone by");
                }
            }
            done = self.next(&mut heartbeat).await;
        }
    }

    /// What is due next.
    async fn next(&mut self, heartbeat: &mut Heartbeat) -> Result<(), Missed> {
        loop {
            let due = self.held.as_ref().and_then(|held| held.telling.due(&self.wanted.borrow()));
            tokio::select! {
                command = self.inbox.recv() => {
                    let goes_on = self.handle(command).await;
                    return if goes_on { self.stand(heartbeat).await } else { Err(Missed::Over) };
                }
                // Another record may be due at another time.
                changed = self.wanted.changed() => changed.map_err(|_| Missed::Over)?,
                () = tokio::time::sleep_until(heartbeat.next()) => {
                    let asked = Instant::now();
                    let beaten = self.beat(heartbeat, asked).await;
                    if beaten.is_err() {
                        heartbeat.failed(asked, Instant::now());
                    }
                    return beaten;
                }
                () = tokio::time::sleep_until(due.unwrap_or(heartbeat.next())), if due.is_some() => {
                    return self.tell().await;
                }
            }
        }
    }

    /// One keepalive, and a look whether what is under the lease is still there: somebody may have deleted it.
    async fn beat(&mut self, heartbeat: &mut Heartbeat, asked: Instant) -> Result<(), Missed> {
        let Some(Held { lease, revision, .. }) = self.held else { return Err(gone()) };
        if !self.target.keep_alive(lease).await? {
            return Err(gone());
        }
        heartbeat.answered(asked);
        self.seats.prolong(heartbeat.ends().into_std());
        if self.target.told(&self.id).await? != Some(revision) {
            self.tell().await?;
        }
        self.stand(heartbeat).await
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

    /// Looks at every place that is wanted, and takes those that are free.
    async fn stand(&mut self, heartbeat: &Heartbeat) -> Result<(), Missed> {
        let Some(Held { lease, .. }) = self.held else { return Err(gone()) };
        let mut done = Ok(());
        for name in self.seats.names() {
            match self.fence(&name, lease).await {
                Ok(fence) => self.seats.settle(&name, fence, heartbeat.ends().into_std()),
                Err(Missed::Refused(refusal)) => done = Err(Missed::Refused(refusal)),
                Err(missed) => return Err(missed),
            }
        }
        done
    }

    /// The fence under which the place is one's own; `None`: somebody else leads.
    async fn fence(&self, name: &Name, lease: LeaseId) -> Result<Option<Revision>, Missed> {
        if let Some((fence, leader)) = self.target.leader(name).await? {
            if self.seats.fence(name) == Some(fence) {
                return Ok(Some(fence));
            }
            // One's own may be a former self's, or one whose making nobody answered.
            if *leader.director != *self.id {
                return Ok(None);
            }
        }
        let leader = Leader { director: self.id.as_str().into(), since: Timestamp::now() };
        match self.target.lead(name, &leader, lease).await {
            Ok(Some(fence)) => Ok(Some(fence)),
            Ok(None) => Err(gone()),
            Err(Refusal::Taken(_)) => Ok(None),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Whether it goes on.
    async fn wait(&mut self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        loop {
            tokio::select! {
                command = self.inbox.recv() => {
                    if !self.handle(command).await {
                        return false;
                    }
                }
                () = tokio::time::sleep_until(until) => return true,
            }
        }
    }

    /// Whether it goes on.
    async fn handle(&mut self, command: Option<Command>) -> bool {
        match command {
            Some(Command::Campaign(name, of)) => self.seats.want(name, of),
            Some(Command::Resign) => self.resign().await,
            Some(Command::Leave(done)) => {
                self.leave(done).await;
                return false;
            }
            None => return false,
        }
        true
    }

    async fn resign(&mut self) {
        while let Some((name, held)) = self.seats.unwanted() {
            if held
                && let Some(Held { lease, .. }) = self.held
                && let Err(refusal) = self.target.resign(&name, lease).await
            {
                let reason = refusal.reason();
                tracing::warn!(%name, %reason, "the place is not given up; it is free when the lease ends");
            }
        }
    }

    async fn leave(&mut self, done: oneshot::Sender<()>) {
        self.seats.vacate();
        if let Some(held) = &self.held
            && let Err(refusal) = self.target.withdraw(&self.id, held.lease).await
        {
            let reason = self.report.failed(refusal);
            tracing::warn!(%reason, "lease not revoked; it will run out");
        }
        let _ = done.send(());
    }
}

impl From<Refusal> for Missed {
    fn from(refusal: Refusal) -> Missed {
        Missed::Refused(refusal)
    }
}

fn gone() -> Missed {
    Missed::Gone("the lease is gone from the registry".to_owned())
}

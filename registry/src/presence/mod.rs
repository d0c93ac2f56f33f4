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
//! Of directors that share a sink one leads ([`Campaign`]).
//!
//! A presence that cannot say that it is there goes on asking and stops nothing: what its program does is its own affair.

mod campaign;
mod target;
mod task;
mod telling;

use std::time::Duration;

use roundhouse_config::RegistrySettings;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use self::campaign::Seats;
pub use self::campaign::{Campaign, Leadership};
use self::task::Task;
use crate::record::{Director, Key, Name, ValueError};
use crate::remote::{LEAVE_DEADLINE, Report, Retry, Target};
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
    /// The seat is told who leads.
    Campaign(Name, watch::Sender<Option<Leadership>>),
    /// A seat is not wanted any more.
    Resign,
    Leave(oneshot::Sender<()>),
}

/// A handle to the task; dropping it stops the keepalives, and the lease runs out.
#[derive(Debug)]
pub struct Presence {
    wanted: watch::Sender<Director>,
    commands: mpsc::UnboundedSender<Command>,
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
        let (commands, inbox) = mpsc::unbounded_channel();
        let (report, progress) = Report::new();
        let retry = Retry::new(ttl, Instant::now());
        let seats = Seats::default();
        tokio::spawn(Task { target, id, ttl, wanted: told, inbox, report, retry, seats, held: None }.run());
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

    /// Leads under this name whenever nobody else does. What shares a sink shares the name.
    pub fn campaign(&self, name: Name) -> Campaign {
        Campaign::new(name, &self.commands)
    }

    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Revokes the own lease, within 2 s or not at all.
    pub async fn leave(self) {
        let (done, left) = oneshot::channel();
        let _ = tokio::time::timeout(LEAVE_DEADLINE, async {
            if self.commands.send(Command::Leave(done)).is_ok() {
                // The task ending is an answer too.
                let _ = left.await;
            }
        })
        .await;
    }
}

//! Which of several directors has a sink that they share.
//!
//! Whoever leads holds `leaders/<name>` under its own lease: put only if absent, gone with the lease. A candidate looks
//! every TTL/3, so a place that became free is taken by then. No sink checks a fence, so a leader checks its own time:
//!
//! ```text
//! keepalive sent at t, answered ──► the lease lives at least until t + TTL ──► Leadership::valid_until
//! ```
//!
//! Before each bounded call it looks whether that call ends sooner. The fence is for what remains: whatever compares it
//! refuses the word of a leader that was paused for longer than it knows.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::Command;
use crate::kv::Revision;
use crate::record::Name;

/// One leads, and for how long that is sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// The revision that made the leader's record: whoever leads later has a higher one.
    pub fence: Revision,
    /// Until then nobody else leads. It moves on with every keepalive.
    pub valid_until: Instant,
}

impl Leadership {
    pub fn remaining(&self) -> Duration {
        self.valid_until.saturating_duration_since(Instant::now())
    }
}

/// A wish to lead, kept as long as its [`Presence`](super::Presence). Dropping it leaves the place to others.
#[derive(Debug)]
pub struct Campaign {
    seat: watch::Receiver<Option<Leadership>>,
    commands: mpsc::WeakUnboundedSender<Command>,
}

impl Campaign {
    pub(super) fn new(name: Name, commands: &mpsc::UnboundedSender<Command>) -> Campaign {
        let (of, seat) = watch::channel(None);
        // A task that ended has dropped its inbox, and so this one's seat.
        let _ = commands.send(Command::Campaign(name, of));
        Campaign { seat, commands: commands.downgrade() }
    }

    /// `None` from the moment on when it is not sure, whether that is known already or not.
    pub fn leadership(&self) -> Option<Leadership> {
        self.seat.borrow().filter(|leadership| leadership.valid_until > Instant::now())
    }

    /// Waits until there is, or may be, another answer. `false`: the presence has ended, and nobody campaigns any more.
    pub async fn changed(&mut self) -> bool {
        let ends = self.leadership().map(|leadership| leadership.valid_until.into());
        tokio::select! {
            changed = self.seat.changed() => changed.is_ok(),
            () = tokio::time::sleep_until(ends.unwrap_or_else(tokio::time::Instant::now)), if ends.is_some() => true,
        }
    }
}

impl Drop for Campaign {
    fn drop(&mut self) {
        if let Some(commands) = self.commands.upgrade() {
            // The seat goes first, by which it is known which one it was.
            self.seat = watch::channel(None).1;
            let _ = commands.send(Command::Resign);
        }
    }
}

/// The places that are wanted, as the task has them.
#[derive(Default)]
pub(super) struct Seats(BTreeMap<Name, Seat>);

pub(super) struct Seat {
    of: watch::Sender<Option<Leadership>>,
    /// Of the own record, while the registry has it.
    fence: Option<Revision>,
}

impl Seats {
    pub(super) fn want(&mut self, name: Name, of: watch::Sender<Option<Leadership>>) {
        self.0.insert(name, Seat { of, fence: None });
    }

    /// Takes out one that nobody wants any more, and says whether it is held.
    pub(super) fn unwanted(&mut self) -> Option<(Name, bool)> {
        let name = self.0.iter().find(|(_, seat)| seat.of.is_closed()).map(|(name, _)| name.clone())?;
        let held = self.0.remove(&name).is_some_and(|seat| seat.fence.is_some());
        Some((name, held))
    }

    pub(super) fn names(&self) -> Vec<Name> {
        self.0.keys().cloned().collect()
    }

    pub(super) fn fence(&self, name: &Name) -> Option<Revision> {
        self.0.get(name)?.fence
    }

    pub(super) fn settle(&mut self, name: &Name, fence: Option<Revision>, valid_until: Instant) {
        if let Some(seat) = self.0.get_mut(name) {
            seat.fence = fence;
            seat.say(fence.map(|fence| Leadership { fence, valid_until }));
        }
    }

    /// The lease was kept alive, and what is under it lives on.
    pub(super) fn prolong(&self, valid_until: Instant) {
        for seat in self.0.values() {
            seat.say(seat.fence.map(|fence| Leadership { fence, valid_until }));
        }
    }

    /// The lease may be gone.
    pub(super) fn vacate(&self) {
        self.0.values().for_each(|seat| seat.say(None));
    }

    /// The lease is another one, and what was under the former is gone.
    pub(super) fn forget(&mut self) {
        self.vacate();
        self.0.values_mut().for_each(|seat| seat.fence = None);
    }
}

impl Seat {
    fn say(&self, leadership: Option<Leadership>) {
        self.of.send_if_modified(|now| {
            let new = *now != leadership;
            *now = leadership;
            new
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> (Seats, Campaign, mpsc::UnboundedReceiver<Command>, mpsc::UnboundedSender<Command>, Name) {
        let (commands, mut inbox) = mpsc::unbounded_channel();
        let name: Name = "haproxy".parse().unwrap();
        let campaign = Campaign::new(name.clone(), &commands);
        let mut seats = Seats::default();
        let Ok(Command::Campaign(of, seat)) = inbox.try_recv() else { panic!("nothing was asked") };
        assert_eq!(of, name);
        seats.want(of, seat);
        (seats, campaign, inbox, commands, name)
    }

    #[tokio::test]
    async fn a_leadership_ends_by_itself_whoever_says_so_or_does_not() {
        let (mut seats, mut campaign, ..) = wanted();
        let name: Name = "haproxy".parse().unwrap();
        assert_eq!(campaign.leadership(), None);
        let valid_until = Instant::now() + Duration::from_millis(40);
        seats.settle(&name, Some(Revision(7)), valid_until);
        assert!(campaign.changed().await);
        assert_eq!(campaign.leadership(), Some(Leadership { fence: Revision(7), valid_until }));
        assert!(campaign.changed().await);
        assert!(Instant::now() >= valid_until);
        assert_eq!(campaign.leadership(), None, "nobody has said so, and it is over");
        seats.prolong(Instant::now() + Duration::from_secs(60));
        assert_eq!(campaign.leadership().map(|leadership| leadership.fence), Some(Revision(7)));
        seats.vacate();
        assert_eq!(campaign.leadership(), None);
        assert_eq!(seats.fence(&name), Some(Revision(7)), "the lease may live on");
        seats.forget();
        seats.prolong(Instant::now() + Duration::from_secs(60));
        assert_eq!(campaign.leadership(), None, "another lease has nothing of it");
        drop(seats);
        while campaign.changed().await {}
    }

    #[tokio::test]
    async fn a_seat_that_nobody_wants_is_known_when_it_is_asked_for() {
        let (mut seats, campaign, mut inbox, _commands, name) = wanted();
        assert!(seats.unwanted().is_none());
        seats.settle(&name, Some(Revision(7)), Instant::now());
        drop(campaign);
        assert!(matches!(inbox.try_recv(), Ok(Command::Resign)));
        assert_eq!(seats.unwanted(), Some((name, true)));
        assert!(seats.unwanted().is_none() && seats.names().is_empty());
    }
}

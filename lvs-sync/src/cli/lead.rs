//! A shared sink is for one at a time: who changes it once must lead for that long too.

use std::time::{Duration, Instant};

use anyhow::bail;
use roundhouse_config::{DirectorSettings, Name};
use roundhouse_registry::Snapshot;
use roundhouse_registry::presence::{Campaign, Presence};

use crate::run::presence;

/// A leader that left is missed within a third of its lease.
const PATIENCE: Duration = Duration::from_secs(10);

/// This director, announced for as long as something is done.
pub(super) struct Lead(Option<Presence>);

impl Lead {
    pub(super) fn none() -> Lead {
        Lead(None)
    }

    /// Until when a call may be begun that takes so long at most.
    pub(super) async fn take(
        &mut self,
        settings: &DirectorSettings,
        name: &Name,
        longest_call: Duration,
        snapshot: &Snapshot,
    ) -> anyhow::Result<(Campaign, Option<Instant>)> {
        let presence = match &self.0 {
            Some(presence) => presence,
            None => {
                let blank = presence::record(settings, &[]);
                let started =
                    Presence::start(&settings.registry, settings.director.clone(), blank, presence::TTL)?;
                self.0.insert(started)
            }
        };
        let mut campaign = presence.campaign(name.clone());
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(leadership) = campaign.leadership() {
                return Ok((campaign, leadership.valid_until.checked_sub(longest_call)));
            }
            if !matches!(tokio::time::timeout_at(end, campaign.changed()).await, Ok(true)) {
                let by = snapshot.leaders.get(name).map_or("another director".to_owned(), |leader| {
                    format!("the director `{}`", leader.value.director)
                });
                bail!("{by} has what is shared as `{name}`; do it there, or stop that one first");
            }
        }
    }

    pub(super) async fn give_back(self) {
        if let Some(presence) = self.0 {
            presence.leave().await;
        }
    }
}

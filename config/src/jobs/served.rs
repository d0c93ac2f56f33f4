//! How a job wants to be served: what its record in the registry says too, with the same names and bounds.

use std::time::Duration;

use super::fields::Fields;
use crate::service::{App, Balance, DefaultAccess, JobLimits, OnUnhealthy, Outage, Timeouts};
use crate::units::duration;

/// How a job wants to be served. `None`: the file says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Served {
    pub balance: Balance,
    pub app: Option<App>,
    pub access: Option<DefaultAccess>,
    pub outage: Option<Outage>,
    /// How long live connections may go on once an instance drains.
    pub drain: Option<Duration>,
    pub on_unhealthy: OnUnhealthy,
    pub timeouts: Timeouts,
    pub limits: JobLimits,
    /// Whether the mass-expiry hold may keep its instances.
    pub hold: Option<bool>,
    /// A wished VIP offset.
    pub vip: Option<u32>,
}

pub(super) fn read(job: &Fields<'_>) -> Served {
    Served {
        balance: balance(job),
        app: job.parsed("app"),
        access: job.parsed("access"),
        outage: outage(job),
        drain: job.read("drain", duration::parse),
        on_unhealthy: job.parsed("on_unhealthy").unwrap_or_default(),
        timeouts: timeouts(job),
        limits: limits(job),
        hold: job.truth("hold"),
        vip: job.count("vip"),
    }
}

fn balance(job: &Fields<'_>) -> Balance {
    let policy = job.message("balance").and_then(|fields| fields.parsed("policy"));
    Balance { policy: policy.unwrap_or_default() }
}

fn outage(job: &Fields<'_>) -> Option<Outage> {
    let fields = job.message("outage")?;
    let [max_stale, proof_stale] =
        ["max_stale", "proof_stale"].map(|field| fields.read(field, duration::parse));
    let Outage { max_stale: usual, .. } = Outage::default();
    let max_stale = max_stale.unwrap_or(usual);
    let outage = Outage { max_stale, then: fields.parsed("then").unwrap_or_default(), proof_stale };
    outage.out_of_bounds().for_each(|(field, message)| fields.wrong(field, message));
    Some(outage)
}

fn timeouts(job: &Fields<'_>) -> Timeouts {
    let Some(fields) = job.message("timeouts") else { return Timeouts::default() };
    let [connect, idle, lifetime] =
        ["connect", "idle", "lifetime"].map(|field| fields.read(field, duration::parse));
    let timeouts = Timeouts { connect, idle, lifetime };
    timeouts.out_of_bounds().for_each(|(field, message)| fields.wrong(field, message));
    timeouts
}

fn limits(job: &Fields<'_>) -> JobLimits {
    let Some(fields) = job.message("limits") else { return JobLimits::default() };
    let [connections, connections_per_client] =
        ["connections", "connections_per_client"].map(|field| fields.count(field));
    let limits = JobLimits { connections, connections_per_client };
    limits.out_of_bounds().for_each(|(field, message)| fields.wrong(field, message));
    limits
}

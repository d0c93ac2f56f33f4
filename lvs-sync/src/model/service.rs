//! A service's settings, and everything behind it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use roundhouse_registry::record::{self, Pool, PoolFlag, PoolScheduler};

use super::{Destination, Family};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    pub settings: Settings,
    /// Ordered, so that plans are stable and can be read as a difference.
    pub destinations: BTreeMap<SocketAddr, Destination>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub scheduler: Scheduler,
    pub flags: Flags,
    pub persistence: Option<Persistence>,
    /// The persistence engine, such as `sip`; no pool asks for one.
    pub engine: Option<Arc<str>>,
    /// The version of the PROXY protocol that destinations are spoken to in.
    pub send_proxy: Option<u8>,
}

/// By its name, known here or not (ipvsadm(8), `--scheduler`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduler(Arc<str>);

impl Scheduler {
    pub fn new(name: &str) -> Scheduler {
        Scheduler(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Scheduler {
    fn default() -> Scheduler {
        PoolScheduler::default().into()
    }
}

impl From<PoolScheduler> for Scheduler {
    fn from(scheduler: PoolScheduler) -> Scheduler {
        Scheduler::new(scheduler.as_str())
    }
}

/// IP_VS_SVC_F_* (linux/ip_vs.h) without what is said elsewhere: whether there is persistence, and whether the kernel has
/// the service in its table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    pub const ONE_PACKET: Flags = Flags(0x04);
    /// sh: fallback; mh: fallback.
    pub const SCHEDULER_1: Flags = Flags(0x08);
    /// sh: port; mh: port.
    pub const SCHEDULER_2: Flags = Flags(0x10);
    pub const SCHEDULER_3: Flags = Flags(0x20);

    #[must_use]
    pub fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    pub fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persistence {
    /// Seconds after a client's last connection.
    pub timeout: u32,
    /// Clients of one prefix of this length are one client.
    pub prefix: u8,
}

impl Persistence {
    fn of(persistence: &record::Persistence, family: Option<Family>) -> Persistence {
        let prefix = match family {
            Some(Family::V6) => persistence.prefix_v6,
            Some(Family::V4) | None => persistence.prefix_v4,
        };
        // The record's bounds are far below the type's.
        Persistence { timeout: u32::try_from(persistence.timeout.as_secs()).unwrap_or(u32::MAX), prefix }
    }
}

impl Settings {
    pub fn of(pool: &Pool, family: Option<Family>) -> Settings {
        let flag = |flag: &PoolFlag| match flag {
            PoolFlag::OnePacket => Flags::ONE_PACKET,
            PoolFlag::ShFallback | PoolFlag::MhFallback => Flags::SCHEDULER_1,
            PoolFlag::ShPort | PoolFlag::MhPort => Flags::SCHEDULER_2,
        };
        let flags = pool.flags.iter().map(flag).fold(Flags::default(), Flags::with);
        Settings {
            scheduler: pool.scheduler.into(),
            flags: flags.with(passing_over(pool.scheduler)),
            persistence: pool.persistence.as_ref().map(|persistence| Persistence::of(persistence, family)),
            engine: None,
            send_proxy: pool.send_proxy,
        }
    }
}

/// Schedulers that hash give a client to one destination, and without this flag drop its packets while that one has weight
/// 0: a drain would be an outage for those clients.
fn passing_over(scheduler: PoolScheduler) -> Flags {
    match scheduler {
        PoolScheduler::Sh | PoolScheduler::Mh => Flags::SCHEDULER_1,
        _ => Flags::default(),
    }
}

//! File descriptors: how many there are, and how many clients that is.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for everything that is no client and no VIP: the registry, DNS, the API, checks, log files.
const RESERVE: u64 = 1024;

/// What each worker may hold at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// Two descriptors each.
    pub(crate) connections: u32,
    /// One each.
    pub(crate) udp_sessions: u32,
}

/// Raises the soft limit to the hard one, which needs no privilege, and returns it. The soft one is 1,024 on many
/// systems for the sake of select(2), which is not used here.
pub(crate) fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "descriptor limit not raised");
    }
    available()
}

/// The limit in force.
pub(crate) fn available() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// What is left for clients and VIPs once the reserve is taken. Of few descriptors it is a quarter: a gateway of 256 has
/// clients too.
pub(crate) fn spendable(available: u64) -> u64 {
    available - RESERVE.min(available / 4)
}

impl Share {
    /// As wanted, or as much of each in proportion as the descriptors allow; of either one at least.
    pub(crate) fn of(available: u64, workers: usize, wanted: Share) -> Share {
        let room = spendable(available) / workers.max(1) as u64;
        let needed = 2 * u64::from(wanted.connections) + u64::from(wanted.udp_sessions);
        if needed <= room {
            return wanted;
        }
        let scaled = |wanted: u32| {
            let possible = u128::from(wanted) * u128::from(room) / u128::from(needed);
            u32::try_from(possible.max(1)).unwrap_or(u32::MAX)
        };
        Share { connections: scaled(wanted.connections), udp_sessions: scaled(wanted.udp_sessions) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Share, spendable};

    fn share(available: u64, workers: usize, connections: u32, udp_sessions: u32) -> (u32, u32) {
        let share = Share::of(available, workers, Share { connections, udp_sessions });
        (share.connections, share.udp_sessions)
    }

    #[test]
    fn no_more_clients_than_descriptors() {
        assert_eq!(share(20_000, 2, 20_000, 4_000), (4_312, 862));
        assert_eq!(share(1 << 20, 2, 20_000, 4_000), (20_000, 4_000));
        assert_eq!(share(u64::MAX, 2, 20_000, 4_000), (20_000, 4_000));
        assert_eq!(share(256, 2, 20_000, 4_000), (43, 8));
        assert_eq!(share(8, 256, 20_000, 1), (1, 1));
    }

    proptest! {
        #[test]
        fn all_of_them_fit(available in 64u64..2_000_000, workers in 1usize..8, wanted in (1u32..1_000_001, 1u32..1_000_001)) {
            let (connections, sessions) = share(available, workers, wanted.0, wanted.1);
            prop_assert!((1..=wanted.0).contains(&connections) && (1..=wanted.1).contains(&sessions));
            let workers = workers as u64;
            let used = 2 * u64::from(connections) * workers + u64::from(sessions) * workers;
            // One of each is given even where it does not fit.
            prop_assert!(used <= spendable(available) || connections == 1 || sessions == 1);
        }
    }
}

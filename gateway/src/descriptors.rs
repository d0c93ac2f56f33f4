//! File descriptors: how many there are, and how many clients that is.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for everything that is no client and no VIP: the registry, DNS, the API, checks, log files.
pub(crate) const RESERVE: u64 = 1024;

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

/// Client connections that each worker can hold: two descriptors each, the reserve apart.
pub(crate) fn connections(available: u64, workers: usize, wanted: u32) -> u32 {
    let possible = available.saturating_sub(RESERVE) / 2 / workers.max(1) as u64;
    wanted.min(u32::try_from(possible.max(1)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::connections;

    #[test]
    fn no_more_connections_than_descriptors() {
        assert_eq!(connections(20_000, 2, 20_000), 4_744);
        assert_eq!(connections(1 << 20, 2, 20_000), 20_000);
        assert_eq!(connections(256, 2, 20_000), 1);
    }
}

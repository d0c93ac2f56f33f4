//! When a changed record is told.

use std::time::Duration;

use tokio::time::Instant;

use crate::record::Director;

/// Between two writes of what is only shown, and between two tries of one that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// What the registry was told, and when. Pure.
pub(super) struct Telling {
    told: Director,
    at: Instant,
    failed: bool,
}

impl Telling {
    pub(super) fn told(director: Director, at: Instant) -> Telling {
        Telling { told: director, at, failed: false }
    }

    pub(super) fn failed(&mut self, at: Instant) {
        (self.at, self.failed) = (at, true);
    }

    /// When this is to be told; `None`: it is known. DNS answers by `applied` and `lines`, so they do not wait.
    pub(super) fn due(&self, wanted: &Director) -> Option<Instant> {
        if *wanted == self.told {
            return None;
        }
        let answered_by = wanted.applied != self.told.applied || wanted.lines != self.told.lines;
        Some(if answered_by && !self.failed { self.at } else { self.at + PAUSE })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn director(revision: u64, lines: &[&str]) -> Director {
        let lines = lines.iter().map(|line| line.parse().unwrap()).collect();
        let revision = crate::kv::Revision(revision);
        Director { revision, lines, ..Director::new("1", "lvs-1") }
    }

    #[test]
    fn what_dns_answers_by_is_told_at_once_and_the_rest_once_a_second() {
        let at = Instant::now();
        let mut telling = Telling::told(director(1, &["telecom"]), at);
        assert_eq!(telling.due(&director(1, &["telecom"])), None);
        assert_eq!(telling.due(&director(2, &["telecom"])), Some(at + PAUSE));
        assert_eq!(telling.due(&director(2, &[])), Some(at));
        let applied = [("blog".parse().unwrap(), Vec::new())].into_iter().collect();
        assert_eq!(telling.due(&Director { applied, ..director(1, &["telecom"]) }), Some(at));
        let at = at + PAUSE / 2;
        telling.failed(at);
        let due = telling.due(&director(2, &[]));
        assert_eq!(due, Some(at + PAUSE), "a registry that refuses is not asked at every turn");
    }
}

//! The suffix of job names.

use std::sync::Arc;

use super::{NameError, label::check_label};
use crate::text::{name_traits, quoted};

/// Leaves 53 of the 253 bytes of a DNS name for what stands before the zone.
const MAX_ZONE: usize = 200;

/// The whole suffix of job names, such as `jobs.coding.net`; lower-cased, without a trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zone(Arc<str>);

impl Zone {
    /// The first label, which with a job's label makes the short form `app2.jobs`.
    pub fn first_label(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }

    /// `jobs.internal`, the zone of a program that was given none; `.internal` is ICANN's private-use domain.
    pub(crate) fn internal() -> Self {
        Self("jobs.internal".into())
    }

    fn check(text: &str) -> Result<String, NameError> {
        if text.len() > MAX_ZONE + 1 {
            return Err(too_long(text));
        }
        let zone = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if zone.len() > MAX_ZONE {
            return Err(too_long(text));
        }
        zone.split('.').try_for_each(|label| check_label("zone label", label))?;
        Ok(zone)
    }
}

name_traits!(Zone);

fn too_long(text: &str) -> NameError {
    NameError::TooLong { what: "zone", text: quoted(text), length: text.len(), limit: MAX_ZONE }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_and_trailing_dot_do_not_matter() {
        let zone: Zone = "Jobs.Coding.NET.".parse().unwrap();
        assert_eq!(zone.as_str(), "jobs.coding.net");
        assert_eq!(zone.first_label(), "jobs");
        assert_eq!("jobs.internal".parse::<Zone>().unwrap(), Zone::internal());
    }

    #[test]
    fn every_label_is_checked() {
        for text in ["", ".", "jobs..net", "jobs.-x", "a_b.net", "jobs.net..", &"a.".repeat(101)] {
            assert!(text.parse::<Zone>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_round_trips_or_is_refused(text in "\\PC*|[a-zA-Z0-9.-]{0,20}") {
            if let Ok(zone) = text.parse::<Zone>() {
                prop_assert_eq!(zone.as_str().parse::<Zone>().unwrap(), zone);
            }
        }
    }
}

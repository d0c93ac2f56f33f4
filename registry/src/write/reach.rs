//! Whose instances a writer may touch.

use std::net::IpAddr;

use super::WriteError;
use crate::kv::Entry;
use crate::record::{Instance, Network, decode};

/// Looked at in the write itself, against the record that its transaction then finds unchanged: between a look and a
/// write an instance may have moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    #[default]
    Everywhere,
    /// Instances at the writer's own address, or in one of the ranges.
    Own { address: IpAddr, ranges: Vec<Network> },
}

impl Reach {
    pub fn covers(&self, instance: &Instance) -> bool {
        match self {
            Reach::Everywhere => true,
            Reach::Own { address, ranges } => {
                instance.address.to_canonical() == address.to_canonical()
                    || ranges.iter().any(|range| range.contains(instance.address))
            }
        }
    }

    /// `key`: where the instance is, or is to be.
    pub(super) fn check(&self, key: &str, instance: &Instance) -> Result<(), WriteError> {
        match self {
            Reach::Own { address, ranges } if !self.covers(instance) => {
                let ranges = ranges.iter().map(|range| format!(" or in {range}"));
                let allowed = format!("{}{}", address.to_canonical(), ranges.collect::<String>());
                Err(WriteError::NotYours { key: key.to_owned(), allowed })
            }
            _ => Ok(()),
        }
    }

    /// The same of a record as it is stored. One that cannot be read is nobody's own, nor is one that somebody put there
    /// to stay.
    pub(super) fn check_stored(&self, found: &Entry) -> Result<(), WriteError> {
        match (self, decode(&found.value)) {
            (Reach::Everywhere, _) => Ok(()),
            _ if found.lease.is_none() => Err(WriteError::Static { key: found.key.clone() }),
            (_, Ok(instance)) => self.check(&found.key, &instance),
            (_, Err(_)) => {
                let allowed = "an address, and its record has none that can be read".to_owned();
                Err(WriteError::NotYours { key: found.key.clone(), allowed })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::{LeaseId, Revision};
    use crate::record::encode;

    #[test]
    fn an_own_instance_is_at_the_own_address_or_in_a_range() {
        let at = |address: &str| Instance::new(address.parse().unwrap(), [].into());
        let reach =
            Reach::Own { address: "10.0.0.7".parse().unwrap(), ranges: vec!["10.9.0.0/16".parse().unwrap()] };
        for own in ["10.0.0.7", "::ffff:10.0.0.7", "10.9.1.2"] {
            assert!(reach.covers(&at(own)), "{own}");
        }
        for other in ["10.0.0.8", "10.8.0.1", "2001:db8::7"] {
            assert!(!reach.covers(&at(other)) && Reach::Everywhere.covers(&at(other)), "{other}");
        }
        let error = reach.check("instances/app/1", &at("10.0.0.8")).unwrap_err().to_string();
        assert!(error.contains("10.0.0.7 or in 10.9.0.0/16"), "{error}");
    }

    #[test]
    fn a_static_instance_is_nobodys_own() {
        let instance = Instance::new("10.0.0.7".parse().unwrap(), [].into());
        let stored = |lease| Entry {
            key: "instances/app/1".into(),
            value: encode(&instance),
            created: Revision(1),
            modified: Revision(1),
            lease,
        };
        let reach = Reach::Own { address: instance.address, ranges: Vec::new() };
        assert!(reach.check_stored(&stored(Some(LeaseId(7)))).is_ok());
        assert!(Reach::Everywhere.check_stored(&stored(None)).is_ok());
        let error = reach.check_stored(&stored(None)).unwrap_err();
        assert!(matches!(error, WriteError::Static { .. }));
        assert!(error.to_string().contains("it is static: operators only"), "{error}");
    }
}

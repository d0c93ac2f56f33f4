//! `held/<label>/<uuid>`: an instance that the mass-expiry hold keeps after its own record has gone.

use serde::{Deserialize, Serialize};

use super::text::{check_note, is_id};
use super::{Instance, Timestamp, ValueError};

/// In the registry, so that hubs, lvs-sync and guards agree on what is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// As it was when it was seen last.
    pub instance: Instance,
    pub since: Timestamp,
    /// `null`: while its active check passes.
    #[serde(default)]
    pub until: Option<Timestamp>,
    #[serde(default)]
    pub reason: Box<str>,
    /// The id of the gateway that holds it.
    pub by: Box<str>,
}

impl Held {
    pub fn validate(&self) -> Result<(), ValueError> {
        self.instance.validate().map_err(|error| error.within("instance"))?;
        if !is_id(&self.by) {
            return Err(ValueError::field("by", "is no id of a gateway"));
        }
        if let Some(until) = self.until.filter(|until| *until < self.since) {
            let message = format!("{until} is before `since` ({})", self.since);
            return Err(ValueError::field("until", message));
        }
        check_note("reason", &self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{decode, encode};

    #[test]
    fn the_shape_reads() {
        let held: Held = decode(
            br#"{"instance":{"address":"10.0.0.7","ports":{"main":1111}},"since":1767225600,"until":1767226200,
                "reason":"12 of 20 instances went at once","by":"hub-1"}"#,
        )
        .unwrap();
        assert_eq!(held.validate(), Ok(()));
        assert_eq!(decode::<Held>(&encode(&held)).unwrap(), held);
    }

    #[test]
    fn the_instance_inside_is_validated_too() {
        let refused = |text: &str| {
            decode::<Held>(text.as_bytes()).and_then(|held| held.validate()).unwrap_err().to_string()
        };
        let bad = refused(r#"{"instance":{"address":"10.0.0.7","ports":{"main":0}},"since":2,"by":"a"}"#);
        assert!(bad.starts_with("instance.ports.main: port 0"), "{bad}");
        let early = r#"{"instance":{"address":"10.0.0.7","ports":{"main":1}},"since":2,"until":1,"by":"a"}"#;
        assert!(refused(early).starts_with("until: 1 is before `since` (2)"));
    }
}

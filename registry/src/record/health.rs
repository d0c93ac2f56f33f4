//! `health/<label>/<uuid>`: a verdict on an instance, written when it changes by the hub that probes it.

use serde::{Deserialize, Serialize};

use super::text::{check_note, is_id};
use super::{Timestamp, ValueError};

/// lvs-sync and the other hubs read it; it lives under the hub's lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    pub healthy: bool,
    pub since: Timestamp,
    /// The hub's id.
    pub by: Box<str>,
    /// What the last probe said.
    #[serde(default)]
    pub reason: Box<str>,
}

impl Health {
    pub fn validate(&self) -> Result<(), ValueError> {
        if !is_id(&self.by) {
            return Err(ValueError::field("by", "is no id of a gateway"));
        }
        check_note("reason", &self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{decode, encode};

    #[test]
    fn the_shape_reads_and_a_stranger_is_refused() {
        let text = br#"{"healthy":false,"since":1767225600,"by":"hub-1","reason":"connection refused"}"#;
        let health: Health = decode(text).unwrap();
        assert_eq!(health.validate(), Ok(()));
        assert_eq!(encode(&health), text.as_slice());
        assert!(Health { by: "".into(), ..health }.validate().unwrap_err().to_string().starts_with("by: "));
    }
}

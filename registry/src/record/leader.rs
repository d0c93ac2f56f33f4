//! `leaders/<name>`: which director has a sink that several share, under that director's lease.

use serde::{Deserialize, Serialize};

use super::text::is_id;
use super::{Timestamp, ValueError};

/// It is put once and never written over, so the revision that made it is a fencing token: whoever leads later has a
/// higher one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leader {
    /// The director's id.
    pub director: Box<str>,
    pub since: Timestamp,
}

impl Leader {
    pub fn validate(&self) -> Result<(), ValueError> {
        if is_id(&self.director) {
            return Ok(());
        }
        Err(ValueError::field("director", "is no director's id; write the one in `directors/<id>`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{encode, read};

    #[test]
    fn the_shape_reads_and_a_leader_has_an_id() {
        let leader: Leader = read(br#"{"director":"lvs-1","since":1767225600}"#).unwrap();
        assert_eq!(read::<Leader>(&encode(&leader)).unwrap(), leader);
        let refused = |text: &str| read::<Leader>(text.as_bytes()).unwrap_err().to_string();
        assert!(refused(r#"{"director":"lvs/1","since":1}"#).starts_with("director: is no director's id"));
        assert!(refused(r#"{"director":"lvs-1"}"#).contains("since"));
    }
}

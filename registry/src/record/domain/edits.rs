//! Header fields that are set, added and removed on the way.
//!
//! Some are nobody's to edit. What frames a message or belongs to one hop is the gateway's on either side, or two readers
//! of one connection would disagree on where a message ends (RFC 9112, 11.2); and what tells an instance who its client
//! is must not be a route's word.

use serde::{Deserialize, Serialize};

use super::field::{FieldName, Fields};
use crate::record::ValueError;
use crate::record::text::check_list;

/// Of each kind of edit. A head that gets more is a program's work, not a gateway's.
const MAX_EDITS: usize = 64;

/// Removed first, then set, then added; a name is in one of the three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderEdits {
    /// In place of whatever has the name.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub set: Fields,
    /// Beside whatever has the name.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub add: Fields,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<FieldName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Request,
    Response,
}

impl HeaderEdits {
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }

    /// Whether the name gets a value here.
    pub(super) fn set_name(&self, name: &str) -> bool {
        self.set.contains(name) || self.add.contains(name)
    }

    /// The first name that gets a value here and begins so.
    pub(super) fn set_under(&self, prefix: &str) -> Option<&FieldName> {
        let named = self.set.iter().chain(self.add.iter()).map(|(name, _)| name);
        named.into_iter().find(|name| name.as_str().starts_with(prefix))
    }

    pub(super) fn check(&self, side: Side) -> Result<(), ValueError> {
        check_list("remove", &self.remove, MAX_EDITS)?;
        for (field, fields) in [("set", &self.set), ("add", &self.add)] {
            if fields.len() > MAX_EDITS {
                let message = format!("{} headers; the most is {MAX_EDITS}", fields.len());
                return Err(ValueError::field(field, message));
            }
            for (name, _) in fields.iter() {
                let at = || format!("{field}.{name}");
                refused(name, side).map_or(Ok(()), |why| Err(ValueError::field(at(), why)))?;
            }
        }
        for (i, name) in self.remove.iter().enumerate() {
            let at = || format!("remove[{i}]");
            refused(name, side).map_or(Ok(()), |why| Err(ValueError::field(at(), why)))?;
            if self.set_name(name.as_str()) {
                let message = format!("`{name}` is removed and written; `set` replaces what is there");
                return Err(ValueError::field(at(), message));
            }
        }
        match self.add.iter().find(|(name, _)| self.set.contains(name.as_str())) {
            None => Ok(()),
            Some((name, _)) => {
                let message = "is in `set` too; write one value, or both into `set`";
                Err(ValueError::field(format!("add.{name}"), message))
            }
        }
    }
}

/// RFC 9110, 7.6.1, and its forerunners.
const OF_A_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
];

/// Why nobody may edit it, and what to write instead.
fn refused(name: &FieldName, side: Side) -> Option<&'static str> {
    const HOP: &str = "belongs to one connection, which the gateway looks after; leave it out";
    const FRAMES: &str = "says where the message ends, which the gateway writes; leave it out";
    const IDENTITY: &str =
        "tells the instance who its client is, which the gateway alone knows; leave it out, or rename it";
    match (name.as_str(), side) {
        ("content-length" | "transfer-encoding", _) => Some(FRAMES),
        ("expect", Side::Request) => Some(HOP),
        (name, _) if OF_A_HOP.contains(&name) => Some(HOP),
        ("host", Side::Request) => Some("is not edited here; write `rewrite`: {\"host\": …}"),
        ("forwarded" | "x-real-ip" | "x-jobname", Side::Request) => Some(IDENTITY),
        (name, Side::Request) if name.starts_with("x-forwarded-") => Some(IDENTITY),
        _ => None,
    }
}

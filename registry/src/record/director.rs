//! `directors/<id>`: a live lvs-sync, under its lease.

use std::net::IpAddr;

use roundhouse_config::Label;
use serde::{Deserialize, Serialize};

use super::text::{check_list, is_id};
use super::{Sink, Sorted, ValueError};
use crate::kv::Revision;

const MAX_LINES: usize = 64;
const MAX_POOLS: usize = 10_000;
/// As in a pool.
const MAX_VIPS: usize = 64 * 16;

/// DNS names only directors that hold the line and have applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Director {
    pub version: String,
    pub host: String,
    #[serde(default)]
    pub sinks: Vec<Sink>,
    #[serde(default)]
    pub lines: Vec<Label>,
    /// The registry's revision that its sinks show.
    #[serde(default)]
    pub revision: Revision,
    /// Entries of its own that somebody else had changed at its latest look.
    #[serde(default)]
    pub drift: u64,
    /// The VIPs that it holds, pool by pool: they are programmed, and have somebody behind them.
    #[serde(default, skip_serializing_if = "Sorted::is_empty")]
    pub applied: Sorted<Label, Vec<IpAddr>>,
    /// Pools that it could not program as the registry wants them; `lvs-sync status` says why.
    #[serde(default)]
    pub problems: u64,
}

impl Director {
    /// One that holds nothing yet.
    pub fn new(version: impl Into<String>, host: impl Into<String>) -> Director {
        Director {
            version: version.into(),
            host: host.into(),
            sinks: Vec::new(),
            lines: Vec::new(),
            revision: Revision::default(),
            drift: 0,
            applied: Sorted::default(),
            problems: 0,
        }
    }

    pub fn validate(&self) -> Result<(), ValueError> {
        if !is_id(&self.host) {
            return Err(ValueError::field("host", "is no host name"));
        }
        if self.version.len() > 253 {
            return Err(ValueError::field("version", "is longer than 253 bytes"));
        }
        check_list("lines", &self.lines, MAX_LINES)?;
        if self.applied.len() > MAX_POOLS {
            let message = format!("{} pools; the most is {MAX_POOLS}", self.applied.len());
            return Err(ValueError::field("applied", message));
        }
        if let Some((pool, vips)) = self.applied.iter().find(|(_, vips)| vips.len() > MAX_VIPS) {
            let message = format!("{} VIPs; the most is {MAX_VIPS}", vips.len());
            return Err(ValueError::field(format!("applied.{pool}"), message));
        }
        let twice = (1..self.sinks.len()).find(|i| self.sinks[..*i].contains(&self.sinks[*i]));
        match twice {
            Some(i) => Err(ValueError::field(format!("sinks[{i}]"), "is there twice; write it once")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{decode, encode};

    #[test]
    fn the_shape_reads() {
        let director: Director = decode(
            br#"{"version":"0.1.0","host":"lvs-1","sinks":["ipvs"],"lines":["telecom"],"revision":17,"drift":0,
                "applied":{"blog":["203.0.113.10","2001:db8::10"]},"problems":1}"#,
        )
        .unwrap();
        assert_eq!(director.validate(), Ok(()));
        assert_eq!(decode::<Director>(&encode(&director)).unwrap(), director);
    }

    #[test]
    fn refusals_name_the_field() {
        let refused = |fields: &str| {
            let text = format!(r#"{{"version":"1","host":"a",{fields}}}"#);
            let read = decode::<Director>(text.as_bytes());
            read.and_then(|director| director.validate()).unwrap_err().to_string()
        };
        assert!(refused(r#""sinks":["ipvs","ipvs"]"#).starts_with("sinks[1]: "));
        assert!(refused(r#""lines":["a","a"]"#).contains("`a` is there twice"));
        assert!(refused(r#""revision":-1"#).starts_with("revision: "));
    }
}

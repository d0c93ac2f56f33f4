//! What a pool leads to.

use roundhouse_config::{Label, PortName};
use serde::{Deserialize, Serialize};

/// `{"job":"coding-blog","port":"main"}`, `{"hubs":"<entrypoint>"}` or `{"pool":"<name>"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawTarget", into = "RawTarget")]
pub enum PoolTarget {
    /// The instances of a job, at this port of theirs.
    Job(Label, PortName),
    /// The hubs, at this entrypoint.
    Hubs(PortName),
    /// The VIPs of another pool.
    Pool(Label),
}

#[derive(Serialize, Deserialize)]
struct RawTarget {
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<PortName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hubs: Option<PortName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool: Option<Label>,
}

impl TryFrom<RawTarget> for PoolTarget {
    type Error = &'static str;

    fn try_from(raw: RawTarget) -> Result<PoolTarget, &'static str> {
        match raw {
            RawTarget { job: Some(job), port, hubs: None, pool: None } => {
                Ok(PoolTarget::Job(job, port.unwrap_or_else(PortName::main)))
            }
            RawTarget { job: None, port: None, hubs: Some(entrypoint), pool: None } => {
                Ok(PoolTarget::Hubs(entrypoint))
            }
            RawTarget { job: None, port: None, hubs: None, pool: Some(pool) } => Ok(PoolTarget::Pool(pool)),
            _ => Err(
                "write one of {\"job\":\"blog\",\"port\":\"main\"}, {\"hubs\":\"http\"} and {\"pool\":\"blog\"}",
            ),
        }
    }
}

impl From<PoolTarget> for RawTarget {
    fn from(target: PoolTarget) -> RawTarget {
        let none = RawTarget { job: None, port: None, hubs: None, pool: None };
        match target {
            PoolTarget::Job(job, port) => RawTarget { job: Some(job), port: Some(port), ..none },
            PoolTarget::Hubs(entrypoint) => RawTarget { hubs: Some(entrypoint), ..none },
            PoolTarget::Pool(pool) => RawTarget { pool: Some(pool), ..none },
        }
    }
}

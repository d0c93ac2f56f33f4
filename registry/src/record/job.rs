//! `jobs/<label>`: what a job is called, what it serves and how it wants to be served.

use std::time::Duration;

use roundhouse_config::{Check, JobName, Label, Port, PortName, duration};
use serde::{Deserialize, Serialize};

use super::ValueError;

/// A job with more ports than this is a mistake in a generator.
const MAX_PORTS: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub jobname: JobName,
    #[serde(default)]
    pub ports: Vec<Port>,
    #[serde(default)]
    pub balance: Balance,
    /// `null`: instances are believed without a check.
    #[serde(default = "default_check")]
    pub check: Option<Check>,
    #[serde(default)]
    pub access: DefaultAccess,
    /// How long live connections may go on once an instance drains.
    #[serde(default = "default_drain", with = "duration")]
    pub drain: Duration,
    /// Whether the mass-expiry hold may keep instances that vanish with many others. A job whose instances come and go
    /// by the hundred says no.
    #[serde(default = "default_hold")]
    pub hold: bool,
    /// A wished VIP offset.
    #[serde(default)]
    pub vip: Option<u32>,
    /// Made because an instance registered; yields to the first record that a person writes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub implicit: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    #[serde(default)]
    pub policy: Policy,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    #[default]
    RoundRobin,
}

/// What happens to a peer that no access rule names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DefaultAccess {
    #[default]
    Allow,
    Deny,
}

fn default_check() -> Option<Check> {
    Some(Check::default())
}

fn default_hold() -> bool {
    true
}

fn default_drain() -> Duration {
    Duration::from_secs(30)
}

impl Job {
    /// A job with the defaults of a record that says nothing else.
    pub fn new(jobname: JobName, ports: Vec<Port>) -> Job {
        Job {
            jobname,
            ports,
            balance: Balance::default(),
            check: default_check(),
            access: DefaultAccess::default(),
            drain: default_drain(),
            hold: default_hold(),
            vip: None,
            implicit: false,
        }
    }

    /// The record that an instance without one brings along.
    pub fn implicit(label: &Label, jobname: Option<JobName>, ports: Vec<Port>) -> Job {
        let jobname = jobname.unwrap_or_else(|| JobName::implicit(label));
        Job { implicit: true, ..Job::new(jobname, ports) }
    }

    pub fn validate(&self) -> Result<(), ValueError> {
        if self.ports.len() > MAX_PORTS {
            return Err(ValueError::field(
                "ports",
                format!("{} ports; the most is {MAX_PORTS}", self.ports.len()),
            ));
        }
        if self.access == DefaultAccess::Deny {
            let message = "`deny` needs access rules, which this version does not enforce; write \"allow\"";
            return Err(ValueError::field("access", message));
        }
        for (i, port) in self.ports.iter().enumerate() {
            if let Some(other) = self.ports[..i].iter().find(|other| other.name == port.name) {
                let message = format!(
                    "the name `{}` is taken by port {}; give each port its own",
                    port.name, other.port
                );
                return Err(ValueError::field(format!("ports[{i}].name"), message));
            }
            if let Some(other) = self.ports[..i].iter().find(|other| other.port == port.port) {
                let message = format!("{} is already the number of port `{}`", port.port, other.name);
                return Err(ValueError::field(format!("ports[{i}].port"), message));
            }
        }
        Ok(())
    }

    pub fn port(&self, name: &PortName) -> Option<&Port> {
        self.ports.iter().find(|port| &port.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::decode;

    #[test]
    fn the_shape_of_the_documentation_reads_with_its_defaults() {
        let short: Job = decode(
            br#"{"jobname":"job.app2_service.app_cop.coding","ports":[{"name":"main","port":1111,"protocol":"tcp"}]}"#,
        )
        .unwrap();
        let long: Job = decode(
            br#"{"jobname":"job.app2_service.app_cop.coding","ports":[{"name":"main","port":1111,"protocol":"tcp"}],
                "balance":{"policy":"round_robin"},
                "check":{"kind":"tcp","interval":"2s","timeout":"1s","rise":2,"fall":3},
                "access":"allow","drain":"30s","hold":true,"vip":null,"from_the_future":[1]}"#,
        )
        .unwrap();
        assert_eq!(short, long);
        let unchecked: Job = decode(br#"{"jobname":"job.app2","check":null}"#).unwrap();
        assert_eq!(unchecked.check, None);
        assert!(unchecked.hold);
        assert!(!decode::<Job>(br#"{"jobname":"job.app2","hold":false}"#).unwrap().hold);
    }

    #[test]
    fn port_names_and_numbers_are_unique() {
        let twice: Job =
            decode(br#"{"jobname":"job.a","ports":[{"name":"x","port":1},{"name":"x","port":2}]}"#).unwrap();
        assert!(twice.validate().unwrap_err().to_string().contains("ports[1].name"));
        let same: Job =
            decode(br#"{"jobname":"job.a","ports":[{"name":"x","port":1},{"name":"y","port":1}]}"#).unwrap();
        assert!(same.validate().unwrap_err().to_string().contains("already the number of port `x`"));
    }
}

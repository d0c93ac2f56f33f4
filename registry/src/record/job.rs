//! `jobs/<label>`: what a job is called, what it serves and how it wants to be served.

use std::time::Duration;

use roundhouse_config::{
    App, Balance, Check, DefaultAccess, JobLimits, JobName, Label, OnUnhealthy, Outage, Port, PortName,
    Timeouts, TrustedCa, duration,
};
use serde::{Deserialize, Serialize};

use super::{CertError, Chain, ValueError};

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
    /// What is spoken on its TCP ports, so that a refusal can be in those words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<App>,
    #[serde(default)]
    pub access: DefaultAccess,
    /// Who may come in while the registry is away.
    #[serde(default, skip_serializing_if = "Outage::is_default")]
    pub outage: Outage,
    /// How long live connections may go on once an instance drains.
    #[serde(default = "default_drain", with = "duration")]
    pub drain: Duration,
    /// What becomes of live connections to an instance that fails its check.
    #[serde(default)]
    pub on_unhealthy: OnUnhealthy,
    #[serde(default)]
    pub timeouts: Timeouts,
    #[serde(default)]
    pub limits: JobLimits,
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
            app: None,
            access: DefaultAccess::default(),
            outage: Outage::default(),
            drain: default_drain(),
            on_unhealthy: OnUnhealthy::default(),
            timeouts: Timeouts::default(),
            limits: JobLimits::default(),
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
            if let Some(TrustedCa::Pem(pem)) = port.tls.as_ref().and_then(|tls| tls.ca.as_ref()) {
                check_ca(&format!("ports[{i}].tls.ca"), pem)?;
            }
        }
        let timeouts = self.timeouts.out_of_bounds().map(|wrong| ("timeouts", wrong));
        let limits = self.limits.out_of_bounds().map(|wrong| ("limits", wrong));
        if let Some((outer, (field, message))) = timeouts.chain(limits).next() {
            return Err(ValueError::field(format!("{outer}.{field}"), format!("{message}, or null")));
        }
        match self.outage.out_of_bounds().next() {
            Some((field, message)) => Err(ValueError::field(format!("outage.{field}"), message)),
            None => Ok(()),
        }
    }

    pub fn port(&self, name: &PortName) -> Option<&Port> {
        self.ports.iter().find(|port| &port.name == name)
    }
}

/// Whoever wrote it learns of a slip, not the first connection.
fn check_ca(at: &str, pem: &str) -> Result<(), ValueError> {
    let message = match Chain::new(pem) {
        Ok(_) => return Ok(()),
        Err(CertError::Count(count)) => {
            format!("{count} certificates; write those that sign this job's, or {{\"file\":\"/path\"}}")
        }
        Err(error) => error.to_string(),
    };
    Err(ValueError::field(at, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{decode, encode};

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
                "access":"allow","drain":"30s","on_unhealthy":"keep",
                "timeouts":{"connect":null,"idle":null,"lifetime":null},
                "limits":{"connections":null,"connections_per_client":null},"hold":true,"vip":null,"from_the_future":[1]}"#,
        )
        .unwrap();
        assert_eq!(short, long);
        let unchecked: Job = decode(br#"{"jobname":"job.app2","check":null}"#).unwrap();
        assert_eq!(unchecked.check, None);
        assert!(unchecked.hold);
        assert!(!decode::<Job>(br#"{"jobname":"job.app2","hold":false}"#).unwrap().hold);
    }

    #[test]
    fn what_is_the_job_s_own_comes_back() {
        let text = br#"{"jobname":"job.db","on_unhealthy":"close",
            "timeouts":{"connect":"10ms","idle":"30d"},"limits":{"connections":1000000},
            "ports":[{"name":"main","port":5432,"proxy":"v2","tls":{"server_name":"db.internal"}}]}"#;
        let job: Job = decode(text).unwrap();
        assert_eq!(job.validate(), Ok(()));
        assert_eq!(job.on_unhealthy, OnUnhealthy::Close);
        assert_eq!(job.timeouts.connect, Some(Duration::from_millis(10)));
        assert_eq!((job.timeouts.lifetime, job.limits.connections), (None, Some(1_000_000)));
        assert_eq!(job.ports[0].tls.as_ref().unwrap().server_name, Some("db.internal".parse().unwrap()));
        assert_eq!(decode::<Job>(&encode(&job)).unwrap(), job);
    }

    #[test]
    fn refusals_name_the_field_and_its_bounds() {
        let refused = |fields: &str| {
            let text = format!(r#"{{"jobname":"job.a",{fields}}}"#);
            decode::<Job>(text.as_bytes()).and_then(|job| job.validate()).unwrap_err().to_string()
        };
        let port = |fields: &str| refused(&format!(r#""ports":[{{"name":"main","port":1,{fields}}}]"#));
        for (fields, expected) in [
            (
                r#""timeouts":{"connect":"9ms"}"#,
                "timeouts.connect: \"9ms\" is out of bounds; write \"10ms\" to \"1m\"",
            ),
            (
                r#""timeouts":{"idle":"0s"}"#,
                "timeouts.idle: \"0s\" is out of bounds; write \"1s\" to \"30d\"",
            ),
            (r#""timeouts":{"lifetime":"31d"}"#, "timeouts.lifetime: \"31d\" is out of bounds"),
            (r#""timeouts":{"idle":"soon"}"#, "timeouts.idle: `soon` is no duration"),
            (
                r#""limits":{"connections":0}"#,
                "limits.connections: 0 is out of bounds; write 1 to 1000000, or null",
            ),
            (
                r#""limits":{"connections_per_client":1000001}"#,
                "limits.connections_per_client: 1000001 is out",
            ),
            (r#""on_unhealthy":"cut""#, "on_unhealthy: `cut` is unknown; write `keep` or `close`"),
        ] {
            assert!(refused(fields).starts_with(expected), "{}", refused(fields));
        }
        assert!(port(r#""protocol":"udp","proxy":"v1""#).contains("`proxy` does not go with udp"));
        assert!(port(r#""protocol":"tls","tls":{}"#).starts_with("ports[0]"));
        let ca = |pem: &str| port(&format!(r#""tls":{{"ca":{}}}"#, serde_json::Value::from(pem)));
        let pem = "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n";
        assert!(ca(&pem.repeat(17)).starts_with("ports[0].tls.ca: 17 certificates"));
        assert!(ca(&pem.replace("MAMC", "AAAA")).starts_with("ports[0].tls.ca: is no PEM"));
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

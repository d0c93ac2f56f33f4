//! `entrypoints/<name>`: a listener added at run time, on every gateway.

use roundhouse_config::{Label, Listen, PortName};
use serde::{Deserialize, Serialize};

use super::ValueError;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entrypoint {
    pub listen: Listen,
    #[serde(default)]
    pub protocol: EntrypointProtocol,
    /// tcp and udp name no job in what they carry, so every connection goes to this one. With tls: whatever the SNI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Label>,
    /// The port of that job; left out: its first one that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<PortName>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntrypointProtocol {
    #[default]
    Http,
    Https,
    /// Passed through, routed by SNI.
    Tls,
    Tcp,
    Udp,
}

impl Entrypoint {
    pub fn validate(&self) -> Result<(), ValueError> {
        if self.listen.socket_addr().port() == 0 {
            let message = "port 0 would be another one on each gateway; write 1 to 65535, as in \":443\"";
            return Err(ValueError::field("listen", message));
        }
        match (self.protocol, &self.job) {
            (EntrypointProtocol::Tcp | EntrypointProtocol::Udp, None) => {
                let message =
                    "tcp and udp say nowhere which job is meant; write its label, as in \"job\":\"redis\"";
                return Err(ValueError::field("job", message));
            }
            (EntrypointProtocol::Http | EntrypointProtocol::Https, Some(_)) => {
                let message = "an HTTP request names its host; leave `job` out and write a domain for it";
                return Err(ValueError::field("job", message));
            }
            _ => {}
        }
        if self.port.is_some() && self.job.is_none() {
            return Err(ValueError::field("port", "is a job's port; write `job` too, or leave it out"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{decode, encode};

    #[test]
    fn the_shapes_read() {
        for text in [
            r#"{"listen":":80","protocol":"http"}"#,
            r#"{"listen":"10.0.0.1:443","protocol":"https"}"#,
            r#"{"listen":":3306","protocol":"tcp","job":"mysql","port":"main"}"#,
            r#"{"listen":":53","protocol":"udp","job":"dns"}"#,
            r#"{"listen":":8443","protocol":"tls"}"#,
        ] {
            let entrypoint: Entrypoint = decode(text.as_bytes()).unwrap();
            assert_eq!(entrypoint.validate(), Ok(()), "{text}");
            assert_eq!(encode(&entrypoint), text.as_bytes());
        }
    }

    #[test]
    fn refusals_say_what_to_write() {
        let refused = |text: &str| {
            let read = decode::<Entrypoint>(text.as_bytes());
            read.and_then(|entrypoint| entrypoint.validate()).unwrap_err().to_string()
        };
        assert!(refused(r#"{"listen":":0"}"#).contains("write 1 to 65535"));
        assert!(refused(r#"{"listen":"80"}"#).starts_with("listen: "));
        assert!(refused(r#"{"listen":":80","protocol":"tcp"}"#).contains("\"job\":\"redis\""));
        assert!(refused(r#"{"listen":":80","job":"a"}"#).contains("write a domain"));
        assert!(refused(r#"{"listen":":80","protocol":"tls","port":"main"}"#).contains("write `job` too"));
        assert!(refused(r#"{"listen":":80","protocol":"quic"}"#).contains("expected one of `http`"));
    }
}

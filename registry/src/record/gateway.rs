//! `gateways/<id>`: a live gateway, under its lease.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use roundhouse_config::settings::MAX_HUB_ADDRESSES;
use roundhouse_config::{PortName, dialled};
use serde::{Deserialize, Serialize};

use super::{Sorted, ValueError};

/// Bytes of a host name (RFC 1035).
const MAX_TEXT: usize = 253;
/// As many as a gateway opens.
const MAX_ENTRYPOINTS: usize = 1_024;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    pub version: String,
    pub host: String,
    /// Its own VIP prefix. Offsets stay inside the smallest one announced.
    pub vips: IpNet,
    /// Where its admin API listens.
    pub admin: String,
    /// Where the names of jobs resolve to, if it answers with itself instead of VIPs; else empty.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// Where others reach its open entrypoints: a pool that leads to the hubs leads there.
    #[serde(default, skip_serializing_if = "Sorted::is_empty")]
    pub entrypoints: Sorted<PortName, SocketAddr>,
}

impl Gateway {
    pub fn validate(&self) -> Result<(), ValueError> {
        let texts = [("version", &self.version), ("host", &self.host), ("admin", &self.admin)];
        if let Some((field, _)) = texts.into_iter().find(|(_, text)| text.len() > MAX_TEXT) {
            return Err(ValueError::field(field, format!("is longer than {MAX_TEXT} bytes")));
        }
        if self.addresses.len() > MAX_HUB_ADDRESSES {
            let message = format!("{} addresses; the most is {MAX_HUB_ADDRESSES}", self.addresses.len());
            return Err(ValueError::field("addresses", message));
        }
        if self.entrypoints.len() > MAX_ENTRYPOINTS {
            let message = format!("{} entrypoints; the most is {MAX_ENTRYPOINTS}", self.entrypoints.len());
            return Err(ValueError::field("entrypoints", message));
        }
        for (i, address) in self.addresses.iter().enumerate() {
            dialled(*address)
                .map_err(|error| ValueError::field(format!("addresses[{i}]"), error.to_string()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::decode;

    fn gateway(more: &str) -> Result<Gateway, ValueError> {
        let text = format!(
            r#"{{"version":"1","host":"hub-1","vips":"127.99.0.0/16","admin":"127.0.0.1:8400"{more}}}"#
        );
        decode::<Gateway>(text.as_bytes()).and_then(|gateway| gateway.validate().map(|()| gateway))
    }

    #[test]
    fn a_hub_says_where_names_resolve_to() {
        assert!(gateway("").unwrap().addresses.is_empty(), "an older gateway says nothing of it");
        let hub = gateway(r#","addresses":["10.0.0.5","2001:db8::5"]"#).unwrap();
        assert_eq!(hub.addresses, ["10.0.0.5".parse::<IpAddr>().unwrap(), "2001:db8::5".parse().unwrap()]);
    }

    #[test]
    fn refusals_say_what_to_write() {
        let refused = |more: &str| gateway(more).unwrap_err().to_string();
        assert!(refused(r#","addresses":["10.0.0.5","0.0.0.0"]"#).starts_with("addresses[1]: nobody"));
        assert!(refused(r#","addresses":["::ffff:10.0.0.5"]"#).ends_with("write `10.0.0.5`"));
        let many = vec!["\"10.0.0.5\""; 17].join(",");
        assert!(refused(&format!(r#","addresses":[{many}]"#)).contains("17 addresses; the most is 16"));
    }
}

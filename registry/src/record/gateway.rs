//! `gateways/<id>`: a live gateway, under its lease.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::ValueError;

/// Bytes of a host name (RFC 1035).
const MAX_TEXT: usize = 253;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    pub version: String,
    pub host: String,
    /// Its own VIP prefix. Offsets stay inside the smallest one announced.
    pub vips: IpNet,
    /// Where its admin API listens.
    pub admin: String,
}

impl Gateway {
    pub fn validate(&self) -> Result<(), ValueError> {
        let texts = [("version", &self.version), ("host", &self.host), ("admin", &self.admin)];
        match texts.into_iter().find(|(_, text)| text.len() > MAX_TEXT) {
            Some((field, _)) => Err(ValueError::field(field, format!("is longer than {MAX_TEXT} bytes"))),
            None => Ok(()),
        }
    }
}

//! `gateways/<id>`: a live gateway, under its lease.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    pub version: String,
    pub host: String,
    /// Its own VIP prefix. Offsets stay inside the smallest one announced.
    pub vips: IpNet,
    /// Where its admin API listens.
    pub admin: String,
}

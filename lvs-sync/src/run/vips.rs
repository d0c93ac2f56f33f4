//! VIPs on a device of this host, so that the kernel takes their packets (ip-address(8)).
//!
//! Those that were there before are somebody else's, and stay.

use std::collections::BTreeSet;
use std::net::IpAddr;

use roundhouse_registry::program::{self, Limits, ProgramError, first_line};
use serde::Deserialize;

#[derive(Debug)]
pub(crate) struct Binder {
    device: String,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    #[error(
        "the `ip` program is not here; install iproute2 (Debian: apt-get install iproute2), or leave `bind` out"
    )]
    Missing,
    #[error(
        "addresses may not be changed by this process; grant it CAP_NET_ADMIN (systemd: \
         AmbientCapabilities=CAP_NET_ADMIN), or leave `bind` out"
    )]
    NotPermitted,
    #[error("ip {arguments}: {said}")]
    Other { arguments: String, said: String },
}

impl Binder {
    pub(crate) fn new(device: String) -> Binder {
        Binder { device }
    }

    /// Those that the device does not have.
    pub(crate) fn missing(&self, vips: &BTreeSet<IpAddr>) -> Result<BTreeSet<IpAddr>, BindError> {
        if vips.is_empty() {
            return Ok(BTreeSet::new());
        }
        Ok(vips.difference(&self.there()?).copied().collect())
    }

    pub(crate) fn bind(&self, vips: &BTreeSet<IpAddr>) -> Result<(), BindError> {
        for vip in vips {
            let prefix = whole(*vip);
            let mut arguments = vec!["address", "add", prefix.as_str(), "dev", &self.device];
            // Nobody else answers for it, so nobody need be asked (RFC 4862, 5.4).
            if vip.is_ipv6() {
                arguments.push("nodad");
            }
            match ip(&arguments) {
                // Somebody was faster.
                Err(BindError::Other { said, .. }) if said.contains("File exists") => {}
                done => drop(done?),
            }
        }
        Ok(())
    }

    pub(crate) fn unbind(&self, vips: &BTreeSet<IpAddr>) -> Result<(), BindError> {
        for vip in vips {
            match ip(&["address", "del", &whole(*vip), "dev", &self.device]) {
                Err(BindError::Other { said, .. }) if said.contains("Cannot assign") => {}
                done => drop(done?),
            }
        }
        Ok(())
    }

    fn there(&self) -> Result<BTreeSet<IpAddr>, BindError> {
        #[derive(Deserialize)]
        struct Link {
            #[serde(default)]
            addr_info: Vec<Address>,
        }
        #[derive(Deserialize)]
        struct Address {
            local: Option<IpAddr>,
        }
        let arguments = ["-json", "address", "show", "dev", &self.device];
        let text = ip(&arguments)?;
        let links: Vec<Link> = serde_json::from_str(&text)
            .map_err(|error| BindError::Other { arguments: arguments.join(" "), said: error.to_string() })?;
        Ok(links.into_iter().flat_map(|link| link.addr_info).filter_map(|address| address.local).collect())
    }
}

fn whole(vip: IpAddr) -> String {
    format!("{vip}/{}", if vip.is_ipv4() { 32 } else { 128 })
}

fn ip(arguments: &[&str]) -> Result<String, BindError> {
    let other = |said: String| BindError::Other { arguments: arguments.join(" "), said };
    let answer = program::run("ip", arguments, "", Limits::BRIEF).map_err(|error| match error {
        ProgramError::Missing => BindError::Missing,
        error => other(error.to_string()),
    })?;
    match answer.status.success() {
        true => Ok(answer.stdout),
        false if answer.stderr.contains("Operation not permitted") => Err(BindError::NotPermitted),
        false => Err(other(first_line(&answer.stderr))),
    }
}

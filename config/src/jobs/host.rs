//! The `hosts:` block: names of hosts and their addresses.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::fields::Fields;
use crate::names::is_host_name;
use crate::text::quoted;

/// Every host of the file, by its lower-cased name.
pub(super) fn read_all(root: &Fields<'_>) -> BTreeMap<String, IpAddr> {
    let mut hosts = BTreeMap::new();
    let mut places: BTreeMap<String, String> = BTreeMap::new();
    for fields in root.messages("hosts") {
        let name = fields.required("name", "host-1", host_name);
        let address = fields.required("address", "10.0.0.1", address);
        let Some(name) = name else { continue };
        if let Some(earlier) = places.get(&name) {
            let first = fields.report.reference(earlier);
            fields.wrong("name", format!("host `{name}` is here twice, first at {first}"));
            continue;
        }
        places.insert(name.clone(), fields.path_of("name"));
        hosts.extend(address.map(|address| (name, address)));
    }
    hosts
}

/// Reads the name of a host, or its address in place of a name; gives it lower-cased.
pub(super) fn host_name(text: &str) -> Result<String, String> {
    if text.parse::<IpAddr>().is_ok() {
        return address(text).map(|address| address.to_string());
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    if !is_host_name(name) {
        return Err(format!(
            "`{}` is no host name; write a name such as `host-1` or an address",
            quoted(text)
        ));
    }
    Ok(name.to_ascii_lowercase())
}

/// Reads an address that can be dialled.
pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    let shown = quoted(text);
    let Ok(address) = text.parse::<IpAddr>() else {
        return Err(format!("`{shown}` is no IP address; write one such as `10.0.0.1`"));
    };
    let address = address.to_canonical();
    if address.is_unspecified() || address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
        return Err(format!("`{shown}` is not the address of one host; write one such as `10.0.0.1`"));
    }
    Ok(address)
}

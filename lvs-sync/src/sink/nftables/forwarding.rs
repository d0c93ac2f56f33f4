//! Whether this host passes packets on at all: a kernel balancer on one that does not is silent.

use std::fs;

use crate::model::Family;

const FAMILIES: [(Family, &str); 2] =
    [(Family::V4, "net.ipv4.ip_forward"), (Family::V6, "net.ipv6.conf.all.forwarding")];

/// A sentence for each family that has services and is not forwarded.
pub(super) fn warnings(has_services: impl Fn(Family) -> bool) -> Vec<String> {
    let lacking =
        FAMILIES.into_iter().filter(|(family, sysctl)| has_services(*family) && !is_on(&value(sysctl)));
    lacking.map(|(family, sysctl)| warning(family, sysctl)).collect()
}

/// What cannot be read is not complained about.
fn value(sysctl: &str) -> String {
    let path = format!("/proc/sys/{}", sysctl.replace('.', "/"));
    fs::read_to_string(path).unwrap_or_else(|_| "1".into())
}

fn is_on(value: &str) -> bool {
    value.trim() != "0"
}

fn warning(family: Family, sysctl: &str) -> String {
    format!(
        "{sysctl} is 0, so that this host passes no {family} packets on to destinations on other hosts; set it (sysctl -w \
         {sysctl}=1, and for the next start in /etc/sysctl.d)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_says_what_to_set() {
        assert!(!is_on("0\n") && is_on("1\n"));
        let said = warning(Family::V4, "net.ipv4.ip_forward");
        assert!(said.contains("sysctl -w net.ipv4.ip_forward=1"), "{said}");
        assert_eq!(warnings(|_| false), [] as [String; 0]);
    }
}

//! Settings of the kernel by which a right table works wrong (Documentation/networking/ipvs-sysctl.rst).

use std::fs;

struct Wanted {
    name: &'static str,
    value: &'static str,
    why: &'static str,
}

const IPVS: &[Wanted] = &[
    Wanted {
        name: "net.ipv4.vs.expire_nodest_conn",
        value: "1",
        why: "connections of a destination that is gone hang until their clients give up, instead of being reset",
    },
    Wanted {
        name: "net.ipv4.vs.expire_quiescent_template",
        value: "1",
        why: "persistent clients are sent to a destination that drains for as long as their persistence lasts",
    },
    Wanted {
        name: "net.ipv4.vs.conn_reuse_mode",
        value: "1",
        why: "a client that uses a port again is sent to the destination of its last connection, also to one with weight 0",
    },
    Wanted {
        name: "net.ipv4.ip_forward",
        value: "1",
        why: "answers of instances behind \"forwarding\": \"masq\" are not passed on to clients",
    },
];

/// What will not do, and what it does to whom.
pub(super) fn warnings() -> Vec<String> {
    IPVS.iter().filter_map(|wanted| judged(wanted, read(wanted.name)?.trim())).collect()
}

/// `None`: the kernel does not have it, and so no such trouble.
fn read(name: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).ok()
}

fn judged(Wanted { name, value, why }: &Wanted, found: &str) -> Option<String> {
    (found != *value).then(|| format!("{name} is {found}: {why}; set it: sysctl -w {name}={value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_is_explained_with_its_cure() {
        let said = judged(&IPVS[1], "0").unwrap();
        assert!(said.starts_with("net.ipv4.vs.expire_quiescent_template is 0: persistent clients"), "{said}");
        assert!(said.ends_with("sysctl -w net.ipv4.vs.expire_quiescent_template=1"), "{said}");
        assert_eq!(judged(&IPVS[1], "1"), None);
    }
}

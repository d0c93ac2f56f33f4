use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::sink::haproxy::shape::ProxyHeader;

fn shape() -> impl Strategy<Value = Shape> {
    let balance = prop_oneof![Just(Balance::RoundRobin), Just(Balance::LeastConn), Just(Balance::Source)];
    (balance, proptest::option::of(1u8..=2))
        .prop_map(|(balance, version)| Shape { balance, header: version.and_then(ProxyHeader::of) })
}

fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(SocketAddr::from)
}

fn section() -> impl Strategy<Value = Section> {
    let servers = proptest::collection::vec((address(), 0u32..=256), 0..5);
    (address(), shape(), servers).prop_map(|(vip, shape, servers)| {
        let mut section = Section::new(vip, shape);
        for (address, weight) in servers {
            section.add(address, weight);
        }
        section
    })
}

fn fragment() -> impl Strategy<Value = Fragment> {
    proptest::collection::vec(section(), 0..4).prop_map(|sections| Fragment {
        sections: sections.into_iter().map(|section| (name::key(section.vip), section)).collect(),
    })
}

proptest! {
    #[test]
    fn it_reads_back_as_it_was_written(fragment in fragment(), check: bool) {
        let text = fragment.render(check);
        prop_assert_eq!(Fragment::parse(&text, check), Some(fragment));
    }

    /// A line taken out, said twice or changed: what is read then is not what was written.
    #[test]
    fn an_edit_is_seen(fragment in fragment(), at: prop::sample::Index, how in 0..3) {
        let text = fragment.render(true);
        let mut lines: Vec<&str> = text.lines().collect();
        let at = at.index(lines.len());
        let longer = format!("{} # ours", lines[at]);
        match how {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[at]),
            _ => lines[at] = &longer,
        }
        let edited = lines.join("\n") + "\n";
        prop_assume!(edited != text);
        prop_assert_ne!(Fragment::parse(&edited, true), Some(fragment));
    }

    #[test]
    fn a_reload_gives_what_ran(fragment in fragment()) {
        let backends = fragment.sections.iter().map(|(key, section)| (key.clone(), loaded(section))).collect();
        prop_assert_eq!(Fragment::of(&Running { backends, ..Running::default() }), fragment);
    }

    #[test]
    fn servers_keep_their_places_unless_they_had_none(section in section(), shape in shape()) {
        let mut reshaped = section.clone();
        reshaped.reshape(shape);
        prop_assert_eq!(reshaped.shape, shape);
        prop_assert_eq!(reshaped.servers.len(), section.servers.len());
        for (address, line) in &reshaped.servers {
            let before = section.servers[address];
            prop_assert_eq!(line.weight, before.weight);
            prop_assert_eq!(line.id.is_some(), shape.balance == Balance::Source);
            prop_assert!(line.id.is_none() || before.id.is_none() || line.id == before.id);
        }
    }
}

#[test]
fn a_server_that_rests_rests_after_a_reload() {
    let mut section = Section::new(
        "203.0.113.10:80".parse().unwrap(),
        Shape { balance: Balance::RoundRobin, header: None },
    );
    let address = "10.0.0.1:80".parse().unwrap();
    section.add(address, 7);
    let mut backend = loaded(&section);
    backend.servers.get_mut(&address).unwrap().rests = true;
    assert_eq!(Section::of(&backend).servers[&address].weight, 0);
}

/// As a process that read it would say.
fn loaded(section: &Section) -> Backend {
    let servers = section.servers.iter().zip(1..).map(|((address, line), n)| {
        let server = Server {
            name: name::server(*address),
            id: line.id.unwrap_or(n),
            weight: line.weight,
            rests: false,
            check: Check::On,
            sessions: 0,
        };
        (*address, server)
    });
    Backend {
        vip: section.vip,
        algorithm: section.shape.balance.algorithm().into(),
        header: section.shape.header,
        servers: servers.collect(),
    }
}

#[test]
fn it_looks_like_this() {
    let mut plain = Section::new(
        "203.0.113.10:80".parse().unwrap(),
        Shape { balance: Balance::RoundRobin, header: None },
    );
    plain.add("10.0.0.1:8080".parse().unwrap(), 100);
    plain.add("[2001:db8::1]:8080".parse().unwrap(), 0);
    let mut hashed = Section::new(
        "[2001:db8::10]:80".parse().unwrap(),
        Shape { balance: Balance::Source, header: ProxyHeader::of(2) },
    );
    hashed.add("10.0.0.1:8080".parse().unwrap(), 7);
    let sections = [plain, hashed].map(|section| (name::key(section.vip), section)).into();
    let text = Fragment { sections }.render(true);
    assert_eq!(
        text.strip_prefix(PREFACE).unwrap(),
        "
frontend rh-tcp-203.0.113.10-80
    mode tcp
    bind 203.0.113.10:80
    default_backend rh-tcp-203.0.113.10-80

backend rh-tcp-203.0.113.10-80
    mode tcp
    balance roundrobin
    option tcp-check
    server 10.0.0.1_8080 10.0.0.1:8080 weight 100 check
    server 2001:db8::1_8080 [2001:db8::1]:8080 weight 0 check

frontend rh-tcp-2001:db8::10-80-proxy-v2
    mode tcp
    bind [2001:db8::10]:80
    default_backend rh-tcp-2001:db8::10-80-proxy-v2

backend rh-tcp-2001:db8::10-80-proxy-v2
    mode tcp
    balance source
    hash-type consistent
    option tcp-check
    server 10.0.0.1_8080 10.0.0.1:8080 weight 7 id 966692 check send-proxy-v2
"
    );
    assert_eq!(Fragment::parse(&text, false), None, "written with other options");
}

//! One address written in several ways (RFC 4291, 2.5.5.2).

use std::net::SocketAddr;

use roundhouse_tests::{SOON, eventually, try_dial};

use crate::ask::{Ask, Verdict};
use crate::stage::{EVIL, READER, STRANGER, Stage, WEB};

/// Web comes in, and nobody else.
#[track_caller]
fn is_guarded(stage: &Stage, entrypoint: SocketAddr) {
    for (host, verdict) in [
        (WEB, Verdict::Passes("job.web")),
        (READER, Verdict::Passes("job.reader")),
        (EVIL, Verdict::Denied),
        (STRANGER, Verdict::Denied),
    ] {
        Ask { to: entrypoint, ..Ask::of(stage, host) }.is(stage, verdict);
    }
    for host in [WEB, READER, EVIL, STRANGER] {
        Ask { to: entrypoint, target: "/admin", ..Ask::of(stage, host) }.is(stage, Verdict::Denied);
    }
}

#[test]
fn an_entrypoint_written_ipv4_mapped_knows_its_clients() {
    let stage = Stage::start();
    let own = stage.gateway.net.gateway();
    let record = format!(r#"{{"listen":"[::ffff:{own}]:8083","protocol":"http"}}"#);
    assert_eq!(stage.gateway.call("PUT", "/v1/entrypoints/mapped", &record).status, 201);
    let entrypoint = SocketAddr::new(own, 8083);
    eventually(SOON, "it listens", || try_dial(None, entrypoint).map(drop));
    is_guarded(&stage, entrypoint);
}

/// Whose socket is one of IPv6, to which every client of IPv4 is a mapped one.
#[test]
fn an_entrypoint_of_both_families_knows_its_clients() {
    let both = |listen: &str, name: &str| {
        format!("[[entrypoint]]\nname = \"{name}\"\nlisten = \"{listen}:0\"\nprotocol = \"http\"\n")
    };
    let stage = Stage::with(&[both("[::]", "six"), both("", "all")].concat());
    for name in ["six", "all"] {
        // On a port of the kernel's choice, since all of this machine's addresses are somebody's.
        let line = stage.gateway.process().wait_line(SOON, &format!("listening entrypoint={name} "));
        let port = line.split_whitespace().find_map(|word| word.strip_prefix("address=")?.rsplit(':').next());
        let port = port.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("no port: {line}"));
        is_guarded(&stage, SocketAddr::new(stage.gateway.net.gateway(), port));
    }
}

#[test]
fn an_instance_that_is_written_ipv4_mapped_lives_at_its_ipv4_address() {
    let stage = Stage::start();
    const MAPPED: u8 = 24;
    let record = format!(r#"{{"address":"::ffff:{}","ports":{{"main":9000}}}}"#, stage.address(MAPPED));
    let id = roundhouse_registry::InstanceId::random();
    let path = format!("/v1/instances/web/{id}");
    stage.in_force(crate::stage::write(&stage.gateway, "PUT", &path, &record));
    Ask::of(&stage, MAPPED).is(&stage, Verdict::Passes("job.web"));
    // A rule's range in that form is refused where it is written: it would look like one of IPv6.
    let rule = format!(
        r#"{{"to":{{"job":"shop"}},"from":{{"cidr":["::ffff:{}/128"]}},"action":"deny"}}"#,
        stage.address(WEB)
    );
    let reply = stage.gateway.call("PUT", "/v1/rules/deny-mapped", &rule);
    assert!(reply.status == 422 && reply.body.contains("/32"), "{reply:?}");
}

//! PROXY headers (proxy-protocol.txt of HAProxy): whom one names is the client, if the peer may send one, and the JOBNAME
//! in it is a claim like any other.

use std::net::{IpAddr, Ipv4Addr};

use crate::ask::{Ask, Verdict};
use crate::stage::{BALANCER, EVIL, READER, SHARED, STRANGER, Stage, WEB};

const PASSES: Verdict<'_> = Verdict::Passes("job.web");
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The TLV that names a job.
const JOBNAME: u8 = 0xe4;

fn v1(client: IpAddr) -> Vec<u8> {
    format!("PROXY TCP4 {client} 203.0.113.9 4321 443\r\n").into_bytes()
}

fn v1_mapped(client: IpAddr) -> Vec<u8> {
    format!("PROXY TCP6 ::ffff:{client} 2001:db8::9 4321 443\r\n").into_bytes()
}

fn octets(client: IpAddr) -> [u8; 4] {
    let IpAddr::V4(client) = client else { panic!("{client}") };
    Ipv4Addr::octets(&client)
}

/// Of version 2, for a client of this family.
fn v2_of(family: u8, addresses: &[u8], tlvs: &[(u8, &str)]) -> Vec<u8> {
    let tlvs: Vec<u8> = tlvs
        .iter()
        .flat_map(|(kind, value)| [&[*kind, 0, value.len() as u8], value.as_bytes()].concat())
        .collect();
    let length = (addresses.len() + tlvs.len()) as u16;
    [SIGNATURE, &[0x21, family], &length.to_be_bytes(), addresses, &tlvs].concat()
}

fn v2(client: IpAddr, tlvs: &[(u8, &str)]) -> Vec<u8> {
    let addresses = [&octets(client)[..], &[203, 0, 113, 9, 0x10, 0xe1, 0x01, 0xbb]].concat();
    v2_of(0x11, &addresses, tlvs)
}

fn v2_mapped(client: IpAddr, tlvs: &[(u8, &str)]) -> Vec<u8> {
    let mapped = [&[0; 10][..], &[0xff; 2], &octets(client)].concat();
    let addresses = [&mapped[..], &[0x20; 16], &[0x10, 0xe1, 0x01, 0xbb]].concat();
    v2_of(0x21, &addresses, tlvs)
}

/// Every header that names this client and nothing else.
fn naming(client: IpAddr) -> [Vec<u8>; 4] {
    [v1(client), v1_mapped(client), v2(client, &[]), v2_mapped(client, &[])]
}

#[test]
fn whom_a_trusted_header_names_is_the_client() {
    let stage = Stage::start();
    for (named, verdict) in [
        (WEB, PASSES),
        (READER, Verdict::Passes("job.reader")),
        (EVIL, Verdict::Denied),
        (SHARED, Verdict::Denied),
        (STRANGER, Verdict::Denied),
    ] {
        for preface in naming(stage.address(named)) {
            let ask = Ask { to: stage.proxied(), preface: &preface, ..Ask::of(&stage, BALANCER) };
            ask.is(&stage, verdict);
            Ask { target: "/admin", ..ask }.is(&stage, Verdict::Denied);
        }
    }
}

#[test]
fn the_name_in_a_trusted_header_must_live_at_the_address_in_it() {
    let stage = Stage::start();
    for (named, name, verdict) in [
        (WEB, "job.web", PASSES),
        (SHARED, "job.web", PASSES),
        (SHARED, "job.evil", Verdict::Denied),
        (SHARED, "job.reader", Verdict::Denied),
        (EVIL, "job.web", Verdict::Denied),
        (WEB, "job.evil", Verdict::Denied),
        (STRANGER, "job.web", Verdict::Denied),
    ] {
        let tlvs = [(JOBNAME, name)];
        for preface in [v2(stage.address(named), &tlvs), v2_mapped(stage.address(named), &tlvs)] {
            let ask = Ask { to: stage.proxied(), preface: &preface, ..Ask::of(&stage, BALANCER) };
            ask.is(&stage, verdict);
        }
    }
}

/// Header and field are two claims of one client.
#[test]
fn a_name_in_the_header_and_another_in_a_field_are_none() {
    let stage = Stage::start();
    let preface = v2(stage.address(SHARED), &[(JOBNAME, "job.web")]);
    for (fields, verdict) in [
        (&[("x-jobname", "job.web")][..], PASSES),
        (&[("x-jobname", "job.evil")], Verdict::Denied),
        (&[("x-jobname", "job.web"), ("x-jobname", "job.web")], Verdict::Denied),
    ] {
        let ask = Ask { to: stage.proxied(), preface: &preface, fields, ..Ask::of(&stage, BALANCER) };
        ask.is(&stage, verdict);
    }
    // Two of them, or an empty one, are no header that one may go by.
    for tlvs in [&[(JOBNAME, "job.evil"), (JOBNAME, "job.web")][..], &[(JOBNAME, "")]] {
        let preface = v2(stage.address(SHARED), tlvs);
        for fields in [&[][..], &[("x-jobname", "job.evil")]] {
            let ask = Ask { to: stage.proxied(), preface: &preface, fields, ..Ask::of(&stage, BALANCER) };
            for version in [crate::ask::Version::Http1, crate::ask::Version::Http2] {
                let reply = match version {
                    crate::ask::Version::Http1 => ask.over_http1(&stage),
                    crate::ask::Version::Http2 => ask.over_http2(&stage),
                };
                assert!(
                    reply.as_ref().map_or(true, |reply| reply.status == 403),
                    "{tlvs:?} {fields:?}: {reply:?}"
                );
                assert!(stage.shop.take().is_empty());
            }
        }
    }
}

/// The header's client asks; a field that names another one is a stranger's.
#[test]
fn a_forwarded_field_on_a_proxied_connection_names_nobody() {
    let stage = Stage::start();
    let (web, evil) = (stage.address(WEB), stage.address(EVIL));
    for (named, field, verdict) in [(evil, web, Verdict::Denied), (web, evil, PASSES)] {
        let (preface, field) = (v2(named, &[]), field.to_string());
        let fields = [("x-forwarded-for", &*field), ("x-real-ip", &*field)];
        let ask =
            Ask { to: stage.proxied(), preface: &preface, fields: &fields, ..Ask::of(&stage, BALANCER) };
        ask.is(&stage, verdict);
    }
}

#[test]
fn a_header_of_one_who_may_send_none_opens_nothing() {
    let stage = Stage::start();
    for preface in
        naming(stage.address(WEB)).into_iter().chain([v2(stage.address(WEB), &[(JOBNAME, "job.web")])])
    {
        for from in [EVIL, STRANGER, WEB] {
            for to in [stage.proxied(), stage.gateway.http(), stage.forwarding(), stage.vip] {
                Ask { to, preface: &preface, ..Ask::of(&stage, from) }.is(&stage, Verdict::Refused);
            }
        }
        // The balancer is trusted at its own entrypoint alone.
        Ask { preface: &preface, ..Ask::of(&stage, BALANCER) }.is(&stage, Verdict::Refused);
        // A second one is the first one's client's.
        let twice = [&v2(stage.address(EVIL), &[])[..], &preface].concat();
        Ask { to: stage.proxied(), preface: &twice, ..Ask::of(&stage, BALANCER) }
            .is(&stage, Verdict::Refused);
    }
    // Without one, those who need none come in as who they are, and the balancer has said nothing.
    Ask { to: stage.proxied(), ..Ask::of(&stage, WEB) }.is(&stage, PASSES);
    Ask { to: stage.proxied(), ..Ask::of(&stage, EVIL) }.is(&stage, Verdict::Denied);
    Ask { to: stage.proxied(), ..Ask::of(&stage, BALANCER) }.is(&stage, Verdict::Refused);
}

/// `LOCAL` and `UNKNOWN` name nobody: the balancer asks for itself, and is nobody's instance.
#[test]
fn a_header_that_names_nobody_lets_nobody_in() {
    let stage = Stage::start();
    let local = [SIGNATURE, &[0x20, 0x00, 0, 0]].concat();
    let mut disguised = v2(stage.address(WEB), &[(JOBNAME, "job.web")]);
    disguised[12] = 0x20;
    for preface in [local, disguised, b"PROXY UNKNOWN\r\n".to_vec(), v1("127.0.0.1".parse().unwrap())] {
        Ask { to: stage.proxied(), preface: &preface, ..Ask::of(&stage, BALANCER) }
            .is(&stage, Verdict::Denied);
    }
}

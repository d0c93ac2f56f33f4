//! Every row of the table of names.

use std::collections::HashSet;
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType::{self, A, AAAA, ANY, MX, NS, SOA, SRV, TXT};
use roundhouse_registry::probe::Verdict;

use crate::dns::sample::{
    TERMS, TTL, ask, data, hub_table, id, local, look_up, query, query_labels, records, table, table_of,
};
use crate::dns::{Terms, Transport, answer};
use crate::table::Table;

fn answers(table: &Table, name: &str, of: RecordType) -> Vec<String> {
    let reply = look_up(table, name, of);
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError, "{name} {of}");
    assert!(reply.metadata.authoritative);
    assert!(reply.answers.iter().all(|record| record.name.to_ascii() == name), "{name} {of}");
    data(&reply.answers)
}

/// The name exists and has nothing of the type, which is soon forgotten.
fn assert_no_data(table: &Table, name: &str, of: RecordType) {
    assert_eq!(answers(table, name, of), [""; 0], "{name} {of}");
    assert_soa(table, name, of);
}

fn assert_soa(table: &Table, name: &str, of: RecordType) {
    let reply = look_up(table, name, of);
    let [soa] = &reply.authorities[..] else { panic!("{name} {of}: {reply}") };
    assert_eq!((soa.record_type(), soa.ttl), (SOA, 5));
    assert_eq!(soa.name.to_ascii(), "jobs.coding.net.");
}

#[test]
fn every_name_of_a_job_answers_its_vip() {
    let table = table();
    for name in [
        "app2.jobs.coding.net.",
        "ApP2.jObS.cOdInG.nEt.",
        "web.app2.jobs.coding.net.",
        "app2.app.coding.jobs.coding.net.",
    ] {
        assert_eq!(answers(&table, name, A), ["127.99.0.7"], "{name}");
        assert_eq!(answers(&table, name, ANY), ["127.99.0.7"], "{name}");
        assert_no_data(&table, name, AAAA);
        assert_no_data(&table, name, MX);
        assert_no_data(&table, name, RecordType::Unknown(65280));
        assert_eq!(look_up(&table, name, A).answers[0].ttl, TTL);
    }
    let six = table_of("fd00:99::/112", &records(1));
    assert_eq!(answers(&six, "app2.jobs.coding.net.", AAAA), ["fd00:99::7"]);
    assert_no_data(&six, "app2.jobs.coding.net.", A);
}

#[test]
fn a_job_without_health_answers_and_one_without_a_vip_has_no_data() {
    let table = table();
    for port in &table.job("app2").unwrap().ports {
        for endpoint in &port.endpoints().endpoints {
            endpoint.live.set_verdict(Verdict::Unhealthy);
        }
    }
    assert_eq!(answers(&table, "app2.jobs.coding.net.", A), ["127.99.0.7"]);
    assert_no_data(&table, "app2.instances.jobs.coding.net.", A);
    for (name, of) in [("bare", A), ("bare.instances", SRV), ("_main._tcp.bare", SRV)] {
        assert_no_data(&table, &format!("{name}.jobs.coding.net."), of);
    }
}

#[test]
fn a_port_is_a_service() {
    let table = table();
    for host in ["app2", "app2.app.coding"] {
        for (service, port) in [("_main._tcp", 1111), ("_web._tcp", 80), ("_log._udp", 514)] {
            let name = format!("{service}.{host}.jobs.coding.net.");
            assert_eq!(answers(&table, &name, SRV), [format!("0 100 {port} app2.jobs.coding.net.")]);
            assert_eq!(answers(&table, &name, ANY).len(), 1);
            assert_no_data(&table, &name, A);
            let [address] = &look_up(&table, &name, SRV).additionals[..] else { panic!("{name}") };
            assert_eq!(address.name.to_ascii(), "app2.jobs.coding.net.");
            assert_eq!(address.data.to_string(), "127.99.0.7");
        }
    }
}

#[test]
fn in_hub_mode_names_lead_to_every_live_hub_in_turn() {
    let gateway = |addresses: &str| {
        format!(
            r#"{{"version":"1","host":"h","vips":"127.99.0.0/16","admin":"127.0.0.1:8400","addresses":{addresses}}}"#
        )
    };
    let mut records = records(1);
    records.push(("gateways/hub-1".into(), gateway(r#"["10.0.0.5"]"#)));
    records.push(("gateways/hub-2".into(), gateway(r#"["10.0.0.6","2001:db8::6"]"#)));
    records.push(("gateways/old".into(), gateway("[]")));
    let sorted = |table: &Table, name: &str, of| {
        let mut all = answers(table, name, of);
        all.sort();
        all
    };
    // Our own are there before we are announced.
    let table = hub_table(&["10.0.0.4"], &records);
    for name in ["app2.jobs.coding.net.", "bare.jobs.coding.net.", "app2.app.coding.jobs.coding.net."] {
        assert_eq!(sorted(&table, name, A), ["10.0.0.4", "10.0.0.5", "10.0.0.6"], "{name}");
        assert_eq!(answers(&table, name, AAAA), ["2001:db8::6"], "{name}");
    }
    let mut firsts = HashSet::new();
    for turn in 0..4 {
        let mut query = query("app2.jobs.coding.net.", A);
        query.metadata.id = turn;
        firsts.insert(data(&ask(&table, &query, Transport::Udp).answers)[0].clone());
    }
    assert_eq!(firsts.len(), 3, "everybody comes first in turn");

    let name = "_main._tcp.bare.jobs.coding.net.";
    assert_eq!(answers(&table, name, SRV), ["0 100 1 bare.jobs.coding.net."]);
    let mut additionals = data(&look_up(&table, name, SRV).additionals);
    additionals.sort();
    assert_eq!(additionals, ["10.0.0.4", "10.0.0.5", "10.0.0.6", "2001:db8::6"]);
    // A hub among others that answers with VIPs goes on doing so.
    assert_eq!(answers(&table_of("127.99.0.0/16", &records), "app2.jobs.coding.net.", A), ["127.99.0.7"]);
}

#[test]
fn instances_that_take_work_are_named_in_turn() {
    let table = table();
    let name = "app2.instances.jobs.coding.net.";
    let mut firsts = HashSet::new();
    for turn in 0..3 {
        let mut query = query(name, A);
        query.metadata.id = turn;
        let mut found = data(&ask(&table, &query, Transport::Udp).answers);
        firsts.insert(found[0].clone());
        found.sort();
        assert_eq!(found, ["10.0.0.0", "10.0.0.1", "10.0.0.2"], "each once, and not the draining one");
    }
    assert_eq!(firsts.len(), 3);
    assert_eq!(answers(&table, name, AAAA), ["fd00::7"]);
    assert_no_data(&table, name, MX);
}

#[test]
fn instances_are_services_by_weight_at_names_of_their_own() {
    let table = table();
    let mut query = query("app2.instances.jobs.coding.net.", SRV);
    query.metadata.id = 0;
    let reply = ask(&table, &query, Transport::Tcp);
    let target = |n| format!("{}.app2.instances.jobs.coding.net.", id(n));
    assert_eq!(reply.answers.len(), 8, "three and one over IPv6, two ports each");
    assert_eq!(reply.answers[0].data.to_string(), format!("0 70 1111 {}", target(0)));
    assert_eq!(reply.answers[7].data.to_string(), format!("0 100 8080 {}", target(900_001)));
    assert_eq!(data(&reply.additionals), ["10.0.0.0", "10.0.0.1", "10.0.0.2", "fd00::7"]);

    for record in &reply.additionals {
        let target = record.name.to_ascii();
        assert_eq!(answers(&table, &target, record.record_type()), [record.data.to_string()]);
        assert_no_data(&table, &target, MX);
    }
    assert_eq!(answers(&table, &target(900_000), A), ["10.9.9.9"], "draining, so handed out before");
}

#[test]
fn the_apex_and_the_revision() {
    let table = table();
    let serial = table.revision.0;
    let soa = format!("ns.jobs.coding.net. hostmaster.jobs.coding.net. {serial} 60 10 3600 5");
    assert_eq!(answers(&table, "jobs.coding.net.", SOA), [soa.as_str()]);
    assert_eq!(answers(&table, "jobs.coding.net.", ANY), [soa]);
    assert_eq!(answers(&table, "jobs.coding.net.", NS), ["ns.jobs.coding.net."]);
    assert_no_data(&table, "jobs.coding.net.", A);
    assert_no_data(&table, "ns.jobs.coding.net.", A);
    assert_eq!(answers(&table, "revision.jobs.coding.net.", TXT), [serial.to_string()]);
    assert_no_data(&table, "revision.jobs.coding.net.", A);
    let query = query("revision.jobs.coding.net.", TXT).to_vec().unwrap();
    let stale = Terms { stale: Some(Duration::from_millis(35_900)), ..TERMS };
    let bytes = answer(&table, stale, &query, local(Transport::Udp)).unwrap();
    let text = Message::from_vec(&bytes).unwrap().answers[0].data.to_string();
    assert!(text.contains("stale_seconds=35"), "{text}");
}

#[test]
fn what_stands_above_a_name_exists() {
    for name in ["instances", "_tcp.app2", "_udp.app2", "_tcp.app2.app.coding", "app.coding", "coding"] {
        assert_no_data(&table(), &format!("{name}.jobs.coding.net."), A);
    }
}

#[test]
fn what_is_unknown_is_denied_and_what_is_not_ours_refused() {
    let table = table();
    for name in [
        "app3",
        "nope.app2",
        "main.bare.app2",
        "_nope._tcp.app2",
        "_main._udp.app2",
        "_log._tcp.app2",
        "_udp.bare",
        "_main._sctp.app2",
        "_main._tcp.app3",
        "_main._tcp",
        "_tcp",
        "_main._tcp.web.app2",
        "app3.instances",
        "x.app2.instances",
        "0a1b2c3d-0000-4000-8000-000000000099.app2.instances",
        "oding",
        "x.coding",
        "x.revision",
        "app2.jobs",
    ] {
        let name = format!("{name}.jobs.coding.net.");
        let reply = look_up(&table, &name, A);
        assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain, "{name}");
        assert!(reply.metadata.authoritative && reply.answers.is_empty());
        assert_soa(&table, &name, A);
    }
    for name in ["app2.jobs.", "app2.", ".", "net.", "xjobs.coding.net.", "www.coding.net."] {
        let reply = look_up(&table, name, A);
        assert_eq!(reply.metadata.response_code, ResponseCode::Refused, "{name}");
        assert!(!reply.metadata.authoritative && reply.authorities.is_empty());
    }
}

#[test]
fn a_label_may_hold_any_byte_and_a_dot_in_one_ends_nothing() {
    let table = table();
    let code = |labels: &[&[u8]]| {
        let query = query_labels(labels.iter().copied(), A);
        ask(&table, &query, Transport::Udp).metadata.response_code
    };
    for label in [&b"web.app2"[..], b"app2\0", b"\xff", b"app2 ", b"*", b"app?"] {
        assert_eq!(code(&[label, b"jobs", b"coding", b"net"]), ResponseCode::NXDomain, "{label:?}");
    }
    assert_eq!(code(&[b"app2.jobs", b"coding", b"net"]), ResponseCode::Refused);
    assert_eq!(code(&[b"app2", b"jobs.coding.net"]), ResponseCode::Refused);
}

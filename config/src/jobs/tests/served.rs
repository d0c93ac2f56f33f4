//! How instances are dialled, and how a job wants to be served.

use std::time::Duration;

use super::{parse, problems};
use crate::jobs::Served;
use crate::service::{
    App, Balance, DefaultAccess, JobLimits, OnUnhealthy, OriginateTls, Outage, ProxyVersion, Stale, Timeouts,
    TrustedCa,
};

const PEM: &str = "-----BEGIN CERTIFICATE-----\\nMAMCAQA=\\n-----END CERTIFICATE-----\\n";

/// The one problem of a job with these fields, without its place.
#[track_caller]
fn problem(fields: &str) -> String {
    let text = problems(&format!("jobs <\n{fields}\nname: 'a' >"));
    assert_eq!(text.matches("f:2:").count(), 1, "{text}");
    text.strip_prefix("f:2:").unwrap().split_once(' ').unwrap().1.to_owned()
}

#[test]
fn what_a_record_says_a_file_can_say() {
    let file = parse(
        r#"jobs <
          name: "db" port: "5432" proxy: "v2" tls: < >
          ports < name: "read" port: "5433" tls: <
            server_name: "db.internal" ca: < file: "/etc/tls/ca.pem" > certificate: "hub" verify: false
          > >
          balance < policy: "round_robin" > app: "postgres" access: "deny"
          outage < max_stale: "10m" then: "deny" proof_stale: "5m" > drain: "1m30s" on_unhealthy: "close"
          timeouts < connect: "10ms" idle: "30d" lifetime: "1d" >
          limits < connections: 1000000 connections_per_client: 1 > hold: false vip: 7
        >"#,
    );
    let job = &file.jobs[0];
    assert_eq!(
        (job.ports[0].proxy, &job.ports[0].tls),
        (Some(ProxyVersion::V2), &Some(OriginateTls::default()))
    );
    let tls = OriginateTls {
        server_name: Some("db.internal".parse().unwrap()),
        ca: Some(TrustedCa::File("/etc/tls/ca.pem".into())),
        certificate: Some("hub".parse().unwrap()),
        verify: false,
    };
    assert_eq!((job.ports[1].proxy, &job.ports[1].tls), (None, &Some(tls)));
    let served = Served {
        balance: Balance::default(),
        app: Some(App::Postgres),
        access: Some(DefaultAccess::Deny),
        outage: Some(Outage {
            max_stale: Duration::from_secs(600),
            then: Stale::Deny,
            proof_stale: Some(Duration::from_secs(300)),
        }),
        drain: Some(Duration::from_secs(90)),
        on_unhealthy: OnUnhealthy::Close,
        timeouts: Timeouts {
            connect: Some(Duration::from_millis(10)),
            idle: Some(Duration::from_secs(30 * 86_400)),
            lifetime: Some(Duration::from_secs(86_400)),
        },
        limits: JobLimits { connections: Some(1_000_000), connections_per_client: Some(1) },
        hold: Some(false),
        vip: Some(7),
    };
    assert_eq!(job.served, served);
}

#[test]
fn the_documentation_s_job_is_right() {
    let page = include_str!("../../../../docs/traffic.md");
    let (_, rest) = page.split_once("## In a jobs file\n").unwrap();
    let file = parse(rest.split("```").nth(1).unwrap());
    assert_eq!(file.jobs[0].served.limits.connections_per_client, Some(50));
    assert!(file.jobs[0].ports[0].tls.as_ref().unwrap().verify);
}

#[test]
fn what_is_left_out_is_not_said() {
    let file = parse("jobs < name: 'a' port: '1' balance < > timeouts < > limits < > >");
    assert_eq!(file.jobs[0].served, Served::default());
    assert_eq!((file.jobs[0].ports[0].proxy, &file.jobs[0].ports[0].tls), (None, &None));
    let some = parse("jobs < name: 'a' port: '1' timeouts < idle: '5s' > >");
    let idle = Some(Duration::from_secs(5));
    assert_eq!(some.jobs[0].served.timeouts, Timeouts { idle, ..Timeouts::default() });
}

#[test]
fn a_ca_may_be_in_the_file() {
    let file = parse(&format!("jobs < name: 'a' port: '1' tls < ca < pem: \"{PEM}\" > > >"));
    let ca = TrustedCa::Pem(PEM.replace("\\n", "\n").into());
    assert_eq!(file.jobs[0].ports[0].tls.as_ref().unwrap().ca, Some(ca));
}

#[test]
fn a_port_s_refusals_say_what_to_write() {
    let port = |fields: &str| problem(&format!("port: '1' {fields}"));
    assert_eq!(port("proxy: 'v3'"), "jobs[0].proxy: `v3` is unknown; write `v1` or `v2`");
    for protocol in ["udp", "http", "grpc"] {
        assert_eq!(
            port(&format!("protocol: '{protocol}' proxy: 'v1'")),
            format!(
                "jobs[0].proxy: `proxy` does not go with {protocol}; leave it out, or write protocol tcp"
            )
        );
    }
    assert_eq!(
        port("protocol: 'tls' tls < >"),
        "jobs[0].tls: `tls` is for ports without TLS, and on protocol tls the client's own TLS reaches the \
         instance; leave it out, or write protocol tcp"
    );
    assert_eq!(
        port("protocol: 'udp' tls < >"),
        "jobs[0].tls: `tls` runs over TCP, and this port is udp; leave it out"
    );
    assert_eq!(
        port("protocol: 'quic' proxy: 'v1' tls < >"),
        "jobs[0].protocol: unknown protocol `quic`; write tcp, udp, http, grpc or tls"
    );
    // Also of a port whose own name or number is wrong.
    let text = problems("jobs <\nname: 'a' ports <\nport: '0'\nprotocol: 'udp' proxy: 'v1' > >");
    assert_eq!(
        text,
        "f:2:11: jobs[0].ports[0].name: is missing\n  hint: write name: \"admin\"\n\
         f:3:1: jobs[0].ports[0].port: `0` is no port; write \"1\" to \"65535\"\n\
         f:4:17: jobs[0].ports[0].proxy: `proxy` does not go with udp; leave it out, or write protocol tcp"
    );
}

#[test]
fn what_is_spoken_to_instances_fits_the_port() {
    let port = |fields: &str| problem(&format!("port: '1' {fields}"));
    assert_eq!(
        port("http: 'h2c'"),
        "jobs[0].http: `http` does not go with tcp; leave h2c out, or write protocol http"
    );
    assert!(port("protocol: 'http' http: 'h2'").starts_with("jobs[0].http: h2 is HTTP/2 in TLS"));
    assert!(port("protocol: 'grpc' http: 'h1'").starts_with("jobs[0].http: gRPC is HTTP/2"));
}

#[test]
fn what_belongs_to_port_stands_beside_it() {
    for (field, value) in [("proxy", "proxy: 'v1'"), ("tls", "tls < >"), ("http", "http: 'auto'")] {
        assert_eq!(
            problem(&format!("{value} ports < name: 'x' port: '1' >")),
            format!("jobs[0].{field}: belongs to `port`, which is not here; write it inside `ports`")
        );
    }
}

#[test]
fn tls_refusals_say_what_to_write() {
    let tls = |fields: &str| problem(&format!("port: '1' tls < {fields} >"));
    assert_eq!(
        tls("server_name: '*.db.internal'"),
        "jobs[0].tls.server_name: server name `*.db.internal` is a wildcard; write the one name that is in the \
         certificate"
    );
    assert!(
        tls("server_name: '10.0.0.7'").starts_with("jobs[0].tls.server_name: domain `10.0.0.7` is an IP")
    );
    assert!(tls("certificate: 'Hub'").starts_with("jobs[0].tls.certificate: `Hub` is no name; write 1 to"));
    assert_eq!(
        tls("ca < file: 'ca.pem' >"),
        "jobs[0].tls.ca.file: is no absolute path; write it as the gateway sees it, as in \"/etc/tls/ca.pem\""
    );
    assert!(
        tls("ca < pem: 'ca.pem' >")
            .starts_with("jobs[0].tls.ca.pem: is no PEM; write what stands from -----BEGIN CERTIFICATE-----")
    );
    let key = PEM.replace("CERTIFICATE", "PRIVATE KEY");
    assert_eq!(
        tls(&format!("ca < pem: \"{PEM}{key}\" >")),
        "jobs[0].tls.ca.pem: `ca` has a private key; write only the certificates of who signs"
    );
    assert_eq!(
        tls(&format!("ca < file: '/ca.pem' pem: \"{PEM}\" >")),
        "jobs[0].tls.ca.pem: stands beside `file`; write one of them"
    );
    assert_eq!(
        tls("ca < >"),
        "jobs[0].tls.ca: names neither a file nor a PEM\n  hint: write file: \"/etc/tls/ca.pem\", or leave `ca` \
         out to trust whom the system trusts"
    );
}

#[test]
fn a_job_s_refusals_say_what_to_write() {
    let job = |fields: &str| problem(&format!("port: '1' {fields}"));
    for (fields, expected) in [
        ("balance < policy: 'random' >", "balance.policy: `random` is unknown; write `round_robin`"),
        ("access: 'none'", "access: `none` is unknown; write `allow` or `deny`"),
        ("app: 'oracle'", "app: `oracle` is unknown; write `mysql`, `postgres` or `redis`"),
        ("outage < then: 'open' >", "outage.then: `open` is unknown; write `freeze` or `deny`"),
        ("outage < max_stale: '0s' >", "outage.max_stale: \"0s\" is out of bounds; write \"1s\" to \"30d\""),
        (
            "drain: '30'",
            "drain: duration `30` has no unit; write `30s` for seconds or `30ms` for milliseconds",
        ),
        ("on_unhealthy: 'cut'", "on_unhealthy: `cut` is unknown; write `keep` or `close`"),
        (
            "timeouts < connect: '9ms' >",
            "timeouts.connect: \"9ms\" is out of bounds; write \"10ms\" to \"1m\"",
        ),
        ("timeouts < idle: '0s' >", "timeouts.idle: \"0s\" is out of bounds; write \"1s\" to \"30d\""),
        (
            "timeouts < lifetime: '31d' >",
            "timeouts.lifetime: \"31d\" is out of bounds; write \"1s\" to \"30d\"",
        ),
        (
            "timeouts < idle: 'soon' >",
            "timeouts.idle: `soon` is no duration; write one such as `10s` or `1m30s`",
        ),
        ("limits < connections: 0 >", "limits.connections: 0 is out of bounds; write 1 to 1000000"),
        (
            "limits < connections_per_client: 1000001 >",
            "limits.connections_per_client: 1000001 is out of bounds; write 1 to 1000000",
        ),
    ] {
        assert_eq!(job(fields), format!("jobs[0].{expected}"));
    }
}

#[test]
fn every_problem_has_its_place() {
    let text = "jobs <\n name: 'a' port: '1' proxy: 'v9'\n tls < server_name: '*.x.net'\n   ca < file: 'ca' > >\n \
                drain: 'x' timeouts <\n   idle: '0s' connect: '2m' >\n limits: < connections: 0 > access: 'none' >";
    let places: Vec<String> = crate::jobs::JobsFile::parse(text, "f")
        .unwrap_err()
        .iter()
        .map(|problem| format!("{}:{} {}", problem.line, problem.column, problem.path))
        .collect();
    assert_eq!(
        places,
        [
            "2:22 jobs[0].proxy",
            "3:8 jobs[0].tls.server_name",
            "4:9 jobs[0].tls.ca.file",
            "5:2 jobs[0].drain",
            "6:4 jobs[0].timeouts.idle",
            "6:15 jobs[0].timeouts.connect",
            "7:12 jobs[0].limits.connections",
            "7:29 jobs[0].access",
        ]
    );
}

#[test]
fn a_slip_in_a_block_is_a_syntax_error_with_a_hint() {
    let hint = |fields: &str| problems(&format!("jobs < name: 'a' port: '1' {fields} >"));
    assert_eq!(
        hint("timeouts < connection: '1s' >"),
        "f:1:39: unknown field `connection`\n  hint: did you mean `connect`?"
    );
    assert!(hint("limits < per_client: 5 >").ends_with("known here: connections, connections_per_client"));
    assert!(hint("proxy: v2").ends_with("hint: put it in quotes: \"v2\""));
    assert!(hint("hold: 'no'").starts_with("f:1:"));
    assert!(hint("limits < connections: -1 >").starts_with("f:1:"));
}

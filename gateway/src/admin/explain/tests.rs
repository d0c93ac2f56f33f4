use bytes::Bytes;
use roundhouse_registry::Snapshot;
use roundhouse_registry::kv::{Entry, Listing, Revision};
use roundhouse_registry::probe::Verdict as Health;

use super::*;
use crate::run::Origin;
use crate::table::{Facts as TableFacts, Own};
use crate::tls::{CertificateSource, KeySource, self_signed};

const ID: &str = "0a1b2c3d-0000-4000-8000-0000000000";

fn table(records: &[(&str, &str)], newcomer: Health) -> Table {
    built(records, newcomer, false)
}

fn built(records: &[(&str, &str)], newcomer: Health, hub: bool) -> Table {
    let entry = |(n, (key, value)): (usize, &(&str, &str))| Entry {
        key: (*key).into(),
        value: Bytes::copy_from_slice(value.as_bytes()),
        created: Revision(n as u64 + 1),
        modified: Revision(n as u64 + 1),
        lease: None,
    };
    let entries = records.iter().enumerate().map(entry).collect();
    let snapshot = Snapshot::from_listing(Listing { origin: "test".into(), revision: Revision(99), entries });
    assert!(snapshot.quarantine.is_empty(), "{:?}", snapshot.quarantine);
    let vips = "127.99.0.0/16".parse().unwrap();
    let own = Own::new(vips, vec![("127.0.0.1:8400".parse().unwrap(), "admin".into())]);
    let facts = TableFacts { zone: "jobs.coding.net".parse().unwrap(), vips, own, workers: 1, hub, newcomer };
    Table::build(&facts, &snapshot, &Table::empty(&facts), &mut || 0)
}

fn stack(newcomer: Health) -> Table {
    let app2 = r#"{"jobname":"job.app2_service.app_cop.coding",
        "ports":[{"name":"main","port":1111},{"name":"old","port":53,"protocol":"udp"}]}"#;
    let blog = r#"{"jobname":"job.coding-blog","ports":[{"name":"main","port":9090,"protocol":"http"}]}"#;
    let one = format!("instances/app2/{ID}01");
    let two = format!("instances/app2/{ID}02");
    let three = format!("instances/coding-blog/{ID}03");
    let routes =
        r#"{"routes":[{"to":[{"job":"coding-blog"}]},{"match":{"path":"/api"},"to":[{"job":"gone"}]}]}"#;
    table(
        &[
            ("jobs/app2", app2),
            ("vips/app2", r#"{"offset":7}"#),
            (&one, r#"{"address":"10.0.0.7","ports":{"main":1111}}"#),
            (&two, r#"{"address":"10.0.0.8","ports":{"main":1111},"state":"draining"}"#),
            ("jobs/coding-blog", blog),
            ("vips/coding-blog", r#"{"offset":8}"#),
            (&three, r#"{"address":"127.0.0.1","ports":{"main":8400}}"#),
            ("jobs/idle", r#"{"jobname":"job.idle","ports":[{"name":"main","port":80,"protocol":"http"}]}"#),
            ("domains/blog.coding.net", routes),
        ],
        newcomer,
    )
}

fn ask_with(table: &Table, text: &str, not_caught: &[NotCaught]) -> (Verdict, String) {
    let entrypoints = [listed("http", r#"{"listen":"127.0.0.1:8080"}"#)];
    let lost = Some((12.0, "no leader".into()));
    told(
        text,
        &Facts {
            table,
            not_caught,
            entrypoints: &entrypoints,
            certificates: &certificates(),
            now: UnixTime::now(),
            access: &Default::default(),
            asker: None,
            hub: &[],
            lost,
        },
    )
}

/// One for the names of the tests.
fn certificates() -> Certificates {
    let names = ["*.coding.net", "*.jobs.coding.net"].map(|name| name.parse().unwrap());
    let made = self_signed(&names, std::time::SystemTime::now()).unwrap();
    let source = CertificateSource {
        name: "own".into(),
        chain: made.chain.into(),
        key: KeySource::Pem(made.key.into()),
    };
    Certificates::build(&[source], &Certificates::default()).0
}

fn told(text: &str, facts: &Facts<'_>) -> (Verdict, String) {
    let explanation = explain(text, &text.parse().unwrap(), facts);
    let lines = explanation.steps.iter().map(|step| format!("{}: {}", step.what, step.detail));
    (explanation.verdict, lines.collect::<Vec<_>>().join("\n"))
}

fn listed(name: &str, settings: &str) -> Listed {
    let settings: roundhouse_config::Entrypoint = serde_json::from_str(settings).unwrap();
    let state = Ok(settings.listen.socket_addr());
    Listed {
        name: name.parse().unwrap(),
        settings,
        origin: Origin::File,
        state,
        refused: None,
        capacity: None,
    }
}

fn ask(text: &str) -> (Verdict, String) {
    ask_with(&stack(Health::Healthy), text, &[])
}

#[test]
fn a_name_is_followed_to_its_endpoints() {
    let (verdict, steps) = ask("app2.jobs.coding.net:1111");
    assert_eq!(verdict, Verdict::Ok, "{steps}");
    for part in [
        "`app2.jobs.coding.net` is job `app2` (job.app2_service.app_cop.coding), by its label",
        "the VIP 127.99.0.7",
        "1111 is port `main`, protocol tcp",
        "127.99.0.7:1111 is listened on",
        "10.0.0.7:1111 (0a1b2c3d-0000-4000-8000-000000000001): up, healthy, weight 100, 0 open",
        "10.0.0.8:1111 (0a1b2c3d-0000-4000-8000-000000000002): draining",
        "pick: 1 of 2 in turn: 10.0.0.7:1111 (100 %)",
        "registry: lost for 12 s (no leader); this is revision 99",
    ] {
        assert!(steps.contains(part), "{part} is not in\n{steps}");
    }
}

#[test]
fn every_spelling_says_which_rule_it_is() {
    assert!(ask("app2.app.coding.jobs.coding.net:1111").1.contains("by its JOBNAME"));
    assert!(ask("main.app2.jobs").1.contains("port `main` named in front of its label"));
    assert!(ask("127.99.0.7:1111").1.contains("127.99.0.7 is the VIP of job `app2`"));
}

#[test]
fn nowhere_nobody_and_not_listened_on_are_told_apart() {
    let (verdict, steps) = ask("ap2.jobs.coding.net:1111");
    assert_eq!(verdict, Verdict::NoRoute);
    assert!(steps.contains("did you mean app2.jobs.coding.net?"), "{steps}");
    assert!(ask("blog.codng.net").1.contains("did you mean blog.coding.net?"));
    assert!(ask("app2").1.contains("did you mean app2.jobs.coding.net?"));
    assert!(ask("app2.jobs:2222").1.contains("its ports are: 1111 (main), 53 (old)"));
    assert_eq!(ask("127.99.1.1:80").0, Verdict::NoRoute);
    let (verdict, steps) = ask("app2.jobs:53");
    assert_eq!(verdict, Verdict::NoBackend);
    assert!(steps.contains("each client is a session, whose datagrams go to one instance"), "{steps}");
    assert_eq!(ask("idle.jobs:80").0, Verdict::NotCaught, "it has no VIP");
    assert_eq!(ask("http://idle.jobs/").0, Verdict::NotCaught);

    let (verdict, steps) = ask("coding-blog.jobs:9090");
    assert_eq!(verdict, Verdict::NoBackend, "{steps}");
    assert!(steps.contains("refused: 127.0.0.1:8400 is this gateway's own admin listener"), "{steps}");

    let reason = "held by nginx (pid 7)".to_owned();
    let address = "127.99.0.7:1111".parse().unwrap();
    let lacking = NotCaught {
        job: "app2".parse().unwrap(),
        port: "main".parse().unwrap(),
        address,
        transport: crate::catch::Transport::Tcp,
        reason,
    };
    let (verdict, steps) = ask_with(&stack(Health::Healthy), "app2.jobs:1111", &[lacking]);
    assert_eq!(verdict, Verdict::NotCaught);
    assert!(steps.contains("127.99.0.7:1111 is not listened on: held by nginx (pid 7)"), "{steps}");
}

#[test]
fn a_url_goes_through_an_entrypoint() {
    let (verdict, steps) = ask("http://blog.coding.net:8080/x");
    assert_eq!(verdict, Verdict::NoBackend, "{steps}");
    assert!(steps.contains("entrypoint `http` on 127.0.0.1:8080"), "{steps}");
    assert!(steps.contains("prefix / is the longest that fits /x; it leads to `coding-blog`"), "{steps}");
    let (verdict, steps) = ask("http://blog.coding.net/api/1");
    assert_eq!(verdict, Verdict::NoRoute);
    assert!(steps.contains("there is no job `gone`"), "{steps}");
    assert!(ask("http://blog.coding.net:81/").1.contains("no entrypoint is on port 81"));
    assert!(ask("https://blog.coding.net/").1.contains("no entrypoint speaks TLS; there is `http` on 127.0"));
    assert!(ask("https://blog.coding.net:8080/").1.contains("speaks no TLS; ask http:// there"));
    assert!(ask("http://coding-blog.jobs/x").1.contains("takes it by its Host"));
    assert!(ask("http://coding-blog.jobs:9090/x").1.contains("resolves to the VIP 127.99.0.8"));
    assert!(ask("http://app2.jobs/").1.contains("has no port of protocol http"));
}

#[test]
fn with_nobody_healthy_all_are_tried_and_it_says_so() {
    let (verdict, steps) = ask_with(&stack(Health::Unhealthy), "app2.jobs:1111", &[]);
    assert_eq!(verdict, Verdict::NoBackend);
    assert!(
        steps.contains("nobody is healthy, so those that are wanted are tried all the same: 1 of 2"),
        "{steps}"
    );
}

/// Entrypoints of every protocol before jobs of every protocol.
fn everywhere(text: &str) -> (Verdict, String) {
    everywhere_with(text, &certificates())
}

fn everywhere_with(text: &str, certificates: &Certificates) -> (Verdict, String) {
    let mysql = format!("instances/mysql/{ID}01");
    let db = format!("instances/db/{ID}02");
    let dns = format!("instances/dns/{ID}03");
    let blog = format!("instances/blog/{ID}04");
    let table = table(
        &[
            ("jobs/mysql", r#"{"jobname":"job.mysql","ports":[{"name":"main","port":3306}]}"#),
            (&mysql, r#"{"address":"10.0.0.7","ports":{"main":3306}}"#),
            ("jobs/db", r#"{"jobname":"job.db","ports":[{"name":"main","port":5432,"protocol":"tls"}]}"#),
            (&db, r#"{"address":"10.0.0.8","ports":{"main":5432}}"#),
            ("jobs/dns", r#"{"jobname":"job.dns","ports":[{"name":"main","port":53,"protocol":"udp"}]}"#),
            (&dns, r#"{"address":"10.0.0.9","ports":{"main":53}}"#),
            ("jobs/blog", r#"{"jobname":"job.blog","ports":[{"name":"main","port":80,"protocol":"http"}]}"#),
            (&blog, r#"{"address":"10.0.0.6","ports":{"main":80}}"#),
            ("domains/db.coding.net", r#"{"routes":[{"to":[{"job":"db"}]}]}"#),
            ("domains/blog.coding.net", r#"{"routes":[{"to":[{"job":"blog"}]}]}"#),
        ],
        Health::Healthy,
    );
    let mut gone = listed("gone", r#"{"listen":":7000","protocol":"tcp","job":"mysql"}"#);
    gone.state = Err("held by nginx (pid 7)".into());
    let mut clash = listed("clash", r#"{"listen":":3306","protocol":"tcp","job":"gone"}"#);
    clash.state = Err("`:3306` is taken by entrypoint `mysql`; give it another port".into());
    let mut dns = listed("dns", r#"{"listen":"10.0.0.5:53","protocol":"udp","job":"dns"}"#);
    dns.refused = Some("held by dnsmasq (pid 9)".into());
    let entrypoints = [
        clash,
        dns,
        gone,
        listed("https", r#"{"listen":":443","protocol":"https"}"#),
        listed(
            "mysql",
            r#"{"listen":":3306","protocol":"tcp","job":"mysql","trust_proxy":["10.0.0.0/8","192.168.0.0/16"]}"#,
        ),
        listed("nobody", r#"{"listen":":9000","protocol":"tcp","job":"gone"}"#),
        listed("pass", r#"{"listen":":8443","protocol":"tls"}"#),
        listed("ends", r#"{"listen":":8444","protocol":"tls","terminate":true}"#),
        listed("one", r#"{"listen":":8445","protocol":"tls","job":"db"}"#),
        listed("wrong", r#"{"listen":":9001","protocol":"udp","job":"mysql","port":"main"}"#),
    ];
    told(
        text,
        &Facts {
            table: &table,
            not_caught: &[],
            entrypoints: &entrypoints,
            certificates,
            now: UnixTime::now(),
            access: &Default::default(),
            asker: None,
            hub: &[],
            lost: None,
        },
    )
}

#[test]
fn without_a_certificate_a_handshake_leads_nowhere() {
    let (verdict, said) = everywhere_with("https://blog.coding.net/", &Certificates::default());
    assert_eq!(verdict, Verdict::NoRoute);
    for part in ["none is for blog.coding.net", "unrecognized_name", "roundhouse cert add"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn an_entrypoint_of_any_protocol_leads_on() {
    for (target, verdict, parts) in [
        (
            "10.0.0.5:3306",
            Verdict::Ok,
            &[
                "listener: entrypoint `mysql` on :3306 takes each connection for one job",
                "proxy: peers in 10.0.0.0/8, 192.168.0.0/16 must begin with one PROXY header",
                "port: port `main` of job `mysql`, protocol tcp",
                "pick: 1 of 1 in turn: 10.0.0.7:3306 (100 %)",
            ][..],
        ),
        (
            "10.0.0.5:53",
            Verdict::Ok,
            &[
                "takes each client's datagrams for one job",
                "it listens as before, for what is written is refused: held by dnsmasq (pid 9)",
                "10.0.0.9:53 (100 %)",
            ],
        ),
        ("10.0.0.5:7000", Verdict::NotCaught, &["`gone` on :7000 is not listened on: held by nginx (pid 7)"]),
        ("10.0.0.5:9000", Verdict::NoRoute, &["there is no job `gone`; register one, or change entrypoint"]),
        ("10.0.0.5:9001", Verdict::NoRoute, &["job `mysql` has no port `main` that fits"]),
        (
            "10.0.0.5:8443",
            Verdict::NoRoute,
            &["passes its TLS on", "hint: explain a server name, as in tls://"],
        ),
        ("10.0.0.5:443", Verdict::NoRoute, &["hint: explain a URL, as in https://"]),
        ("10.0.0.5:8445", Verdict::Ok, &["passes its TLS on, whatever the server name", "10.0.0.8:5432"]),
        (
            "tls://db.coding.net:8443",
            Verdict::Ok,
            &["by its server name and passes its TLS on", "10.0.0.8:5432"],
        ),
        ("https://db.coding.net:8443/x", Verdict::Ok, &["prefix / is the longest", "10.0.0.8:5432"]),
        ("tls://db.jobs.coding.net:8443", Verdict::Ok, &["is job `db`", "`pass` on :8443", "10.0.0.8:5432"]),
        ("tls://blog.coding.net:8443", Verdict::NoRoute, &["no port that takes the client's TLS"]),
        ("tls://blog.coding.net:8444", Verdict::Ok, &["by its server name and ends its TLS", "10.0.0.6:80"]),
        ("tls://db.coding.net:8444", Verdict::NoRoute, &["no port that takes what was inside"]),
        (
            "https://blog.coding.net/",
            Verdict::Ok,
            &[
                "`https` on :443 ends its TLS and takes it by its Host",
                "certificate: `own` is shown",
                "more days",
            ],
        ),
        ("http://blog.coding.net:443/", Verdict::NoRoute, &["speaks TLS; ask https:// there"]),
        ("http://blog.coding.net/", Verdict::NoRoute, &["no entrypoint speaks HTTP"]),
        ("blog.coding.net:3306", Verdict::Ok, &["`mysql` on :3306 takes each connection for one job"]),
        ("tls://blog.coding.net:7000", Verdict::NotCaught, &["`gone` on :7000 is not listened on"]),
    ] {
        let (found, steps) = everywhere(target);
        assert_eq!(found, verdict, "{target}\n{steps}");
        for part in parts {
            assert!(steps.contains(part), "{target}: {part} is not in\n{steps}");
        }
    }
    assert!(!everywhere("10.0.0.5:3306").1.contains("clash"), "another one listens there");
}

#[test]
fn a_port_of_the_hub_belongs_to_one_job() {
    let redis = format!("instances/redis/{ID}01");
    let table = built(
        &[
            ("jobs/redis", r#"{"jobname":"job.redis","ports":[{"name":"main","port":6379}]}"#),
            (&redis, r#"{"address":"10.0.0.7","ports":{"main":6379}}"#),
            ("jobs/cache", r#"{"jobname":"job.cache","ports":[{"name":"main","port":6379}]}"#),
            ("jobs/blog", r#"{"jobname":"job.blog","ports":[{"name":"main","port":80,"protocol":"http"}]}"#),
        ],
        Health::Healthy,
        true,
    );
    let own = ["10.0.0.5".parse().unwrap()];
    let certificates = certificates();
    let facts = Facts {
        table: &table,
        not_caught: &[],
        entrypoints: &[],
        certificates: &certificates,
        now: UnixTime::now(),
        access: &Default::default(),
        asker: None,
        hub: &own,
        lost: None,
    };
    let conflict = "port `main` of job `cache` wants 6379 too, which belongs to the older job `redis` (tcp)";
    for (target, verdict, parts) in [
        ("10.0.0.5:6379", Verdict::Ok, &["belongs to job `redis`", "10.0.0.7:6379 (100 %)", conflict][..]),
        (
            "redis.jobs:6379",
            Verdict::Ok,
            &["hubs' own addresses, here 10.0.0.5", "10.0.0.5:6379 is listened on"],
        ),
        ("cache.jobs:6379", Verdict::NotCaught, &[conflict]),
        ("10.0.0.5:80", Verdict::NoRoute, &["is shared by HTTP", "as in http://app2.jobs.coding.net:80/"]),
        ("10.0.0.5:81", Verdict::NoRoute, &["port 81 of the hub's own address 10.0.0.5 belongs to no job"]),
        ("10.0.0.5", Verdict::NoRoute, &["explain one of them"]),
        ("http://blog.jobs:80/", Verdict::NoBackend, &["shared with others of HTTP"]),
    ] {
        let (found, steps) = told(target, &facts);
        assert_eq!(found, verdict, "{target}\n{steps}");
        for part in parts {
            assert!(steps.contains(part), "{target}: {part} is not in\n{steps}");
        }
    }
}

#[test]
fn a_redirect_is_told_with_its_location() {
    let domain = r#"{"https":"redirect","routes":[
        {"match":{"path":"/old"},"redirect":{"prefix":"/new"}},
        {"match":{"path":"/away"},"redirect":{"host":"b.net","status":302}},
        {"match":{"path":"/round"},"redirect":{"path":"/round/1"}},
        {"match":{"path":"/new","method":["POST"],"headers":[{"name":"x-beta","present":true}]},"to":[{"job":"next"}]},
        {"match":{"path":"/post","method":["POST"]},"to":[{"job":"next"}]},
        {"match":{"path":"/new"},"to":[{"job":"coding-blog"}]}]}"#;
    let table = table(
        &[
            (
                "jobs/coding-blog",
                r#"{"jobname":"job.blog","ports":[{"name":"main","port":90,"protocol":"http"}]}"#,
            ),
            (&format!("instances/coding-blog/{ID}01"), r#"{"address":"10.0.0.7","ports":{"main":90}}"#),
            ("domains/blog.coding.net", domain),
        ],
        Health::Healthy,
    );
    let entrypoints =
        [listed("http", r#"{"listen":":80"}"#), listed("tls", r#"{"listen":":8443","protocol":"https"}"#)];
    let certificates = certificates();
    let facts = Facts {
        table: &table,
        not_caught: &[],
        entrypoints: &entrypoints,
        certificates: &certificates,
        now: UnixTime::now(),
        access: &Default::default(),
        asker: None,
        hub: &[],
        lost: None,
    };
    for (target, verdict, parts) in [
        (
            "http://blog.coding.net/new?a=1",
            Verdict::Ok,
            &["https: the domain is for https", "308 with the Location https://blog.coding.net/new?a=1;"][..],
        ),
        (
            "https://blog.coding.net:8443/old/x?a",
            Verdict::Ok,
            &[
                "it is a redirect",
                "redirect: the gateway answers 308 with the Location https://blog.coding.net:8443/new/x?a",
            ],
        ),
        (
            "https://blog.coding.net/away/1",
            Verdict::Ok,
            &["answers 302 with the Location https://b.net/away/1"],
        ),
        (
            "https://blog.coding.net/round",
            Verdict::NoRoute,
            &["Location https://blog.coding.net/round/1", "in circles"],
        ),
        (
            "https://blog.coding.net/new",
            Verdict::Ok,
            &[
                "leads to `coding-blog`",
                "route: `POST /new` with x-beta leads to `next` instead",
                "10.0.0.7:90",
            ],
        ),
        (
            "https://blog.coding.net/post",
            Verdict::NoRoute,
            &["no route takes a plain GET of /post; there is `POST /post`"],
        ),
        ("https://blog.coding.net/", Verdict::NoRoute, &["prefixes are /round, /away, /post, /new, /old"]),
    ] {
        let (found, text) = told(target, &facts);
        assert_eq!(found, verdict, "{text}");
        for part in parts {
            assert!(text.contains(part), "{target}: no `{part}` in\n{text}");
        }
    }
}

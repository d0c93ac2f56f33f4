//! What a kind says of a record beside the others. The calls themselves are tested on a whole gateway (tests/tests/api).

use std::sync::Arc;

use roundhouse_config::Settings;
use roundhouse_registry::record::{Rule, read};
use roundhouse_registry::{Revision, Snapshot, Versioned};

use super::*;
use crate::table::{Facts, Own};

struct Others {
    snapshot: Snapshot,
    table: Table,
    settings: Settings,
}

impl Others {
    fn new() -> Others {
        let settings = Settings::default();
        let (zone, vips) = (settings.names.zone.clone(), settings.names.vips);
        let own = Own::new(vips, Vec::new());
        let newcomer = roundhouse_registry::probe::Verdict::Healthy;
        let table = Table::empty(&Facts { zone, vips, own, workers: 1, hub: false, newcomer });
        let mut others = Others { snapshot: Snapshot::default(), table, settings };
        others.add(r#"{"jobname":"job.app2","ports":[{"name":"main","port":1111}]}"#, "app2", |snapshot| {
            &mut snapshot.jobs
        });
        let telecom = r#"{"vips":["203.0.113.0/28"]}"#;
        others.add(telecom, "telecom", |snapshot| &mut snapshot.lines);
        others
    }

    fn add<K: Ord + Clone + std::str::FromStr<Err: std::fmt::Debug>, T: Record + Clone>(
        &mut self,
        text: &str,
        name: &str,
        map: impl FnOnce(&mut Snapshot) -> &mut Records<K, T>,
    ) {
        let at = Revision(1);
        let record =
            Versioned { value: read(text.as_bytes()).unwrap(), created: at, modified: at, lease: None };
        map(&mut self.snapshot).insert(name.parse().unwrap(), Arc::new(record));
    }

    fn site(&self) -> Site<'_> {
        let Others { snapshot, table, settings } = self;
        let file_entrypoints = &settings.entrypoints;
        Site { snapshot, table, file_entrypoints, now: Timestamp::from_seconds(1_767_225_600) }
    }

    fn refusal<K: Writable>(&self, name: &str, text: &str) -> Option<(u16, String)> {
        let record: K = read(text.as_bytes()).unwrap();
        let refused = record.refusal(&K::name(name).unwrap(), &self.site()).err();
        refused.map(|problem| (problem.status.as_u16(), problem.detail))
    }

    /// Of a record whose name is in nobody's way.
    fn warnings<K: Writable>(&self, text: &str) -> Vec<String> {
        let name = K::name("new").or_else(|_| K::name("new.example")).unwrap();
        read::<K>(text.as_bytes()).unwrap().warnings(&name, &self.site())
    }
}

#[test]
fn what_is_not_there_yet_is_a_warning() {
    use roundhouse_registry::record::{Domain, Entrypoint, Line, Pool};
    let others = Others::new();
    let domain = |to: &str| others.warnings::<Domain>(&format!(r#"{{"routes":[{{"to":[{to}]}}]}}"#));
    assert_eq!(domain(r#"{"job":"app2"}"#), [""; 0]);
    assert_eq!(domain(r#"{"job":"nobody"}"#), ["there is no job `nobody` yet"]);
    assert_eq!(domain(r#"{"job":"app2","port":"web"}"#), ["job `app2` has no port `web` yet"]);

    let rule = |to: &str, more: &str| {
        others.warnings::<Rule>(&format!(
            r#"{{"to":{to},"from":{{"cidr":["10.0.0.0/8"]}},"action":"allow"{more}}}"#
        ))
    };
    assert_eq!(rule(r#"{"job":"app2"}"#, r#","ports":["main",7]"#), [""; 0]);
    assert_eq!(rule(r#"{"jobname":"cop.later"}"#, ""), ["no job has such a JOBNAME yet"]);
    assert_eq!(rule(r#"{"jobname":"job.*"}"#, ""), [""; 0]);
    assert_eq!(rule(r#"{"job":"app2"}"#, r#","ports":["web"]"#), ["job `app2` has no port `web` yet"]);

    let pool = |to: &str| {
        others.warnings::<Pool>(&format!(r#"{{"to":{to},"port":80,"lines":{{"telecom":[],"unicom":[]}}}}"#))
    };
    assert_eq!(pool(r#"{"hubs":"http"}"#), ["there is no line `unicom` yet"]);
    assert_eq!(pool(r#"{"hubs":"tls"}"#)[0], "there is no entrypoint `tls` yet");
    assert_eq!(pool(r#"{"pool":"b"}"#)[0], "there is no pool `b` yet");
    assert_eq!(
        others.warnings::<Line>(r#"{"fallback":["unicom","default"]}"#),
        ["there is no line `unicom` yet"]
    );
    let entrypoint = r#"{"listen":":3306","protocol":"tcp","job":"mysql"}"#;
    assert_eq!(others.warnings::<Entrypoint>(entrypoint), ["there is no job `mysql` yet"]);
}

#[test]
fn a_pool_without_vips_is_a_warning() {
    use roundhouse_registry::record::{Line, Pool};
    let mut others = Others::new();
    let warnings = |others: &Others, fields: &str| {
        others.warnings::<Pool>(&format!(r#"{{"to":{{"job":"app2"}},"port":80{fields}}}"#)).join("; ")
    };
    others.add("{}", "bare", |snapshot| &mut snapshot.lines);
    assert_eq!(warnings(&others, ""), "", "telecom has some");
    assert_eq!(warnings(&others, r#","lines":{"telecom":[],"bare":["192.0.2.1"]}"#), "");
    let bare = warnings(&others, r#","lines":{"bare":[],"new":[]}"#);
    assert!(bare.starts_with("line `bare` has no VIPs to give, so the pool has none there"), "{bare}");
    assert!(bare.ends_with("there is no line `new` yet"), "{bare}");
    assert_eq!(warnings(&others, r#","sink":"aws","lines":{"bare":[]}"#), "");
    others.snapshot.lines.remove(&Line::name("telecom").unwrap());
    assert!(warnings(&others, "").starts_with("no line has VIPs to give, so the pool has none;"));
    assert_eq!(warnings(&others, r#","sink":"aws""#), "");
    let stored = r#"{"to":{"job":"app2"},"port":80,"lines":{"bare":["192.0.2.1"]}}"#;
    others.add(stored, "new", |snapshot| &mut snapshot.pools);
    assert_eq!(warnings(&others, "") + &warnings(&others, r#","lines":{"bare":[]}"#), "", "it keeps them");
}

#[test]
fn a_pool_that_is_used_stays() {
    use roundhouse_registry::record::Pool;
    let mut others = Others::new();
    let removal = |others: &Others, name: &str| {
        let refused = Pool::removal(&name.parse().unwrap(), &others.site());
        refused.err().map(|problem| (problem.status.as_u16(), problem.detail))
    };
    others.add(r#"{"to":{"pool":"blog"},"port":80}"#, "outer", |snapshot| &mut snapshot.pools);
    let domain = r#"{"routes":[{"to":[{"job":"app2"}]}],"pool":"blog"}"#;
    others.add(domain, "a.b", |snapshot| &mut snapshot.domains);
    let (status, detail) = removal(&others, "blog").unwrap();
    let expected = "pool `blog` is used: domain `a.b`, pool `outer` would lose it; lead that elsewhere first";
    assert_eq!((status, detail.as_str()), (409, expected));
    assert_eq!(removal(&others, "outer"), None);
}

#[test]
fn what_of_a_domain_has_no_effect_is_a_warning() {
    use roundhouse_registry::record::{Cert, Domain};
    let mut others = Others::new();
    let route = |fields: &str| format!(r#"{{"routes":[{{{fields}}}]}}"#);
    let odd = others.warnings::<Domain>(&route(r#""match":{"path":"/a//%62"},"to":[{"job":"app2"}]"#));
    assert!(odd[0].contains("`/a//%62`") && odd[0].ends_with("write `/a/b`"), "{odd:?}");
    let round = others.warnings::<Domain>(&route(r#""redirect":{"path":"/x"}"#));
    assert!(round[0].contains("the redirect of `/` leads to itself"), "{round:?}");
    let away = others.warnings::<Domain>(&route(r#""redirect":{"scheme":"https"}"#));
    assert_eq!(away, [""; 0]);

    let made = rcgen::generate_simple_self_signed(vec!["*.other.net".to_owned()]).unwrap();
    let cert = |key: &str| json!({ "chain": made.cert.pem(), "key": key }).to_string();
    let named = r#"{"routes":[{"to":[{"job":"app2"}]}],"certificate":"blog"}"#;
    assert_eq!(others.warnings::<Domain>(named), ["there is no certificate `blog` yet"]);
    others.add(&cert(&made.signing_key.serialize_pem()), "blog", |snapshot| &mut snapshot.certs);
    let stranger = others.warnings::<Domain>(named);
    assert!(stranger[0].starts_with("certificate `blog` is for *.other.net, not for `"), "{stranger:?}");

    assert_eq!(others.warnings::<Cert>(&cert(&made.signing_key.serialize_pem())), [""; 0]);
    let another = rcgen::generate_simple_self_signed(vec!["a".to_owned()]).unwrap();
    let unfit = others.warnings::<Cert>(&cert(&another.signing_key.serialize_pem()));
    assert!(unfit[0].contains("the key does not fit"), "{unfit:?}");
}

#[test]
fn an_entrypoint_that_is_in_the_way_or_leads_nowhere_is_a_warning() {
    use roundhouse_registry::record::Entrypoint;
    let mut others = Others::new();
    let ports = r#"{"jobname":"job.all","ports":[{"name":"web","port":80,"protocol":"http"},
        {"name":"dns","port":53,"protocol":"udp"},{"name":"tls","port":443,"protocol":"tls"}]}"#;
    others.add(ports, "all", |snapshot| &mut snapshot.jobs);
    let redis = r#"{"listen":":6379","protocol":"tcp","job":"app2"}"#;
    others.add(redis, "redis", |snapshot| &mut snapshot.entrypoints);
    let warnings = |name: &str, text: &str| {
        let record: Entrypoint = read(text.as_bytes()).unwrap();
        record.warnings(&name.parse().unwrap(), &others.site()).join("; ")
    };
    assert_eq!(warnings("redis", redis), "", "itself");
    assert!(warnings("a", redis).contains("entrypoint `redis`'s too, which is no longer served"));
    assert!(warnings("z", redis).contains("`:6379` is taken by entrypoint `redis`"));
    assert_eq!(warnings("z", r#"{"listen":":6379","protocol":"udp","job":"all"}"#), "", "another protocol's");
    assert!(warnings("http", r#"{"listen":":81"}"#).contains("has an entrypoint `http` of its own"));
    assert!(warnings("z", r#"{"listen":"127.0.0.1:8080"}"#).contains("`http` of this gateway's file"));
    let leads = |protocol: &str| warnings("z", &format!(r#"{{"listen":":1","protocol":{protocol}}}"#));
    for (good, wrong) in [
        (r#""tcp","job":"all""#, r#""tcp","job":"all","port":"dns""#),
        (r#""tcp","job":"all","port":"tls""#, r#""tcp","job":"all","port":"later""#),
        (r#""udp","job":"all","port":"dns""#, r#""udp","job":"all","port":"web""#),
        (r#""udp","job":"all""#, r#""udp","job":"app2""#),
        (r#""tls","job":"all""#, r#""tls","job":"all","port":"web""#),
        (
            r#""tls","terminate":true,"job":"all","port":"web""#,
            r#""tls","terminate":true,"job":"all","port":"tls""#,
        ),
        (r#""tls","job":"app2""#, r#""tls","job":"app2","port":"web""#),
    ] {
        assert_eq!(leads(good), "");
        assert!(leads(wrong).contains("port"), "{wrong}: {}", leads(wrong));
    }
    assert_eq!(
        leads(r#""tls","terminate":true,"job":"all","port":"tls""#),
        "port `tls` of job `all` is tls, which does not go with an entrypoint of tls that ends it"
    );
}

#[test]
fn what_cannot_be_beside_the_others_is_refused() {
    use roundhouse_registry::record::{Domain, Line};
    let others = Others::new();
    let (status, detail) = others.refusal::<Line>("unicom", r#"{"vips":["203.0.113.8/29"]}"#).unwrap();
    assert!(status == 409 && detail.contains("overlaps `203.0.113.0/28` of the line `telecom`"), "{detail}");
    assert_eq!(others.refusal::<Line>("telecom", r#"{"vips":["203.0.113.8/29"]}"#), None, "its own");
    assert_eq!(others.refusal::<Line>("unicom", r#"{"vips":["203.0.113.16/28"]}"#), None);
    assert_eq!(others.refusal::<Line>("unicom", r#"{"fallback":["unicom"]}"#).unwrap().0, 422);
    let domain = r#"{"routes":[{"to":[{"job":"a"}]}]}"#;
    assert_eq!(others.refusal::<Domain>("a.jobs.internal", domain).unwrap().0, 422);
}

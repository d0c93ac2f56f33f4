use bytes::Bytes;
use roundhouse_registry::Snapshot;
use roundhouse_registry::kv::{Entry, Listing, Revision};
use roundhouse_registry::probe::Verdict as Health;

use super::*;
use crate::table::{Facts as TableFacts, Own};

const ID: &str = "0a1b2c3d-0000-4000-8000-0000000000";

fn table(records: &[(&str, &str)], newcomer: Health) -> Table {
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
    let facts = TableFacts { zone: "jobs.coding.net".parse().unwrap(), vips, own, workers: 1, hub: false, newcomer };
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
    let entrypoints = [NamedEntrypoint::default()];
    let facts =
        Facts { table, not_caught, entrypoints: &entrypoints, lost: Some((12.0, "no leader".into())) };
    let explanation = explain(text, &text.parse().unwrap(), &facts);
    let lines = explanation.steps.iter().map(|step| format!("{}: {}", step.what, step.detail));
    (explanation.verdict, lines.collect::<Vec<_>>().join("\n"))
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
    assert_eq!(ask("app2.jobs:53").0, Verdict::NotCaught);
    assert_eq!(ask("idle.jobs:80").0, Verdict::NotCaught, "it has no VIP");
    assert_eq!(ask("http://idle.jobs/").0, Verdict::NotCaught);

    let (verdict, steps) = ask("coding-blog.jobs:9090");
    assert_eq!(verdict, Verdict::NoBackend, "{steps}");
    assert!(steps.contains("refused: 127.0.0.1:8400 is this gateway's own admin listener"), "{steps}");

    let reason = "held by nginx (pid 7)".to_owned();
    let address = "127.99.0.7:1111".parse().unwrap();
    let lacking = NotCaught { job: "app2".parse().unwrap(), port: "main".parse().unwrap(), address, reason };
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
    assert!(ask("https://blog.coding.net/").1.contains("no entrypoint speaks TLS"));
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

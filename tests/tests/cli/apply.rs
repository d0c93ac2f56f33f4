//! `apply` and `diff`: a jobs file and a registry.

use std::net::SocketAddr;
use std::path::PathBuf;

use roundhouse_tests::{Gateway, SOON, TempDir, eventually, seen};

use crate::{answer, example, json, ok, run, sample, stack};

const JOBS: [&str; 7] =
    ["app", "app-backend", "app2", "coding-prober", "coding-blog", "webhook-listener", "updatehook-listener"];

/// A jobs file that a test edits.
struct File {
    folder: TempDir,
    text: String,
}

impl File {
    fn new(text: String) -> File {
        let file = File { folder: TempDir::new().unwrap(), text };
        std::fs::write(file.path(), &file.text).unwrap();
        file
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("stack.jobs")
    }

    fn name(&self) -> String {
        self.path().display().to_string()
    }

    #[track_caller]
    fn edit(&mut self, from: &str, to: &str) {
        assert!(self.text.contains(from), "no {from}");
        self.text = self.text.replace(from, to);
        std::fs::write(self.path(), &self.text).unwrap();
    }
}

fn revision(gateway: &Gateway) -> u64 {
    gateway.api("/v1/status").json()["revision"].as_u64().unwrap()
}

#[test]
fn apply_creates_and_a_second_apply_changes_nothing() {
    let gateway = Gateway::start();
    let file = File::new(stack(&gateway.net));
    let first = ok(&gateway, &["apply", &file.name()]);
    for job in JOBS {
        assert!(first.out.lines().any(|line| line == format!("created job {job}")), "{}", first.out);
    }
    assert!(first.out.contains("created domain blog.coding.net\n"), "{}", first.out);
    assert!(first.out.ends_with("8 created, 0 changed, 0 unchanged\n"), "{}", first.out);
    for job in JOBS {
        gateway.vip(job);
    }

    let before = revision(&gateway);
    let second = ok(&gateway, &["apply", &file.name()]);
    for job in JOBS {
        assert!(second.out.lines().any(|line| line == format!("unchanged job {job}")), "{}", second.out);
    }
    assert!(second.out.ends_with("0 created, 0 changed, 8 unchanged\n"), "{}", second.out);
    assert_eq!(revision(&gateway), before);
    assert_eq!(ok(&gateway, &["diff", &file.name()]).out, "no differences\n");
}

#[test]
fn diff_shows_the_field_that_differs_and_writes_nothing() {
    let gateway = Gateway::start();
    let mut file = File::new(stack(&gateway.net));
    let new = run(&gateway, &["diff", &file.name()]);
    assert_eq!(new.code, Some(2), "{new:?}");
    assert!(new.out.contains("create job app2\n") && new.out.contains("8 to create, 0 to change"), "{new:?}");
    assert_eq!(gateway.api("/v1/jobs").json(), serde_json::json!([]));

    ok(&gateway, &["apply", &file.name()]);
    for job in JOBS {
        gateway.vip(job);
    }
    let before = revision(&gateway);
    file.edit("port: \"1111\"", "port: \"1112\" check: < kind: \"tcp\" interval: \"5s\" >");
    let edited = run(&gateway, &["diff", &file.name()]);
    assert_eq!(edited.code, Some(2), "{edited:?}");
    assert_eq!(
        edited.out,
        "change job app2\n    check.interval: \"2s\" -> \"5s\"\n    ports[0].port: 1111 -> 1112\n\
         0 to create, 1 to change, 7 unchanged\n"
    );
    let shown = run(&gateway, &["diff", &file.name(), "-o", "json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    let changes = shown["changes"].as_array().unwrap();
    let change = changes.iter().find(|change| change["action"] == "change").unwrap();
    assert_eq!((&change["name"], &change["fields"][1]["to"]), (&"app2".into(), &1112.into()));
    let dry = ok(&gateway, &["apply", "--dry-run", &file.name()]);
    assert_eq!(dry.out, edited.out);
    assert_eq!(revision(&gateway), before);

    let applied = ok(&gateway, &["apply", &file.name()]);
    assert!(
        applied
            .out
            .contains("changed job app2: check.interval: \"2s\" -> \"5s\", ports[0].port: 1111 -> 1112\n")
    );
    assert_eq!(gateway.job("app2")["ports"][0]["port"], 1112);
    assert_eq!(run(&gateway, &["diff", &file.name()]).code, Some(0));
}

#[test]
fn a_static_job_on_a_host_of_the_file_is_reached_through_its_vip() {
    let gateway = Gateway::start();
    let mut file = File::new(stack(&gateway.net));
    file.edit("port: \"1111\"", "port: \"1111\" static: true");
    // host-2 in the file's hosts: block.
    let address = SocketAddr::new(gateway.net.address(12), 1111);
    let _app2 = sample("app2", address);
    let applied = ok(&gateway, &["apply", &file.name()]);
    assert!(applied.out.contains("created instance app2/"), "{}", applied.out);
    gateway.wait_healthy("app2", 1);
    let instance = gateway.job("app2")["instances"][0].clone();
    assert_eq!((&instance["host"], &instance["static"]), (&"host-2".into(), &true.into()));
    let vip = SocketAddr::new(gateway.vip("app2"), 1111);
    eventually(SOON, "app2 answers at its VIP", || {
        seen(answer(vip, "x"), |body| body.starts_with(&format!("app2 {address}")))
    });
    let again = ok(&gateway, &["apply", &file.name()]);
    assert!(again.out.ends_with("0 created, 0 changed, 9 unchanged\n"), "{}", again.out);

    // What a person did at run time is no difference.
    ok(&gateway, &["drain", &address.to_string()]);
    assert_eq!(run(&gateway, &["diff", &file.name()]).code, Some(0));
    // What the file no longer has is left, and named.
    file.edit(" static: true", "");
    let left = ok(&gateway, &["apply", &file.name()]);
    assert!(left.out.contains("left instance app2/") && left.out.contains("not in the file"), "{}", left.out);
    assert_eq!(gateway.job("app2")["instances"].as_array().unwrap().len(), 1);
}

#[test]
fn a_host_that_nobody_knows_fails_its_own_job_alone() {
    let gateway = Gateway::start();
    let mut file = File::new(stack(&gateway.net));
    file.edit("port: \"1111\"", "port: \"1111\" static: true");
    // RFC 6761: no DNS has such a name.
    file.edit("run_on_host: \"host-2\"", "run_on_host: \"host-9.invalid\"");
    let said = run(&gateway, &["apply", &file.name()]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.err.contains("stack.jobs:") && said.err.contains("job `app2`: host `host-9.invalid`"),
        "{said:?}"
    );
    assert!(said.err.contains("add hosts: < name: \"host-9.invalid\" address: "), "{said:?}");
    assert!(said.out.ends_with("7 created, 0 changed, 0 unchanged, 1 failed\n"), "{said:?}");
    assert_eq!(gateway.api("/v1/jobs/app2").status, 404);
}

#[test]
fn the_published_file_is_refused_and_changes_nothing() {
    let gateway = Gateway::start();
    gateway.put_job("app", 8080, "http");
    gateway.vip("app");
    let records = || [gateway.api("/v1/jobs").json(), gateway.api("/v1/domains").json()];
    let before = records();
    let published = example("stack-as-published.jobs").display().to_string();
    for verb in ["apply", "diff"] {
        let said = run(&gateway, &[verb, &published]);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{said:?}");
        assert!(said.err.contains("are both on `git-app-1` port 9999"), "{said:?}");
        assert!(said.err.contains("job `app` has no port"), "{said:?}");
    }
    assert_eq!(records(), before);
    let missing = run(&gateway, &["apply", "/nonexistent/stack.jobs"]);
    assert!(missing.code == Some(1) && missing.err.contains("cannot be read"), "{missing:?}");
}

#[test]
fn a_label_that_is_anothers_fails_at_its_place_and_the_others_are_applied() {
    let gateway = Gateway::start();
    let theirs = r#"{"jobname":"job.theirs_cop.x","ports":[{"name":"main","port":1}]}"#;
    assert_eq!(gateway.call("PUT", "/v1/jobs/app2", theirs).status, 201);
    let mut file = File::new(stack(&gateway.net));
    file.edit("name: \"app2\"", "name: \"app2\" jobname: \"job.app2_cop.coding\"");
    let said = run(&gateway, &["apply", &file.name()]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let place = format!("{}:", file.name());
    assert!(said.err.starts_with(&place) && said.err.contains("belongs to job.theirs_cop.x"), "{said:?}");
    assert!(said.out.ends_with("7 created, 0 changed, 0 unchanged, 1 failed\n"), "{said:?}");
    assert_eq!(gateway.job("app2")["jobname"], "job.theirs_cop.x");
    let domains = json(&gateway, &["get", "domains"]);
    assert_eq!(domains[0]["host"], "blog.coding.net");
}

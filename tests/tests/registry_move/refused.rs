use std::path::Path;

use roundhouse_tests::{Etcd, Gateway, SOON, Signal, TempDir, free_port};

use crate::{etcd, fill, ok, run, text};

fn exported(folder: &TempDir) -> String {
    let gateway = Gateway::start();
    gateway.put_job("app2", 1111, "tcp");
    gateway.vip("app2");
    let file = folder.path().join("all.jsonl");
    ok(&["export", text(&file), "--server", &gateway.url()]);
    std::fs::read_to_string(file).unwrap()
}

#[tokio::test]
async fn a_file_that_is_not_whole_or_not_ours_writes_nothing() {
    let (folder, store) = (TempDir::new().unwrap(), Etcd::running());
    let whole = exported(&folder);
    let gateway = Gateway::on(&store.url());
    let last = whole.trim_end().rfind('\n').unwrap();
    let cases = [
        (whole[..last + 1].to_owned(), "the export was cut short"),
        (whole[..last / 2].to_owned(), "the export was cut short"),
        (whole.replace("1111", "2222"), "the export was altered"),
        (whole.replacen("roundhouse_export\":1", "roundhouse_export\":2", 1), "has format 2"),
        ("jobs: <\n>\n".to_owned(), "is no export of a registry"),
        (String::new(), "it is empty"),
    ];
    let file = folder.path().join("bad.jsonl");
    for (content, sentence) in cases {
        std::fs::write(&file, &content).unwrap();
        for way in [["--registry", &store.url()], ["--server", &gateway.url()]] {
            let said = run(&[&["import", text(&file)][..], &way].concat());
            assert!(said.code == Some(1) && said.err.contains(sentence), "{sentence}: {said:?}");
            assert_eq!(said.out, "");
        }
        // Whoever sends it without looking at it first.
        let reply = gateway.call("POST", "/v1/import", &content);
        assert!(reply.status == 422 && reply.body.contains(sentence), "{sentence}: {reply:?}");
    }
    let reply = gateway.call("POST", "/v1/import?mode=over", &whole);
    assert!(reply.status == 400 && reply.body.contains("write ?mode=fresh"), "{reply:?}");
    let reply = gateway.call("POST", "/v1/import?grace=1ms", &whole);
    assert!(reply.status == 400 && reply.body.contains("out of bounds"), "{reply:?}");
    assert_eq!(etcd(&store).await, []);
    assert_eq!(gateway.call("POST", "/v1/import", &whole).status, 200);
}

#[tokio::test]
async fn records_that_would_be_quarantined_are_listed_and_move_only_when_told() {
    let (folder, source, target) = (TempDir::new().unwrap(), Etcd::running(), Etcd::running());
    let bad = [("jobs/app2", r#"{"jobname":7}"#), ("jobz/app2", "{}")];
    fill(&source.kv(crate::PREFIX).await, bad.map(|(key, value)| (key.into(), value.into()))).await;
    let file = folder.path().join("all.jsonl");
    ok(&["export", text(&file), "--registry", &source.url()]);
    let import = |more: &[&str]| run(&[&["import", text(&file), "--registry", &target.url()], more].concat());
    let said = import(&[]);
    assert!(said.code == Some(1) && said.err.contains("2 record(s) would be quarantined"), "{said:?}");
    assert!(
        said.err.contains("jobs/app2: jobname: ") && said.err.contains("jobz/app2: unknown kind"),
        "{said:?}"
    );
    assert_eq!(etcd(&target).await, []);
    assert_eq!(import(&["--quarantined"]).code, Some(0));
    assert_eq!(etcd(&target).await, etcd(&source).await);
}

#[test]
fn an_embedded_registry_is_the_running_gateways_alone() {
    let folder = TempDir::new().unwrap();
    let mut gateway = Gateway::start();
    gateway.put_job("app2", 1111, "tcp");
    let (file, config) = (folder.path().join("all.jsonl"), gateway.config());
    for verb in ["export", "import"] {
        if verb == "import" {
            ok(&["export", text(&file), "--server", &gateway.url()]);
        }
        let said = run(&[verb, text(&file), "--config", text(&config)]);
        let holder = format!("in use by a running gateway (pid {})", gateway.process().pid());
        assert!(said.code == Some(1) && said.err.contains(&holder), "{said:?}");
        assert!(said.err.contains(&format!("--server {}", gateway.url())), "{said:?}");
    }
    gateway.process().signal(Signal::TERM);
    gateway.stopped();
    ok(&["export", text(&file), "--config", text(&config)]);
    assert!(std::fs::read_to_string(&file).unwrap().contains("jobs/app2"));
}

#[test]
fn what_is_not_there_is_named_and_no_file_is_left() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("all.jsonl");
    let nobody = format!("127.0.0.1:{}", free_port());
    for (way, sentence) in [
        (["--server", &format!("http://{nobody}")], "does not answer"),
        (["--registry", &format!("etcd://{nobody}")], &*nobody),
        (["--registry", &format!("http://{nobody}")], "is a gateway; write --server"),
        (["--data-dir", text(folder.path())], "there is no registry at"),
        (["--config", "/nonexistent.toml"], "cannot be read"),
    ] {
        let began = std::time::Instant::now();
        let said = run(&[&["export", text(&file)][..], &way].concat());
        assert!(said.code == Some(1) && said.err.contains(sentence), "{sentence}: {said:?}");
        assert!(began.elapsed() < SOON * 2);
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    let said = run(&["import", text(Path::new("/nonexistent.jsonl"))]);
    assert!(said.code == Some(1) && said.err.contains("cannot read /nonexistent.jsonl"), "{said:?}");
}

use std::os::unix::fs::PermissionsExt;

use roundhouse_tests::{Etcd, Gateway, Signal, TempDir};

use crate::{embedded, etcd, fill, ok, run, text};

fn filled() -> Gateway {
    let gateway = Gateway::start();
    gateway.put_job("app2", 1111, "tcp");
    gateway.put_job("blog", 9090, "http");
    let domain = r#"{"routes":[{"to":[{"job":"blog"}]}]}"#;
    assert_eq!(gateway.call("PUT", "/v1/domains/blog.coding.net", domain).status, 201);
    let (address, leased) = (gateway.net.app(0), gateway.net.app(1));
    let fixed = format!(r#"{{"address":"{address}","ports":{{"main":1111}}}}"#);
    let short = format!(r#"{{"address":"{leased}","ports":{{"main":1111}},"ttl":"60s"}}"#);
    for instance in [fixed, short] {
        assert_eq!(gateway.call("POST", "/v1/instances/app2", &instance).status, 201);
    }
    gateway.vip("app2");
    gateway.vip("blog");
    gateway
}

#[tokio::test]
async fn from_embedded_to_etcd_and_back_every_record_is_the_same() {
    let mut gateway = filled();
    let store = Etcd::running();
    let folder = TempDir::new().unwrap();
    let [out, back] = ["out.jsonl", "back.jsonl"].map(|name| folder.path().join(name));
    let said = ok(&["export", text(&out), "--server", &gateway.url()]);
    assert!(said.out.contains("records at revision"), "{said:?}");
    let mode = std::fs::metadata(&out).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it has every secret");

    let said = ok(&["import", text(&out), "--registry", &store.url()]);
    assert!(said.out.contains("jobs"), "{said:?}");
    gateway.process().signal(Signal::TERM);
    gateway.stopped();
    let data = gateway.config().with_file_name("data");
    let before = embedded(&data).await;
    assert!(before.iter().filter(|(key, _)| key.starts_with("vips/")).count() == 2, "{before:?}");
    assert_eq!(before, etcd(&store).await);

    // Secrets move too, and what is no JSON.
    let certificate = r#"{"chain":"-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n",
        "key":"-----BEGIN PRIVATE KEY-----\nMAMCAQA=\n-----END PRIVATE KEY-----\n"}"#;
    let token = format!(r#"{{"role":"read","hash":"{}"}}"#, "0a".repeat(32));
    let more = [("certs/coding", certificate), ("tokens/ops", &token), ("kv/lock", "no JSON\n\u{1}")];
    fill(&store.kv(crate::PREFIX).await, more.map(|(key, value)| (key.into(), value.into()))).await;
    let new = folder.path().join("new");
    ok(&["export", text(&back), "--registry", &store.url()]);
    ok(&["import", text(&back), "--data-dir", text(&new)]);
    let arrived = embedded(&new).await;
    assert_eq!(arrived, etcd(&store).await);
    assert_eq!(arrived.len(), before.len() + 3);
}

#[tokio::test]
async fn a_running_gateway_takes_an_import_and_serves_it_at_once() {
    let (source, store) = (filled(), Etcd::running());
    let target = Gateway::on(&store.url());
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("all.jsonl");
    ok(&["export", text(&file), "--server", &source.url()]);
    let server = ["--server", &target.url()];

    let diff = run(&[&["diff", text(&file)][..], &server].concat());
    assert_eq!((diff.code, diff.err.as_str()), (Some(2), ""), "{diff:?}");
    assert!(diff.out.starts_with("KIND"), "{diff:?}");
    let dry = ok(&[&["import", "--dry-run", text(&file)][..], &server].concat());
    assert_eq!(dry.out, diff.out);
    assert_eq!(target.api("/v1/jobs").json(), serde_json::json!([]), "nothing was written");

    let said = ok(&[&["import", text(&file)][..], &server].concat());
    assert!(said.out.contains("instances that do not register there within 1m go"), "{said:?}");
    // A write is answered when the gateway has it.
    assert_eq!(target.job("app2")["instances"].as_array().unwrap().len(), 2);
    let offset = |gateway: &Gateway| gateway.job("blog")["vip_offset"].clone();
    assert_eq!(offset(&source), offset(&target));
    // What is there and equal is no difference.
    assert_eq!(run(&[&["diff", text(&file)][..], &server].concat()).code, Some(0));
}

#[tokio::test]
async fn merge_adds_and_replace_overwrites_and_neither_deletes() {
    let (source, store) = (filled(), Etcd::running());
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("all.jsonl");
    ok(&["export", text(&file), "--server", &source.url()]);
    let theirs = r#"{"jobname":"job.theirs"}"#.to_owned();
    let kv = store.kv(crate::PREFIX).await;
    fill(&kv, [("jobs/other".to_owned(), theirs.clone())]).await;

    let import = |how: &[&str]| run(&[&["import", text(&file), "--registry", &store.url()], how].concat());
    let refused = import(&[]);
    assert!(refused.code == Some(1) && refused.err.contains("jobs/other: is there already"), "{refused:?}");
    assert!(refused.err.contains("--merge"), "{refused:?}");
    assert_eq!(etcd(&store).await.len(), 1);
    assert_eq!(import(&["--merge"]).code, Some(0));

    fill(&kv, [("jobs/blog".to_owned(), theirs.clone())]).await;
    let refused = import(&["--merge"]);
    assert!(refused.code == Some(1) && refused.err.contains("jobs/blog: is there already"), "{refused:?}");
    let replaced = import(&["--replace"]);
    assert_eq!(replaced.code, Some(0), "{replaced:?}");
    let there = etcd(&store).await;
    assert!(there.contains(&("jobs/other".into(), theirs.clone())), "nothing is deleted");
    assert!(there.iter().any(|(key, value)| key == "jobs/blog" && *value != theirs), "{there:?}");
}

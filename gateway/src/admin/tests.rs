//! The router over an embedded registry, without sockets.

mod connections;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use roundhouse_config::Settings;
use roundhouse_registry::kv::Txn;
use roundhouse_registry::kv::embedded::Embedded;
use roundhouse_registry::probe::Verdict;
use roundhouse_registry::{Follower, InstanceId, Registry};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::router;
use crate::phase::Phase;
use crate::shared::Shared;
use crate::table::{Facts, Own, Table};

struct Gateway {
    shared: Arc<Shared>,
    phase: watch::Sender<Phase>,
    folder: PathBuf,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Gateway {
    async fn start() -> Gateway {
        Gateway::with(Settings::default()).await
    }

    async fn with(settings: Settings) -> Gateway {
        let folder = std::env::temp_dir().join(format!("roundhouse-admin-{}", InstanceId::random()));
        std::fs::create_dir(&folder).unwrap();
        let kv = Arc::new(Embedded::open(&folder.join("registry.redb")).unwrap());
        let follower = Follower::start(kv.clone()).await.unwrap();
        let (store, holds) = (follower.store(), follower.holds());
        tokio::spawn(follower.run());
        let (phase, phases) = watch::channel(Phase::Serving);
        let vips = settings.names.vips;
        let own = Own::new(vips, vec![("127.0.0.1:8400".parse().unwrap(), "admin".into())]);
        let zone = settings.names.zone.clone();
        let newcomer = Verdict::Healthy;
        let facts = Facts { zone, vips, own: own.clone(), workers: 1, hub: false, newcomer };
        let table = Table::empty(&facts);
        let entrypoints = settings.entrypoints.iter().map(connections::listening).collect();
        let shared = Shared {
            id: "hub-1".into(),
            settings,
            table: Arc::new(ArcSwap::from_pointee(table)),
            store,
            holds,
            registry: Registry::new(kv),
            own: ArcSwap::from_pointee(own),
            entrypoints: ArcSwap::from_pointee(entrypoints),
            relisted: tokio::sync::Notify::new(),
            https_port: Arc::default(),
            workers: connections::worker(),
            config: ArcSwap::default(),
            reread: Arc::default(),
            file_entrypoints: ArcSwap::default(),
            file_certificates: ArcSwap::default(),
            certificates: Arc::default(),
            certificates_refused: ArcSwap::default(),
            not_caught: ArcSwap::default(),
            jobs_files: Vec::new(),
            counters: vec![Arc::default()],
            access: Arc::default(),
            access_log: Arc::default(),
            started: Instant::now(),
            phase: phases,
        };
        Gateway { shared: Arc::new(shared), phase, folder }
    }

    async fn send(&self, request: &str, headers: &[(&str, &str)], body: &str) -> Response<Body> {
        let (method, path) = request.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "127.0.0.1:8400");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        TowerToHyperService::new(router(self.shared.clone())).call(request).await.into_response()
    }

    /// Status and JSON body.
    async fn ask(&self, request: &str, body: &str) -> (u16, Value) {
        read(self.send(request, &[], body).await).await
    }
}

async fn read(response: Response<Body>) -> (u16, Value) {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

const APP2: &str = r#"{"jobname":"job.app2","ports":[{"name":"main","port":1111}]}"#;

#[tokio::test]
async fn a_job_is_made_read_changed_and_deleted() {
    let gateway = Gateway::start().await;
    let made = gateway.send("PUT /v1/jobs/app2", &[("if-none-match", "*")], APP2).await;
    assert_eq!(made.status(), StatusCode::CREATED);
    assert_eq!(made.headers()["location"], "/v1/jobs/app2");
    let (revision, etag) = (made.headers()["x-roundhouse-revision"].clone(), made.headers()["etag"].clone());
    assert_eq!(etag.to_str().unwrap(), format!("\"{}\"", revision.to_str().unwrap()));

    let (status, shown) = gateway.ask("GET /v1/jobs/app2", "").await;
    assert_eq!(
        (status, &shown["label"], &shown["vip"], &shown["instances"]),
        (200, &json!("app2"), &Value::Null, &json!([]))
    );
    assert_eq!(gateway.ask("GET /v1/jobs", "").await.1[0]["jobname"], "job.app2");

    // What was shown may be put back.
    let etag = etag.to_str().unwrap();
    let again = gateway.send("PUT /v1/jobs/app2", &[("if-match", etag)], &shown.to_string()).await;
    assert_eq!(again.status(), StatusCode::OK);
    let stale = gateway.send("PUT /v1/jobs/app2", &[("if-match", etag)], APP2).await;
    assert_eq!(stale.status(), StatusCode::PRECONDITION_FAILED);

    assert_eq!(gateway.ask("PUT /v1/jobs/app2", r#"{"jobname":"job.other"}"#).await.0, 409);
    let (status, problem) = gateway.ask("PUT /v1/jobs/app3", APP2).await;
    assert_eq!(status, 409);
    assert!(problem["detail"].as_str().unwrap().contains("under the label `app2`"), "{problem}");
    assert_eq!(gateway.ask("DELETE /v1/jobs/app2", "").await.0, 200);
    assert_eq!(gateway.ask("GET /v1/jobs/app2", "").await.0, 404);
}

#[tokio::test]
async fn an_instance_registers_drains_and_goes() {
    let gateway = Gateway::start().await;
    let (status, made) = gateway
        .ask("POST /v1/instances/app2", r#"{"address":"10.0.0.7","ports":{"main":1111},"ttl":"10s"}"#)
        .await;
    assert_eq!((status, &made["ttl"]), (201, &json!("10s")), "{made}");
    let path = format!("/v1/instances/app2/{}", made["id"].as_str().unwrap());
    let lease = made["lease"].as_str().unwrap();
    // The job came with it, its ports those of the instance.
    let (_, job) = gateway.ask("GET /v1/jobs/app2", "").await;
    assert_eq!((&job["implicit"], &job["ports"][0]["port"]), (&json!(true), &json!(1111)));
    assert_eq!(job["instances"][0]["static"], false);

    assert_eq!(gateway.ask(&format!("POST /v1/leases/{lease}/keepalive"), "").await.0, 200);
    assert_eq!(gateway.ask(&format!("POST {path}/state"), r#"{"state":"draining"}"#).await.0, 200);
    assert_eq!(gateway.ask(&format!("GET {path}"), "").await.1["state"], "draining");
    assert_eq!(gateway.ask("DELETE /v1/jobs/app2", "").await.0, 409, "it has an instance");
    let taken = r#"{"address":"10.0.0.7","ports":{"main":1111}}"#;
    assert_eq!(gateway.ask("POST /v1/instances/app3", taken).await.0, 409);
    assert_eq!(gateway.ask(&format!("DELETE {path}"), "").await.0, 200);
    assert_eq!(gateway.ask(&format!("GET {path}"), "").await.0, 404);
    assert_eq!(gateway.ask(&format!("DELETE /v1/leases/{lease}"), "").await.0, 204);
    assert_eq!(gateway.ask(&format!("POST /v1/leases/{lease}/keepalive"), "").await.0, 404);
}

#[tokio::test]
async fn what_cannot_be_right_is_refused_with_a_problem() {
    let gateway = Gateway::start().await;
    for (request, body, status) in [
        ("PUT /v1/jobs/app2", "{", 400),
        ("PUT /v1/jobs/app2", "{}", 422),
        ("PUT /v1/jobs/App2", APP2, 422),
        ("PUT /v1/domains/a.jobs.internal", r#"{"routes":[{"to":[{"job":"a"}]}]}"#, 422),
        ("POST /v1/instances/a", r#"{"address":"10.0.0.7","ports":{"main":1},"ttl":"1ms"}"#, 422),
        ("POST /v1/instances/a", r#"{"address":"127.0.0.1","ports":{"main":8400}}"#, 409),
        ("POST /v1/instances/a", r#"{"address":"127.99.0.1","ports":{"main":1}}"#, 409),
        ("GET /v1/instances/a/17", "", 422),
        ("GET /v1/domains/nowhere.example", "", 404),
        ("GET /v1/watch?from=77", "", 410),
        ("GET /v1/watch?from=x", "", 400),
        ("GET /v1/explain", "", 400),
        ("GET /v1/nothing", "", 404),
        ("DELETE /v1/status", "", 405),
    ] {
        let (found, problem) = gateway.ask(request, body).await;
        assert_eq!(found, status, "{request}: {problem}");
        assert_eq!(
            (&problem["type"], &problem["status"]),
            (&json!("about:blank"), &json!(status)),
            "{request}"
        );
        assert!(problem["detail"].as_str().unwrap().len() > 20, "{request}: {problem}");
    }
    let long = format!(r#"{{"jobname":"{}"}}"#, "x".repeat(100_000));
    assert_eq!(gateway.ask("PUT /v1/jobs/app2", &long).await.0, 413);
    let refused = gateway.send("GET /v1/jobs", &[("host", "evil.example")], "").await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(refused.headers().contains_key("x-roundhouse-revision"));
    let wrong = gateway.send("DELETE /v1/status", &[], "").await;
    assert!(wrong.headers()["allow"].to_str().unwrap().contains("GET"), "{:?}", wrong.headers());
}

#[tokio::test]
async fn a_watch_resumes_where_it_was_and_ends_with_the_gateway() {
    let gateway = Gateway::start().await;
    let instance = r#"{"address":"10.0.0.7","ports":{"main":1111}}"#;
    let id = InstanceId::random();
    gateway.ask("PUT /v1/jobs/app2", APP2).await;
    gateway.ask(&format!("PUT /v1/instances/app2/{id}"), instance).await;
    gateway.phase.send_replace(Phase::Serving);
    let mut all = gateway.send("GET /v1/watch?from=0", &[], "").await.into_body();
    let mut text = String::new();
    while !text.contains("addresses/tcp") {
        let frame =
            tokio::time::timeout(Duration::from_secs(5), all.frame()).await.unwrap().unwrap().unwrap();
        text += std::str::from_utf8(&frame.into_data().unwrap()).unwrap();
    }
    let events: Vec<&str> = text.split("\n\n").filter(|event| !event.is_empty()).collect();
    assert!(events[0].starts_with("event: progress\ndata: {\"origin\":\""), "{text}");
    assert!(events[0].ends_with("\"revision\":0,\"epoch\":0,\"stale_seconds\":0.0,\"lost\":null}"), "{text}");
    let put = "id: 1\nevent: put\ndata: {\"key\":\"jobs/app2\",\"value\":{";
    assert!(events[1].starts_with(put) && events[1].ends_with("},\"created\":1,\"revision\":1}"), "{text}");
    assert_eq!(events.len(), 4, "{text}");
    assert!(!events[2].contains("id: ") && events[3].contains("id: 2"), "the id ends the commit: {text}");

    let mut rest = gateway.send("GET /v1/watch?from=0", &[("last-event-id", "1")], "").await.into_body();
    let mut text = String::new();
    while !text.contains("id: 2\n") {
        let frame = rest.frame().await.unwrap().unwrap().into_data().unwrap();
        text += std::str::from_utf8(&frame).unwrap();
    }
    assert!(!text.contains("id: 1\n") && text.contains("\"created\":2"), "{text}");

    gateway.phase.send_replace(Phase::Draining);
    while tokio::time::timeout(Duration::from_secs(5), all.frame()).await.unwrap().is_some() {}
}

/// More entries than a chunk has; what a reader takes slowly is one revision all the same.
#[tokio::test]
async fn a_snapshot_of_many_entries_comes_in_parts_and_is_one_moment() {
    const JOBS: usize = 3 * 128 + 300;
    let gateway = Gateway::start().await;
    let kv = gateway.shared.registry.kv();
    let jobs: Vec<String> = (0..JOBS).map(|i| format!("jobs/j{i:04}")).collect();
    let write_all = async || {
        for keys in jobs.chunks(128) {
            let job = |key: &String| format!(r#"{{"jobname":"job.{}"}}"#, key.trim_start_matches("jobs/"));
            kv.commit(keys.iter().fold(Txn::new(), |txn, key| txn.put(key, job(key), None))).await.unwrap();
        }
        let last = kv.list().await.unwrap().revision;
        gateway.shared.store.changes().wait_for(|now| *now >= last).await.unwrap();
        last
    };
    let last = write_all().await;
    let mut body = gateway.send("GET /v1/snapshot", &[], "").await.into_body();
    let mut parts = Vec::new();
    while let Some(frame) = body.frame().await {
        parts.push(frame.unwrap().into_data().unwrap());
        if parts.len() == 1 {
            write_all().await;
        }
    }
    assert!(parts.len() >= 3, "{}", parts.len());
    let text = parts.concat();
    let listing: Value = serde_json::from_slice(&text).unwrap();
    let entries = listing["entries"].as_array().unwrap();
    assert_eq!((entries.len(), &listing["revision"]), (JOBS, &json!(last)));
    assert!(entries.iter().all(|entry| entry["revision"].as_u64() <= Some(last.0)));
    assert_eq!(text.split(|byte| *byte == b'\n').count(), JOBS + 3, "an entry is a line");
    // A reader that goes away in the middle is nobody's problem.
    let mut left = gateway.send("GET /v1/snapshot", &[], "").await.into_body();
    left.frame().await.unwrap().unwrap();
    drop(left);
    assert_eq!(gateway.ask("GET /v1/jobs/j0000", "").await.0, 200);
}

#[tokio::test]
async fn many_instances_come_in_parts() {
    const EACH: usize = 300;
    let gateway = Gateway::start().await;
    let kv = gateway.shared.registry.kv();
    let instances: Vec<_> =
        ["app2", "app3"].into_iter().flat_map(|job| (0..EACH).map(move |i| (job, i))).collect();
    for some in instances.chunks(128) {
        let put = |txn: Txn, (job, i): &(&str, usize)| {
            let key = format!("instances/{job}/{}", InstanceId::random());
            txn.put(
                key,
                format!(r#"{{"address":"10.0.{}.{}","ports":{{"main":1111}}}}"#, i / 250, i % 250),
                None,
            )
        };
        kv.commit(some.iter().fold(Txn::new(), put)).await.unwrap();
    }
    let last = kv.list().await.unwrap().revision;
    gateway.shared.store.changes().wait_for(|now| *now >= last).await.unwrap();
    for (path, jobs) in [("/v1/instances", &["app2", "app3"][..]), ("/v1/instances/app3", &["app3"])] {
        let answer = gateway.send(&format!("GET {path}"), &[], "").await;
        assert_eq!(answer.headers()["content-type"], "application/json");
        let (mut body, mut parts) = (answer.into_body(), Vec::new());
        while let Some(frame) = body.frame().await {
            parts.push(frame.unwrap().into_data().unwrap());
        }
        assert!(parts.len() > jobs.len(), "{path}: {}", parts.len());
        let all: Value = serde_json::from_slice(&parts.concat()).unwrap();
        let all = all.as_array().unwrap();
        assert_eq!(all.len(), jobs.len() * EACH, "{path}");
        assert!(all.iter().all(|instance| jobs.contains(&instance["job"].as_str().unwrap())), "{path}");
        assert_eq!(
            (&all[0]["state"], &all[0]["static"], &all[0]["open"]),
            (&json!("up"), &json!(true), &json!(0))
        );
    }
    assert_eq!(gateway.ask("GET /v1/instances/app4", "").await.0, 404);
}

#[tokio::test]
async fn the_overview_tells_what_there_is() {
    let gateway = Gateway::start().await;
    gateway.ask("PUT /v1/jobs/app2", APP2).await;
    gateway.ask("PUT /v1/domains/Blog.Coding.net", r#"{"routes":[{"to":[{"job":"app2"}]}]}"#).await;
    let (_, snapshot) = gateway.ask("GET /v1/snapshot", "").await;
    assert_eq!((&snapshot["revision"], &snapshot["lost"]), (&json!(2), &Value::Null));
    let find = |key: &str| snapshot["entries"].as_array().unwrap().iter().find(|entry| entry["key"] == key);
    let app2 = find("jobs/app2").unwrap();
    assert_eq!((&app2["value"]["jobname"], &app2["created"]), (&json!("job.app2"), &json!(1)));
    assert!(find("domains/blog.coding.net").is_some());
    let (_, status) = gateway.ask("GET /v1/status", "").await;
    assert_eq!(
        (&status["id"], &status["registry"]["lost"], &status["jobs"]),
        (&json!("hub-1"), &Value::Null, &json!(1))
    );
    assert_eq!(status["listeners"]["entrypoints"][0]["listen"], "127.0.0.1:8080");
    let (_, explained) = gateway.ask("GET /v1/explain?target=app9.jobs:1", "").await;
    assert_eq!(explained["verdict"], "no-route");
    for path in ["/v1/gateways", "/v1/quarantine", "/v1/instances", "/v1/domains"] {
        assert!(gateway.ask(&format!("GET {path}"), "").await.1.is_array(), "{path}");
    }
    assert_eq!(gateway.send("GET /healthz", &[], "").await.status(), StatusCode::OK);
}

/// Until the file is there, or is not.
async fn until(path: &std::path::Path, there: bool) {
    let ends = Instant::now() + Duration::from_secs(10);
    while path.exists() != there {
        assert!(Instant::now() < ends, "{} there: {}", path.display(), !there);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_first_token_outlives_crashes_and_wiped_registries() {
    use roundhouse_registry::record::{Key, Role, Token, TokenText};
    use roundhouse_registry::write::Expect;

    let mut settings = Settings::default();
    settings.admin.require_token = true;
    let gateway = Gateway::with(settings).await;
    let (shared, folder) = (gateway.shared.clone(), gateway.folder.clone());
    let (file, fresh) = (folder.join("admin-token"), folder.join("admin-token.new"));
    let admin = Key::Token("admin".parse().unwrap());
    let text = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
    let accepts = |text: &str| {
        let token = shared.store.load().tokens.get("admin").cloned();
        token.is_some_and(|token| token.value.accepts(&text.trim().parse::<TokenText>().unwrap()))
    };

    // A crash after the registry took it, which is also what a lost answer leaves.
    let lost = TokenText::generate("admin".parse().unwrap());
    std::fs::write(&fresh, lost.reveal()).unwrap();
    shared.registry.put_first_token(lost.id(), &Token::new(Role::Admin, lost.hash())).await.unwrap().unwrap();
    let task = tokio::spawn(super::first_token(shared.clone(), folder.clone()));
    until(&file, true).await;
    assert!(text(&file) == lost.reveal() && !fresh.exists());

    // The registry is emptied, and whoever runs the gateway is not locked out.
    std::fs::remove_file(&file).unwrap();
    shared.registry.delete_record(&admin, Expect::Any).await.unwrap();
    until(&file, true).await;
    let second = text(&file);
    assert!(accepts(&second) && !accepts(&lost.reveal()));

    // What another's token made void goes; what is no token at all was never offered.
    task.abort();
    let _ = task.await;
    for void in [lost.reveal(), "rh_adm".to_owned()] {
        std::fs::write(&fresh, void).unwrap();
        let task = tokio::spawn(super::first_token(shared.clone(), folder.clone()));
        until(&fresh, false).await;
        assert!(text(&file) == second && accepts(&second));
        task.abort();
        let _ = task.await;
    }
}

#[tokio::test]
async fn the_last_admin_token_stays() {
    let gateway = Gateway::start().await;
    for (id, role) in [("root", "admin"), ("ci", "operate")] {
        let made = gateway.ask("POST /v1/tokens", &json!({ "id": id, "role": role }).to_string()).await;
        assert_eq!(made.0, 201, "{made:?}");
    }
    let root = gateway.shared.store.load().tokens.get("root").unwrap().value.clone();
    let mut less = json!(root);
    less["role"] = json!("read");
    for (request, body) in
        [("DELETE /v1/tokens/root", String::new()), ("PUT /v1/tokens/root", less.to_string())]
    {
        let (status, problem) = gateway.ask(request, &body).await;
        assert!(
            status == 409 && problem["detail"].as_str().unwrap().contains("another one first"),
            "{problem}"
        );
    }
    assert_eq!(gateway.ask("DELETE /v1/tokens/ci", "").await.0, 200);
    assert_eq!(gateway.ask("POST /v1/tokens", r#"{"id":"more","role":"admin"}"#).await.0, 201);
    assert_eq!(gateway.ask("DELETE /v1/tokens/root", "").await.0, 200);
}

#[tokio::test]
async fn leases_of_others_are_out_of_reach() {
    let gateway = Gateway::start().await;
    let kv = gateway.shared.registry.kv().clone();
    let ttl = Duration::from_secs(60);
    let (foreign, hub) = (kv.grant(ttl).await.unwrap(), kv.grant(ttl).await.unwrap());
    let value = r#"{"version":"1","host":"h","vips":"127.0.0.0/16","admin":"a"}"#;
    kv.commit(Txn::new().put("gateways/hub-2", value, Some(hub))).await.unwrap();
    let mut changes = gateway.shared.store.changes();
    changes.wait_for(|_| gateway.shared.store.load().gateways.contains_key("hub-2")).await.unwrap();

    assert_eq!(gateway.ask(&format!("POST /v1/leases/{foreign}/keepalive"), "").await.0, 404);
    assert_eq!(gateway.ask(&format!("DELETE /v1/leases/{foreign}"), "").await.0, 204);
    let (status, problem) = gateway.ask(&format!("DELETE /v1/leases/{hub}"), "").await;
    assert!(status == 403 && problem["detail"].as_str().unwrap().contains("stop that program"), "{problem}");
    for lease in [foreign, hub] {
        kv.keep_alive(lease).await.unwrap();
    }
}

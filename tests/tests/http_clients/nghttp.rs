//! The nghttp2 project's programs: h2load and nghttp as clients, nghttpd as an instance.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use roundhouse_tests::{Authority, Background, SOON, eventually};
use serde_json::json;

use crate::origin::{hash, pattern};
use crate::peers::said;
use crate::stage::Stage;

const PAGE: usize = 1 << 20;

/// Serves `/page`, in TLS where it has a certificate.
fn nghttpd(stage: &Stage, address: SocketAddr, tls: Option<&Authority>, more: &[&str]) -> Background {
    let files = stage.gateway.folder().join("files");
    std::fs::create_dir_all(&files).unwrap();
    std::fs::write(files.join("page"), pattern(PAGE)).unwrap();
    std::fs::write(files.join("index.html"), "hello").unwrap();
    let mut command = Command::new("nghttpd");
    command.arg("--htdocs").arg(&files).args(["--address", &address.ip().to_string()]).args(more);
    match tls {
        None => command.arg("--no-tls").arg(address.port().to_string()),
        Some(authority) => command
            .arg(address.port().to_string())
            .arg(authority.key("app.internal"))
            .arg(authority.certificate("app.internal")),
    };
    let server = Background::spawn(command);
    eventually(SOON, "nghttpd listens", || TcpStream::connect(address).is_ok());
    server
}

/// curl's hash of what it fetches, and by which version.
fn fetched(stage: &Stage, option: &str, path: &str) -> (String, String) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "30", option, "-w", "%{http_version}"]);
    let to = stage.gateway.folder().join("fetched");
    command.arg("-o").arg(&to).args(["--connect-to", &format!("web.jobs:80:{}", stage.gateway.http())]);
    let version = said(command.arg(format!("http://web.jobs{path}")));
    (version, hash(&std::fs::read(to).unwrap()))
}

#[track_caller]
fn is_served(stage: &Stage) {
    for (option, version) in [("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")] {
        assert_eq!(fetched(stage, option, "/page"), (version.to_owned(), hash(&pattern(PAGE))));
    }
}

#[test]
fn nghttpd_is_an_instance_in_the_clear() {
    let stage = Stage::start();
    let _server = nghttpd(&stage, stage.app(0), None, &["--trailer", "x-tail: behind"]);
    stage.job("web", r#""http":"h2c""#, &[stage.app(0)]);
    is_served(&stage);
    let nghttp = |more: &[&str]| {
        let mut command = Command::new("nghttp");
        command.args(["--no-dep", "-v", "-t", "30"]).args(more);
        said(command.args(["-H", ":authority: web.jobs", &format!("http://{}/", stage.gateway.http())]))
    };
    let told = nghttp(&[]);
    assert!(told.contains("hello") && told.contains("x-tail: behind"), "{told}");
}

#[test]
fn nghttpd_is_an_instance_in_tls() {
    let stage = Stage::start();
    let authority = Authority::new(&stage.gateway.folder().join("instances"));
    authority.sign(&["app.internal"]);
    let _server = nghttpd(&stage, stage.app(0), Some(&authority), &["--echo-upload"]);
    let tls = json!({ "ca": authority.pem(), "server_name": "app.internal" });
    // What it chooses by ALPN, and what it is told.
    for (label, http) in [("api", "auto"), ("web", "h2")] {
        stage.job(label, &format!(r#""http":"{http}","tls":{tls}"#), &[]);
        stage.gateway.register(label, if label == "api" { stage.app(0) } else { stage.app(1) });
    }
    let _second = nghttpd(&stage, stage.app(1), Some(&authority), &[]);
    stage.gateway.wait_up("web", 1);
    stage.gateway.wait_up("api", 1);
    is_served(&stage);
    let body = stage.gateway.folder().join("files/page").display().to_string();
    for option in ["--http1.1", "--http2-prior-knowledge"] {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--max-time", "30", option, "--data-binary"]);
        command.args([&format!("@{body}"), "--connect-to", &format!("api.jobs:80:{}", stage.gateway.http())]);
        let output = command.arg("http://api.jobs/").output().unwrap();
        assert_eq!(hash(&output.stdout), hash(&pattern(PAGE)), "{option}: {}", output.status);
    }
}

/// h2load(1): its report of how many came back, by their statuses.
fn h2load(stage: &Stage, url: &str, more: &[&str]) -> String {
    let mut command = Command::new("h2load");
    command.args(["--connection-inactivity-timeout", "20"]).args(more);
    if url.starts_with("https") {
        // It checks no certificate.
        command.args(["--connect-to", &stage.https.to_string()]);
    }
    command.args(["-H", ":authority: web.jobs"]).arg(url);
    said(&mut command)
}

#[track_caller]
fn all_came(told: &str, count: u32) {
    let line = format!("requests: {count} total, {count} started, {count} done, {count} succeeded, 0 failed");
    assert!(told.contains(&line), "{told}");
    assert!(told.contains(&format!("status codes: {count} 2xx, 0 3xx, 0 4xx, 0 5xx")), "{told}");
}

#[test]
fn h2load_gets_an_answer_to_all_it_asks() {
    for http in ["h1", "h2c"] {
        let stage = Stage::start();
        let clear = format!("http://{}/", stage.gateway.http());
        let page = format!("{clear}page");
        let _server = match http {
            "h2c" => (Some(nghttpd(&stage, stage.app(0), None, &[])), None),
            _ => (None, Some(crate::origin::h1::start(stage.app(0)))),
        };
        stage.job("web", &format!(r#""http":"{http}""#), &[stage.app(0)]);
        all_came(&h2load(&stage, &clear, &["-n", "10000", "-c", "10", "-m", "100"]), 10_000);
        all_came(&h2load(&stage, &clear, &["-n", "2000", "-c", "4", "-m", "1", "--h1"]), 2_000);
        all_came(&h2load(&stage, "https://web.jobs/", &["-n", "3000", "-c", "8", "-m", "50"]), 3_000);
        // Large ones share a connection's window, of the usual 64 KiB and of more.
        let large = if http == "h1" { format!("{clear}bytes/1000000") } else { page };
        all_came(&h2load(&stage, &large, &["-n", "100", "-c", "2", "-m", "50"]), 100);
        all_came(&h2load(&stage, &large, &["-n", "100", "-c", "2", "-m", "50", "-w", "16", "-W", "16"]), 100);
    }
}

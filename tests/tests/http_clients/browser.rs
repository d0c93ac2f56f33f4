//! A browser that shows a page of the gateway's: what it fetches, its WebSocket and its events share one connection.

use std::io::{BufReader, Write};
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use roundhouse_tests::{Background, SOON, Server, TempDir};
use serde_json::Value;

use crate::origin::h1::{read_body, read_head};
use crate::peers::python;
use crate::stage::{DOMAIN, Stage};

/// It does what a page does, and says what came of it.
const PAGE: &str = r#"<!doctype html><title>page</title><pre id="told"></pre><script>
const told = {};
const fetching = fetch('/data.json').then(answer => answer.json()).then(data => told.data = data);
const events = new Promise(done => {
  const source = new EventSource('/events'), all = told.events = [];
  source.onmessage = event => { all.push(event.data); if (all.length === 3) { source.close(); done(); } };
});
const socket = fetching.then(() => new Promise((done, failed) => {
  const socket = new WebSocket(`wss://${location.host}/socket`), all = told.messages = [];
  socket.onopen = () => { socket.send('hello'); socket.send('w'.repeat(300000)); };
  socket.onmessage = event => { all.push(event.data.length); if (all.length === 2) socket.close(4000, 'enough'); };
  socket.onclose = event => { told.closed = event.code; done(); };
  socket.onerror = failed;
}));
Promise.allSettled([fetching, events, socket]).then(all => {
  told.settled = all.map(one => one.status);
  const entries = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
  told.protocols = Object.fromEntries(entries.map(one => [new URL(one.name).pathname, one.nextHopProtocol]));
  const text = document.getElementById('told').textContent = JSON.stringify(told);
  fetch('/told', { method: 'POST', body: text });
});
</script>"#;

/// The site; what the page tells it.
fn site(stage: &Stage) -> (Server, Receiver<String>) {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let server = Server::start(stage.app(0), move |stream| {
        let mut stream = BufReader::new(stream);
        while let Ok(Some(head)) = read_head(&mut stream) {
            let Ok((body, _)) = read_body(&mut stream, &head) else { return };
            let (kind, content) = match head[0].split(' ').nth(1) {
                Some("/") => ("text/html", PAGE),
                Some("/data.json") => ("application/json", r#"{"answer":42}"#),
                Some("/events") => ("text/event-stream", "data: one\n\ndata: two\n\ndata: three\n\n"),
                Some("/told") => {
                    let _ = tell.lock().unwrap().send(String::from_utf8_lossy(&body).into_owned());
                    ("text/plain", "")
                }
                _ => ("text/plain", ""),
            };
            let length = content.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{content}"
            );
            if stream.get_mut().write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    });
    (server, told)
}

#[test]
fn a_page_its_data_its_socket_and_its_events_come_over_http_2() {
    let stage = Stage::start();
    let (_site, told) = site(&stage);
    let sockets = stage.app(1);
    let mut command = python("websocket/server.py");
    command.args([sockets.ip().to_string(), sockets.port().to_string()]);
    let server = Background::spawn(command);
    server.wait_line(SOON * 3, "ready");
    stage.job("web", "", &[stage.app(0)]);
    stage.job("api", "", &[sockets]);
    stage.domain("web");
    let routes = r#"{"routes":[{"match":{"path":"/socket"},"to":[{"job":"api"}]},{"to":[{"job":"web"}]}]}"#;
    assert_eq!(stage.gateway.call("PUT", &format!("/v1/domains/{DOMAIN}"), routes).status, 200);

    let profile = TempDir::new().unwrap();
    let mut chromium = Command::new("chromium");
    chromium.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
    chromium.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    chromium.args(["--disable-dev-shm-usage", "--ignore-certificate-errors", "--no-proxy-server"]);
    chromium.arg(format!("--user-data-dir={}", profile.path().display()));
    chromium.arg(format!("--host-resolver-rules=MAP {DOMAIN} {}", stage.https.ip()));
    // It stays until it is killed.
    chromium.arg("--remote-debugging-port=0").arg(format!("https://{DOMAIN}:{}/", stage.https.port()));
    chromium.env("HOME", profile.path());
    let _chromium = Background::spawn(chromium);

    let told: Value = serde_json::from_str(&told.recv_timeout(SOON * 6).expect("the page tells")).unwrap();
    assert_eq!(told["settled"], serde_json::json!(["fulfilled", "fulfilled", "fulfilled"]), "{told}");
    assert_eq!(told["data"]["answer"], 42, "{told}");
    assert_eq!(told["events"], serde_json::json!(["one", "two", "three"]), "{told}");
    assert_eq!(told["messages"], serde_json::json!([5, 300_000]), "{told}");
    assert_eq!(told["closed"], 4000, "{told}");
    for path in ["/", "/data.json", "/events"] {
        assert_eq!(told["protocols"][path], "h2", "{told}");
    }
    server.wait_line(SOON, "closed 4000 enough");
}

//! Live connections over the API, those of a worker that is one thread with a table and no sockets.

use std::net::SocketAddr;
use std::rc::Rc;

use roundhouse_config::NamedEntrypoint;
use roundhouse_registry::State;

use super::*;
use crate::plane::{Connections, Kind, Reason};
use crate::run::{Listed, Origin};
use crate::table::{Endpoint, Live};
use crate::worker::{Command, Lender};

const ID: &str = "0a1b2c3d-0000-4000-8000-000000000001";

/// Three clients: 10.0.0.1 and 10.0.0.2 are connected to an instance of `redis`, 10.9.0.1 to nobody yet.
pub(super) fn worker() -> Lender {
    let (worker, mut inbox) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let connections = Rc::new(Connections::new(0));
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let clients = ["10.0.0.1:40001", "[::ffff:10.0.0.2]:40002", "10.9.0.1:40003"];
        let mut open: Vec<_> = clients
            .map(|client| connections.enter(Kind::Tcp, address(client), address("127.99.0.7:6379")))
            .into();
        open[..2].iter().for_each(|connection| connection.serve_at(endpoint()));
        while let Some(command) = inbox.blocking_recv() {
            match command {
                Command::List { filter, most, list } => {
                    list.send(connections.list(&filter, most)).unwrap();
                }
                Command::End { filter, reason, ended } => {
                    let count = connections.end(&filter, reason);
                    open.retain(|connection| connection.ending() != Some(Reason::Operator));
                    ended.unwrap().send(count).unwrap();
                }
                _ => unreachable!("no listener is lent here"),
            }
        }
    });
    Lender::new(vec![worker])
}

fn endpoint() -> Arc<Endpoint> {
    Arc::new(Endpoint {
        job: "redis".parse().unwrap(),
        port: "main".parse().unwrap(),
        id: ID.parse().unwrap(),
        address: "10.1.0.1:6379".parse().unwrap(),
        weight: 100,
        state: State::Up,
        held: false,
        refused: None,
        live: Arc::new(Live::new(Verdict::Healthy)),
    })
}

pub(super) fn listening(named: &NamedEntrypoint) -> Listed {
    let NamedEntrypoint { name, entrypoint: settings } = named.clone();
    let state = Ok(settings.listen.socket_addr());
    Listed { name, settings, origin: Origin::File, state, refused: None, capacity: Some(Arc::default()) }
}

async fn clients(gateway: &Gateway, query: &str) -> (Vec<String>, bool) {
    let (status, listed) = gateway.ask(&format!("GET /v1/connections{query}"), "").await;
    assert_eq!(status, 200, "{listed}");
    let rows = listed["connections"].as_array().unwrap();
    let clients = rows.iter().map(|row| row["client"].as_str().unwrap().to_owned()).collect();
    (clients, listed["more"].as_bool().unwrap())
}

#[tokio::test]
async fn connections_are_listed_by_what_they_are() {
    let gateway = Gateway::start().await;
    let (one, two, three) = ("10.0.0.1:40001", "[::ffff:10.0.0.2]:40002", "10.9.0.1:40003");
    let instance = format!("?instance={ID}");
    for (query, expected) in [
        ("", &[one, two, three][..]),
        ("?job=redis", &[one, two]),
        ("?job=other", &[]),
        (&instance, &[one, two]),
        ("?client=10.0.0.0/8", &[one, two, three]),
        ("?client=10.0.0.2", &[two]),
        ("?client=::ffff:10.0.0.2", &[two]),
        ("?client=10.0.0.0%2F16&job=redis", &[one, two]),
        ("?id=0-2", &[three]),
        ("?limit=3", &[one, two, three]),
    ] {
        assert_eq!(
            clients(&gateway, query).await,
            (expected.iter().map(ToString::to_string).collect(), false)
        );
    }
    assert_eq!(clients(&gateway, "?limit=2").await, (vec![one.to_owned(), two.to_owned()], true));
    let (_, listed) = gateway.ask("GET /v1/connections?id=0-0", "").await;
    let row = &listed["connections"][0];
    assert_eq!(
        [&row["kind"], &row["local"], &row["job"], &row["address"], &row["bytes_to_client"]],
        [&json!("tcp"), &json!("127.99.0.7:6379"), &json!("redis"), &json!("10.1.0.1:6379"), &json!(0)]
    );
}

#[tokio::test]
async fn only_the_connections_that_are_meant_are_closed() {
    let gateway = Gateway::start().await;
    let closed = async |query: &str| gateway.ask(&format!("DELETE /v1/connections{query}"), "").await;
    assert_eq!(closed("?job=redis&client=10.0.0.1").await, (200, json!({"closed": 1})));
    assert_eq!(clients(&gateway, "").await.0.len(), 2);
    assert_eq!(closed("?id=0-7").await, (200, json!({"closed": 0})));
    let (status, problem) = closed("").await;
    assert!(status == 400 && problem["detail"].as_str().unwrap().contains("`all=true`"), "{problem}");
    assert_eq!(clients(&gateway, "").await.0.len(), 2, "a refusal closes nothing");
    assert_eq!(closed("?all=true").await, (200, json!({"closed": 2})));
    assert_eq!(clients(&gateway, "").await.0.len(), 0);
}

#[tokio::test]
async fn a_wrong_parameter_is_named_and_nothing_is_done() {
    let gateway = Gateway::start().await;
    for (request, path) in [
        ("GET /v1/connections?job=A_B", "job"),
        ("GET /v1/connections?instance=7", "instance"),
        ("GET /v1/connections?client=10.0.0.1/8", "client"),
        ("GET /v1/connections?client=localhost", "client"),
        ("GET /v1/connections?id=17", "id"),
        ("GET /v1/connections?limit=0", "limit"),
        ("GET /v1/connections?limit=10001", "limit"),
        ("GET /v1/connections?limit=x", "limit"),
        ("GET /v1/connections?all=true", "all"),
        ("GET /v1/connections?job=a&job=b", "job"),
        ("DELETE /v1/connections?jobs=redis", "jobs"),
        ("DELETE /v1/connections?job=redis&limit=1", "limit"),
        ("DELETE /v1/connections?all=yes", "all"),
        ("DELETE /v1/connections?all=true&job=redis", "all"),
    ] {
        let (status, problem) = gateway.ask(request, "").await;
        assert_eq!((status, &problem["path"]), (400, &json!(path)), "{request}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains("write"), "{request}: {problem}");
    }
    assert_eq!(clients(&gateway, "").await.0.len(), 3);
}

#[tokio::test]
async fn entrypoints_and_reasons_are_in_the_status_and_the_metrics() {
    let gateway = Gateway::start().await;
    let mut entrypoints = (**gateway.shared.entrypoints.load()).clone();
    let settings = serde_json::from_value(json!({"listen": ":6379", "protocol": "tcp", "job": "redis"}));
    entrypoints.push(Listed {
        name: "redis".parse().unwrap(),
        settings: settings.unwrap(),
        origin: Origin::Registry,
        state: Err("held by redis-server (pid 7)".into()),
        refused: None,
        capacity: None,
    });
    gateway.shared.entrypoints.store(Arc::new(entrypoints));
    gateway.shared.counters[0].reasons.add(Reason::ProxyForged);

    let (_, status) = gateway.ask("GET /v1/status", "").await;
    assert_eq!(status["connections"]["reasons"], json!({"proxy_forged": 1}));
    let shown = &status["listeners"]["entrypoints"];
    assert_eq!(
        shown[0],
        json!({"name": "http", "listen": "127.0.0.1:8080", "protocol": "http", "origin": "file",
            "state": "listening", "reason": null, "address": "127.0.0.1:8080", "open": 0})
    );
    assert_eq!(
        shown[1],
        json!({"name": "redis", "listen": ":6379", "protocol": "tcp", "job": "redis", "origin": "registry",
            "state": "not listening", "reason": "held by redis-server (pid 7)", "address": null, "open": 0})
    );

    let answer = gateway.send("GET /metrics", &[], "").await;
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&text).unwrap();
    for line in [
        "roundhouse_connections_ended_total{reason=\"proxy_forged\"} 1\n",
        "roundhouse_connections_ended_total{reason=\"operator\"} 0\n",
        "roundhouse_entrypoint_open{entrypoint=\"http\"} 0\n",
        "roundhouse_entrypoints_lacking 1\n",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let ended = text.lines().filter(|line| line.starts_with("roundhouse_connections_ended_total{"));
    assert_eq!(ended.count(), Reason::ALL.len());
}

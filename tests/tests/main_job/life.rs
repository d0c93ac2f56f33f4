//! A gateway's own life: it stops in order, and comes back with what it had.

use std::io::Read;
use std::time::Instant;

use roundhouse_tests::http::Connection;
use roundhouse_tests::{Gateway, Job, Load, SOON, Signal, eventually, seen};

use crate::answer;

#[test]
fn sigterm_lets_exchanges_finish_and_waits_for_no_endless_stream() {
    let mut gateway = Gateway::start();
    let _web = Job::new(&gateway.url(), "web", gateway.net.app(0), 9090).http().start();
    gateway.wait_healthy("web", 1);

    let mut watch = Connection::open(gateway.admin()).unwrap();
    watch.send(format!("GET /v1/watch HTTP/1.1\r\nhost: {}\r\n\r\n", gateway.admin()).as_bytes()).unwrap();
    assert!(watch.read_line().unwrap().contains("200"));
    let mut events = Connection::open(gateway.http()).unwrap();
    events.send(b"GET /sse HTTP/1.1\r\nhost: web.jobs\r\n\r\n").unwrap();
    assert!(events.read_line().unwrap().contains("200"));
    let mut slow = Connection::open(gateway.http()).unwrap();
    slow.send(b"GET /slow?ms=1000 HTTP/1.1\r\nhost: web.jobs\r\n\r\n").unwrap();
    // Known to be on its way: a later request on another connection has been answered.
    assert!(answer(gateway.http(), "web.jobs").starts_with("web "));

    let began = Instant::now();
    gateway.process().signal(Signal::TERM);
    assert!(slow.read_line().unwrap().contains("200"), "the exchange is finished");
    let process = gateway.stopped();
    assert!(process.exit_status().unwrap().success(), "{}", process.stderr());
    assert!(began.elapsed() < SOON, "the streams held it up: {:?}", began.elapsed());
}

#[test]
fn a_restarted_gateway_serves_what_it_served() {
    let mut gateway = Gateway::start();
    let _web = Job::new(&gateway.url(), "web", gateway.net.app(0), 9090).http().start();
    gateway.wait_healthy("web", 1);
    let vip = gateway.vip("web");
    gateway.process().signal(Signal::KILL);
    gateway.stopped();

    gateway.run();
    // Believed at once: a restart blacks nobody out.
    assert!(answer(gateway.http(), "web.jobs").starts_with("web "));
    assert_eq!(gateway.vip("web"), vip);
    // Its registrar keeps it registered through the new process.
    gateway.wait_healthy("web", 1);
}

#[test]
fn an_operators_word_outlives_a_registration_that_was_lost() {
    let gateway = Gateway::start();
    let _web = Job::new(&gateway.url(), "web", gateway.net.app(0), 9090).http().start();
    gateway.wait_healthy("web", 1);
    let id = gateway.job("web")["instances"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/instances/web/{id}");
    let set = |body: &str| gateway.call("POST", &format!("{path}/state"), body).json()["state"].clone();
    assert_eq!(set(r#"{"state":"maintenance"}"#), "maintenance");
    // job-init's own health may not undo it.
    assert_eq!(set(r#"{"state":"up","from":["up","down"]}"#), "maintenance");

    // Seen by a keepalive round, then the key goes by somebody's hand: it comes back as it was.
    let rounds = |wanted: u64| {
        eventually(SOON, "a keepalive round", || {
            let now = gateway.api("/v1/status").json()["uptime_seconds"].as_f64().unwrap_or(0.0);
            seen(now, |now| *now >= wanted as f64)
        });
    };
    let now = gateway.api("/v1/status").json()["uptime_seconds"].as_f64().unwrap();
    rounds(now as u64 + 3);
    assert_eq!(gateway.call("DELETE", &path, "").status, 200);
    eventually(SOON, "it is registered again", || {
        seen(gateway.job("web")["instances"].clone(), |all| all.as_array().is_some_and(|all| all.len() == 1))
    });
    assert_eq!(gateway.job("web")["instances"][0]["state"], "maintenance");
}

#[test]
fn a_stopping_gateway_refuses_no_connection_that_it_took() {
    let mut gateway = Gateway::start();
    let _web = Job::new(&gateway.url(), "web", gateway.net.app(0), 9090).http().start();
    gateway.wait_healthy("web", 1);
    let load = Load::keep_alive(4, gateway.http(), "web.jobs");
    load.wait_for(500);
    gateway.process().signal(Signal::TERM);
    gateway.stopped();
    let outcome = load.stop();
    // Once the listener is closed a connect is refused; until then every request was answered.
    let broken: Vec<_> = outcome.reasons.iter().filter(|reason| !reason.starts_with("connect: ")).collect();
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn a_tcp_connection_is_half_closed_and_reset_as_the_app_does_it() {
    let gateway = Gateway::start();
    let _app = Job::new(&gateway.url(), "echo", gateway.net.app(0), 1111).start();
    gateway.wait_healthy("echo", 1);
    let vip = std::net::SocketAddr::new(gateway.vip("echo"), 1111);
    let mut stream = std::net::TcpStream::connect(vip).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let sent: Vec<u8> = (0..1_000_000u32).map(|i| i as u8 | 0x80).collect();
    let mut writer = stream.try_clone().unwrap();
    let bytes = sent.clone();
    let sending = std::thread::spawn(move || {
        std::io::Write::write_all(&mut writer, &bytes).unwrap();
        // The last byte is sent; the answer still comes.
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    sending.join().unwrap();
    assert!(received == sent, "{} of {} bytes came back", received.len(), sent.len());
}

//! Entrypoints come, change and go while the gateway serves.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use roundhouse_tests::{End, Gateway, SOON, Server, Signal, dial, eventually, knock, seen};
use serde_json::Value;

use crate::echoes;

/// A second is what is promised; the rest is room for a loaded machine.
const PROMPT: Duration = Duration::from_secs(3);

fn started() -> (Gateway, Server) {
    let gateway = Gateway::start();
    let server = Server::echo(SocketAddr::new(gateway.net.app(0), 7000));
    gateway.tcp_job("echo", 7000, "", &[server.address]);
    (gateway, server)
}

fn at(gateway: &Gateway, port: u16) -> SocketAddr {
    SocketAddr::new(gateway.net.gateway(), port)
}

fn is_closed(address: SocketAddr) -> Result<(), String> {
    TcpStream::connect(address).map_or(Ok(()), |_| Err(format!("{address} still listens")))
}

fn serves(address: SocketAddr) -> Result<(), String> {
    let mut client = TcpStream::connect(address).map_err(|error| error.to_string())?;
    client.set_read_timeout(Some(SOON)).map_err(|error| error.to_string())?;
    if echoes(&mut client, b"hello") { Ok(()) } else { Err("no echo".into()) }
}

/// In `/v1/status`.
#[track_caller]
fn listed(gateway: &Gateway, name: &str) -> Option<Value> {
    let status = gateway.api("/v1/status").json();
    status["listeners"]["entrypoints"].as_array().unwrap().iter().find(|one| one["name"] == name).cloned()
}

fn entrypoint(name: &str, listen: SocketAddr, more: &str) -> String {
    format!(
        "[[entrypoint]]\nname = \"{name}\"\nlisten = \"{listen}\"\nprotocol = \"tcp\"\njob = \"echo\"\n{more}"
    )
}

#[test]
fn a_record_opens_one_and_its_end_closes_it_but_no_connection() {
    let (gateway, _server) = started();
    let began = Instant::now();
    let address = gateway.put_entrypoint("echo", 7100, r#""protocol":"tcp","job":"echo""#);
    eventually(SOON, "it serves", || serves(address));
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    assert_eq!(listed(&gateway, "echo").unwrap()["listen"], address.to_string());

    let mut kept = dial(address);
    assert!(echoes(&mut kept, b"before"));
    let began = Instant::now();
    assert_eq!(gateway.call("DELETE", "/v1/entrypoints/echo", "").status, 200);
    eventually(SOON, "it is closed", || is_closed(address));
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    assert!(echoes(&mut kept, b"a live connection stays"));
    assert_eq!(listed(&gateway, "echo"), None);
}

#[test]
fn an_edited_file_is_followed() {
    let (gateway, _server) = started();
    let original = std::fs::read_to_string(gateway.config()).unwrap();
    let address = at(&gateway, 7100);
    gateway.add(&entrypoint("file", address, ""));
    eventually(SOON, "the file's entrypoint serves", || serves(address));
    let mut kept = dial(address);
    assert!(echoes(&mut kept, b"before"));
    gateway.write(&original);
    eventually(SOON, "it is closed", || is_closed(address));
    assert!(echoes(&mut kept, b"a live connection stays"));
}

#[test]
fn sighup_reads_the_file_at_once_and_ends_nothing() {
    let (gateway, _server) = started();
    let address = at(&gateway, 7100);
    gateway.add(&entrypoint("file", address, ""));
    let began = Instant::now();
    gateway.process().signal(Signal::HUP);
    eventually(SOON, "the file's entrypoint serves", || serves(address));
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    assert_eq!(gateway.process().exit_status(), None);
}

#[test]
fn a_bad_file_changes_nothing_and_is_reported() {
    let (gateway, _server) = started();
    let original = std::fs::read_to_string(gateway.config()).unwrap();
    let address = at(&gateway, 7100);
    gateway.add(&entrypoint("good", address, ""));
    gateway.process().signal(Signal::HUP);
    eventually(SOON, "it serves", || serves(address));

    let second = entrypoint("second", at(&gateway, 7101), "conections = 7");
    gateway.write(&format!("{original}\n{}\n{second}\n", entrypoint("good", address, "")));
    gateway.process().signal(Signal::HUP);
    gateway.process().wait_line(SOON, "conections");
    assert_eq!(serves(address), Ok(()));
    assert_eq!(is_closed(at(&gateway, 7101)), Ok(()));
    gateway.write("[[[");
    gateway.process().signal(Signal::HUP);
    eventually(SOON, "this one is reported too", || {
        gateway.process().stderr().matches("settings not taken over").count() >= 2
    });
    assert_eq!(serves(address), Ok(()));
}

#[test]
fn an_address_that_is_taken_is_told_and_tried_again() {
    let (gateway, _server) = started();
    let holder = TcpListener::bind(at(&gateway, 7100)).unwrap();
    let address = gateway.put_entrypoint("echo", 7100, r#""protocol":"tcp","job":"echo""#);
    let told = eventually(SOON, "it is told", || {
        let listed = listed(&gateway, "echo").ok_or("not listed")?;
        seen(listed.to_string(), |text| text.contains("held by"))
    });
    assert!(told.contains(&format!("pid {}", std::process::id())), "{told}");
    drop(holder);
    eventually(SOON, "it serves once the holder is gone", || serves(address));
    let listed = listed(&gateway, "echo").unwrap().to_string();
    assert!(!listed.contains("held by"), "{listed}");
}

#[test]
fn changed_settings_reach_new_connections_without_a_refused_one() {
    let (gateway, _server) = started();
    let address = gateway.put_entrypoint("echo", 7100, r#""protocol":"tcp","job":"echo""#);
    eventually(SOON, "it serves", || serves(address));
    let mut held = dial(address);
    assert!(echoes(&mut held, b"held"));

    let stop = Arc::new(AtomicBool::new(false));
    let stopping = stop.clone();
    let load = std::thread::spawn(move || {
        let mut served = 0u32;
        while !stopping.load(Relaxed) {
            serves(address)?;
            served += 1;
        }
        Ok::<u32, String>(served)
    });
    // Limits that nobody reaches, again and again, and options that need another socket.
    for n in 0..20 {
        let more =
            format!(r#""protocol":"tcp","job":"echo","connections":{},"fast_open":{}"#, 100 + n, n % 4 == 3);
        gateway.put_entrypoint("echo", 7100, &more);
        eventually(SOON, "the change is in force", || {
            let listed = listed(&gateway, "echo").unwrap_or_default();
            seen(listed, |one| one["listen"] == address.to_string())
        });
    }
    stop.store(true, Relaxed);
    assert!(load.join().unwrap().unwrap() > 0);
    assert!(echoes(&mut held, b"still"));

    // One connection, and the one that is held counts.
    gateway.put_entrypoint("echo", 7100, r#""protocol":"tcp","job":"echo","connections":1"#);
    // At every worker: the kernel gives each connection to one of them, and they hear of a change one after the other.
    let mut refused_in_a_row = 0;
    eventually(SOON, "the limit is in force", || {
        refused_in_a_row = if serves(address).is_err() { refused_in_a_row + 1 } else { 0 };
        seen(refused_in_a_row, |count| *count == 20)
    });
    assert_eq!(knock(None, address).1, End::Reset);
    drop(held);
    eventually(SOON, "the place is free", || serves(address));
}

//! The program in Rust of docs/access-sdk.md.

// ---- docs/access-sdk.md
use std::net::{TcpListener, TcpStream};

use roundhouse_registry::access::Guard;
use roundhouse_registry::access::guard::{Ask, Options};

/// Opened once, before the listener: `guard("http://127.0.0.1:8400", "/var/lib/redis-proxy/access.jsonl")`.
fn guard(registry: &str, snapshot: &str) -> Result<Guard, Box<dyn std::error::Error>> {
    let mut options = Options::new(registry.parse()?, "redis".parse()?);
    options.snapshot = Some(snapshot.into());
    Ok(Guard::open(options)?)
}

/// A thread a connection. In an async server: `guard.check_fresh(&ask).await`.
fn serve(listener: &TcpListener, guard: &Guard, session: impl Fn(TcpStream)) -> std::io::Result<()> {
    for stream in listener.incoming() {
        let stream = stream?;
        let ask = Ask::new(stream.peer_addr()?.ip(), 6379);
        let decision = guard.check_fresh_blocking(&ask);
        if decision.allows() {
            session(stream);
        } else {
            eprintln!("refused {}: {}", stream.peer_addr()?, decision.reason.as_str());
        }
    }
    Ok(())
}

/// Beside it: sessions that were let in are asked about again.
async fn watch(guard: &Guard, sessions: impl Fn() -> Vec<(Ask<'static>, TcpStream)>) {
    let mut changes = guard.changes();
    while changes.changed().await.is_ok() {
        for (ask, stream) in sessions() {
            if guard.check_with(&ask).revokes() {
                // One that is closed already is closed.
                let _ = stream.shutdown(std::net::Shutdown::Both);
            }
        }
    }
}
// ---- docs/access-sdk.md

use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use roundhouse_tests::{SOON, eventually};

use super::Stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_of_the_documentation_does_what_it_is_for() {
    let stage = Stage::start().await;
    let snapshot = stage.folder.path().join("access.jsonl");
    let guard = Arc::new(guard(&stage.etcd.url(), snapshot.to_str().unwrap()).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (accepted, sessions) = channel();
    let server = guard.clone();
    std::thread::spawn(move || serve(&listener, &server, move |stream| accepted.send(stream).unwrap()));
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(SOON)).unwrap();
    let session = sessions.recv_timeout(SOON).unwrap();
    let ask = Ask::new(session.peer_addr().unwrap().ip(), 6379);
    let watched = guard.clone();
    let watching = tokio::spawn(async move {
        watch(&watched, || vec![(ask, session.try_clone().unwrap())]).await;
    });

    stage.rule("none", r#"{"to":{"job":"redis"},"from":{"cidr":["127.0.0.0/8"]},"action":"deny"}"#).await;
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "the session ends");
    eventually(SOON, "nobody new comes in", || {
        TcpStream::connect(address).is_ok_and(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            stream.read(&mut [0]).is_ok_and(|read| read == 0)
        })
    });
    assert!(sessions.try_recv().is_err());
    watching.abort();
}

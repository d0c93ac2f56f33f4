//! What is broken off on one side is broken off on the other: a reset never looks like an orderly end.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::process::Command;
use std::sync::{Mutex, mpsc};

use roundhouse_tests::{
    Background, End, Gateway, SOON, Server, Signal, dial, eventually, programs, read_to_its_end,
    reset_on_close, seen,
};

use crate::echoes;

#[test]
fn a_client_s_reset_reaches_the_instance_as_one() {
    let gateway = Gateway::start();
    let (told, heard) = mpsc::channel();
    let server = Server::start(SocketAddr::new(gateway.net.app(0), 7000), move |mut stream| {
        stream.write_all(b"!").unwrap();
        told.send(read_to_its_end(&mut stream)).unwrap();
    });
    let vip = gateway.tcp_job("app", 7000, "", &[server.address]);
    for _ in 0..50 {
        let mut client = dial(vip);
        // Its bytes are through before it breaks off: they are not undone.
        client.read_exact(&mut [0]).unwrap();
        reset_on_close(&client);
        drop(client);
        assert_eq!(heard.recv_timeout(SOON).unwrap().1, End::Reset);
    }
}

#[test]
fn an_instance_s_reset_reaches_the_client_as_one() {
    let gateway = Gateway::start();
    let server = Server::start(SocketAddr::new(gateway.net.app(0), 7000), |mut stream| {
        stream.read_exact(&mut [0]).unwrap();
        reset_on_close(&stream);
    });
    let vip = gateway.tcp_job("app", 7000, "", &[server.address]);
    for _ in 0..50 {
        let mut client = dial(vip);
        client.write_all(b"!").unwrap();
        assert_eq!(read_to_its_end(&mut client).1, End::Reset);
    }
}

/// Both are counted, each by who did it.
#[test]
fn resets_are_counted_by_whose_they_are() {
    let gateway = Gateway::start();
    let server = Server::start(SocketAddr::new(gateway.net.app(0), 7000), |mut stream| {
        let mut order = [0];
        if stream.read_exact(&mut order).is_ok() && order == *b"r" {
            reset_on_close(&stream);
        } else {
            let _ = stream.write_all(b"ok");
            let _ = read_to_its_end(&mut stream);
        }
    });
    let vip = gateway.tcp_job("app", 7000, "", &[server.address]);
    for _ in 0..5 {
        let mut client = dial(vip);
        client.write_all(b"r").unwrap();
        assert_eq!(read_to_its_end(&mut client).1, End::Reset);
    }
    for _ in 0..7 {
        let mut client = dial(vip);
        client.write_all(b"k").unwrap();
        client.read_exact(&mut [0; 2]).unwrap();
        reset_on_close(&client);
    }
    gateway.wait_reason("reset_by_instance", 5);
    gateway.wait_reason("reset_by_client", 7);
}

#[test]
fn a_killed_instance_ends_its_own_connections_and_nobody_else_s() {
    let gateway = Gateway::start();
    let start = |app: u8| {
        let address = SocketAddr::new(gateway.net.app(app), 7000);
        let mut command: Command = programs::roundhouse();
        command.args(["sample", "--protocol", "tcp", "--name", "app", "--listen", &address.to_string()]);
        let process = Background::spawn(command);
        process.wait_line(SOON, "listens on");
        (process, address)
    };
    let ((first, killed), (_second, other)) = (start(0), start(1));
    let vip = gateway.tcp_job("app", 7000, "", &[killed, other]);
    let mut clients: Vec<_> = (0..40).map(|_| dial(vip)).collect();
    assert!(clients.iter_mut().all(|client| echoes(client, b"before")));
    first.signal(Signal::KILL);
    first.wait_exit(SOON);
    let (mut ended, mut going_on) = (0, 0);
    for client in &mut clients {
        // Whoever was on the killed one cannot get an answer, and everybody else does.
        match echoes(client, b"after") {
            true => going_on += 1,
            false => ended += 1,
        }
    }
    assert_eq!((ended, going_on), (20, 20));
    // Without a check nobody says that it is gone; it refuses, and the other one takes them all.
    for _ in 0..20 {
        assert!(echoes(&mut dial(vip), b"anew"));
    }
}

/// How much an instance hears, and how that ends, when it ends its sending first, while so many bytes of the client are on
/// their way, reads only when the gateway is done, and the client says so much more before it ends too.
fn heard_by_who_ended_first(before: usize, after: usize) -> (usize, End) {
    let gateway = Gateway::start();
    let ((told, heard), (go, may_go)) = (mpsc::channel(), mpsc::channel());
    let may_go = Mutex::new(may_go);
    let server = Server::start(SocketAddr::new(gateway.net.app(0), 7000), move |mut stream| {
        let may_go = may_go.lock().unwrap();
        may_go.recv_timeout(SOON).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        may_go.recv_timeout(SOON).unwrap();
        let (bytes, end) = read_to_its_end(&mut stream);
        told.send((bytes.len(), end)).unwrap();
    });
    let vip = gateway.tcp_job("app", 7000, "", &[server.address]);
    let mut client = dial(vip);
    client.write_all(&vec![b'b'; before]).unwrap();
    let open = || gateway.connections("?job=app");
    eventually(SOON, "the bytes are out of the gateway's hands", || {
        seen(open(), |open| open.iter().any(|one| one["bytes_to_instance"] == before))
    });
    go.send(()).unwrap();
    assert_eq!(read_to_its_end(&mut client), (Vec::new(), End::Closed));
    client.write_all(&vec![b'a'; after]).unwrap();
    drop(client);
    eventually(SOON, "the gateway is done with it", || seen(open(), Vec::is_empty));
    go.send(()).unwrap();
    heard.recv_timeout(SOON).unwrap()
}

#[test]
fn an_instance_that_only_half_closed_hears_the_client_out() {
    assert_eq!(heard_by_who_ended_first(1_000, 0), (1_000, End::Closed));
    assert_eq!(heard_by_who_ended_first(1_000, 500), (1_500, End::Closed));
    // More than its kernel takes unread.
    assert_eq!(heard_by_who_ended_first(500_000, 0), (500_000, End::Closed));
}

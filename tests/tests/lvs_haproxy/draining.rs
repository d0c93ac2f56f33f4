//! Connections of a server that leaves.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use lvs_sync::model::Op;
use lvs_sync::sink::Sink;
use roundhouse_tests::{dial, read_to_its_end};

use crate::stage::{Stage, drained, service, weighing};

/// Connected, and the name of who answered.
fn greeted(vip: SocketAddr) -> (TcpStream, String) {
    let (mut stream, mut name) = (dial(vip), [0; 3]);
    stream.read_exact(&mut name).unwrap();
    (stream, String::from_utf8(name.into()).unwrap())
}

fn echoes(stream: &mut TcpStream) -> bool {
    let mut back = [0; 5];
    stream.write_all(b"hello").is_ok() && stream.read_exact(&mut back).is_ok() && &back == b"hello"
}

#[test]
fn who_is_drained_keeps_its_connections_and_gets_no_new_ones() {
    let mut stage = Stage::set();
    let (key, vip) = (stage.key(80), stage.vip(80));
    let (one, two) = (stage.app(0), stage.app(1));
    let _servers = stage.named(&["one", "two"]);
    // Both ways into the pool: with the process, and while it runs.
    stage.make(&[(key.clone(), service("wrr", &[(one, 10)]))].into());
    stage.make(&[(key.clone(), service("wrr", &[(one, 10), (two, 10)]))].into());
    for (leaves, name, stays) in [(two, "two", "one"), (one, "one", "two")] {
        let (mut old, mut others) = (Vec::new(), Vec::new());
        for _ in 0..4 {
            let (stream, greeting) = greeted(vip);
            if greeting == name { old.push(stream) } else { others.push(stream) }
        }
        assert_eq!((old.len(), others.len()), (2, 2));
        let weight = |weight| {
            let of = |address| (address, if address == leaves { weight } else { 10 });
            [(key.clone(), service("wrr", &[of(one), of(two)]))].into()
        };
        stage.make(&weight(0));
        assert_eq!(stage.sink.dump().unwrap().open(&key, leaves), 2);
        for _ in 0..6 {
            assert_eq!(greeted(vip).1, stays);
        }
        assert!(old.iter_mut().all(echoes));
        drop(old);
        drained(&mut stage.sink, &key, leaves);
        assert!(others.iter_mut().all(echoes));
        stage.make(&weight(10));
    }
}

#[test]
fn who_is_removed_loses_what_is_left_and_others_nothing() {
    let mut stage = Stage::set();
    let (key, vip) = (stage.key(80), stage.vip(80));
    let (one, two) = (stage.app(0), stage.app(1));
    let _servers = stage.named(&["one", "two"]);
    // One that came with the process, and one that came while it ran.
    stage.make(&[(key.clone(), service("wrr", &[(one, 1)]))].into());
    stage.make(&[(key.clone(), service("wrr", &[(one, 1), (two, 1)]))].into());
    for (leaves, name) in [(one, "one"), (two, "two")] {
        let (mut old, mut others) = (Vec::new(), Vec::new());
        for _ in 0..6 {
            let (stream, greeting) = greeted(vip);
            if greeting == name { old.push(stream) } else { others.push(stream) }
        }
        assert_eq!((old.len(), others.len()), (3, 3));
        stage.tap.commands();
        assert_eq!(stage.apply(&[Op::RemoveDestination(key.clone(), leaves)]), [Ok(())]);
        let commands = stage.tap.commands();
        let said = |word: &str| commands.iter().filter(|line| line.starts_with(word)).count();
        assert_eq!((said("shutdown sessions"), said("set server")), (1, 1), "{commands:?}");
        for mut stream in old {
            assert!(read_to_its_end(&mut stream).0.is_empty());
        }
        assert!(others.iter_mut().all(echoes));
        assert!(!stage.services()[&key].destinations.contains_key(&leaves));
        assert_eq!(stage.apply(&[Op::AddDestination(key.clone(), leaves, weighing(1))]), [Ok(())]);
    }
    // One without connections needs no such thing.
    drained(&mut stage.sink, &key, one);
    stage.tap.commands();
    stage.make(&[(key.clone(), service("wrr", &[(two, 1)]))].into());
    let commands = stage.tap.commands();
    assert_eq!(commands.len(), 2, "{commands:?}");
}

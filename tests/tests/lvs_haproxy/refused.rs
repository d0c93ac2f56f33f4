//! What does not do, and what is said about it.

use std::time::{Duration, Instant};

use lvs_sync::model::Op;
use lvs_sync::sink::haproxy::Options;
use lvs_sync::sink::{OpError, Sink, SinkError};
use roundhouse_tests::{SOON, Signal};

use crate::stage::{Stage, past, plan, service, weighing};

#[test]
fn a_wrong_socket_says_what_to_write() {
    let stage = Stage::set();
    let mut sink =
        stage.another_sink(|options| Options { socket: "/nonexistent/haproxy.sock".into(), ..options });
    let error = sink.dump().unwrap_err();
    let line = "stats socket /nonexistent/haproxy.sock mode 660 level admin";
    assert!(matches!(&error, SinkError::Refused(text) if text.contains(line)), "{error}");
    let op = Op::RemoveService(stage.key(80));
    assert!(matches!(sink.apply(&[op], None), Err(SinkError::Refused(_))));
    // A file is no socket.
    let mut sink = stage.another_sink(|options| Options { socket: stage.fragment.clone(), ..options });
    assert!(matches!(sink.dump(), Err(SinkError::Io { .. })));
}

#[test]
fn a_socket_of_a_lower_level_says_what_to_write() {
    for level in ["operator", "user"] {
        let mut stage = Stage::at_level(level, |options| options);
        let error = stage.sink.dump().unwrap_err();
        let told = matches!(&error, SinkError::Refused(text) if text.contains("level admin"));
        assert!(told, "{level}: {error}");
    }
}

#[test]
fn nothing_is_begun_when_the_lease_is_over() {
    let mut stage = Stage::set();
    let (key, one, two) = (stage.key(80), stage.app(0), stage.app(1));
    let wanted = [(key.clone(), service("wrr", &[(one, 1), (two, 1)]))].into();
    let ops = plan(&stage.sink.dump().unwrap(), &wanted);
    let outcomes = stage.sink.apply(&ops, past()).unwrap();
    assert_eq!(outcomes, vec![Err(OpError::Late); 3]);
    assert_eq!((stage.text().as_str(), stage.tap.commands()), ("", vec![]));
    stage.make(&wanted);

    // It runs out while HAProxy is told of the first; the second is not begun.
    let until = Instant::now() + Duration::from_secs(1);
    stage.tap.before(move |line| {
        if line.contains("weight 5") {
            while Instant::now() <= until {
                std::thread::sleep(until - Instant::now() + Duration::from_millis(1));
            }
        }
    });
    stage.tap.commands();
    let ops = [one, two].map(|app| Op::SetDestination(key.clone(), app, weighing(5)));
    let outcomes = stage.sink.apply(&ops, Some(until)).unwrap();
    assert_eq!(outcomes, [Ok(()), Err(OpError::Late)]);
    assert_eq!(stage.tap.commands().len(), 1);
    // The fragment is ahead, which the next leader sees and puts right.
    assert_eq!(stage.services()[&key].destinations[&one].weight, 5);
    stage.make(&wanted);
    stage.reload();
    assert_eq!(stage.services(), wanted);
}

#[test]
fn one_that_hangs_is_asked_once_and_no_more() {
    let mut stage = Stage::set();
    let (key, apps) = (stage.key(80), [0, 1, 2, 3, 4].map(|n| stage.app(n)));
    let wanted = [(key.clone(), service("wrr", &apps.map(|app| (app, 1))))].into();
    stage.make(&wanted);
    // The master's worker is what answers.
    let worker = stage.pid().unwrap().parse::<i32>().unwrap();
    let signal = move |signal: &str| {
        let status = std::process::Command::new("kill").args([signal, &worker.to_string()]).status().unwrap();
        assert!(status.success());
    };
    stage.tap.before(move |line| {
        if line.starts_with("set server") {
            signal("-STOP");
        }
    });
    let began = Instant::now();
    let outcomes = stage.apply(&apps.map(|app| Op::SetDestination(key.clone(), app, weighing(5))));
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    for outcome in outcomes {
        assert!(matches!(&outcome, Err(OpError::Later(text)) if text.contains("`set server")), "{outcome:?}");
    }
    stage.tap.before(|_| {});
    signal("-CONT");
    stage.make(&wanted);
    // Gone for good.
    stage.haproxy.signal(Signal::TERM);
    stage.haproxy.wait_exit(SOON);
    assert!(stage.sink.dump().is_err());
}

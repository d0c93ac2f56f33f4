use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use super::*;

/// A HAProxy that answers as it is told, in the cases that a real one is rarely in.
struct Told {
    api: RuntimeApi,
    heard: Receiver<String>,
    _folder: tempfile::TempDir,
}

impl Told {
    fn new(answer: impl Fn(&str) -> &'static str + Send + 'static) -> Told {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let (hear, heard) = mpsc::channel();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).unwrap();
                let _ = hear.send(line.trim().to_owned());
                let _ = stream.write_all(format!("{}\n\n", answer(line.trim())).as_bytes());
            }
        });
        Told { api: RuntimeApi::new(path), heard, _folder: folder }
    }

    fn servers(&self, waits: bool) -> Servers<'_> {
        Servers { api: &self.api, check: true, waits, until: None }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.try_iter().collect()
    }
}

const AT: &str = "rh-tcp-203.0.113.10-80/10.0.0.1_80";

fn address() -> SocketAddr {
    "10.0.0.1:80".parse().unwrap()
}

/// With one server, under work.
fn backend() -> Backend {
    let server = Server {
        name: name::server(address()),
        id: 1,
        weight: 7,
        rests: false,
        check: Check::On,
        sessions: 3,
    };
    Backend {
        vip: "203.0.113.10:80".parse().unwrap(),
        algorithm: "roundrobin".into(),
        header: None,
        servers: BTreeMap::from([(address(), server)]),
    }
}

fn outcome(done: Result<(), Stop>) -> Result<(), OpError> {
    done.map_err(|stop| match stop {
        Stop::Op(error) => error,
        Stop::Broken(error) => panic!("{error}"),
    })
}

#[test]
fn one_whose_connections_do_not_end_is_asked_for_later_and_rests() {
    let busy = |line: &str| match line.starts_with("del server") {
        true => "Server still has connections attached to it, cannot remove it.",
        false => "",
    };
    let (told, mut backend) = (Told::new(busy), backend());
    let removed = outcome(told.servers(false).remove(&mut backend, address()));
    assert!(matches!(&removed, Err(OpError::Later(text)) if text.contains(AT)), "{removed:?}");
    assert_eq!(backend.servers[&address()].takes(), 0);
    let heard = told.heard();
    assert!(heard.iter().filter(|line| line.starts_with("del server")).count() > 3, "{heard:?}");
    assert!(!heard.iter().any(|line| line.starts_with("wait")), "2.6 has none");
}

#[test]
fn from_3_0_on_haproxy_waits_itself() {
    let asked = std::cell::Cell::new(0);
    let busy = move |line: &str| match line.split(' ').next() {
        Some("del") if asked.replace(asked.get() + 1) == 0 => {
            "Server still has connections attached to it, cannot remove it."
        }
        Some("del") => "Server deleted.",
        Some("wait") => "Done.",
        Some("set") => {
            "[WARNING] (7) : Server rh-tcp-203.0.113.10-80/10.0.0.1_80 is going DOWN for maintenance."
        }
        _ => "",
    };
    let (told, mut backend) = (Told::new(busy), backend());
    assert_eq!(outcome(told.servers(true).remove(&mut backend, address())), Ok(()));
    assert!(backend.servers.is_empty());
    let want = ["set server {} state maint", "del server {}", "shutdown sessions server {}"];
    let want = [&want[..], &["wait 1000ms srv-removable {}", "del server {}"]].concat();
    assert_eq!(told.heard(), want.iter().map(|line| line.replace("{}", AT)).collect::<Vec<_>>());
}

#[test]
fn an_addition_that_breaks_off_is_finished_by_a_weight() {
    let (told, mut backend) = (Told::new(|_| "New server registered."), backend());
    let new = "[2001:db8::1]:80".parse().unwrap();
    // The lease ran out right after HAProxy had it.
    let stopped = outcome(told.servers(false).add(&mut backend, new, 9));
    assert!(matches!(stopped, Err(OpError::Refused(_))), "{stopped:?}");
    assert_eq!((backend.servers[&new].takes(), backend.servers[&new].check), (0, Check::Off));
    let told = Told::new(|_| "");
    assert_eq!(outcome(told.servers(false).weigh(&mut backend, new, 9)), Ok(()));
    assert_eq!((backend.servers[&new].takes(), backend.servers[&new].check), (9, Check::On));
    let at = "rh-tcp-203.0.113.10-80/2001:db8::1_80";
    let want = ["set server {} weight 9", "enable health {}", "enable server {}"];
    assert_eq!(told.heard(), want.map(|line| line.replace("{}", at)));
}

#[test]
fn what_is_not_as_it_was_seen_is_told() {
    let gone = Told::new(|_| "No such server.");
    assert_eq!(outcome(gone.servers(false).remove(&mut backend(), address())), Err(OpError::Gone));
    assert_eq!(outcome(gone.servers(false).weigh(&mut backend(), address(), 1)), Err(OpError::Gone));
    let there = Told::new(|_| "Already exists a server with the same name in backend.");
    let mut empty = Backend { servers: BTreeMap::new(), ..backend() };
    assert_eq!(outcome(there.servers(false).add(&mut empty, address(), 1)), Err(OpError::Exists));
    assert!(empty.servers.is_empty());
    let tracked = Told::new(|line| match line.starts_with("del") {
        true => {
            "This server cannot be removed at runtime due to other configuration elements pointing to it."
        }
        false => "",
    });
    let refused = outcome(tracked.servers(false).remove(&mut backend(), address()));
    assert!(
        matches!(&refused, Err(OpError::Refused(text)) if text.contains("pointing to it")),
        "{refused:?}"
    );
    let late = Servers { until: Some(Instant::now()), ..gone.servers(false) };
    assert_eq!(outcome(late.weigh(&mut backend(), address(), 1)), Err(OpError::Late));
    let in_time = Servers { until: Some(Instant::now() + Duration::from_secs(60)), ..gone.servers(false) };
    assert_eq!(outcome(in_time.weigh(&mut backend(), address(), 1)), Err(OpError::Gone));
}

#[test]
fn an_answer_is_taken_as_it_is_meant() {
    let judged = |answer: &str| outcome(judge("be/srv", "set server be/srv state maint", answer));
    assert_eq!(judged("\n"), Ok(()));
    assert_eq!(judged("No such server.\n\n"), Err(OpError::Gone));
    assert_eq!(judged("No such backend.\n\n"), Err(OpError::Gone));
    let news = "[WARNING] (7) : Server be/srv is going DOWN for maintenance.\nbackend 'be' has no server available!\n";
    assert_eq!(judged(news), Ok(()));
    let refused = judged("'set server <srv> state' expects 'ready', 'drain' and 'maint'.\n\n");
    assert!(
        matches!(&refused, Err(OpError::Refused(text)) if text.contains("`set server be/srv state maint`"))
    );
}

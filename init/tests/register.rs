//! Registration against a real etcd: when the instance appears, what state it has, when it is gone.

mod support;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use support::etcd::{Etcd, free_port};
use support::{DEADLINE, Running, until, with_perl};

/// A command that says `TERM` and ends with 4 when it is told to; the test listens in its place.
fn app(etcd: &Etcd, port: u16, options: &[&str]) -> Running {
    let (url, port) = (etcd.url(), port.to_string());
    let own = ["--registry", &url, "--job", "app2", "--port", &port];
    let script = r#"
        $SIG{TERM} = sub { syswrite STDOUT, "TERM\n"; _exit(4) };
        $SIG{USR1} = sub { _exit(9) };
        print "started\n"; sleep 1 while 1;"#;
    let init = with_perl(&[&own, options].concat(), script);
    init.expect("started");
    init
}

#[test]
fn an_instance_appears_when_it_answers_and_drains_before_it_goes() {
    let etcd = Etcd::started();
    let port = free_port();
    let options = ["--drain-wait", "1s", "--line", "telecom", "--weight", "50", "--app-version", "v1"];
    let mut init = app(&etcd, port, &options);
    init.stderr_until("does not answer");
    assert_eq!(etcd.instances(), "", "registered although nothing listens");

    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    init.stderr_until("registered app2");
    let record = etcd.instances();
    for part in [
        "\"address\":\"127.0.0.1\"",
        "\"line\":\"telecom\"",
        "\"weight\":50",
        "\"version\":\"v1\"",
        "\"state\":\"up\"",
    ] {
        assert!(record.contains(part), "{part} in {record}");
    }

    drop(listener);
    etcd.until_state("down");
    let _listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    etcd.until_state("up");

    let told = Instant::now();
    init.signal("TERM");
    etcd.until_state("draining");
    init.expect("TERM");
    assert!(told.elapsed() >= Duration::from_secs(1), "the drain was cut short");
    assert_eq!(init.status(), 4);
    assert_eq!(etcd.instances(), "", "the lease was not revoked");
}

#[test]
fn a_state_that_an_operator_set_is_not_undone_by_health_but_by_the_drain() {
    let etcd = Etcd::started();
    let port = free_port();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let mut init = app(&etcd, port, &["--drain-wait", "1s"]);
    init.stderr_until("registered app2");
    etcd.set_state("up", "maintenance");
    drop(listener);
    init.stderr_until("down: ");
    let _listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    init.stderr_until("up: ");
    // The next order is taken after the health was written: what is seen then is what it left.
    assert!(etcd.instances().contains("\"state\":\"maintenance\""), "{}", etcd.instances());
    init.signal("TERM");
    etcd.until_state("draining");
    init.expect("TERM");
    assert_eq!(init.status(), 4);
}

#[test]
fn a_second_stop_skips_the_drain() {
    let etcd = Etcd::started();
    let mut init = app(&etcd, free_port(), &["--check", "none", "--drain-wait", "1h"]);
    init.stderr_until("registered app2");
    init.signal("TERM");
    etcd.until_state("draining");
    init.signal("INT");
    init.expect("TERM");
    assert_eq!(init.status(), 4);
    assert_eq!(etcd.instances(), "");
}

#[test]
fn a_command_that_ends_by_itself_is_taken_out_at_once() {
    let etcd = Etcd::started();
    let mut init = app(&etcd, free_port(), &["--check", "none", "--ttl", "1h"]);
    init.stderr_until("registered app2");
    let commands = format!("/proc/{0}/task/{0}/children", init.pid());
    support::send("USR1", std::fs::read_to_string(commands).unwrap().trim().parse().unwrap());
    assert_eq!(init.status(), 9);
    assert_eq!(etcd.instances(), "");
}

#[test]
fn a_command_that_ends_while_it_drains_is_not_waited_for() {
    let etcd = Etcd::started();
    let mut init = app(&etcd, free_port(), &["--check", "none", "--drain-wait", "1h"]);
    init.stderr_until("registered app2");
    init.signal("TERM");
    etcd.until_state("draining");
    init.signal("USR1");
    assert_eq!(init.status(), 9);
    assert_eq!(etcd.instances(), "");
}

#[test]
fn a_pool_is_made_when_there_is_a_vip_for_it() {
    let etcd = Etcd::started();
    let port = free_port();
    let init = app(&etcd, port, &["--check", "none", "--ttl", "3s", "--pool", "blog"]);
    init.stderr_until("registered app2");
    init.stderr_until("not in pool blog, trying again: no line has VIPs to give");
    etcd.put("lines/telecom", r#"{"vips":["203.0.113.0/28"]}"#);
    init.stderr_until("pool blog is there");
    let pool = etcd.value("pools/blog");
    for part in
        [r#""to":{"job":"app2","port":"main"}"#, r#""telecom":["203.0.113.1"]"#, &format!("\"port\":{port},")]
    {
        assert!(pool.contains(part), "{part} in {pool}");
    }
    assert_eq!(etcd.value("pool-vips/203.0.113.1").trim(), r#"{"pools":["blog"]}"#);
}

#[test]
fn a_registry_that_comes_later_is_registered_with_then() {
    let mut etcd = Etcd::stopped();
    let init = app(&etcd, free_port(), &["--check", "none"]);
    init.stderr_until("not registered");
    etcd.start();
    init.stderr_until("registered app2 as");
    etcd.until_state("up");
}

#[test]
fn a_registry_that_went_away_does_not_hold_up_the_end() {
    let etcd = Etcd::started();
    let mut init = app(&etcd, free_port(), &["--check", "none", "--drain-wait", "0s"]);
    init.stderr_until("registered app2");
    // Stopped, it answers nothing and refuses nothing: the worst a registry can do.
    let server = etcd.server.as_ref().unwrap().id();
    support::send("STOP", server);
    until("etcd to stop", || support::is_stopped(server));
    let told = Instant::now();
    init.signal("TERM");
    init.expect("TERM");
    assert_eq!(init.status(), 4);
    assert!(told.elapsed() < DEADLINE / 2, "{:?}", told.elapsed());
}

//! Who is in the way, and of whom.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use roundhouse_tests::{Gateway, Job, SOON, eventually};

use crate::answer;

#[test]
fn an_app_on_all_addresses_is_reported_with_the_cure_while_others_serve() {
    let gateway = Gateway::start();
    // This very test is the app that listens on all addresses of the host.
    let app = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = app.local_addr().unwrap().port();
    gateway.put_job("clash", port, "tcp");
    let _blog = Job::new(&gateway.url(), "blog", gateway.net.app(0), 9090).http().start();
    gateway.wait_healthy("blog", 1);
    assert!(answer(gateway.http(), "blog.jobs").starts_with("blog "));

    let reason = eventually(SOON, "the clash is reported", || {
        let status = gateway.api("/v1/status").json();
        let not_caught = status["not_caught"].as_array()?.first()?.clone();
        assert_eq!((not_caught["job"].as_str(), not_caught["port"].as_str()), (Some("clash"), Some("main")));
        not_caught["reason"].as_str().map(str::to_owned)
    });
    let pid = format!("(pid {})", std::process::id());
    assert!(reason.contains(&pid) && reason.contains(&format!("0.0.0.0:{port}")), "{reason}");
    assert!(reason.contains("listen on its own address"), "{reason}");
    let explained =
        String::from_utf8(gateway.cli(&["explain", &format!("clash.jobs:{port}")]).stdout).unwrap();
    assert!(explained.contains(&pid), "{explained}");

    // The app goes, and the job is served without anybody's hand.
    drop(app);
    let vip = SocketAddr::new(gateway.vip("clash"), port);
    eventually(SOON, "the VIP takes connections", || std::net::TcpStream::connect(vip).is_ok());
    eventually(SOON, "the report is gone", || {
        gateway.api("/v1/status").json()["not_caught"].as_array().is_some_and(Vec::is_empty)
    });
}

#[test]
fn a_second_gateway_says_what_is_held_and_by_whom() {
    let gateway = Gateway::start();
    let second = gateway.command().output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success());
    assert!(said.contains("in use by another gateway"), "{said}");
    assert!(said.contains(&format!("pid {}", gateway.process().pid())), "{said}");

    // With a data directory of its own it meets the ports, all of them at once.
    let folder = roundhouse_tests::TempDir::new().unwrap();
    let config = std::fs::read_to_string(gateway.config()).unwrap();
    std::fs::write(folder.path().join("gateway.toml"), config).unwrap();
    let mut command = roundhouse_tests::programs::roundhouse();
    let third = command.arg("run").arg("--config").arg(folder.path().join("gateway.toml")).output().unwrap();
    let said = String::from_utf8_lossy(&third.stderr).into_owned();
    for setting in ["admin.listen", "dns.listen", "entrypoint `http` listen"] {
        assert!(said.contains(setting), "{setting}: {said}");
    }
    assert!(said.contains(&format!("held by roundhouse (pid {})", gateway.process().pid())), "{said}");
}

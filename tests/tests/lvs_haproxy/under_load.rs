//! Everything that a plan does, while requests go on.

use roundhouse_tests::{Load, Server};

use crate::stage::{Stage, drained, service};

/// Of requests between two changes.
const SOME: u64 = 200;

#[test]
fn no_request_fails_while_servers_come_and_go_and_services_change() {
    let mut stage = Stage::set();
    let (key, other) = (stage.key(80), stage.key(81));
    let apps: Vec<_> = (0..3).map(|n| stage.app(n)).collect();
    let servers: Vec<_> = apps.iter().map(|app| Server::heads(*app)).collect();
    let pool = |weights: [u32; 3]| service("wrr", &[0, 1, 2].map(|n| (apps[n], weights[n])));
    let two = service("wrr", &[(apps[0], 100), (apps[1], 100)]);
    stage.make(&[(key.clone(), two.clone())].into());
    let load = Load::connect_each_time(8, stage.vip(80), "blog");
    load.wait_for(SOME);

    let before = servers[2].accepted();
    stage.make(&[(key.clone(), pool([100, 100, 100]))].into());
    load.wait_for(SOME);
    // HAProxy's checks are some of them, and not half of what one of three has to get.
    assert!(servers[2].accepted() - before > SOME / 6, "the third got no requests");
    stage.make(&[(key.clone(), pool([1, 256, 7]))].into());
    load.wait_for(SOME);
    stage.make(&[(key.clone(), pool([0, 256, 7]))].into());
    drained(&mut stage.sink, &key, apps[0]);
    let two = service("wrr", &[(apps[1], 100), (apps[2], 100)]);
    stage.make(&[(key.clone(), two.clone())].into());
    load.wait_for(SOME);
    // By a reload: another scheduler, and another service beside it, which comes with its servers and goes again.
    let changed = service("wlc", &[(apps[1], 100), (apps[2], 100)]);
    stage.make(&[(key.clone(), changed.clone()), (other.clone(), two)].into());
    let asked = roundhouse_tests::http::get(stage.vip(81), "blog", "/").unwrap();
    assert_eq!(asked.status, 200);
    load.wait_for(SOME);
    stage.make(&[(key, changed)].into());
    load.wait_for(SOME);

    let outcome = load.stop();
    assert_eq!(outcome.failed, 0, "{outcome:?}");
}

/// As those who measure would see it.
#[test]
fn wrk_sees_no_error_either() {
    let mut stage = Stage::set();
    let key = stage.key(80);
    let apps: Vec<_> = (0..3).map(|n| stage.app(n)).collect();
    let _servers: Vec<_> = apps.iter().map(|app| Server::heads(*app)).collect();
    stage.make(&[(key.clone(), service("wlc", &[(apps[0], 1), (apps[1], 1)]))].into());
    let mut wrk = std::process::Command::new("wrk");
    wrk.args(["--connections", "8", "--threads", "1", "--duration", "3", "--latency"]);
    wrk.args(["--header", "connection: close"]).arg(format!("http://{}/", stage.vip(80)));
    let wrk = roundhouse_tests::Background::spawn(wrk);
    let mut turns = 0;
    while wrk.exit_status().is_none() {
        stage.make(&[(key.clone(), service("wlc", &[(apps[0], 1), (apps[1], 1), (apps[2], 1)]))].into());
        stage.make(&[(key.clone(), service("wlc", &[(apps[0], 5), (apps[1], 0), (apps[2], 1)]))].into());
        stage.make(&[(key.clone(), service("wlc", &[(apps[0], 1), (apps[1], 1), (apps[2], 0)]))].into());
        drained(&mut stage.sink, &key, apps[2]);
        stage.make(&[(key.clone(), service("wlc", &[(apps[0], 1), (apps[1], 1)]))].into());
        turns += 1;
    }
    let said = wrk.stdout();
    assert!(wrk.exit_status().unwrap().success(), "{said}{}", wrk.stderr());
    assert!(turns > 5, "{turns} turns");
    assert!(said.contains(" requests in ") && !said.contains("Socket errors"), "{said}");
    assert!(!said.contains("Non-2xx"), "{said}");
}

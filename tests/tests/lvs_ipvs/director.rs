//! `run`: a director that stays.

use roundhouse_tests::uml::in_uml;
use roundhouse_tests::{SOON, Signal, eventually, seen};
use serde_json::json;

use crate::shell::{saved, sh};
use crate::stage::{Client, LONG, Stage, VIP, asked, network, real_server};

fn at(n: u8, weight: u32) -> String {
    format!("-a -t {VIP}:80 -r 10.9.{n}.2:80 -m -w {weight}")
}

/// The kernel's table has this line, or has no line with this beginning.
fn has(line: &str) -> Result<(), Vec<String>> {
    seen(saved(), |saved| saved.iter().any(|found| found == line)).map(drop)
}

fn has_no(beginning: &str) -> Result<(), Vec<String>> {
    seen(saved(), |saved| !saved.iter().any(|found| found.starts_with(beginning))).map(drop)
}

#[test]
fn who_leaves_keeps_its_connections_also_over_a_restart() {
    in_uml("director::who_leaves_keeps_its_connections_also_over_a_restart", &["wrr"], |_| {
        network();
        let _servers = [real_server(1), real_server(2)];
        let stage = Stage::new("bind = \"lo\"");
        stage.job("blog");
        stage.instance("blog", 1, "10.9.1.2", &json!({}));
        stage.pool("blog", "blog", &json!({"drain": "10m"}));
        let director = stage.run();
        eventually(SOON, "programmed", || has(&at(1, 100)));
        assert!(sh("ip -o addr show dev lo").contains(&format!("{VIP}/32")), "the VIP is bound");
        let mut client = Client::connect();

        stage.instance("blog", 2, "10.9.2.2", &json!({}));
        eventually(SOON, "the second", || has(&at(2, 100)));
        stage.set_state("blog", 1, "draining");
        eventually(SOON, "weight 0", || has(&at(1, 0)));
        client.echoes("while it drains");
        for _ in 0..4 {
            assert!(asked().unwrap().contains("rs2"), "nothing new goes to who drains");
        }

        // Gone from the registry, with a connection.
        let gone =
            stage.gateway.call("DELETE", "/v1/instances/blog/0a1b2c3d-0000-4000-8000-000000000001", "");
        assert!(matches!(gone.status, 200 | 204), "{gone:?}");
        eventually(SOON, "it leaves", || {
            seen(stage.status(), |status| {
                status.as_ref().is_some_and(|it| it["draining"][0]["destination"] == "10.9.1.2:80")
            })
        });
        director.signal(Signal::TERM);
        assert!(director.wait_exit(SOON).success(), "{}", director.stderr());
        has(&at(1, 0)).unwrap();
        let _director = stage.run();
        let left = stage.status().unwrap()["draining"][0]["seconds_left"].as_u64().unwrap();
        assert!(left < 600, "{left} s: the deadline is the old one");
        client.echoes("after the restart");
        has(&at(1, 0)).unwrap();

        drop(client);
        eventually(LONG, "it is removed once its connection is forgotten", || {
            has_no(&format!("-a -t {VIP}:80 -r 10.9.1.2"))
        });
        assert!(asked().unwrap().contains("rs2"));

        // The pool goes: its service last, and after it the VIP. The connections that just ended are not forgotten yet, so
        // it is the deadline that ends it.
        stage.pool("blog", "blog", &json!({"drain": "2s"}));
        stage.gateway.call("DELETE", "/v1/pools/blog", "");
        eventually(LONG, "the service is gone", || has_no("-A"));
        eventually(SOON, "the VIP is gone", || !sh("ip -o addr show dev lo").contains(VIP));
    });
}

#[test]
fn what_other_hands_do_to_ours_is_undone_and_the_rest_is_theirs() {
    in_uml("director::what_other_hands_do_to_ours_is_undone_and_the_rest_is_theirs", &["wrr", "rr"], |_| {
        let stage = Stage::new("");
        stage.job("blog");
        stage.instance("blog", 1, "10.9.1.2", &json!({}));
        stage.instance("blog", 2, "10.9.2.2", &json!({}));
        stage.pool("blog", "blog", &json!({}));
        let _director = stage.run();
        eventually(SOON, "programmed", || has(&at(2, 100)));
        sh(&format!(
            "ipvsadm -E -t {VIP}:80 -s rr; ipvsadm -e -t {VIP}:80 -r 10.9.1.2:80 -m -w 9
             ipvsadm -d -t {VIP}:80 -r 10.9.2.2:80; ipvsadm -a -t {VIP}:80 -r 10.9.7.7:80 -m -w 9
             ipvsadm -A -t 198.51.100.1:80 -s rr"
        ));
        for line in [&*format!("-A -t {VIP}:80 -s wrr"), &at(1, 100), &at(2, 100)] {
            eventually(SOON, "it is repaired", || has(line));
        }
        has(&format!("-a -t {VIP}:80 -r 10.9.7.7:80 -m -w 9")).unwrap();
        has("-A -t 198.51.100.1:80 -s rr").unwrap();
        eventually(SOON, "the drift is counted", || {
            seen(stage.status().unwrap()["counters"]["drift"].as_u64(), |drift| *drift == Some(3))
        });
        // Ours is taken out under our feet while a change comes: the surprise is looked into.
        sh(&format!("ipvsadm -D -t {VIP}:80"));
        stage.instance("blog", 1, "10.9.1.2", &json!({"weight": 5}));
        eventually(SOON, "all is there again", || has(&at(1, 5)));
        has(&at(2, 100)).unwrap();
    });
}

#[test]
fn a_registry_that_is_lost_changes_nothing() {
    in_uml("director::a_registry_that_is_lost_changes_nothing", &["wrr"], |_| {
        let mut stage = Stage::new("");
        stage.job("blog");
        stage.instance("blog", 1, "10.9.1.2", &json!({}));
        stage.pool("blog", "blog", &json!({}));
        let director = stage.run();
        eventually(SOON, "programmed", || has(&at(1, 100)));
        stage.gateway.process().signal(Signal::TERM);
        stage.gateway.stopped();
        eventually(LONG, "the loss is noticed", || {
            let output = stage.lvs_sync(&["status"]);
            seen(String::from_utf8_lossy(&output.stdout).into_owned(), |said| {
                said.contains("nothing is changed")
            })
        });
        sh(&format!("ipvsadm -e -t {VIP}:80 -r 10.9.1.2:80 -m -w 9"));
        // A resync is due every second, and would have undone that.
        director.wait_line(SOON, "registry lost");
        let before = stage.status().unwrap()["counters"].clone();
        // Time for two resyncs: that nothing happens cannot be waited for.
        sh("busybox sleep 2");
        has(&at(1, 9)).unwrap();
        assert_eq!(stage.status().unwrap()["counters"], before);
        stage.gateway.run();
        eventually(LONG, "it is undone once the registry is back", || has(&at(1, 100)));
    });
}

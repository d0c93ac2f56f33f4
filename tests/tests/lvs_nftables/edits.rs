//! Others on the same machine.

use lvs_sync::model::{Op, Service, Services};
use lvs_sync::sink::{Claim, Sink};

use crate::network::{Host, sh};
use crate::traffic::connections;
use crate::{Director, VIP, VIP_V6, in_a_network_of_its_own, key, service, settings, vip, weighing};

/// With handles, which differ if a rule is written anew.
fn ours() -> String {
    sh("nft -a list table inet roundhouse-lvs")
}

#[test]
fn what_is_told_again_is_not_written_again() {
    in_a_network_of_its_own("edits::what_is_told_again_is_not_written_again", || {
        let mut director = Director::new();
        let to = ["10.1.0.2:80", "10.2.0.2:80"].map(|to| to.parse().unwrap());
        let mut ops = service(&format!("tcp/{VIP}"), "wrr", &[(to[0], 700), (to[1], 699)]);
        ops.extend(service("udp/203.0.113.10:53", "sh", &[(to[0], 5)]));
        director.told(&ops);
        let written = ours();
        let again: Vec<Op> = ops
            .iter()
            .map(|op| match op.clone() {
                Op::AddService(key, settings) => Op::SetService(key, settings),
                Op::AddDestination(key, to, destination) => Op::SetDestination(key, to, destination),
                other => other,
            })
            .collect();
        // Also by one that has just begun.
        for director in [&mut director, &mut Director::new()] {
            director.shows(&ops);
            director.told(&again);
            assert_eq!(ours(), written);
        }
        // One service's change leaves the other's rule alone.
        director.told(&[Op::SetDestination(key(&format!("tcp/{VIP}")), to[0], weighing(3))]);
        let rule =
            |table: &str| table.lines().find(|line| line.contains("jhash")).map(str::to_owned).unwrap();
        assert_eq!(rule(&ours()), rule(&written));
        assert_ne!(ours(), written);
    });
}

#[test]
fn an_edit_is_seen_and_repaired() {
    in_a_network_of_its_own("edits::an_edit_is_seen_and_repaired", || {
        let (client, servers) = (Host::client(), Host::servers(2));
        let mut director = Director::new();
        let tcp = format!("tcp/{VIP}");
        let ops = service(&tcp, "rr", &[(servers[0].v4(), 1), (servers[1].v4(), 1)]);
        director.told(&ops);
        let chain = "inet roundhouse-lvs service-tcp-203.0.113.10-80";
        for edit in [
            format!("nft flush chain {chain}"),
            format!("nft insert rule {chain} counter"),
            format!("nft 'flush chain {chain}; add rule {chain} meta l4proto 6 dnat ip to 10.1.0.2:8080'"),
            "nft flush chain inet roundhouse-lvs prerouting".into(),
            "nft delete chain inet roundhouse-lvs postrouting".into(),
            "nft 'delete element inet roundhouse-lvs services4 { 203.0.113.10 . tcp . 80 }'".into(),
            "nft 'delete element inet roundhouse-lvs services4 { 203.0.113.10 . tcp . 80 }
             add element inet roundhouse-lvs services4 { 203.0.113.10 . tcp . 80 : drop }'"
                .into(),
            "nft flush set inet roundhouse-lvs masqueraded4".into(),
        ] {
            sh(&edit);
            let shown = director.0.dump().unwrap().services;
            assert_eq!(shown[&key(&tcp)].settings.scheduler.as_str(), "distorted", "{edit}");
            assert_eq!(director.0.claim(&key(&tcp)), Claim::Whole, "{edit}");
            director.told(&[Op::SetService(key(&tcp), settings("rr"))]);
            director.shows(&ops);
            assert_eq!(connections(&client, vip(), 20), [(1, 10), (2, 10)].into(), "{edit}");
        }
        // An edit after the last look: nothing is done of what was planned upon it, and the next look knows.
        sh("nft delete table inet roundhouse-lvs");
        let outcomes = director.0.apply(&[Op::RemoveDestination(key(&tcp), servers[0].v4())], None).unwrap();
        assert!(matches!(outcomes.as_slice(), [Err(error)] if error.to_string().contains("somebody else")));
        assert_eq!(director.0.dump().unwrap().services, Services::new());
        director.told(&ops);
        director.shows(&ops);
    });
}

#[test]
fn what_others_have_is_left_alone() {
    in_a_network_of_its_own("edits::what_others_have_is_left_alone", || {
        sh("nft 'add table ip nat; add chain ip nat PREROUTING { type nat hook prerouting priority -100; }
            add rule ip nat PREROUTING tcp dport 9999 dnat to 10.9.9.9'
            nft 'add table inet roundhouse-other; add map inet roundhouse-other services4 { type ipv4_addr : verdict; }'");
        let others = || [sh("nft -a list table ip nat"), sh("nft -a list table inet roundhouse-other")];
        let before = others();
        let mut director = Director::new();
        let ops = service(&format!("tcp/{VIP}"), "wrr", &[("10.1.0.2:80".parse().unwrap(), 1)]);
        director.told(&ops);
        sh("nft 'add chain inet roundhouse-lvs mine; add rule inet roundhouse-lvs mine counter
            add element inet roundhouse-lvs services4 { 198.51.100.1 . tcp . 80 : goto mine }'");
        let theirs = key("tcp/198.51.100.1:80");
        let shown = director.0.dump().unwrap().services;
        assert_eq!(shown[&theirs].settings.scheduler.as_str(), "foreign");
        assert_eq!(director.0.claim(&theirs), Claim::Recorded);
        assert_eq!(director.0.claim(&key(&format!("tcp/{VIP}"))), Claim::Whole);

        director.told(&service(&format!("tcp/{VIP_V6}"), "wrr", &[("[fd00::1]:80".parse().unwrap(), 1)]));
        let gone = [key(&format!("tcp/{VIP}")), key(&format!("tcp/{VIP_V6}"))].map(Op::RemoveService);
        director.told(&gone);
        let left: Vec<(_, Service)> = director.0.dump().unwrap().services.into_iter().collect();
        assert!(matches!(left.as_slice(), [(key, _)] if *key == theirs), "{left:?}");
        assert_eq!(others(), before);
        assert!(ours().contains("198.51.100.1 . tcp . 80 : goto mine"));

        // Without them nothing of ours is left either.
        sh("nft 'delete element inet roundhouse-lvs services4 { 198.51.100.1 . tcp . 80 }
            delete chain inet roundhouse-lvs mine'");
        assert_eq!(director.0.dump().unwrap().services, Services::new());
        director.told(&ops);
        director.told(&[Op::RemoveService(key(&format!("tcp/{VIP}")))]);
        assert!(!sh("nft list tables").contains("roundhouse-lvs"));
    });
}

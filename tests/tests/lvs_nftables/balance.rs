//! Who gets what of new connections.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use lvs_sync::model::Op;
use lvs_sync::sink::Sink;
use lvs_sync::sink::nftables::{Nftables, Options};

use crate::network::{Host, sh};
use crate::traffic::{Connection, Datagrams, connections};
use crate::{Director, VIP, VIP_V6, in_a_network_of_its_own, key, service, vip, weighing};

#[test]
fn twenty_thousand_connections_are_divided_by_weight() {
    in_a_network_of_its_own("balance::twenty_thousand_connections_are_divided_by_weight", || {
        let (client, servers) = (Host::client(), Host::servers(3));
        let mut director = Director::new();
        let weights = [100, 200, 500];
        let destinations: Vec<_> = servers.iter().map(Host::v4).zip(weights).collect();
        let ops = service(&format!("tcp/{VIP}"), "wrr", &destinations);
        director.told(&ops);
        director.shows(&ops);
        let shares = connections(&client, vip(), 20_000);
        for (server, weight) in (1..).zip(weights) {
            let wanted = f64::from(weight) / 800.0;
            let share = shares[&server] as f64 / 20_000.0;
            assert!((share / wanted - 1.0).abs() < 0.02, "server {server}: {share} of {wanted}");
        }
        // Ratios that are too fine for turns.
        let odd = Op::SetDestination(key(&format!("tcp/{VIP}")), servers[0].v4(), weighing(307));
        director.told(&[odd]);
        let shares = connections(&client, vip(), 4_000);
        for (server, weight) in (1..).zip([307.0, 200.0, 500.0]) {
            let (wanted, share) = (weight / 1_007.0, shares[&server] as f64 / 4_000.0);
            // Five times the standard deviation of a draw.
            assert!((share - wanted).abs() < 0.04, "server {server}: {share} of {wanted}");
        }
    });
}

#[test]
fn both_families_and_clients_on_the_director_itself() {
    in_a_network_of_its_own("balance::both_families_and_clients_on_the_director_itself", || {
        let (client, servers) = (Host::client(), Host::servers(2));
        let mut director = Director::new();
        let v4: Vec<_> = servers.iter().map(|server| (server.v4(), 1)).collect();
        let v6: Vec<_> = servers.iter().map(|server| (server.v6(), 1)).collect();
        let mut ops = service(&format!("tcp/{VIP}"), "rr", &v4);
        ops.extend(service(&format!("tcp/{VIP_V6}"), "rr", &v6));
        ops.extend(service(&format!("udp/{VIP_V6}"), "rr", &v6));
        director.told(&ops);
        director.shows(&ops);
        for vip in [VIP, VIP_V6] {
            let vip = vip.parse().unwrap();
            assert_eq!(connections(&client, vip, 100), [(1, 50), (2, 50)].into());
            let here: BTreeSet<u8> = (0..4).map(|_| Connection::open(vip).unwrap().server).collect();
            assert_eq!(here, [1, 2].into());
        }
        let datagrams = |()| Datagrams::to(VIP_V6.parse().unwrap()).server().unwrap();
        let there = client.does(move || [datagrams(()), datagrams(())]);
        assert_eq!(BTreeSet::from(there), [1, 2].into());
    });
}

#[test]
fn a_client_s_address_is_hashed_to_one_server() {
    in_a_network_of_its_own("balance::a_client_s_address_is_hashed_to_one_server", || {
        let (client, servers) = (Host::client(), Host::servers(3));
        let mut director = Director::new();
        let tcp = format!("tcp/{VIP}");
        let destinations: Vec<_> = servers.iter().map(|server| (server.v4(), 1)).collect();
        let ops = service(&tcp, "mh", &destinations);
        director.told(&ops);
        director.shows(&ops);
        let shares = connections(&client, vip(), 50);
        assert_eq!(shares.len(), 1, "{shares:?}");
        // One of the others goes: the client stays where it is.
        let (server, _) = shares.first_key_value().unwrap();
        let other = servers[usize::from(*server) % 3].v4();
        director.told(&[Op::RemoveDestination(key(&tcp), other)]);
        assert_eq!(connections(&client, vip(), 50), shares);
        // Its own takes no more: the client goes elsewhere.
        let own = servers[usize::from(*server) - 1].v4();
        director.told(&[Op::SetDestination(key(&tcp), own, weighing(0))]);
        assert!(!connections(&client, vip(), 50).contains_key(server));
    });
}

#[test]
fn without_a_server_that_takes_work_clients_are_refused() {
    in_a_network_of_its_own("balance::without_a_server_that_takes_work_clients_are_refused", || {
        let (client, servers) = (Host::client(), Host::servers(1));
        let mut director = Director::new();
        // An app of the director's own on the same port is not meant.
        let _app = std::net::TcpListener::bind(("0.0.0.0", 80)).unwrap();
        let mut ops = service(&format!("tcp/{VIP}"), "wrr", &[(servers[0].v4(), 0)]);
        ops.extend(service(&format!("udp/{VIP}"), "wrr", &[]));
        director.told(&ops);
        director.shows(&ops);
        let refused = || {
            let stream = Connection::open(vip()).map(|connection| connection.server).unwrap_err();
            let datagram = Datagrams::to(vip()).server().unwrap_err();
            [stream.kind(), datagram.kind()]
        };
        assert_eq!(client.does(refused), [ErrorKind::ConnectionRefused; 2]);
        // What a local datagram is dropped by is told to its sender as EPERM.
        assert_eq!(refused(), [ErrorKind::ConnectionRefused, ErrorKind::PermissionDenied]);
    });
}

#[test]
fn the_client_s_address_can_be_left_as_it_is() {
    in_a_network_of_its_own("balance::the_client_s_address_can_be_left_as_it_is", || {
        let (client, servers) = (Host::client(), Host::servers(1));
        let mut director = Director::new();
        let ops = service(&format!("tcp/{VIP}"), "wrr", &[(servers[0].v4(), 1)]);
        director.told(&ops);
        let seen_as = || client.does(|| Connection::open(vip()).unwrap().seen_as.to_string());
        assert_eq!(seen_as(), "10.1.0.1");
        // The server's gateway is the director, so that answers come back here all the same.
        let mut director =
            Director(Nftables::new(Options { masquerade: false, ..Options::default() }).unwrap());
        let shown = director.0.dump().unwrap().services;
        assert_eq!(shown[ops[0].service()].settings.scheduler.as_str(), "distorted");
        let Op::AddService(key, settings) = &ops[0] else { panic!("{ops:?}") };
        director.told(&[Op::SetService(key.clone(), settings.clone())]);
        director.shows(&ops);
        assert_eq!(seen_as(), "10.0.0.2");
        // And what keeps packets from passing at all is said.
        assert_eq!(director.0.warnings(), [] as [String; 0]);
        sh("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
        let warnings = director.0.warnings();
        assert!(
            matches!(warnings.as_slice(), [one] if one.contains("net.ipv4.ip_forward=1")),
            "{warnings:?}"
        );
    });
}

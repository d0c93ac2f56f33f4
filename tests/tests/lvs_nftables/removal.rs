//! What becomes of connections whose destination goes.

use std::net::SocketAddr;

use lvs_sync::model::{Op, ServiceKey};
use lvs_sync::sink::Sink;
use roundhouse_tests::{SOON, eventually, seen};

use crate::network::Host;
use crate::traffic::{Connection, Datagrams, connections};
use crate::{Director, VIP, in_a_network_of_its_own, key, service, vip, weighing};

fn open(director: &mut Director, key: &ServiceKey, to: SocketAddr) -> u64 {
    director.0.dump().unwrap().open(key, to)
}

#[test]
fn a_drained_server_keeps_its_connections_and_gets_none() {
    in_a_network_of_its_own("removal::a_drained_server_keeps_its_connections_and_gets_none", || {
        let (client, servers) = (Host::client(), Host::servers(2));
        let mut director = Director::new();
        let tcp = key(&format!("tcp/{VIP}"));
        let [going, staying] = [servers[0].v4(), servers[1].v4()];
        director.told(&service(&format!("tcp/{VIP}"), "rr", &[(going, 1), (staying, 1)]));
        let mut kept =
            client.does(|| (0..20).map(|_| Connection::open(vip()).unwrap()).collect::<Vec<Connection>>());
        kept.retain(|connection| connection.server == 1);
        assert_eq!(kept.len(), 10);
        assert_eq!(open(&mut director, &tcp, going), 10);

        director.told(&[Op::SetDestination(tcp.clone(), going, weighing(0))]);
        assert_eq!(connections(&client, vip(), 500), [(2, 500)].into());
        assert!(kept.iter_mut().all(|connection| connection.asks().is_ok()));
        assert_eq!(open(&mut director, &tcp, going), 10);

        // Closed, they wait for stray packets for two minutes, and are no reason to wait.
        kept.truncate(1);
        eventually(SOON, "one is left", || seen(open(&mut director, &tcp, going), |open| *open == 1));
        director.told(&[Op::RemoveDestination(tcp.clone(), going)]);
        // Gone, the last is not left hanging.
        kept[0].asks().unwrap_err();
        assert_eq!(open(&mut director, &tcp, going), 0);
    });
}

#[test]
fn a_udp_client_goes_over_when_its_server_goes() {
    in_a_network_of_its_own("removal::a_udp_client_goes_over_when_its_server_goes", || {
        let (client, servers) = (Host::client(), Host::servers(3));
        let mut director = Director::new();
        let udp = format!("udp/{VIP}");
        // Before there is a service it gets to the director itself, and is remembered there.
        let datagrams = client.does(|| {
            let datagrams = Datagrams::to(vip());
            datagrams.server().unwrap_err();
            datagrams
        });
        let destinations: Vec<_> = servers.iter().map(|server| (server.v4(), 1)).collect();
        director.told(&service(&udp, "wrr", &destinations));
        let first = datagrams.server().unwrap();
        assert_eq!(datagrams.server().unwrap(), first);
        let at = |server: u8| servers[usize::from(server) - 1].v4();
        assert_eq!(open(&mut director, &key(&udp), at(first)), 1);

        director.told(&[Op::SetDestination(key(&udp), at(first), weighing(0))]);
        let second = datagrams.server().unwrap();
        assert_ne!(second, first);
        director.told(&[Op::RemoveDestination(key(&udp), at(second))]);
        let third = datagrams.server().unwrap();
        assert!(third != first && third != second, "{first} {second} {third}");
        director.told(&[Op::RemoveService(key(&udp))]);
        datagrams.server().unwrap_err();
    });
}

//! Changes while clients connect.

use lvs_sync::model::Op;
use lvs_sync::sink::Sink;
use roundhouse_tests::{SOON, eventually, seen};

use crate::network::Host;
use crate::traffic::Load;
use crate::{Director, VIP, in_a_network_of_its_own, key, service, vip, weighing};

const ROUNDS: u32 = 25;

#[test]
fn no_connection_is_lost_while_servers_come_and_go() {
    in_a_network_of_its_own("updates::no_connection_is_lost_while_servers_come_and_go", || {
        let (client, servers) = (Host::client(), Host::servers(3));
        let mut director = Director::new();
        let tcp = key(&format!("tcp/{VIP}"));
        let [steady, weighed, coming] = [servers[0].v4(), servers[1].v4(), servers[2].v4()];
        director.told(&service(&format!("tcp/{VIP}"), "wrr", &[(steady, 1), (weighed, 1)]));
        let load = Load::begin(&client, vip());
        for round in 0..ROUNDS {
            let before = load.made();
            director.told(&[Op::AddDestination(tcp.clone(), coming, weighing(3))]);
            // By turns and by chance. Without `Rule::Otherwise` one in some hundred costs a connection.
            for weight in [0, 1, 7, 90, 2, 5] {
                director.told(&[Op::SetDestination(tcp.clone(), weighed, weighing(weight + round))]);
            }
            eventually(SOON, "clients connect meanwhile", || seen(load.made(), |made| *made > before + 100));
            director.told(&[Op::SetDestination(tcp.clone(), coming, weighing(0))]);
            eventually(SOON, "it is drained", || {
                seen(director.0.dump().unwrap().open(&tcp, coming), |open| *open == 0)
            });
            director.told(&[Op::RemoveDestination(tcp.clone(), coming)]);
        }
        let (shares, lost) = load.end();
        assert_eq!(lost, [] as [String; 0]);
        assert!(shares.len() == 3 && shares.values().all(|count| *count > 100), "{shares:?}");
    });
}

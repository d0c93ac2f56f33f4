//! Local and forwarded clients, TCP and UDP, both families.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};

use crate::network::{OtherHost, asked, asked_by_datagram};
use crate::{Host, in_a_network_of_its_own};

#[test]
fn local_clients_reach_jobs_beside_apps_on_the_same_ports() {
    in_a_network_of_its_own("caught::local_clients_reach_jobs_beside_apps_on_the_same_ports", || {
        // On loopback with no setup, on a routed prefix that the gateway makes local, and IPv6.
        for vips in ["127.99.0.0/16", "10.77.0.0/16", "fd99::/64"] {
            let host = Host::start(vips);
            for n in 0..20 {
                assert_eq!(asked(host.stream(), &n.to_string()), format!("instance {n}"));
                let answer = asked_by_datagram(host.datagram(), n.to_string().as_bytes());
                assert_eq!(answer, format!("instance {n}").into_bytes());
            }
            let large = vec![7; 65_000];
            assert!(asked_by_datagram(host.datagram(), &large) == large);
            host.apps_saw_nothing();
            // An address that is no VIP is the app's, as ever.
            TcpStream::connect("127.0.0.1:1111").unwrap();
        }
    });
}

#[test]
fn forwarded_clients_reach_them_too() {
    in_a_network_of_its_own("caught::forwarded_clients_reach_them_too", || {
        for vips in ["10.77.0.0/16", "fd99::/64"] {
            let host = Host::start(vips);
            let client = OtherHost::new();
            let (stream, datagram) = (host.stream(), host.datagram());
            assert_eq!(client.does(move || asked(stream, "a")), "instance a");
            assert_eq!(client.does(move || asked_by_datagram(datagram, b"a")), b"instance a");
            host.apps_saw_nothing();
        }
    });
}

#[test]
fn a_port_that_no_job_has_is_refused_and_so_is_the_other_transport() {
    in_a_network_of_its_own(
        "caught::a_port_that_no_job_has_is_refused_and_so_is_the_other_transport",
        || {
            let host = Host::start("127.99.0.0/16");
            let vip = host.stream().ip();
            for address in [SocketAddr::new(vip, 2222), SocketAddr::new(host.datagram().ip(), 1112)] {
                let mut stream = TcpStream::connect(address).unwrap();
                let error = std::io::Read::read(&mut stream, &mut [0; 1]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{address}");
            }
        },
    );
}

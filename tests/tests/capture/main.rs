//! `names.catch = "capture"`: a whole gateway in a network of the test's own, with apps of the same host on all addresses
//! of the very ports that jobs have.

// Helpers of tests stop where they stand, as tests do.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod caught;
mod cleanup;
mod network;

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use roundhouse_tests::{Gateway, SOON, eventually, inside};

use self::network::sh;

/// Runs the body in private namespaces: outside it starts this test again, alone, in there.
fn in_a_network_of_its_own(test: &str, body: impl FnOnce()) {
    match inside(test) {
        None => {
            sh(
                "ip link set lo up; ip addr add 192.168.5.1/24 dev lo; ip -6 addr add fd00::1/128 dev lo nodad",
            );
            body();
        }
        Some(mut command) => {
            let output = command.output().unwrap();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
        }
    }
}

/// Two jobs on port 1111 (TCP) and 1112 (UDP), with one instance each that says `instance` before it echoes, while apps
/// of this host hold both ports on all addresses.
struct Host {
    gateway: Gateway,
    _app: (TcpListener, UdpSocket),
}

impl Host {
    fn start(vips: &str) -> Host {
        // Neither shares its port, so that nobody else could bind it on any address.
        let app = (TcpListener::bind("[::]:1111").unwrap(), UdpSocket::bind("[::]:1112").unwrap());
        app.0.set_nonblocking(true).unwrap();
        app.1.set_nonblocking(true).unwrap();
        let gateway =
            Gateway::prepared("embedded", "").with_names(&format!("vips = \"{vips}\"\ncatch = \"capture\""));
        let mut host = Host { gateway, _app: app };
        host.run();
        host.register();
        host
    }

    fn run(&mut self) {
        self.gateway.run();
    }

    fn register(&self) {
        let instance = network::Instance::start();
        for (label, port, protocol, at) in
            [("stream", 1111, "tcp", instance.tcp), ("datagram", 1112, "udp", instance.udp)]
        {
            let job = format!(
                r#"{{"jobname":"job.{label}","ports":[{{"name":"main","port":{port},"protocol":"{protocol}"}}],"check":null}}"#
            );
            let reply = self.gateway.call("PUT", &format!("/v1/jobs/{label}"), &job);
            assert!(matches!(reply.status, 200 | 201), "{reply:?}");
            let record =
                format!(r#"{{"address":"{}","ports":{{"main":{}}},"ttl":null}}"#, at.ip(), at.port());
            let reply = self.gateway.call("POST", &format!("/v1/instances/{label}"), &record);
            assert_eq!(reply.status, 201, "{reply:?}");
        }
        for label in ["stream", "datagram"] {
            self.gateway.vip(label);
        }
    }

    fn stream(&self) -> SocketAddr {
        SocketAddr::new(self.gateway.vip("stream"), 1111)
    }

    fn datagram(&self) -> SocketAddr {
        SocketAddr::new(self.gateway.vip("datagram"), 1112)
    }

    /// No client of a job has come to the apps.
    #[track_caller]
    fn apps_saw_nothing(&self) {
        let error = self._app.0.accept().map(|(_, peer)| peer).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
        let error = self._app.1.recv_from(&mut [0; 64]).map(|(_, peer)| peer).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
}

/// Refused at once, by TCP and by UDP.
#[track_caller]
fn refused(stream: SocketAddr, datagram: SocketAddr) {
    eventually(SOON, "a connection is refused", || {
        TcpStream::connect_timeout(&stream, SOON).err().map(|error| error.kind())
            == Some(std::io::ErrorKind::ConnectionRefused)
    });
    let client = network::client_of(datagram);
    client.send(b"ask").unwrap();
    assert_eq!(client.recv(&mut [0; 1]).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
}

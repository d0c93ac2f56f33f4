//! `names.answer = "hub"`: names resolve to the gateway, whose ports belong to one job each, or are shared by Host.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;

use roundhouse_tests::{Gateway, RawInstance, SOON, Server, dial, eventually, http, listens};

use crate::echoes;

fn hub() -> Gateway {
    let gateway = Gateway::prepared("embedded", "");
    let own = gateway.net.gateway();
    let mut gateway = gateway.with_names(&format!("answer = \"hub\"\nhub_addresses = [\"{own}\"]"));
    gateway.run();
    gateway
}

#[test]
fn a_port_belongs_to_the_older_job_and_the_other_is_told_whose_it_is() {
    let gateway = hub();
    let at = |port| SocketAddr::new(gateway.net.gateway(), port);
    let (older, younger) = (
        Server::echo(SocketAddr::new(gateway.net.app(0), 7000)),
        Server::named(SocketAddr::new(gateway.net.app(1), 7000), "younger"),
    );
    gateway.write_job("older", r#""port":7100"#, "");
    let id = gateway.register("older", older.address);
    gateway.wait_up("older", 1);
    gateway.write_job("younger", r#""port":7100"#, "");
    gateway.register("younger", younger.address);
    gateway.wait_up("younger", 1);
    eventually(SOON, "the port listens", || listens(at(7100)));
    assert!(echoes(&mut dial(at(7100)), b"to the older"));

    let reason = eventually(SOON, "the conflict is reported", || {
        let status = gateway.api("/v1/status").json();
        let one = status["not_caught"].as_array()?.first()?.clone();
        (one["job"] == "younger").then(|| one["reason"].as_str().map(str::to_owned))?
    });
    assert!(reason.contains("port 7100 of the hub belongs to job `older`"), "{reason}");
    let explained = String::from_utf8(gateway.cli(&["explain", "younger.jobs:7100"]).stdout).unwrap();
    assert!(explained.contains("`older`"), "{explained}");

    // The older one goes, and the port is the other's.
    assert_eq!(gateway.call("DELETE", &format!("/v1/instances/older/{id}"), "").status, 200);
    assert_eq!(gateway.call("DELETE", "/v1/jobs/older", "").status, 200);
    eventually(SOON, "the younger job has the port", || {
        let mut name = [0; 7];
        let mut stream = dial(at(7100));
        std::io::Read::read_exact(&mut stream, &mut name).is_ok_and(|()| &name == b"younger")
    });
}

#[test]
fn http_ports_are_shared_by_host_and_udp_is_a_space_of_its_own() {
    let gateway = hub();
    let at = |port| SocketAddr::new(gateway.net.gateway(), port);
    let instances: Vec<_> = ["one", "two"]
        .into_iter()
        .zip(0..)
        .map(|(label, n)| (label, RawInstance::start(&gateway, label, n, 7200)))
        .collect();
    eventually(SOON, "the port listens", || listens(at(7200)));
    for (label, instance) in &instances {
        let (host, hub) = (format!("{label}.jobs"), at(7200));
        let asking = std::thread::spawn(move || http::get(hub, &host, "/"));
        let mut exchange = instance.accept();
        exchange.read_head();
        exchange.answer(label);
        assert_eq!(asking.join().unwrap().unwrap().body, **label);
    }

    let echo = UdpSocket::bind((gateway.net.app(2), 7200)).unwrap();
    gateway.write_job("datagrams", r#""port":7200,"protocol":"udp""#, "");
    gateway.register("datagrams", echo.local_addr().unwrap());
    gateway.wait_up("datagrams", 1);
    std::thread::spawn(move || {
        let mut bytes = [0; 100];
        while let Ok((n, peer)) = echo.recv_from(&mut bytes) {
            let _ = echo.send_to(&bytes[..n], peer);
        }
    });
    let client = UdpSocket::bind((gateway.net.address(50), 0)).unwrap();
    client.connect(at(7200)).unwrap();
    client.set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
    eventually(SOON, "a datagram comes back", || {
        client.send(b"ask").unwrap();
        let mut back = [0; 10];
        client.recv(&mut back).is_ok_and(|n| &back[..n] == b"ask")
    });
}

#[test]
fn names_resolve_to_the_hub() {
    let gateway = hub();
    gateway.write_job("app", r#""port":7300"#, "");
    let dns = gateway.dns();
    let own = gateway.net.gateway().to_string();
    eventually(SOON, "the name has the hub's address", || {
        let mut dig = Command::new("dig");
        dig.arg(format!("@{}", dns.ip())).args([
            "-p",
            &dns.port().to_string(),
            "app.jobs.coding.net",
            "+short",
        ]);
        let answer = String::from_utf8(dig.output().unwrap().stdout).unwrap();
        if answer.trim() == own { Ok(()) } else { Err(answer) }
    });
}

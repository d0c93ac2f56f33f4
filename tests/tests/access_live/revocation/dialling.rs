//! Clients that were let in while their instance is still being dialled: they are at none yet, and whoever changes the
//! rules does not find them there.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use roundhouse_tests::{End, SOON, eventually, read_to_its_end, seen, try_dial};

use super::GONE;
use super::live::{Kind, Live};
use super::world::{WEB, World};
use crate::stage::{in_force, instance};

/// An instance whose backlog is full, so that the kernel drops each further SYN (listen(2)) until it is made to answer.
struct Late {
    address: SocketAddr,
    listener: TcpListener,
    held: Vec<TcpStream>,
}

impl Late {
    fn start(address: SocketAddr) -> Late {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.bind(&address.into()).unwrap();
        listener.listen(0).unwrap();
        let mut held = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            held.push(stream);
        }
        Late { address, listener: listener.into(), held }
    }

    /// Whether somebody waits for it, beside who filled its backlog (proc(5): 02 is SYN_SENT).
    fn is_dialled(&self) -> bool {
        let SocketAddr::V4(own) = self.address else { return false };
        let remote = format!("{:08X}:{:04X}", u32::from_ne_bytes(own.ip().octets()), own.port());
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
        sockets.lines().any(|line| line.split_whitespace().take(4).skip(2).eq([remote.as_str(), "02"]))
    }

    /// Greets whoever comes from now on; what each of them says comes out.
    fn answer(self) -> mpsc::Receiver<Vec<u8>> {
        let (told, heard) = mpsc::channel();
        drop(self.held);
        std::thread::spawn(move || {
            for mut stream in self.listener.incoming().map_while(Result::ok) {
                let told = told.clone();
                std::thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(SOON));
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntick");
                    let mut said = Vec::new();
                    let _ = stream.read_to_end(&mut said);
                    let _ = told.send(said);
                });
            }
        });
        heard
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_for_an_instance_while_a_rule_comes_is_not_led_to_it() {
    let world = World::start("[limits]\nconnect_timeout = \"10s\"").await;
    instance(&world.gateway, "web", world.address(WEB), "");
    for (n, protocol) in [(0, "tcp"), (1, "http")] {
        let label = format!("late-{protocol}");
        let late = Late::start(SocketAddr::new(world.gateway.net.app(5 + n), 7005));
        let record = format!(
            r#"{{"jobname":"job.{label}_cop.shop","check":null,
                "ports":[{{"name":"main","port":7005,"protocol":"{protocol}"}}]}}"#
        );
        assert_eq!(world.gateway.call("PUT", &format!("/v1/jobs/{label}"), &record).status, 201);
        world.gateway.register(&label, late.address);
        world.gateway.wait_up(&label, 1);
        let vip = world.gateway.listening_vip(&label, 7005);
        // Who is there already, by whom it is seen when the workers have looked.
        let live = Live::open(8, Kind::Tcp, world.address(WEB), world.tcp).await;

        let mut client = try_dial(Some(world.address(WEB)), vip).unwrap();
        client.write_all(b"GET /secret HTTP/1.1\r\nhost: any.example\r\n\r\n").unwrap();
        eventually(SOON, "its instance is dialled", || late.is_dialled());
        let denied = world.rule("deny-web", r#""from":{"jobname":"job.web"},"action":"deny""#);
        let since = Instant::now();
        in_force(&world.gateway, &label, denied);
        let took = live.all_gone(since).await;
        assert!(took < GONE, "{took:?}");
        let heard = late.answer();
        let (said, end) = read_to_its_end(&mut client);
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(!said.contains("tick"), "{protocol}: {said}");
        assert!(
            end == End::Reset || said.starts_with("HTTP/1.1 403") || said.is_empty(),
            "{protocol}: {said}"
        );
        // An instance that was dialled hears nothing of whoever it was dialled for.
        eventually(SOON, "nobody is at it", || {
            seen(world.gateway.connections(&format!("?job={label}")), Vec::is_empty)
        });
        while let Ok(said) = heard.recv_timeout(Duration::from_millis(100)) {
            assert!(said.is_empty(), "{protocol}: {}", String::from_utf8_lossy(&said));
        }
        world.in_force(crate::stage::write(&world.gateway, "DELETE", "/v1/rules/deny-web", ""));
    }
}

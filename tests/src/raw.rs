//! An instance that a test plays itself, byte for byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::{Gateway, SOON};

/// Listens at an app's address and is registered as a static instance, without a check.
#[derive(Debug)]
pub struct RawInstance {
    listener: TcpListener,
    pub address: SocketAddr,
}

impl RawInstance {
    /// `label` gets an HTTP job of one port, served by app `n` of the gateway's network.
    pub fn start(gateway: &Gateway, label: &str, n: u8, port: u16) -> RawInstance {
        let listener = TcpListener::bind((gateway.net.app(n), port)).expect("the address is the test's own");
        let address = listener.local_addr().expect("a bound socket has an address");
        let record = format!(
            r#"{{"jobname":"job.{label}","ports":[{{"name":"main","port":{port},"protocol":"http"}}],"check":null}}"#
        );
        let reply = gateway.call("PUT", &format!("/v1/jobs/{label}"), &record);
        assert!(matches!(reply.status, 200 | 201), "{reply:?}");
        let instance = format!(r#"{{"address":"{}","ports":{{"main":{port}}}}}"#, address.ip());
        let reply = gateway.call("POST", &format!("/v1/instances/{label}"), &instance);
        assert_eq!(reply.status, 201, "{reply:?}");
        gateway.vip(label);
        RawInstance { listener, address }
    }

    /// The next connection of the gateway.
    pub fn accept(&self) -> RawExchange {
        let (stream, _) = self.listener.accept().expect("the gateway connects");
        stream.set_read_timeout(Some(SOON)).expect("a timeout can be set");
        RawExchange { stream: BufReader::new(stream) }
    }
}

#[derive(Debug)]
pub struct RawExchange {
    pub stream: BufReader<TcpStream>,
}

impl RawExchange {
    /// The lines of a head, its request line first, as they came.
    pub fn read_head(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("a head comes");
            let line = line.trim_end_matches(['\r', '\n']).to_owned();
            if line.is_empty() {
                return lines;
            }
            lines.push(line);
        }
    }

    pub fn read_exact(&mut self, n: usize) -> String {
        let mut bytes = vec![0; n];
        self.stream.read_exact(&mut bytes).expect("a body comes");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub fn answer(&mut self, body: &str) {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        self.stream.get_mut().write_all(answer.as_bytes()).expect("the gateway reads");
    }
}

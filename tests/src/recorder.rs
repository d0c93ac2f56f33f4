//! An HTTP instance that keeps what it was sent, byte for byte.

use std::io::{Read as _, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use crate::strict::{self, Message, Read};
use crate::{Gateway, SOON, Server};

/// Reads strictly, answers each whole request, and closes the connection behind the answer if that says so.
pub struct Recorder {
    server: Server,
    seen: Arc<Mutex<Vec<Recorded>>>,
}

/// What came on one connection up to the end of a request, or up to the connection's.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub bytes: Vec<u8>,
    pub read: Read,
}

impl Recorder {
    /// Serves the job `label`, of one HTTP port and without a check, at app `n` of the gateway's network.
    pub fn start(gateway: &Gateway, label: &str, n: u8) -> Recorder {
        Recorder::answering(gateway, label, n, |_| answer("seen"))
    }

    pub fn answering(
        gateway: &Gateway,
        label: &str,
        n: u8,
        answer: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static,
    ) -> Recorder {
        let recorder = Recorder::at(SocketAddr::new(gateway.net.app(n), 9090), answer);
        if gateway.api(&format!("/v1/jobs/{label}")).status == 404 {
            gateway.write_job(label, r#""port":9090,"protocol":"http""#, "");
        }
        gateway.register(label, recorder.address());
        gateway.listening_vip(label, 9090);
        recorder
    }

    pub fn at(address: SocketAddr, answer: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static) -> Recorder {
        let seen = Arc::<Mutex<Vec<Recorded>>>::default();
        let into = seen.clone();
        let server = Server::start(address, move |stream| serve(stream, &into, &answer));
        Recorder { server, seen }
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Connections so far.
    pub fn accepted(&self) -> u64 {
        self.server.accepted()
    }

    /// What came since this was asked last.
    pub fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The whole requests among it.
    pub fn take_whole(&self) -> Vec<Message> {
        self.take().into_iter().filter_map(Recorded::whole).collect()
    }
}

impl Recorded {
    pub fn whole(self) -> Option<Message> {
        match self.read {
            Read::Whole(message) => Some(*message),
            Read::More | Read::Wrong(_) => None,
        }
    }
}

/// 200 with this text.
pub fn answer(text: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len()).into_bytes()
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Recorded>>, answer: &dyn Fn(&Message) -> Vec<u8>) {
    let _ = stream.set_read_timeout(Some(SOON));
    let _ = stream.set_nodelay(true);
    let keep = |recorded| seen.lock().unwrap_or_else(PoisonError::into_inner).push(recorded);
    let (mut bytes, mut part) = (Vec::new(), vec![0; 16 << 10]);
    loop {
        match strict::request(&bytes) {
            Read::Whole(message) => {
                let rest = bytes.split_off(message.bytes);
                let said = answer(&message);
                // Kept first: whoever has the answer finds it.
                keep(Recorded { bytes: std::mem::replace(&mut bytes, rest), read: Read::Whole(message) });
                let closes =
                    String::from_utf8_lossy(&said).to_lowercase().contains("\r\nconnection: close\r\n");
                if stream.write_all(&said).is_err() || closes {
                    return;
                }
            }
            read => match stream.read(&mut part) {
                Ok(n @ 1..) if read == Read::More => bytes.extend_from_slice(&part[..n]),
                _ if bytes.is_empty() => return,
                _ => return keep(Recorded { bytes, read }),
            },
        }
    }
}

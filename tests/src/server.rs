//! A TCP server of the test's own.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::Builder;

/// Its threads do little and are many.
const STACK: usize = 256 << 10;

/// Each connection has a thread. Dropping the server closes its listener: who connects then is refused.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    ending: Arc<AtomicBool>,
    accepted: Arc<AtomicU64>,
    accepting: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    pub fn start(address: SocketAddr, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind(address).expect("the address is the test's own");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (ending, accepted, serve) =
            (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default(), Arc::new(serve));
        let (stop, count) = (ending.clone(), accepted.clone());
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stop.load(Relaxed) {
                    return;
                }
                count.fetch_add(1, Relaxed);
                let serve = serve.clone();
                Builder::new().stack_size(STACK).spawn(move || serve(stream)).expect("a thread");
            }
        });
        Server { address, ending, accepted, accepting: Some(accepting) }
    }

    /// Everything comes back, and its end too.
    pub fn echo(address: SocketAddr) -> Server {
        Server::start(address, |mut stream| {
            let mut bytes = [0; 16 << 10];
            while let Ok(n @ 1..) = stream.read(&mut bytes) {
                if stream.write_all(&bytes[..n]).is_err() {
                    return;
                }
            }
            let _ = stream.shutdown(Shutdown::Write);
        })
    }

    /// Says its name to whoever connects, and then echoes.
    pub fn named(address: SocketAddr, name: &'static str) -> Server {
        Server::start(address, move |mut stream| {
            let _ = stream.write_all(name.as_bytes());
            let mut bytes = [0; 4 << 10];
            while let Ok(n @ 1..) = stream.read(&mut bytes) {
                if stream.write_all(&bytes[..n]).is_err() {
                    return;
                }
            }
        })
    }

    /// HTTP: answers a request with the head that it came with.
    pub fn heads(address: SocketAddr) -> Server {
        Server::start(address, |mut stream| {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
            }
            let answer =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", head.len());
            let _ = stream.write_all(&[answer.as_bytes(), &head].concat());
        })
    }

    /// Connections so far.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ending.store(true, Relaxed);
        // Wakes it, and leaves a listener whose backlog holds nobody else that is served.
        let woken = TcpStream::connect(self.address);
        if let (Ok(_), Some(accepting)) = (woken, self.accepting.take()) {
            let _ = accepting.join();
        }
    }
}

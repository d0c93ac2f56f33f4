//! Load that goes on while something happens: every request is counted, every failure kept with its reason.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;

use crate::http::{self, Connection};
use crate::{SOON, eventually, seen};

/// Reasons kept by each client; the count goes on.
const KEPT: usize = 5;

#[derive(Debug, Default)]
pub struct Outcome {
    pub requests: u64,
    pub failed: u64,
    pub reasons: Vec<String>,
}

impl Outcome {
    pub fn add(&mut self, other: Outcome) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.reasons.extend(other.reasons);
    }
}

#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Outcome>>,
}

impl Load {
    /// Clients that ask again and again on a kept connection. One that the server closes in order (RFC 9112, 9.6: it
    /// says `Connection: close`) is opened anew, which is no failure; any other end of it is.
    pub fn keep_alive(clients: usize, server: SocketAddr, host: &str) -> Load {
        Load::start(clients, || {
            let host = host.to_owned();
            let mut kept: Option<Connection> = None;
            move || {
                let mut connection = match kept.take() {
                    Some(connection) => connection,
                    None => Connection::open(server).map_err(|error| format!("connect: {error}"))?,
                };
                let reply = connection.get(&host, "/").map_err(|error| format!("request: {error}"))?;
                if reply.header("connection") != Some("close") {
                    kept = Some(connection);
                }
                if reply.status == 200 { Ok(()) } else { Err(format!("{reply:?}")) }
            }
        })
    }

    /// A connection for each request.
    pub fn connect_each_time(clients: usize, server: SocketAddr, host: &str) -> Load {
        Load::start(clients, || {
            let host = host.to_owned();
            move || {
                let reply = http::get(server, &host, "/").map_err(|error| error.to_string())?;
                if reply.status == 200 { Ok(()) } else { Err(format!("{reply:?}")) }
            }
        })
    }

    /// `client` makes what one client does again and again, with what it keeps between two requests.
    pub fn start<F>(clients: usize, client: impl Fn() -> F) -> Load
    where
        F: FnMut() -> Result<(), String> + Send + 'static,
    {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let clients = (0..clients)
            .map(|_| {
                let (stop, done, mut once) = (stop.clone(), done.clone(), client());
                std::thread::spawn(move || {
                    let mut outcome = Outcome::default();
                    while !stop.load(Relaxed) {
                        outcome.requests += 1;
                        if let Err(reason) = once() {
                            outcome.failed += 1;
                            if outcome.reasons.len() < KEPT {
                                outcome.reasons.push(reason);
                            }
                        }
                        done.fetch_add(1, Relaxed);
                    }
                    outcome
                })
            })
            .collect();
        Load { stop, done, clients }
    }

    /// Requests done so far.
    pub fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }

    /// Until `more` further requests are done.
    #[track_caller]
    pub fn wait_for(&self, more: u64) {
        let target = self.done() + more;
        eventually(SOON * 3, &format!("{more} more requests"), || seen(self.done(), |done| *done >= target));
    }

    /// Ends it and adds the clients up.
    pub fn stop(self) -> Outcome {
        self.stop.store(true, Relaxed);
        self.clients.into_iter().fold(Outcome::default(), |mut sum, client| {
            sum.add(client.join().expect("a client does not panic"));
            sum
        })
    }
}

//! One instance that moves between two backends, and somebody who asks all the time where it is.
//!
//! The clock stops when an answer of the new backend has been read in full, so the way through the gateway is in the
//! figure. Between two looks there is a pause, or the looking alone would take a core; the time from one look to the
//! next, which bounds the resolution, is measured too.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use roundhouse_benches::{instance_key, job_record};
use roundhouse_registry::Kv;
use roundhouse_registry::kv::Txn;
use roundhouse_tests::http::Connection;
use roundhouse_tests::{Gateway, Loopback, ZONE};
use rustix::net::sockopt::set_socket_linger;

pub(crate) const JOB: &str = "probe";
const PAUSE: Duration = Duration::from_micros(100);
const PATIENCE: Duration = Duration::from_secs(20);
const TCP: u16 = 7_101;
const HTTP: u16 = 7_102;

/// How the gateway is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// An HTTP request on a kept connection; the Host names the job.
    Name,
    /// A new TCP connection to the job's VIP.
    Vip,
}

/// One move.
pub(crate) struct Passage {
    pub(crate) sent: Instant,
    pub(crate) acknowledged: Instant,
    pub(crate) routable: Instant,
    /// From the end of the look before to the end of the one that found it: how much earlier it may have been.
    pub(crate) gap: Duration,
}

struct Order {
    way: Way,
    wanted: u8,
}

pub(crate) struct Probe {
    backends: [IpAddr; 2],
    at: usize,
    orders: Sender<Order>,
    found: Receiver<(Instant, Duration)>,
}

impl Probe {
    /// What the registry must have before a gateway starts.
    pub(crate) fn records() -> Vec<(String, String)> {
        vec![(format!("jobs/{JOB}"), job_record(JOB))]
    }

    /// Backends at the first two apps of the gateway's network; the VIP must be there.
    pub(crate) fn start(gateway: &Gateway) -> Probe {
        let backends = backends(&gateway.net);
        let vip = SocketAddr::new(gateway.vip(JOB), 1111);
        let (orders, inbox) = mpsc::channel();
        let (found_out, found) = mpsc::channel();
        let http = gateway.http();
        thread::spawn(move || look_all_day(http, vip, &inbox, &found_out));
        Probe { backends, at: 0, orders, found }
    }

    /// Moves the instance to the other backend and waits until it is found there.
    pub(crate) async fn go(&mut self, kv: &dyn Kv, way: Way) -> Passage {
        self.at = 1 - self.at;
        let wanted = [b'a', b'b'][self.at];
        self.orders.send(Order { way, wanted }).expect("the looker lives");
        let (sent, acknowledged) = place(kv, self.backends[self.at]).await;
        let (routable, gap) = self.found.recv_timeout(PATIENCE).expect("the new instance is found");
        Passage { sent, acknowledged, routable, gap }
    }
}

/// Puts the probed instance there. When that was sent, and when it was acknowledged.
pub(crate) async fn place(kv: &dyn Kv, backend: IpAddr) -> (Instant, Instant) {
    let record = format!(r#"{{"address":"{backend}","ports":{{"main":{TCP},"web":{HTTP}}}}}"#);
    let txn = Txn::new().put(instance_key(JOB, 0), record, None);
    let sent = Instant::now();
    kv.commit(txn).await.expect("etcd takes it");
    (sent, Instant::now())
}

/// Two backends, told apart by their answer: `a` and `b`.
fn backends(net: &Loopback) -> [IpAddr; 2] {
    [(0, b'a'), (1, b'b')].map(|(app, answer)| {
        let address = net.app(app);
        serve((address, TCP).into(), move |mut stream| {
            let _ = stream.write_all(&[answer]);
        });
        serve((address, HTTP).into(), move |stream| {
            let _ = answer_requests(stream, answer);
        });
        address
    })
}

fn serve(at: SocketAddr, with: impl Fn(TcpStream) + Clone + Send + 'static) {
    let listener = TcpListener::bind(at).expect("the network is ours");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let with = with.clone();
            thread::spawn(move || with(stream));
        }
    });
}

fn answer_requests(mut stream: TcpStream, answer: u8) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let reply = [b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n".as_slice(), &[answer]].concat();
    let mut head = Vec::new();
    let mut bytes = [0; 1024];
    loop {
        let count = stream.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        head.extend_from_slice(&bytes[..count]);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            stream.write_all(&reply)?;
        }
    }
}

fn look_all_day(
    http: SocketAddr,
    vip: SocketAddr,
    orders: &Receiver<Order>,
    found: &Sender<(Instant, Duration)>,
) {
    let host = format!("{JOB}.{ZONE}");
    let mut kept: Option<Connection> = None;
    while let Ok(Order { way, wanted }) = orders.recv() {
        let mut before = Instant::now();
        loop {
            let answer = match way {
                Way::Name => by_name(&mut kept, http, &host),
                Way::Vip => by_vip(vip),
            };
            let now = Instant::now();
            if answer == Some(wanted) {
                if found.send((now, now - before)).is_err() {
                    return;
                }
                break;
            }
            before = now;
            thread::sleep(PAUSE);
        }
    }
}

/// `None` where nobody answered: there may be no instance yet.
fn by_name(kept: &mut Option<Connection>, http: SocketAddr, host: &str) -> Option<u8> {
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => Connection::open(http).ok()?,
    };
    let reply = connection.get(host, "/").ok()?;
    *kept = Some(connection);
    (reply.status == 200).then(|| reply.body.bytes().next())?
}

fn by_vip(vip: SocketAddr) -> Option<u8> {
    let mut stream = TcpStream::connect(vip).ok()?;
    let mut byte = [0];
    stream.read_exact(&mut byte).ok()?;
    // Closed by a reset: thousands of these a second would leave no port free.
    let _ = set_socket_linger(&stream, Some(Duration::ZERO));
    Some(byte[0])
}

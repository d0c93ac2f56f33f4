//! A host with a list of instances, and the clients and instances to go with it.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::net::UdpSocket;

use crate::udp::{
    Arrival, Downstream, Engine, Host, Reason, Refused, SessionView, Traffic, UdpCounters, UdpLimits,
};

/// No test takes a tenth of it.
const DEADLINE: Duration = Duration::from_secs(30);

/// Picks by turns among those that have not failed.
#[derive(Default)]
pub(super) struct Instances {
    pub(super) all: RefCell<Vec<SocketAddr>>,
    pub(super) failed: RefCell<Vec<SocketAddr>>,
    pub(super) opened: RefCell<Vec<(SocketAddr, SocketAddr)>>,
    pub(super) closed: RefCell<Vec<(SocketAddr, Reason, Traffic)>>,
    pub(super) replies: Cell<usize>,
    counters: UdpCounters,
    turn: Cell<usize>,
    /// Of every session.
    pub(super) idle: Cell<u32>,
}

impl Host for Instances {
    type Picked = SocketAddr;

    fn pick(
        &self,
        _asked: SocketAddr,
        _client: SocketAddr,
        tried: &[SocketAddr],
    ) -> Result<(SocketAddr, SocketAddr), Refused> {
        let (all, failed) = (self.all.borrow(), self.failed.borrow());
        let up: Vec<_> =
            all.iter().filter(|instance| !failed.contains(instance) && !tried.contains(instance)).collect();
        let turn = self.turn.replace(self.turn.get() + 1);
        let instance = **up.get(turn % up.len().max(1)).ok_or(Refused::NoBackend)?;
        Ok((instance, instance))
    }

    fn idle(&self, _: &SocketAddr) -> u32 {
        self.idle.get()
    }

    fn failed(&self, picked: &SocketAddr, error: &io::Error) {
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        self.failed.borrow_mut().push(*picked);
    }

    fn opened(&self, session: &SessionView<'_, SocketAddr>) {
        self.opened.borrow_mut().push((session.client, session.instance));
    }

    fn closed(&self, session: &SessionView<'_, SocketAddr>, reason: Reason) {
        self.closed.borrow_mut().push((session.client, reason, session.traffic));
    }

    fn reply(&self, asked: SocketAddr, client: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        self.replies.set(self.replies.get() + 1);
        let socket = Socket::new(Domain::for_address(asked), Type::DGRAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&asked.into())?;
        socket.send_to(bytes, &client.into()).map(drop)
    }

    fn counters(&self) -> &UdpCounters {
        &self.counters
    }
}

/// On a worker's kind of runtime, to its end or the deadline.
pub(super) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async { tokio::time::timeout(DEADLINE, test).await.expect("in time") });
}

pub(super) fn engine(instances: &[SocketAddr], limits: UdpLimits) -> Engine<Instances> {
    let host =
        Instances { all: RefCell::new(instances.to_vec()), idle: Cell::new(60), ..Instances::default() };
    Engine::new(host, limits).unwrap()
}

/// The downstream socket and its address.
pub(super) fn open(engine: &Engine<Instances>, address: &str) -> (Downstream<Instances>, SocketAddr) {
    let downstream = engine.open(std::net::UdpSocket::bind(address).unwrap(), Arrival::Bound).unwrap();
    let address = downstream.local_addr();
    (downstream, address)
}

/// An instance that sends back what it gets.
pub(super) fn echo() -> SocketAddr {
    answering(|_| true)
}

/// An instance that sends back some of what it gets.
pub(super) fn answering(is_answered: impl Fn(&[u8]) -> bool + 'static) -> SocketAddr {
    let (socket, address) = bound();
    tokio::task::spawn_local(async move {
        let mut buffer = vec![0; 65_535];
        loop {
            let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
            if is_answered(&buffer[..length]) {
                socket.send_to(&buffer[..length], peer).await.unwrap();
            }
        }
    });
    address
}

pub(super) fn bound() -> (UdpSocket, SocketAddr) {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    (UdpSocket::from_std(socket).unwrap(), address)
}

/// An address where nobody listens, held so that nobody will.
pub(super) fn nobody() -> (Socket, SocketAddr) {
    // Bound and connected elsewhere: it takes nothing from others, and its port is not given away.
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.connect(&SocketAddr::from(([127, 0, 0, 2], 9)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// Asks, and waits for the answer and whom it comes from.
pub(super) async fn ask(client: &UdpSocket, asked: SocketAddr, question: &[u8]) -> (Vec<u8>, SocketAddr) {
    client.send_to(question, asked).await.unwrap();
    answer(client).await
}

pub(super) async fn answer(client: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 65_535];
    let (length, from) = client.recv_from(&mut buffer).await.unwrap();
    buffer.truncate(length);
    (buffer, from)
}

/// Until it is so; the test's deadline is its end.
pub(super) async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Sets the soft limit of descriptors to the hard one.
pub(super) fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

impl Instances {
    /// Opened, open, datagrams to instances, datagrams to clients.
    pub(super) fn counters_now(&self) -> [u64; 4] {
        let UdpCounters { opened, open, datagrams_to_instances, datagrams_to_clients, .. } = &self.counters;
        [opened, open, datagrams_to_instances, datagrams_to_clients].map(Cell::get)
    }

    pub(super) fn refused(&self) -> u64 {
        self.counters.refused.get()
    }

    pub(super) fn icmp_errors(&self) -> u64 {
        self.counters.icmp_errors.get()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.counters.dropped.get()
    }
}

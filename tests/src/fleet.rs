//! Apps of many jobs in this process: they answer HTTP, and somebody else says who keeps them registered.

use std::net::SocketAddr;

use roundhouse_config::{Label, Port, PortName, Protocol, RegistrySettings};
use roundhouse_registry::kv::{LeaseId, Txn};
use roundhouse_registry::record::{Key, encode};
use roundhouse_registry::{Instance, InstanceId, Registrar, Registration, State};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::{Loopback, sample};

/// Addresses that a [`Loopback`] has for apps.
const ADDRESSES: usize = 98;
const FIRST_PORT: u16 = 20_000;

/// A running app, registered or not. It ends with the value.
#[derive(Debug)]
pub struct App {
    pub label: Label,
    pub id: InstanceId,
    pub address: SocketAddr,
    /// `None`: nobody listens there.
    task: Option<JoinHandle<()>>,
}

/// Apps at addresses of their own.
#[derive(Debug)]
pub struct Fleet {
    pub apps: Vec<App>,
}

impl Fleet {
    /// `count` apps of each job, all listening.
    pub async fn listening(net: &Loopback, labels: &[String], count: usize) -> Fleet {
        let mut fleet = Fleet { apps: Vec::new() };
        for label in labels {
            fleet.add(net, label, count, true).await;
        }
        fleet
    }

    /// `listens`: else they are addresses only, for a job without a check.
    pub async fn add(&mut self, net: &Loopback, label: &str, count: usize, listens: bool) {
        for _ in 0..count {
            let n = self.apps.len();
            let port = FIRST_PORT + u16::try_from(n / ADDRESSES).expect("not so many apps");
            let address = SocketAddr::new(net.app((n % ADDRESSES) as u8), port);
            let task = if listens {
                let listener = TcpListener::bind(address).await.expect("the address is the test's own");
                Some(tokio::spawn(serve(listener)))
            } else {
                None
            };
            self.apps.push(App { label: sample::label(label), id: InstanceId::random(), address, task });
        }
    }

    pub fn of<'a>(&'a self, label: &str) -> impl Iterator<Item = &'a App> {
        self.apps.iter().filter(move |app| app.label.as_str() == label)
    }

    /// Registrars for all of them, straight at etcd; they end with what is answered.
    pub fn register(&self, registry: &RegistrySettings, ttl: std::time::Duration) -> Vec<Registrar> {
        let registrar = |app: &App| {
            let registration = Registration {
                ports: vec![Port { protocol: Protocol::Http, ..sample::port("main", app.address.port()) }],
                id: app.id,
                address: app.address.ip(),
                ..sample::registration(app.label.as_str(), app.address.port(), ttl)
            };
            Registrar::start(registry, registration, State::Up).expect("an etcd URL")
        };
        self.apps.iter().map(registrar).collect()
    }
}

impl App {
    /// The key of its record.
    pub fn key(&self) -> String {
        Key::Instance(self.label.clone(), self.id).to_string()
    }

    /// What a registrar writes: the instance and its address.
    pub fn put(&self, lease: Option<LeaseId>) -> Txn {
        let ports = [(PortName::main(), self.address.port())].into();
        let instance = Instance::new(self.address.ip(), ports);
        let address = Key::address(self.address.ip(), self.address.port()).to_string();
        Txn::new().put(self.key(), encode(&instance), lease).put(address, self.key(), lease)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        // A client that goes away in the middle is its own affair.
        tokio::spawn(async move { drop(answer(stream).await) });
    }
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?;
        }
    }
}

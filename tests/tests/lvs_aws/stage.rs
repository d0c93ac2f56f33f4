//! A region of the test's own, with the target group `blog` in it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use lvs_sync::model::{Destination, Forwarding, Op, ServiceKey, Settings};
use lvs_sync::sink::aws::{Aws, Options};
use lvs_sync::sink::{OpError, Sink};
use roundhouse_tests::TempDir;

use crate::moto::{Moto, Operator};
use crate::proxy::Proxy;

/// moto knows Amazon's.
const REGIONS: [&str; 16] = [
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-north-1",
    "eu-central-1",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ca-central-1",
    "sa-east-1",
];

pub(crate) struct Stage {
    pub(crate) sink: Aws,
    pub(crate) proxy: Proxy,
    pub(crate) operator: Operator,
    /// The group's ARN.
    pub(crate) blog: String,
    pub(crate) options: Options,
    _folder: TempDir,
    _moto: Arc<Moto>,
}

impl Stage {
    pub(crate) fn set() -> Stage {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let region = REGIONS[NEXT.fetch_add(1, Relaxed)];
        let (moto, folder) = (Moto::shared(), TempDir::new().unwrap());
        let operator = Operator::of(moto.address, region);
        let proxy = Proxy::before(moto.address);
        let options = Options {
            region: Some(region.into()),
            endpoint: Some(format!("http://{}", proxy.address)),
            credentials_file: Some(credentials(&folder)),
        };
        let blog = operator.create("blog", "ip", None);
        let sink = Aws::new(options.clone()).unwrap();
        Stage { sink, proxy, operator, blog, options, _folder: folder, _moto: moto }
    }

    /// Each has its outcome.
    pub(crate) fn apply(&mut self, ops: &[Op]) -> Vec<Result<(), OpError>> {
        let outcomes = self.sink.apply(ops, None).unwrap();
        assert_eq!(outcomes.len(), ops.len());
        outcomes
    }

    /// The group's targets with their weights and open connections, as the sink shows them.
    pub(crate) fn shown(&mut self) -> Vec<(SocketAddr, u32, u64)> {
        let dump = self.sink.dump().unwrap();
        let shown = dump.services[&blog()]
            .destinations
            .iter()
            .map(|(at, one)| (*at, one.weight, dump.open(&blog(), *at)));
        shown.collect()
    }
}

pub(crate) fn credentials(folder: &TempDir) -> PathBuf {
    let file = folder.path().join("credentials");
    std::fs::write(&file, "[default]\naws_access_key_id = test\naws_secret_access_key = test\n").unwrap();
    file
}

pub(crate) fn blog() -> ServiceKey {
    "group/blog".parse().unwrap()
}

/// The n-th address of the network: moto knows targets by their address alone.
pub(crate) fn target(n: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 80))
}

pub(crate) fn add(n: u16) -> Op {
    Op::AddDestination(blog(), target(n), weighing(1))
}

pub(crate) fn set(n: u16, weight: u32) -> Op {
    Op::SetDestination(blog(), target(n), weighing(weight))
}

pub(crate) fn remove(n: u16) -> Op {
    Op::RemoveDestination(blog(), target(n))
}

pub(crate) fn add_service(pool: &str) -> Op {
    Op::AddService(format!("group/{pool}").parse().unwrap(), Settings::default())
}

fn weighing(weight: u32) -> Destination {
    Destination::new(weight, Forwarding::Masquerade)
}

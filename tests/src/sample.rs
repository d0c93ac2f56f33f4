//! Records as tests need them. A text that does not parse is a mistake in the test, and panics.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use roundhouse_config::{JobName, Label, Port, PortName, Protocol};
use roundhouse_registry::write::NewInstance;
use roundhouse_registry::{Instance, InstanceId, Job, Registration};

pub fn label(text: &str) -> Label {
    text.parse().expect("a label")
}

pub fn jobname(text: &str) -> JobName {
    text.parse().expect("a JOBNAME")
}

pub fn port(name: &str, port: u16) -> Port {
    Port::new(name.parse().expect("a port name"), port, Protocol::Tcp)
}

/// A job with one port, `main`.
pub fn job(name: &str) -> Job {
    Job::new(jobname(name), vec![port("main", 1111)])
}

/// An instance at one address, `ip:port`.
pub fn instance(address: &str) -> Instance {
    let address: SocketAddr = address.parse().expect("an address and a port");
    Instance::new(address.ip(), [(PortName::main(), address.port())].into())
}

/// A new instance of a job at one address.
pub fn new_instance(job: &str, address: &str) -> NewInstance {
    NewInstance {
        job: label(job),
        id: InstanceId::random(),
        instance: instance(address),
        jobname: None,
        ports: vec![port("main", 1111)],
    }
}

/// What a registrar registers: an instance at 10.0.0.7 and the port.
pub fn registration(job: &str, number: u16, ttl: Duration) -> Registration {
    Registration {
        job: label(job),
        jobname: None,
        ports: vec![port("main", number)],
        id: InstanceId::random(),
        address: IpAddr::from([10, 0, 0, 7]),
        host: None,
        line: None,
        weight: 100,
        version: None,
        shared_ip: false,
        proof: None,
        ttl,
        pool: None,
    }
}

//! Changes for who is served meanwhile: a job whose instances come and go among 90 others that do the same.

use std::net::SocketAddr;

use roundhouse_tests::Loopback;

use super::Slot;
use crate::{instance_key, job_record};

const OTHERS: usize = 90;

pub struct Mix {
    job: &'static str,
    /// Two that stay, and two addresses at which instances come and go.
    pub backends: [SocketAddr; 4],
}

impl Mix {
    pub fn new(job: &'static str, net: &Loopback, port: u16) -> Mix {
        Mix { job, backends: std::array::from_fn(|app| SocketAddr::new(net.app(app as u8), port)) }
    }

    /// What there is before the first change.
    pub fn records(&self) -> Vec<(String, String)> {
        let stays = self.backends[..2].iter().enumerate().map(|(n, backend)| {
            let (ip, port) = (backend.ip(), backend.port());
            let record = format!(r#"{{"address":"{ip}","ports":{{"main":{port},"web":{port}}}}}"#);
            (instance_key(self.job, n), record)
        });
        let jobs = (0..OTHERS).map(|n| format!("other{n}")).chain([self.job.to_owned()]);
        jobs.map(|job| (format!("jobs/{job}"), job_record(&job))).chain(stays).collect()
    }

    /// Every tenth change is one of the job that is served.
    pub fn slots(&self) -> Vec<Slot> {
        let slot = |n: usize| match n % 10 {
            0 => Slot::new(self.job, 1_000 + n, [self.backends[2], self.backends[3]]),
            _ => Slot::idle(&format!("other{}", n % OTHERS), 1_000 + n),
        };
        (0..1_000).map(slot).collect()
    }
}

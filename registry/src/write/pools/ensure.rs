//! The pool that an instance wants to be in: made if there is none, and never changed.

use roundhouse_config::{Label, Port, Protocol};

use super::among::Among;
use super::{Expect, Registry, WriteError};
use crate::record::{Key, Pool, PoolProtocol, PoolTarget, ValueError, read};
use crate::write::ATTEMPTS;

/// A pool that leads to the instance's own job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPool {
    pub name: Label,
    pub job: Label,
    /// The job's port that the pool leads to.
    pub to: Port,
    /// The port of the VIPs; `None`: that of the job.
    pub port: Option<u16>,
}

impl Registry {
    /// Makes the pool if it is absent, on every line that has VIPs to give. One that is there stays as it is; that it
    /// leads to another job is an error all the same, because whoever asked is not in it. May be repeated, by as many as
    /// there are. `now` is in seconds since the epoch.
    pub async fn ensure_pool(&self, new: &NewPool, now: u64) -> Result<(), WriteError> {
        let key = Key::Pool(new.name.clone());
        for _ in 0..ATTEMPTS {
            if let Some(found) = self.read(&key).await? {
                return new.is_in(&found.value);
            }
            if self.lines_with_vips().await? == 0 {
                return Err(WriteError::NoLine { pool: new.name.clone() });
            }
            match self.put_pool(&new.name, &new.pool(), Expect::Absent, now).await {
                // Another instance was faster.
                Err(WriteError::Precondition { .. }) => {}
                other => return other.map(drop),
            }
        }
        Err(WriteError::Busy(key.to_string()))
    }

    /// A pool without a VIP would never get one, because it is there.
    async fn lines_with_vips(&self) -> Result<usize, WriteError> {
        let among = Among::read(self).await?;
        Ok(among.lines_with_vips().count())
    }
}

impl NewPool {
    fn pool(&self) -> Pool {
        let to = PoolTarget::Job(self.job.clone(), self.to.name.clone());
        let protocol = match self.to.protocol {
            Protocol::Udp => PoolProtocol::Udp,
            _ => PoolProtocol::Tcp,
        };
        Pool { protocol, ..Pool::new(to, self.port.unwrap_or(self.to.port)) }
    }

    /// A pool of the hubs, or of pools, may have the job behind it.
    fn is_in(&self, stored: &[u8]) -> Result<(), WriteError> {
        let pool: Pool = read(stored).map_err(|error| {
            let message = format!("pool `{}` cannot be read, write it anew: {error}", self.name);
            ValueError::field("pool", message)
        })?;
        match pool.to {
            PoolTarget::Job(owner, _) if owner != self.job => {
                Err(WriteError::PoolTaken { pool: self.name.clone(), owner, wanted: self.job.clone() })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::encode;

    fn new(protocol: Protocol, port: Option<u16>) -> NewPool {
        let label = |text: &str| text.parse::<Label>().unwrap();
        let to = Port::new("web".parse().unwrap(), 8080, protocol);
        NewPool { name: label("blog"), job: label("app2"), to, port }
    }

    #[test]
    fn it_has_the_jobs_port_and_protocol_unless_told() {
        let json = |new: NewPool| serde_json::to_value(new.pool()).unwrap();
        let pool = json(new(Protocol::Http, None));
        assert_eq!(pool["to"], serde_json::json!({"job": "app2", "port": "web"}));
        assert_eq!((&pool["port"], &pool["protocol"]), (&8080.into(), &"tcp".into()));
        let pool = json(new(Protocol::Udp, Some(53)));
        assert_eq!((&pool["port"], &pool["protocol"]), (&53.into(), &"udp".into()));
    }

    #[test]
    fn only_one_that_leads_to_another_job_is_wrong() {
        let new = new(Protocol::Tcp, None);
        let target = |text: &str| Pool::new(serde_json::from_str(text).unwrap(), 80);
        for fine in [r#"{"job":"app2","port":"other"}"#, r#"{"hubs":"http"}"#, r#"{"pool":"b"}"#] {
            assert!(new.is_in(&encode(&target(fine))).is_ok(), "{fine}");
        }
        let error = new.is_in(&encode(&target(r#"{"job":"shop"}"#))).unwrap_err().to_string();
        assert!(error.contains("pool `blog` leads to job `shop`") && error.contains("--job app2"), "{error}");
        assert!(new.is_in(b"{").unwrap_err().to_string().starts_with("pool: pool `blog` cannot be read"));
    }
}

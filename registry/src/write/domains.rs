//! Domains.

use roundhouse_config::DomainName;

use super::jobs::unchanged;
use super::{ATTEMPTS, Expect, Registry, WriteError, Written};
use crate::kv::Commit;
use crate::record::{Domain, Key, encode};

impl Registry {
    pub async fn put_domain(
        &self,
        name: &DomainName,
        domain: &Domain,
        expect: Expect,
    ) -> Result<Written, WriteError> {
        domain.validate()?;
        let key = Key::Domain(name.clone());
        for _ in 0..ATTEMPTS {
            let found = self.read(&key).await?;
            expect.check(&key, found.as_ref())?;
            let txn = unchanged(&key, found.as_ref()).put(key.to_string(), encode(domain), None);
            if let Commit::Done(revision) = self.kv().commit(txn).await? {
                return Ok(Written { revision, created: found.is_none() });
            }
        }
        Err(WriteError::Busy(key.to_string()))
    }

    pub async fn delete_domain(&self, name: &DomainName, expect: Expect) -> Result<Written, WriteError> {
        let key = Key::Domain(name.clone());
        for _ in 0..ATTEMPTS {
            let found = self.read(&key).await?;
            expect.check(&key, found.as_ref())?;
            let Some(found) = found else { return Err(WriteError::NotFound(format!("domain `{name}`"))) };
            let txn = unchanged(&key, Some(&found)).delete(key.to_string());
            if let Commit::Done(revision) = self.kv().commit(txn).await? {
                return Ok(Written { revision, created: false });
            }
        }
        Err(WriteError::Busy(key.to_string()))
    }
}

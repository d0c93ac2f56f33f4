//! Records that depend on no other: put and deleted by their key.

use roundhouse_config::DomainName;

use super::jobs::unchanged;
use super::{ATTEMPTS, Expect, Registry, WriteError, Written};
use crate::kv::{Commit, Condition, Revision, Txn};
use crate::record::{Domain, Key, Name, Record, Token, encode};

impl Registry {
    /// The key must be one of the record's kind: `rules/<id>` for a rule.
    pub async fn put_record(
        &self,
        key: &Key,
        record: &impl Record,
        expect: Expect,
    ) -> Result<Written, WriteError> {
        record.check()?;
        for _ in 0..ATTEMPTS {
            let found = self.read(key).await?;
            expect.check(key, found.as_ref())?;
            let txn = unchanged(key, found.as_ref()).put(key.to_string(), encode(record), None);
            if let Commit::Done(revision) = self.kv().commit(txn).await? {
                return Ok(Written { revision, created: found.is_none() });
            }
        }
        Err(WriteError::Busy(key.to_string()))
    }

    /// Also of a record that cannot be read.
    pub async fn delete_record(&self, key: &Key, expect: Expect) -> Result<Written, WriteError> {
        for _ in 0..ATTEMPTS {
            let found = self.read(key).await?;
            expect.check(key, found.as_ref())?;
            let Some(found) = found else { return Err(WriteError::NotFound(format!("record {key}"))) };
            let txn = unchanged(key, Some(&found)).delete(key.to_string());
            if let Commit::Done(revision) = self.kv().commit(txn).await? {
                return Ok(Written { revision, created: false });
            }
        }
        Err(WriteError::Busy(key.to_string()))
    }

    pub async fn put_domain(
        &self,
        name: &DomainName,
        domain: &Domain,
        expect: Expect,
    ) -> Result<Written, WriteError> {
        self.put_record(&Key::Domain(name.clone()), domain, expect).await
    }

    /// Writes the token if there is none at all; `None`: there is one. Of gateways that start together one writes.
    pub async fn put_first_token(&self, id: &Name, token: &Token) -> Result<Option<Revision>, WriteError> {
        token.validate()?;
        let txn = Txn::new().when(Condition::Vacant(Key::TOKENS.to_owned())).put(
            Key::Token(id.clone()).to_string(),
            encode(token),
            None,
        );
        Ok(match self.kv().commit(txn).await? {
            Commit::Done(revision) => Some(revision),
            Commit::Refused => None,
        })
    }
}

//! A gateway's own record, under its lease.

use super::{Registry, WriteError};
use crate::kv::{LeaseId, Txn};
use crate::record::{Gateway, Key, encode};

impl Registry {
    /// Writes the record; the id is the gateway's own, so nobody else has it.
    pub async fn announce(&self, id: &str, gateway: &Gateway, lease: LeaseId) -> Result<(), WriteError> {
        let key = Key::Gateway(id.to_owned()).to_string();
        self.kv().commit(Txn::new().put(key, encode(gateway), Some(lease))).await?;
        Ok(())
    }
}

//! `vips/<label>` and `vip-owners/<offset>`: one decision, written from both sides in one transaction.

use roundhouse_config::Label;
use serde::{Deserialize, Serialize};

use super::ValueError;

/// The offset of a job's VIP in every gateway's own prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vip {
    pub offset: u32,
}

impl Vip {
    /// Whether the offset fits a prefix is for each gateway to say.
    pub fn validate(&self) -> Result<(), ValueError> {
        Ok(())
    }
}

/// Who holds an offset, or since when nobody does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VipOwner {
    Job(Label),
    /// Seconds since the epoch; reused, oldest first, once clients have forgotten it.
    FreedAt(u64),
}

impl VipOwner {
    pub fn validate(&self) -> Result<(), ValueError> {
        Ok(())
    }
}

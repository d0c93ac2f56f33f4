//! `vips/<label>` and `vip-owners/<offset>`: one decision, written from both sides in one transaction.

use roundhouse_config::Label;
use serde::{Deserialize, Serialize};

/// The offset of a job's VIP in every gateway's own prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vip {
    pub offset: u32,
}

/// Who holds an offset, or since when nobody does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VipOwner {
    Job(Label),
    /// Seconds since the epoch; reused, oldest first, once clients have forgotten it.
    FreedAt(u64),
}

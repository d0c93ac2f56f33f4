//! `pool-vips/<ip>`: the pools that have a VIP, written in one transaction with them.

use roundhouse_config::Label;
use serde::{Deserialize, Serialize};

use crate::record::ValueError;
use crate::record::text::check_list;

/// Pools of one VIP, each with a port or a protocol of its own.
const MAX_POOLS: usize = 256;

/// Who has a VIP, or since when nobody does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolVip {
    Pools(Vec<Label>),
    /// Seconds since the epoch; given again, oldest first, once clients have forgotten it.
    FreedAt(u64),
}

impl PoolVip {
    pub fn validate(&self) -> Result<(), ValueError> {
        match self {
            PoolVip::Pools(pools) if pools.is_empty() => {
                Err(ValueError::field("pools", "is empty; write the pools, or \"freed_at\" alone"))
            }
            PoolVip::Pools(pools) => check_list("pools", pools, MAX_POOLS),
            PoolVip::FreedAt(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{encode, read};

    #[test]
    fn a_vip_has_pools_or_rests() {
        for text in [r#"{"pools":["blog","shop"]}"#, r#"{"freed_at":1767225600}"#] {
            assert_eq!(encode(&read::<PoolVip>(text.as_bytes()).unwrap()), text);
        }
        let refused = |text: &str| read::<PoolVip>(text.as_bytes()).unwrap_err().to_string();
        assert!(refused(r#"{"pools":[]}"#).contains("freed_at"));
        assert!(refused(r#"{"pools":["a","a"]}"#).contains("write it once"));
        assert!(refused(r#"{"pools":["A"]}"#).contains("write `a`"));
    }
}

//! Why a pool is not programmed as it is written, and what to write instead.

use std::net::SocketAddr;

use roundhouse_config::{Label, PortName};
use roundhouse_registry::record::Sink;
use serde::Serialize;

use crate::model::{Family, ServiceKey};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub pool: Label,
    pub wrong: Wrong,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error("its record cannot be read: {0}")]
    Unreadable(String),
    #[error("`{key}` is the pool `{owner}`'s, which is older; give this one another VIP or another port")]
    VipTwice { key: ServiceKey, owner: Label },
    #[error(
        "`{0}` is there already, made by somebody else; remove it there, or take it over with `lvs-sync adopt {0}`"
    )]
    Foreign(ServiceKey),
    #[error(
        "`{key}` is {family} and no destination is; register {family} addresses, leave the VIP out, or write \
             \"forwarding\": \"tunnel\", which carries either"
    )]
    NoneOfTheFamily { key: ServiceKey, family: Family },
    #[error(
        "{address} is {family} and no VIP is, so nothing would reach it; give the pool an {family} VIP, or write \
             \"forwarding\": \"tunnel\", which carries either"
    )]
    OfAnotherFamily { address: SocketAddr, family: Family },
    #[error(
        "{address} has another port than the VIP {vip}, and only \"forwarding\": \"masq\" translates ports; write \
             that, or let the instances listen at the VIP's port"
    )]
    PortDiffers { vip: SocketAddr, address: SocketAddr },
    #[error(
        "{address} would weigh {weight}, and the most is 65535; write a smaller `weight` or `local_weight`"
    )]
    TooHeavy { address: SocketAddr, weight: u32 },
    #[error("{sink} cannot do it: {reason}")]
    Unfit { sink: Sink, reason: String },
    #[error("no live gateway says that it has the entrypoint `{0}`; nothing is taken out for that")]
    NoHub(PortName),
    #[error("there is no pool `{0}` that it could lead to")]
    NoPool(Label),
    #[error("the pool `{0}` that it leads to has no VIP")]
    NoVips(Label),
    #[error("it leads to itself: {}", way(.0))]
    Loop(Vec<Label>),
    #[error(
        "no live director holds the line `{0}`, so nobody programs its VIPs there; start lvs-sync with that line"
    )]
    NobodyHolds(Label),
}

impl Problem {
    pub fn of(pool: &Label, wrong: Wrong) -> Problem {
        Problem { pool: pool.clone(), wrong }
    }

    /// Whether nothing is changed for the pool as long as it stands.
    pub fn blocks(&self) -> bool {
        !matches!(self.wrong, Wrong::NobodyHolds(_))
    }
}

impl Wrong {
    /// For JSON and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Wrong::Unreadable(_) => "unreadable",
            Wrong::VipTwice { .. } => "vip_twice",
            Wrong::Foreign(_) => "foreign",
            Wrong::NoneOfTheFamily { .. } | Wrong::OfAnotherFamily { .. } => "mixed_families",
            Wrong::PortDiffers { .. } => "port_differs",
            Wrong::TooHeavy { .. } => "too_heavy",
            Wrong::Unfit { .. } => "unfit",
            Wrong::NoHub(_) => "no_hub",
            Wrong::NoPool(_) => "no_pool",
            Wrong::NoVips(_) => "no_vips",
            Wrong::Loop(_) => "loop",
            Wrong::NobodyHolds(_) => "nobody_holds",
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pool `{}`: {}", self.pool, self.wrong)
    }
}

impl Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            pool: &'a Label,
            problem: &'static str,
            message: String,
            blocks: bool,
        }
        let message = self.wrong.to_string();
        Shown { pool: &self.pool, problem: self.wrong.code(), message, blocks: self.blocks() }
            .serialize(serializer)
    }
}

fn way(pools: &[Label]) -> String {
    pools.iter().map(Label::as_str).collect::<Vec<_>>().join(" -> ")
}

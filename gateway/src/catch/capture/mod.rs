//! *capture*: one listener a worker for all VIPs and ports, by nftables' TPROXY. Needs CAP_NET_ADMIN, for the `nft` and
//! `ip` programs too, and for UDP answers CAP_NET_RAW.
//!
//! ```text
//! packet to VIP:port ─► prerouting: tproxy ─► our listener on loopback (getsockname: VIP:port)
//!                            └ nobody listens: refused
//! ```
//!
//! - A VIP is a local route ([`route`]), so the host's own packets pass prerouting on lo like those of others; no `ip
//!   rule`, redirect or `route_localnet` takes part.
//! - The table ([`table`], [`nft`]) is replaced in one transaction: installing it twice, or after a kill, is
//!   installing it once.
//! - What the kernel has accepted goes on without the table, and while nobody listens.
//! - Without a listener the table refuses: a dead gateway does not hang its clients, and an app of this host on the
//!   same port never gets what was meant for a job. Addresses outside the prefixes are not touched.

pub mod listener;
pub mod nft;
pub mod reply;
pub mod route;
mod sys;
pub mod table;

pub use self::listener::Listeners;
pub use self::nft::{Installed, NftError};
pub use self::reply::Replies;
pub use self::route::RouteError;
pub use self::table::{Family, Table, Target};

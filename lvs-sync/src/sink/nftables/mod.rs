//! A kernel balancer without IPVS: destination NAT by rules, in an nftables table of our own.
//!
//! ```text
//! nft -j list table ─► read ─► Picture ─► Table ─► dump: services, and open connections by conntrack
//! ops ─► Table ─► draw ─► Picture ─► write: what differs ─► nft -f, one transaction ─► stale entries of conntrack go
//! ```
//!
//! - A packet is looked up by its destination once, when its connection begins; from then on conntrack translates it. So
//!   who has weight 0 is in no rule and keeps its connections.
//! - Nothing but our table is touched, and in it nothing of somebody else's. What somebody has changed of ours is shown as
//!   a service with another scheduler, so that it is told again, and written anew as a whole.
//! - Everything that we have to know is in the table: weights and schedulers are its comments. Nothing is kept besides.
//! - The picture that was read last is what the next transaction begins from. If it has changed meanwhile the transaction
//!   fails, changes nothing, and the next one reads again.

mod conntrack;
mod consistent;
mod draw;
mod fit;
mod forwarding;
mod nft;
mod picture;
#[cfg(test)]
mod pretended;
mod read;
mod slots;
mod stale;
mod table;
mod vip;
mod write;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use roundhouse_registry::record;

use self::conntrack::Shown;
use self::picture::Picture;
use self::stale::Stale;
use self::table::{Hand, Table};
use self::vip::Vip;
use super::{Claim, OpError, Sink, SinkError, Unfit};
use crate::model::{Actual, Op, Service, ServiceKey};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The table's name, in family `inet`: letters, digits and `/ \ _ . -`, a letter first.
    pub table: String,
    /// Destinations see this host's address instead of the client's, so that their answers come back here. A host that is
    /// its destinations' gateway can leave the client's address as it is.
    pub masquerade: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { table: "roundhouse-lvs".into(), masquerade: true }
    }
}

/// `nft` can have tables with other names, which would have to be quoted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no name of an nftables table; write at most 100 letters, digits and `/ \\ _ . -`, a letter first"
)]
pub struct TableNameError(String);

#[derive(Debug)]
pub struct Nftables {
    options: Options,
    /// As it was read or written last. `None`: it may be otherwise by now.
    seen: Option<Seen>,
    stale: Stale,
    /// Why stale entries could not be deleted yet.
    trouble: Option<String>,
}

#[derive(Debug)]
struct Seen {
    picture: Picture,
    table: Table,
}

impl Nftables {
    pub fn new(options: Options) -> Result<Nftables, TableNameError> {
        let name = &options.table;
        let is_plain = |char: char| char.is_ascii_alphanumeric() || "/\\_.-".contains(char);
        if name.len() > 100
            || !name.starts_with(|char: char| char.is_ascii_alphabetic())
            || !name.chars().all(is_plain)
        {
            return Err(TableNameError(name.chars().take(100).collect()));
        }
        Ok(Nftables { options, seen: None, stale: Stale::default(), trouble: None })
    }

    fn look(&self) -> Result<Seen, SinkError> {
        let strange = || SinkError::Strange("what nft lists is in no form that is known here".into());
        let picture = match nft::list(&self.options.table)? {
            Some(listing) => read::picture(&listing).ok_or_else(strange)?,
            None => Picture::default(),
        };
        let table = Table::of(&picture, self.options.masquerade);
        Ok(Seen { picture, table })
    }

    /// What could not be deleted stays to be deleted: the operation is done all the same.
    fn sweep(&mut self, table: &Table) {
        self.trouble = match self.stale.sweep(table) {
            Ok(()) => None,
            Err(error) => Some(format!("connections of removed destinations go on: {error}")),
        };
    }
}

impl Sink for Nftables {
    fn kind(&self) -> record::Sink {
        record::Sink::Nftables
    }

    fn fit(&self, key: &ServiceKey, wanted: Service) -> Result<Service, Unfit> {
        fit::service(key, wanted)
    }

    fn dump(&mut self) -> Result<Actual, SinkError> {
        self.seen = None;
        let seen = self.look()?;
        self.sweep(&seen.table);
        let (services, open) = (seen.table.services(), open(&seen.table)?);
        let actual = Actual { services, open, ..Actual::default() };
        self.seen = Some(seen);
        Ok(actual)
    }

    fn apply(&mut self, ops: &[Op], until: Option<Instant>) -> Result<Vec<Result<(), OpError>>, SinkError> {
        let before = match self.seen.take() {
            Some(seen) => seen,
            None => self.look()?,
        };
        let mut table = before.table.clone();
        let outcomes: Vec<Result<(), OpError>> = ops.iter().map(|op| table.take(op)).collect();
        let is_late = until.is_some_and(|until| Instant::now() >= until);
        if is_late || outcomes.iter().all(Result::is_err) {
            self.seen = Some(before);
            return Ok(if is_late { vec![Err(OpError::Late); ops.len()] } else { outcomes });
        }
        let picture = draw::picture(&table, &before.picture, self.options.masquerade);
        let commands = write::commands(&self.options.table, &before.picture, &picture);
        if !commands.is_empty()
            && let Err(error) = nft::commit(&commands)
        {
            let error = error.outcome()?;
            return Ok(outcomes.into_iter().map(|outcome| outcome.and(Err(error.clone()))).collect());
        }
        table.settle();
        self.stale.note(&before.table, &table);
        self.sweep(&table);
        self.seen = Some(Seen { picture, table });
        Ok(outcomes)
    }

    /// By its comment.
    fn claim(&self, key: &ServiceKey) -> Claim {
        let Some(Seen { table, .. }) = &self.seen else { return Claim::Recorded };
        let entry = Vip::of(key).and_then(|vip| table.services.get(&vip));
        match entry.is_some_and(|entry| entry.hand != Hand::Foreign) {
            true => Claim::Whole,
            false => Claim::Recorded,
        }
    }

    fn warnings(&self) -> Vec<String> {
        let vips = || self.seen.iter().flat_map(|seen| seen.table.services.keys());
        let mut warnings = forwarding::warnings(|family| vips().any(|vip| vip.family() == family));
        warnings.extend(self.trouble.clone());
        warnings
    }
}

fn open(table: &Table) -> Result<BTreeMap<(ServiceKey, SocketAddr), u64>, SinkError> {
    let mut counts: BTreeMap<(Vip, SocketAddr), u64> = BTreeMap::new();
    if !table.services.is_empty() {
        conntrack::each(Shown::Translated, |flow| {
            let entry = table.services.get(&flow.called);
            if flow.is_open && entry.is_some_and(|entry| entry.destinations.contains_key(&flow.answering)) {
                *counts.entry((flow.called, flow.answering)).or_default() += 1;
            }
        })?;
    }
    Ok(counts.into_iter().map(|((vip, to), count)| ((vip.key(), to), count)).collect())
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_name_that_nft_can_read() {
        let named = |table: &str| Nftables::new(Options { table: table.into(), ..Options::default() });
        for good in ["roundhouse-lvs", "a/b_c.d"] {
            assert!(named(good).is_ok(), "{good}");
        }
        for bad in ["", "7", "a b", "a;flush ruleset", "tür", &"a".repeat(101)] {
            let error = named(bad).unwrap_err().to_string();
            assert!(error.contains("letters"), "{error}");
        }
    }
}

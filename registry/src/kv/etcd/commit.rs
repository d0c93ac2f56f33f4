//! Transactions, and what becomes of one that got lost on its way.
//!
//! A member that freezes or dies with a transaction in hand may have done it, or may do it yet when it thaws. Sending
//! it to another member could do it twice. So:
//!
//! - It is sent only to a member that has just answered ([`Cluster::proven`]); that leaves a fraction of a second in
//!   which it can get lost at all.
//! - One whose own writes break one of its conditions can be done at most once while those keys stand: it is sent
//!   again. If it is then refused, its `else` branch shows the keys: if they are exactly as it would have left them, by
//!   one commit, it was done. If they are not, nobody knows, and the caller is told so, never `Refused`.
//! - Any other is not sent again: the caller knows whether it may be repeated.

use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Client, Compare, CompareOp, KeyValue, PutOptions, TxnOp, TxnOpResponse, TxnResponse};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::cluster::Cluster;
use super::fault::Fault;
use super::keys::Keys;
use super::{CALL_DEADLINE, name_lease, revision};
use crate::kv::{Commit, Condition, KvError, LeaseId, Op, Revision, Txn};

/// How long one member may take if another could be asked; leaves time for that within the deadline.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn commit(cluster: &Cluster, keys: &Keys, txn: &Txn) -> Result<Commit, KvError> {
    let until = Instant::now() + CALL_DEADLINE;
    let repeatable = breaks_its_conditions(txn) && cluster.has_alternatives();
    let mut request = request(keys, txn);
    let mut lost = None;
    loop {
        let index = cluster.proven(until).await?;
        let Some(member) = cluster.member(index) else {
            return Err(cluster.unavailable("no endpoint".into()));
        };
        let call = async |client: Arc<Client>| Ok(client.kv_client().txn(request.clone()).await?);
        let sent = Instant::now();
        let patience = if repeatable { until.min(sent + PATIENCE) } else { until };
        let fault = match timeout_at(patience, member.run(&call)).await {
            Ok(Ok(answer)) => {
                cluster.heard(index);
                return match verdict(keys, txn, &answer, lost.is_some()) {
                    Some(commit) => Ok(commit),
                    None => Err(cluster.unavailable(lost.unwrap_or_default())),
                };
            }
            Ok(Err(Fault::Answer(error))) => {
                return Err(match txn.then.iter().find_map(lease) {
                    Some(lease) => name_lease(error, lease),
                    None => error,
                });
            }
            Ok(Err(fault)) => fault,
            Err(_) => {
                member.reset();
                Fault::Lost(format!("no answer within {:?}", patience - sent))
            }
        };
        cluster.suspect(index);
        let reason = format!("{}: {}", member.host(), fault.reason());
        let early = Instant::now() + PAUSE < until;
        match fault {
            Fault::Unreachable(_) if !cluster.has_alternatives() => return Err(cluster.unavailable(reason)),
            Fault::Unreachable(_) | Fault::Unready(_) if early => {
                tracing::debug!(%reason, "the write goes to another member");
                sleep_until(Instant::now() + PAUSE).await;
            }
            Fault::Lost(_) if repeatable && early => {
                if lost.is_none() {
                    request = request.or_else(looks(keys, txn));
                }
                lost = Some(reason);
                // A member that answers at once that it knows nothing is not asked a thousand times.
                sleep_until(Instant::now() + PAUSE).await;
            }
            _ => return Err(cluster.unavailable(reason)),
        }
    }
}

/// Whether the transaction, once done, cannot be done again while the keys that it wrote stand.
fn breaks_its_conditions(txn: &Txn) -> bool {
    let puts = |wanted: &dyn Fn(&str) -> bool| {
        txn.then.iter().any(|op| matches!(op, Op::Put { key, .. } if wanted(key)))
    };
    let deletes = |wanted: &str| txn.then.iter().any(|op| matches!(op, Op::Delete(key) if key == wanted));
    txn.when.iter().any(|condition| match condition {
        Condition::Absent(key) | Condition::At(key, Revision(0)) => puts(&|put| put == key),
        Condition::At(key, _) => puts(&|put| put == key) || deletes(key),
        Condition::Vacant(prefix) => puts(&|put| put.starts_with(prefix)),
    })
}

fn request(keys: &Keys, txn: &Txn) -> etcd_client::Txn {
    let when: Vec<Compare> = txn
        .when
        .iter()
        .map(|condition| match condition {
            Condition::Absent(key) => Compare::create_revision(keys.full(key), CompareOp::Equal, 0),
            Condition::At(key, at) => Compare::mod_revision(keys.full(key), CompareOp::Equal, at.0 as i64),
            // Every key in the range must match, and one that is there was created.
            Condition::Vacant(prefix) => {
                Compare::create_revision(keys.full(prefix), CompareOp::Equal, 0).with_prefix()
            }
        })
        .collect();
    let then: Vec<TxnOp> = txn
        .then
        .iter()
        .map(|op| match op {
            Op::Put { key, value, lease } => {
                let options = lease.map(|lease| PutOptions::new().with_lease(lease.0));
                TxnOp::put(keys.full(key), value.to_vec(), options)
            }
            Op::Delete(key) => TxnOp::delete(keys.full(key), None),
        })
        .collect();
    etcd_client::Txn::new().when(when).and_then(then)
}

/// A look at every key that the transaction writes, in its order.
fn looks(keys: &Keys, txn: &Txn) -> Vec<TxnOp> {
    let key = |op: &Op| match op {
        Op::Put { key, .. } | Op::Delete(key) => keys.full(key),
    };
    txn.then.iter().map(|op| TxnOp::get(key(op), None)).collect()
}

/// `None`: it was refused, and nobody knows whether the one that got lost is why.
fn verdict(keys: &Keys, txn: &Txn, answer: &TxnResponse, lost: bool) -> Option<Commit> {
    if answer.succeeded() {
        let at = answer.header().map_or(0, etcd_client::ResponseHeader::revision);
        return Some(Commit::Done(revision(at)));
    }
    if !lost {
        return Some(Commit::Refused);
    }
    let found: Vec<Option<KeyValue>> = answer
        .op_responses()
        .into_iter()
        .map(|response| match response {
            TxnOpResponse::Get(found) => found.kvs().first().cloned(),
            _ => None,
        })
        .collect();
    let mut at = None;
    let as_left = |(op, found): (&Op, &Option<KeyValue>)| match (op, found) {
        (Op::Delete(_), found) => found.is_none(),
        (Op::Put { value, lease, .. }, Some(kv)) => {
            let entry = keys.entry(kv);
            entry.value == value
                && entry.lease == *lease
                && *at.get_or_insert(entry.modified) == entry.modified
        }
        (Op::Put { .. }, None) => false,
    };
    let done = found.len() == txn.then.len() && txn.then.iter().zip(&found).all(as_left);
    at.filter(|_| done).map(Commit::Done)
}

fn lease(op: &Op) -> Option<LeaseId> {
    if let Op::Put { lease, .. } = op { *lease } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(key: &str, revision: u64) -> Condition {
        Condition::At(key.into(), Revision(revision))
    }

    #[test]
    fn what_breaks_its_own_condition_can_be_done_once_only() {
        let put = || Txn::new().put("a", "v", None);
        let delete = || Txn::new().delete("a");
        assert!(!breaks_its_conditions(&put()));
        assert!(!breaks_its_conditions(&put().when(at("b", 7)).when(Condition::Absent("c".into()))));
        assert!(breaks_its_conditions(&put().when(at("a", 7))));
        assert!(breaks_its_conditions(&put().when(at("a", 0))));
        assert!(breaks_its_conditions(&put().when(Condition::Absent("a".into()))));
        assert!(breaks_its_conditions(&put().when(Condition::Vacant("a".into()))));
        assert!(breaks_its_conditions(&delete().when(at("a", 7))));
        assert!(!breaks_its_conditions(&delete().when(at("a", 0))));
        assert!(!breaks_its_conditions(&delete().when(Condition::Absent("a".into()))));
    }
}

//! What went wrong with a call to one member, told apart by what is done next.

use std::error::Error as _;
use std::io;

use etcd_client::Error;

use crate::kv::{KvError, LeaseId, Revision};

#[derive(Debug)]
pub(super) enum Fault {
    /// Nobody is there, or not the right one: nothing was sent, ask another member.
    Unreachable(String),
    /// It answers that it cannot do it now, and has not: ask another member.
    Unready(String),
    /// No answer, or half of one: it may have done it or may do it yet.
    Lost(String),
    /// It does not know who we are: log in again.
    Stranger(String),
    /// It knows, and does not let us.
    Forbidden,
    /// The cluster's own answer: no other member has a better one.
    Answer(KvError),
}

impl Fault {
    /// In words, for the member's part of a message.
    pub(super) fn reason(&self) -> String {
        match self {
            Fault::Unreachable(reason)
            | Fault::Unready(reason)
            | Fault::Lost(reason)
            | Fault::Stranger(reason) => reason.clone(),
            Fault::Forbidden => "permission denied".to_owned(),
            Fault::Answer(error) => error.to_string(),
        }
    }
}

impl From<Error> for Fault {
    /// gRPC codes as numbers (the `tonic` crate is the client library's own business): 3 INVALID_ARGUMENT, 5 NOT_FOUND,
    /// 7 PERMISSION_DENIED, 8 RESOURCE_EXHAUSTED, 11 OUT_OF_RANGE, 14 UNAVAILABLE, 16 UNAUTHENTICATED. The texts are
    /// etcd's (api/v3rpc/rpctypes/error.go).
    fn from(error: Error) -> Fault {
        let status = match error {
            Error::GRpcStatus(status) => status,
            Error::LeaseKeepAliveError(_) => return Fault::Answer(KvError::NoLease(LeaseId(0))),
            error => return Fault::Lost(error.to_string()),
        };
        let message = status.message();
        let reason = || reason(message, status.source());
        match status.code() as i32 {
            5 if message.contains("lease") => Fault::Answer(KvError::NoLease(LeaseId(0))),
            // The transport says 11 of a message over its limit too, and listing again would not help that.
            11 if message.contains("revision") => Fault::Answer(KvError::Compacted(Revision(0))),
            11 if message.contains("message length") => Fault::Answer(KvError::Invalid(too_long())),
            16 => Fault::Stranger(message.to_owned()),
            3 if STRANGERS.iter().any(|text| message.contains(text)) => Fault::Stranger(message.to_owned()),
            3 => Fault::Answer(KvError::Invalid(message.to_owned())),
            7 if status.source().is_none() => Fault::Forbidden,
            8 if message.contains("too many requests") => Fault::Unready(message.to_owned()),
            // Nobody else has room either, and asking again makes it worse.
            8 if message.contains("database space exceeded") => Fault::Answer(KvError::Unavailable {
                store: "etcd".to_owned(),
                reason: "its space is used up: compact and defragment it, then `etcdctl alarm disarm`"
                    .to_owned(),
            }),
            14 if message.contains("no leader") => Fault::Unready(message.to_owned()),
            14 if status.source().is_some_and(never_connected) => Fault::Unreachable(reason()),
            _ => Fault::Lost(reason()),
        }
    }
}

/// An answer that no page of the usual length fits into.
pub(super) fn too_long() -> String {
    "the answer is longer than this program reads".to_owned()
}

/// An old revision of the users; a request without a token, after they were switched on.
const STRANGERS: &[&str] = &["revision of auth store is old", "user name is empty"];

/// As rustls says it.
const BAD_SERVER: &str = "invalid peer certificate";

/// Whether a transport's error arose before anything was sent.
fn never_connected(error: &(dyn std::error::Error + 'static)) -> bool {
    sources(error).any(|error| {
        let refused = error.downcast_ref::<io::Error>().is_some_and(|error| {
            matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::HostUnreachable)
        });
        let text = error.to_string();
        refused || text.starts_with("tcp connect error") || text.starts_with("dns error") || is_tls(&text)
    })
}

/// Our own rustls, which did not let the connection come about.
fn is_tls(text: &str) -> bool {
    text.starts_with(BAD_SERVER) || text.contains("received corrupt message")
}

/// A message and what is behind it, each once: transports say "transport error" and keep the reason to themselves.
pub(super) fn reason(message: &str, source: Option<&(dyn std::error::Error + 'static)>) -> String {
    let mut text = message.to_owned();
    for part in source.into_iter().flat_map(sources).map(ToString::to_string) {
        if part != "transport error" && !text.contains(&part) {
            text = format!("{text}: {part}");
        }
    }
    if text.contains(BAD_SERVER) {
        text += "; is `ca` who signed it, and does it name this host?";
    }
    text
}

fn sources<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

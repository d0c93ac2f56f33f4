//! What the kernel remembers of connections (conntrack), by ctnetlink.
//!
//! A translated connection goes where its entry says, whatever the rules say by now. So an entry is how one sees that a
//! destination is still in use, and why one that is gone still gets datagrams: until the entry is deleted.

mod link;
mod message;

use std::io;
use std::net::SocketAddr;

use self::link::Link;
use super::vip::Vip;
use crate::model::Transport;
use crate::sink::SinkError;

/// One connection, of those that have ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    /// Whom the client has called.
    pub(super) called: Vip,
    /// Who answers: the same one, if nothing was translated.
    pub(super) answering: SocketAddr,
    /// Not yet over. TCP: neither closed nor waiting for stray packets (RFC 9293, 3.3.2).
    pub(super) is_open: bool,
}

/// Which entries the kernel shows at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    All,
    /// Of those whose destination is translated: a busy host has many others. Kernels before 5.14 show all.
    Translated,
}

pub(super) fn each(shown: Shown, mut look: impl FnMut(Flow)) -> Result<(), SinkError> {
    let mut link = Link::open().map_err(meaning)?;
    let dumped = link.dump(&message::dump(shown), &mut |payload| {
        if let Some(flow) = message::flow(payload) {
            look(flow);
        }
    });
    dumped.map_err(meaning)
}

/// How many there were. One that has ended by itself meanwhile is none.
pub(super) fn delete(shown: Shown, is_meant: impl Fn(Flow) -> bool) -> Result<usize, SinkError> {
    let mut link = Link::open().map_err(meaning)?;
    let mut meant = Vec::new();
    let dumped = link.dump(&message::dump(shown), &mut |payload| {
        if message::flow(payload).is_some_and(&is_meant) {
            meant.extend(message::delete(payload));
        }
    });
    dumped.map_err(meaning)?;
    for request in &meant {
        match link.call(request) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result.map_err(meaning)?,
        }
    }
    Ok(meant.len())
}

fn meaning(error: io::Error) -> SinkError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => SinkError::Refused(
            "connections may not be seen by this process; grant it CAP_NET_ADMIN (systemd: \
             AmbientCapabilities=CAP_NET_ADMIN)"
                .into(),
        ),
        // nfnetlink's answer about a subsystem that nobody has registered.
        io::ErrorKind::InvalidInput => SinkError::Refused(
            "this kernel tells nobody about its connections; load its module (modprobe nf_conntrack_netlink)"
                .into(),
        ),
        _ => SinkError::io("conntrack")(error),
    }
}

impl Flow {
    pub(super) fn is_udp(&self) -> bool {
        self.called.transport == Transport::Udp
    }
}

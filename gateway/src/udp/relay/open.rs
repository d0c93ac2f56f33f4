//! A first datagram: room -> pick -> connect, send -> watch.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Instant;

use super::downstream::{Session, Socket};
use super::upstream::{self, Fault, fault};
use crate::udp::counters::add;
use crate::udp::session::{Key, Room};
use crate::udp::{Host, Reason, Traffic};

/// Instances that one datagram is tried at.
const ATTEMPTS: usize = 3;

/// An instance that has been sent the first datagram.
struct Opened<P> {
    upstream: OwnedFd,
    instance: SocketAddr,
    picked: P,
}

impl<H: Host + 'static> Socket<H> {
    /// A session for a datagram that has none, which goes to the instance that is picked; dropped where there is no
    /// room or nobody to send it to.
    pub(super) fn open_session(&self, key: Key, bytes: &[u8]) {
        let counters = self.shared.host.counters();
        let room = self.sessions.borrow().room(self.shared.is_full());
        if room == Room::None || self.is_draining.get() {
            return add(&counters.refused, 1);
        }
        let Some(opened) = self.reach(key, bytes) else { return };
        if let Room::Instead(slot) = room {
            self.close(slot, Reason::Evicted);
        }
        let Opened { upstream, instance, picked } = opened;
        let traffic =
            Traffic { datagrams_to_instance: 1, bytes_to_instance: bytes.len() as u64, ..Traffic::default() };
        let session = Session { upstream, instance, picked, since: Instant::now(), traffic };
        add(&counters.datagrams_to_instances, 1);
        add(&counters.bytes_to_instances, bytes.len());
        add(&counters.opened, 1);
        add(&counters.open, 1);
        self.shared.open.set(self.shared.open.get() + 1);
        let mut sessions = self.sessions.borrow_mut();
        let idle = self.shared.host.idle(&session.picked);
        let slot = sessions.insert(key, idle, self.shared.now.get(), session);
        let Some((_, session)) = sessions.get(slot) else { return };
        let watched = self.shared.watch_session(self.id, slot, &session.upstream);
        self.shared.host.opened(&session.view(key, false));
        drop(sessions);
        if let Err(error) = watched {
            // Our own shortage (fs.epoll.max_user_watches): without its replies the session is of no use.
            tracing::debug!(%error, "a UDP session cannot be watched");
            self.close(slot, Reason::Stopped);
        }
    }

    /// An instance that the datagram could be sent to. One that fails at once is not the client's trouble: another is
    /// tried.
    fn reach(&self, key: Key, bytes: &[u8]) -> Option<Opened<H::Picked>> {
        let host = &self.shared.host;
        let counters = host.counters();
        let mut tried = Vec::new();
        while tried.len() < ATTEMPTS {
            let (picked, instance) = match host.pick(key.asked, key.client, &tried) {
                Ok(picked) => picked,
                Err(refused) => {
                    tracing::trace!(asked = %key.asked, client = %key.client, %refused, "no UDP session");
                    break;
                }
            };
            let error = match upstream::open(instance, bytes) {
                Ok(upstream) => return Some(Opened { upstream, instance, picked }),
                Err(error) => error,
            };
            match fault(&error) {
                Fault::Instance => {
                    host.failed(&picked, &error);
                    add(&counters.retries, 1);
                    tried.push(picked);
                }
                Fault::Datagram => {
                    add(&counters.dropped, 1);
                    return None;
                }
                // A socket without a local port (EAGAIN, udp(7)) is short of one too.
                Fault::Shortage | Fault::Full | Fault::Interrupted => {
                    tracing::debug!(%error, "this gateway is out of ports or descriptors; no UDP session");
                    break;
                }
            }
        }
        add(&counters.refused, 1);
        None
    }
}

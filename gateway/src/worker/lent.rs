//! A listener of the control plane's, lent to a worker, and how it closes without a reset.
//!
//! Closing a listening socket resets every connection that waits in its backlog, and those whose handshake is under way
//! (net.ipv4.tcp_migrate_req is 0 by default). So: first a socket filter drops new SYNs, whose clients try again and find
//! another listener or a refusal; handshakes under way get [`HANDSHAKES`] to complete; what the kernel has by then is
//! accepted; then it closes.

use std::cell::RefCell;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use socket2::{SockFilter, SockRef};
use tokio::io::unix::AsyncFd;
use tokio::task::JoinHandle;

use super::Site;

/// A round trip to anywhere nearby.
pub(super) const HANDSHAKES: Duration = Duration::from_millis(100);

/// Offset of the flags in a TCP header, and two of them (RFC 9293, 3.1).
const FLAGS: u32 = 13;
const SYN: u32 = 0x02;
const ACK: u32 = 0x10;

pub(super) struct Lent {
    site: Rc<RefCell<Site>>,
    listener: Rc<AsyncFd<TcpListener>>,
    /// Accepts from it.
    task: JoinHandle<()>,
}

impl Lent {
    pub(super) fn new(
        listener: Rc<AsyncFd<TcpListener>>,
        site: Rc<RefCell<Site>>,
        task: JoinHandle<()>,
    ) -> Lent {
        Lent { site, listener, task }
    }

    /// What is accepted from now on came in by this.
    pub(super) fn resite(&self, site: Site) {
        *self.site.borrow_mut() = site;
    }

    /// From now on no handshake begins; those under way go on, and so does the accepting.
    pub(super) fn refuse_new(&self) {
        // Classic BPF (linux/filter.h): drop (0) a segment with SYN and without ACK, pass the others whole.
        let filter = [
            SockFilter::new(0x30, 0, 0, FLAGS),     // ldb [13]
            SockFilter::new(0x54, 0, 0, SYN | ACK), // and #0x12
            SockFilter::new(0x15, 0, 1, SYN),       // jeq #0x02
            SockFilter::new(0x06, 0, 0, 0),         // ret #0
            SockFilter::new(0x06, 0, 0, u32::MAX),  // ret #-1
        ];
        if let Err(error) = SockRef::from(self.listener.get_ref()).attach_filter(&filter) {
            tracing::warn!(%error, "a closing listener cannot turn new connections away");
        }
    }

    /// Takes everything that the kernel has accepted, and closes.
    pub(super) async fn close(self, mut take: impl FnMut(OwnedFd, SocketAddr, Site)) {
        self.task.abort();
        // The task holds the listener too, until it is gone.
        let _ = self.task.await;
        // Asked of the kernel itself: the runtime knows only what its last poll has told it.
        loop {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            let (socket, peer) = match acceptfrom_with(self.listener.get_ref(), flags) {
                Ok((socket, Some(peer))) => (socket, peer),
                Ok((_, None)) | Err(Errno::CONNABORTED | Errno::INTR) => continue,
                // EAGAIN: that was all. EMFILE: nothing can be done for the others.
                Err(_) => return,
            };
            if let Ok(peer) = SocketAddr::try_from(peer) {
                take(socket, peer, self.site.borrow().clone());
            }
        }
    }
}

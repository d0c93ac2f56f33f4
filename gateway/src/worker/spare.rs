//! A descriptor kept for the moment when there is none left: with it a connection that cannot be served is still accepted
//! and refused visibly, instead of waiting in the backlog until the client loses patience.

use std::fs::File;
use std::net::TcpListener;

use rustix::net::{SocketFlags, acceptfrom_with, sockopt};

/// Refused at a time; then the worker's connections have their turn again.
const BATCH: usize = 64;

#[derive(Debug)]
pub(super) struct Spare(Option<File>);

impl Spare {
    pub(super) fn new() -> Spare {
        Spare(open())
    }

    /// Resets what waits in the backlog, a batch at most; how many there were.
    pub(super) fn refuse_waiting(&mut self, listener: &TcpListener) -> u64 {
        let mut refused = 0;
        for _ in 0..BATCH {
            self.0.take();
            let accepted = acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC);
            let done = match accepted {
                Ok((socket, _)) => {
                    let _ = sockopt::set_socket_linger(&socket, Some(std::time::Duration::ZERO));
                    refused += 1;
                    false
                }
                Err(_) => true,
            };
            self.0 = open();
            if done || self.0.is_none() {
                break;
            }
        }
        refused
    }
}

/// Nothing is read from it; it only takes a descriptor.
fn open() -> Option<File> {
    File::open("/dev/null").ok()
}

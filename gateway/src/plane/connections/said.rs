//! What is known of a client beside the other end of its socket.

use std::net::SocketAddr;

use roundhouse_registry::access::{Claim, Shown};
use roundhouse_registry::record::Digest;

use super::Connection;

/// Boxed where there is any of it, as most connections have none: ten thousand quiet ones are ten thousand of these.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// By a trusted PROXY header.
    client: Option<SocketAddr>,
    /// Which job the client says it is, or has proved to be.
    jobname: Option<Box<str>>,
    /// By its certificate.
    certified: bool,
    /// The hash of the token by which it proves that.
    token: Option<Digest>,
    /// The cgroup of its socket, once it was asked for.
    owner: Option<Option<u64>>,
}

impl Said {
    pub fn claim(&self) -> Claim<'_> {
        self.jobname.as_deref().map_or(Claim::None, Claim::Name)
    }

    pub fn proof(&self) -> Shown<'_> {
        Shown { token: self.token, certificate: self.jobname.as_deref().filter(|_| self.certified) }
    }

    pub fn jobname(&self) -> Option<&str> {
        self.jobname.as_deref()
    }
}

impl Connection {
    /// What was said so far, as it is now.
    pub fn said(&self) -> Option<Box<Said>> {
        self.said.borrow().clone()
    }

    /// The other end of the socket, or whom a trusted PROXY header names.
    pub fn client(&self) -> SocketAddr {
        self.said.borrow().as_ref().and_then(|said| said.client).unwrap_or(self.peer)
    }

    pub fn set_client(&self, client: SocketAddr) {
        self.said.borrow_mut().get_or_insert_default().client = Some(client);
    }

    /// Which job the client says it is, or has proved to be.
    pub fn jobname(&self) -> Option<Box<str>> {
        self.said.borrow().as_ref().and_then(|said| said.jobname.clone())
    }

    pub fn set_jobname(&self, jobname: Option<Box<str>>) {
        let mut said = self.said.borrow_mut();
        let said = said.get_or_insert_default();
        (said.jobname, said.certified) = (jobname, false);
    }

    /// Its certificate says so.
    pub fn set_certified(&self, jobname: Box<str>) {
        let mut said = self.said.borrow_mut();
        let said = said.get_or_insert_default();
        (said.jobname, said.certified) = (Some(jobname), true);
    }

    pub fn set_token(&self, token: Digest) {
        self.said.borrow_mut().get_or_insert_default().token = Some(token);
    }

    /// The cgroup of the client's socket, which `ask` finds out the first time.
    pub fn owner(&self, ask: impl FnOnce() -> Option<u64>) -> Option<u64> {
        if let Some(owner) = self.said.borrow().as_ref().and_then(|said| said.owner) {
            return owner;
        }
        let owner = ask();
        self.said.borrow_mut().get_or_insert_default().owner = Some(owner);
        owner
    }
}

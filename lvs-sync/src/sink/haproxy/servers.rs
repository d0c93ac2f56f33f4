//! Servers while they run: what the Runtime API is told of one of them, a command a connection.
//!
//! Rest is said in weights: a server of weight 0 takes no new connection, keeps those that it has and goes on being
//! checked, as one in `drain` does; but a weight can also be written into the fragment, so that it outlives a reload, and
//! there is one thing to compare instead of two.
//!
//! Every command that was done is told to the [`Backend`] too, which so stays what runs, whatever breaks in the middle.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::command::POLL;
use super::fragment::Section;
use super::name;
use super::running::{Backend, Check, Server};
use super::socket::RuntimeApi;
use crate::sink::{OpError, SinkError};

/// For the sessions of a server that leaves to be gone once they were shut: they go with the next turn of their threads.
/// Below the time for an answer, since `wait` takes as long.
const SHUTTING: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
pub(super) struct Servers<'a> {
    pub(super) api: &'a RuntimeApi,
    pub(super) check: bool,
    /// Whether this HAProxy has `wait srv-removable`.
    pub(super) waits: bool,
    pub(super) until: Option<Instant>,
}

/// Why a server was not changed.
pub(super) enum Stop {
    /// As the operation's own outcome.
    Op(OpError),
    /// HAProxy is not there: nothing else will do either.
    Broken(SinkError),
}

impl Servers<'_> {
    pub(super) fn add(&self, backend: &mut Backend, address: SocketAddr, weight: u32) -> Result<(), Stop> {
        let mut section = Section::of(backend);
        let line = section.add(address, weight);
        let at = format!("{}/{}", backend.name(), name::server(address));
        let command = format!("add server {at} {}", line.told(address, section.shape, self.check));
        let answer = self.tell(&command)?;
        if answer.contains("Already exists") {
            return Err(Stop::Op(OpError::Exists));
        }
        if !answer.contains("New server registered") {
            return Err(refused(&command, &answer));
        }
        let server = Server {
            name: name::server(address),
            id: line.id.unwrap_or_default(),
            weight,
            rests: true,
            check: if self.check { Check::Off } else { Check::None },
            sessions: 0,
        };
        self.wake(&at, backend.servers.entry(address).insert_entry(server).into_mut())
    }

    pub(super) fn weigh(&self, backend: &mut Backend, address: SocketAddr, weight: u32) -> Result<(), Stop> {
        let name = backend.name();
        let Some(server) = backend.servers.get_mut(&address) else { return Err(Stop::Op(OpError::Gone)) };
        let at = format!("{name}/{}", server.name);
        self.order(&at, &format!("set server {at} weight {weight}"))?;
        server.weight = weight;
        // Somebody's drain or maintenance, or what an interrupted `add` left.
        if server.rests && weight > 0 { self.wake(&at, server) } else { Ok(()) }
    }

    /// Its sessions end with it: it has none any more, or has had its time.
    pub(super) fn remove(&self, backend: &mut Backend, address: SocketAddr) -> Result<(), Stop> {
        let name = backend.name();
        let Some(server) = backend.servers.get_mut(&address) else { return Err(Stop::Op(OpError::Gone)) };
        let at = format!("{name}/{}", server.name);
        self.order(&at, &format!("set server {at} state maint"))?;
        server.rests = true;
        if !self.delete(&at)? {
            self.order(&at, &format!("shutdown sessions server {at}"))?;
            self.delete_soon(&at)?;
        }
        backend.servers.remove(&address);
        Ok(())
    }

    /// From the maintenance in which a server is added to its turn among the others.
    fn wake(&self, at: &str, server: &mut Server) -> Result<(), Stop> {
        if server.check == Check::Off {
            self.order(at, &format!("enable health {at}"))?;
            server.check = Check::On;
        }
        self.order(at, &format!("enable server {at}"))?;
        server.rests = false;
        Ok(())
    }

    fn delete_soon(&self, at: &str) -> Result<(), Stop> {
        if self.waits {
            // However it ends: the next answer says whether it has to be waited on.
            self.tell(&format!("wait {}ms srv-removable {at}", SHUTTING.as_millis()))?;
        }
        let end = Instant::now() + SHUTTING;
        while !self.delete(at)? {
            if Instant::now() >= end {
                let message = format!("{at} still has connections {SHUTTING:?} after its sessions were shut");
                return Err(Stop::Op(OpError::Later(message)));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// `false`: it has connections.
    fn delete(&self, at: &str) -> Result<bool, Stop> {
        let command = format!("del server {at}");
        let answer = self.tell(&command)?;
        match () {
            () if answer.contains("Server deleted") => Ok(true),
            () if answer.contains("still has connections") => Ok(false),
            () => Err(judge(at, &command, &answer).err().unwrap_or_else(|| refused(&command, &answer))),
        }
    }

    /// A command that has nothing to say.
    fn order(&self, at: &str, command: &str) -> Result<(), Stop> {
        judge(at, command, &self.tell(command)?)
    }

    fn tell(&self, command: &str) -> Result<String, Stop> {
        if self.until.is_some_and(|until| Instant::now() >= until) {
            return Err(Stop::Op(OpError::Late));
        }
        self.api.ask(command).map_err(Stop::Broken)
    }
}

fn judge(at: &str, command: &str, answer: &str) -> Result<(), Stop> {
    if answer.contains("No such server") || answer.contains("No such backend") {
        return Err(Stop::Op(OpError::Gone));
    }
    // Some versions say in the answer what they write into their log: that this server goes up or down.
    let news = |line: &str| line.is_empty() || line.contains(at) || line.contains("has no server available");
    if answer.lines().all(|line| news(line.trim())) { Ok(()) } else { Err(refused(command, answer)) }
}

fn refused(command: &str, answer: &str) -> Stop {
    let said = answer.split_whitespace().collect::<Vec<_>>().join(" ");
    Stop::Op(OpError::Refused(format!("HAProxy answers `{command}` with: {said}")))
}

#[cfg(test)]
mod tests;

//! What the process runs, as it says of itself: our backends and their servers, and nobody else's.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::shape::{Balance, ProxyHeader, Shape};
use super::socket::RuntimeApi;
use super::{csv, name};
use crate::model::{ServiceKey, Settings};
use crate::sink::SinkError;

/// Asked in one line, so that a reload in between does not give half of one process and half of the next. The numbers:
/// of every proxy, backends (2) and servers (4), all of them.
const QUESTION: &str = "show cli level;show info;show servers state;show stat -1 6 -1";
/// The first that adds and removes servers without its experimental mode (management.txt, `add server`).
const OLDEST: (u32, u32) = (2, 6);
/// The first that has `wait srv-removable`.
const WAITS: (u32, u32) = (3, 0);
/// `srv_admin_state` (management.txt, `show servers state`): all that is maintenance or drain, by whomever.
const RESTING: u32 = 0x3f;
/// `srv_check_state`: there is a check, and it is enabled.
const CHECK_CONFIGURED: u32 = 0x02;
const CHECK_ENABLED: u32 = 0x04;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Running {
    /// Another one after every reload.
    pub(super) process: String,
    /// Whether it has `wait srv-removable`.
    pub(super) waits: bool,
    pub(super) backends: BTreeMap<ServiceKey, Backend>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Backend {
    pub(super) vip: SocketAddr,
    /// HAProxy's word, ours or not.
    pub(super) algorithm: String,
    pub(super) header: Option<ProxyHeader>,
    pub(super) servers: BTreeMap<SocketAddr, Server>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) name: String,
    pub(super) id: u32,
    /// As it was told, also while it rests.
    pub(super) weight: u32,
    /// In maintenance or drain.
    pub(super) rests: bool,
    pub(super) check: Check,
    pub(super) sessions: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    None,
    /// As every check is after `add server`, until it is enabled.
    Off,
    On,
}

impl Running {
    pub(super) fn look(api: &RuntimeApi) -> Result<Running, SinkError> {
        let answer = api.ask(QUESTION)?;
        // A lower one would see all, or nearly, and change nothing.
        if answer.lines().next().is_some_and(|level| matches!(level, "operator" | "user")) {
            return Err(api.denied(QUESTION));
        }
        read(&answer)
    }
}

impl Backend {
    /// `None`: it has an algorithm that we never write.
    pub(super) fn shape(&self) -> Option<Shape> {
        Some(Shape { balance: Balance::read(&self.algorithm)?, header: self.header })
    }

    pub(super) fn settings(&self) -> Option<Settings> {
        self.shape().map(Shape::settings)
    }

    pub(super) fn name(&self) -> String {
        name::backend(self.vip, self.header)
    }
}

impl Server {
    /// Of new connections: one that rests takes none.
    pub(super) fn takes(&self) -> u32 {
        if self.rests { 0 } else { self.weight }
    }
}

fn read(answer: &str) -> Result<Running, SinkError> {
    // An empty line is the end of what a command says, and nowhere else (management.txt, 9.3): without one it was cut off.
    if !answer.ends_with("\n\n") {
        return Err(strange("show stat"));
    }
    let mut answers = answer.splitn(4, "\n\n");
    let mut next = || answers.next().unwrap_or_default();
    let (_level, info, state, stat) = (next(), next(), next(), next());
    let waits = version(info)? >= WAITS;
    let process = said(info, "Pid").ok_or_else(|| strange("show info"))?.to_owned();
    let mut running = Running { process, waits, backends: BTreeMap::new() };
    let sessions = read_stat(stat, &mut running).ok_or_else(|| strange("show stat"))?;
    read_state(state, &sessions, &mut running).ok_or_else(|| strange("show servers state"))?;
    Ok(running)
}

fn version(info: &str) -> Result<(u32, u32), SinkError> {
    let text = said(info, "Version").unwrap_or_default();
    let mut numbers = text.split(['.', '-']).map(str::parse);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return Err(strange("show info"));
    };
    if (major, minor) < OLDEST {
        return Err(SinkError::Refused(format!(
            "HAProxy {text} takes no servers while it runs; install {}.{} or a later one",
            OLDEST.0, OLDEST.1
        )));
    }
    Ok((major, minor))
}

fn said<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// The backends, and the sessions of every server by both names.
fn read_stat(text: &str, running: &mut Running) -> Option<BTreeMap<(String, String), u64>> {
    let mut sessions = BTreeMap::new();
    for [backend, server, current, algorithm] in csv::rows(text, ["pxname", "svname", "scur", "algo"])? {
        let Some((vip, header)) = name::read_backend(&backend) else { continue };
        if server == "BACKEND" {
            let found = Backend { vip, algorithm, header, servers: BTreeMap::new() };
            running.backends.insert(name::key(vip), found);
        } else {
            sessions.insert((backend, server), current.parse().ok()?);
        }
    }
    Some(sessions)
}

fn read_state(text: &str, sessions: &BTreeMap<(String, String), u64>, running: &mut Running) -> Option<()> {
    let mut lines = text.lines();
    // The version of the format.
    if lines.next()? != "1" {
        return None;
    }
    let titles: Vec<&str> = lines.next()?.strip_prefix("# ")?.split(' ').collect();
    let column = |title| titles.iter().position(|found| *found == title);
    let columns = [
        column("be_name")?,
        column("srv_id")?,
        column("srv_name")?,
        column("srv_addr")?,
        column("srv_port")?,
        column("srv_admin_state")?,
        column("srv_uweight")?,
        column("srv_check_state")?,
    ];
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(' ').collect();
        let field = |at: usize| fields.get(at).copied();
        let [
            Some(backend),
            Some(id),
            Some(server),
            Some(ip),
            Some(port),
            Some(admin),
            Some(weight),
            Some(check),
        ] = columns.map(field)
        else {
            return None;
        };
        let Some((vip, _)) = name::read_backend(backend) else { continue };
        // One without an address (a name not resolved yet, a Unix socket) is no destination, and none of ours.
        let Ok(ip) = ip.parse::<IpAddr>() else { continue };
        let Some(found) = running.backends.get_mut(&name::key(vip)) else { continue };
        let (admin, check) = (admin.parse::<u32>().ok()?, check.parse::<u32>().ok()?);
        let named = (backend.to_owned(), server.to_owned());
        found.servers.insert(
            SocketAddr::new(ip, port.parse().ok()?),
            Server {
                id: id.parse().ok()?,
                weight: weight.parse().ok()?,
                rests: admin & RESTING != 0,
                check: match (check & CHECK_CONFIGURED != 0, check & CHECK_ENABLED != 0) {
                    (false, _) => Check::None,
                    (true, false) => Check::Off,
                    (true, true) => Check::On,
                },
                sessions: sessions.get(&named).copied().unwrap_or_default(),
                name: named.1,
            },
        );
    }
    Some(())
}

fn strange(command: &str) -> SinkError {
    SinkError::Strange(format!(
        "HAProxy's answer to `{command}` is none that is known here; a version of 2.6 to 3.x is expected at this socket"
    ))
}

#[cfg(test)]
mod tests;

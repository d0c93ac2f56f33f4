//! A network of the bench's own, with nothing but loopback, in which everybody has the same congestion control.
//!
//! The machine's own one may be BBR, which doubles everybody's cost of bulk. It is set on the routes (ip-route(8),
//! `congctl`), which works also where the sysctl is not allowed to name it.

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::net::sockopt::tcp_congestion;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const INSIDE: &str = "ROUNDHOUSE_BENCH_INSIDE";
const WANTED: &str = "cubic";

const SETTINGS: [(&str, &str); 3] = [
    ("net/ipv4/tcp_congestion_control", WANTED),
    // As a client and as a server, for whoever asks for it on its socket (tcp(7)).
    ("net/ipv4/tcp_fastopen", "3"),
    // A connection a request takes 20,000 ports a second.
    ("net/ipv4/ip_local_port_range", "10240 65535"),
];

pub struct Network {
    /// What a connection in it really uses.
    pub congestion: String,
}

/// Starts this program again in a new network (unshare(1)), unless it is in there; sets that up.
pub fn enter() -> io::Result<Network> {
    if std::env::var_os(INSIDE).is_none() {
        let mut command = Command::new("unshare");
        command.arg("--net");
        if !rustix::process::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        command.arg(std::env::current_exe()?).args(std::env::args_os().skip(1)).env(INSIDE, "1");
        // Returns only when it could not be done.
        let error = command.exec();
        return Err(io::Error::new(error.kind(), format!("unshare (util-linux): {error}")));
    }
    ip("link set lo up")?;
    for (setting, value) in SETTINGS {
        // Not fatal: the routes say it too, and what is in force is looked at.
        let _ = fs::write(format!("/proc/sys/{setting}"), value);
    }
    for prefix in ["127.0.0.0/8", "127.0.0.1/32"] {
        let route = format!("local {prefix} dev lo proto kernel scope host src 127.0.0.1 table local");
        if let Err(error) = ip(&format!("route replace {route} congctl {WANTED}")) {
            eprintln!("no {WANTED} on the routes: {error}");
        }
    }
    // The soft limit is small for the sake of select(2), which nobody here uses; children inherit it.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(Network { congestion: congestion()? })
}

fn ip(arguments: &str) -> io::Result<()> {
    let done = Command::new("ip").args(arguments.split(' ')).output()?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Err(io::Error::other(format!("ip {arguments}: {said}")))
}

/// Asked of both ends, at addresses as the rows have them.
fn congestion() -> io::Result<String> {
    let listener = TcpListener::bind(("127.100.0.1", 0))?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    let (active, passive) = (tcp_congestion(&client)?, tcp_congestion(&server)?);
    Ok(if active == passive { active } else { format!("{active} and {passive}") })
}

//! The operator's commands against a gateway at work: what they print, what they change, and how they end.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod apply;
mod ask;
mod cert;
mod domain;
mod drain;
mod explain;
mod pool;
mod reach;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Output;

use roundhouse_tests::{Background, Gateway, Loopback, SOON, http, programs};
use serde_json::Value;

/// How a command ended and what it said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let said = Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
        assert!(!said.err.contains("panicked"), "{said:?}");
        said
    }
}

impl Said {
    /// The cells of the line that begins with `first`.
    #[track_caller]
    fn row(&self, first: &str) -> Vec<&str> {
        let line = self.out.lines().find(|line| line.starts_with(first));
        line.unwrap_or_else(|| panic!("no line begins with {first}: {self:?}")).split_whitespace().collect()
    }
}

fn run(gateway: &Gateway, arguments: &[&str]) -> Said {
    gateway.cli(arguments).into()
}

/// What must succeed.
#[track_caller]
fn ok(gateway: &Gateway, arguments: &[&str]) -> Said {
    let said = run(gateway, arguments);
    assert!(said.code == Some(0) && said.err.is_empty(), "{arguments:?}: {said:?}");
    said
}

#[track_caller]
fn json(gateway: &Gateway, arguments: &[&str]) -> Value {
    let said = ok(gateway, &[arguments, &["-o", "json"]].concat());
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples").join(name).canonicalize().unwrap()
}

/// The example's jobs on hosts of the test's own network: 127.0.1.2 becomes its .12.
fn stack(net: &Loopback) -> String {
    let text = std::fs::read_to_string(example("stack.jobs")).unwrap();
    let own = net.address(1).to_string();
    text.replace("127.0.1.", &own)
}

/// `roundhouse sample`, listening.
fn sample(name: &str, address: SocketAddr) -> Background {
    let mut command = programs::roundhouse();
    command.args(["sample", "--name", name, "--listen", &address.to_string()]);
    let sample = Background::spawn(command);
    sample.wait_line(SOON, "listens on");
    sample
}

/// Who answers there.
fn answer(server: SocketAddr, host: &str) -> String {
    http::get(server, host, "/").map_or_else(|error| format!("error: {error}"), |reply| reply.body)
}

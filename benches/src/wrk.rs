//! wrk, and what it says.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

/// wrk takes the name for TLS from the URL, and would ask the resolver where that is.
const RESOLVE: &str = include_str!("../wrk/resolve.lua");

#[derive(Debug)]
pub struct Load {
    pub requests: f64,
    pub a_second: f64,
    pub p99_ms: f64,
    /// Answers that are no success, and every kind of socket error.
    pub failed: f64,
}

/// Requests on kept connections, each after the answer to the one before.
pub struct Wrk<'a> {
    pub at: SocketAddr,
    pub host: &'a str,
    pub path: &'a str,
    pub tls: bool,
    pub connections: usize,
    /// Lua; empty where every request is the same GET.
    pub script: &'a str,
}

impl Wrk<'_> {
    pub fn run(&self, time: Duration) -> Load {
        let Wrk { at, host, path, tls, connections, .. } = *self;
        let seconds = format!("{}s", time.as_secs().max(1));
        let mut command = Command::new("wrk");
        command.args(["-t1", "-c", &connections.to_string(), "--latency", "-d", &seconds]);
        command.args(["-H", &format!("Host: {host}")]);
        let script = self.script();
        if let Some(script) = &script {
            command.arg("-s").arg(script.path());
        }
        let url =
            if tls { format!("https://{host}:{}{path}", at.port()) } else { format!("http://{at}{path}") };
        let output = command.arg(url).output().expect("wrk is there");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "wrk: {text}{}", String::from_utf8_lossy(&output.stderr));
        read(&text)
    }

    fn script(&self) -> Option<tempfile::NamedTempFile> {
        let (ip, port) = (self.at.ip().to_string(), self.at.port().to_string());
        let resolve = RESOLVE.replace("ADDRESS", &ip).replace("PORT", &port);
        let text = if self.tls { resolve + self.script } else { self.script.to_owned() };
        if text.is_empty() {
            return None;
        }
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("the file is ours");
        Some(file)
    }
}

/// So many kept connections, for so long.
pub fn load(server: SocketAddr, host: &str, connections: usize, time: Duration) -> Load {
    Wrk { at: server, host, path: "/", tls: false, connections, script: "" }.run(time)
}

fn read(text: &str) -> Load {
    let after = |name: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
        line.map(|rest| rest.trim().to_owned())
    };
    let number = |text: Option<String>| text.and_then(|text| text.parse().ok());
    let requests = text.lines().find_map(|line| line.trim().split_once(" requests in")?.0.parse().ok());
    let errors = after("Socket errors:").unwrap_or_default();
    let errors: f64 = errors.split([' ', ',']).filter_map(|word| word.parse::<f64>().ok()).sum();
    let refused: f64 = number(after("Non-2xx or 3xx responses:")).unwrap_or(0.0);
    Load {
        requests: requests.unwrap_or_else(|| panic!("wrk counted nothing: {text}")),
        a_second: number(after("Requests/sec:")).unwrap_or_else(|| panic!("wrk counted nothing: {text}")),
        p99_ms: after("99%").and_then(|time| milliseconds(&time)).unwrap_or(f64::NAN),
        failed: errors + refused,
    }
}

/// wrk writes `950.00us`, `1.20ms`, `3.00s`.
fn milliseconds(time: &str) -> Option<f64> {
    for (unit, factor) in [("us", 1e-3), ("ms", 1.0), ("s", 1e3)] {
        if let Some(number) = time.strip_suffix(unit).and_then(|number| number.parse::<f64>().ok()) {
            return Some(number * factor);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_read() {
        let load = read(
            "  Latency Distribution\n     50%  950.00us\n     99%    1.20ms\n  1000 requests in 2.00s, 1.00MB read\n\
             \x20 Socket errors: connect 1, read 2, write 0, timeout 3\n  Non-2xx or 3xx responses: 4\n\
             Requests/sec:    500.25\nTransfer/sec:      0.50MB\n",
        );
        assert_eq!((load.requests, load.a_second, load.failed), (1000.0, 500.25, 10.0));
        assert_eq!((load.p99_ms, milliseconds("3.00s")), (1.2, Some(3000.0)));
    }
}

//! h2load (nghttp2), and what it says: HTTP/2 with many streams on few connections.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use crate::load::HOST;
use crate::wrk::Load;

pub struct H2load<'a> {
    pub at: SocketAddr,
    /// TLS, with HTTP/2 agreed by ALPN; otherwise the client just begins with it (RFC 9113, 3.3).
    pub tls: bool,
    pub path: &'a str,
    /// Makes it a POST.
    pub body: Option<&'a [u8]>,
    pub headers: &'a [&'a str],
    pub connections: usize,
    pub streams: usize,
}

impl H2load<'_> {
    pub fn run(&self, time: Duration) -> Load {
        let mut command = Command::new("h2load");
        command.args(["-t1", "-c", &self.connections.to_string(), "-m", &self.streams.to_string()]);
        command.arg(format!("--duration={}", time.as_secs().max(1)));
        command.arg(format!("--connect-to={}", self.at));
        for header in self.headers {
            command.args(["-H", header]);
        }
        let body = self.body.map(|body| {
            let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
            file.write_all(body).expect("the file is ours");
            command.arg("-d").arg(file.path());
            file
        });
        let scheme = if self.tls { "https" } else { "http" };
        let output =
            command.arg(format!("{scheme}://{HOST}{}", self.path)).output().expect("h2load is there");
        drop(body);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "h2load: {text}{}", String::from_utf8_lossy(&output.stderr));
        read(&text)
    }
}

fn read(text: &str) -> Load {
    let number_before = |line: &str, word: &str| {
        let line = text.lines().find_map(|found| found.strip_prefix(line))?;
        line.split(", ").find_map(|part| part.trim().strip_suffix(word)?.trim().parse::<f64>().ok())
    };
    let counted = |value: Option<f64>| value.unwrap_or_else(|| panic!("h2load counted nothing: {text}"));
    Load {
        requests: counted(number_before("requests:", "done")),
        a_second: counted(number_before("finished in", "req/s")),
        p99_ms: f64::NAN,
        // Broken streams and answers from 400; a redirect is not the answer.
        failed: counted(number_before("requests:", "failed"))
            + counted(number_before("status codes:", "3xx")),
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn what_h2load_says_is_read() {
        let load = read(
            "finished in 2.00s, 12345.50 req/s, 1.20MB/s\n\
             requests: 24691 total, 24947 started, 24691 done, 24690 succeeded, 1 failed, 0 errored, 0 timeout\n\
             status codes: 24691 2xx, 2 3xx, 0 4xx, 1 5xx\n",
        );
        assert_eq!((load.requests, load.a_second, load.failed), (24_691.0, 12_345.5, 3.0));
    }
}

//! A real gateway on loopback addresses of its own.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::http::{self, Reply};
use crate::{Background, Loopback, SOON, eventually, programs};

pub const ZONE: &str = "jobs.coding.net";

#[derive(Debug)]
pub struct Gateway {
    pub net: Loopback,
    folder: TempDir,
    process: Option<Background>,
}

impl Gateway {
    /// On an embedded registry of its own.
    pub fn start() -> Gateway {
        Gateway::on("embedded")
    }

    /// On the registry at `url`, until its API answers.
    pub fn on(url: &str) -> Gateway {
        let mut gateway = Gateway::prepared(url, "");
        gateway.run();
        gateway
    }

    /// Its configuration written, not started. `more` is added to the file's end.
    pub fn prepared(url: &str, more: &str) -> Gateway {
        Gateway::configured(&format!("url = \"{url}\""), more)
    }

    /// The same with all of its `[registry]`.
    pub fn configured(registry: &str, more: &str) -> Gateway {
        let net = Loopback::take();
        let folder = TempDir::new().expect("a temporary directory");
        let (own, vips) = (net.gateway(), net.vips());
        let config = format!(
            "data_dir = \"data\"\n\
             [registry]\n{registry}\n\
             [admin]\nlisten = \"{own}:8400\"\n\
             [dns]\nlisten = \"{own}:8053\"\n\
             [names]\nzone = \"{ZONE}\"\nvips = \"{vips}\"\n\
             [workers]\ncount = 2\n\
             [[entrypoint]]\nname = \"http\"\nlisten = \"{own}:8080\"\nprotocol = \"http\"\n\
             {more}\n"
        );
        std::fs::write(folder.path().join("gateway.toml"), config).expect("the folder is ours");
        Gateway { net, folder, process: None }
    }

    /// More lines for its `[admin]`.
    #[must_use]
    pub fn with_admin(self, lines: &str) -> Gateway {
        let config = std::fs::read_to_string(self.config()).expect("it was written");
        let config = config.replace("[admin]\n", &format!("[admin]\n{lines}\n"));
        std::fs::write(self.config(), config).expect("the folder is ours");
        self
    }

    /// Lines for its `[names]`, in place of those with the same key.
    #[must_use]
    pub fn with_names(self, lines: &str) -> Gateway {
        let config = std::fs::read_to_string(self.config()).expect("it was written");
        let keys: Vec<&str> = lines.lines().filter_map(|line| line.split(" =").next()).collect();
        let (head, names) = config.split_once("[names]\n").expect("it was written");
        let (names, rest) = names.split_once("\n[").expect("more sections follow");
        let kept = names.lines().filter(|line| !keys.iter().any(|key| line.starts_with(key)));
        let names: Vec<&str> = kept.chain(lines.lines()).collect();
        let config = format!("{head}[names]\n{}\n[{rest}", names.join("\n"));
        std::fs::write(self.config(), config).expect("the folder is ours");
        self
    }

    /// Starts it and waits for its API.
    pub fn run(&mut self) {
        self.process = Some(Background::spawn(self.command()));
        let (process, admin) = (self.process(), self.admin());
        if self.speaks_tls() {
            process.wait_line(SOON, " ready ");
            return;
        }
        eventually(SOON, "the gateway answers", || {
            if let Some(status) = process.exit_status() {
                panic!("the gateway ended with {status}: {}", process.stderr());
            }
            http::get(admin, &admin.to_string(), "/healthz").map(|reply| reply.status)
        });
    }

    /// Takes a process that was started from its [`Self::command`] in another way.
    #[must_use]
    pub fn adopt(mut self, process: Background) -> Gateway {
        self.process = Some(process);
        self
    }

    pub fn command(&self) -> Command {
        let mut command = programs::roundhouse();
        command.arg("run").arg("--config").arg(self.config());
        command
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("gateway.toml")
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn speaks_tls(&self) -> bool {
        let config = std::fs::read_to_string(self.config()).unwrap_or_default();
        let admin = config.split("\n[").find(|section| section.starts_with("admin]"));
        admin.is_some_and(|section| section.contains("\ncert = "))
    }

    /// Where its configuration is, and what it keeps beside it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn process(&self) -> &Background {
        self.process.as_ref().expect("the gateway was started")
    }

    /// Waits for its end, whatever is to end it; it may be run again.
    pub fn stopped(&mut self) -> Background {
        let process = self.process.take().expect("the gateway was started");
        process.wait_exit(crate::SOON * 4);
        process
    }

    pub fn admin(&self) -> SocketAddr {
        SocketAddr::new(self.net.gateway(), 8400)
    }

    pub fn dns(&self) -> SocketAddr {
        SocketAddr::new(self.net.gateway(), 8053)
    }

    /// The http entrypoint.
    pub fn http(&self) -> SocketAddr {
        SocketAddr::new(self.net.gateway(), 8080)
    }

    pub fn url(&self) -> String {
        let scheme = if self.speaks_tls() { "https" } else { "http" };
        format!("{scheme}://{}", self.admin())
    }

    /// A call with headers of its own: a token, a condition.
    #[track_caller]
    pub fn call_with(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let host = self.admin().to_string();
        let headers = [&[("host", host.as_str())], headers].concat();
        let mut connection = http::Connection::open(self.admin()).expect("the gateway listens");
        let reply = connection.request_with(method, path, &headers, body);
        reply.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// `GET` on the API.
    #[track_caller]
    pub fn api(&self, path: &str) -> Reply {
        self.call("GET", path, "")
    }

    #[track_caller]
    pub fn call(&self, method: &str, path: &str, body: &str) -> Reply {
        http::request(self.admin(), method, path, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Writes a job with one port `main`.
    #[track_caller]
    pub fn put_job(&self, label: &str, port: u16, protocol: &str) {
        let record = format!(
            r#"{{"jobname":"job.{label}","ports":[{{"name":"main","port":{port},"protocol":"{protocol}"}}],
                "check":{{"kind":"tcp","interval":"200ms","timeout":"1s","rise":1,"fall":2}}}}"#
        );
        let reply = self.call("PUT", &format!("/v1/jobs/{label}"), &record);
        assert!(matches!(reply.status, 200 | 201), "{reply:?}");
    }

    pub fn job(&self, label: &str) -> Value {
        self.api(&format!("/v1/jobs/{label}")).json()
    }

    /// The job's VIP, once it has one.
    #[track_caller]
    pub fn vip(&self, label: &str) -> IpAddr {
        eventually(SOON, &format!("{label} has a VIP"), || self.job(label)["vip"].as_str()?.parse().ok())
    }

    /// Until `count` instances of the job are up and healthy, no more and no fewer.
    #[track_caller]
    pub fn wait_healthy(&self, label: &str, count: usize) {
        eventually(SOON, &format!("{count} healthy instance(s) of {label}"), || {
            let job = self.job(label);
            let healthy =
                |instance: &Value| instance["state"] == "up" && instance["health"]["main"] == "healthy";
            let found =
                job["instances"].as_array().map_or(0, |all| all.iter().filter(|one| healthy(one)).count());
            if found == count && job["vip"].is_string() { Ok(()) } else { Err(job) }
        });
    }

    /// A command of the operator's CLI against this gateway.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        let mut command = programs::roundhouse();
        command.arg("--server").arg(self.url()).args(arguments);
        command.output().expect("roundhouse runs")
    }
}

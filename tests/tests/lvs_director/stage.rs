//! A gateway with the registry, a HAProxy, and directors that program it.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Output};

use roundhouse_tests::{Background, Gateway, SOON, Server, TempDir, eventually, http, programs};
use serde_json::{Value, json};

pub(crate) struct Stage {
    pub(crate) gateway: Gateway,
    pub(crate) folder: TempDir,
    _haproxy: Background,
    reload: String,
}

impl Stage {
    pub(crate) fn new() -> Stage {
        Stage::of(Gateway::start())
    }

    pub(crate) fn of(gateway: Gateway) -> Stage {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        let operator = format!(
            "global\n    stats socket {} mode 600 level admin\n    hard-stop-after 20s\n\
             defaults\n    timeout connect 2s\n    timeout client 1m\n    timeout server 1m\n",
            path("haproxy.sock").display(),
        );
        std::fs::write(path("haproxy.cfg"), operator).unwrap();
        std::fs::write(path("roundhouse.cfg"), "").unwrap();
        let mut command = Command::new("haproxy");
        command.arg("-W").arg("-f").arg(path("haproxy.cfg")).arg("-f").arg(path("roundhouse.cfg"));
        let haproxy = Background::spawn(command);
        haproxy.wait_line(SOON, "Loading success");
        let reload = format!("[\"kill\", \"-USR2\", \"{}\"]", haproxy.pid());
        let stage = Stage { gateway, folder, _haproxy: haproxy, reload };
        let range = format!("{}/30", stage.gateway.net.address(100));
        stage.put("lines/telecom", &json!({"vips": [range]}));
        stage
    }

    /// The settings of director `n`; `more` is of its sink.
    pub(crate) fn config(&self, n: u8, more: &str) -> PathBuf {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let config = format!(
            "director = \"lvs-{n}\"\nlines = [\"telecom\"]\nresync = \"1s\"\nlisten = \"{}\"\n\
             state_file = \"lvs-{n}.state\"\n[registry]\nurl = \"{}\"\n[[sink]]\nkind = \"haproxy\"\nsocket = \"{}\"\n\
             fragment = \"{}\"\nreload = {}\n{more}\n",
            self.listen(n),
            self.gateway.url(),
            path("haproxy.sock"),
            path("roundhouse.cfg"),
            self.reload,
        );
        let file = self.folder.path().join(format!("lvs-{n}.toml"));
        std::fs::write(&file, config).unwrap();
        file
    }

    pub(crate) fn listen(&self, n: u8) -> SocketAddr {
        SocketAddr::new(self.gateway.net.address(90 + n), 8410)
    }

    /// With its settings written before.
    pub(crate) fn run(&self, n: u8) -> Background {
        let director = Background::spawn(self.command(n, &["run"]));
        eventually(SOON, "it listens", || {
            assert!(director.exit_status().is_none(), "{}", director.stderr());
            TcpStream::connect(self.listen(n)).is_ok()
        });
        director
    }

    pub(crate) fn command(&self, n: u8, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs::program("lvs-sync"));
        command.arg("--config").arg(self.folder.path().join(format!("lvs-{n}.toml"))).args(arguments);
        command
    }

    pub(crate) fn lvs_sync(&self, n: u8, arguments: &[&str]) -> Output {
        self.command(n, arguments).output().unwrap()
    }

    /// What it says of its sink.
    pub(crate) fn status(&self, n: u8) -> Value {
        let reply = http::get(self.listen(n), &self.listen(n).to_string(), "/status").unwrap();
        reply.json()["sinks"][0].clone()
    }

    #[track_caller]
    pub(crate) fn put(&self, path: &str, record: &Value) -> Value {
        let reply = self.gateway.call("PUT", &format!("/v1/{path}"), &record.to_string());
        assert!(matches!(reply.status, 200 | 201), "{reply:?}");
        reply.json()
    }

    /// An instance of `blog` that says its name, and its record.
    pub(crate) fn instance(&self, n: u8, name: &'static str) -> Server {
        let address = self.gateway.net.app(n);
        let server = Server::named(SocketAddr::new(address, 7000), name);
        let id = format!("0a1b2c3d-0000-4000-8000-00000000000{n}");
        self.put(&format!("instances/blog/{id}"), &json!({"address": address, "ports": {"main": 7000}}));
        server
    }

    pub(crate) fn job(&self) {
        let port = json!({"name": "main", "port": 7000, "protocol": "tcp"});
        self.put("jobs/blog", &json!({"jobname": "job.blog", "ports": [port], "check": null}));
    }

    /// A pool of `blog` at port 8000 of a VIP of the line; the VIP.
    pub(crate) fn pool(&self) -> SocketAddr {
        let made = self.put("pools/blog", &json!({"to": {"job": "blog"}, "port": 8000, "sink": "haproxy"}));
        let vip: IpAddr = made["lines"]["telecom"][0].as_str().unwrap().parse().unwrap();
        SocketAddr::new(vip, 8000)
    }

    /// One line at HAProxy's socket.
    pub(crate) fn asked(&self, line: &str) -> String {
        let mut stream = UnixStream::connect(self.folder.path().join("haproxy.sock")).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

/// The name of who answers at the address.
pub(crate) fn who(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, SOON)?;
    stream.set_read_timeout(Some(SOON))?;
    let mut name = [0; 1];
    stream.read_exact(&mut name)?;
    Ok(String::from_utf8_lossy(&name).into_owned())
}

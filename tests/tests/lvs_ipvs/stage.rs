//! A director with its network: clients on one side, real servers on the other, a gateway with the registry beside it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use roundhouse_tests::{Background, Gateway, SOON, TempDir, eventually, programs};
use serde_json::{Value, json};

use crate::shell::sh;

/// Of the line `telecom`.
pub(crate) const VIP: &str = "203.0.113.10";

pub(crate) struct Stage {
    pub(crate) gateway: Gateway,
    folder: TempDir,
}

impl Stage {
    /// `more`: further lines of lvs-sync.toml, before its sections.
    pub(crate) fn new(more: &str) -> Stage {
        Stage::of(Gateway::start(), more)
    }

    pub(crate) fn of(gateway: Gateway, more: &str) -> Stage {
        let folder = TempDir::new().unwrap();
        let url = gateway.url();
        let config = format!(
            "director = \"lvs-1\"\nlines = [\"telecom\"]\nresync = \"1s\"\n{more}\n[registry]\nurl = \"{url}\"\n\
             [[sink]]\nkind = \"ipvs\"\n"
        );
        std::fs::write(folder.path().join("lvs-sync.toml"), config).unwrap();
        let stage = Stage { gateway, folder };
        stage.put("lines/telecom", &json!({"vips": ["203.0.113.0/24"]}));
        stage
    }

    #[track_caller]
    pub(crate) fn put(&self, path: &str, record: &Value) {
        let reply = self.gateway.call("PUT", &format!("/v1/{path}"), &record.to_string());
        assert!(matches!(reply.status, 200 | 201), "{reply:?}");
    }

    /// A job with a port `main` and no check.
    pub(crate) fn job(&self, label: &str) {
        let port = json!({"name": "main", "port": 80, "protocol": "tcp"});
        self.put(
            &format!("jobs/{label}"),
            &json!({"jobname": format!("job.{label}"), "ports": [port], "check": null}),
        );
    }

    /// A static one; its id ends with `n`.
    pub(crate) fn instance(&self, job: &str, n: u8, address: &str, more: &Value) {
        let mut record = json!({"address": address, "ports": {"main": 80}});
        for (field, value) in more.as_object().into_iter().flatten() {
            record[field] = value.clone();
        }
        self.put(&format!("instances/{job}/{}", id(n)), &record);
    }

    /// A pool of the job on [`VIP`].
    pub(crate) fn pool(&self, name: &str, job: &str, more: &Value) {
        let mut record = json!({"to": {"job": job}, "port": 80, "lines": {"telecom": [VIP]}});
        for (field, value) in more.as_object().into_iter().flatten() {
            record[field] = value.clone();
        }
        self.put(&format!("pools/{name}"), &record);
    }

    #[track_caller]
    pub(crate) fn set_state(&self, job: &str, n: u8, state: &str) {
        let path = format!("/v1/instances/{job}/{}/state", id(n));
        let reply = self.gateway.call("POST", &path, &json!({ "state": state }).to_string());
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs::program("lvs-sync"));
        command.arg("--config").arg(self.folder.path().join("lvs-sync.toml")).args(arguments);
        command
    }

    pub(crate) fn lvs_sync(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Its answer, with this exit status.
    #[track_caller]
    pub(crate) fn answers(&self, arguments: &[&str], status: i32) -> String {
        let output = self.lvs_sync(arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        text(&output.stdout)
    }

    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str], status: i32) -> Value {
        serde_json::from_str(&self.answers(&[arguments, &["-o", "json"]].concat(), status)).unwrap()
    }

    /// The director, once it has made its first round.
    pub(crate) fn run(&self) -> Background {
        let director = Background::spawn(self.command(&["run"]));
        eventually(SOON, "the first round", || {
            assert!(director.exit_status().is_none(), "{}", director.stderr());
            self.status().filter(|status| status["revision"].is_u64())
        });
        director
    }

    /// What it says of its sink.
    pub(crate) fn status(&self) -> Option<Value> {
        let output = self.lvs_sync(&["status", "-o", "json"]);
        let status: Value = serde_json::from_slice(&output.stdout).ok()?;
        Some(status["sinks"][0].clone())
    }
}

fn id(n: u8) -> String {
    format!("0a1b2c3d-0000-4000-8000-0000000000{n:02x}")
}

/// Networks of their own for a client (10.9.0.2) and two real servers (10.9.1.2, 10.9.2.2), whose gateway this is.
pub(crate) fn network() {
    let mut script = String::from("sysctl -qw net.ipv4.ip_forward=1 net.ipv4.vs.conntrack=0\n");
    for (n, name) in ["client", "rs1", "rs2"].into_iter().enumerate() {
        script += &format!(
            "ip netns add {name}; ip link add to-{name} type veth peer name eth0 netns {name}\n\
             ip addr add 10.9.{n}.1/24 dev to-{name}; ip link set to-{name} up\n\
             ip -n {name} addr add 10.9.{n}.2/24 dev eth0; ip -n {name} link set eth0 up; ip -n {name} link set lo up\n\
             ip -n {name} route add default via 10.9.{n}.1\n"
        );
    }
    sh(&script);
}

/// Echoes lines.
pub(crate) fn real_server(n: u8) -> Background {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &format!("rs{n}")]).arg(programs::program("roundhouse"));
    command.args(["sample", "--name", &format!("rs{n}"), "--listen", &format!("10.9.{n}.2:80")]);
    let server = Background::spawn(command);
    let probe = format!("ip netns exec rs{n} curl -sS -o /dev/null -m 1 http://10.9.{n}.2/");
    eventually(SOON, "the real server listens", || {
        Command::new("sh").args(["-c", &probe]).status().unwrap().success()
    });
    server
}

/// Who answered an HTTP request from the client's network.
pub(crate) fn asked() -> Result<String, String> {
    let script = format!("ip netns exec client curl -sS -m 3 http://{VIP}/");
    let output = crate::shell::output(&script);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Sends each line that it is told and says what comes back. At the end it resets: the kernel forgets a connection that was
/// reset after 10 s, and one that was closed after 2 min.
const CLIENT: &str = "import socket, struct, sys
s = socket.create_connection((sys.argv[1], 80))
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
answers = s.makefile('r')
for line in sys.stdin:
    s.sendall(line.encode())
    print(answers.readline(), end='', flush=True)
";

/// A connection from the client's network that stays.
pub(crate) struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Client {
    pub(crate) fn connect() -> Client {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", "client", "python3", "-c", CLIENT, VIP]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut client = Client { input: child.stdin.take(), child, output };
        client.echoes("first");
        client
    }

    #[track_caller]
    pub(crate) fn echoes(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        assert!(answer.trim_end().ends_with(line), "{line}: {answer:?}");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}

pub(crate) const LONG: Duration = Duration::from_secs(30);

//! What tests of connections write to a gateway and ask of it.

use std::net::SocketAddr;

use roundhouse_registry::InstanceId;
use serde_json::Value;

use crate::{Gateway, SOON, eventually, listens, seen};

impl Gateway {
    /// Adds lines to its configuration file, written at once as an editor does it.
    pub fn add(&self, lines: &str) {
        let config = std::fs::read_to_string(self.config()).expect("it was written");
        self.write(&format!("{config}\n{lines}\n"));
    }

    /// Its configuration file as it is from now on.
    pub fn write(&self, config: &str) {
        let new = self.folder().join("gateway.toml.new");
        std::fs::write(&new, config).expect("the folder is ours");
        std::fs::rename(new, self.config()).expect("the folder is ours");
    }

    /// A job without a check whose one port `main` has these fields (JSON); `more`: the job's own, `""` for none.
    #[track_caller]
    pub fn write_job(&self, label: &str, port: &str, more: &str) {
        let more = if more.is_empty() { String::new() } else { format!(",{more}") };
        let check = if more.contains("\"check\"") { "" } else { r#","check":null"# };
        let record =
            format!(r#"{{"jobname":"job.{label}","ports":[{{"name":"main",{port}}}]{check}{more}}}"#);
        let reply = self.call("PUT", &format!("/v1/jobs/{label}"), &record);
        assert!(matches!(reply.status, 200 | 201), "{reply:?}");
    }

    /// A static instance of the job.
    #[track_caller]
    pub fn register(&self, label: &str, address: SocketAddr) -> InstanceId {
        let id = InstanceId::random();
        let record = format!(r#"{{"address":"{}","ports":{{"main":{}}}}}"#, address.ip(), address.port());
        let reply = self.call("PUT", &format!("/v1/instances/{label}/{id}"), &record);
        assert!(matches!(reply.status, 200 | 201), "{reply:?}");
        id
    }

    /// A tcp job on this port, served at these addresses; its VIP, which listens.
    #[track_caller]
    pub fn tcp_job(&self, label: &str, port: u16, more: &str, instances: &[SocketAddr]) -> SocketAddr {
        self.write_job(label, &format!(r#""port":{port}"#), more);
        for address in instances {
            self.register(label, *address);
        }
        self.wait_up(label, instances.len());
        self.listening_vip(label, port)
    }

    /// The job's VIP once somebody listens there; the registry knows it a moment earlier.
    #[track_caller]
    pub fn listening_vip(&self, label: &str, port: u16) -> SocketAddr {
        let vip = SocketAddr::new(self.vip(label), port);
        eventually(SOON, &format!("{vip} of {label} listens"), || listens(vip));
        vip
    }

    /// Until so many instances of the job may be dialled, checked or not.
    #[track_caller]
    pub fn wait_up(&self, label: &str, count: usize) {
        eventually(SOON, &format!("{label} has {count} instance(s)"), || {
            // Their health is that of the table by which connections are served.
            let known =
                |instance: &&Value| instance["health"].as_object().is_some_and(|ports| !ports.is_empty());
            seen(self.job(label), |job| {
                job["instances"].as_array().map_or(0, |all| all.iter().filter(known).count()) == count
            })
        });
    }

    /// How many connections and datagram sessions it refused or ended for this reason.
    #[track_caller]
    pub fn reason(&self, label: &str) -> u64 {
        let status = self.api("/v1/status").json();
        let reasons = status["connections"]["reasons"].as_object().expect("/v1/status has them");
        // Those that never were are left out.
        reasons.get(label).and_then(Value::as_u64).unwrap_or(0)
    }

    /// Until it has counted the reason so often.
    #[track_caller]
    pub fn wait_reason(&self, label: &str, count: u64) {
        eventually(SOON, &format!("{label} is counted {count} times"), || {
            seen(self.reason(label), |found| *found >= count)
        });
    }

    /// The live connections that fit the query, as in `?job=redis`.
    #[track_caller]
    pub fn connections(&self, query: &str) -> Vec<Value> {
        let reply = self.api(&format!("/v1/connections{query}"));
        assert_eq!(reply.status, 200, "{reply:?}");
        let body = reply.json();
        let list = body.as_array().or_else(|| body["connections"].as_array());
        list.unwrap_or_else(|| panic!("no list: {body}")).clone()
    }

    /// An entrypoint by the API, and where it listens.
    #[track_caller]
    pub fn put_entrypoint(&self, name: &str, port: u16, more: &str) -> SocketAddr {
        let listen = SocketAddr::new(self.net.gateway(), port);
        let reply = self.call(
            "PUT",
            &format!("/v1/entrypoints/{name}"),
            &format!(r#"{{"listen":"{listen}",{more}}}"#),
        );
        assert!(matches!(reply.status, 200 | 201), "{reply:?}");
        listen
    }

    /// Until somebody listens there.
    #[track_caller]
    pub fn wait_listening(&self, address: SocketAddr) {
        eventually(SOON, &format!("{address} listens"), || listens(address));
    }

    /// Memory in use (proc(5), VmRSS), in bytes.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process().pid()));
        let status = status.expect("the gateway runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
        kib << 10
    }

    /// CPU time so far, of all its threads (proc(5), utime and stime), in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process().pid()));
        let stat = stat.expect("the gateway runs");
        // The second field is its name in parentheses.
        let fields: Vec<&str> = stat[stat.rfind(')').expect("a name") + 2..].split(' ').collect();
        let ticks: u64 =
            [11, 12].iter().map(|at| fields[*at].parse::<u64>().expect("a number of ticks")).sum();
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64
    }
}

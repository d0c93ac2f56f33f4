//! A HAProxy of the test's own, the sink that programs it, and a plain planner between the two.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use lvs_sync::model::{
    Actual, Destination, Forwarding, Op, Scheduler, Service, ServiceKey, Services, Settings,
};
use lvs_sync::sink::haproxy::{Haproxy, Options};
use lvs_sync::sink::{OpError, Sink};
use roundhouse_tests::{Background, Loopback, SOON, Server, Signal, TempDir, eventually, seen};

use crate::tap::Tap;

pub(crate) struct Stage {
    pub(crate) net: Loopback,
    pub(crate) sink: Haproxy,
    pub(crate) tap: Tap,
    pub(crate) fragment: PathBuf,
    pub(crate) haproxy: Background,
    folder: TempDir,
}

impl Stage {
    /// A HAProxy with a proxy of the operator's, which the sink reloads.
    pub(crate) fn set() -> Stage {
        Stage::with(|options| options)
    }

    pub(crate) fn with(options: impl FnOnce(Options) -> Options) -> Stage {
        Stage::at_level("admin", options)
    }

    pub(crate) fn at_level(level: &str, options: impl FnOnce(Options) -> Options) -> Stage {
        let (net, folder) = (Loopback::take(), TempDir::new().unwrap());
        let path = |name: &str| folder.path().join(name);
        let (socket, fragment) = (path("haproxy.sock"), path("roundhouse.cfg"));
        let operator = format!(
            "global\n    stats socket {} mode 600 level {level}\n    hard-stop-after 20s\n\
             defaults\n    timeout connect 2s\n    timeout client 1m\n    timeout server 1m\n\
             frontend web\n    bind {}:8000\n    default_backend web\n\
             backend web\n    server rh-tcp-1 {}:8001\n",
            socket.display(),
            net.gateway(),
            net.app(90),
        );
        std::fs::write(path("haproxy.cfg"), operator).unwrap();
        std::fs::write(&fragment, "").unwrap();
        let mut command = Command::new("haproxy");
        command.arg("-W").arg("-f").arg(path("haproxy.cfg")).arg("-f").arg(&fragment);
        let haproxy = Background::spawn(command);
        haproxy.wait_line(SOON, "Loading success");
        let tap = Tap::on(&socket);
        let reload = ["kill".to_owned(), "-USR2".to_owned(), haproxy.pid().to_string()];
        let options = options(Options { reload: Some(reload.into()), ..Options::new(&tap.path, &fragment) });
        let stage = Stage { net, sink: Haproxy::new(options), tap, fragment, haproxy, folder };
        eventually(SOON, "its socket answers", || stage.pid());
        stage
    }

    /// The same with other options for its sink.
    pub(crate) fn another_sink(&self, options: impl FnOnce(Options) -> Options) -> Haproxy {
        Haproxy::new(options(Options::new(&self.tap.path, &self.fragment)))
    }

    /// `tcp/<its VIP>:<port>`
    pub(crate) fn key(&self, port: u16) -> ServiceKey {
        format!("tcp/{}", self.vip(port)).parse().unwrap()
    }

    pub(crate) fn vip(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.net.gateway(), port)
    }

    pub(crate) fn app(&self, n: u8) -> SocketAddr {
        SocketAddr::new(self.net.app(n), 7000)
    }

    /// Each says its name, and then what it is told.
    pub(crate) fn named(&self, names: &[&'static str]) -> Vec<Server> {
        (0..).zip(names).map(|(n, name)| Server::named(self.app(n), name)).collect()
    }

    /// As a program would: look, compare, do. Every operation is done, and what is there then is what was wanted.
    #[track_caller]
    pub(crate) fn make(&mut self, wanted: &Services) {
        let ops = plan(&self.sink.dump().unwrap(), wanted);
        let outcomes = self.apply(&ops);
        assert_eq!(outcomes, vec![Ok(()); ops.len()], "{ops:?}");
        assert_eq!(self.sink.dump().unwrap().services, *wanted);
    }

    #[track_caller]
    pub(crate) fn apply(&mut self, ops: &[Op]) -> Vec<Result<(), OpError>> {
        self.sink.apply(ops, None).unwrap()
    }

    #[track_caller]
    pub(crate) fn services(&mut self) -> Services {
        self.sink.dump().unwrap().services
    }

    /// One line at the socket, by an operator's hand.
    pub(crate) fn operator(&self, line: &str) -> String {
        self.ask(line).unwrap()
    }

    /// Reloads it, not by the sink's hand, until another process answers.
    #[track_caller]
    pub(crate) fn reload(&self) {
        let before = self.pid().unwrap();
        let mut due = Instant::now();
        eventually(SOON, "another process answers", || {
            // One is lost that comes while the master starts itself anew after the last.
            if Instant::now() >= due {
                self.haproxy.signal(Signal::USR2);
                due = Instant::now() + Duration::from_secs(2);
            }
            seen(self.pid(), |pid| pid.as_ref().is_ok_and(|pid| *pid != before))
                .map_err(|pid| format!("{pid:?}"))
        })
        .unwrap();
    }

    /// Of the process that answers.
    pub(crate) fn pid(&self) -> Result<String, String> {
        let answer = self.ask("show info").map_err(|error| error.to_string())?;
        let pid = answer.lines().find_map(|line| line.strip_prefix("Pid: ")).map(str::to_owned);
        pid.ok_or(answer)
    }

    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(&self.fragment).unwrap()
    }

    fn ask(&self, line: &str) -> std::io::Result<String> {
        let mut stream = UnixStream::connect(self.folder.path().join("haproxy.sock"))?;
        stream.set_read_timeout(Some(SOON))?;
        stream.write_all(format!("{line}\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

pub(crate) fn settings(scheduler: &str) -> Settings {
    Settings { scheduler: Scheduler::new(scheduler), ..Settings::default() }
}

pub(crate) fn weighing(weight: u32) -> Destination {
    Destination::new(weight, Forwarding::Masquerade)
}

pub(crate) fn service(scheduler: &str, destinations: &[(SocketAddr, u32)]) -> Service {
    let weigh = |(address, weight): &(SocketAddr, u32)| (*address, weighing(*weight));
    Service { settings: settings(scheduler), destinations: destinations.iter().map(weigh).collect() }
}

/// Additions before removals, and nothing that is right already.
pub(crate) fn plan(actual: &Actual, wanted: &Services) -> Vec<Op> {
    let (mut adds, mut removals) = (Vec::new(), Vec::new());
    for (key, service) in wanted {
        let found = actual.services.get(key);
        match found {
            None => adds.push(Op::AddService(key.clone(), service.settings.clone())),
            Some(found) if found.settings != service.settings => {
                adds.push(Op::SetService(key.clone(), service.settings.clone()));
            }
            Some(_) => {}
        }
        let there = |address| found.and_then(|found| found.destinations.get(address));
        for (address, destination) in &service.destinations {
            match there(address) {
                None => adds.push(Op::AddDestination(key.clone(), *address, *destination)),
                Some(found) if found != destination => {
                    adds.push(Op::SetDestination(key.clone(), *address, *destination));
                }
                Some(_) => {}
            }
        }
        let gone = found.into_iter().flat_map(|found| found.destinations.keys());
        let gone = gone.filter(|address| !service.destinations.contains_key(*address));
        removals.extend(gone.map(|address| Op::RemoveDestination(key.clone(), *address)));
    }
    let gone = actual.services.keys().filter(|key| !wanted.contains_key(*key));
    removals.extend(gone.map(|key| Op::RemoveService(key.clone())));
    adds.extend(removals);
    adds
}

/// Until the sink shows no connection of the destination.
#[track_caller]
pub(crate) fn drained(sink: &mut Haproxy, key: &ServiceKey, address: SocketAddr) {
    eventually(SOON, &format!("{address} has no connection"), || {
        seen(sink.dump().unwrap().open(key, address), |open| *open == 0)
    });
}

/// A moment that is over.
pub(crate) fn past() -> Option<Instant> {
    Some(Instant::now())
}

//! HAProxy, the extra layer of cloud clusters: a service is a frontend with its backend, a destination a server.
//!
//! ```text
//! servers, weights ──► Runtime API, at once ─┐
//!                                            ├─► what runs, and what a reload starts: always the same
//! every change ──────► fragment of the configuration ─► reload, where frontends or backends change
//! ```
//!
//! - What runs is the truth, and the fragment follows it: servers that were added at run time are gone after a reload, so
//!   the fragment has them, with the weights that they had last. Who reloads when does not matter.
//! - A service that the fragment has otherwise than HAProxy would not outlive a reload. It is shown with HAProxy's own word
//!   for its scheduler, which nothing wants, so that it is set again; and that writes the fragment.
//! - A service that waits for a reload is not there yet, so it is added until it is.
//! - Connections that a process before the last reload still serves are counted nowhere. They end by themselves, or by
//!   `hard-stop-after` in the operator's section `global`.
//! - All that is named as we name things is ours, and nothing else is looked at.
//!
//! After management.txt, 9.3, and configuration.txt of HAProxy 2.6 to 3.x.

mod command;
mod csv;
mod edit;
mod file;
mod fragment;
mod name;
mod place;
mod reload;
mod running;
mod servers;
mod shape;
mod socket;
mod turn;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use roundhouse_registry::record;

use self::file::FragmentFile;
use self::fragment::{Fragment, Section};
use self::running::{Backend, Running};
use self::socket::RuntimeApi;
use self::turn::Turn;
use super::{Claim, OpError, Sink, SinkError, Unfit};
use crate::model::{Actual, Destination, Forwarding, Op, Scheduler, Service, ServiceKey, Settings};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// That of `stats socket <socket> level admin`.
    pub socket: PathBuf,
    /// A file of our own, which HAProxy is started with: `haproxy -f <the operator's> -f <fragment>`.
    pub fragment: PathBuf,
    /// The program and its arguments that reload HAProxy. `None`: a person does it, and is told when.
    pub reload: Option<Vec<String>>,
    /// Whether HAProxy checks its servers too, besides the registry. One found otherwise is set with a reload.
    pub check: bool,
}

impl Options {
    /// Checked, and reloaded by hand.
    pub fn new(socket: impl Into<PathBuf>, fragment: impl Into<PathBuf>) -> Options {
        Options { socket: socket.into(), fragment: fragment.into(), reload: None, check: true }
    }
}

/// One HAProxy, through its Runtime API and its configuration. Every call to it ends: see [`Sink`] for the calls, and
/// `socket.rs` and `reload.rs` for the seconds.
#[derive(Clone, Debug)]
pub struct Haproxy {
    options: Options,
    api: RuntimeApi,
    file: FragmentFile,
}

impl Haproxy {
    pub fn new(options: Options) -> Haproxy {
        let (api, file) =
            (RuntimeApi::new(options.socket.clone()), FragmentFile::new(options.fragment.clone()));
        Haproxy { options, api, file }
    }

    /// `None`: the fragment is not as we would have written it, so nothing in it is sure.
    fn written(&self) -> Result<Option<Fragment>, SinkError> {
        Ok(Fragment::parse(&self.file.read()?, self.options.check))
    }

    /// `check`: only if HAProxy could start with it.
    fn write(&self, fragment: &Fragment, check: bool) -> Result<(), SinkError> {
        // Alone, one without services would have nothing to start; it is not alone.
        let check = check && !fragment.sections.is_empty();
        self.file.write(&fragment.render(self.options.check), check)
    }
}

impl Sink for Haproxy {
    fn kind(&self) -> record::Sink {
        record::Sink::Haproxy
    }

    fn fit(&self, key: &ServiceKey, wanted: Service) -> Result<Service, Unfit> {
        shape::fit(key, wanted)
    }

    fn dump(&mut self) -> Result<Actual, SinkError> {
        let running = Running::look(&self.api)?;
        let written = self.written()?.unwrap_or_default();
        let mut actual = Actual::default();
        for (key, backend) in &running.backends {
            let outlives = written.sections.get(key) == Some(&Section::of(backend))
                && Section::of(backend).is_run_by(&running, self.options.check);
            let service = Service {
                settings: settings(backend, outlives),
                destinations: backend
                    .servers
                    .iter()
                    .map(|(address, server)| {
                        (*address, Destination::new(server.takes(), Forwarding::Masquerade))
                    })
                    .collect(),
            };
            actual.services.insert(key.clone(), service);
            let open = backend.servers.iter().filter(|(_, server)| server.sessions > 0);
            actual.open.extend(open.map(|(address, server)| ((key.clone(), *address), server.sessions)));
        }
        Ok(actual)
    }

    fn apply(&mut self, ops: &[Op], until: Option<Instant>) -> Result<Vec<Result<(), OpError>>, SinkError> {
        if ops.is_empty() {
            return Ok(Vec::new());
        }
        Turn::new(self, ops, until)?.take()
    }

    /// A dump has none but those of our names.
    fn claim(&self, _key: &ServiceKey) -> Claim {
        Claim::Whole
    }

    /// A reload, until the new process answers.
    fn longest_call(&self) -> Duration {
        Duration::from_secs(6)
    }
}

fn settings(backend: &Backend, outlives: bool) -> Settings {
    let ours = if outlives { backend.settings() } else { None };
    ours.unwrap_or_else(|| Settings {
        scheduler: Scheduler::new(&backend.algorithm),
        send_proxy: backend.header.map(shape::ProxyHeader::version),
        ..Settings::default()
    })
}

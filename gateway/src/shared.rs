//! What the parts of a running gateway share. Everything here is read without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::time::Instant;

use arc_swap::ArcSwap;
use roundhouse_config::access::Identity;
use roundhouse_config::{NamedEntrypoint, Settings};
use roundhouse_registry::follow::Holds;
use roundhouse_registry::{Registry, Store};
use tokio::sync::{Notify, watch};

use crate::access::Access;
use crate::access_log;
use crate::catch::NotCaught;
use crate::jobs::Status;
use crate::phase::Phase;
use crate::plane::{Counters, Reason};
use crate::run::{CertificateRefused, ConfigStatus, Listed};
use crate::table::{Own, Table};
use crate::tls::Certificates;
use crate::worker::Lender;

pub struct Shared {
    /// This gateway's name among gateways.
    pub id: String,
    /// As they were at the start. What can be taken over later is below.
    pub settings: Settings,
    /// What became of their file the last time that it was read.
    pub config: ArcSwap<ConfigStatus>,
    /// Tells the control plane to read the file again.
    pub reread: Arc<Notify>,
    /// The entrypoints and certificates of the file, as it was read last.
    pub file_entrypoints: ArcSwap<Vec<NamedEntrypoint>>,
    pub file_certificates: ArcSwap<Vec<Identity>>,
    pub table: Arc<ArcSwap<Table>>,
    pub store: Arc<Store>,
    /// By which holds are ended.
    pub holds: Holds,
    pub registry: Registry,
    /// An instance that registers at one of these is refused.
    pub own: ArcSwap<Own>,
    /// Those of the file and of the registry, with what became of them.
    pub entrypoints: ArcSwap<Vec<Listed>>,
    /// Tells that they are others now.
    pub relisted: Notify,
    /// Where clients without TLS find it; 0: nowhere.
    pub https_port: Arc<AtomicU16>,
    /// What TLS that ends here is shown, and what of it is not served as it is written.
    pub certificates: Arc<ArcSwap<Certificates>>,
    pub certificates_refused: ArcSwap<Vec<CertificateRefused>>,
    /// By which live connections are listed and ended.
    pub workers: Lender,
    /// Job ports that are not reachable at their VIP now, and why.
    pub not_caught: ArcSwap<Vec<NotCaught>>,
    /// One for each file of `[jobs]`, in that order.
    pub(crate) jobs_files: Vec<ArcSwap<Status>>,
    /// One for each worker; summed when somebody asks.
    pub counters: Vec<Arc<Counters>>,
    /// Who may come in.
    pub access: Arc<Access>,
    pub access_log: Arc<access_log::State>,
    pub started: Instant,
    pub phase: watch::Receiver<Phase>,
}

impl Shared {
    pub fn stale_seconds(&self) -> f64 {
        self.store.contact().stale(Instant::now()).as_secs_f64()
    }

    /// HTTP answers by the first digit of their status; 0: none was given.
    pub fn answers(&self, class: usize) -> u64 {
        let of =
            |counters: &Arc<Counters>| counters.answers.get(class).map_or(0, |count| count.load(Relaxed));
        self.counters.iter().map(of).sum()
    }

    /// How often this was why a connection was refused or ended.
    pub fn ended(&self, reason: Reason) -> u64 {
        self.counters.iter().map(|counters| counters.reasons.of(reason)).sum()
    }
}
